"""Whether the peers and the service name the same tier: else their speeds are not to be compared."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from tests.bench.bodies import bodies
from tests.bench.peer import Peer
from tests.bench.servers import OPENER, Server
from tests.front_door import request_body
from tests.tier_cases import FRACTURES, INHIBITORS, PROBABILITIES, T_SCORES, record_of

__all__ = ["ALIKE", "disagreements", "tier_of_card"]

# How many patients of the tier's grid a peer that applies all its rules is asked about.
ALIKE: Final = 60
_UNCLASSIFIED: Final = "unclassified"
_WITHIN: Final = 60.0


def disagreements(ours: Server, others: Mapping[Peer, Server], measured: Sequence[str]) -> Iterator[str]:
    """A sentence for each request for which a peer names another tier. Raises HTTPError where one does not answer."""
    wanted = {name: bodies()[name].content for name in measured}
    for name, content in {**wanted, **dict(_grid())}.items():
        expected = _our_tier(ours, content)
        for peer, server in others.items():
            if name not in wanted and not peer.whole:
                continue
            found = tier_of_card(_answer(f"{server.url}{peer.base}/tier", content))
            if found != expected:
                yield f"{peer.name} says {found} where Osteohooks says {expected}: {name}"


def tier_of_card(answer: bytes) -> str:
    """The tier in the one card of a peer, `Tier: high`. Raises ValueError where it has no such card."""
    cards = json.loads(answer)["cards"]
    if len(cards) != 1 or not cards[0]["summary"].startswith("Tier: "):
        raise ValueError(f"no card with a tier in {answer[:200]!r}")
    return str(cards[0]["summary"].removeprefix("Tier: "))


def _our_tier(ours: Server, content: bytes) -> str:
    answer = json.loads(_answer(f"{ours.url}/cds-services/bone-health-patient-view", content))
    return str(answer["extension"]["org.osteohooks.assessment"].get("tier", _UNCLASSIFIED))


def _grid() -> Iterator[tuple[str, bytes]]:
    """The same patients every time, by the names of their states."""
    points = list(product(T_SCORES, INHIBITORS, FRACTURES, PROBABILITIES))
    for states in random.Random("tier").sample(points, ALIKE):
        prefetch = record_of(*states).prefetch(frozenset().union(*(state.omit for state in states)))
        yield ", ".join(state.name for state in states), json.dumps(request_body(prefetch)).encode()


def _answer(url: str, content: bytes) -> bytes:
    asked = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    with OPENER.open(asked, timeout=_WITHIN) as answered:
        found: bytes = answered.read()
    return found
