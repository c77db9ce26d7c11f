"""Draft orders that several tests hold in hand."""

from __future__ import annotations

from typing import Any

from tests import codes
from tests.builder import Record
from tests.fhir_pieces import Json, concept


def paracetamol(id: str = "pain") -> Json:
    """An order of a medicine that we know nothing about."""
    return {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/pat"},
        "medicationCodeableConcept": concept(codes.RXNORM, "161", "paracetamol"),
    }


def ibandronate_weekly(**more: Any) -> Json:
    """150 mg every week, as one source prints it and no label does."""
    (order,) = Record().draft("ibandronate", dose="150 mg every 1 wk", route="oral").drafts
    return {**order, **more}
