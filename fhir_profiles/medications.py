"""MedicationRequest, MedicationStatement and MedicationAdministration into uses of a medicine.

The medicine is found in `medicationCodeableConcept`, in R5 `medication`, or behind a reference (in the
Bundle by `urn:uuid`, relative or absolute address, or `contained`). Statuses that say "not taken" are kept
apart: they prove nothing about use, but they are what adherence is judged from.
"""

import re
from datetime import timedelta
from importlib.resources import files

from fhir_profiles.chart import Chart, Evidence, Use
from fhir_profiles.dates import When, add_months, when
from fhir_profiles.resources import Dosage, Period, Quantity, Resolve, Resource
from fhir_profiles.terminology import Names, Product, Terminology, load_yaml

__all__ = ["MedicationReader", "interval_days"]

_REFUSED = frozenset({"entered-in-error", "cancelled", "not-done"})
_STATES = {
    "MedicationRequest": {
        "active": "active",
        "on-hold": "planned",
        "draft": "planned",
        "completed": "ended",
        "stopped": "stopped",
        "ended": "ended",  # R5
    },
    "MedicationStatement": {
        "active": "active",
        "recorded": "active",  # R5
        "intended": "planned",
        "on-hold": "planned",
        "draft": "planned",
        "completed": "ended",
        "stopped": "stopped",
        "not-taken": "not-taken",
    },
    "MedicationAdministration": {
        "in-progress": "active",
        "completed": "ended",
        "stopped": "ended",
    },
}
_PLANS = frozenset({"plan", "proposal", "option"})
_NOT_TAKING = frozenset({"not-taking", "stopped"})  # R5 MedicationStatement.adherence
# Units of a dose, case-folded (which also makes one of the two signs for micro): records write "MG", "Tablet", "iu".
_MASS = {"mg": 1.0, "g": 1000.0, "ug": 0.001, "mcg": 0.001, "μg": 0.001, "毫克": 1.0}
_UNITS = frozenset({"[iu]", "iu", "u", "unt", "[usp'u]", "单位", "国际单位"})
_PIECES = frozenset(
    {"{tbl}", "{tablet}", "{tablets}", "tablet", "tablets", "tbl", "tab", "{cap}", "cap", "capsule", "capsules"}
    | {"{dose}", "dose", "1", "{syringe}", "syringe", "{vial}", "vial", "片", "粒", "支"}
)
_TEXT_STRENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(mg|毫克|ug|μg|µg|mcg|g|IU|UNT|国际单位|单位)(?![A-Za-z0-9])", re.I)

_intervals = load_yaml(files("fhir_profiles").joinpath("intervals.yaml"))
_phrases: Names[float] = Names({phrase: float(days) for phrase, days in _intervals["phrases"].items()})


class MedicationReader:
    """Reads one medication resource at a time into a chart; built once from the data folder."""

    def __init__(self, terms: Terminology) -> None:
        self._terms = terms

    def medicine(self, resource: Resource, resolve: Resolve) -> tuple[Product, str] | None:
        """What the resource is about, and the text that names it (for a strength that only the text holds).

        None where it is no medicine that we know.
        """
        concept = resource.medicationCodeableConcept or (resource.medication.concept if resource.medication else None)
        reference = resource.medicationReference or (resource.medication.reference if resource.medication else None)
        if concept is None and reference is not None:
            target = resolve(resource, reference.reference) if reference.reference else None
            concept = target.code if target is not None else None
            if target is not None and (concept is None or self._terms.drug_of(concept) is None):
                for ingredient in target.ingredient or ():
                    part = ingredient.itemCodeableConcept or (ingredient.item.concept if ingredient.item else None)
                    if self._terms.drug_of(part) is not None:
                        concept = part
                        break
        if concept is not None and (product := self._terms.drug_of(concept)) is not None:
            # With repeats, unlike `texts`: a code of an interval that stands there twice is taken for none.
            said = (concept.text, *(coding.display for coding in concept.coding or ()))
            return product, " ".join(text for text in said if text)
        text = reference.display if reference is not None else None
        named = self._terms.drug_named(text) if text else None
        return (named, text) if named is not None and text is not None else None

    def read(
        self,
        chart: Chart,
        resource: Resource,
        medicine: tuple[Product, str],
        name: str | None,
        *,
        in_hand: bool = False,
    ) -> None:
        """Add a resource of a medicine; `in_hand` marks the hook's own drafts. Raises ValueError on a bad date."""
        product, text = medicine
        state = _state(resource, in_hand=in_hand)
        if state is None:
            chart.refused.append(
                Evidence(fact="medication", drug=product.drug, used=False, resource=name, reason="status")
            )
            return
        given = resource.resourceType == "MedicationAdministration"
        dosages = resource.dosage if isinstance(resource.dosage, list) else [resource.dosage] if resource.dosage else []
        dosages = resource.dosageInstruction or dosages
        start, end, supply_end = _span(resource, dosages)
        if start is not None and chart.in_future(start) and state != "planned":
            state = "planned"
        dose, unit = _dose(dosages, product, text)
        route = _route(self._terms, dosages) or product.route
        chart.uses.append(
            Use(
                drug=product.drug,
                state=state,
                start=start,
                end=end,
                dose=dose,
                unit=unit,
                interval_days=interval_days(dosages, text),
                route=route,
                given=given
                or (resource.resourceType == "MedicationStatement" and resource.effectiveDateTime is not None),
                in_hand=in_hand,
                resource=name,
                pieces=_pieces(dosages),
                source=resource.resourceType,
                supply_runs=supply_end is not None and supply_end.last >= chart.today,
            )
        )


def _state(resource: Resource, *, in_hand: bool) -> str | None:
    """active | planned | ended | stopped | unclear | not-taken; None for a status that does not count."""
    status = resource.status
    if status in _REFUSED or resource.doNotPerform:
        return None
    for coding in (resource.adherence.code.coding or ()) if resource.adherence and resource.adherence.code else ():
        if coding.code in _NOT_TAKING:
            return "not-taken"
    state = _STATES[resource.resourceType].get(status or "", "unclear")
    if state in ("active", "unclear") and (in_hand or resource.intent in _PLANS):
        return "planned"
    return state


def _span(resource: Resource, dosages: list[Dosage]) -> tuple[When | None, When | None, When | None]:
    """First day, stated last day, and the last day that the stated supply covers."""
    period = resource.effectivePeriod or resource.occurencePeriod or Period()
    start = when(period.start or resource.effectiveDateTime or resource.occurenceDateTime)
    end = when(period.end)
    if end is None and resource.resourceType == "MedicationAdministration" and resource.status != "in-progress":
        end = start
    for dosage in dosages:
        repeat = dosage.timing.repeat if dosage.timing else None
        bounds = repeat.boundsPeriod if repeat else None
        if bounds is not None:
            start = start or when(bounds.start)
            end = _later(end, when(bounds.end))
    start = start or when(resource.authoredOn) or when(resource.dateAsserted)
    supply = end
    if start is not None:
        for dosage in dosages:
            repeat = dosage.timing.repeat if dosage.timing else None
            if repeat and repeat.boundsDuration and (until := _after(start, repeat.boundsDuration, 1)):
                end = supply = _later(end, until)
    dispense = resource.dispenseRequest
    if dispense is not None:
        if start is not None and dispense.expectedSupplyDuration is not None:
            times = 1 + max(0, dispense.numberOfRepeatsAllowed or 0)
            supply = _later(supply, _after(start, dispense.expectedSupplyDuration, times))
        if dispense.validityPeriod is not None:
            supply = _later(supply, when(dispense.validityPeriod.end))
    return start, end, supply


def _later(one: When | None, other: When | None) -> When | None:
    if one is None or other is None:
        return one or other
    return one if one.last >= other.last else other


def _after(start: When, duration: Quantity, times: int) -> When | None:
    """The day a duration ends, by the calendar for months and years; None where its unit is not one of time."""
    unit = duration.code or duration.unit
    if duration.value is None or unit not in _intervals["units"]:
        return None
    value = duration.value * times
    try:
        if unit in ("mo", "a"):
            months = round(value * (12 if unit == "a" else 1))
            return When(add_months(start.first, months), add_months(start.last, months))
        days = timedelta(int(value * _intervals["units"][unit]))
        return When(start.first + days, start.last + days)
    except (ValueError, OverflowError):
        raise ValueError("not a length of time") from None


def _dose(dosages: list[Dosage], product: Product, text: str) -> tuple[float | None, str | None]:
    """One dose in mg or [iU]: as ordered, else what one piece of the product holds; None where unknown."""
    for dosage in dosages:
        quantity = _quantity(dosage)
        if quantity is not None and quantity.value is not None:
            return _amount(quantity.value, quantity.code or quantity.unit, product, text)
    for dosage in dosages:
        if dosage.text and (match := _TEXT_STRENGTH.search(dosage.text)):
            return _amount(float(match.group(1)), match.group(2), product, text)
    return _piece(product, text)


def _pieces(dosages: list[Dosage]) -> float | None:
    """Tablets, capsules or vials a dose; one where no quantity is stated, None where it is stated by weight."""
    for dosage in dosages:
        quantity = _quantity(dosage)
        if quantity is not None and quantity.value is not None:
            return quantity.value if _is_piece(quantity.code or quantity.unit) else None
    return 1.0


def _quantity(dosage: Dosage) -> Quantity | None:
    if dosage.dose is not None:
        return dosage.dose
    for rate in dosage.doseAndRate or ():
        if rate.doseQuantity is not None:
            return rate.doseQuantity
    return None


def _is_piece(unit: str | None) -> bool:
    return not unit or unit.casefold() in _PIECES


def _amount(value: float, unit: str | None, product: Product, text: str) -> tuple[float | None, str | None]:
    if _is_piece(unit):
        strength, strength_unit = _piece(product, text)
        return (value * strength, strength_unit) if strength is not None else (None, None)
    return _in_canonical(value, unit or "")


def _in_canonical(value: float, unit: str) -> tuple[float | None, str | None]:
    """A weight in mg, an activity in [iU]; None for any other unit."""
    folded = unit.casefold()
    if folded in _MASS:
        return value * _MASS[folded], "mg"
    return (value, "[iU]") if folded in _UNITS else (None, None)


def _piece(product: Product, text: str) -> tuple[float | None, str | None]:
    """What one tablet, syringe or vial holds: by its code, else by the one strength its text states."""
    if product.strength is not None:
        return product.strength, product.unit
    stated = {(float(number), unit.casefold()) for number, unit in _TEXT_STRENGTH.findall(text)}
    if len(stated) != 1:
        return None, None
    ((number, unit),) = stated
    return _in_canonical(number, unit)


def interval_days(dosages: list[Dosage], text: str = "") -> float | None:
    """Days between doses: `repeat`, else the timing's code, else a known phrase; None where nothing says it."""
    for dosage in dosages:
        repeat = dosage.timing.repeat if dosage.timing else None
        if repeat and repeat.period and repeat.period > 0 and repeat.periodUnit in _intervals["units"]:
            return float(repeat.period * _intervals["units"][repeat.periodUnit] / max(1, repeat.frequency or 1))
    for dosage in dosages:
        concept = dosage.timing.code if dosage.timing else None
        for coding in (concept.coding or ()) if concept else ():
            if coding.code and coding.code.upper() in _intervals["codes"]:
                return float(_intervals["codes"][coding.code.upper()])
        if concept and concept.text and (days := _phrase(concept.text)):
            return days
    for words in (*(dosage.text for dosage in dosages), text):
        if words and (days := _phrase(words)):
            return days
    return None


def _phrase(text: str) -> float | None:
    if text.strip().upper() in _intervals["codes"]:
        return float(_intervals["codes"][text.strip().upper()])
    found = _phrases.find_all(text)
    return found.pop() if len(found) == 1 else None


_routes = load_yaml(files("fhir_profiles").joinpath("routes.yaml"))
_route_codes: dict[str | None, str] = _routes["snomed"]
_route_words: dict[str, str] = {word.casefold(): route for word, route in _routes["words"].items()}


def _route(terms: Terminology, dosages: list[Dosage]) -> str | None:
    for dosage in dosages:
        route = dosage.route
        if route is None:
            continue
        for coding in route.coding or ():
            if coding.code in _route_codes and terms.system(coding.system) == "snomed":
                return _route_codes[coding.code]
            if (named := _route_words.get((coding.code or "").casefold())) is not None:
                return named
        if (named := _route_words.get((route.text or "").casefold())) is not None:
            return named
    return None
