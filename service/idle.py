"""Sections that have nothing to say where nothing is on record: not run for a patient whose record touches none of
their facts. What rules cost then grows with what a record holds, not with how many rules there are.
"""

from collections.abc import Iterable, Mapping

from fhir_profiles import Blanks, Fact
from service.pages import Section

__all__ = ["Idle"]


class Idle:
    """The names of the idle sections, by the prefetch keys that were answered."""

    def __init__(self, sections: Iterable[Section], blanks: Blanks) -> None:
        self._sections, self._blanks = tuple(sections), blanks
        self._found: dict[frozenset[str], frozenset[str]] = {}

    def __getitem__(self, told: frozenset[str]) -> frozenset[str]:
        found = self._found.get(told)
        if found is None:
            blank = self._blanks[told].facts
            found = self._found[told] = frozenset(s.name for s in self._sections if _is_idle(s, blank))
        return found


def _is_idle(section: Section, blank: Mapping[str, Fact]) -> bool:
    """Not what asks for the assessment or an order's own attributes; those are of the patient."""
    if section.decide is None or any(name not in blank for name in section.facts):
        return False
    return not any(
        section.decide(*(getattr(blank[name], corner) for name in section.facts)) for corner in ("presumed", "worst")
    )
