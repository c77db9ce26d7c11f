"""What to ask an EHR for: the prefetch templates, derived from the facts' codes.

Laboratory results and scores are asked for by code. Medication lists and conditions are asked for whole:
a medicine may be named in text only, and ICD-10 counts by prefix, which no code query can say.
Each search sorts by its own type's date parameter; `_sort=-date` would be refused for conditions and orders.
"""

from fhir_profiles.terminology import Terminology

__all__ = ["DRAFT_MEDICATIONS", "KEYS", "lookups", "templates"]

KEYS = (
    "patient",
    "conditions",
    "procedures",
    "dxa",
    "labs",
    "vitals",
    "medicationRequests",
    "medicationStatements",
    "medicationAdministrations",
)
_PAGE = "_count=200"
_WHOLE = {
    "conditions": f"Condition?patient={{{{context.patientId}}}}&_sort=-recorded-date&{_PAGE}",
    "procedures": f"Procedure?patient={{{{context.patientId}}}}&_sort=-date&{_PAGE}",
    "medicationRequests": f"MedicationRequest?patient={{{{context.patientId}}}}&_sort=-authoredon&{_PAGE}",
    "medicationStatements": f"MedicationStatement?patient={{{{context.patientId}}}}&_sort=-effective&{_PAGE}",
    "medicationAdministrations": (
        f"MedicationAdministration?patient={{{{context.patientId}}}}&_sort=-effective-time&{_PAGE}"
    ),
}


def templates(terms: Terminology) -> dict[str, str]:
    """Prefetch key to template, for every hook (all need the same record)."""
    codes: dict[str, list[str]] = {"dxa": ["83311-1"], "labs": [], "vitals": []}
    for fact, definition in terms.facts.items():
        if definition.get("prefetch") in codes:
            codes[definition["prefetch"]].extend(terms.codes(fact))
    found = {"patient": "Patient/{{context.patientId}}", **_WHOLE}
    for key, listed in codes.items():
        query = ",".join(dict.fromkeys(listed))
        found[key] = f"Observation?patient={{{{context.patientId}}}}&code={query}&_sort=-date&{_PAGE}"
    return {key: found[key] for key in KEYS}


DRAFT_MEDICATIONS = "draftMedications"


def lookups(orders: str | None) -> dict[str, str]:
    """What the record refers to and no key holds: medicines that are resources of their own.

    `orders` is the member of the context that holds the draft orders, if the hook has one: their medicines are asked
    for by themselves, since without them nobody knows whether the order concerns us.
    """
    # R4 has a reference, R5 a reference within a CodeableReference.
    paths = ("entry.resource.medication.resolve().id", "entry.resource.medication.reference.resolve().id")
    lists = "|".join(f"%{key}.{path}" for key in KEYS if key.startswith("medication") for path in paths)
    drafts = "|".join(f"context.{orders}.{path}" for path in paths)
    found = {} if orders is None else {DRAFT_MEDICATIONS: f"Medication?_id={{{{{drafts}}}}}"}
    return {**found, "medications": f"Medication?_id={{{{{lists}}}}}"}
