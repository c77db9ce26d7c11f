"""The text of a card: what, why, for which agents, what is not on record, where it is written."""

from itertools import chain
from operator import attrgetter

from service.decision import Decision, Finding, Verdict
from service.fill import Filler
from service.gates import Ruling
from service.words import FIXED, LANGUAGES

__all__ = ["paragraphs"]


def paragraphs(decision: Decision, fill: Filler, topic: str, findings: list[Finding]) -> list[str]:
    """The paragraphs of a topic's card, in their order on the page."""
    above: list[str] = []
    below: list[str] = []
    for finding in sorted(findings, key=_PLACE):
        outcome = finding.outcome
        if outcome.detail is not None:
            (above if outcome.place < _AFTER_TABLE else below).append(fill.say(outcome.detail, finding))
    if topic == "tier":
        above += _of_the_tier(decision, fill)
    headings = fill.fixed["headings"]
    return [*above, *below, f"{headings['source']} {_sources(decision, fill, topic, findings)}"]


_PLACE = attrgetter("outcome.place")
# Details whose `place` on the page is from here on stand below the table of agents.
_AFTER_TABLE = 50


def _of_the_tier(decision: Decision, fill: Filler) -> list[str]:
    """How sure the tier is, the agents, the other guidelines, and what is not on record."""
    said: list[str] = []
    tier, headings = decision.tier, fill.fixed["headings"]
    if tier is not None and tier.provisional and tier.tier is not None:
        words = decision.rules.assessment.page["words"]
        corners = {part: words[getattr(tier, part)][fill.language] for part in ("at_least", "at_most")}
        said.append(f"{headings['provisional']} {fill.phrases['between'].format(**corners)}")
    if decision.verdicts:
        said.append(_agents(decision, fill))
    if decision.opinions and tier is not None and tier.tier is not None:
        said.append(_others(decision, fill))
    if absent := _absent(decision, fill):
        said.append(f"{headings['not_on_record']} {absent}")
    return said


def _absent(decision: Decision, fill: Filler) -> str:
    """What is missing, fact by fact, then which lists the record system did not send."""
    missing = [fill.labels[name] for name in decision.missing]
    told = decision.facts.chart.told
    if untold := [name for key, name in fill.fixed["keys"].items() if key not in told]:
        missing.append(fill.phrases["not_told"].format(keys=fill.listed(untold)))
    return fill.listed(missing)


def _head(*headings: str) -> dict[str, str]:
    """The first lines of a table with these columns, in each language."""
    return {
        language: f"| {' | '.join(FIXED[language]['headings'][heading] for heading in headings)} |\n"
        f"{'|---' * len(headings)}|"
        for language in LANGUAGES
    }


_AGENTS = _head("agent", "for_patient")
_OTHERS = _head("guideline", "would", "because")


def _agents(decision: Decision, fill: Filler) -> str:
    """The table of agents: dose, and for this patient possible, ruled out, or what must be known first."""
    rows = [_AGENTS[fill.language]]
    for verdict in decision.verdicts:
        rows.append(f"| {fill.say(verdict.agent.words)} | {_standing(decision, fill, verdict)} |")
    return "\n".join(rows)


def _others(decision: Decision, fill: Filler) -> str:
    """The table of who would act otherwise, and on what criterion."""
    rows = [_OTHERS[fill.language]]
    for opinion in decision.opinions:
        label = decision.rules.guidelines[opinion.section.guideline].page["label"][fill.language]
        why = fill.opinion(opinion)
        if opinion.unsettled:
            known = fill.listed([fill.labels[name] for name in opinion.unsettled])
            why += fill.marks["semicolon"] + fill.phrases["depends"].format(facts=known)
        rows.append(f"| {label} | {fill.fixed['advice'][opinion.advice]} | {why} |")
    return "\n".join(rows)


def _standing(decision: Decision, fill: Filler, verdict: Verdict) -> str:
    """Where an agent stands for this patient: ruled out and why, what to know first, with what caution, or possible."""
    free = fill.phrases["recommended" if verdict.agent is decision.recommended else "possible"]
    if not verdict.rulings:
        return free
    rows: dict[str, dict[str, Ruling]] = {}
    for ruling in verdict.rulings:
        # Several rows may stand behind one outcome (three for the kidney): the first says enough here.
        gate = ruling.gate
        by = gate.fact if ruling.result == "ask" else gate.outcome or gate.id
        rows.setdefault(ruling.result, {}).setdefault(by, ruling)
    said = [] if verdict.stopped else [free]
    for result, heading in _STANDINGS.items():
        if result in rows:
            found = rows[result].values()
            reasons = [fill.labels[r.gate.fact] if result == "ask" else fill.reason(r) for r in found]
            said.append(fill.phrases[heading] + fill.marks["colon"] + fill.listed(reasons))
    return fill.marks["semicolon"].join(said)


# What a table row may say of an agent, the worst first, and the phrase for it.
_STANDINGS = {"block": "ruled_out", "hold": "hold", "ask": "first", "caution": "caution"}


def _sources(decision: Decision, fill: Filler, topic: str, findings: list[Finding]) -> str:
    """Where each number and table row on the card comes from, once each; then who has reviewed it."""
    rules, language = decision.rules, fill.language
    places: list[str] = []
    for finding in findings:
        page, outcome = finding.section.page, finding.outcome
        if rules.assessment.stem in outcome.named and decision.tier is not None:
            places += rules.assessment.cites
        places += outcome.cites
        for ruling in finding.rulings:
            if ruling.result != "ask":
                places.append(ruling.gate.where)
        if "where" in page:
            places.append(page["where"])
    if topic == "tier":
        for verdict in decision.verdicts:
            places += [ruling.gate.where for ruling in verdict.rulings if ruling.result != "ask"]
        places += [verdict.agent.where for verdict in decision.verdicts if not verdict.stopped]
    cited = dict.fromkeys(chain.from_iterable(map(rules.cited[language].__getitem__, places)))
    text = fill.marks["semicolon"].join(cited) or rules.guideline.page["label"][language]
    return f"{text}{fill.marks['stop']}{rules.guideline.page['reviewed'][language]}"
