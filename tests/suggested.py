"""Which drug a suggested order is for, and how often: read with the tests' own tables."""

from __future__ import annotations

from typing import Final

from tests import codes
from tests.fhir_pieces import Json

_DAYS: Final = {"h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 28.0, "a": 365.0}
_INTRAVENOUS: Final = "47625008"  # SNOMED CT
# Codes of drugs that a suggestion may hold, beyond those the tests build records from.
_MORE: Final = {
    (codes.ATC, "A12AA"): "calcium",
    (codes.ATC, "A12AX"): "calcium",
    (codes.ATC, "A12AA13"): "calcium",
    (codes.ATC, "A12AA20"): "calcium",
    (codes.ATC, "A11CC"): "cholecalciferol",
    (codes.ATC, "M05BB03"): "alendronate-d3",
    (codes.RXNORM, "351114"): "zoledronic-acid",
    (codes.RXNORM, "1865665"): "zoledronic-acid",
    (codes.RXNORM, "904952"): "ibandronate",
}
_NAMES: Final = _MORE | {
    (system, code): name for name, coded in codes.DRUG.items() for system, code, _ in coded.values()
}


def drug_of(order: Json) -> str:
    """The name, in tests/codes.py, of the drug a MedicationRequest is for; AssertionError for one without a known code.

    A suggestion whose code the tests do not know must not pass for "no drug suggested". Ibandronate into a vein is
    another matter than the tablet, and is named apart.
    """
    codings = order["medicationCodeableConcept"].get("coding", ())
    names = {
        _NAMES[coding["system"], coding["code"]] for coding in codings if (coding["system"], coding["code"]) in _NAMES
    }
    assert names, f"a suggested order of a drug that no test knows: {order['medicationCodeableConcept']}"
    families = {name.removesuffix("-5").removesuffix("-iv").removesuffix("-carbonate") for name in names}
    assert len(families) == 1, f"the codings of one order disagree: {sorted(names)}"
    drug = families.pop()
    return f"{drug}-iv" if drug == "ibandronate" and _is_intravenous(order) else drug


def _is_intravenous(order: Json) -> bool:
    routes = [dosage.get("route", {}).get("coding", ()) for dosage in order.get("dosageInstruction", ())]
    return any(coding["code"] == _INTRAVENOUS for codings in routes for coding in codings)


def interval_days(order: Json) -> float | None:
    """The days from dose to dose that an order states (a month is 28 days), or None."""
    for dosage in order.get("dosageInstruction", ()):
        repeat = dosage.get("timing", {}).get("repeat", {})
        if "period" in repeat:
            return float(repeat["period"]) * _DAYS[repeat["periodUnit"]] / float(repeat.get("frequency", 1))
    return None
