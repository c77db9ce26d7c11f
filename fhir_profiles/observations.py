"""Observations into T-scores and measurements, or a reason why not.

A T-score is found by its code, or by a local code whose text says so; its site comes from the body
site, then the text, then the code, then the panel that lists it (`hasMember`). Z-scores never count.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from fhir_profiles.chart import Answer, AsRecorded, Chart, Evidence, Measurement, Score
from fhir_profiles.dates import When, when
from fhir_profiles.quantity import Conversion, unit_of
from fhir_profiles.resources import CodeableConcept, Component, Quantity, Resolve, Resource
from fhir_profiles.terminology import Names, Terminology

__all__ = ["ObservationReader"]

_COUNTS = frozenset({"final", "amended", "corrected"})
_BOUNDS = frozenset({None, "<", "<=", ">", ">="})

# A part of an Observation (or the whole), the fact it tells of, and the LOINC code that said so.
Result = tuple[Resource | Component, str, str | None]


class _Scores:
    """What `bone_density.yaml` says of T-scores, compiled."""

    def __init__(self, fact: str, definition: dict[str, Any]) -> None:
        self.fact = fact
        self.conversion = Conversion(definition["unit"], definition["units"])
        self.codes: dict[str, str] = definition["scores"]
        self.not_codes = frozenset(definition["not_scores"])
        self.names = Names(dict.fromkeys(definition["score_names"], True))
        self.not_names = Names(dict.fromkeys(definition["not_score_names"], True))
        self.densities: dict[str, str] = definition["densities"]
        self.density_units = frozenset(definition["density_units"])
        self.reference = definition["density_reference"]
        self.sites: dict[str, dict[str, Any]] = definition["sites"]
        self.site_codes: dict[str, str] = {
            code: site for site, entry in self.sites.items() for code in entry.get("snomed", ())
        }
        self.site_names: Names[str] = Names(
            {name: site for site, entry in self.sites.items() for name in entry.get("names", ())}
        )


class _Measured(NamedTuple):
    """How a number becomes a measurement, and between which values it is one that we believe."""

    conversion: Conversion
    lowest: float
    highest: float


class ObservationReader:
    """Reads one Observation at a time into a chart; built once from the data folder."""

    def __init__(self, terms: Terminology) -> None:
        self._terms = terms
        self._loinc = terms.aliases("loinc")
        (score_fact,) = (name for name, fact in terms.facts.items() if fact["kind"] == "lowest_score")
        self._scores = _Scores(score_fact, terms.facts[score_fact])
        # LOINC code -> the fact it stands for, None for one that must not be taken for a score by its text.
        self._facts: dict[str, str | None] = dict.fromkeys(self._scores.not_codes)
        self._measured: dict[str, _Measured] = {}
        # fact -> (system, code) of an answer -> the fact's word for it
        self._answers: dict[str, dict[tuple[str, str], str]] = {}
        for name, definition in terms.facts.items():
            for code in definition.get("loinc", ()):
                self._facts[code] = name
            if "answers" in definition:
                self._answers[name] = {
                    (system, code): key
                    for key, systems in definition["answers"].items()
                    for system, codes in systems.items()
                    for code in codes
                }
            elif "loinc" in definition:
                conversion = Conversion(definition["unit"], definition.get("units", {}))
                plausible = definition["plausible"]
                self._measured[name] = _Measured(conversion, plausible["from"], plausible["to"])
        self._facts |= dict.fromkeys((*self._scores.codes, *self._scores.densities), score_fact)

    def results(self, observation: Resource, _: Resolve) -> list[Result]:
        """What an Observation or a component of it tells of a fact; nothing where no fact is read from its codes."""
        fact, code = self._meaning(observation.code)
        found: list[Result] = [] if fact is None else [(observation, fact, code)]
        for component in observation.component or ():
            fact, code = self._meaning(component.code)
            if fact is not None:
                found.append((component, fact, code))
        return found

    def read(
        self, chart: Chart, observation: Resource, results: Sequence[Result], name: str | None, panel: Resource | None
    ) -> None:
        """Add an Observation's results. `name` is its relative reference, `panel` the Observation that lists it.

        Raises ValueError where a date is none.
        """
        if observation.status not in _COUNTS:
            for _, fact, _ in results:
                self._refuse(chart, fact, name, "status")
            return
        taken = when(
            observation.effectiveDateTime
            or observation.effectiveInstant
            or (observation.effectivePeriod and (observation.effectivePeriod.end or observation.effectivePeriod.start))
            or None
        )
        undated = "no-date" if taken is None else "future-date" if chart.in_future(taken) else None
        for part, fact, code in results:
            if fact in self._measured:
                self._measure(chart, fact, observation, part, taken, undated, name)
            elif fact in self._answers:
                self._answer(chart, fact, part, taken, undated, name)
            else:
                self._score(chart, observation, part, code, taken, undated, name, panel)

    def _meaning(self, concept: CodeableConcept | None) -> tuple[str | None, str | None]:
        """The fact a code stands for, and the LOINC code that said so."""
        if concept is None:
            return None, None
        for coding in concept.coding or ():
            if coding.code in self._facts and coding.system in self._loinc:
                return self._facts[coding.code], coding.code
        scores = self._scores
        for text in concept.texts():
            if scores.names.find(text) and not scores.not_names.find(text):
                return scores.fact, None
        return None, None

    def _answer(
        self,
        chart: Chart,
        fact: str,
        part: Resource | Component,
        taken: When | None,
        undated: str | None,
        name: str | None,
    ) -> None:
        """A coded answer, by whichever of its codes the fact knows."""
        codings = (part.valueCodeableConcept.coding if part.valueCodeableConcept else None) or ()
        told = [(self._terms.system(coding.system) or "", coding.code or "") for coding in codings]
        key = next((self._answers[fact][code] for code in told if code in self._answers[fact]), None)
        if key is None:
            self._refuse(chart, fact, name, "unknown-answer", taken)
        elif undated is not None:
            self._refuse(chart, fact, name, undated, taken)
        else:
            assert taken is not None
            chart.answers.setdefault(fact, []).append(Answer(key, taken, name))

    # -- measurements -----------------------------------------------------------------------------

    def _measure(
        self,
        chart: Chart,
        fact: str,
        observation: Resource,
        part: Resource | Component,
        taken: When | None,
        undated: str | None,
        name: str | None,
    ) -> None:
        quantity, (conversion, lowest, highest) = part.valueQuantity, self._measured[fact]
        if quantity is None or quantity.value is None:
            self._refuse(chart, fact, name, "no-value", taken)
            return
        value = conversion.read(quantity)
        if value is None:
            self._refuse(chart, fact, name, "unknown-unit", taken, quantity)
            return
        if not lowest <= value <= highest:
            self._refuse(chart, fact, name, "implausible", taken, quantity)
        elif quantity.comparator not in _BOUNDS:
            self._refuse(chart, fact, name, "comparator", taken, quantity)
        elif undated is not None:
            self._refuse(chart, fact, name, undated, taken, quantity)
        else:
            assert taken is not None
            ranges = observation.referenceRange or ()
            # Of several ranges we do not know which one holds.
            own = ranges[0] if len(ranges) == 1 else None
            chart.measurements.setdefault(fact, []).append(
                Measurement(value, quantity.comparator or "", taken, own, name, quantity, conversion)
            )

    # -- T-scores ---------------------------------------------------------------------------------

    def _score(
        self,
        chart: Chart,
        observation: Resource,
        part: Resource | Component,
        code: str | None,
        taken: When | None,
        undated: str | None,
        name: str | None,
        panel: Resource | None,
    ) -> None:
        scores, quantity = self._scores, part.valueQuantity
        density = code in scores.densities
        site = self._site(observation, part, code, panel)
        if quantity is None or quantity.value is None:
            if not density:
                self._refuse(chart, scores.fact, name, "no-value", taken, site=site)
            return
        if density and part is not observation:
            return  # a density inside a panel: its reference, if any, belongs to the panel's own T-score
        value = self._from_density(observation, quantity) if density else scores.conversion.read(quantity)
        if value is None:
            if not density:
                self._refuse(chart, scores.fact, name, "unknown-unit", taken, quantity, site)
            return
        if quantity.comparator:
            self._refuse(chart, scores.fact, name, "comparator", taken, quantity, site)
        elif undated is not None:
            self._refuse(chart, scores.fact, name, undated, taken, quantity)
        else:
            assert taken is not None
            chart.scores.append(Score(site, value, taken, name, computed=density))

    def _from_density(self, observation: Resource, measured: Quantity) -> float | None:
        """(measured - young adult mean) / its standard deviation, seed 004 section 3; None without that reference."""
        found: dict[str, float] = {}
        for component in observation.component or ():
            quantity = component.valueQuantity
            if quantity is None or quantity.value is None or unit_of(quantity) not in self._scores.density_units:
                continue
            for coding in (component.code.coding or ()) if component.code else ():
                if coding.system == self._scores.reference["system"] and coding.code:
                    found[coding.code] = quantity.value
        mean, spread = found.get(self._scores.reference["mean"]), found.get(self._scores.reference["sd"])
        if mean is None or spread is None or spread <= 0 or unit_of(measured) not in self._scores.density_units:
            return None
        # In the decimals as written: a quotient of floats may fall on the wrong side of a limit.
        exact = [Fraction(repr(number)) for number in (measured.value, mean, spread)]
        return float((exact[0] - exact[1]) / exact[2])

    def _site(self, observation: Resource, part: Resource | Component, code: str | None, panel: Resource | None) -> str:
        sites = self._scores.sites
        by_code = self._scores.codes.get(code or "") or self._scores.densities.get(code or "")
        stated = self._stated_site(_sites(observation), observation, part)
        if stated is None and panel is not None and (by_code is None or sites[by_code].get("unclear")):
            stated = self._stated_site(_sites(panel), panel, panel)
        if stated is None:
            return by_code or "unknown"
        # "hip" beside the code of the total hip takes nothing away from the code.
        return by_code if by_code and by_code in sites[stated].get("refined_by", ()) else stated

    def _stated_site(
        self, concepts: Sequence[CodeableConcept], owner: Resource, part: Resource | Component
    ) -> str | None:
        scores = self._scores
        for concept in concepts:
            for coding in concept.coding or ():
                if self._terms.system(coding.system) == "snomed" and (site := scores.site_codes.get(coding.code or "")):
                    return site
            for text in concept.texts():
                if named := scores.site_names.find(text):
                    return named
        # The text of the code only, where a person may have written it; displays repeat the code.
        own = part.code.text if part.code else None
        around = owner.code.text if owner.code and owner is not part else None
        for written in (own, around, part.valueString):
            if written and (named := scores.site_names.find(written)):
                return named
        return None

    # -- refusals ---------------------------------------------------------------------------------

    @staticmethod
    def _refuse(
        chart: Chart,
        fact: str,
        name: str | None,
        reason: str,
        taken: When | None = None,
        quantity: Quantity | None = None,
        site: str | None = None,
    ) -> None:
        recorded = AsRecorded(quantity.value, unit_of(quantity)) if quantity else None
        chart.refused.append(
            Evidence(
                fact=fact,
                used=False,
                resource=name,
                site=site,
                date=taken.first.isoformat() if taken else None,
                asRecorded=recorded,
                reason=reason,
            )
        )


def _sites(resource: Resource) -> list[CodeableConcept]:
    site = resource.bodySite
    return site if isinstance(site, list) else [site] if site else []
