"""Prefetch tokens: parsed as the 2.0 text and the 3.0 ballot write them, and what each has for a value."""

import re
from datetime import date
from typing import Any

import pytest

from cds_hooks.fhirpath import OfType, Path, Resolve, Scope, Today, User, depends_on, evaluate, parse

BASE = "https://fhir.example.org:443/r4"
TODAY = date(2024, 9, 13)


def entries(*resources: object, **first: object) -> dict[str, Any]:
    listed: list[Any] = [{"resource": resource} for resource in resources]
    if first:
        listed[0].update(first)
    return {"resourceType": "Bundle", "entry": listed}


CONTEXT: dict[str, Any] = {
    "userId": "Practitioner/dr",
    "patientId": "p1",
    "draftOrders": entries(
        {
            "resourceType": "MedicationRequest",
            "id": "r1",
            "medicationReference": {"reference": "Medication/m1"},
            "requester": {"reference": "https://fhir.example.org:443/r4/Practitioner/dr/_history/2"},
            "reasonReference": [{"reference": "Condition/c1"}, {"reference": "Observation/o1"}],
        },
        {
            "resourceType": "ServiceRequest",
            "id": "s1",
            "priority": "urgent",
            "doNotPerform": True,
            "quantityQuantity": {"value": 2.5},
            "note": [{"text": "one"}, {"text": "two"}],
        },
    ),
}
VALUES: dict[str, Any] = {
    "patient": {"resourceType": "Patient", "id": "p1", "generalPractitioner": [{"reference": "Practitioner/gp"}]},
    "conditions": entries(
        {"resourceType": "Condition", "id": "c1", "asserter": {"reference": "urn:uuid:7"}},
        {"resourceType": "Condition", "id": "c2", "asserter": {"reference": "PractitionerRole/pr"}},
    ),
    "people": entries({"resourceType": "Practitioner", "id": "p7", "active": False}, fullUrl="urn:uuid:7"),
    "nothing": None,
}


def values(token: str, **context: Any) -> tuple[str, ...]:
    return evaluate(parse(token), Scope({**CONTEXT, **context}, VALUES, TODAY, BASE))


ORDERS = "context.draftOrders.entry.resource"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("context.patientId", ("p1",)),
        (" context.patientId ", ("p1",)),
        ("%context.patientId", ("p1",)),
        ("context.encounterId", ()),
        ("userPractitionerId", ("dr",)),
        ("userPractitionerRoleId", ()),
        ("userPatientId", ()),
        ("userRelatedPersonId", ()),
        ("today()", ("2024-09-13",)),
        ("today() - 90 days", ("2024-06-15",)),
        ("today()+1day", ("2024-09-14",)),
        ("today() + 365 days", ("2025-09-13",)),
        (f"{ORDERS}.id", ("r1", "s1")),
        (f"{ORDERS}.ofType(ServiceRequest).id", ("s1",)),
        (f"{ORDERS}.ofType( MedicationRequest ).medication.resolve().id", ("m1",)),
        (f"{ORDERS}.medicationReference.resolve().id", ("m1",)),
        (f"{ORDERS}.medicationReference.reference", ("Medication/m1",)),
        (f"{ORDERS}.medication.resolve().code", ()),
        (f"{ORDERS}.requester.resolve().ofType(Practitioner).id", ("dr",)),
        (f"{ORDERS}.requester.resolve().ofType(PractitionerRole).id", ()),
        (f"{ORDERS}.reasonReference.resolve().ofType(Condition).id", ("c1",)),
        (f"{ORDERS}.reasonReference.resolve().id", ("c1", "o1")),
        (f"{ORDERS}.priority", ("urgent",)),
        (f"{ORDERS}.doNotPerform", ("true",)),
        (f"{ORDERS}.quantity.value", ("2.5",)),
        (f"{ORDERS}.note.text", ("one", "two")),
        (f"{ORDERS}.note", ()),
        (f"{ORDERS}.id.id", ()),
        (f"{ORDERS}.priority.resolve().id", ()),
        ("context.draftOrders.entry.fullUrl", ()),
        ("%patient.generalPractitioner.resolve().id", ("gp",)),
        ("%conditions.entry.resource.asserter.resolve().ofType(Practitioner).id", ("p7",)),
        ("%conditions.entry.resource.asserter.resolve().active", ("false",)),
        ("%conditions.entry.resource.asserter.resolve().id", ("p7", "pr")),
        ("%nothing.entry.resource.id", ()),
        ("%unknown.entry.resource.id", ()),
        ("%patient.id | context.patientId | %conditions.entry.resource.id", ("p1", "c1", "c2")),
        ("today()|context.patientId", ("2024-09-13", "p1")),
    ],
)
def test_a_value(token: str, expected: tuple[str, ...]) -> None:
    assert values(token) == expected


@pytest.mark.parametrize(
    "reference",
    [
        "#m1",
        "Medication",
        "medication/m1",
        "urn:uuid:0",
        "https://elsewhere.example.org/r4/Medication/m1",
        "https://fhir.example.org:443/r5/Medication/m1",
        "Medication/m1/extra",
        "../Medication/m1",
        "Medication/" + "x" * 65,
        "",
        5,
        None,
    ],
)
def test_a_reference_that_leads_to_no_resource_of_the_server(reference: object) -> None:
    orders = entries({"resourceType": "MedicationRequest", "medicationReference": {"reference": reference}})
    assert values(f"{ORDERS}.medication.resolve().id", draftOrders=orders) == ()


@pytest.mark.parametrize("orders", [None, 5, [], "text", {"entry": 5}, {"entry": [None, 5, {"resource": []}]}])
def test_what_has_another_form_than_a_path_expects(orders: object) -> None:
    assert values(f"{ORDERS}.id", draftOrders=orders) == ()
    assert values("%conditions.entry.resource.id", draftOrders=orders) == ("c1", "c2")
    assert values("%conditions.entry.resource.asserter.resolve().id", draftOrders=orders) == ("p7", "pr")


def test_what_a_token_is_made_of() -> None:
    assert parse("userRelatedPersonId") == (User("RelatedPerson"),)
    assert parse("today() - 3 days") == (Today(-3),)
    path = Path("labs", ("entry", "resource", OfType("Observation"), "performer", Resolve(), "id"))
    assert parse("%labs.entry.resource.ofType(Observation).performer.resolve().id|today()") == (path, Today(0))
    assert depends_on(parse("%a.id|%b-c.id|context.patientId|%context.userId")) == {"a", "b-c"}


def test_a_resource_that_comes_later_is_found() -> None:
    scope = Scope(CONTEXT, {}, TODAY, BASE)
    path = parse(f"{ORDERS}.medication.resolve().status")
    assert evaluate(path, scope) == ()
    scope.add("medications", entries({"resourceType": "Medication", "id": "m1", "status": "active"}))
    assert evaluate(path, scope) == ("active",)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "no user id"),
        ("patientId", "no user id"),
        ("context", "no user id"),
        ("Context.patientId", "no user id"),
        ("%.id", "no user id"),
        ("userId", "no user id"),
        ("context.patientId|", "no user id"),
        ("|context.patientId", "no user id"),
        ("context.patientId||today()", "no user id"),
        ("userPatientId|context.patientId", "no user id"),
        ("today() - 2 years", "no user id"),
        ("today() - days", "no user id"),
        ("today() * 2 days", "no user id"),
        ("today() - 100000 days", "no user id"),
        ("now()", "no user id"),
        ("context.a-b", '"a-b" is no element name'),
        ("context.draftOrders.entry[0].resource", '"entry[0]" is no element name'),
        ("context.draftOrders.where(id = 1)", "is no element name"),
        ("context.draftOrders.first()", '"first()" is no element name'),
        ("%patient.ofType()", '"ofType()" is no element name'),
        ("%patient.name.ofType(Resource)", "must name a concrete resource type"),
        ("%patient.name.ofType(DomainResource)", "must name a concrete resource type"),
        ("%patient.name.ofType(string)", "is no element name"),
        ("%patient.resolve()", "begins with the name of an element"),
        ("%patient.ofType(Patient).id", "begins with the name of an element"),
    ],
)
def test_what_is_no_token(token: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse(token)
