"""Facts about ranges: on which side of one a result lies, where several measurements tell of the same thing.

The laboratory's own range comes first, then the one given under `otherwise`. Of several measurements the first under
`order` decides that was made on the newest day. One that is `doubted` (a correction that is not reliable in this
patient) does not decide alone: the uncorrected result beside it counts too, as possible while the doubt is only that.
"""

from collections.abc import Callable, Sequence
from math import nan
from typing import Any

from msgspec import Struct

from fhir_profiles.chart import Evidence, Measurement
from fhir_profiles.dates import When
from fhir_profiles.fact import Fact, Facts
from fhir_profiles.kinds.composed import Reading, evidence_of, readings
from fhir_profiles.kinds.measured import bounds_of, latest_fresh

__all__ = ["against_own_range", "extreme", "out_of_range", "range_end"]


class _Counts(Struct, frozen=True, gc=False):
    """Whether a result counts; an uncorrected one, beside a corrected one, as far as the correction is doubted."""

    surely: bool
    possibly: bool
    presumed: bool


_IN_FULL = _Counts(surely=True, possibly=True, presumed=True)
# Where no correction is doubted.
_NEVER: dict[str, Any] = {"fact": None, "by": ()}


class _Judged(Struct, frozen=True, gc=False):
    """A result with its limit, and whether it counts."""

    reading: Reading
    limit: float
    counts: _Counts


def out_of_range(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether what decides lies below (`side: low`) or above its range; too old to clear, it may still be outside."""
    base, low = facts[definition["of"]], definition["side"] == "low"
    judged = _judged(facts, definition)
    if not judged:
        return Fact(False, True, False, base.evidence)
    surely = possibly = likely = False
    seen = []
    for item in judged:
        reading, limit, counts = item.reading, item.limit, item.counts
        least, most = bounds_of(reading.result)
        sure = most < limit if low else least > limit
        beyond = sure or (reading.result.value < limit if low else reading.result.value > limit)
        surely = surely or (sure and counts.surely)
        likely = likely or (beyond and counts.presumed)
        possibly = possibly or ((least < limit if low else most > limit) and counts.possibly)
        if reading.fact != definition["of"] or (beyond and counts.presumed):
            seen.append(evidence_of(facts, reading))
    clears = facts.terms.facts[definition["of"]].get("clears")
    stale = clears is not None and not facts.within(judged[0].reading.result.taken, clears)
    shown = evidence_of(facts, _outermost(judged, low).reading)
    return Fact(surely, possibly or stale, likely, (*seen, *base.evidence), shown)


def range_end(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The limit that another fact was judged by; NaN where there was none."""
    by = facts.terms.facts[definition["of"]]
    judged = _judged(facts, by)
    limit = _outermost(judged, by["side"] == "low").limit if judged else nan
    return Fact(limit, limit, limit, (), Evidence(fact=name, used=True, value=limit, unit=definition["unit"]))


def extreme(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The lowest (`side: low`) or highest result of what decides; NaN where there is none."""
    found = _deciding(facts, definition, lambda _: nan)
    if not found:
        return Fact(nan, nan, nan)
    reading = _outermost(found, definition["side"] == "low").reading
    return Fact(*(reading.result.value,) * 3, (), evidence_of(facts, reading))


def against_own_range(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Where the newest results of some measurements lie in the laboratory's own ranges.

    high | low | within; mixed where they disagree, unranged where no range was given, absent where none is recent.
    """
    found: dict[str, Evidence] = {}
    evidence: list[Evidence] = []
    for of in definition["of"]:
        if (newest := latest_fresh(facts, of)) is not None:
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
    low, high = result.low, result.high
    if low is None and high is None:
        return "unranged"
    if high is not None and least > high:
        return "high"
    return "low" if low is not None and most < low else "within"


def _judged(facts: Facts, definition: dict[str, Any]) -> list[_Judged]:
    """What decides, each with its limit; a result without one decides nothing."""
    otherwise = definition.get("otherwise", {}).get("value")
    own_only = definition.get("own_range_only", ())

    def limit(reading: Reading) -> float | None:
        own = reading.result.low if definition["side"] == "low" else reading.result.high
        return own if own is not None or reading.fact in own_only else otherwise

    return _deciding(facts, definition, limit)


def _deciding(facts: Facts, definition: dict[str, Any], limit: Callable[[Reading], float | None]) -> list[_Judged]:
    """The results of the newest day that decide, each with its limit; a result without one decides nothing."""
    definitions, doubted = facts.terms.facts, definition.get("doubted", _NEVER)
    for of_day in _newest_first(facts, definition.get("order") or [definition["of"]]):
        judged = [
            (reading, end)
            for reading in of_day
            if facts.within(reading.result.taken, definitions[reading.fact]["fresh"])
            and (end := limit(reading)) is not None
        ]
        if judged:
            first, _ = judged[0]
            counting = {first.fact: _IN_FULL}
            if doubted["fact"] == first.fact:
                counting[definition["of"]] = _as_doubted([facts[of] for of in doubted["by"]])
            return [
                _Judged(reading, end, counting[reading.fact]) for reading, end in judged if reading.fact in counting
            ]
    return []


def _newest_first(facts: Facts, order: Sequence[str]) -> list[list[Reading]]:
    """The results of some measurements, those of one day together, the newest first."""
    found = facts.days.get(key := tuple(order))
    if found is None:
        of_day: dict[When, list[Reading]] = {}
        for of in order:
            for reading in readings(facts, of):
                of_day.setdefault(reading.result.taken, []).append(reading)
        days = sorted(of_day, key=lambda day: (day.last, day.first), reverse=True)
        found = facts.days[key] = [of_day[day] for day in days]
    return found


def _as_doubted(doubts: Sequence[Fact]) -> _Counts:
    return _Counts(
        surely=any(fact.mildest is True for fact in doubts),
        possibly=any(fact.worst is True for fact in doubts),
        presumed=any(fact.presumed is True for fact in doubts),
    )


def _outermost(judged: Sequence[_Judged], low: bool) -> _Judged:
    """Of those that count the lowest, or the highest."""
    if len(judged) == 1:
        return judged[0]
    counting = [item for item in judged if item.counts.presumed]
    return min(counting, key=lambda item: item.reading.result.value * (1 if low else -1))
