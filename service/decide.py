"""From a chart to a decision: the tier, the findings, the agents. Pure: same chart, same rules, same answer."""

from collections.abc import Collection
from math import nan
from typing import Any

from fhir_profiles import KINDS, Chart, Facts
from fhir_profiles.chart import Use
from service.assess import SILENT, as_facts, asked_by_tier, opinion_of, own_opinion, tier_of
from service.decision import SEVERITY, Decision, Finding, Verdict
from service.gates import Ruling, Subject, rulings_of
from service.pages import Section
from service.rules import Agent, Rules

__all__ = ["decide"]

_GOING_ON = frozenset({"active", "planned"})
_STOPPING = frozenset({"block", "hold", "ask"})


def decide(
    rules: Rules,
    chart: Chart,
    hook: str,
    *,
    judged: Collection[str] | None = None,
    without_problems: Chart | None = None,
) -> Decision | None:
    """Decide on a chart for a hook; None when the patient is out of scope.

    `judged` are the names of the orders in hand to be judged (order-select: the selections), None for all of
    them; on hooks without orders there are none, and the tier is not compared with the one before.
    `without_problems` is the chart without the problems in hand, where the hook is about those.
    """
    if not _in_scope(rules, chart):
        return None
    blank = rules.blanks[chart.told]
    facts = Facts(chart, rules.terms, KINDS, blank=blank)
    in_hand = tuple(use for use in chart.uses if use.in_hand and (judged is None or use.resource in judged))
    outside = rules.guideline.page["outside"]
    if facts[outside["fact"]].mildest is True:
        return _outside(rules, facts, hook, in_hand, outside["section"])
    tier = tier_of(rules.assessment, facts)
    ordering = hook != "patient-view"
    undrafted = Facts(chart, rules.terms, KINDS, with_drafts=False, blank=blank) if ordering else facts
    before = tier_of(rules.assessment, undrafted) if ordering else None
    findings, missing = asked_by_tier(rules, facts, tier)
    opinions = [said for section in rules.opinions if (said := opinion_of(section, facts)).advice != SILENT]
    own = own_opinion(rules, tier)
    advice = next((said.advice for said in opinions if said.section.guideline == rules.leading), own.advice)
    # An agent is weighed as the leading guideline says: by the tier, or by another's advice.
    led = advice != own.advice
    weighed = advice != "monitor" if led else tier.tier in rules.guideline.page["candidates"]["tiers"]
    weighed = weighed and facts[rules.guideline.page["candidates"]["unless"]].presumed is False
    idle = rules.idle[chart.told]
    rulings = rulings_of(rules.table.rows_about(_held(rules, chart, in_hand), weighed=weighed), facts, idle)
    verdicts = _verdicts(rules.agents, rulings) if weighed else []
    # From here on a section may ask for it as for any fact.
    facts.update(as_facts(rules, tier, before or tier, advice))
    for section in rules.sections:
        if section.name not in idle or not facts.touched.isdisjoint(section.facts):
            findings += _run(section, facts, hook)
    others = [said for said in (own, *opinions) if said.advice != advice]
    if others and tier.tier is not None:
        findings.append(_named(rules, "guideline-disagreement"))
    findings += _from_rulings(rules, rulings, missing)
    findings += _orders(rules, chart, in_hand, rulings)
    decision = Decision(
        rules=rules,
        facts=facts,
        tier=tier,
        before=before,
        findings=_unique(findings),
        verdicts=verdicts,
        recommended=_recommended(verdicts),
        opinions=others,
        missing=list(dict.fromkeys(missing)),
        silent=chart.person.dead,
        in_hand=in_hand,
        before_problems=(
            None if without_problems is None else tier_of(rules.assessment, Facts(without_problems, rules.terms, KINDS))
        ),
    )
    if decision.unusable() or chart.unreadable:
        decision.findings.append(_named(rules, "data-quality"))
    return decision


def _in_scope(rules: Rules, chart: Chart) -> bool:
    scope = rules.guideline.page["scope"]
    if any(chart.diagnoses.get(key) for key in scope["conditions"]):
        return True
    anywhere, drafted = ([rules.terms.drugs_in(group) for group in scope[of]] for of in ("drugs", "drafts"))
    return any(
        any(use.drug in drugs for drugs in anywhere) or (use.in_hand and any(use.drug in drugs for drugs in drafted))
        for use in chart.uses
    )


def _outside(rules: Rules, facts: Facts, hook: str, in_hand: tuple[Use, ...], stem: str) -> Decision:
    """The guideline does not apply: its one section says so; what is in hand or on the list is still judged."""
    # Worked out all the same, so that the answer lists what the record holds of them.
    _ = [facts[name] for name in rules.assessment.facts]
    (section,) = (section for section in rules.sections if section.stem == stem)
    findings = _run(section, facts, hook)
    rows = rules.table.rows_about(_held(rules, facts.chart, in_hand), weighed=False)
    rulings = rulings_of(rows, facts, rules.idle[facts.chart.told])
    # Nothing is suggested here: other doses hold.
    findings += [*_from_rulings(rules, rulings, []), *_orders(rules, facts.chart, in_hand, None)]
    findings = [finding for finding in findings if finding.section is section or finding.indicator == "critical"]
    return Decision(rules, facts, None, None, _unique(findings), [], None, [], [], facts.chart.person.dead, in_hand)


# -- the other sections ----------------------------------------------------------------------------


def _run(section: Section, facts: Facts, hook: str) -> list[Finding]:
    if hook not in section.hooks:
        return []
    assert section.decide is not None
    triples = section.asked(facts)
    names = section.decide(*[fact.presumed for fact in triples])
    if section.asks:
        possible = set(section.decide(*[fact.worst for fact in triples])).difference(names)
        if possible:
            unknown = [name for name, fact in zip(section.facts, triples, strict=True) if not fact.known]
            names = [*names, *(section.asks[name] for name in unknown if name in section.asks)]
    return [Finding.of(section, name) for name in dict.fromkeys(names)] if names else []


def _named(rules: Rules, code: str) -> Finding:
    """The finding of a code that no logic decides, from the page that words it (the loader has seen that one does)."""
    return Finding.of(rules.worded[code], code)


# -- tables and orders -----------------------------------------------------------------------------


def _held(rules: Rules, chart: Chart, in_hand: tuple[Use, ...]) -> list[Subject]:
    gated = rules.table.drugs
    held = [Subject(use.drug, use.route, "in-hand", use=use) for use in in_hand if use.drug in gated]
    for use in chart.uses:
        if use.drug in gated and not use.in_hand and (_goes_on(use, chart) or use.supply_runs):
            held.append(Subject(use.drug, use.route, "listed", use=use))
    return sorted(held, key=lambda s: (s.standing, s.drug, s.route or "", (s.use and s.use.resource) or ""))


def _goes_on(use: Use, chart: Chart) -> bool:
    return use.state in _GOING_ON and (use.end is None or use.end.last >= chart.today)


def _verdicts(agents: list[Agent], rulings: list[Ruling]) -> list[Verdict]:
    of_agent: dict[str | None, tuple[Ruling, ...]] = {}
    for ruling in rulings:
        of_agent[ruling.subject.agent] = (*of_agent.get(ruling.subject.agent, ()), ruling)
    stopped = {ruling.subject.agent for ruling in rulings if ruling.result in _STOPPING}
    return [Verdict(agent, of_agent.get(agent.id, ()), agent.id in stopped) for agent in agents]


def _from_rulings(rules: Rules, rulings: list[Ruling], missing: list[str]) -> list[Finding]:
    """The outcomes of table rows, those of one outcome together; facts to be asked for go to `missing`."""
    found: dict[str, Finding] = {}
    for ruling in rulings:
        code = ruling.outcome
        if code is None:
            continue
        if ruling.result == "ask":
            missing.append(rules.terms.facts[ruling.gate.fact].get("of", ruling.gate.fact))
        if code not in found:
            found[code] = _named(rules, code)
            if ruling.result != "ask":
                found[code].indicator = ruling.indicator
        found[code].rulings.append(ruling)
        if ruling.result != "ask":
            found[code].indicator = max(found[code].indicator, ruling.indicator, key=SEVERITY.__getitem__)
    return list(found.values())


def _orders(rules: Rules, chart: Chart, in_hand: tuple[Use, ...], rulings: list[Ruling] | None) -> list[Finding]:
    """What the sections of one order say: of each order in hand, and of each one on the list.

    An order is correctable unless the table stops its drug; without `rulings` none is.
    """
    findings = []
    stopped = [ruling.subject.use for ruling in rulings or () if _stops_correction(ruling)]
    listed = [use for use in chart.uses if not use.in_hand and _goes_on(use, chart)]
    for section in rules.per_order:
        assert section.decide is not None
        for use in (*in_hand, *listed):
            values = {
                "drug": use.drug,
                "route": use.route or "",
                "dose": nan if use.dose is None or use.unit != "mg" else use.dose,
                "interval_days": nan if use.interval_days is None else use.interval_days,
                "in_hand": use.in_hand,
            }
            for name in section.decide(*section.asked(values)):
                finding = Finding.of(section, name)
                finding.order = use
                finding.correctable = rulings is not None and not any(use is other for other in stopped)
                findings.append(finding)
    return findings


def _stops_correction(ruling: Ruling) -> bool:
    """What is known to speak against the drug; of one that is injected what is not known as well.

    A tablet too often is an overdose whatever the laboratory will say, and its correction does not wait.
    """
    return ruling.result in ("block", "hold") or (ruling.result == "ask" and ruling.subject.route != "oral")


def _recommended(verdicts: list[Verdict]) -> Agent | None:
    """The first in rank of the agents that nothing speaks against."""
    clear = [verdict.agent for verdict in verdicts if not verdict.stopped and verdict.agent.rank is not None]
    return min(clear, key=lambda agent: agent.rank or 0, default=None)


def _unique(findings: list[Finding]) -> list[Finding]:
    """Each outcome once (each order's own apart), in the order found, the loudest kept."""
    kept: dict[tuple[str, str, Any], Finding] = {}
    for finding in findings:
        key = (
            finding.outcome.code,
            finding.outcome.variant,
            finding.order and (finding.order.resource, finding.order.drug),
        )
        if key not in kept or SEVERITY[kept[key].indicator] < SEVERITY[finding.indicator]:
            kept[key] = finding
    return list(kept.values())
