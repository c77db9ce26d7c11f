"""Facts about treatment: in use, for how long, still covered by the last dose, how much a day."""

from datetime import date, timedelta
from math import inf, nan
from typing import Any

from fhir_profiles.chart import Evidence, Use
from fhir_profiles.dates import When, add_months, calendar_months
from fhir_profiles.fact import Fact, Facts, partial_date

__all__ = ["covered", "daily_dose", "exposure", "not_taken", "overdue", "stopped", "succeeded", "use"]

_TAKEN = frozenset({"active", "ended", "stopped"})


def _in_group(facts: Facts, definition: dict[str, Any]) -> list[Use]:
    drugs = facts.terms.drugs_in(definition["group"]) if "group" in definition else frozenset(definition["drugs"])
    if "except_group" in definition:
        drugs -= facts.terms.drugs_in(definition["except_group"])
    route = definition.get("route")
    found = [use for use in facts.uses_of(drugs) if route is None or use.route == route]
    if len(found) > 1:
        found.sort(key=lambda u: (u.drug, u.state, u.start or (date.min,), u.end or (date.min,), u.resource or ""))
    return found


def _last(use: Use) -> When | None:
    """The latest day on which the use is known to have gone on."""
    return use.end or use.start


def _label(facts: Facts, use: Use, definition: dict[str, Any]) -> tuple[str, bool]:
    """current | planned | unclear | past, and whether an unclear one is presumed to go on."""
    if use.state == "planned":
        return "planned", False
    if use.state == "active" and (use.end is None or use.end.last >= facts.chart.today):
        return "current", False
    if use.state == "ended" and use.supply_runs:
        return "current", False
    if use.state == "unclear":
        return "unclear", False
    if use.state == "stopped" and use.supply_runs and "presumed_for" in definition:
        return "unclear", True  # stopped on paper while the intended course still runs, as Synthea writes every course
    last = _last(use)
    if last is None:
        return "unclear", False
    months = calendar_months(last.last, facts.chart.today)
    if months <= definition.get("presumed_for", {"months": -1})["months"]:
        return "unclear", True
    return ("unclear" if months <= definition.get("possible_for", {"months": -1})["months"] else "past"), False


def use(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a medicine of the group is used or (where `planned`) planned; see README, Use of a medicine."""
    mildest = presumed = worst = False
    evidence: list[Evidence] = []
    for item in _in_group(facts, definition):
        if item.state == "not-taken":
            evidence.append(_shown(name, item, "past", used=False, reason="not-taken"))
            continue
        label, likely = _label(facts, item, definition)
        if label == "unclear" and _superseded(facts, item, definition):
            label, likely = "past", False
        if likely and _course_done(facts, definition):
            likely = False
        counts = label == "current" or (label == "planned" and bool(definition.get("planned")))
        mildest, presumed, worst = (
            mildest or counts,
            presumed or counts or likely,
            worst or counts or label == "unclear",
        )
        reason = None if counts or likely else {"unclear": "unclear-use", "past": "past-use"}.get(label, "planned-only")
        if reason is None and any(other.used and other.drug == item.drug for other in evidence):
            reason = "counted-already"
        evidence.append(_shown(name, item, label, used=reason is None, reason=reason))
    for stated in facts.chart.diagnoses.get(definition.get("stated_by", ""), ()):
        if stated.active and stated.certain:
            mildest = presumed = worst = True
            evidence.append(Evidence(fact=name, used=True, use="current", resource=stated.resource))
    if not facts.medications_told:
        worst = True
    shown = next((e for e in evidence if e.used), None)
    return Fact(mildest, worst, presumed, tuple(evidence), shown)


def _shown(name: str, item: Use, label: str, *, used: bool, reason: str | None = None) -> Evidence:
    return Evidence(
        fact=name,
        used=used,
        use=label,
        drug=item.drug,
        resource=item.resource,
        date=partial_date(item.start) if item.start else None,
        reason=reason,
    )


def _superseded(facts: Facts, item: Use, definition: dict[str, Any]) -> bool:
    """Whether another drug of the named group was begun, or goes on, since this one was last taken."""
    last = _last(item)
    if last is None or "superseded_by" not in definition:
        return False
    others = facts.terms.drugs_in(definition["superseded_by"])
    return any(
        other.state in _TAKEN and other.start is not None and other.start.last > last.last
        for other in facts.uses_of(others)
    )


def _course_done(facts: Facts, definition: dict[str, Any]) -> bool:
    """Whether the medicine may have been taken for the whole of its intended course, where one is stated."""
    _, longest = _months(facts, _in_group(facts, definition))
    return bool(longest >= definition.get("course", {"years": inf})["years"] * 12)


def exposure(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Months of the group so far: the union of its intervals, gaps left out, whatever resource tells them."""
    items = _in_group(facts, definition)
    shortest, longest = _months(facts, items)
    if not facts.medications_told:
        longest = inf
    evidence = tuple(
        _shown(name, item, _label(facts, item, definition)[0], used=item.state in _TAKEN)
        for item in items
        if item.state in _TAKEN
    )
    shown = Evidence(fact=name, used=True, value=float(int(shortest)), unit="mo")
    return Fact(shortest, longest, shortest, evidence, shown)


def _months(facts: Facts, items: list[Use]) -> tuple[float, float]:
    """The shortest and the longest that the record allows."""
    today = facts.chart.today
    certain: list[tuple[date, date]] = []
    possible: list[tuple[date, date]] = []
    for item in items:
        if item.state not in _TAKEN or item.start is None:
            continue
        if item.state == "active":
            sure = min(item.end.first, today) if item.end else today
            maybe = min(item.end.last, today) if item.end else today
        else:
            sure = min(item.end.first, today) if item.end else item.start.last
            maybe = min(item.end.last, today) if item.end else today
        if sure > item.start.last:
            certain.append((item.start.last, sure))
        if maybe > item.start.first:
            possible.append((item.start.first, maybe))
    shortest = _union(certain)
    return shortest, shortest if possible == certain else _union(possible)


def _union(spans: list[tuple[date, date]]) -> float:
    """Months covered by the spans: as long a run of calendar months ending with the last of them."""
    days, reached = 0, date.min
    for start, end in sorted(spans):
        days += max(0, (end - max(start, reached)).days)
        reached = max(reached, end)
    return calendar_months(reached - timedelta(days=days), reached) if days else 0.0


def covered(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a medicine of the group is in use, planned, or its last dose still counts.

    A single dose counts for its interval from the day it was given or ordered for, whatever the order's status. What
    lists that were not sent hold may cover the patient as well.
    """
    found, evidence = False, []
    for item in _in_group(facts, definition):
        label, _ = _label(facts, item, definition)
        until = _covered_until(item, definition)
        now = item.state != "not-taken" and (
            label in ("current", "planned") or (until is not None and until >= facts.chart.today)
        )
        found = found or now
        if item.state != "not-taken":
            shown = "current" if now and label not in ("planned",) else label
            evidence.append(_shown(name, item, shown, used=now, reason=None if now else "past-use"))
    shown_first = next((e for e in evidence if e.used), None)
    return Fact(found, found or not facts.medications_told, found, tuple(evidence), shown_first)


def _covered_until(item: Use, definition: dict[str, Any]) -> date | None:
    if item.start is None or item.state == "unclear":
        return None
    longest = 0
    for rule in definition["lasts"]:
        same_drug = rule["drug"] == item.drug and rule.get("route", item.route) == item.route
        # A dose that is not recorded may be the long-lasting one: presumed so, lest it be given twice.
        if same_drug and (item.dose is None or rule.get("dose", item.dose) == item.dose):
            longest = max(longest, rule["months"])
    try:
        return add_months(item.start.last, longest) if longest else None
    except ValueError:  # some systems write the calendar's last day for one that nobody knows
        return date.max


def overdue(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Days past the day the next dose was due (negative before it); NaN when no dose was given.

    An order alone is no dose: what counts is an administration, or a statement dated to a day.
    """
    doses = [u for u in _in_group(facts, definition) if u.given and u.state in _TAKEN and u.start is not None]
    doses = [u for u in doses if u.dose is None or u.dose in definition["doses"]]
    if not doses:
        return Fact(nan, nan, nan)
    latest = max(doses, key=lambda u: (u.start or (date.min,), u.resource or ""))
    assert latest.start is not None
    months = definition["due_after"]["months"]
    least = float((facts.chart.today - add_months(latest.start.last, months)).days)
    most = float((facts.chart.today - add_months(latest.start.first, months)).days)
    seen = _shown(name, latest, "past", used=True)
    return Fact(least, most, least, (seen,), seen)


def stopped(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether the drug was stopped outright and nothing says that it goes on or is planned."""
    items = _in_group(facts, definition)
    going_on = any(item.state in ("active", "planned") for item in items)
    ended = [item for item in items if item.state == "stopped"]
    found = bool(ended) and not going_on
    reason = None if found else "past-use"
    return Fact(found, found, found, tuple(_shown(name, item, "past", used=found, reason=reason) for item in ended))


def succeeded(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether another drug of the group was begun after the last dose of the named one."""
    doses = [u for u in _in_group(facts, {"drugs": definition["drugs"]}) if u.state in _TAKEN and u.start is not None]
    if not doses:
        return Fact(False, False, False)
    last = max(u.start for u in doses if u.start is not None)
    others = [
        u
        for u in _in_group(facts, {"group": definition["by"]})
        if u.drug not in definition["drugs"]
        and u.state in ("active", "planned", "ended")
        and (u.state != "ended" or (u.start is not None and u.start > last))
    ]
    return Fact(bool(others), bool(others), bool(others), tuple(_shown(name, u, "current", used=True) for u in others))


def not_taken(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether the record says outright that a medicine of the group is not taken."""
    items = [u for u in _in_group(facts, definition) if u.state == "not-taken"]
    evidence = tuple(_shown(name, u, "past", used=True) for u in items)
    return Fact(bool(items), bool(items), bool(items), evidence, evidence[0] if evidence else None)


def daily_dose(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """What the list holds of a substance a day, in the unit given, parts of combinations counted.

    0 where the list holds none. A product whose strength or interval is not recorded adds nothing to the
    least and everything to the most: `worse: higher` reads the least, `worse: lower` the most.
    """
    amounts: dict[tuple[str, str], tuple[float, float]] = {}
    evidence = []
    uses = facts.uses_of(facts.terms.holding(definition["group"]))
    for item in sorted(uses, key=lambda u: (u.drug, u.resource or "")):
        label, _ = _label(facts, item, definition)
        if item.state == "not-taken" or label not in ("current", "planned"):
            continue
        amount = _contribution(facts, item, definition)
        sums = amounts.get((item.drug, item.source), (0.0, 0.0))
        amounts[item.drug, item.source] = (sums[0] + amount[0], sums[1] + amount[1])
        evidence.append(_shown(name, item, label, used=True, reason=None if amount[1] < inf else "no-strength"))
    # An order, a statement and an administration of one drug tell of the same tablets: the largest counts.
    drugs = {drug for drug, _ in amounts}
    least = sum(max(sums[0] for (drug, _), sums in amounts.items() if drug == name_) for name_ in drugs)
    most = sum(max(sums[1] for (drug, _), sums in amounts.items() if drug == name_) for name_ in drugs)
    if not facts.medications_told:
        most = inf
    higher = definition["worse"] == "higher"
    mildest, worst = (least, most) if higher else (most, least)
    told_none = not evidence and not facts.medications_told
    presumed = 0.0 if told_none else (least if higher else most)
    unit = definition["unit"]
    shown = Evidence(fact=name, used=True, value=round(least if higher or most == inf else most, 1), unit=unit)
    return Fact(mildest, worst, presumed, tuple(evidence), shown)


def _contribution(facts: Facts, item: Use, definition: dict[str, Any]) -> tuple[float, float]:
    """Least and most of the substance a day from one use of a medicine that holds it."""
    drugs = facts.terms.drugs
    drug = drugs[item.drug]
    if "contains" not in drug:
        if item.dose is None or item.interval_days is None or item.unit != definition["dose_unit"]:
            return 0.0, inf
        dose = item.dose * drug.get("elemental_fraction", 1.0) / item.interval_days
        return dose, dose
    part = next(part for part in drug["contains"] if definition["group"] in drugs[part]["groups"])
    content, pieces = drug["contains"][part], item.pieces
    if "strength" not in content or content["unit"] != definition["dose_unit"] or not (item.interval_days and pieces):
        return 0.0, inf
    dose = content["strength"] * drugs[part].get("elemental_fraction", 1.0) * pieces / item.interval_days
    return dose, dose
