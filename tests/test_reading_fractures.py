"""Reading fractures, and a record with something broken in it, end to end."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.builder import Record
from tests.front_door import Answer, ask
from tests.wire_rules import check_response


def bare() -> Record:
    return Record().condition("breast-cancer")


def _rule(record: Record) -> str:
    return str(ask(record).assessment["tierRule"])


@pytest.mark.parametrize("clinical", ["active", "inactive", "resolved", "remission", None])
def test_a_healed_fracture_still_counts(clinical: str | None) -> None:
    assert _rule(bare().fracture("hip", nature="osteoporotic", clinical=clinical)) == "H1"


@pytest.mark.parametrize("verification", ["refuted", "entered-in-error"])
def test_a_fracture_that_was_none(verification: str) -> None:
    record = bare().t_score("lumbar-spine", 0.5).fracture("hip", nature="osteoporotic", verification=verification)
    assert ask(record).tier_members["atMost"] == "low"


def test_a_condition_without_a_verification_status_counts() -> None:
    assert _rule(bare().fracture("vertebra", nature="osteoporotic", verification=None)) == "H1"


@pytest.mark.parametrize(("site", "coding"), list(product(("hip", "vertebra"), ("snomed", "icd"))))
def test_osteoporotic_codes(site: str, coding: str) -> None:
    answer = ask(bare().t_score("lumbar-spine", 0.5).fracture(site, nature="osteoporotic", coding=coding))
    assert answer.tier_members == {
        "tier": "high",
        "provisional": False,
        "atLeast": "high",
        "atMost": "high",
        "tierRule": "H1",
    }


@pytest.mark.parametrize(("cause", "told_by"), list(product(("low", "low-w01", "low-w00"), ("due-to", "coding"))))
def test_a_fall_on_one_level_is_low_energy(cause: str, told_by: str) -> None:
    answer = ask(bare().t_score("lumbar-spine", 0.5).fracture("hip", cause=cause, told_by=told_by))
    assert answer.tier_members["atLeast"] == "high"


@pytest.mark.parametrize("told_by", ["due-to", "coding"])
def test_a_car_crash_is_high_energy(told_by: str) -> None:
    answer = ask(bare().t_score("lumbar-spine", 0.5).fracture("hip", cause="high", told_by=told_by))
    assert answer.tier_members["atMost"] == "low"


def test_a_fall_not_described_says_nothing() -> None:
    answer = ask(bare().t_score("lumbar-spine", 0.5).fracture("hip", cause="fall"))
    assert answer.tier_members["provisional"] is True
    assert "confirm-fracture-mechanism" in answer.outcomes


def test_due_to_osteoporosis() -> None:
    url = "http://hl7.org/fhir/StructureDefinition/condition-dueTo"
    coded = {"coding": [{"system": "http://snomed.info/sct", "code": "64859006"}]}
    by_code = bare().t_score("lumbar-spine", 0.5)
    by_code.fracture("hip", extension=[{"url": url, "valueCodeableConcept": coded}])
    assert ask(by_code).tier_members["atLeast"] == "high"
    by_reference = bare().t_score("lumbar-spine", 0.5).condition("osteoporosis", id="cause")
    by_reference.fracture("hip", extension=[{"url": url, "valueReference": {"reference": "Condition/cause"}}])
    assert ask(by_reference).tier_members["atLeast"] == "high"


def test_an_osteoporotic_code_of_the_same_day_settles_a_plain_one() -> None:
    """443165006 names no site; the plain hip code of the same day does."""
    record = bare().t_score("lumbar-spine", 0.5).fracture("hip", "2024-03-01")
    record.fracture("unspecified", "2024-03-01", nature="osteoporotic")
    assert ask(record).tier_members["atLeast"] == "high"


def test_osteoporosis_alone_settles_no_mechanism() -> None:
    record = bare().t_score("lumbar-spine", -0.5).fracture("hip", None).condition("osteoporosis")
    assert ask(record).tier_members["provisional"] is True


@pytest.mark.parametrize("onset", ["2015", "2015-03", "2015-03-01", "2015-03-01T10:00:00-05:00"])
def test_an_onset_of_any_precision(onset: str) -> None:
    assert _rule(bare().t_score("lumbar-spine", 0.5).fracture("hip", onset)) == "H1"


def test_an_onset_told_as_an_age() -> None:
    age = {"value": 62, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"}
    assert _rule(bare().t_score("lumbar-spine", 0.5).fracture("hip", None, onsetAge=age)) == "H1"


# -- one broken resource -----------------------------------------------------------------------------------------------


BROKEN: list[Any] = [
    {"resourceType": "Observation", "id": "b", "status": "final", "valueQuantity": {"value": "low"}},
    {"resourceType": "Observation", "id": "b", "status": "final", "code": "38267-1"},
    {"resourceType": "Observation", "id": "b", "status": ["final"], "code": {"coding": {}}},
    {"resourceType": "Condition", "id": "b", "code": {"coding": [{"system": 7, "code": 8}]}},
    {"resourceType": "MedicationRequest", "id": "b", "medicationCodeableConcept": [1]},
    {"resourceType": 7},
    {"id": "no-type"},
    "a string",
    17,
    ["a", "list"],
]


@pytest.mark.parametrize("broken", BROKEN, ids=[str(index) for index in range(len(BROKEN))])
@pytest.mark.parametrize("key", ["conditions", "dxa", "labs", "medicationRequests"])
def test_one_broken_resource_spoils_nothing_else(broken: Any, key: str) -> None:
    def whole() -> Record:
        return bare().t_score("lumbar-spine", -1.5).drug("letrozole").fracture("distal-forearm", cause="low")

    spoiled = whole()
    spoiled.add(broken, key=key)
    spoiled.entries.insert(0, spoiled.entries.pop())
    answer: Answer = ask(spoiled)
    check_response(answer.body)
    assert answer.tier_members == ask(whole()).tier_members


@pytest.mark.parametrize("broken", BROKEN[:5], ids=[str(index) for index in range(5)])
def test_a_resource_that_cannot_be_read_is_said(broken: Any) -> None:
    assert "data-quality" in ask(bare().t_score("lumbar-spine", -1.5).add(broken)).outcomes


def test_a_date_that_is_none_spoils_its_own_resource_only() -> None:
    answer = ask(bare().t_score("lumbar-spine", -3.5, "last week").t_score("total-hip", -1.5))
    assert answer.tier_members["tierRule"] == "M2"
    assert "data-quality" in answer.outcomes
