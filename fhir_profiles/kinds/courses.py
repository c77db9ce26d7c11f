"""Facts about courses of treatment: how long, when last, left without a successor, two at once, a fracture during one.

A single dose counts for its interval from the day it was given or ordered for (`lasts`); of a dose that is not
recorded the shortest interval is sure and the longest possible.
"""

from collections.abc import Iterable
from datetime import date
from math import inf
from typing import Any

from fhir_profiles.chart import Evidence, Use
from fhir_profiles.dates import When, add_months, calendar_months, when
from fhir_profiles.fact import Fact, Facts, partial_date
from fhir_profiles.kinds.treated import _TAKEN, _in_group, _label, _shown, _union

__all__ = [
    "at_once",
    "both_strengths",
    "course",
    "fracture_on_treatment",
    "lasting",
    "runs",
    "second_of",
    "since_last",
    "unfollowed",
]

Span = tuple[date, date]


def lasting(item: Use, lasts: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """The shortest and the longest time in months that one dose acts; 0 where it is none that counts on its own."""
    rules = [r for r in lasts if r["drug"] == item.drug and r.get("route", item.route) == item.route]
    exact = [rule for rule in rules if rule.get("dose", item.dose) == item.dose]
    months = [int(rule["months"]) for rule in exact or rules]
    return (min(months), max(months)) if months else (0, 0)


def runs(facts: Facts, item: Use) -> bool:
    """Whether a use goes on today: in hand, active and not past its end, or with a stated supply that still runs."""
    today = facts.chart.today
    active = item.state == "active" and (item.end is None or item.end.last >= today)
    return item.in_hand or active or (item.state == "ended" and item.supply_runs)


def _sure(item: Use, lasts: Iterable[dict[str, Any]], until: date) -> Span | None:
    """The days on which a use went on for certain, not after `until`."""
    if item.state not in _TAKEN or item.start is None:
        return None
    shortest, _ = lasting(item, lasts)
    dose_ends = add_months(item.start.last, shortest)
    if item.state == "active" and not (shortest and item.given):
        stated = item.end.first if item.end else until
    else:
        stated = item.end.first if item.end else item.start.last
    return item.start.last, min(max(stated, dose_ends), until)


def _maybe(item: Use, lasts: Iterable[dict[str, Any]], until: date) -> Span | None:
    """The days on which a use may have gone on, not after `until`."""
    if item.state not in (*_TAKEN, "unclear") or item.start is None:
        return None
    _, longest = lasting(item, lasts)
    stated = item.end.last if item.end else until
    return item.start.first, min(max(stated, add_months(item.start.last, longest)), until)


def _spans(found: Iterable[Span | None]) -> list[Span]:
    return [span for span in found if span is not None and span[1] > span[0]]


def course(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Months of the group so far: the union of its orders, statements and doses, gaps left out.

    With `projected` the orders count to the end that they state, those in hand too: what it will have been.
    """
    items, lasts, today = _in_group(facts, definition), definition.get("lasts", ()), facts.chart.today
    if definition.get("projected"):
        planned = [_planned(item, today) for item in items if item.in_hand]
        until = [date.max if item.state != "stopped" and item.end else today for item in items]
        ahead = [_sure(item, lasts, end) for item, end in zip(items, until, strict=True)]
        months = _union(_spans([*ahead, *planned]))
        return _counted(facts, name, items, months, months)
    shortest = _union(_spans(_sure(item, lasts, today) for item in items))
    longest = _union(_spans(_maybe(item, lasts, today) for item in items))
    return _counted(facts, name, items, shortest, longest if facts.medications_told else inf)


def _planned(item: Use, today: date) -> Span | None:
    """What a draft would add, where it states an end."""
    return ((item.start.first if item.start else today), item.end.last) if item.end else None


def _counted(facts: Facts, name: str, items: list[Use], shortest: float, longest: float) -> Fact:
    counted = [item for item in items if item.in_hand or (item.state in _TAKEN and item.start is not None)]
    last = max(counted, key=lambda item: (item.in_hand, item.start or (date.min,), item.drug), default=None)
    seen = Evidence(fact=name, used=True, value=float(int(shortest)), unit="mo", drug=last.drug if last else None)
    evidence = tuple(_shown(name, item, _label(facts, item, {})[0], used=True) for item in counted)
    return Fact(shortest, longest, shortest, evidence, seen)


def since_last(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Months since the group last acted for certain; 0 while it goes on, infinite where it was never taken."""
    items, lasts, today = _in_group(facts, definition), definition.get("lasts", ()), facts.chart.today
    spans = [(span, item) for item in items if (span := _sure(item, lasts, date.max if item.end else today))]
    latest = max(spans, key=lambda found: (found[0][1], found[1].drug), default=None)
    if latest is None:
        going = any(runs(facts, item) for item in items)
        return Fact(*(0.0 if going else inf,) * 3)
    (_, end), item = latest
    going = end >= today or any(runs(facts, other) for other in items)
    months = 0.0 if going else calendar_months(end, today)
    seen = _shown(name, item, "current" if going else "past", used=True)
    return Fact(months, months, months, (seen,), seen)


def unfollowed(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a course of the group is over and nothing of the group `by` was begun since, still acts or is planned."""
    lasts, course_items = definition["lasts"], _in_group(facts, definition)
    items = [item for item in course_items if item.state in _TAKEN and item.start is not None]
    if not items or any(_acts(facts, item, lasts) or item.state == "planned" for item in course_items):
        return Fact(False, False, False)
    last = max(items, key=lambda item: (_end(item), item.resource or ""))
    followed = any(
        _acts(facts, item, lasts) or item.state == "planned" or (item.state in _TAKEN and _end(item) > _end(last))
        for item in _in_group(facts, {"group": definition["by"], "except_group": definition["except_group"]})
    )
    if followed:
        return Fact(False, False, False)
    day = last.end or last.start
    seen = Evidence(
        fact=name,
        used=True,
        use="past",
        drug=last.drug,
        resource=last.resource,
        date=partial_date(day) if day else None,
    )
    return Fact(True, True, True, (seen,), seen)


def _end(item: Use) -> date:
    end: When | None = item.end or item.start
    return end.last if end else date.min


def fracture_on_treatment(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Months that the group had been taken when a fragility fracture happened under it; 0 where none did.

    A fracture after which another drug of the group was begun has been answered, and does not count.
    """
    items, lasts, today = _in_group(facts, definition), definition.get("lasts", ()), facts.chart.today
    found: list[tuple[float, float, Evidence, Use]] = []
    for fracture in (item for of in definition["of"] for item in facts[of].evidence if item.used and item.date):
        day = when(fracture.date)
        assert day is not None
        under = [item for item in items if (s := _sure(item, lasts, today)) and s[0] <= day.first and s[1] >= day.last]
        begun = {item.drug for item in items if item.start is not None and item.start.first > day.last}
        if not under or begun - {item.drug for item in under}:
            continue
        months = _union(_spans(_sure(item, lasts, day.first) for item in items))
        found.append((months, months if fracture.reason is None else 0.0, fracture, under[-1]))
    settled = facts.medications_told and all(facts[of].known for of in definition["of"])
    if not found:
        return Fact(0.0, 0.0 if settled else inf, 0.0)
    presumed, _, fracture, item = max(found, key=lambda entry: (entry[0], entry[2].date or ""))
    sure = max(certain for _, certain, _, _ in found)
    seen = Evidence(
        fact=name,
        used=True,
        resource=fracture.resource,
        site=fracture.site,
        drug=item.drug,
        date=fracture.date,
        value=float(int(presumed)),
        unit="mo",
    )
    return Fact(sure, presumed if settled else inf, presumed, (seen,), seen)


def at_once(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether two drugs of the group act at once: in hand, going on, or within the interval of their last dose."""
    members = facts.terms.drugs_in(definition["group"])
    acting: dict[str, Use] = {}
    for item in _in_group(facts, definition):
        parts = members & facts.terms.drugs[item.drug].get("contains", {}).keys()
        base = min(parts, default=item.drug)
        if base not in definition["except_drugs"] and _acts(facts, item, definition["lasts"]):
            acting[base] = item if base not in acting or item.in_hand else acting[base]
    # The order in hand first: it is the one that can still be changed.
    items = sorted(acting.values(), key=lambda item: (not item.in_hand, item.start or (date.min,), item.drug))
    evidence = tuple(_shown(name, item, "planned" if item.in_hand else "current", used=True) for item in items)
    found = len(items) > 1
    return Fact(found, found, found, evidence if found else (), evidence[0] if found else None)


def second_of(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The other one of two that act at once."""
    both = facts[definition["of"]]
    others = both.evidence[1:]
    return Fact(both.mildest, both.worst, both.presumed, others, others[0] if others else None)


def both_strengths(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a drug acts in each of two doses that are never given together."""
    acting = [item for item in _in_group(facts, definition) if _acts(facts, item, definition["lasts"])]
    by_dose = {dose: [item for item in acting if item.dose == dose] for dose in definition["doses"]}
    found = all(by_dose.values())
    evidence = tuple(_shown(name, item, "current", used=True) for items in by_dose.values() for item in items)
    return Fact(found, found, found, evidence if found else (), evidence[0] if found else None)


def _acts(facts: Facts, item: Use, lasts: Iterable[dict[str, Any]]) -> bool:
    if runs(facts, item):
        return True
    _, longest = lasting(item, lasts)
    taken = item.state in _TAKEN and item.start is not None and longest > 0
    return taken and item.start is not None and add_months(item.start.last, longest) > facts.chart.today
