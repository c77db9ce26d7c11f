"""Facts that other guidelines count: an answer, a fracture past an age, a long course by mouth, a score by site."""

from datetime import date
from typing import Any

from fhir_profiles.chart import Evidence
from fhir_profiles.fact import Fact, Facts, partial_date
from fhir_profiles.kinds.measured import lowest_of
from fhir_profiles.kinds.treated import exposure

__all__ = ["answered", "any_of", "exposure_by_mouth", "fracture_past_age", "lowest_score_at"]


def answered(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether the newest answer says `is`, and not `is_not`; an unclear or an old one leaves it open."""
    told = facts.chart.answers.get(name, ())
    newest = max(told, key=lambda a: (a.taken.last, a.taken.first, a.key == definition["is"]), default=None)
    if newest is None:
        return Fact(False, True, False)
    fresh = facts.within(newest.taken, definition["fresh"])
    settled = fresh and newest.key in (definition["is"], definition["is_not"])
    seen = Evidence(
        fact=name,
        used=settled,
        resource=newest.resource,
        date=partial_date(newest.taken),
        reason=None if settled else "unclear-use" if fresh else "too-old",
    )
    if not settled:
        return Fact(False, True, False, (seen,))
    found = newest.key == definition["is"]
    return Fact(found, found, found, (seen,), seen)


def fracture_past_age(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a fragility fracture at or past an age is on record, at any of the sites.

    Where the cause is not recorded it counts as for the tier: presumed so at the `presumed` sites, possible elsewhere.
    """
    mildest = presumed = False
    worst = "conditions" not in facts.chart.told
    evidence = []
    for item in sorted(facts.chart.fractures, key=lambda f: (f.onset or (date.min,), f.site, f.resource or "")):
        young = item.age is not None and item.age[1] < definition["from_age"]["years"]
        if item.site not in definition["sites"] or item.cause == "high-energy" or young:
            continue
        of_age = item.age is not None and item.age[0] >= definition["from_age"]["years"]
        sure = of_age and item.certain and item.cause == "fragility"
        likely = sure or (of_age and item.certain and item.site in definition["presumed"])
        mildest, presumed, worst = mildest or sure, presumed or likely, True
        evidence.append(Evidence(fact=name, used=likely, resource=item.resource, site=item.site))
    return Fact(mildest, worst, presumed, tuple(evidence))


def exposure_by_mouth(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Months by mouth so far; a course by another route or none may have been one, a stated long use has any length."""
    sure = exposure(facts, name, {**definition, "route": "oral"})
    most = exposure(facts, name, definition).worst
    if any(item.certain for item in facts.chart.diagnoses.get(definition["stated_by"], ())):
        most = float("inf")
    return Fact(sure.mildest, most, sure.presumed, sure.evidence, sure.shown)


def lowest_score_at(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """The lowest T-score of certain sites; what another score is for, whose site is not among them, says nothing."""
    scores = facts.terms.facts[definition["of"]]

    def why_not(site: str) -> str | None:
        if site in definition["sites"]:
            return None
        unclear = "unclear" in scores["sites"][site] and site in definition["possible_sites"]
        return "unclear-site" if unclear else "site-not-eligible"

    return lowest_of(facts, name, scores, why_not)


def any_of(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether any of the named facts holds."""
    found = [facts[of] for of in definition["of"]]
    return Fact(
        any(fact.mildest for fact in found), any(fact.worst for fact in found), any(fact.presumed for fact in found)
    )
