"""A second reading of the risk tier, written from the words of the rule alone, by someone else.

It works the slow, plain way: write down every way in which what is unknown may turn out, give each its tier, and take
the mildest and the worst; and once more under the named presumptions. Nothing here is taken from the service.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, NamedTuple

Inhibitor = Literal[
    "none",
    "current",
    "planned",
    "ended within 6 months",
    "ended within 12 months",
    "whole course ended within 12 months",
    "past",
    "not told",
]
Fracture = Literal[
    "none",
    "fragility",
    "unknown cause at 50 or older",
    "unknown cause before 50",
    "unknown cause, age unknown",
    "site unknown",
    "high energy",
    "not told",
]
Tier = Literal["low", "moderate", "high"]
TIERS: Final[tuple[Tier, ...]] = ("low", "moderate", "high")


@dataclass(frozen=True, slots=True)
class Probability:
    """A FRAX probability in percent; `fresh` while it is not older than 24 months."""

    value: float
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a patient, as far as the tier asks. T-scores: the lowest of each kind, or None.

    `t_old` is older than 24 months, `t_unclear` was taken where no eligible site can be told.
    """

    t_fresh: float | None = None
    t_old: float | None = None
    t_unclear: float | None = None
    inhibitor: Inhibitor = "none"
    hip_or_spine: Fracture = "none"
    other_site: Fracture = "none"
    frax_hip: Probability | None = None
    frax_major: Probability | None = None
    age: int = 68


class Reading(NamedTuple):
    """The answer's five members."""

    tier: Tier | None
    provisional: bool
    at_least: Tier
    at_most: Tier
    rule: str


# One T-score in each stretch between the limits, and each limit; one probability below, at and above each limit.
_ANY_T: Final = (-9.0, -2.51, -2.5, -2.49, -1.75, -1.01, -1.0, -0.99, 4.0)
_ANY_HIP: Final = (0.0, 2.99, 3.0, 100.0)
_ANY_MAJOR: Final = (0.0, 19.99, 20.0, 100.0)


def rule_of(t: float | None, inhibitor: bool, hip_or_spine: bool, other_site: bool, hip: float, major: float) -> str:
    """The id of the first line of the tier table that holds; every argument is what it is."""
    if hip_or_spine:
        return "H1"
    if t is None:
        return "I"
    if t <= -2.5:
        return "H2"
    if t >= -1.0:
        return "M1" if inhibitor else "L"
    for rule, holds in (("H3a", inhibitor), ("H3b", other_site), ("H3c", hip >= 3), ("H3d", major >= 20)):
        if holds:
            return rule
    return "M2"


def tier_of(rule: str) -> Tier | None:
    """The tier that a line of the table gives; None for "I"."""
    return {"H": "high", "M": "moderate", "L": "low"}.get(rule[0])  # type: ignore[return-value]  # its three words


def read(known: Known) -> Reading:
    """The tier under the presumptions, and the interval over every completion."""
    possible = {tier_of(rule_of(*completion)) for completion in _completions(known)}
    at_least, at_most = (tier for tier in (_first(possible, TIERS), _first(possible, TIERS[::-1])))
    rule = rule_of(*_presumed(known))
    tier = tier_of(rule)
    if tier and tier != "high" and known.t_fresh is None:
        rule, tier = "I", None  # an old value alone cannot hold the tier down
    return Reading(tier, at_least != at_most, at_least, at_most, rule)


def _first(possible: set[Tier | None], order: tuple[Tier, ...]) -> Tier:
    return next(tier for tier in order if tier in possible)


Completion = tuple[float | None, bool, bool, bool, float, float]


def _presumed(known: Known) -> Completion:
    measured = [t for t in (known.t_fresh, known.t_old) if t is not None]
    hip, major = _comparable(known)
    return (
        min(measured, default=None),
        known.inhibitor in ("current", "planned", "ended within 6 months"),
        known.hip_or_spine in ("fragility", "unknown cause at 50 or older"),
        known.other_site == "fragility",
        hip.value if hip else 0,
        major.value if major else 0,
    )


def _completions(known: Known) -> Iterator[Completion]:
    hip, major = _comparable(known)
    return product(
        _t_scores(known),
        {
            "current": (True,),
            "planned": (True,),
            "none": (False,),
            "past": (False,),
        }.get(known.inhibitor, (False, True)),
        _fractured(known.hip_or_spine),
        _fractured(known.other_site),
        _probabilities(hip, _ANY_HIP),
        _probabilities(major, _ANY_MAJOR),
    )


def _t_scores(known: Known) -> tuple[float, ...]:
    """What the lowest T-score of an eligible site may be."""
    if known.t_fresh is not None:
        lowest = min(known.t_fresh, known.t_old if known.t_old is not None else known.t_fresh)
        return (lowest, min(lowest, known.t_unclear)) if known.t_unclear is not None else (lowest,)
    if known.t_old is not None:
        return (known.t_old, *(t for t in _ANY_T if t < known.t_old))
    return _ANY_T


def _fractured(fracture: Fracture) -> tuple[bool, ...]:
    if fracture == "fragility":
        return (True,)
    return (False,) if fracture in ("none", "high energy") else (False, True)


def _comparable(known: Known) -> tuple[Probability | None, Probability | None]:
    """FRAX is made for 40 to 90 years; outside, its figures say nothing."""
    return (known.frax_hip, known.frax_major) if 40 <= known.age <= 90 else (None, None)


def _probabilities(told: Probability | None, anything: tuple[float, ...]) -> tuple[float, ...]:
    if told is None:
        return anything
    return (told.value,) if told.fresh else (told.value, *(value for value in anything if value > told.value))
