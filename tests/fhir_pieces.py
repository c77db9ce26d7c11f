"""The FHIR pieces that the tests' patients are made of: dates, quantities, concepts, Bundles, prefetch keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from tests import codes

Json = dict[str, Any]

TODAY: Final = date(2026, 11, 20)
MEASURED: Final = "2026-09-20"
PATIENT_ID: Final = "pat"
PREFETCH_KEYS: Final = (
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
MEDICATION_KEYS: Final = PREFETCH_KEYS[-3:]
KEY_OF_TYPE: Final = {
    "Patient": "patient",
    "Condition": "conditions",
    "Procedure": "procedures",
    "Observation": "labs",
    "MedicationRequest": "medicationRequests",
    "MedicationStatement": "medicationStatements",
    "MedicationAdministration": "medicationAdministrations",
}
# Units as they were seen in the wild; any other string stands for itself, in UCUM.
_UNITS: Final[dict[str | None, Json]] = {
    None: {},
    "T-Score/1": {"unit": "T-Score", "system": codes.UCUM, "code": "1"},
    "T-score as text": {"unit": "T-score"},
    "µmol/L": {"unit": "µmol/L", "system": codes.UCUM, "code": "umol/L"},
}


def birth_of(age: int, today: date = TODAY) -> str:
    """A birth date that makes `age` completed years on `today`, half a year away from either birthday."""
    month = (today.month + 5) % 12 + 1
    return date(today.year - age - (month > today.month), month, 20).isoformat()


def quantity(value: Any, unit: str | None) -> Json:
    """A FHIR Quantity; `unit` is a UCUM code or one of the spellings above."""
    spelled = _UNITS.get(unit, {"unit": unit, "system": codes.UCUM, "code": unit})
    return {"value": value, **spelled}


def concept(system: str, code: str | None, text: str | None = None) -> Json:
    """A CodeableConcept of one coding, or of text alone where `code` is None."""
    coded: Json = {"coding": [{"system": system, "code": code}]} if code else {}
    return {**coded, "text": text} if text else coded


def searchset(entries: Iterable[Json], *, incomplete: bool = False) -> Json:
    """A searchset Bundle as a client would prefetch it; `incomplete` says that a further page exists."""
    listed = list(entries)
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(listed)}
    if listed:
        bundle["entry"] = listed
    if incomplete:
        bundle["link"] = [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]
    return bundle


def prefetch_of(bundle: Mapping[str, Any]) -> tuple[str, Json]:
    """The patient's id and a full prefetch (every key told) from a Bundle that is a whole record."""
    entries = [entry for entry in bundle.get("entry", ()) if isinstance(entry.get("resource"), dict)]
    patient = next(entry["resource"] for entry in entries if entry["resource"]["resourceType"] == "Patient")
    filed: dict[str, list[Json]] = {key: [] for key in PREFETCH_KEYS[1:]}
    for entry in entries:
        kind = entry["resource"]["resourceType"]
        if kind != "Patient":
            filed[KEY_OF_TYPE.get(kind, "medicationRequests" if kind == "Medication" else "labs")].append(entry)
    return patient["id"], {"patient": patient, **{key: searchset(listed) for key, listed in filed.items()}}
