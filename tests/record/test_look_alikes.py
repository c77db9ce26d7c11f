"""Codes and names that look like a value we read, and are another: none may be taken for it."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_profiles import terminology
from tests.builder import Record
from tests.codes import LOINC
from tests.fhir_pieces import concept, quantity
from tests.front_door import ask

# Progesterone, leptin, calcium in stool, stone analysis, creatine kinase, sex, the third binding protein.
OTHERS = ("83109-9", "21365-2", "2002-4", "14638-1", "12187-1", "21840-4", "2483-6")


def test_no_fact_reads_one_of_them() -> None:
    written = str(terminology().facts)
    assert [code for code in OTHERS if f"'{code}'" in written] == []


@pytest.mark.parametrize(
    ("code", "text", "value", "unit"),
    [
        ("2483-6", "IGFBP-3", 5, "ng/mL"),
        (None, "1,25-dihydroxyvitamin D", 12, "ng/mL"),
        (None, "1,25-二羟维生素D", 12, "ng/mL"),
        ("2002-4", "calcium in stool", 900, "mg/(24.h)"),
        ("12187-1", "creatine kinase MB", 200, "ng/mL"),
    ],
)
def test_a_value_of_another_substance_says_nothing(code: str | None, text: str, value: float, unit: str) -> None:
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -0.5)
    without = ask(record).outcomes
    observation: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "another",
        "status": "final",
        "subject": {"reference": f"Patient/{record.patient_id}"},
        "code": concept(LOINC, code, text),
        "effectiveDateTime": "2026-09-20",
        "valueQuantity": quantity(value, unit),
        "referenceRange": [{"low": quantity(value * 2, unit)}],
    }
    assert ask(record.add(observation, key="labs")).outcomes == without
