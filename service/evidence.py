"""Evidence as the assessment shows it: data for programs, where nothing is escaped and so nothing may need it."""

import re
from collections.abc import Iterable

from msgspec import structs

from fhir_profiles import Evidence
from fhir_profiles.chart import AsRecorded

__all__ = ["shown"]

# What FHIR has for ids, and what servers have in their place.
_REFERENCE = re.compile(r"[A-Za-z]{1,64}/[A-Za-z0-9._~:-]{1,255}")
_LONGEST_UNIT = 64  # what is longer is a text in the wrong place
_MARKUP = frozenset("<>&")


def shown(items: Iterable[Evidence]) -> list[Evidence]:
    """Pieces of evidence without a name that nobody could refer to, and without a unit that is none."""
    found = []
    for item in items:
        kept, recorded = item, item.asRecorded
        if item.resource is not None and _REFERENCE.fullmatch(item.resource) is None:
            kept = structs.replace(kept, resource=None)
        if recorded is not None and recorded.unit is not None and not _printable(recorded.unit):
            kept = structs.replace(kept, asRecorded=AsRecorded(recorded.value))
        found.append(kept)
    return found


def _printable(unit: str) -> bool:
    return len(unit) <= _LONGEST_UNIT and unit.isprintable() and _MARKUP.isdisjoint(unit)
