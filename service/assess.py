"""The assessment: the tier and what other guidelines would do, with what is unknown and could change either.

Each is worked out three times: at every fact's mildest, at its worst, and as presumed. The two corners suffice because
the tier is monotone in every fact (a test proves it). Only when they differ does the engine look for the facts that
would settle them.
"""

from math import inf

from fhir_profiles import Fact, Facts
from service.decision import Finding, Opinion, Tier
from service.pages import Section
from service.rules import Rules

__all__ = ["SILENT", "UNCLASSIFIED", "as_facts", "asked_by_tier", "opinion_of", "own_opinion", "tier_of"]

UNCLASSIFIED = "unclassified"
# The advice of an opinion whose guideline does not speak of this patient: nothing to compare, nothing to follow.
SILENT = "silent"


def tier_of(section: Section, facts: Facts) -> Tier:
    """The tier as presumed, between its two corners; None where the fact that settles it is missing and it is not the
    highest already."""
    rules, order = section.page["rules"], section.page["tiers"]
    rule, *corners = _worked_out(section, section.asked(facts))
    at_least, at_most = (rules[corner]["tier"] for corner in corners)
    tier = rules[rule]["tier"]
    if tier != order[-1] and facts[section.page["settled_by"]].worst == -inf:
        return Tier(None, section.page["unsettled"], at_least, at_most)
    return Tier(tier, rule, at_least, at_most)


def opinion_of(section: Section, facts: Facts) -> Opinion:
    """A guideline's advice, as presumed; the facts that could change it where its corners differ."""
    triples = section.asked(facts)
    advice = section.page["rules"]
    rule, least, most = _worked_out(section, triples)
    unsettled: tuple[str, ...] = ()
    if least != most and advice[least]["advice"] != advice[most]["advice"]:
        unsettled = tuple(name for name, fact in zip(section.facts, triples, strict=True) if not fact.known)
    return Opinion(section, rule, advice[rule]["advice"], unsettled)


def _worked_out(section: Section, triples: tuple[Fact, ...]) -> tuple[str, str, str]:
    """The rule that holds as presumed, at the mildest and at the worst; the logic runs once for readings that agree."""
    decide = section.decide
    assert decide is not None
    presumed = [fact.presumed for fact in triples]
    mildest = [fact.mildest for fact in triples]
    worst = [fact.worst for fact in triples]
    rule = decide(*presumed)
    return (
        rule,
        rule if mildest == presumed else decide(*mildest),
        rule if worst == presumed else decide(*worst),
    )


def own_opinion(rules: Rules, tier: Tier) -> Opinion:
    """What the tier says: the advice that leads unless a site lets another guideline do so, and then one beside it."""
    advice: dict[str, str] = rules.guideline.page["advice"]
    return Opinion(rules.assessment, tier.rule, advice.get(tier.tier or "", "monitor"), ())


def asked_by_tier(rules: Rules, facts: Facts, tier: Tier) -> tuple[list[Finding], list[str]]:
    """What to ask because the tier hangs on it, and the names of those facts, the page's order first."""
    section = rules.assessment
    assert section.decide is not None
    if not tier.provisional:
        return [], []
    triples = {name: facts[name] for name in section.facts}
    findings, missing = [], []
    for name, fact in triples.items():
        if fact.known:
            continue
        tiers = {
            section.page["rules"][
                section.decide(*(value if other == name else triples[other].presumed for other in section.facts))
            ]["tier"]
            for value in (fact.mildest, fact.worst)
        }
        if len(tiers) == 1:
            continue
        missing.append(name)
        code = section.asks.get(name) or (section.page["confirms"].get(name) if _on_record(fact) else None)
        if code is not None:
            findings.append(Finding.of(section, code))
    return findings, missing


def _on_record(fact: Fact) -> bool:
    """Whether the record holds something unclear, as against nothing at all."""
    return any(item.reason not in ("high-energy", "young", "past-use", "not-taken") for item in fact.evidence)


def as_facts(rules: Rules, tier: Tier, before: Tier, advice: str) -> dict[str, Fact]:
    """The assessment, as the other sections may ask for it."""
    stem = rules.assessment.stem
    now, then = tier.tier or UNCLASSIFIED, before.tier or UNCLASSIFIED
    return {
        stem: Fact(tier.at_least, tier.at_most, now),
        f"{stem}_before": Fact(then, then, then),
        f"{stem}_rule": Fact(tier.rule, tier.rule, tier.rule),
        "advice": Fact(advice, advice, advice),
    }
