"""A small record of its own, so that the wire is tested without the readers of real records."""

import json
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from cds_hooks import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, Parser, Service

Json = dict[str, Any]

HOOK_INSTANCE: Final = "7d2f0c1e-93ab-4a5e-8c55-0f9b1d6e2a47"


class Search(Struct):
    mode: str | None = None


class Link(Struct):
    relation: str | None = None


class Entry(Struct):
    fullUrl: str | None = None
    resource: "Resource | None" = None
    search: Search | None = None


class Resource(Struct):
    """What a reader of records might want; `valueInteger` stands for all that can be of the wrong type."""

    resourceType: str
    id: str | None = None
    status: str | None = None
    valueInteger: int | None = None
    entry: list[Entry] | None = None
    link: list[Link] | None = None
    total: int | None = None


PARSER: Final = Parser(Resource)

PREFETCH: Final = {
    "patient": "Patient/{{context.patientId}}",
    "dxa": "Observation?patient={{context.patientId}}&code=http://loinc.org|38263-0&_sort=-date&_count=200",
}

VIEW: Final = Service("view", PATIENT_VIEW, "View", "Looks at the patient.", PREFETCH, "A patient.")
SELECT: Final = Service("select", ORDER_SELECT, "Select", "Looks at the orders selected.", PREFETCH)
SIGN: Final = Service("sign", ORDER_SIGN, "Sign", "Looks at the orders.", PREFETCH)
SERVICES: Final = (VIEW, SELECT, SIGN)


def bundle(*resources: object, **members: object) -> Json:
    """A searchset with one entry for each resource."""
    entries = [{"fullUrl": f"urn:uuid:{number}", "resource": resource} for number, resource in enumerate(resources)]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries, **members}


def observation(id: str, **members: object) -> Json:
    return {"resourceType": "Observation", "id": id, "status": "final", **members}


def view(**members: object) -> Json:
    """A patient-view request with no more than it needs; `members` are added or replace."""
    context = {"userId": "Practitioner/dr", "patientId": "p1"}
    return {"hook": "patient-view", "hookInstance": HOOK_INSTANCE, "context": context, **members}


def sign(*drafts: object, **members: object) -> Json:
    """An order-sign request with these draft orders."""
    request = view(hook="order-sign", **members)
    request["context"]["draftOrders"] = {**bundle(*drafts), "type": "collection"}
    return request


def body(request: Mapping[str, Any]) -> bytes:
    return json.dumps(request).encode()


# After requests of the official sandbox (cds-hooks/sandbox 3b7e255, 2026), whose drafts are not valid FHIR R4.
# The first call of order-select: nothing chosen yet, so no drug and no intent, in a Bundle without a type.
SANDBOX_FIRST_SELECT: Final[Json] = {
    "hookInstance": HOOK_INSTANCE,
    "hook": "order-select",
    "fhirServer": "http://127.0.0.1:18082/fhir",
    "context": {
        "patientId": "p1",
        "userId": "Practitioner/COREPRACTITIONER1",
        "selections": ["MedicationRequest/request-1"],
        "draftOrders": {
            "resourceType": "Bundle",
            "entry": [
                {
                    "resource": {
                        "resourceType": "MedicationRequest",
                        "id": "request-1",
                        "status": "draft",
                        "subject": {"reference": "Patient/p1"},
                        "authoredOn": "2026-11-20",
                    }
                }
            ],
        },
    },
}
# order-sign: a service request whose category is an object where FHIR has a list.
SANDBOX_SIGN: Final[Json] = {
    "hookInstance": HOOK_INSTANCE,
    "hook": "order-sign",
    "fhirServer": "http://127.0.0.1:18082/fhir",
    "context": {
        "patientId": "p1",
        "userId": "Practitioner/COREPRACTITIONER1",
        "draftOrders": {
            "resourceType": "Bundle",
            "entry": [
                {
                    "resource": {
                        "resourceType": "ServiceRequest",
                        "id": "request-2",
                        "status": "draft",
                        "intent": "order",
                        "category": {"coding": [{"system": "http://snomed.info/sct", "code": "363679005"}]},
                        "subject": {"reference": "Patient/p1"},
                    }
                }
            ],
        },
    },
}
# patient-view before any prefetch is configured: no prefetch member at all.
SANDBOX_VIEW: Final[Json] = {
    "hookInstance": HOOK_INSTANCE,
    "hook": "patient-view",
    "fhirServer": "http://127.0.0.1:18082/fhir",
    "context": {"patientId": "p1", "userId": "Practitioner/COREPRACTITIONER1"},
}
