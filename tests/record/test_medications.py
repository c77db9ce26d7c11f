"""Medicines as records tell them: where the name stands, how much, how often, until when. Through the front door."""

from __future__ import annotations

from typing import Any

import pytest

from tests import codes
from tests.builder import Record
from tests.fhir_pieces import Json
from tests.front_door import ask

LETROZOLE = {"coding": [{"system": codes.RXNORM, "code": "200064"}]}
IBANDRONATE = {"coding": [{"system": codes.ATC, "code": "M05BA06"}]}
CHOLECALCIFEROL = {"coding": [{"system": codes.ATC, "code": "A11CC05"}]}
CALCIUM = {"coding": [{"system": codes.ATC, "code": "A12AA"}]}


def osteopenia() -> Record:
    """A woman whose tier an inhibitor moves from moderate (M2) to high (H3a)."""
    return Record().condition("breast-cancer").t_score("lumbar-spine", -1.5)


def listed(resource: str = "MedicationRequest", **content: Any) -> Record:
    """The woman with one medication resource of these members on her list."""
    told: Json = {"resourceType": resource, "id": "m", "status": "active", "subject": {"reference": "Patient/pat"}}
    return osteopenia().add({**told, **content})


def use_of(record: Record) -> list[str]:
    return [fact["use"] for fact in ask(record).facts("inhibitor")]


# -- where the name stands ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ingredient",
    [
        [{"itemCodeableConcept": {"text": "lactose"}}, {"itemCodeableConcept": LETROZOLE}],
        [{"item": {"concept": LETROZOLE}}],
        [{}, {"itemCodeableConcept": LETROZOLE}],
    ],
)
@pytest.mark.parametrize("code", [{}, {"code": {"text": "hospital formulary 4711"}}])
def test_a_medication_known_by_its_ingredient(ingredient: list[Json], code: Json) -> None:
    medication = {"resourceType": "Medication", "id": "med", **code, "ingredient": ingredient}
    record = listed(medicationReference={"reference": "Medication/med"}).add(medication, key="medicationRequests")
    assert use_of(record) == ["current"]


@pytest.mark.parametrize("ingredient", [None, [], [{"itemCodeableConcept": {"text": "lactose"}}]])
def test_a_medication_without_a_name_or_ingredient_that_we_know(ingredient: list[Json] | None) -> None:
    medication = {"resourceType": "Medication", "id": "med", "ingredient": ingredient}
    record = listed(medicationReference={"reference": "Medication/med"}).add(medication, key="medicationRequests")
    assert use_of(record) == []


@pytest.mark.parametrize(
    ("reference", "use"),
    [
        ({"display": "Letrozole 2.5 mg tablets"}, ["current"]),
        ({"reference": "Medication/gone", "display": "来曲唑片"}, ["current"]),
        ({"reference": "Medication/gone", "display": "letrozole allergy"}, []),
        ({"reference": "Medication/gone"}, []),
        ({"reference": "#gone"}, []),
    ],
)
def test_a_reference_that_leads_nowhere_names_what_it_displays(reference: Json, use: list[str]) -> None:
    assert use_of(listed(medicationReference=reference)) == use


def test_an_address_with_a_version_is_the_same_resource() -> None:
    medication = {"resourceType": "Medication", "id": "med", "code": LETROZOLE}
    record = listed(medicationReference={"reference": "Medication/med/_history/3"})
    assert use_of(record.add(medication, key="medicationRequests")) == ["current"]


@pytest.mark.parametrize(
    "other",
    [
        {"code": "200064"},  # of no system
        {"system": "urn:oid:1.2.3.4", "code": "200064"},
        {"system": codes.RXNORM},  # without a code
        {"system": codes.RXNORM, "code": "200064 "},
    ],
)
def test_a_code_counts_in_its_own_system_only(other: Json) -> None:
    assert use_of(listed(medicationCodeableConcept={"coding": [other]})) == []


def test_the_display_of_an_unknown_code_names_the_drug() -> None:
    local = {"system": "urn:oid:1.2.3.4", "code": "A1", "display": "Letrozole 2.5 mg"}
    assert use_of(listed(medicationCodeableConcept={"coding": [local]})) == ["current"]


# -- adherence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("adherence", "use"),
    [
        ({"code": {"coding": [{"code": "not-taking"}]}}, ["past"]),
        ({"code": {"coding": [{"code": "stopped"}]}}, ["past"]),
        ({"code": {"coding": [{"code": "taking"}]}}, ["current"]),
        ({"code": {"coding": [{"code": "on-hold"}, {"code": "not-taking"}]}}, ["past"]),
        ({"code": {"text": "not taking"}}, ["current"]),
        ({}, ["current"]),
    ],
)
def test_what_an_r5_statement_says_of_adherence(adherence: Json, use: list[str]) -> None:
    medication = {"concept": LETROZOLE}
    record = listed("MedicationStatement", status="recorded", medication=medication, adherence=adherence)
    assert use_of(record) == use


# -- until when --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "use"),
    [
        # The stated supply decides whether a completed order still runs; today is 2026-11-20.
        ({"expectedSupplyDuration": {"value": 90, "code": "d"}}, "current"),
        ({"expectedSupplyDuration": {"value": 80, "unit": "d"}}, "current"),
        ({"expectedSupplyDuration": {"value": 79, "code": "d"}}, "unclear"),
        ({"expectedSupplyDuration": {"value": 20, "code": "d"}, "numberOfRepeatsAllowed": 3}, "current"),
        ({"expectedSupplyDuration": {"value": 20, "code": "d"}, "numberOfRepeatsAllowed": 2}, "unclear"),
        ({"expectedSupplyDuration": {"value": 3, "code": "mo"}}, "current"),
        ({"expectedSupplyDuration": {"value": 2, "code": "mo"}}, "unclear"),
        ({"expectedSupplyDuration": {"value": 1, "code": "a"}}, "current"),
        ({"expectedSupplyDuration": {"value": 90, "code": "tablets"}}, "unclear"),
        ({"expectedSupplyDuration": {"code": "d"}}, "unclear"),
        ({"validityPeriod": {"end": "2026-11-20"}}, "current"),
        ({"validityPeriod": {"end": "2026-11-19"}}, "unclear"),
        ({"validityPeriod": {"start": "2026-09-01"}}, "unclear"),
        # Of two that say it, the later.
        ({"expectedSupplyDuration": {"value": 79, "code": "d"}, "validityPeriod": {"end": "2026-11-20"}}, "current"),
        ({"expectedSupplyDuration": {"value": 80, "code": "d"}, "validityPeriod": {"end": "2026-11-19"}}, "current"),
        ({"expectedSupplyDuration": {"value": 79, "code": "d"}, "validityPeriod": {"end": "2026-11-19"}}, "unclear"),
        ({}, "unclear"),
    ],
)
def test_a_supply_that_still_runs_is_current_use(told: Json, use: str) -> None:
    record = listed(
        status="completed", authoredOn="2026-09-01", medicationCodeableConcept=LETROZOLE, dispenseRequest=told
    )
    assert use_of(record) == [use]


@pytest.mark.parametrize(
    ("until", "use", "tier"),
    [("2026-11-20", "unclear", "high"), ("2026-11-19", "unclear", "high"), (None, "past", "moderate")],
)
def test_an_order_stopped_within_its_course_is_unclear(until: str | None, use: str, tier: str) -> None:
    """Synthea stops each order on paper while its course goes on; stopped long ago without one it is over."""
    dosage = [{"timing": {"repeat": {"boundsPeriod": {"start": "2024-03-01", "end": until}}}}]
    record = listed(
        status="stopped", authoredOn="2024-03-01", medicationCodeableConcept=LETROZOLE, dosageInstruction=dosage
    )
    answer = ask(record)
    assert [fact["use"] for fact in answer.facts("inhibitor")] == [use]
    assert answer.assessment["tier"] == tier


def test_a_supply_without_a_start_says_nothing() -> None:
    supply = {"expectedSupplyDuration": {"value": 10, "code": "a"}}
    record = listed(status="completed", medicationCodeableConcept=LETROZOLE, dispenseRequest=supply)
    assert use_of(record) == ["unclear"]


@pytest.mark.parametrize(
    ("duration", "use"), [({"value": 6, "code": "mo"}, "current"), ({"value": 1, "code": "mo"}, "unclear")]
)
def test_the_length_of_a_course_ends_an_active_order(duration: Json, use: str) -> None:
    dosage = [{}, {"timing": {"repeat": {"boundsDuration": duration}}}]
    record = listed(authoredOn="2026-09-01", medicationCodeableConcept=LETROZOLE, dosageInstruction=dosage)
    assert use_of(record) == [use]


@pytest.mark.parametrize("length", [{"value": 9999, "code": "a"}, {"value": 1e300, "code": "d"}])
def test_a_course_of_no_possible_length_is_said_and_spoils_nothing_else(length: Json) -> None:
    dosage = [{"timing": {"repeat": {"boundsDuration": length}}}]
    record = listed(authoredOn="2026-09-01", medicationCodeableConcept=LETROZOLE, dosageInstruction=dosage)
    answer = ask(record)
    assert answer.used("inhibitor") == []
    assert "data-quality" in answer.outcomes
    assert answer.assessment["tierRule"] == "M2"


def test_an_order_for_later_is_planned() -> None:
    record = listed(authoredOn="2027-02-01", medicationCodeableConcept=LETROZOLE)
    assert use_of(record) == ["planned"]


def test_an_order_by_both_kinds_of_plan_is_planned_once() -> None:
    record = listed(status="on-hold", intent="plan", authoredOn="2026-02-01", medicationCodeableConcept=LETROZOLE)
    assert use_of(record) == ["planned"]


@pytest.mark.parametrize("status", [None, "unknown", "something-else"])
def test_a_status_that_says_nothing_is_unclear_use(status: str | None) -> None:
    assert use_of(listed(status=status, medicationCodeableConcept=LETROZOLE)) == ["unclear"]


def test_a_medicine_of_another_kind_is_passed_over() -> None:
    assert use_of(listed(medicationCodeableConcept={"text": "paracetamol"})) == []
