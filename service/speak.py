"""From a decision to cards in the reader's language. Pure: identical evidence gives identical text.

One card per topic, five at most by construction; critical first. Agents stand alone on the tier card
(at most one is chosen); laboratory and imaging orders on the cards of their own topics (any of them).
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from hashlib import sha1
from importlib.resources import files
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from cds_hooks import Action, Card, Coding, OverrideReason, Response, Source, Suggestion, encode
from cds_hooks.card import LONGEST_SUMMARY, pruned, utf16_length
from cds_hooks.guard import Build, Plan, build_all
from fhir_profiles import Evidence, load_yaml
from service.decision import SEVERITY, Decision, Finding, Tier, Verdict
from service.evidence import shown
from service.fill import Filler
from service.gates import Ruling
from service.orders import Order
from service.words import LANGUAGES

__all__ = ["Voice", "opened", "speak"]

WORDS: dict[str, Any] = load_yaml(files("service").joinpath("terms.yaml"))
TOPICS = tuple(WORDS["topics"])
_NAMESPACE = UUID("5f1b63a6-3a3c-5d0b-9d3f-9b1e0f6c2a41").bytes
_REASONS = {
    language: Raw(
        msgspec.json.encode(
            [
                OverrideReason(code=code, system=WORDS["override_system"], display=words[language])
                for code, words in WORDS["override_reasons"].items()
            ]
        )
    )
    for language in LANGUAGES
}

Draft = Callable[[str], dict[str, Any] | None]


class Voice(Struct, frozen=True):
    """Who is answered: the language, the patient, what makes the uuids the same again for a repeated request,
    and the drafts in hand as they were received."""

    language: str
    patient_id: str
    seed: str
    draft: Draft

    def uuid(self, *parts: str) -> str:
        """The name-based UUID of a part of this answer (RFC 9562, version 5)."""
        name = "|".join((self.seed, *parts))
        digest = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
        # Written here: the object that the standard library makes first costs more than the rest of a suggestion.
        variant = f"{int(digest[16], 16) & 3 | 8:x}"
        return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


class TierView(Struct, omit_defaults=True, rename="camel"):
    """The tier as the assessment shows it."""

    provisional: bool
    at_least: str
    at_most: str
    tier_rule: str
    tier: str | None = None


class Assessment(Struct, omit_defaults=True, rename="camel"):
    """The assessment extension, the public contract."""

    guideline: str
    tier: str | None = None
    provisional: bool | None = None
    at_least: str | None = None
    at_most: str | None = None
    tier_rule: str | None = None
    without_draft_orders: TierView | None = None
    without_draft_conditions: TierView | None = None
    missing: list[str] = []
    facts: list[Evidence] = []
    outcomes: list[str] = []


def speak(decision: Decision | None, voice: Voice, build: Build = build_all, shown: Decision | None = None) -> bytes:
    """The JSON answer; without a decision (out of scope) no cards and no assessment.

    `build` builds the cards; `shown` is the decision as far as the cards are to tell it, where that is not all of it.
    """
    if decision is None:
        return encode(Response(cards=()))
    cards = () if decision.silent else tuple(_cards(shown or decision, voice, build))
    return encode(Response(cards=cards, extension={"org.osteohooks.assessment": _assessment(decision)}))


def _assessment(decision: Decision) -> Assessment:
    tier, before = decision.tier, decision.before
    found = Assessment(
        guideline=decision.rules.guideline.name,
        missing=decision.missing,
        facts=[shown(item) for item in decision.evidence()],
        outcomes=decision.outcomes,
    )
    if tier is not None:
        found.tier, found.provisional, found.tier_rule = tier.tier, tier.provisional, tier.rule
        found.at_least, found.at_most = tier.at_least, tier.at_most
    if before is not None:
        found.without_draft_orders = _view(before)
    if decision.before_problems is not None:
        found.without_draft_conditions = _view(decision.before_problems)
    return found


def _view(tier: Tier) -> TierView:
    return TierView(tier.provisional, tier.at_least, tier.at_most, tier.rule, tier.tier)


# -- cards -----------------------------------------------------------------------------------------


def opened(decision: Decision) -> dict[str, list[Finding]]:
    """The findings of each card there is to be, by topic, the loudest first; a topic that nothing opens has none."""
    outcomes = decision.rules.outcomes
    by_topic: dict[str, list[Finding]] = {topic: [] for topic in TOPICS}
    for finding in decision.findings:
        by_topic[outcomes[finding.outcome.code]["topic"]].append(finding)
    return {
        topic: sorted(findings, key=lambda f: (-SEVERITY[f.indicator], f.outcome.lead))
        for topic, findings in by_topic.items()
        if any(outcomes[finding.outcome.code]["opens"] for finding in findings)
    }


def _cards(decision: Decision, voice: Voice, build: Build) -> list[Card]:
    fill = Filler(decision, voice.language, WORDS)
    offered: set[str] = set()
    plans: list[Plan] = [
        (findings[0].indicator, partial(_card, decision, voice, fill, topic, findings, offered))
        for topic, findings in opened(decision).items()
    ]
    # Built in the order shown: an order that two cards could carry stands on the first.
    return list(build(sorted(plans, key=lambda plan: -SEVERITY[plan[0]])))


def _card(
    decision: Decision, voice: Voice, fill: Filler, topic: str, findings: list[Finding], offered: set[str]
) -> Card:
    rules, language = decision.rules, voice.language
    lead = next(f for f in findings if rules.outcomes[f.outcome.code]["opens"] and f.outcome.summary is not None)
    assert lead.outcome.summary is not None
    suggestions = tuple(_suggestions(decision, voice, topic, findings, offered))
    return Card(
        uuid=voice.uuid(topic),
        summary=_fitting(fill.say(lead.outcome.summary, lead)),
        detail="\n\n".join(_paragraphs(decision, fill, topic, findings)),
        indicator=findings[0].indicator,  # type: ignore[arg-type] # one of three by the loader's check
        source=_source(rules.guideline.page["label"][language], rules.guideline.page["link"], topic, language),
        suggestions=suggestions,
        selection_behavior=("at-most-one" if topic == "tier" else "any") if suggestions else None,
        override_reasons=_REASONS[language],
        extension={
            "org.osteohooks.findings": [
                {
                    "rule": finding.section.name,
                    "outcome": finding.outcome.code,
                    "version": str(rules.guidelines[finding.section.guideline].page["edition"]),
                }
                for finding in findings
            ]
        },
    )


@cache
def _source(label: str, url: str, topic: str, language: str) -> Source:
    """The source of a card; one for each topic and language."""
    display = WORDS["topics"][topic][language]
    return Source(label=label, url=url, topic=Coding(system=WORDS["topic_system"], code=topic, display=display))


def _fitting(summary: str) -> str:
    """A summary as a sentence, within what the standard allows; the cut is a last resort that no test may reach."""
    summary = summary[:1].upper() + summary[1:]
    while utf16_length(summary) > LONGEST_SUMMARY:
        summary = summary[:-2] + "…"
    return summary


def _paragraphs(decision: Decision, fill: Filler, topic: str, findings: list[Finding]) -> Iterator[str]:
    """The card's text: what, why, for which agents, what is not on record, where it is written."""
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


# -- suggestions -----------------------------------------------------------------------------------


def _suggestions(
    decision: Decision, voice: Voice, topic: str, findings: list[Finding], offered: set[str]
) -> Iterator[Suggestion]:
    orders = decision.rules.orders
    if topic == "tier":
        for verdict in decision.verdicts:
            if verdict.agent.order is not None and not verdict.stopped:
                order = orders[verdict.agent.order]
                yield _create(order, voice, recommended=verdict.agent is decision.recommended)
    for finding in findings:
        if finding.order is not None:
            if finding.correctable:
                yield from _corrections(decision, voice, finding)
            continue
        asked = {ruling.gate.fact for ruling in finding.rulings}
        names = (*finding.outcome.orders, *(name for fact, name in finding.outcome.orders_for.items() if fact in asked))
        for name in dict.fromkeys(names):
            if name not in offered and topic != "tier":
                offered.add(name)
                yield _create(orders[name], voice, recommended=finding.outcome.code == "order-safety-labs")


def _create(order: Order, voice: Voice, *, recommended: bool) -> Suggestion:
    label = order.label[voice.language]
    return Suggestion(
        label=label,
        uuid=voice.uuid("order", order.id),
        is_recommended=recommended,
        actions=order.creation(voice.language, voice.patient_id),
    )


def _corrections(decision: Decision, voice: Voice, finding: Finding) -> Iterator[Suggestion]:
    """The draft as received with the dosage replaced; none for an order without id or not in hand."""
    use = finding.order
    assert use is not None
    draft = voice.draft(use.resource) if use.in_hand and use.resource else None
    if draft is None:
        return
    for name in finding.outcome.orders:
        order = decision.rules.orders[name]
        # What an EHR leaves empty in its draft must not be sent back.
        corrected = {**pruned(draft), "dosageInstruction": order.resource[voice.language]["dosageInstruction"]}
        label = order.label[voice.language]
        yield Suggestion(
            label=label,
            uuid=voice.uuid("correct", use.resource or "", order.id),
            is_recommended=True,
            actions=(Action(type="update", description=label, resource=corrected, resource_id=use.resource),),
        )
