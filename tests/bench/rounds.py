"""Servers side by side: several rounds over all of them, so that a busy minute of the machine meets each alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from msgspec.structs import replace

from tests.bench.load import Load, Outcome
from tests.bench.servers import Server

__all__ = ["Case", "Figures", "Spread", "bars_table", "measure", "ratios", "seconds_for", "spread"]

MANY: Final = 8
ONE: Final = 1
# A slow server is given longer, until so many answers are in or so many seconds are over.
ENOUGH: Final = 50
LONGEST: Final = 10.0


@dataclass(frozen=True)
class Case:
    """A request to be measured: the file of its body, its language, and its address on each server."""

    name: str
    body: Path
    language: str
    addresses: Mapping[str, str]


@dataclass
class Figures:
    """What the rounds gave for one server and one case, in the order of the rounds.

    `processor_ms`: processor time of the server for one answer, with many connections.
    """

    many: list[Outcome] = field(default_factory=list)
    one: list[Outcome] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return sum(outcome.errors for outcome in (*self.many, *self.one))


@dataclass(frozen=True)
class Spread:
    """The median of some figures, and how far they lie apart."""

    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        digits = 2 if self.most < 10 else 1 if self.most < 100 else 0
        return f"{self.middle:.{digits}f} [{self.least:.{digits}f}..{self.most:.{digits}f}]"


def bars_table(bars: Iterable[tuple[str, bool]]) -> Iterator[str]:
    """The end of a page of results: each bar in words, and whether it held."""
    yield "\n| bar | held |"
    yield "|---|---|"
    yield from (f"| {bar} | {'yes' if held else '**no**'} |" for bar, held in bars)
    yield ""


def spread(figures: Iterable[float]) -> Spread:
    """Of at least one figure."""
    held = list(figures)
    return Spread(median(held), min(held), max(held))


def measure(
    cases: Sequence[Case], servers: Iterable[Server], rounds: int, seconds: float
) -> dict[tuple[str, str], Figures]:
    """(case, server) to its figures: with 8 connections and with 1, after a round that does not count.

    Raises RuntimeError where a server finishes no answer at all.
    """
    by_name = {server.name: server for server in servers}
    found = {(case.name, name): Figures() for case in cases for name in case.addresses}
    lasting = dict.fromkeys(((*key, connections) for key in found for connections in (MANY, ONE)), 1.0)
    for turn in range(rounds + 1):
        for case in cases:
            for name, url in _in_turn(case.addresses, turn):
                load = Load(url, case.body, case.language, MANY, lasting[case.name, name, MANY])
                before = by_name[name].processor_seconds()
                many = load.run()
                taken = by_name[name].processor_seconds() - before
                one = replace(load, connections=ONE, seconds=lasting[case.name, name, ONE]).run()
                if not turn:
                    lasting[case.name, name, MANY] = seconds_for(many.rate, seconds)
                    lasting[case.name, name, ONE] = seconds_for(one.rate, seconds)
                elif not many.requests or not one.requests:
                    raise RuntimeError(f"{name} finished no answer to {case.name}")
                else:
                    found[case.name, name].many.append(many)
                    found[case.name, name].one.append(one)
                    found[case.name, name].processor_ms.append(taken / many.requests * 1000)
    return found


def seconds_for(rate: float, seconds: float) -> float:
    """How long a server is measured that gave so many answers a second in its first round: no less than asked for."""
    return max(seconds, min(ENOUGH / rate, LONGEST) if rate else LONGEST)


def _in_turn(addresses: Mapping[str, str], turn: int) -> Iterator[tuple[str, str]]:
    """Each server first as often as last: what ran just before warms or heats the machine."""
    listed = list(addresses.items())
    yield from listed if turn % 2 else reversed(listed)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours over theirs, each round by itself: both met the same machine."""
    return spread(one / other for one, other in zip(ours, theirs, strict=True))
