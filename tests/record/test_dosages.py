"""Doses as records tell them: how much, how often, by which way. Through the front door."""

from __future__ import annotations

from typing import Any

import pytest

from tests import codes
from tests.builder import Record
from tests.fhir_pieces import Json, concept
from tests.front_door import Answer, ask

IBANDRONATE = concept(codes.ATC, "M05BA06")
CHOLECALCIFEROL = concept(codes.ATC, "A11CC05")
CALCIUM = concept(codes.ATC, "A12AA")


def osteopenia() -> Record:
    return Record().condition("breast-cancer").t_score("lumbar-spine", -1.5)


def listed(resource: str = "MedicationRequest", **content: Any) -> Record:
    """A woman with one medication resource of these members on her list."""
    told: Json = {"resourceType": resource, "id": "m", "status": "active", "subject": {"reference": "Patient/pat"}}
    return osteopenia().add({**told, **content})


# -- how much ----------------------------------------------------------------------------------------------------------


def daily(concept: Json, dosage: Json) -> Record:
    once = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
    return listed(medicationCodeableConcept=concept, dosageInstruction=[{**once, **dosage}])


def dose(value: float, **unit: str) -> Json:
    return {"doseAndRate": [{"doseQuantity": {"value": value, **unit}}]}


def above_the_limit(answer: Answer) -> bool:
    """Whether more than 2,000 mg of calcium a day were read."""
    return "calcium-upper-limit" in answer.outcomes


@pytest.mark.parametrize(("status", "counts"), [("active", True), ("stopped", False), ("unknown", False)])
def test_only_what_is_taken_or_planned_adds_to_the_daily_dose(status: str, counts: bool) -> None:
    record = daily(CALCIUM, dose(2100, code="mg"))
    ((_, entry),) = (filed for filed in record.entries if filed[1]["resource"]["id"] == "m")
    entry["resource"] |= {"status": status, "authoredOn": "2024-01-01"}
    assert above_the_limit(ask(record)) is counts


@pytest.mark.parametrize(
    "told",
    [
        dose(2100, code="mg"),
        dose(2100, unit="MG"),
        dose(2.1, code="g"),
        dose(2_100_000, unit="µg"),
        dose(2_100_000, code="ug"),
        dose(2100, unit="毫克"),
        {"text": "2100 mg with meals"},
        {"text": "2100MG"},
        {"text": "2.1 g"},
        {"doseAndRate": [{"rateQuantity": {"value": 1}}, {"doseQuantity": {"value": 2100, "code": "mg"}}]},
    ],
)
def test_a_weight_in_each_way_of_telling_it(told: Json) -> None:
    assert above_the_limit(ask(daily(CALCIUM, told)))


@pytest.mark.parametrize(
    "told",
    [
        {},
        dose(2100, code="mL"),
        dose(2100, unit="drops"),
        dose(3, code="{tbl}"),  # of no known strength
        {"doseAndRate": [{"doseQuantity": {"code": "mg"}}]},
        {"text": "as directed"},
    ],
)
def test_a_dose_that_says_no_weight_adds_nothing(told: Json) -> None:
    answer = ask(daily(CALCIUM, told))
    assert not above_the_limit(answer)
    (fact,) = answer.facts("calcium_at_most")
    assert fact["reason"] == "no-strength"


@pytest.mark.parametrize(
    ("text", "pieces", "is_above"),
    [
        ("calcium supplement 700 mg", dose(3, code="{tbl}"), True),
        ("calcium supplement 700 mg", dose(3, unit="Tablets"), True),
        ("calcium supplement 700 mg", dose(3), True),
        ("calcium supplement 700 mg", dose(2, code="{tbl}"), False),
        ("calcium supplement 700 mg", {}, False),
        ("calcium supplement 2100 mg", {}, True),
        ("钙剂2100毫克", {}, True),
        ("calcium supplement 700 mg or 2100 mg", {}, False),  # which of the two is not said
        ("calcium supplement", dose(3, code="{tbl}"), False),
    ],
)
def test_pieces_of_a_strength_that_the_name_states(text: str, pieces: Json, is_above: bool) -> None:
    assert above_the_limit(ask(daily({"text": text}, pieces))) is is_above


@pytest.mark.parametrize(
    ("told", "is_enough"),
    [
        (dose(400, code="[iU]"), True),
        (dose(399, code="[iU]"), False),
        (dose(400, unit="IU"), True),
        (dose(400, unit="国际单位"), True),
        ({"text": "400 IU daily"}, True),
        ({"text": "400 iu daily"}, True),
        ({"text": "399 iu daily"}, False),
    ],
)
def test_vitamin_d_in_units(told: Json, is_enough: bool) -> None:
    record = daily(CHOLECALCIFEROL, told).drug("calcium", dose="1200 mg every 1 d")
    assert ("calcium-vitamin-d" not in ask(record).outcomes) is is_enough


def test_parts_of_a_combination_by_the_piece() -> None:
    """600 mg of calcium with 400 IU of vitamin D3 (428485), twice a day: 1,200 mg and 800 IU."""
    tablet = {"coding": [{"system": codes.RXNORM, "code": "428485"}]}
    assert "calcium-vitamin-d" not in ask(daily(tablet, dose(2, code="{tbl}"))).outcomes
    assert "calcium-vitamin-d" in ask(daily(tablet, dose(1, code="{tbl}"))).outcomes
    # By weight it is not said of which part: counted as present, of unknown strength.
    (fact,) = ask(daily(tablet, dose(1, code="g"))).facts("calcium_at_most")
    assert fact["reason"] == "no-strength"


def test_a_combination_without_a_recorded_strength_counts_as_present() -> None:
    record = daily({"coding": [{"system": codes.ATC, "code": "A12AX"}]}, dose(1, code="{tbl}"))
    assert "calcium-vitamin-d" not in ask(record).outcomes


def test_of_an_administration_the_dose_stands_alone() -> None:
    record = osteopenia().drug("zoledronic-acid", resource="MedicationAdministration", start="2026-09-01", dose="5 mg")
    record.add(
        {
            "resourceType": "MedicationAdministration",
            "id": "second",
            "status": "completed",
            "medicationCodeableConcept": IBANDRONATE,
            "effectiveDateTime": "2026-10-01",
            "dosage": {"dose": {"value": 3, "code": "mg"}, "route": {"text": "IV"}},
        }
    )
    covering = {fact["drug"] for fact in ask(record).used("bone_agent")}
    assert covering == {"zoledronic_acid", "ibandronate"}


# -- how often ---------------------------------------------------------------------------------------------------------


def ibandronate(*dosages: Json, concept: Json = IBANDRONATE) -> Answer:
    told = [{**dose(150, code="mg"), "route": {"text": "oral"}, **dosage} for dosage in dosages]
    return ask(listed(medicationCodeableConcept=concept, dosageInstruction=told))


WEEKLY: list[Json] = [
    {"timing": {"repeat": {"period": 1, "periodUnit": "wk"}}},
    {"timing": {"repeat": {"frequency": 4, "period": 1, "periodUnit": "mo"}}},
    {"timing": {"repeat": {"frequency": 0, "period": 7, "periodUnit": "d"}}},
    {"timing": {"code": {"coding": [{"code": "WK"}]}}},
    {"timing": {"code": {"coding": [{"display": "weekly"}, {"code": "qw"}]}}},
    {"timing": {"code": {"text": "QW"}}},
    {"timing": {"code": {"text": "once weekly"}}},
    {"timing": {"code": {"coding": [{"code": "local-7"}], "text": "每周一次"}}},
    {"text": "take 1 tablet weekly"},
    {"text": "每周一次，口服"},
]
MONTHLY: list[Json] = [
    {"timing": {"repeat": {"period": 1, "periodUnit": "mo"}}},
    {"timing": {"repeat": {"period": 28, "periodUnit": "d"}}},
    {"timing": {"code": {"coding": [{"code": "MO"}]}}},
    {"text": "once a month"},
]
UNSAID: list[Json] = [
    {},
    {"timing": {"repeat": {"period": 1}}},
    {"timing": {"repeat": {"period": 0, "periodUnit": "wk"}}},
    {"timing": {"repeat": {"period": -7, "periodUnit": "d"}}},
    {"timing": {"repeat": {"period": 1, "periodUnit": "fortnight"}}},
    {"timing": {"code": {"text": "see leaflet"}}},
    {"text": "weekly or monthly"},  # which of the two is not said
    {"text": "as directed"},
]


@pytest.mark.parametrize("told", WEEKLY)
def test_each_way_to_say_weekly(told: Json) -> None:
    assert "dose-error" in ibandronate(told).outcomes


@pytest.mark.parametrize("told", [*MONTHLY, *UNSAID])
def test_monthly_or_unsaid_is_no_error_of_an_order_on_the_list(told: Json) -> None:
    assert "dose-error" not in ibandronate(told).outcomes


def test_the_dosage_that_says_it_may_be_the_second() -> None:
    assert "dose-error" in ibandronate({}, {"timing": {"code": {"text": "see leaflet"}}}, {"text": "weekly"}).outcomes


def test_the_name_may_say_how_often() -> None:
    assert "dose-error" in ibandronate({}, concept={**IBANDRONATE, "text": "ibandronate 150 mg once weekly"}).outcomes


# -- by which way ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "route",
    [
        {"coding": [{"system": codes.SNOMED, "code": "47625008"}]},
        {"coding": [{"code": "IV"}]},
        {"coding": [{"system": codes.SNOMED, "code": "unknown"}], "text": "intravenous"},
        {"text": "静脉滴注"},
    ],
)
def test_into_a_vein(route: Json) -> None:
    """3 mg every month is too often into a vein, and no dose by mouth."""
    monthly = {"timing": {"repeat": {"period": 1, "periodUnit": "mo"}}}
    assert "dose-error" in ibandronate({**dose(3, code="mg"), **monthly, "route": route}).outcomes
    assert "dose-error" not in ibandronate({**dose(3, code="mg"), **monthly, "route": {"text": "oral"}}).outcomes


def given(dosage: list[Json]) -> Record:
    """Ibandronate given seven weeks ago: it still covers the patient only if it went into a vein."""
    return listed(
        "MedicationStatement",
        status="completed",
        effectiveDateTime="2026-10-01",
        medicationCodeableConcept=IBANDRONATE,
        dosage=dosage,
    )


@pytest.mark.parametrize("text", ["IV", "iv", "Intravenous", "静脉注射"])
def test_the_route_may_stand_in_words_and_in_the_second_dosage(text: str) -> None:
    assert ask(given([{"route": {"text": "see leaflet"}}, {}, {"route": {"text": text}}])).used("bone_agent")


@pytest.mark.parametrize("dosage", [[], [{"route": {}}], [{"route": {"text": "see leaflet"}}]])
def test_without_a_route_nothing_is_taken_for_an_injection(dosage: list[Json]) -> None:
    assert ask(given(dosage)).used("bone_agent") == []
