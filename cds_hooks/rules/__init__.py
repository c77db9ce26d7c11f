"""Each rule of an answer by itself, over its decoded JSON: what the conformance suite reports and the guard acts on.

A rule gives the paths at which it is broken. What is null, or empty where a value is optional, breaks the one rule
`no-empty-members` and no other, so that each flaw is named once.
"""

from typing import Any, Final

from cds_hooks.card import empties
from cds_hooks.rules import cards, suggestions
from cds_hooks.rules.answers import ANSWER_RULES, extensions
from cds_hooks.rules.parts import Json, Level, Rule

__all__ = ["ANSWER_RULES", "CARD_RULES", "Json", "Level", "Rule", "extensions", "malformed"]

CARD_RULES: Final = (*cards.CARD_RULES, *suggestions.SUGGESTION_RULES)


def malformed(card: Any) -> tuple[str, ...]:
    """The ids of the rules that a card breaks and for which a client may refuse it; nothing when it may be shown."""
    if not isinstance(card, dict):
        return ("cards",)
    broken = [rule.id for rule in CARD_RULES if rule.level == "MUST" and next(rule.flaws(card), None) is not None]
    if next(empties(card), None) is not None:
        broken.append("no-empty-members")
    if any(not isinstance(extension, dict) for _, extension in extensions(card)):
        broken.append("extension-objects")
    return tuple(broken)
