"""Measurements worked out from others: adjusted by another, summed from parts, an amount from concentration and volume.

Each is worked out from results of one day only, in the decimals as written: a float may fall on the wrong side of a
limit.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from msgspec import Struct, structs

from fhir_profiles.chart import AsRecorded, Evidence, Measurement
from fhir_profiles.dates import When
from fhir_profiles.fact import Fact, Facts, partial_date
from fhir_profiles.kinds.measured import as_evidence, weighed
from fhir_profiles.quantity import unit_of
from fhir_profiles.resources import Quantity

__all__ = ["Reading", "adjusted", "evidence_of", "excretion", "readings", "summed"]


class Reading(Struct, frozen=True, gc=False):
    """A result, and the fact it is one of; `computed`: worked out here, not reported."""

    fact: str
    result: Measurement
    computed: bool = False


def readings(facts: Facts, name: str) -> list[Reading]:
    """Every usable result of a measurement, those that we work out for it included."""
    found = facts.readings.get(name)
    if found is None:
        definition = facts.terms.facts[name]
        found = facts.readings[name] = [Reading(name, result) for result in facts.chart.measurements.get(name, ())]
        if (made := _MADE.get(definition["kind"])) is not None:
            days = {reading.result.taken for reading in found}
            found += [reading for reading in made(facts, name, definition) if reading.result.taken not in days]
    return found


def evidence_of(facts: Facts, reading: Reading) -> Evidence:
    """A reading that decided something, as the assessment lists it."""
    found = as_evidence(reading.fact, facts.terms.facts[reading.fact], reading.result)
    return structs.replace(found, computed=True) if reading.computed else found


def adjusted(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """A measurement adjusted by another of the same day: `per_unit` for each unit of it below `about`."""
    return _as_measured(facts, name, {**facts.terms.facts[definition["of"]], **definition})


def summed(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """A total as reported, else the sum of its parts of one day.

    The main part stands alone where nothing was reported of the other; the other says nothing alone.
    """
    found = _as_measured(facts, name, definition)
    if found.shown is not None:
        return found
    lone = [_refused(name, result, "part-only") for result in _fresh(facts, definition["added"], definition)]
    return structs.replace(found, evidence=(*found.evidence, *lone))


def excretion(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The amount in a whole collection: as reported, else from its concentration and volume; else why there is none."""
    found = _as_measured(facts, name, definition)
    if found.shown is not None:
        return found
    others = (definition["concentration"], *definition["not_excretions"])
    refused = [_refused(of, result, "not-an-excretion") for of in others for result in _fresh(facts, of, definition)]
    return structs.replace(found, evidence=(*found.evidence, *refused))


# -- the results that are worked out -----------------------------------------------------------------------------------


def _adjusted(facts: Facts, name: str, definition: dict[str, Any]) -> Iterator[Reading]:
    for base, by in _of_one_day(facts, definition["of"], definition["by"]):
        if not by.comparator:
            per_unit, about = Fraction(str(definition["per_unit"])), Fraction(str(definition["about"]))
            yield _made(name, definition, base, _exact(base) + per_unit * (about - _exact(by)))


def _summed(facts: Facts, name: str, definition: dict[str, Any]) -> Iterator[Reading]:
    main, added = definition["main"], definition["added"]
    together: set[int] = set()
    for base, other in _of_one_day(facts, main, added):
        # A part below what can be measured adds nothing that anyone knows of.
        if other.comparator not in ("<", "<="):
            together.add(id(base))
            yield _made(name, definition, base, _exact(base) + _exact(other))
    alone = (result for result in facts.chart.measurements.get(main, ()) if id(result) not in together)
    yield from (Reading(name, result) for result in alone)


def _excreted(facts: Facts, name: str, definition: dict[str, Any]) -> Iterator[Reading]:
    for base, volume in _of_one_day(facts, definition["concentration"], definition["volume"]):
        if not volume.comparator:
            amount = _exact(base) * _exact(volume) / Fraction(str(definition["per"]))
            # The laboratory's range is one of the concentration.
            yield _made(name, definition, structs.replace(base, own_range=None), amount)


_MADE: dict[str, Callable[[Facts, str, dict[str, Any]], Iterator[Reading]]] = {
    "adjusted": _adjusted,
    "excretion": _excreted,
    "summed": _summed,
}


def _of_one_day(facts: Facts, one: str, other: str) -> Iterator[tuple[Measurement, Measurement]]:
    """Each pair of results of two measurements that were taken on one and the same day."""
    others = facts.chart.measurements.get(other)
    if not others:
        return
    of_day: dict[When, list[Measurement]] = {}
    for second in others:
        of_day.setdefault(second.taken, []).append(second)
    for first in facts.chart.measurements.get(one, ()):
        if first.taken.first == first.taken.last:
            yield from ((first, second) for second in of_day.get(first.taken, ()))


def _exact(result: Measurement) -> Fraction:
    return Fraction(repr(result.value))


def _made(name: str, definition: dict[str, Any], base: Measurement, value: Fraction) -> Reading:
    amount = float(value)
    recorded = Quantity(amount, code=definition["unit"])
    return Reading(name, structs.replace(base, value=amount, recorded=recorded), computed=True)


def _as_measured(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """All readings of a fact, read as one measurement."""
    found = readings(facts, name)
    fact = weighed(facts, name, definition, [reading.result for reading in found])
    computed = {(reading.result.resource, reading.result.value) for reading in found if reading.computed}
    if not computed:
        return fact
    evidence = tuple(
        structs.replace(item, computed=True) if (item.resource, item.value) in computed else item
        for item in fact.evidence
    )
    shown = next((item for item in evidence if item.used), None)
    return structs.replace(fact, evidence=evidence, shown=shown)


def _fresh(facts: Facts, of: str, definition: dict[str, Any]) -> list[Measurement]:
    found = facts.chart.measurements.get(of, ())
    return [result for result in found if facts.within(result.taken, definition["fresh"])]


def _refused(of: str, result: Measurement, reason: str) -> Evidence:
    recorded = AsRecorded(result.recorded.value, unit_of(result.recorded))
    day = partial_date(result.taken)
    return Evidence(fact=of, used=False, resource=result.resource, date=day, asRecorded=recorded, reason=reason)
