"""Conditions, procedures and fractures as records tell them: status, date, age and cause. Through the front door."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_profiles import KEYS, KINDS, Chart, Facts, terminology
from fhir_profiles.chart import Diagnosis, Person
from fhir_profiles.dates import when
from tests import codes
from tests.builder import Record
from tests.fhir_pieces import TODAY, Json, concept
from tests.front_door import Answer, ask

DUE_TO = "http://hl7.org/fhir/StructureDefinition/condition-dueTo"
BREAST_CANCER = concept(codes.SNOMED, "254837009")
HIP = concept(codes.SNOMED, codes.FRACTURE["hip"]["plain"]["snomed"])


def healthy(**person: Any) -> Record:
    """A woman in scope whose T-score is fine."""
    return Record(**person).condition("breast-cancer").t_score("lumbar-spine", 0.5)


def condition(code: Json, **content: Any) -> Json:
    return {"resourceType": "Condition", "id": "c", "code": code, **content}


def reasons(answer: Answer, fact: str) -> list[str | None]:
    return [item.get("reason") for item in answer.facts(fact)]


# -- codes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "in_scope"),
    [
        ({"system": codes.SNOMED, "code": "254837009"}, True),
        ({"system": codes.ICD10, "code": "C50.911"}, True),
        ({"system": codes.ICD10, "code": "c50.911"}, True),
        ({"system": codes.ICD10, "code": "C50911"}, True),
        ({"system": "http://hl7.org/fhir/sid/icd-10", "code": "C50.900x001"}, True),
        ({"system": codes.ICD10, "code": "C51"}, False),
        ({"system": codes.ICD10, "code": "C5"}, False),
        ({"system": codes.ICD10}, False),
        ({"system": "urn:oid:1.2.3.4", "code": "C50.911"}, False),
        ({"code": "C50.911"}, False),
        ({"system": codes.LOINC, "code": "254837009"}, False),
    ],
)
def test_a_code_of_breast_cancer(coding: Json, in_scope: bool) -> None:
    assert ask(Record().add(condition({"coding": [coding]}))).in_scope is in_scope


@pytest.mark.parametrize("code", [None, {}, {"text": "breast cancer"}])
def test_a_condition_without_a_code_says_nothing(code: Json | None) -> None:
    told = {name: value for name, value in condition(code or {}).items() if code is not None or name != "code"}
    assert not ask(Record().add(told)).in_scope


# -- status and date ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [{"coding": [{}]}, {"coding": [{"display": "Refuted"}]}, {"text": "refuted"}, {}])
def test_a_status_without_a_code_refutes_nothing(status: Json) -> None:
    assert ask(Record().add(condition(BREAST_CANCER, verificationStatus=status))).in_scope


def test_a_condition_of_the_future_is_not_believed() -> None:
    answer = ask(healthy().add(condition(HIP, onsetDateTime="2027-01-01")))
    assert "future-date" in reasons(answer, "hip_fracture")
    assert answer.tier_members["tierRule"] == "L"
    assert "data-quality" in answer.outcomes


@pytest.mark.parametrize("verification", ["unconfirmed", "provisional", "differential"])
def test_a_suspected_fracture_raises_what_may_be_and_no_more(verification: str) -> None:
    answer = ask(healthy().fracture("hip", nature="osteoporotic", verification=verification))
    assert answer.tier_members["tier"] == "low"
    assert answer.tier_members["atMost"] == "high"
    assert reasons(answer, "hip_or_spine_fracture") == ["suspected"]


def test_a_suspected_metastasis_does_not_take_the_tier_away() -> None:
    answer = ask(healthy().condition("bone-metastasis", verification="provisional"))
    assert answer.tier_members["tier"] == "low"
    assert "bone-metastasis" not in answer.outcomes


@pytest.mark.parametrize(
    ("resolved", "rule"), [({"clinical": "active"}, "M1"), ({"clinical": "resolved"}, "L"), ({}, "M1")]
)
def test_a_long_term_use_code_counts_while_it_is_active(resolved: dict[str, str], rule: str) -> None:
    assert ask(healthy().condition("inhibitor-long-term-use", **resolved)).tier_members["tierRule"] == rule


def test_a_suspected_long_term_use_is_none() -> None:
    record = healthy().condition("inhibitor-long-term-use", verification="unconfirmed")
    assert ask(record).tier_members["tierRule"] == "L"


# -- age at a fracture -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "told", "tier", "reason"),
    [
        # Presumed a fragility fracture from 50 on; the woman was born on 1958-05-20.
        ({}, {"onsetDateTime": "2008-05-20"}, "high", "presumed"),
        ({}, {"onsetDateTime": "2008-05-19"}, "low", "young"),
        ({}, {"onsetDateTime": "2008"}, "low", "unknown-cause"),
        ({}, {"onsetPeriod": {"start": "2015-03-01", "end": "2015-04-01"}}, "high", "presumed"),
        ({}, {"onsetPeriod": {"end": "2015-04-01"}}, "low", "unknown-cause"),
        ({}, {"onsetAge": {"value": 50, "code": "a"}}, "high", "presumed"),
        ({}, {"onsetAge": {"value": 49.9}}, "low", "young"),
        ({}, {"onsetAge": {"value": 600, "code": "mo"}}, "low", "unknown-cause"),
        ({}, {"onsetAge": {"code": "a"}}, "low", "unknown-cause"),
        ({}, {"recordedDate": "2006-01-01"}, "low", "young"),
        ({}, {"recordedDate": "2016-01-01"}, "low", "unknown-cause"),  # recorded then, broken perhaps long before
        ({}, {}, "low", "unknown-cause"),
        ({"born": None}, {"onsetDateTime": "2015-03-01"}, "low", "unknown-cause"),
    ],
)
def test_a_hip_fracture_of_unrecorded_cause(person: dict[str, Any], told: Json, tier: str, reason: str) -> None:
    record = healthy(**{"born": "1958-05-20", **person}).add(condition(HIP, **told))
    answer = ask(record)
    assert (answer.tier_members["tier"], reasons(answer, "hip_or_spine_fracture")) == (tier, [reason])
    assert answer.tier_members["atMost"] == "high"


# -- cause -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extension",
    [
        {"url": "http://hl7.org/fhir/StructureDefinition/condition-related"},
        {"url": DUE_TO},
        {"url": DUE_TO, "valueReference": {"display": "a fall"}},
        {"url": DUE_TO, "valueReference": {"reference": "Condition/gone"}},
        {"url": DUE_TO, "valueCodeableConcept": {"text": "a fall"}},
    ],
)
def test_a_cause_that_says_nothing(extension: Json) -> None:
    record = healthy().fracture("distal-forearm", extension=[extension])
    answer = ask(record)
    assert reasons(answer, "other_fracture") == ["unknown-cause"]


@pytest.mark.parametrize(
    ("causes", "reason"), [(["#low", "#none"], None), (["#none", "#low"], None), (["#low", "#high"], "high-energy")]
)
def test_causes_contained_in_the_fracture(causes: list[str], reason: str | None) -> None:
    contained = [  # of two of one id the first counts
        {"resourceType": "Condition", "id": "low", "code": concept(codes.ICD10, codes.CAUSE["low"])},
        {"resourceType": "Condition", "id": "high", "code": concept(codes.ICD10, codes.CAUSE["high"])},
        {
            "resourceType": "Condition",
            "id": "high",
            "code": concept(codes.ICD10, codes.CAUSE["low"]),
        },
    ]
    extension = [{"url": DUE_TO, "valueReference": {"reference": cause}} for cause in causes]
    answer = ask(healthy().fracture("distal-forearm", extension=extension, contained=contained))
    (fact,) = answer.facts("other_fracture")
    assert fact.get("reason") == reason


def test_a_neoplastic_or_atypical_fracture_is_no_fragility_fracture() -> None:
    answer = ask(healthy().fracture("unspecified", nature="neoplastic").condition("atypical-femoral-fracture"))
    assert answer.facts("hip_or_spine_fracture") == []
    assert answer.tier_members["atMost"] == "low"


def test_an_osteoporotic_code_settles_its_own_day_only() -> None:
    record = healthy(born="1958-05-20").fracture("distal-forearm", "2024-03-02")
    record.fracture("hip", "2024-03-01", nature="osteoporotic")
    assert reasons(ask(record), "other_fracture") == ["unknown-cause"]


# -- procedures --------------------------------------------------------------------------------------------------------


def high(**person: Any) -> Record:
    return Record(**person).condition("breast-cancer").t_score("lumbar-spine", -2.6)


@pytest.mark.parametrize(
    ("told", "is_planned"),
    [
        ({"status": "preparation"}, True),
        ({"status": "completed", "performedDateTime": "2026-12-24"}, True),
        ({"status": "completed", "performedDateTime": "2026-10-01"}, False),
        ({"status": "not-done", "performedDateTime": "2026-12-24"}, False),
        ({"status": "entered-in-error"}, False),
    ],
)
def test_a_tooth_extraction_still_to_come(told: Json, is_planned: bool) -> None:
    code = concept(codes.SNOMED, "55162003")
    answer = ask(high().add({"resourceType": "Procedure", "id": "p", "code": code, **told}))
    (card,) = (card for card in answer.cards if card["source"]["topic"]["code"] == "monitoring")
    assert ("tooth extraction is planned" in card["detail"]) is is_planned


def test_a_procedure_that_was_not_done_says_why_it_does_not_count() -> None:
    code = concept(codes.SNOMED, "55162003")
    answer = ask(high().add({"resourceType": "Procedure", "id": "p", "status": "not-done", "code": code}))
    assert reasons(answer, "tooth_extraction") == ["status"]


def test_a_procedure_that_we_do_not_know_is_passed_over() -> None:
    code = concept(codes.SNOMED, "80146002")  # removal of the appendix
    answer = ask(high().add({"resourceType": "Procedure", "id": "p", "status": "completed", "code": code}))
    assert answer.body["extension"] == ask(high()).body["extension"]


@pytest.mark.parametrize(
    ("told", "is_too_soon"),
    [
        ({"performedDateTime": "2026-11-07"}, True),
        ({"performedDateTime": "2026-11-06"}, False),
        ({"performedPeriod": {"start": "2026-11-01", "end": "2026-11-10"}}, True),
        ({"performedPeriod": {"start": "2026-11-10"}}, True),
        ({"occurrenceDateTime": "2026-11-10"}, True),  # R5
        ({"occurrencePeriod": {"start": "2026-11-10"}}, True),
        ({"performedDateTime": "2025"}, False),
        ({}, False),
    ],
)
def test_zoledronic_acid_after_hip_surgery(told: Json, is_too_soon: bool) -> None:
    surgery = {"resourceType": "Procedure", "id": "p", "status": "completed", "code": HIP_SURGERY, **told}
    record = high().lab("creatinine_clearance", 80, None, "2026-11-10").lab("serum_calcium", 2.3, None, "2026-11-10")
    record.lab("vitamin_d_25oh", 80, None, "2026-11-10").draft("zoledronic-acid", dose="4 mg every 6 mo")
    assert ("fracture-surgery-timing" in ask(record.add(surgery)).outcomes) is is_too_soon


HIP_SURGERY = concept("http://www.cms.gov/Medicare/Coding/ICD10", "0QS604Z")


@pytest.mark.parametrize("days", [("2021-03-04", "2019"), ("2019", "2021-03-04")])
def test_of_several_records_of_a_condition_the_earliest_is_shown(days: tuple[str, str]) -> None:
    told = [Diagnosis("osteoporosis", certain=True, active=True, onset=when(day), resource=day) for day in days]
    chart = Chart(TODAY, Person(None, None, False), frozenset(KEYS), diagnoses={"osteoporosis": told})
    shown = Facts(chart, terminology(), KINDS)["osteoporosis"].shown
    assert shown is not None
    assert shown.resource == "2019"
