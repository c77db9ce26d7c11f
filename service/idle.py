"""Sections and rows of tables that have nothing to say where nothing is on record: left out for a patient whose record
touches none of their facts. What rules cost then grows with what a record holds, not with how many rules there are.
"""

from collections.abc import Iterable, Mapping
from typing import get_args

from fhir_profiles import Blanks, Fact
from service.gates import Gate, Standing
from service.pages import Section

__all__ = ["Idle"]


class Idle:
    """The names of the idle sections and rows, by the prefetch keys that were answered."""

    def __init__(self, sections: Iterable[Section], gates: Iterable[Gate], blanks: Blanks) -> None:
        self._sections, self._gates, self._blanks = tuple(sections), tuple(gates), blanks
        self._found: dict[frozenset[str], frozenset[str]] = {}

    def __getitem__(self, told: frozenset[str]) -> frozenset[str]:
        found = self._found.get(told)
        if found is None:
            blank = self._blanks[told].facts
            sections = (section.name for section in self._sections if _is_idle(section, blank))
            rows = (gate.id for gate in self._gates if gate.fact in blank and _says_nothing(gate, blank[gate.fact]))
            found = self._found[told] = frozenset((*sections, *rows))
        return found


def _is_idle(section: Section, blank: Mapping[str, Fact]) -> bool:
    """Not what asks for the assessment or an order's own attributes; those are of the patient."""
    if section.decide is None or any(name not in blank for name in section.facts):
        return False
    return not any(
        section.decide(*(getattr(blank[name], corner) for name in section.facts)) for corner in ("presumed", "worst")
    )


def _says_nothing(gate: Gate, fact: Fact) -> bool:
    held = gate.holds(fact)
    return held is None or all(gate.result(standing, held) is None for standing in get_args(Standing))
