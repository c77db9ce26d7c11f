"""Which of the advice is shown: what a user set aside, and what a site does not want, stays off the cards.

The decision itself does not change, and neither does the assessment that goes with every answer; what is held back is
known by its reason. Critical advice is held back by nothing but a setting that says so for it, and the memory takes
nothing from a critical card.
"""

from dataclasses import replace
from typing import Final

from msgspec import Struct, structs

from service.burden import Asker, Burden
from service.decision import SEVERITY, Decision, Finding
from service.digests import Grounds
from service.memory import Recollection
from service.speak import opened

__all__ = ["Shown", "choose"]

# Where one of these is held back the tier card must not offer its agents all the same.
_OFFERS_AGENTS: Final = frozenset({"bma-recommend", "bma-consider"})


class Shown(Struct, frozen=True):
    """What an answer shows: `decision` as its cards are to tell it; by topic each card's findings, and how loud.

    `held` are the findings that would have stood on a card and do not, by topic, with the reason: one of the memory's,
    `silent`, `off`, or `cap` (more cards than the site wants). `grounds` are those of any of these findings.
    """

    decision: Decision
    cards: dict[str, list[tuple[Finding, str]]]
    held: tuple[tuple[str, Finding, str], ...]
    grounds: Grounds


def choose(
    decision: Decision, grounds: Grounds, burden: Burden, asker: Asker, recollection: Recollection | None, most: int
) -> Shown:
    """What to show of a decision to who asks, on `most` cards at the most; critical cards always go out."""
    whole = opened(decision)
    if burden.idle and recollection is None and len(whole) <= most:
        cards = {topic: [(finding, finding.indicator) for finding in findings] for topic, findings in whole.items()}
        return Shown(decision, cards, (), grounds)
    kept: list[Finding] = []
    source: dict[int, Finding] = {}  # by identity: what is shown of a finding may be a quieter copy
    whys: dict[int, str] = {}
    # A critical card goes out whole: the memory takes nothing from it.
    untouched = {topic for topic, findings in whole.items() if findings[0].indicator == "critical"}
    for finding in decision.findings:
        choice = burden.choice(finding, asker)
        why = None if choice.show == "on" else choice.show
        if why is None and recollection is not None and finding.outcome.topic not in untouched:
            why = recollection.why(grounds, finding)
        if why is not None:
            whys[id(finding)] = why
            continue
        copy = _lowered(finding, choice.ceiling)
        source[id(copy)] = finding
        kept.append(copy)
    offers = all(id(finding) not in whys for finding in decision.findings if finding.outcome.code in _OFFERS_AGENTS)
    shown = replace(decision, findings=kept)
    if not offers:
        shown.verdicts, shown.recommended = [], None
    left = opened(shown)
    for topic in sorted(left, key=lambda topic: -SEVERITY[left[topic][0].indicator])[most:]:
        if left[topic][0].indicator != "critical":
            whys |= {id(source[id(copy)]): "cap" for copy in left.pop(topic)}
    shown.findings = [copy for copy in kept if id(source[id(copy)]) not in whys]
    out = {topic: [(source[id(copy)], copy.indicator) for copy in copies] for topic, copies in left.items()}
    going = {id(finding) for findings in out.values() for finding, _ in findings}
    held = []
    for topic, findings in whole.items():
        # What opens no card by itself stays away with what would have opened it.
        with_it = next((whys[id(finding)] for finding in findings if id(finding) in whys), "")
        held += [(topic, finding, whys.get(id(finding), with_it)) for finding in findings if id(finding) not in going]
    return Shown(shown, out, tuple(held), grounds)


def _lowered(finding: Finding, ceiling: str | None) -> Finding:
    if ceiling is None or SEVERITY[finding.indicator] <= SEVERITY[ceiling]:
        return finding
    return structs.replace(finding, indicator=ceiling)
