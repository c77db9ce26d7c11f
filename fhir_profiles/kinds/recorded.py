"""Facts that are recorded: who the patient is, conditions, procedures and fractures."""

from collections.abc import Iterable
from datetime import date
from math import inf, nan
from typing import Any

from fhir_profiles.chart import Diagnosis, Evidence, Fracture
from fhir_profiles.fact import Fact, Facts, partial_date

__all__ = ["age", "condition", "days_since", "fracture", "menopause", "planned_procedure", "sex"]


def age(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Completed years; a birth date of year precision gives two ages, an unknown one any."""
    years = facts.age()
    if years is None:
        return Fact(0, inf, nan)
    return Fact(years[0], years[1], years[0], (), Evidence(fact=name, used=True, value=years[0], unit="a"))


def sex(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether the sex is the one asked about; missing or other is unknown."""
    known = facts.chart.person.sex
    if known is None:
        return Fact(False, True, False)
    return Fact(*(known == definition["is"],) * 3)


def menopause(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether menopause is still to come: a code, or age past which it is taken to be over (README, Menopause)."""
    after = _diagnoses(facts, [definition["after"]])
    before = _diagnoses(facts, [definition["before"]])
    years = facts.age()
    old = years is not None and years[0] >= definition["after_from_age"]["years"]
    if facts.chart.person.sex == "male" or (after and not before) or (old and not before):
        return Fact(False, False, False)
    if before and not after and not old:
        return Fact(True, True, True, tuple(_seen(name, d) for d in before))
    return Fact(False, True, False)


def condition(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether any of the named conditions or procedures is on record; only suspected ones are unclear."""
    found = _diagnoses(facts, definition["conditions"])
    if definition.get("active"):
        found = [d for d in found if d.active]
    certain = any(d.certain for d in found)
    evidence = tuple(_seen(name, d, used=d.certain, reason=None if d.certain else "suspected") for d in found)
    told = facts.chart.told.issuperset(definition.get("needs", ("conditions",)))
    absent_is_none = definition.get("absence_is_none") or (told and not definition.get("absence_is_unknown"))
    return Fact(
        certain, certain or bool(found) or not absent_is_none, certain, evidence, evidence[0] if evidence else None
    )


def planned_procedure(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether any of the named procedures is still to come."""
    found = [d for key in definition["conditions"] for d in facts.chart.diagnoses.get(key, ()) if d.planned]
    evidence = tuple(_seen(name, d) for d in found)
    return Fact(bool(found), bool(found), bool(found), evidence, evidence[0] if evidence else None)


def days_since(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Days since the latest of the named procedures; infinite when none is on record, anything when not told."""
    found = [d for d in _diagnoses(facts, definition["conditions"]) if d.onset is not None]
    if not found:
        told = facts.chart.told >= {"procedures"} and not _diagnoses(facts, definition["conditions"])
        return Fact(inf, inf if told else 0, inf)
    latest = max(found, key=lambda d: (d.onset or (date.min,), d.resource or ""))
    assert latest.onset is not None
    longest = max(0, (facts.chart.today - latest.onset.first).days)
    shortest = max(0, (facts.chart.today - latest.onset.last).days)
    seen = _seen(name, latest)
    return Fact(longest, shortest, shortest, (seen,), seen)


def fracture(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a fragility fracture of these sites is on record; see README, Fractures."""
    mildest = worst = presumed = False
    evidence = []
    for item in sorted(facts.chart.fractures, key=lambda f: (f.onset or (date.min,), f.site, f.resource or "")):
        if item.site not in definition["sites"] and item.site not in definition.get("possible_sites", ()):
            continue
        reason = _fracture_reason(item, definition)
        mildest = mildest or reason is None
        presumed = presumed or reason in (None, "presumed")
        worst = worst or reason != "high-energy"
        evidence.append(
            Evidence(
                fact=name,
                used=reason in (None, "presumed"),
                resource=item.resource,
                site=item.site,
                date=partial_date(item.onset) if item.onset else None,
                reason=reason,
            )
        )
    if "conditions" not in facts.chart.told:
        worst = True
    shown = next((e for e in evidence if e.used), evidence[0] if evidence else None)
    return Fact(mildest, worst, presumed, tuple(evidence), shown)


def _fracture_reason(item: Fracture, definition: dict[str, Any]) -> str | None:
    """Why a fracture is not simply a fragility fracture of the sites asked for; None when it is one."""
    if item.cause == "high-energy":
        return "high-energy"
    if item.site not in definition["sites"]:
        return "unclear-site"
    if not item.certain:
        return "suspected"
    if item.cause == "fragility":
        return None
    from_age = definition["from_age"]["years"]
    if item.age is not None and item.age[1] < from_age:
        return "young"
    if definition.get("presumed") and item.age is not None and item.age[0] >= from_age:
        return "presumed"
    return "unknown-cause"


def _diagnoses(facts: Facts, keys: Iterable[str]) -> list[Diagnosis]:
    found = [d for key in keys for d in facts.chart.diagnoses.get(key, ()) if not d.planned]
    if len(found) > 1:
        found.sort(key=lambda d: (d.onset or (date.min,), d.resource or "", d.key))
    return found


def _seen(name: str, diagnosis: Diagnosis, *, used: bool = True, reason: str | None = None) -> Evidence:
    day = partial_date(diagnosis.onset) if diagnosis.onset else None
    return Evidence(fact=name, used=used, resource=diagnosis.resource, date=day, reason=reason)
