"""What a finding rests on, as one text: the same while the evidence is, another as soon as that changes.

It must not change by itself: no age, no length of time, no name that a record system may give anew. A further order of
a medicine that is taken already is no new evidence, and neither is a planned one that was signed.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from fhir_profiles import Evidence, Facts
from service.decision import Decision, Finding
from service.rules import Rules

__all__ = ["Digests", "Grounds", "facts_behind"]

# In use either way, as the tier has it.
_PLANNED: Final = "planned"
# Of an undated length of time in these units nobody knows when it was so: it grows by itself.
_TIMES: Final = frozenset({"d", "mo", "a"})


def facts_behind(rules: Rules) -> Mapping[str, tuple[str, ...]]:
    """The facts that each section asks for, by its name; those of the assessment where it asks for that."""
    found: dict[str, tuple[str, ...]] = {}
    for section in (rules.assessment, *rules.sections):
        own = [name for name in section.facts if name in rules.terms.facts]
        assessed = rules.assessment.facts if len(own) < len(section.facts) else ()
        found[section.name] = tuple(dict.fromkeys((*own, *assessed)))
    return found


class Grounds:
    """The grounds of a decision's findings, `behind` being the facts of each section; each is put into words once."""

    def __init__(self, decision: Decision, behind: Mapping[str, tuple[str, ...]]) -> None:
        self._behind, self._facts = behind, _Worded(decision.facts)
        self._sections: dict[str, str] = {}

    def of(self, finding: Finding) -> str:
        """The grounds of a finding; its wording and loudness are part of them, so that a worse case is a new one."""
        outcome, order, rulings = finding.outcome, finding.order, finding.rulings
        grounds = f"{outcome.variant}\n{finding.indicator}\n"
        if order is None:
            grounds += self._section(finding.section.name)
        else:
            grounds += f"{order.drug}\t{order.dose}\t{order.unit}\t{order.interval_days}\t{order.route}"
        if rulings:
            lines = {f"{r.gate.id}\t{r.subject.drug}\t{r.result}\n{self._facts[r.gate.fact]}" for r in rulings}
            grounds = "\n\n".join((grounds, *sorted(lines)))
        return grounds

    def _section(self, name: str) -> str:
        text = self._sections.get(name)
        if text is None:
            text = self._sections[name] = "\n\n".join(map(self._facts.__getitem__, self._behind.get(name, ())))
        return text


class _Worded(dict[str, str]):
    """The words of each fact, by its name."""

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self._of = facts

    def __missing__(self, name: str) -> str:
        fact = self._of[name]
        evidence, shown = fact.evidence, fact.shown
        if evidence:
            items = set(map(_item, evidence))
            if shown is not None:
                items.add(_item(shown))
            text = "\n".join((name, *sorted(items)))
        else:
            text = name if shown is None else f"{name}\n{_item(shown)}"
        self[name] = text
        return text


def _item(evidence: Evidence) -> str:
    if evidence.drug is not None:
        use = evidence.use
        return f"{evidence.drug}\t{'current' if use == _PLANNED else use}"
    value, date = evidence.value, evidence.date
    if value is None or evidence.computed or (date is None and evidence.unit in _TIMES):
        return f"{evidence.site}\t{date}"
    return f"{evidence.site}\t{date}\t{value}"


class Digests:
    """Keyed digests of grounds: without the key nobody can find out a result by trying out results.

    `keys` are hexadecimal, the newest first. Faster than HMAC by far, and as sound (RFC 7693, 1: BLAKE2 is keyed).
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = tuple(map(bytes.fromhex, keys))

    def of(self, grounds: str) -> str:
        """The digest under the newest key, of 32 hexadecimal digits."""
        return blake2b(grounds.encode(), key=self._keys[0], digest_size=16).hexdigest()

    def all_of(self, grounds: str) -> tuple[str, ...]:
        """The digest under each key, the newest first."""
        text = grounds.encode()
        return tuple(blake2b(text, key=key, digest_size=16).hexdigest() for key in self._keys)
