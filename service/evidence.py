"""Evidence as the assessment shows it: data for programs, where nothing is escaped and so nothing may need it."""

import re

from msgspec import structs

from fhir_profiles import Evidence
from fhir_profiles.chart import AsRecorded

__all__ = ["shown"]

# What FHIR has for ids, and what servers have in their place.
_REFERENCE = re.compile(r"[A-Za-z]{1,64}/[A-Za-z0-9._~:-]{1,255}")
_LONGEST_UNIT = 64  # what is longer is a text in the wrong place
_MARKUP = frozenset("<>&")


def shown(item: Evidence) -> Evidence:
    """Evidence without a name that nobody could refer to, and without a unit that is none."""
    if item.resource is not None and _REFERENCE.fullmatch(item.resource) is None:
        item = structs.replace(item, resource=None)
    recorded = item.asRecorded
    if recorded is not None and recorded.unit is not None and not _printable(recorded.unit):
        item = structs.replace(item, asRecorded=AsRecorded(recorded.value))
    return item


def _printable(unit: str) -> bool:
    return len(unit) <= _LONGEST_UNIT and unit.isprintable() and _MARKUP.isdisjoint(unit)
