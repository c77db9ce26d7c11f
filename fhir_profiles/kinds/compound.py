"""Facts made of others, or of several kinds of record: ovarian function switched off, a diagnosis with a condition."""

from typing import Any

from fhir_profiles.chart import Evidence
from fhir_profiles.dates import add_months
from fhir_profiles.fact import Fact, Facts, partial_date
from fhir_profiles.kinds.courses import lasting, runs
from fhir_profiles.kinds.recorded import condition
from fhir_profiles.kinds.treated import _TAKEN, _in_group, _shown

__all__ = ["as_presumed", "condition_unless", "ever", "lacking", "suppression"]


def as_presumed(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Another fact as presumed, taken for known: for what is asked about only while that holds."""
    of = facts[definition["of"]]
    return Fact(of.presumed, of.presumed, of.presumed, of.evidence, of.shown)


def condition_unless(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a condition is on record and none of those that rule the question out (`unless`)."""
    found = condition(facts, name, definition)
    excused = any(d.certain for key in definition["unless"] for d in facts.chart.diagnoses.get(key, ()))
    return Fact(False, False, False) if excused else found


def ever(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a medicine of the group was ever taken, or a condition or procedure says that it was."""
    stated = condition(facts, name, definition)
    uses = [item for item in _in_group(facts, definition) if item.state in _TAKEN]
    found = stated.mildest is True or bool(uses)
    told = facts.chart.told >= {"conditions", "procedures"} and facts.medications_told
    evidence = (*stated.evidence, *(_shown(name, item, "past", used=True) for item in uses))
    return Fact(found, found or not told, found, evidence, evidence[0] if evidence else None)


def suppression(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether a depot of the group acts today, or a condition says that it never needs to.

    Of a depot whose dose is not recorded the shortest interval is sure and the longest possible.
    """
    sure = maybe = False
    evidence: list[Evidence] = []
    for item in _in_group(facts, definition):
        acts = may_act = runs(facts, item)
        if item.state in _TAKEN and item.start is not None:
            shortest, longest = (add_months(item.start.last, months) for months in lasting(item, definition["lasts"]))
            acts = acts or shortest >= facts.chart.today
            may_act = may_act or longest >= facts.chart.today
        may_act = may_act or item.state in ("unclear", "planned")
        sure, maybe = sure or acts, maybe or may_act
        label, reason = ("current", None) if acts else ("unclear", "unclear-use") if may_act else ("past", "past-use")
        evidence.append(_shown(name, item, label, used=acts, reason=reason))
    for key in definition["conditions"]:
        for stated in facts.chart.diagnoses.get(key, ()):
            sure, maybe = sure or stated.certain, True
            day = partial_date(stated.onset) if stated.onset else None
            reason = None if stated.certain else "suspected"
            evidence.append(Evidence(fact=name, used=stated.certain, resource=stated.resource, date=day, reason=reason))
    if not (facts.medications_told and "conditions" in facts.chart.told):
        maybe = True
    return Fact(sure, sure or maybe, sure, tuple(evidence), next((item for item in evidence if item.used), None))


def lacking(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
    """Whether another fact does not hold; presumed to hold where that is not clear."""
    of = facts[definition["of"]]
    return Fact(not of.worst, not of.mildest, not of.worst, of.evidence, of.shown)
