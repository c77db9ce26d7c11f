"""A drug on a list, in each of the ways it was seen to be told: coding, place, resource, status, dates and dose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests import codes
from tests.fhir_pieces import Json

CODINGS: Final = (
    "rxnorm-in",
    "scd",
    "group",
    "pill-group",
    "component",
    "brand",
    "branded-product",
    "atc",
    "snomed",
    "snomed-product",
    "text-en",
    "text-zh",
)
PLACES: Final = ("concept", "contained", "urn", "relative", "absolute", "r5-concept", "r5-reference")
RESOURCES: Final = ("MedicationRequest", "MedicationStatement", "MedicationAdministration")
STARTED: Final = "2025-11-10"
_SERVER: Final = "https://ehr.example.org/baseR4"
_COUNTED: Final = {"MedicationRequest": "active", "MedicationStatement": "active"}
_DOSE: Final = re.compile(r"(?P<value>\d+(?:\.\d+)?) (?P<unit>\S+?)(?: every (?P<period>\d+) (?P<per>h|d|wk|mo|a))?")
_ROUTES: Final = {
    "oral": ("26643006", "Oral route"),
    "iv": ("47625008", "Intravenous route"),
    "sc": ("34206005", "SC route"),
}


def codable(name: str, coding: str) -> Json:
    """The CodeableConcept of a drug in one of the codings."""
    if coding == "text-en":
        return {"text": codes.NAME_EN[name]}
    if coding == "text-zh":
        return {"text": codes.NAME_ZH[name]}
    system, code, display = codes.DRUG[name][coding]
    return {"coding": [{"system": system, "code": code, "display": display}]}


def dosage(text: str, *, route: str | None = None, bounds: Json | None = None) -> Json:
    """A FHIR Dosage from `70 mg every 1 wk` (the interval may be missing)."""
    match = _DOSE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a dose: {text!r}")
    value = float(match["value"])
    amount = {"value": int(value) if value.is_integer() else value, "unit": match["unit"]}
    told: Json = {"doseAndRate": [{"doseQuantity": {**amount, "system": codes.UCUM, "code": match["unit"]}}]}
    repeat: Json = {"boundsPeriod": bounds} if bounds else {}
    if match["period"]:
        repeat |= {"frequency": 1, "period": int(match["period"]), "periodUnit": match["per"]}
    if repeat:
        told["timing"] = {"repeat": repeat}
    if route:
        code, display = _ROUTES[route]
        told["route"] = {"coding": [{"system": codes.SNOMED, "code": code, "display": display}]}
    return told


def medication_resource(
    new: Callable[..., Json],
    name: str,
    *,
    resource: str = "MedicationRequest",
    coding: str = "",
    where: str = "concept",
    status: str | None = "",
    intent: str | None = "order",
    start: str | None = STARTED,
    end: str | None = None,
    dose: str | None = None,
    route: str | None = None,
    timing_code: str | None = None,
    phrase: str | None = None,
    **more: Any,
) -> Iterator[tuple[Json, str | None]]:
    """Yield the drug's resource and, before it, the Medication it refers to, each with its fullUrl or None.

    `new` makes a resource of the patient; `coding` is one of CODINGS (the drug's first by default), `where` one of
    PLACES. `end` closes an order's dosage period, a statement's or an administration's period.
    """
    told = codable(name, coding or next(iter(codes.DRUG[name])))
    is_r5 = where.startswith("r5")
    content: Json = {}
    if where == "concept":
        content["medicationCodeableConcept"] = told
    elif where == "r5-concept":
        content["medication"] = {"concept": told}
    elif where == "contained":
        content["contained"] = [{"resourceType": "Medication", "id": "m1", "code": told}]
        content["medicationReference"] = {"reference": "#m1"}
    elif where in PLACES:
        medication = {**new("Medication", code=told)}
        del medication["subject"]
        medication["id"] += "m"
        address = {
            "urn": "urn:uuid:6f1d1a52-7c3e-4b7e-9a55-0c2b8f4d1e01",
            "absolute": f"{_SERVER}/Medication/{medication['id']}",
        }.get(where)
        reference = {"reference": address or f"Medication/{medication['id']}"}
        content["medication" if is_r5 else "medicationReference"] = {"reference": reference} if is_r5 else reference
        yield medication, address
    else:
        raise ValueError(f"no such place for a medication: {where}")
    if status == "":
        status = "recorded" if is_r5 and resource == "MedicationStatement" else _COUNTED.get(resource, "completed")
    period = {bound: day for bound, day in (("start", start), ("end", end)) if day}
    content |= {"status": status, **_when(resource, period, is_r5=is_r5)}
    if resource == "MedicationRequest":
        content["intent"] = intent
    given = _dosage(dose, route, timing_code, phrase, period if end and resource == "MedicationRequest" else None)
    if given and resource == "MedicationAdministration":
        amount = given.pop("doseAndRate", [{}])[0].get("doseQuantity")
        given.pop("timing", None)
        content["dosage"] = {**given, "dose": amount} if amount else given
    elif given:
        content["dosageInstruction" if resource == "MedicationRequest" else "dosage"] = [given]
    yield new(resource, **{**content, **more}), None


def _when(resource: str, period: Json, *, is_r5: bool) -> Json:
    """The members that date a drug: one written day for an order, a period or a day for the others."""
    if resource == "MedicationRequest":
        return {"authoredOn": period.get("start")}
    stem = "occurence" if is_r5 and resource == "MedicationAdministration" else "effective"
    if resource == "MedicationAdministration" and "end" not in period:
        return {f"{stem}DateTime": period.get("start")}
    return {f"{stem}Period": period or None}


def _dosage(
    dose: str | None, route: str | None, timing_code: str | None, phrase: str | None, bounds: Json | None
) -> Json:
    told: Json = dosage(dose, route=route, bounds=bounds) if dose else {}
    if bounds and not dose:
        told["timing"] = {"repeat": {"boundsPeriod": bounds}}
    if timing_code:
        system = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
        told.setdefault("timing", {})["code"] = {"coding": [{"system": system, "code": timing_code}]}
    if phrase:
        told["text"] = phrase
    return told
