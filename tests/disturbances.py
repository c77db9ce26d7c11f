"""What must not matter: resources that say nothing of bone, and how two answers are held against each other."""

from __future__ import annotations

import json
from typing import Any

from tests.builder import Record
from tests.fhir_pieces import Json
from tests.front_door import Answer


def evidence(answer: Answer) -> Json:
    """An answer without its uuids, and with its facts in an order of their own."""
    body = _without_uuids(answer.body)
    assessment = body.get("extension", {}).get("org.osteohooks.assessment", {})
    assessment["facts"] = sorted(assessment.get("facts", ()), key=lambda fact: json.dumps(fact, sort_keys=True))
    assert isinstance(body, dict)
    return body


def _without_uuids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_uuids(member) for name, member in value.items() if name != "uuid"}
    return [_without_uuids(member) for member in value] if isinstance(value, list) else value


def bystanders(record: Record) -> Record:
    """Resources that say nothing of bone: a blood pressure, an immunization, an appendix, a pain killer."""
    pressure = {
        "resourceType": "Observation",
        "id": "bp",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "effectiveDateTime": "2026-09-01",
        "valueQuantity": {"value": 128, "unit": "mmHg"},
    }
    record.add(pressure, key="vitals").add(
        {"resourceType": "Immunization", "id": "im", "status": "completed"}, key="labs"
    )
    record.add({"resourceType": "CarePlan", "id": "cp", "status": "active", "intent": "plan"}, key="procedures")
    return record.condition("appendicitis").drug("paracetamol")
