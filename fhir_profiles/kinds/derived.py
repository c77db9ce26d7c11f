"""Facts derived from laboratory values: a score counted from its parts, and whether a value is there to be shown."""

from typing import Any

from fhir_profiles.chart import Evidence
from fhir_profiles.fact import Fact, Facts
from fhir_profiles.kinds.measured import measurement

__all__ = ["points", "shown"]


def points(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """A score as recorded, else counted from its parts; a sign of unknown grade gives the least and most it can be."""
    recorded = measurement(facts, name, definition)
    parts = {of: facts[of] for of in definition["measured"]}
    if recorded.known or not all(part.known for part in parts.values()):
        return recorded
    least = most = 0.0
    for of, limits in definition["measured"].items():
        sign = -1 if limits["worse"] == "lower" else 1
        value = sign * float(parts[of].presumed)
        counted = 1 + (value >= sign * limits["two_from"]) + (value > sign * limits["three_beyond"])
        least, most = least + counted, most + counted
    for of in definition["graded"]:
        least, most = least + (2 if facts[of].mildest else 1), most + (3 if facts[of].worst else 1)
    dates = sorted(part.shown.date or "" for part in parts.values() if part.shown)
    seen = Evidence(fact=name, used=True, value=least, unit=definition["unit"], date=dates[0], computed=True)
    return Fact(least, most, least, (seen,), seen)


def shown(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a measurement has a result that may be shown."""
    found = facts[definition["of"]].shown is not None
    return Fact(found, found, found)
