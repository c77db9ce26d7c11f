"""What a finding rests on, as one text: the same while the evidence is, another as soon as that changes.

It must not change by itself: no age, no length of time, no name that a record system may give anew. A further order of
a medicine that is taken already is no new evidence, and neither is a planned one that was signed.
"""

from typing import Final

from fhir_profiles import Evidence
from service.decide import Decision, Finding

__all__ = ["Grounds"]

# In use either way, as the tier has it.
_GOING_ON: Final = {"planned": "current"}
# Of an undated length of time in these units nobody knows when it was so: it grows by itself.
_TIMES: Final = frozenset({"d", "mo", "a"})


class Grounds:
    """The grounds of a decision's findings; each fact is put into words once."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self._texts: dict[str, str] = {}

    def of(self, finding: Finding) -> str:
        """The grounds of a finding; its wording and loudness are part of them, so that a worse case is a new one."""
        section, outcome, order = finding.section, finding.outcome, finding.order
        parts = [outcome.variant, finding.indicator]
        if order is not None:
            parts += [order.drug, repr(order.dose), repr(order.unit), repr(order.interval_days), repr(order.route)]
        else:
            rules = self._decision.rules
            facts = rules.terms.facts
            asks_assessment = section is rules.assessment
            for name in section.facts:
                if name in facts:
                    parts.append(self._fact(name))
                else:
                    asks_assessment = True
            if asks_assessment:
                parts += map(self._fact, rules.assessment.facts)
        if finding.rulings:
            rulings = {(r.gate.id, r.subject.drug, r.result, self._fact(r.gate.fact)) for r in finding.rulings}
            parts += ["\t".join(ruling) for ruling in sorted(rulings)]
        return "\n\n".join(parts)

    def _fact(self, name: str) -> str:
        text = self._texts.get(name)
        if text is None:
            fact = self._decision.facts[name]
            shown = () if fact.shown is None else (fact.shown,)
            items = {_item(evidence) for evidence in (*fact.evidence, *shown)}
            text = self._texts[name] = "\n".join((name, *sorted(items)))
        return text


def _item(evidence: Evidence) -> str:
    if evidence.drug is not None:
        use = evidence.use or ""
        return f"{evidence.drug}\t{_GOING_ON.get(use, use)}"
    by_itself = evidence.value is None or evidence.computed or (evidence.date is None and evidence.unit in _TIMES)
    return f"{evidence.site}\t{evidence.date}\t{'' if by_itself else evidence.value!r}"
