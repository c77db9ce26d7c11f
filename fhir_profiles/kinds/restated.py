"""Facts that restate another one: below a limit, ruled out, in another unit, by the measurement it rests on."""

from typing import Any

from msgspec import structs

from fhir_profiles.fact import Fact, Facts
from fhir_profiles.quantity import ratio, times

__all__ = ["below", "converted", "decided_by", "ruled_out", "unsettled"]


def below(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a number lies below a limit; of several facts that tell of it the first that settles it is asked."""
    limit = definition["limit"]["value"]
    for base in (facts[of] for of in definition["of"]):
        surely, possibly = float(base.mildest) < limit, float(base.worst) < limit
        if surely or not possibly:
            return Fact(surely, surely, surely, base.evidence, base.shown)
    return Fact(False, True, False)


def converted(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Another fact's value in another unit, for readers who count in it."""
    base = facts[definition["of"]]
    if base.shown is None or base.shown.value is None:
        return Fact(base.presumed, base.presumed, base.presumed)
    value = times(base.shown.value, ratio(str(definition["divided_by"]))[::-1])
    return Fact(value, value, value, (), structs.replace(base.shown, value=value, unit=definition["unit"]))


def decided_by(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The name of the measurement that another fact rests on; "none" where it rests on none."""
    shown = facts[definition["of"]].shown
    found = "none" if shown is None else shown.fact
    return Fact(found, found, found)


def ruled_out(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether another fact is known not to hold, in someone of the sex named."""
    found = facts[definition["of"]].worst is False and facts.chart.person.sex == definition["sex"]
    return Fact(found, found, found)


def unsettled(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether another fact, not known to hold, may hold all the same; never for sure."""
    base = facts[definition["of"]]
    return Fact(False, base.mildest is False and base.worst is True, False)
