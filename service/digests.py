"""What a finding rests on, as one text: the same while the evidence is, another as soon as that changes.

It must not change by itself: no age, no length of time, no name that a record system may give anew. A further order of
a medicine that is taken already is no new evidence, and neither is a planned one that was signed.
"""

from collections.abc import Iterable

from fhir_profiles import Evidence
from service.decide import Decision, Finding

__all__ = ["evidence_of"]

# In use either way, as the tier has it.
_GOING_ON = {"planned": "current"}

_TIMES = frozenset({"d", "mo", "a"})

Item = tuple[str, ...]


def evidence_of(decision: Decision, finding: Finding) -> str:
    """The evidence of a finding; its wording and loudness are part of it, so that a worse case is a new one."""
    items: set[Item] = {("finding", finding.outcome.variant, finding.indicator)}
    for name in _facts(decision, finding):
        items.update(_of_fact(decision, name))
    for ruling in finding.rulings:
        items.add(("ruling", ruling.gate.id, ruling.subject.drug, ruling.result))
        items.update(_of_fact(decision, ruling.gate.fact))
    if finding.order is not None:
        order = finding.order
        items.add(("order", order.drug, *map(repr, (order.dose, order.unit, order.interval_days, order.route))))
    return "\n".join("\t".join(item) for item in sorted(items))


def _facts(decision: Decision, finding: Finding) -> Iterable[str]:
    """The facts that a finding's section asks for; those of the assessment where it asks for that."""
    if finding.section in decision.rules.per_order:
        return ()
    assessment = decision.rules.assessment
    known = decision.rules.terms.facts
    asked = [name for name in finding.section.facts if name in known]
    if len(asked) < len(finding.section.facts) or finding.section is assessment:
        asked += assessment.facts
    return dict.fromkeys(asked)


def _of_fact(decision: Decision, name: str) -> Iterable[Item]:
    fact = decision.facts[name]
    shown = () if fact.shown is None else (fact.shown,)
    return (_item(evidence) for evidence in (*fact.evidence, *shown))


def _item(evidence: Evidence) -> Item:
    if evidence.drug is not None:
        use = evidence.use or ""
        return (evidence.fact, evidence.drug, _GOING_ON.get(use, use))
    # An undated length of time grows by itself, and so does what was computed with an age.
    by_itself = evidence.computed or (evidence.date is None and evidence.unit in _TIMES)
    value = None if by_itself else evidence.value
    return (evidence.fact, evidence.site or "", evidence.date or "", "" if value is None else repr(value))
