"""The requests that are measured, made from a seed: the same bytes on every machine.

    python -m tests.bench.bodies FOLDER   # writes them as files

A woman of 68 with breast cancer under an inhibitor and a T-score of -2.7, as verbose as the EHRs that we have seen
(identifiers, profiles, performers, several codings a code). Half of the results of the larger record are of kinds that
no rule asks for, since not every EHR honours the codes in a query.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from tests.codes import LOINC, SNOMED, UCUM
from tests.fhir_pieces import KEY_OF_TYPE, PREFETCH_KEYS, TODAY, Json, searchset

__all__ = ["Body", "bodies", "record"]

PATIENT: Final = "7c4e0a52"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM: Final = "http://hl7.org/fhir/sid/icd-10-cm"
_LOCAL: Final = "urn:oid:1.2.840.114350.1.13.861.1.7.2"

# code, name, unit, mean, spread: results that the rules read, and results that nobody asks for.
READ: Final = (
    ("17861-6", "Calcium [Mass/volume] in Serum or Plasma", "mg/dL", 9.4, 0.2),
    ("62292-8", "25-hydroxyvitamin D [Mass/volume] in Serum or Plasma", "ng/mL", 31.0, 4.0),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 0.8, 0.05),
    ("47255-5", "Procollagen type I intact N-terminal propeptide [Mass/volume] in Serum", "ug/L", 52.0, 9.0),
    ("41171-0", "Collagen crosslinked C-telopeptide [Mass/volume] in Serum", "pg/mL", 380.0, 60.0),
)
NOT_READ: Final = (
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 13.0, 0.6),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 5.9, 1.1),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 244.0, 30.0),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 98.0, 9.0),
    ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 4.2, 0.3),
)
WEIGHT: Final = ("29463-7", "Body weight", "kg", 66.0, 1.0)
PRESSURE: Final = ("8480-6", "Systolic blood pressure", "mm[Hg]", 128.0, 9.0)
SITES: Final = (("38267-1", "lumbar spine", -2.7), ("80946-7", "left hip", -2.1))
LOW_BONE_MASS: Final = ("38267-1", "lumbar spine", -1.8)
CONDITIONS: Final = (
    ("254837009", "C50.912", "Malignant neoplasm of left female breast"),
    ("38341003", "I10", "Essential hypertension"),
    ("55822004", "E78.5", "Hyperlipidemia, unspecified"),
    ("44054006", "E11.9", "Type 2 diabetes mellitus without complications"),
    ("40930008", "E03.9", "Hypothyroidism, unspecified"),
    ("396275006", "M19.90", "Unspecified osteoarthritis, unspecified site"),
)
PROCEDURES: Final = (("392021009", "Lumpectomy of breast"), ("71651007", "Mammography"), ("73761001", "Colonoscopy"))
DRUGS: Final = (
    ("200064", "letrozole 2.5 MG Oral Tablet"),
    ("314076", "lisinopril 10 MG Oral Tablet"),
    ("617311", "atorvastatin 40 MG Oral Tablet"),
    ("861007", "metformin hydrochloride 500 MG Oral Tablet"),
    ("966224", "levothyroxine sodium 0.05 MG Oral Tablet"),
)


@dataclass(frozen=True)
class Body:
    """One request: its service, its bytes, and how many resources lie in it."""

    name: str
    hook: str
    content: bytes
    resources: int

    @property
    def service(self) -> str:
        return f"bone-health-{self.hook}"


def bodies(narrative: float = 0.0) -> dict[str, Body]:
    """The measured requests by name; `narrative` is the share of resources that carry a narrative."""
    draft = _draft_order(random.Random(f"draft {narrative}"))
    return {
        "15 resources": view(15, narrative),
        "200 resources": view(200, narrative),
        "draft order": _body("draft order", "order-sign", record(6, narrative, drug=False), [draft]),
    }


def view(resources: int, narrative: float = 0.0) -> Body:
    """An opened chart with so many resources."""
    return _body(f"{resources} resources", "patient-view", record(resources, narrative))


def record(resources: int, narrative: float = 0.0, *, drug: bool = True) -> list[Json]:
    """A record of so many resources (at least 5), the deciding ones first; without `drug` no inhibitor in it,
    and a bone density at which one decides."""
    source = random.Random(f"{resources} {narrative}")
    wanted = _wanted(resources, drug=drug)
    found = [_resource(source, *each, number) for number, each in enumerate(wanted)]
    for resource in found:
        if source.random() < narrative:
            resource["text"] = {"status": "generated", "div": _narrative(resource)}
    return found


def _wanted(resources: int, *, drug: bool) -> list[tuple[str, Any, int]]:
    """(type, content, how many times it was there before) of each resource: the first few decide, the rest repeat."""
    first: list[tuple[str, Any]] = [
        ("Patient", None),
        ("Condition", CONDITIONS[0]),
        *([("MedicationRequest", DRUGS[0])] if drug else []),
        ("T-score", SITES[0] if drug else LOW_BONE_MASS),
        *(("Observation", each) for each in READ[:3]),
        ("T-score", SITES[1]),
        ("Observation", WEIGHT),
        ("Condition", CONDITIONS[1]),
        ("MedicationRequest", DRUGS[1]),
        ("Procedure", PROCEDURES[0]),
        *(("Observation", each) for each in (*READ[3:], PRESSURE)),
    ]
    rounds: list[tuple[str, Any]] = [
        *(("Observation", each) for each in (*READ, *NOT_READ, WEIGHT, PRESSURE)),
        ("Condition", None),
        ("Observation", READ[0]),
        ("MedicationRequest", None),
        ("Procedure", None),
    ]
    cycled = {"Condition": CONDITIONS[1:], "MedicationRequest": DRUGS[1:], "Procedure": PROCEDURES}
    wanted: list[tuple[str, Any, int]] = [(kind, content, 0) for kind, content in first[:resources]]
    for index in range(max(0, resources - len(first))):
        turn, place = divmod(index, len(rounds))
        kind, content = rounds[place]
        wanted.append((kind, content or cycled[kind][turn % len(cycled[kind])], turn + 1))
    return wanted


# -- resources -----------------------------------------------------------------------------------------------------


def _resource(source: random.Random, kind: str, content: Any, before: int, number: int) -> Json:
    """A resource with what EHRs put around its content; the older, the more often it was there before."""
    days = 40 + 45 * before + source.randrange(20)
    made = _MAKERS[kind](source, content, days)
    kind = made["resourceType"]
    common: Json = {
        "resourceType": kind,
        "id": f"e{_hex(source, 20)}{number}",
        "meta": {
            "versionId": str(source.randrange(1, 9)),
            "lastUpdated": f"{_day(days)}T08:15:27.000Z",
            "profile": [f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{kind.lower()}"],
        },
        "identifier": [
            {"use": use, "system": f"{_LOCAL}.{source.randrange(10**6)}", "value": f"{_hex(source, 16)}"}
            for use in ("official", "usual")
        ],
    }
    if kind != "Patient":
        common["subject"] = {"reference": f"Patient/{PATIENT}", "display": "Doe, Jane Q"}
        common["encounter"] = {
            "reference": f"Encounter/e{_hex(source, 20)}",
            "display": "Office visit, medical oncology",
        }
    return {**common, **made}


def _patient(source: random.Random, _: Any, days: int) -> Json:
    return {
        "resourceType": "Patient",
        "id": PATIENT,
        "active": True,
        "name": [{"use": use, "family": "Doe", "given": ["Jane", "Q"]} for use in ("official", "usual")],
        "telecom": [{"system": "phone", "value": f"555-{source.randrange(10**4):04}", "use": "home"}],
        "gender": "female",
        "birthDate": "1958-03-14",
        "address": [{"use": "home", "line": ["1 Main Street"], "city": "Springfield", "country": "US"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}}],
    }


def _condition(source: random.Random, content: tuple[str, str, str], days: int) -> Json:
    snomed, icd, name = content
    clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    verified = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    return {
        "resourceType": "Condition",
        "clinicalStatus": _concept(clinical, "active", "Active"),
        "verificationStatus": _concept(verified, "confirmed", "Confirmed"),
        "category": [_concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item", "Item")],
        "severity": _concept(SNOMED, "6736007", "Moderate"),
        "code": _concept(SNOMED, snomed, name, (ICD10CM, icd), (f"{_LOCAL}.696871", _hex(source, 6))),
        "onsetDateTime": _day(days + 700),
        "recordedDate": _day(days + 690),
        "recorder": _person(source),
        "asserter": _person(source),
    }


def _procedure(source: random.Random, content: tuple[str, str], days: int) -> Json:
    return {
        "resourceType": "Procedure",
        "status": "completed",
        "category": _concept(SNOMED, "387713003", "Surgical procedure"),
        "code": _concept(SNOMED, *content, (f"{_LOCAL}.696580", _hex(source, 6))),
        "performedDateTime": _day(days + 600),
        "performer": [{"function": _concept(SNOMED, "304292004", "Surgeon"), "actor": _person(source)}],
        "location": {"reference": f"Location/e{_hex(source, 20)}", "display": "Main operating theatre"},
    }


def _order(source: random.Random, content: tuple[str, str], days: int) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "category": [
            _concept("http://terminology.hl7.org/CodeSystem/medicationrequest-category", "outpatient", "Outpatient")
        ],
        "medicationCodeableConcept": _concept(RXNORM, *content, (f"{_LOCAL}.698288", _hex(source, 6))),
        "authoredOn": f"{_day(days)}T09:12:00Z",
        "requester": _person(source),
        "recorder": _person(source),
        "courseOfTherapyType": _concept(f"{_LOCAL}.82", "C", "Continuous"),
        "dosageInstruction": [
            {
                "sequence": 1,
                "text": "Take 1 tablet by mouth once a day.",
                "timing": {
                    "repeat": {"frequency": 1, "period": 1.0, "periodUnit": "d"},
                    "code": {"text": "Daily"},
                },
                "asNeededBoolean": False,
                "route": _concept(SNOMED, "26643006", "Oral route"),
                "method": _concept(SNOMED, "738995006", "Swallow"),
                "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet", "system": UCUM, "code": "{tbl}"}}],
            }
        ],
        "dispenseRequest": {
            "validityPeriod": {"start": _day(days), "end": _day(days - 365)},
            "numberOfRepeatsAllowed": 3,
            "quantity": {"value": 90, "unit": "tablet"},
            "expectedSupplyDuration": {"value": 90, "unit": "days", "system": UCUM, "code": "d"},
        },
    }


def _result(source: random.Random, content: tuple[str, str, str, float, float], days: int) -> Json:
    code, name, unit, mean, spread = content
    value = {"unit": unit, "system": UCUM, "code": unit}
    return {
        **_observation(source, code, name, days),
        "valueQuantity": {"value": round(source.gauss(mean, spread), 2), **value},
        "referenceRange": [
            {
                "low": {"value": round(mean * 0.8, 2), **value},
                "high": {"value": round(mean * 1.2, 2), **value},
                "text": f"{mean * 0.8:.2f} - {mean * 1.2:.2f} {unit}",
            }
        ],
        "specimen": {"reference": f"Specimen/e{_hex(source, 20)}", "display": "Specimen 24-032TA0041"},
    }


def _t_score(source: random.Random, content: tuple[str, str, float], days: int) -> Json:
    code, site, value = content
    return {
        **_observation(source, code, f"DXA {site} [T-score] Bone density", days + 60),
        "valueQuantity": {"value": value, "unit": "{T-score}", "system": UCUM, "code": "{T-score}"},
        "method": _concept(SNOMED, "312681000", "Bone density scan"),
        "device": {"reference": f"Device/e{_hex(source, 20)}", "display": "Densitometer 2"},
    }


def _observation(source: random.Random, code: str, name: str, days: int) -> Json:
    category = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "basedOn": [{"reference": f"ServiceRequest/e{_hex(source, 20)}", "display": name}],
        "status": "final",
        "category": [_concept(category, "laboratory", "Laboratory")],
        "code": _concept(LOINC, code, name, (f"{_LOCAL}.768282", _hex(source, 7))),
        "effectiveDateTime": f"{_day(days)}T07:40:00Z",
        "issued": f"{_day(days)}T11:02:13Z",
        "performer": [_person(source)],
        "interpretation": [
            _concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "N", "Normal")
        ],
    }


def _draft_order(source: random.Random) -> Json:
    draft = {**_resource(source, "MedicationRequest", DRUGS[0], 0, 0), "status": "draft", "id": "draft-1"}
    return {name: member for name, member in draft.items() if name != "dispenseRequest"}


_MAKERS: Final[dict[str, Callable[[random.Random, Any, int], Json]]] = {
    "Patient": _patient,
    "Condition": _condition,
    "Procedure": _procedure,
    "MedicationRequest": _order,
    "Observation": _result,
    "T-score": _t_score,
}


# -- pieces --------------------------------------------------------------------------------------------------------


def _hex(source: random.Random, digits: int) -> str:
    return f"{source.getrandbits(digits * 4):0{digits}x}"


def _day(before: int) -> str:
    return (TODAY - timedelta(days=before)).isoformat()


def _concept(system: str, code: str, name: str, *others: tuple[str, str]) -> Json:
    codings = [(system, code), *others]
    return {"coding": [{"system": each, "code": of, "display": name} for each, of in codings], "text": name}


def _person(source: random.Random) -> Json:
    return {
        "reference": f"Practitioner/e{_hex(source, 20)}",
        "type": "Practitioner",
        "display": "Adams, Chris, MD, medical oncology",
    }


def _narrative(resource: Json) -> str:
    """Some two thousand characters of a table, as a rendering server writes it."""
    rows = "".join(
        f"<tr><td><b>{name}</b></td><td>{json.dumps(value)[:80]}</td></tr>" for name, value in resource.items()
    )
    escaped = rows.replace('"', "&quot;")
    return f'<div xmlns="http://www.w3.org/1999/xhtml"><table class="grid">{escaped}</table></div>'


def _body(name: str, hook: str, resources: Iterable[Json], drafts: Iterable[Json] = ()) -> Body:
    """A request as compact JSON, each resource under the key of its type, every key told."""
    filed: dict[str, list[Json]] = {key: [] for key in PREFETCH_KEYS}
    count = 0
    for resource in resources:
        filed[_key(resource)].append(
            {
                "fullUrl": f"https://ehr.example.org/fhir/{resource['resourceType']}/{resource['id']}",
                "resource": resource,
            }
        )
        count += 1
    ((patient,), *others) = filed.values()
    context: Json = {"userId": "Practitioner/e41", "patientId": PATIENT}
    if hook != "patient-view":
        entries = [{"resource": draft} for draft in drafts]
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        count += len(entries)
    prefetch = dict(zip(PREFETCH_KEYS, [patient["resource"], *map(searchset, others)], strict=True))
    request = {
        "hook": hook,
        "hookInstance": str(UUID(int=random.Random(name).getrandbits(128))),
        "context": context,
        "prefetch": prefetch,
    }
    return Body(name, hook, json.dumps(request, separators=(",", ":")).encode(), count)


def _key(resource: Json) -> str:
    code = resource["code"]["coding"][0]["code"] if "code" in resource else None
    if code in {site[0] for site in SITES}:
        return "dxa"
    return "vitals" if code in (WEIGHT[0], PRESSURE[0]) else KEY_OF_TYPE[resource["resourceType"]]


def files(folder: Path) -> Iterator[Path]:
    """Each body as a file."""
    for share in (0.0, 0.5):
        for name, body in bodies(share).items():
            path = folder / f"{name.replace(' ', '-')}-narrative-{share:.0%}.json"
            path.write_bytes(body.content)
            yield path


if __name__ == "__main__":
    for written in files(Path(sys.argv[1])):
        print(written)
