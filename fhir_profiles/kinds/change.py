"""Facts about a measurement before treatment and on it: the baseline, and how far it has changed since."""

from fractions import Fraction
from math import nan
from typing import Any

from fhir_profiles.chart import Evidence, Measurement
from fhir_profiles.dates import When, add_months, calendar_months
from fhir_profiles.fact import Fact, Facts, partial_date
from fhir_profiles.kinds.measured import as_evidence, latest

__all__ = ["baseline", "change"]

_TAKEN = frozenset({"active", "ended", "stopped"})


def baseline(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The last result before the first dose that a change counts from; NaN where there is none."""
    course = facts.terms.facts[definition["of"]]
    before = _before(facts, course, _begun(facts, course))
    if before is None:
        return Fact(nan, nan, nan)
    seen = as_evidence(name, definition, before)
    return Fact(before.value, before.value, before.value, (seen,), seen)


def change(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Percent by which the newest result differs from the baseline, once treatment has run for `after`.

    NaN without a baseline, without a recent result that late, and where treatment does not go on.
    """
    begun = _begun(facts, definition)
    before = _before(facts, definition, begun)
    if begun is None or before is None or facts[definition["during"]].presumed is not True or not before.value:
        return Fact(nan, nan, nan)
    due = add_months(begun.last, definition["after"]["months"])
    recent = [
        result
        for result in facts.chart.measurements.get(definition["of"], ())
        if result.taken.first >= due and facts.within(result.taken, facts.terms.facts[definition["of"]]["fresh"])
    ]
    now = latest(recent, None)
    if now is None or now.comparator in (">", ">="):
        return Fact(nan, nan, nan)
    first, last = Fraction(repr(before.value)), Fraction(repr(now.value))
    percent = float((last - first) / first * 100)
    day = partial_date(now.taken)
    seen = Evidence(fact=name, used=True, resource=now.resource, value=percent, unit="%", date=day, computed=True)
    return Fact(percent, percent, percent, (seen,), seen)


def _begun(facts: Facts, definition: dict[str, Any]) -> When | None:
    """The day of the first dose of the group on record."""
    drugs = facts.terms.drugs_in(definition["group"]) - facts.terms.drugs_in(definition["except_group"])
    starts = [use.start for use in facts.uses_of(drugs) if use.state in _TAKEN and use.start is not None]
    return min(starts, default=None)


def _before(facts: Facts, definition: dict[str, Any], begun: When | None) -> Measurement | None:
    if begun is None:
        return None
    earlier = [
        result
        for result in facts.chart.measurements.get(definition["of"], ())
        if not result.comparator
        and result.taken.last <= begun.first
        and calendar_months(result.taken.first, begun.first) <= definition["before"]["months"]
    ]
    return latest(earlier, None)
