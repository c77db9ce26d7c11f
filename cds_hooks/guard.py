"""Keeps a card that is malformed from clients, and delivers the rest: one bad card must not cost the others.

Never silently: what is dropped is logged by its rule and counted. And never into an "all clear": where a critical card
would be lost, or the last one, there is no answer but an error.
"""

import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Raw

from cds_hooks.card import Card, Malformed
from cds_hooks.errors import Refusal
from cds_hooks.rules import ANSWER_RULES, malformed
from cds_hooks.tally import Tally

__all__ = ["Build", "Guard", "Plan", "build_all"]

# The indicator that a card is to have, and what builds it.
Plan = tuple[str, Callable[[], Card]]
Build = Callable[[Iterable[Plan]], list[Card]]

_log: Final = logging.getLogger(__name__)

_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_CARDS: Final = msgspec.json.Decoder(list[Raw])
_ACTIONS: Final = next(rule for rule in ANSWER_RULES if rule.id == "system-actions")


def build_all(plans: Iterable[Plan]) -> list[Card]:
    """Every card; whatever one of them raises is raised, as is right while a service is being made."""
    return [build() for _, build in plans]


class Guard:
    """Two ways to the same end.

    `cards` guards the building, where a flaw of cards made with `card.py` shows, and costs nothing while all is well.
    The guard itself is a function from an answer's JSON to what may be sent of it, by the rules of the conformance
    suite: for answers made in another way, since it reads all of what was just written.
    `on_drop` is told the rule of each card that is dropped.
    """

    def __init__(self, on_drop: Callable[[str], None] = lambda rule: None) -> None:
        self._tally = Tally(on_drop)

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many cards each rule has cost so far, in this process."""
        return self._tally.counts

    def cards(self, plans: Iterable[Plan]) -> list[Card]:
        """The cards that can be built. Raises what a critical one raises, or the last when none is left."""
        kept: list[Card] = []
        lost: Exception | None = None
        for indicator, build in plans:
            try:
                kept.append(build())
            except Refusal:
                raise
            except Exception as error:  # whatever it is, the other cards are still right; it is told
                self._drop(_rule(error))
                if indicator == "critical":
                    raise
                lost = error
        if lost is not None and not kept:
            raise lost
        return kept

    def __call__(self, answer: bytes) -> bytes:
        """The answer without its malformed cards.

        Raises Malformed when a critical card or the last one would go, and when the system actions are not right: some
        of what is to be done together must not be done alone. Raises msgspec.DecodeError when it is no answer at all.
        """
        members = _MEMBERS.decode(answer)
        if "systemActions" in members and next(_ACTIONS.flaws(msgspec.json.decode(answer)), None) is not None:
            raise Malformed(_ACTIONS.id)
        kept: list[Raw] = []
        broken: tuple[str, ...] = ()
        for raw in _CARDS.decode(members.get("cards", b"null")):
            card = msgspec.json.decode(raw)
            rules = malformed(card)
            if not rules:
                kept.append(raw)
                continue
            broken = rules
            for rule in rules:
                self._drop(rule)
            if isinstance(card, dict) and card.get("indicator") == "critical":
                raise Malformed(", ".join(rules))
        if not broken:
            return answer
        if not kept:
            raise Malformed(", ".join(broken))
        return msgspec.json.encode({**members, "cards": kept})

    def _drop(self, rule: str) -> None:
        self._tally.add(rule)
        _log.error("a card was dropped: %s", rule)


def _rule(error: Exception) -> str:
    """What can be said of an exception: the rule of a card, else its type and place, for its text may hold a datum."""
    if isinstance(error, Malformed):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {last.name}, line {last.lineno}"
