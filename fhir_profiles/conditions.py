"""Conditions and procedures into diagnoses and fractures.

A fracture counts as fragility when its code says osteoporotic or pathological (not neoplastic), when an
osteoporotic fracture of the same day settles a plain one, or when a low-energy cause is coded; a
high-energy cause rules it out; otherwise its cause is unknown (README, Fractures).
"""

from msgspec import structs

from fhir_profiles.chart import Chart, Diagnosis, Evidence, Fracture, Person
from fhir_profiles.dates import When, completed_years, when
from fhir_profiles.resources import CodeableConcept, Resolve, Resource
from fhir_profiles.terminology import Terminology

__all__ = ["ConditionReader"]

_SUSPECTED = frozenset({"unconfirmed", "provisional", "differential"})
_REFUSED = frozenset({"refuted", "entered-in-error"})
_OVER = frozenset({"inactive", "remission", "resolved"})
_DONE = frozenset({"completed", "in-progress", "on-hold", "stopped"})
_DUE_TO = "http://hl7.org/fhir/StructureDefinition/condition-dueTo"


class ConditionReader:
    """Reads one Condition or Procedure at a time into a chart; built once from the data folder."""

    def __init__(self, terms: Terminology) -> None:
        self._terms = terms
        self._mechanisms = {key: entry["mechanism"] for key, entry in terms.conditions.items() if "mechanism" in entry}
        self._fractures = {key: entry["fracture"] for key, entry in terms.conditions.items() if "fracture" in entry}

    def keys(self, resource: Resource, _: Resolve) -> tuple[str, ...]:
        """What a Condition or Procedure is of, by its codes; nothing where no fact is read from them."""
        return self._terms.conditions_of(resource.code)

    def read_condition(
        self, chart: Chart, condition: Resource, keys: tuple[str, ...], name: str | None, resolve: Resolve
    ) -> None:
        """Add a Condition of these keys. Raises ValueError on a bad date."""
        verification = _code(condition.verificationStatus)
        if verification in _REFUSED:
            for key in keys:
                chart.refused.append(Evidence(fact=key, used=False, resource=name, reason="status"))
            return
        certain = verification not in _SUSPECTED
        onset = _onset(condition)
        if onset is not None and chart.in_future(onset):
            chart.refused.append(Evidence(fact=keys[0], used=False, resource=name, reason="future-date"))
            return
        active = _code(condition.clinicalStatus) not in _OVER
        for key in keys:
            chart.diagnoses.setdefault(key, []).append(Diagnosis(key, certain, active, onset, name))
        fractures = [self._fractures[key] for key in keys if key in self._fractures]
        if fractures:
            fracture = fractures[0]
            cause = self._cause(fracture["nature"], keys, condition, resolve)
            if cause is not None:
                age = _age(condition, chart.person, onset)
                coded = fracture["nature"] != "plain"
                chart.fractures.append(Fracture(fracture["site"], cause, certain, onset, age, name, coded))

    def _cause(self, nature: str, keys: tuple[str, ...], condition: Resource, resolve: Resolve) -> str | None:
        """fragility | high-energy | unknown; None for a fracture that is never counted."""
        if nature in ("neoplastic", "atypical"):
            return None
        if nature in ("osteoporotic", "pathological"):
            return "fragility"
        causes = self._due_to(condition, resolve)
        if any(self._terms.conditions[key].get("weakens_bone") for key in causes):
            return "fragility"
        mechanisms = {self._mechanisms[key] for key in (*keys, *causes) if key in self._mechanisms}
        if "high" in mechanisms:
            return "high-energy"
        return "fragility" if "low" in mechanisms else "unknown"

    def _due_to(self, condition: Resource, resolve: Resolve) -> tuple[str, ...]:
        found: list[str] = []
        for extension in condition.extension or ():
            if extension.url != _DUE_TO:
                continue
            concept = extension.valueCodeableConcept
            if concept is None and extension.valueReference and extension.valueReference.reference:
                cause = resolve(condition, extension.valueReference.reference)
                concept = cause.code if cause else None
            found += self._terms.conditions_of(concept)
        return tuple(found)

    def read_procedure(self, chart: Chart, procedure: Resource, keys: tuple[str, ...], name: str | None) -> None:
        """Add a Procedure of these keys, done or planned. Raises ValueError on a bad date."""
        planned = procedure.status == "preparation"
        if not planned and procedure.status not in _DONE:
            for key in keys:
                chart.refused.append(Evidence(fact=key, used=False, resource=name, reason="status"))
            return
        period = procedure.performedPeriod or procedure.occurrencePeriod
        performed = when(
            procedure.performedDateTime
            or procedure.occurrenceDateTime
            or (period and (period.end or period.start))
            or None
        )
        if performed is not None and chart.in_future(performed):
            planned = True
        for key in keys:
            chart.diagnoses.setdefault(key, []).append(
                Diagnosis(key, certain=True, active=True, onset=performed, resource=name, planned=planned)
            )


def settle_fractures(chart: Chart) -> None:
    """Let an osteoporotic-fracture code settle the plain fractures of the same day (README, Fractures)."""
    settled = {fracture.onset for fracture in chart.fractures if fracture.coded and fracture.certain}
    settled.discard(None)
    named = {fracture.onset for fracture in chart.fractures if fracture.site != "unspecified"} & settled
    chart.fractures = [
        structs.replace(fracture, cause="fragility")
        if fracture.cause == "unknown" and fracture.onset in settled
        else fracture
        for fracture in chart.fractures
        # A fracture of unstated site is the one that another code of that day names.
        if fracture.site != "unspecified" or fracture.onset not in named
    ]


def _code(concept: CodeableConcept | None) -> str | None:
    for coding in (concept.coding or ()) if concept else ():
        if coding.code:
            return coding.code
    return None


def _onset(condition: Resource) -> When | None:
    if condition.onsetDateTime:
        return when(condition.onsetDateTime)
    return when(condition.onsetPeriod.start) if condition.onsetPeriod else None


def _age(condition: Resource, person: Person, onset: When | None) -> tuple[int, int] | None:
    """Completed years at onset, youngest and oldest; from the birth date, else as recorded."""
    if condition.onsetAge and condition.onsetAge.value is not None and condition.onsetAge.code in ("a", None):
        return int(condition.onsetAge.value), int(condition.onsetAge.value)
    birth = person.birth
    if birth is None:
        return None
    if onset is not None:
        return completed_years(birth.last, onset.first), completed_years(birth.first, onset.last)
    recorded = when(condition.recordedDate)
    # A fracture was there when it was recorded: before 50 then is before 50 for certain.
    return (0, completed_years(birth.first, recorded.last)) if recorded else None
