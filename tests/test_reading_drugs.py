"""Reading drugs, end to end: each coding, place, resource, status and date that was seen in the wild."""

from __future__ import annotations

from itertools import product

import pytest

from tests import codes
from tests.builder import Record
from tests.front_door import ask
from tests.medication import CODINGS, PLACES, RESOURCES

CODED = [
    (drug, coding)
    for drug, coding in product(codes.INHIBITORS, CODINGS)
    if coding in codes.DRUG[drug] or coding.startswith("text")
]
R4_PLACES = [place for place in PLACES if not place.startswith("r5")]


def osteopenia() -> Record:
    """A woman whose tier an inhibitor moves from moderate (M2) to high (H3a)."""
    return Record().condition("breast-cancer").t_score("lumbar-spine", -1.5)


def _uses(record: Record) -> list[str]:
    return [fact["use"] for fact in ask(record).used("inhibitor")]


@pytest.mark.parametrize("resource", RESOURCES[:2])
@pytest.mark.parametrize(("drug", "coding"), CODED, ids=[" ".join(pair) for pair in CODED])
def test_each_coding_of_each_inhibitor(drug: str, coding: str, resource: str) -> None:
    answer = ask(osteopenia().drug(drug, coding=coding, resource=resource))
    (fact,) = answer.used("inhibitor")
    assert fact["use"] == "current"
    assert fact["resource"].startswith(f"{resource}/")
    assert answer.assessment["tierRule"] == "H3a"


@pytest.mark.parametrize(("place", "resource"), list(product(PLACES, RESOURCES[:2])))
@pytest.mark.parametrize("coding", ["scd", "text-zh"])
def test_each_place_a_drug_can_stand(place: str, resource: str, coding: str) -> None:
    assert _uses(osteopenia().drug("letrozole", coding=coding, where=place, resource=resource)) == ["current"]


@pytest.mark.parametrize("place", PLACES)
def test_an_administration_that_goes_on(place: str) -> None:
    record = osteopenia().drug(
        "anastrozole", where=place, resource="MedicationAdministration", status="in-progress", start="2026-08-01"
    )
    assert _uses(record) == ["current"]


@pytest.mark.parametrize("name", ["formestane"])
def test_an_inhibitor_known_by_atc_alone(name: str) -> None:
    assert _uses(osteopenia().drug(name)) == ["current"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("来曲唑片 2.5mg", True),
        ("阿那曲唑片(瑞宁得)", True),
        ("letrozole 2.5mg tab po qd", True),
        ("LETROZOLE", True),
        ("letrozole allergy", False),
        ("stop letrozole", False),
        ("来曲唑过敏", False),
        ("停用来曲唑", False),
        ("letrozolex", False),
        ("Vitamin C", False),
    ],
)
def test_a_local_name_is_matched_whole_and_not_where_it_is_denied(text: str, found: bool) -> None:
    record = osteopenia()
    record.add(
        {
            "resourceType": "MedicationStatement",
            "id": "local",
            "status": "active",
            "subject": {"reference": "Patient/pat"},
            "medicationCodeableConcept": {"text": text},
            "effectivePeriod": {"start": "2026-01-10"},
        }
    )
    assert bool(_uses(record)) is found


@pytest.mark.parametrize(
    ("resource", "told", "use"),
    [
        ("MedicationRequest", {"status": "active"}, "current"),
        ("MedicationRequest", {"status": "on-hold"}, "planned"),
        ("MedicationRequest", {"status": "draft"}, "planned"),
        ("MedicationRequest", {"intent": "plan"}, "planned"),
        ("MedicationRequest", {"intent": "proposal"}, "planned"),
        ("MedicationRequest", {"status": "completed", "end": "2026-09-10"}, "unclear"),
        ("MedicationRequest", {"status": "stopped", "end": "2026-09-10"}, "unclear"),
        ("MedicationRequest", {"end": "2026-09-10"}, "unclear"),  # still "active", but its period is over
        ("MedicationRequest", {"status": "completed", "end": "2027-03-01"}, "current"),  # the stated supply still runs
        ("MedicationRequest", {"status": "completed", "start": "2020-01-10", "end": "2022-01-10"}, "past"),
        ("MedicationStatement", {"status": "active"}, "current"),
        ("MedicationStatement", {"status": "intended"}, "planned"),
        ("MedicationStatement", {"status": "on-hold"}, "planned"),
        ("MedicationStatement", {"status": "completed", "end": "2026-09-10"}, "unclear"),
        ("MedicationStatement", {"status": "completed", "start": "2020-01-10", "end": "2022-01-10"}, "past"),
        ("MedicationStatement", {"where": "r5-concept"}, "current"),  # R5: recorded
        ("MedicationAdministration", {"status": "in-progress"}, "current"),
        ("MedicationAdministration", {"status": "completed", "start": "2026-10-01"}, "unclear"),
    ],
)
def test_what_each_status_says_of_use(resource: str, told: dict[str, str], use: str) -> None:
    answer = ask(osteopenia().drug("exemestane", resource=resource, **told))
    assert [fact["use"] for fact in answer.facts("inhibitor")] == [use]


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        ("MedicationRequest", {"status": "entered-in-error"}),
        ("MedicationRequest", {"status": "cancelled"}),
        ("MedicationRequest", {"doNotPerform": True}),
        ("MedicationStatement", {"status": "entered-in-error"}),
        ("MedicationStatement", {"status": "not-taken"}),
        ("MedicationAdministration", {"status": "entered-in-error"}),
        ("MedicationAdministration", {"status": "not-done"}),
    ],
)
def test_a_status_that_does_not_count(resource: str, told: dict[str, str | bool]) -> None:
    answer = ask(osteopenia().drug("exemestane", resource=resource, **told))
    assert answer.used("inhibitor") == []
    assert answer.tier_members["tierRule"] == "M2"


def test_r5_adherence_not_taking_does_not_count() -> None:
    not_taking = {
        "code": {
            "coding": [
                {"system": "http://hl7.org/fhir/CodeSystem/medication-statement-adherence", "code": "not-taking"}
            ]
        }
    }
    record = osteopenia().drug("letrozole", resource="MedicationStatement", where="r5-concept", adherence=not_taking)
    assert ask(record).used("inhibitor") == []


def test_the_same_drug_in_two_resources_is_one() -> None:
    twice = osteopenia().drug("anastrozole", coding="scd")
    twice.drug("anastrozole", coding="rxnorm-in", resource="MedicationStatement")
    answer = ask(twice)
    assert len(answer.used("inhibitor")) == 1
    assert len(answer.facts("inhibitor")) == 2
    assert answer.assessment["tierRule"] == "H3a"


def test_a_supplement_in_two_resources_is_summed_once() -> None:
    """1,200 mg told by an order and by the patient are 1,200 mg, not 2,400 (above the limit of 2,000)."""
    record = osteopenia()
    for resource in RESOURCES[:2]:
        record.drug("calcium", dose="1200 mg every 1 d", resource=resource)
    assert "calcium-upper-limit" not in ask(record).outcomes


def test_years_told_twice_are_not_years_doubled() -> None:
    record = osteopenia()
    for resource in RESOURCES[:2]:
        record.drug("letrozole", start="2023-05-20", resource=resource)
    assert "endocrine-over-5-years" not in ask(record).outcomes


def test_a_long_term_use_code_is_use() -> None:
    assert ask(osteopenia().condition("inhibitor-long-term-use")).assessment["tierRule"] == "H3a"


@pytest.mark.parametrize(
    "start", ["2025", "2025-11", "2025-11-10", "2025-11-10T08:30:00+08:00", "2025-11-10T08:30:00.123Z", None]
)
@pytest.mark.parametrize("resource", RESOURCES[:2])
def test_a_start_of_any_precision(start: str | None, resource: str) -> None:
    assert _uses(osteopenia().drug("letrozole", start=start, resource=resource)) == ["current"]


@pytest.mark.parametrize("subject", ["Patient/pat", "https://ehr.example.org/baseR4/Patient/pat", "urn:uuid:pat"])
def test_each_way_to_name_the_patient(subject: str) -> None:
    record = Record(subject=subject).condition("breast-cancer").t_score("lumbar-spine", -1.5).drug("letrozole")
    assert ask(record).assessment["tierRule"] == "H3a"


def test_what_belongs_to_another_patient_is_ignored() -> None:
    other = (
        Record(patient_id="other")
        .t_score("lumbar-spine", -3.5)
        .drug("letrozole")
        .fracture("hip", nature="osteoporotic")
    )
    record = osteopenia()
    for key, entry in other.entries:
        record.add({**entry["resource"], "id": f"of-other-{entry['resource']['id']}"}, key=key)
    answer = ask(record)
    assert answer.tier_members == ask(osteopenia()).tier_members
    assert not any("of-other" in fact.get("resource", "") for fact in answer.assessment["facts"])


def test_palopegteriparatide_is_not_teriparatide() -> None:
    """One dataset maps it under teriparatide; it treats hypoparathyroidism."""
    record = osteopenia().condition("radiotherapy-history").drug("palopegteriparatide")
    assert "teriparatide-block" not in ask(record).outcomes


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize("place", R4_PLACES[:2])
def test_a_draft_is_planned_use(hook: str, place: str) -> None:
    answer = ask(osteopenia().draft("letrozole", where=place), hook)
    (fact,) = answer.used("inhibitor")
    assert fact["use"] == "planned"
    assert answer.assessment["withoutDraftOrders"]["tierRule"] == "M2"
    assert answer.assessment["tierRule"] == "H3a"


@pytest.mark.parametrize("drug", ["letrozole", "zoledronic-acid", "denosumab", "alendronate"])
@pytest.mark.parametrize("state", ["active", "completed"])
def test_a_medicine_of_the_last_day_of_the_calendar_is_answered(drug: str, state: str) -> None:
    """Some systems write it for a date that nobody knows."""
    record = osteopenia().drug("letrozole").drug(drug, start="9999-12-31", status=state)
    assert ask(record).status == 200
