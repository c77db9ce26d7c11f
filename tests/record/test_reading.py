"""Whose resources they are, which of two counts, and what stands around them."""

from __future__ import annotations

import msgspec
import pytest

from fhir_profiles import Entry, RecordReader, Resource
from fhir_profiles.resources import CodeableConcept, Coding, Reference
from tests import codes
from tests.builder import Record
from tests.fhir_pieces import TODAY, Json, concept, quantity
from tests.front_door import ask

SCORE = concept(codes.LOINC, codes.T_SCORE["lumbar-spine"])


def woman() -> Record:
    return Record().condition("breast-cancer")


def score(**content: object) -> Json:
    told: Json = {"resourceType": "Observation", "id": "o", "status": "final", "effectiveDateTime": "2026-09-20"}
    return {**told, "code": SCORE, "valueQuantity": quantity(-2.6, None), **content}


def values(record: Record) -> list[float]:
    return [item["value"] for item in ask(record).facts("t_score")]


@pytest.mark.parametrize(
    ("subject", "is_hers"),
    [
        ({"reference": "Patient/pat"}, True),
        ({"reference": "Patient/pat/_history/2"}, True),
        ({"reference": "https://ehr.example.org/fhir/Patient/pat"}, True),
        ({"reference": "urn:uuid:pat"}, True),
        ({"reference": "Patient/other"}, False),
        ({"reference": "Group/pat"}, False),
        ({"reference": "https://ehr.example.org/fhir/Device/pat"}, False),
        ({"display": "the patient"}, True),
        ({}, True),
    ],
)
def test_whose_a_resource_is(subject: Json, is_hers: bool) -> None:
    assert values(woman().add(score(subject=subject), key="dxa")) == ([-2.6] if is_hers else [])


def test_the_patient_s_own_address() -> None:
    address = "urn:uuid:0b5e4a3c-1111-4222-8333-444455556666"
    record = woman().add(score(subject={"reference": address}), key="dxa")
    bundle = record.bundle()
    bundle["entry"][0]["fullUrl"] = address
    prefetch = {"patient": bundle["entry"][0]["resource"], "conditions": bundle}
    assert [item["value"] for item in ask(prefetch).facts("t_score")] == [-2.6]


def test_a_resource_under_two_keys_counts_once() -> None:
    assert values(woman().add(score(), key="dxa").add(score(), key="labs")) == [-2.6]


def test_two_resources_of_one_id_and_other_content_both_count() -> None:
    """From two servers, perhaps: neither is dropped without a word."""
    other = score(valueQuantity=quantity(-1.5, None))
    assert sorted(values(woman().add(score(), key="dxa").add(other, key="labs"))) == [-2.6, -1.5]


def test_resources_without_an_id_count_each() -> None:
    nameless = [
        {name: value for name, value in score(**more).items() if name != "id"}
        for more in ({}, {"valueQuantity": quantity(-1.5, None)})
    ]
    record = woman()
    for resource in nameless:
        record.add(resource, key="dxa")
    assert sorted(values(record)) == [-2.6, -1.5]


def test_any_type_is_taken_under_any_key_and_others_are_passed_over() -> None:
    record = woman().add(score(), key="medicationRequests")
    record.add({"resourceType": "Goal", "id": "g", "subject": {"reference": "Patient/pat"}}, key="conditions")
    assert values(record) == [-2.6]


def test_a_draft_of_another_patient_is_not_in_hand_and_replaces_nothing() -> None:
    record = woman().t_score("lumbar-spine", -1.5).drug("letrozole")
    (order,) = (entry["resource"] for key, entry in record.entries if key == "medicationRequests")
    draft = {**order, "status": "draft", "subject": {"reference": "Patient/other"}}
    assessment = ask(record, "order-sign", drafts=[draft]).assessment
    assert assessment["tierRule"] == assessment["withoutDraftOrders"]["tierRule"] == "H3a"


@pytest.mark.parametrize("where", ["dxa", "conditions"])
def test_a_patient_that_names_another_id_is_not_this_patient(where: str) -> None:
    other = {"resourceType": "Patient", "id": "other", "birthDate": "1990-01-01"}
    assert ask(woman().add(other, key=where).add(score(), key="dxa")).assessment["tierRule"] == "H2"


def test_several_references_of_one_record() -> None:
    record = woman().t_score("lumbar-spine", -1.5)
    for drug in ("letrozole", "anastrozole"):
        record.drug(drug, where="relative")
    assert {item["drug"] for item in ask(record).used("inhibitor")} == {"anastrozole", "letrozole"}


# -- where no request leads --------------------------------------------------------------------------------------------


def test_an_entry_without_a_resource_is_passed_over() -> None:
    """The wire reports such entries and keeps them back; another caller of the reader may not."""
    reader, empty = RecordReader(), Entry(fullUrl="urn:uuid:1")
    patient = Resource(resourceType="Patient", id="p")
    letrozole = CodeableConcept(coding=[Coding(system=codes.RXNORM, code="200064")])
    medication = Entry(resource=Resource(resourceType="Medication", id="l", code=letrozole))
    referring = Reference(reference="Medication/l")
    order = Entry(resource=Resource(resourceType="MedicationRequest", status="draft", medicationReference=referring))
    chart = reader.read("p", [empty, Entry(resource=patient), medication], [], TODAY, drafts=[empty, order])
    assert chart is not None
    assert [use.drug for use in chart.uses] == ["letrozole"]
    assert reader.read("q", [empty, Entry(resource=patient)], [], TODAY) is None
    assert not reader.drafts_known([empty])
    assert not reader.drafts_known([empty, order])
    assert reader.drafts_known([empty, order], [empty, medication])


def requested(resource: Json, *, as_draft: bool) -> set[tuple[str, str]]:
    """What a chart holds of a ServiceRequest, in the record or in hand."""
    patient = Entry(None, msgspec.convert(woman().patient, Resource))
    request = Entry(None, msgspec.convert({"resourceType": "ServiceRequest", **resource}, Resource))
    entries, drafts = ([patient], [request]) if as_draft else ([patient, request], [])
    chart = RecordReader().read("pat", entries, ["patient"], TODAY, drafts=drafts)
    assert chart is not None
    return chart.requested


@pytest.mark.parametrize("as_draft", [True, False])
@pytest.mark.parametrize(
    ("content", "counts"),
    [
        ({"status": "draft"}, True),
        ({"status": "active"}, True),
        ({"status": "on-hold"}, True),
        ({"status": "completed"}, True),
        ({"status": "revoked"}, False),
        ({"status": "entered-in-error"}, False),
        ({}, False),
        ({"status": "active", "doNotPerform": True}, False),
        ({"status": "active", "subject": {"reference": "Patient/other"}}, False),
    ],
)
def test_which_examinations_are_requested(content: Json, counts: bool, as_draft: bool) -> None:
    code = concept(codes.LOINC, "83311-1")
    assert requested({"code": code, **content}, as_draft=as_draft) == ({(codes.LOINC, "83311-1")} if counts else set())


@pytest.mark.parametrize(
    "code", [{"text": "DXA"}, {"coding": []}, {"coding": [{"code": "83311-1"}, {"system": codes.LOINC}]}]
)
def test_a_request_without_a_code_of_a_system_tells_nothing(code: Json) -> None:
    assert requested({"status": "active", "code": code}, as_draft=False) == set()
    assert requested({"status": "active"}, as_draft=True) == set()
