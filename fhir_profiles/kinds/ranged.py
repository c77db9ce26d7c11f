"""Facts about ranges: on which side of one a result lies, where several measurements tell of the same thing.

The laboratory's own range comes first, then the one given under `otherwise`. Of several measurements the first under
`order` decides that was made on the newest day. One that is `doubted` (a correction that is not reliable in this
patient) does not decide alone: the uncorrected result beside it counts too, as possible while the doubt is only that.
"""

from collections.abc import Callable, Sequence
from math import nan
from typing import Any, NamedTuple

from fhir_profiles.chart import Evidence, Measurement
from fhir_profiles.dates import When
from fhir_profiles.fact import Fact, Facts
from fhir_profiles.kinds.composed import Reading, evidence_of, readings
from fhir_profiles.kinds.measured import bounds_of, latest

__all__ = ["against_own_range", "extreme", "out_of_range", "range_end"]


class _Judged(NamedTuple):
    """A result with its limit; `beside`: uncorrected, and counting only as far as the correction is doubted."""

    reading: Reading
    limit: float
    beside: bool


class _Doubt(NamedTuple):
    surely: bool
    possibly: bool
    presumed: bool


def out_of_range(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether what decides lies below (`side: low`) or above its range; too old to clear, it may still be outside."""
    base, low = facts[definition["of"]], definition["side"] == "low"
    judged, doubt = _judged(facts, definition), _doubt(facts, definition)
    if not judged:
        return Fact(False, True, False, base.evidence)
    surely = possibly = likely = False
    seen = []
    for reading, limit, beside in judged:
        least, most = bounds_of(reading.result)
        sure = most < limit if low else least > limit
        beyond = sure or (reading.result.value < limit if low else reading.result.value > limit)
        surely = surely or (sure and (doubt.surely or not beside))
        likely = likely or (beyond and (doubt.presumed or not beside))
        possibly = possibly or ((least < limit if low else most > limit) and (doubt.possibly or not beside))
        if reading.fact != definition["of"] or (beyond and (doubt.presumed or not beside)):
            seen.append(evidence_of(facts, reading))
    clears = facts.terms.facts[definition["of"]].get("clears")
    stale = clears is not None and not facts.within(judged[0].reading.result.taken, clears)
    shown = evidence_of(facts, _outermost(judged, low, doubt).reading)
    return Fact(surely, possibly or stale, likely, (*seen, *base.evidence), shown)


def range_end(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The limit that another fact was judged by; NaN where there was none."""
    by = facts.terms.facts[definition["of"]]
    judged = _judged(facts, by)
    limit = _outermost(judged, by["side"] == "low", _doubt(facts, by)).limit if judged else nan
    return Fact(limit, limit, limit, (), Evidence(fact=name, used=True, value=limit, unit=definition["unit"]))


def extreme(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The lowest (`side: low`) or highest result of what decides; NaN where there is none."""
    found = [_Judged(reading, nan, beside) for reading, beside in _deciding(facts, definition, lambda _: True)]
    if not found:
        return Fact(nan, nan, nan)
    reading = _outermost(found, definition["side"] == "low", _doubt(facts, definition)).reading
    return Fact(*(reading.result.value,) * 3, (), evidence_of(facts, reading))


def against_own_range(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Where the newest results of some measurements lie in the laboratory's own ranges.

    high | low | within; mixed where they disagree, unranged where no range was given, absent where none is recent.
    """
    found: dict[str, Evidence] = {}
    evidence: list[Evidence] = []
    for of in definition["of"]:
        recent = [
            m for m in facts.chart.measurements.get(of, ()) if facts.within(m.taken, facts.terms.facts[of]["fresh"])
        ]
        if (newest := latest(recent, None)) is not None:
            item = evidence_of(facts, Reading(of, newest))
            evidence.append(item)
            found.setdefault(_side(newest), item)
    side = next((side for side in ("high", "low", "within", "unranged") if side in found), "absent")
    shown = found.get(side)
    if {"high", "low"} <= found.keys():
        side = "mixed"
    return Fact(side, side, side, tuple(evidence), shown)


def _side(result: Measurement) -> str:
    least, most = bounds_of(result)
    if result.low is None and result.high is None:
        return "unranged"
    if result.high is not None and least > result.high:
        return "high"
    return "low" if result.low is not None and most < result.low else "within"


def _judged(facts: Facts, definition: dict[str, Any]) -> list[_Judged]:
    """What decides, each with its limit; a result without one decides nothing."""
    otherwise = definition.get("otherwise", {}).get("value")
    own_only = definition.get("own_range_only", ())

    def limit(reading: Reading) -> float | None:
        own = reading.result.low if definition["side"] == "low" else reading.result.high
        return own if own is not None or reading.fact in own_only else otherwise

    found = _deciding(facts, definition, lambda reading: limit(reading) is not None)
    return [_Judged(reading, end, beside) for reading, beside in found if (end := limit(reading)) is not None]


def _deciding(
    facts: Facts, definition: dict[str, Any], usable: Callable[[Reading], bool]
) -> list[tuple[Reading, bool]]:
    """The results of the newest day that decide, and whether each stands only beside a correction that is doubted."""
    of_day: dict[When, list[Reading]] = {}
    for of in definition.get("order", [definition["of"]]):
        for reading in readings(facts, of):
            of_day.setdefault(reading.result.taken, []).append(reading)
    of_that_day: list[Reading] = []
    for day in sorted(of_day, key=lambda day: (day.last, day.first), reverse=True):
        of_that_day = [
            reading
            for reading in of_day[day]
            if facts.within(day, facts.terms.facts[reading.fact]["fresh"]) and usable(reading)
        ]
        if of_that_day:
            break
    counting = {reading.fact: False for reading in of_that_day[:1]}
    if definition.get("doubted", {}).get("fact") in counting:
        counting[definition["of"]] = True
    return [(reading, counting[reading.fact]) for reading in of_that_day if reading.fact in counting]


def _doubt(facts: Facts, definition: dict[str, Any]) -> _Doubt:
    """Whether a correction is unreliable in this patient."""
    by = [facts[of] for of in definition.get("doubted", {}).get("by", ())]
    return _Doubt(
        any(fact.mildest is True for fact in by),
        any(fact.worst is True for fact in by),
        any(fact.presumed is True for fact in by),
    )


def _outermost(judged: Sequence[_Judged], low: bool, doubt: _Doubt) -> _Judged:
    """Of those that count the lowest, or the highest."""
    counting = [item for item in judged if doubt.presumed or not item.beside]
    return min(counting, key=lambda item: item.reading.result.value * (1 if low else -1))
