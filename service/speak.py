"""From a decision to cards in the reader's language. Pure: identical evidence gives identical text.

One card per topic, five at most by construction; critical first. Agents stand alone on the tier card
(at most one is chosen); laboratory and imaging orders on the cards of their own topics (any of them).
"""

from functools import cache, partial

import msgspec
from msgspec import Raw, Struct

from cds_hooks import Card, Coding, OverrideReason, Response, Source, encode
from cds_hooks.card import LONGEST_SUMMARY, utf16_length
from cds_hooks.guard import Build, Plan, build_all
from fhir_profiles import Evidence
from service.decision import SEVERITY, Decision, Finding, Tier
from service.evidence import shown
from service.fill import Filler
from service.paragraphs import paragraphs
from service.suggest import suggestions
from service.voice import Voice
from service.words import FIXED, LANGUAGES, WORDS

__all__ = ["opened", "speak"]

TOPICS = tuple(WORDS["topics"])
_REASONS = {
    language: Raw(
        msgspec.json.encode(
            [
                OverrideReason(code=code, system=WORDS["override_system"], display=word)
                for code, word in FIXED[language]["override_reasons"].items()
            ]
        )
    )
    for language in LANGUAGES
}


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
        facts=shown(decision.evidence()),
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
    by_topic: dict[str, list[Finding]] = {topic: [] for topic in TOPICS}
    opening = set()
    for finding in decision.findings:
        outcome = finding.outcome
        by_topic[outcome.topic].append(finding)
        if outcome.opens:
            opening.add(outcome.topic)
    return {topic: sorted(findings, key=_place) for topic, findings in by_topic.items() if topic in opening}


def _place(finding: Finding) -> tuple[int, int]:
    return -SEVERITY[finding.indicator], finding.outcome.lead


def _cards(decision: Decision, voice: Voice, build: Build) -> list[Card]:
    fill = Filler(decision, voice.language)
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
    page, language = decision.rules.guideline.page, voice.language
    lead = next(finding for finding in findings if finding.outcome.opens)
    assert lead.outcome.summary is not None
    offers = tuple(suggestions(decision, voice, topic, findings, offered))
    return Card(
        uuid=voice.uuid(topic),
        summary=_fitting(fill.say(lead.outcome.summary, lead)),
        detail="\n\n".join(paragraphs(decision, fill, topic, findings)),
        indicator=findings[0].indicator,  # type: ignore[arg-type] # one of three by the loader's check
        source=_source(page["label"][language], page["link"], topic, language),
        suggestions=offers,
        selection_behavior=("at-most-one" if topic == "tier" else "any") if offers else None,
        override_reasons=_REASONS[language],
        extension=Raw(_CREDITED % b",".join([finding.outcome.credit for finding in findings])),
    )


_CREDITED = b'{"org.osteohooks.findings":[%b]}'


@cache
def _source(label: str, url: str, topic: str, language: str) -> Source:
    """The source of a card; one for each topic and language."""
    display = FIXED[language]["topics"][topic]
    return Source(label=label, url=url, topic=Coding(system=WORDS["topic_system"], code=topic, display=display))


def _fitting(summary: str) -> str:
    """A summary as a sentence, within what the standard allows; the cut is a last resort that no test may reach."""
    summary = summary[:1].upper() + summary[1:]
    while utf16_length(summary) > LONGEST_SUMMARY:
        summary = summary[:-2] + "…"
    return summary
