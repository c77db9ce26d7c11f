"""The text of a card: what, why, for which agents, what is not on record, where it is written."""

from collections.abc import Iterator

from service.decision import Decision, Finding, Verdict
from service.fill import Filler
from service.gates import Ruling
from service.words import WORDS

__all__ = ["paragraphs"]


def paragraphs(decision: Decision, fill: Filler, topic: str, findings: list[Finding]) -> Iterator[str]:
    """The paragraphs of a topic's card, in their order on the page."""
    said = [
        (finding.outcome.place, fill.say(finding.outcome.detail, finding))
        for finding in sorted(findings, key=lambda f: f.outcome.place)
        if finding.outcome.detail is not None
    ]
    yield from (text for place, text in said if place < _AFTER_TABLE)
    if topic == "tier":
        tier = decision.tier
        if tier is not None and tier.provisional and tier.tier is not None:
            words = decision.rules.assessment.page["words"]
            corners = {part: words[getattr(tier, part)][fill.language] for part in ("at_least", "at_most")}
            yield f"{fill.word('headings', 'provisional')} {fill.word('phrases', 'between').format(**corners)}"
        if decision.verdicts:
            yield "\n".join(_agents(decision, fill))
        if decision.opinions and tier is not None and tier.tier is not None:
            yield "\n".join(_others(decision, fill))
        if absent := _absent(decision, fill):
            yield f"{fill.word('headings', 'not_on_record')} {absent}"
    yield from (text for place, text in said if place >= _AFTER_TABLE)
    yield f"{fill.word('headings', 'source')} {_sources(decision, fill, topic, findings)}"


# Details whose `place` on the page is from here on stand below the table of agents.
_AFTER_TABLE = 50


def _absent(decision: Decision, fill: Filler) -> str:
    """What is missing, fact by fact, then which lists the record system did not send."""
    missing = [fill.label(name) for name in decision.missing]
    untold = [fill.word("keys", key) for key in WORDS["keys"] if key not in decision.facts.chart.told]
    if untold:
        missing.append(fill.word("phrases", "not_told").format(keys=fill.listed(untold)))
    return fill.listed(missing)


def _agents(decision: Decision, fill: Filler) -> Iterator[str]:
    """The table of agents: dose, and for this patient possible, ruled out, or what must be known first."""
    headings = [fill.word("headings", heading) for heading in ("agent", "for_patient")]
    yield f"| {' | '.join(headings)} |"
    yield "|---|---|"
    for verdict in decision.verdicts:
        yield f"| {fill.agent(verdict.agent)} | {_standing(decision, fill, verdict)} |"


def _others(decision: Decision, fill: Filler) -> Iterator[str]:
    """Who would act otherwise, and on what criterion."""
    headings = [fill.word("headings", heading) for heading in ("guideline", "would", "because")]
    yield f"| {' | '.join(headings)} |"
    yield "|---|---|---|"
    for opinion in decision.opinions:
        label = decision.rules.guidelines[opinion.section.guideline].page["label"][fill.language]
        why = fill.opinion(opinion)
        if opinion.unsettled:
            known = fill.listed(fill.label(name) for name in opinion.unsettled)
            why += fill.mark("semicolon") + fill.word("phrases", "depends").format(facts=known)
        yield f"| {label} | {fill.word('advice', opinion.advice)} | {why} |"


def _standing(decision: Decision, fill: Filler, verdict: Verdict) -> str:
    """Where an agent stands for this patient: ruled out and why, what to know first, with what caution, or possible."""
    said = []
    for result, heading in (("block", "ruled_out"), ("hold", "hold"), ("ask", "first"), ("caution", "caution")):
        rows: dict[str, Ruling] = {}
        for ruling in verdict.rulings:
            if ruling.result == result:
                # Several rows may stand behind one outcome (three for the kidney): the first says enough here.
                by = ruling.gate.fact if result == "ask" else ruling.gate.outcome or ruling.gate.id
                rows.setdefault(by, ruling)
        reasons = [fill.label(r.gate.fact) if result == "ask" else fill.reason(r) for r in rows.values()]
        if reasons:
            said.append(fill.word("phrases", heading) + fill.mark("colon") + fill.listed(reasons))
    if not verdict.stopped:
        said.insert(0, fill.word("phrases", "recommended" if verdict.agent is decision.recommended else "possible"))
    return fill.mark("semicolon").join(said)


def _sources(decision: Decision, fill: Filler, topic: str, findings: list[Finding]) -> str:
    """Where each number and table row on the card comes from, once each; then who has reviewed it."""
    rules = decision.rules
    places: list[str] = []
    for finding in findings:
        section, outcome = finding.section, finding.outcome
        if rules.assessment.stem in outcome.named and decision.tier is not None:
            places += [number.where for number in rules.assessment.numbers.values()]
        places += [section.numbers[name].where for name in section.numbers if name in outcome.named]
        places += [ruling.gate.where for ruling in finding.rulings if ruling.result != "ask"]
        if "where" in section.page:
            places.append(section.page["where"])
    if topic == "tier":
        stops = [ruling for verdict in decision.verdicts for ruling in verdict.rulings if ruling.result != "ask"]
        places += [ruling.gate.where for ruling in stops]
        places += [verdict.agent.where for verdict in decision.verdicts if not verdict.stopped]
    cited = [part for place in dict.fromkeys(places) for part in rules.cited[fill.language][place]]
    text = fill.mark("semicolon").join(dict.fromkeys(cited)) or rules.guideline.page["label"][fill.language]
    return f"{text}{fill.mark('stop')}{rules.guideline.page['reviewed'][fill.language]}"
