"""Facts that are measured: laboratory results, T-scores, and what is computed from them."""

from collections.abc import Callable, Sequence
from math import inf, nan, nextafter
from typing import Any

from fhir_profiles.chart import AsRecorded, Evidence, Measurement
from fhir_profiles.dates import calendar_months
from fhir_profiles.fact import Fact, Facts, partial_date
from fhir_profiles.quantity import unit_of

__all__ = [
    "as_evidence",
    "beyond_range",
    "bounds_of",
    "clearance",
    "latest",
    "latest_fresh",
    "lowest_of",
    "lowest_score",
    "measurement",
    "months_since",
    "on_record",
    "other_direction",
    "unclear_site",
    "weighed",
]


def measurement(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The newest usable result. Older than `clears`, it may block but not clear; older than `fresh`, neither."""
    return weighed(facts, name, definition, facts.chart.measurements.get(name, ()))


def weighed(facts: Facts, name: str, definition: dict[str, Any], readings: Sequence[Measurement]) -> Fact:
    """The same of any results, such as were worked out from others."""
    worse = definition.get("worse")
    mildest, worst = _UNBOUNDED[worse]
    if "unknown" in definition:
        mildest, worst = definition["unknown"]["mildest"], definition["unknown"]["worst"]
    newest = latest(readings, worse)
    if newest is None:
        return Fact(mildest, worst, mildest)
    if "ages" in definition and _not_comparable(facts, definition["ages"]):
        return Fact(mildest, worst, mildest, tuple([as_evidence(name, definition, m, "age") for m in readings]))
    fresh = facts.within(newest.taken, definition["fresh"])
    if not fresh and definition.get("stale") != "at_least":
        return Fact(mildest, worst, mildest, tuple([as_evidence(name, definition, m, "too-old") for m in readings]))
    shown = as_evidence(name, definition, newest)
    evidence = [shown if m is newest else as_evidence(name, definition, m, "superseded") for m in readings]
    low, high = bounds_of(newest)
    gentle, harsh = (high, low) if worse == "lower" else (low, high)
    if not fresh or ("clears" in definition and not facts.within(newest.taken, definition["clears"])):
        harsh = worst
    elif worse is None and low != high:
        gentle = harsh = nan
    # Of a bound the number itself is presumed, as near as the sign allows.
    presumed = high if low == -inf else low
    return Fact(gentle, harsh, presumed, tuple(evidence), shown)


# The mildest and the worst that is possible, by the direction that is worse.
_UNBOUNDED = {"lower": (inf, -inf), "higher": (-inf, inf), None: (nan, nan)}


def other_direction(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The same measurement asked about from the other side (too high, where the other asks for too low)."""
    of = definition["of"]
    return facts.work_out(of, {**facts.terms.facts[of], "worse": definition["worse"]})


def on_record(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether any of the named measurements was made lately, each by its own `fresh`."""
    found = any(latest_fresh(facts, of) is not None for of in definition["of"])
    return Fact(found, found, found)


def unclear_site(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a recent score lacks nothing but its site: the report is worth reading before measuring again."""
    scores = facts.terms.facts[definition["of"]]
    resources = {item.resource for item in facts[definition["of"]].evidence if item.reason == "unclear-site"}
    found = any(s.resource in resources and facts.within(s.taken, scores["fresh"]) for s in facts.chart.scores)
    return Fact(found, found, found)


def beyond_range(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a measurement lies outside the laboratory's own range, else outside the one given under `otherwise`."""
    of, low_side = definition["of"], definition["side"] == "low"
    base = facts[of]
    reading = latest(facts.chart.measurements.get(of, ()), facts.terms.facts[of].get("worse"))
    if base.shown is None or reading is None:
        return Fact(False, True, False, base.evidence)
    own = reading.low if low_side else reading.high
    limit = definition["otherwise"]["value"] if own is None else own
    beyond = reading.value < limit if low_side else reading.value > limit
    fresh = facts.within(reading.taken, facts.terms.facts[of]["clears"])
    return Fact(beyond, beyond or not fresh, beyond, base.evidence, base.shown)


def lowest_score(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The lowest eligible T-score ever measured (README, T-scores)."""

    def why_not(site: str) -> str | None:
        entry = definition["sites"][site]
        return None if entry["eligible"] else "unclear-site" if "unclear" in entry else "site-not-eligible"

    return lowest_of(facts, name, definition, why_not)


def lowest_of(facts: Facts, name: str, scores: dict[str, Any], why_not: Callable[[str], str | None]) -> Fact:
    """The lowest T-score ever measured at the sites that count, those without a reason why not.

    Without a fresh one the value now has no lower bound. A score at an unclear site can only worsen.
    """
    plausible, unit = scores["plausible"], scores["unit"]
    contradicted = any(d.certain for d in facts.chart.diagnoses.get(scores["contradicted_by"], ()))
    evidence: list[Evidence] = []
    eligible: list[float] = []
    unclear: list[float] = []
    fresh = False
    for score in sorted(facts.chart.scores, key=lambda s: (s.taken, s.site, s.value, s.resource or "")):
        reason: str | None
        if not plausible["from"] <= score.value <= plausible["to"]:
            reason = "implausible"
        elif score.value > 0 and contradicted:
            reason = "contradicted"
        elif (reason := why_not(score.site)) is None:
            eligible.append(score.value)
            fresh = fresh or facts.within(score.taken, scores["fresh"])
        elif reason == "unclear-site":
            unclear.append(score.value)
        evidence.append(
            Evidence(
                fact=name,
                used=reason is None,
                resource=score.resource,
                site=score.site,
                value=score.value,
                unit=unit,
                date=partial_date(score.taken),
                reason=reason,
                computed=score.computed or None,
            )
        )
    if not eligible:
        return Fact(inf, -inf, inf, tuple(evidence))
    lowest = min(eligible)
    shown = next(e for e in evidence if e.used and e.value == lowest)
    return Fact(lowest, min((lowest, *unclear)) if fresh else -inf, lowest, tuple(evidence), shown)


def months_since(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Months since the newest of the scores that count; infinite when there is none."""
    counting = {item.resource for item in facts[definition["of"]].evidence if item.used}
    days = [score.taken for score in facts.chart.scores if score.resource in counting]
    newest = max(days, key=lambda day: day.last, default=None)
    months = inf if newest is None else max(0.0, calendar_months(newest.first, facts.chart.today))
    shown = None if newest is None else Evidence(fact=name, used=True, date=partial_date(newest))
    return Fact(months, months, months, (), shown)


def clearance(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Creatinine clearance: recorded, else computed from a fresh creatinine, weight, age and sex (README, Kidney).

    An eGFR or a diagnosis may block: it puts a ceiling on the answer, and clears nothing. A known clearance stands
    against an eGFR (labels gate on clearance), not against a diagnosis of advanced disease: the two contradict.
    """
    found = measurement(facts, name, definition)
    if not found.known:
        found = _cockcroft_gault(facts, name, definition) or found
    ceiling = definition["blocked_by"]
    rate, disease = facts[ceiling["measurement"]], facts[ceiling["condition"]]
    blocks = None
    if disease.mildest is True:
        blocks, highest = disease, nextafter(ceiling["ceiling"], -inf)
    if not found.known and isinstance(rate.presumed, float) and rate.presumed < ceiling["ceiling"]:
        blocks, highest = rate, rate.presumed
    if blocks is None or float(found.mildest) <= highest:
        return found
    return Fact(highest, min(highest, float(found.worst)), highest, blocks.evidence, blocks.shown)


def _cockcroft_gault(facts: Facts, name: str, definition: dict[str, Any]) -> Fact | None:
    """Clearance from creatinine, weight, age and sex; None where one of them is missing.

    A creatinine too old to clear a gate may still block one: its clearance has no lower bound.
    """
    formula = definition["computed"]
    creatinine, weight = facts[formula["creatinine"]], facts[formula["weight"]]
    if creatinine.shown is None or not weight.known:
        return None
    years, sex_known = facts.age(), facts.chart.person.sex
    if years is None or sex_known is None:
        return None
    assert isinstance(creatinine.presumed, float)
    assert isinstance(weight.presumed, float)
    factor = formula["woman"] if sex_known == "female" else 1
    fastest, slowest = (
        max(0.0, (formula["years"] - age) * weight.presumed * factor / (formula["divisor"] * creatinine.presumed))
        for age in years
    )
    shown = Evidence(
        fact=name,
        used=True,
        resource=creatinine.shown.resource,
        value=slowest,
        unit=definition["unit"],
        date=creatinine.shown.date,
        computed=True,
    )
    return Fact(fastest, slowest if creatinine.known else -inf, slowest, (shown,), shown)


def latest(readings: Sequence[Measurement], worse: str | None) -> Measurement | None:
    """The latest; of several on one day the worse, so that order decides nothing."""
    if len(readings) > 1:
        last = max([m.taken.last for m in readings])
        readings = [m for m in readings if m.taken.last == last]
    if len(readings) > 1:
        sign = 1 if worse == "higher" else -1
        return max(readings, key=lambda m: (m.taken.first, sign * m.value, m.resource or ""))
    return readings[0] if readings else None


def latest_fresh(facts: Facts, of: str) -> Measurement | None:
    """The latest result of a measurement that still counts for it."""
    readings, fresh = facts.chart.measurements.get(of, ()), facts.terms.facts[of]["fresh"]
    newest = latest(readings, None)
    if newest is None or facts.within(newest.taken, fresh):
        return newest
    return latest([m for m in readings if facts.within(m.taken, fresh)], None)


def as_evidence(name: str, definition: dict[str, Any], reading: Measurement, reason: str | None = None) -> Evidence:
    """A result as the assessment lists it; `reason` says why it decided nothing, where that is so."""
    recorded, unit = reading.recorded, definition["unit"]
    written = unit_of(recorded)
    return Evidence(
        fact=name,
        used=reason is None,
        resource=reading.resource,
        value=reading.value,
        unit=unit,
        date=partial_date(reading.taken),
        asRecorded=None if written == unit else AsRecorded(recorded.value, written),
        reason=reason,
    )


def bounds_of(reading: Measurement) -> tuple[float, float]:
    """The least and the most that a result means: "<" stops short of its number, "<=" does not."""
    value, comparator = reading.value, reading.comparator
    if comparator in ("<", "<="):
        return -inf, value if comparator == "<=" else nextafter(value, -inf)
    if comparator in (">", ">="):
        return value if comparator == ">=" else nextafter(value, inf), inf
    return value, value


def _not_comparable(facts: Facts, ages: dict[str, Any]) -> bool:
    """Whether a result means nothing at this age."""
    age = facts.age()
    return age is not None and bool(age[0] > ages["to"] or age[1] < ages["from"])
