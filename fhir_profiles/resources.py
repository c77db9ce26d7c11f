"""The shape of the resources we read: only the elements a fact needs, every one optional.

One structure stands for every resource type. A tagged union would refuse a Bundle as soon as it
holds a type we do not read, and a record is full of those; here such an entry decodes to its type
and id, and is passed over. Values that a reader needs and does not find are its own business:
it says so in a reason, see `fhir_profiles.chart`.

R4 and, where the two differ, R5 (`medication`, `occurence[x]`, `adherence`).
"""

from collections.abc import Callable, Collection

from msgspec import Struct

__all__ = [
    "CodeableConcept",
    "CodeableReference",
    "Coding",
    "Component",
    "Dosage",
    "Entry",
    "Extension",
    "Link",
    "Period",
    "Quantity",
    "Range",
    "Reference",
    "Resolve",
    "Resource",
    "Search",
    "Timing",
]


class Coding(Struct, gc=False):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Struct, gc=False):
    coding: list[Coding] | None = None
    text: str | None = None

    def texts(self) -> Collection[str]:
        """What a person may have written or read: the text, then the displays, each once (most repeat one another)."""
        found: dict[str, None] = {}
        if self.text:
            found[self.text] = None
        for coding in self.coding or ():
            if coding.display:
                found[coding.display] = None
        return found


class Reference(Struct, gc=False):
    reference: str | None = None
    display: str | None = None


class CodeableReference(Struct, gc=False):
    """R5 `medication`: a concept, or a reference to one."""

    concept: CodeableConcept | None = None
    reference: Reference | None = None


class Quantity(Struct, gc=False):
    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Range(Struct, gc=False):
    low: Quantity | None = None
    high: Quantity | None = None


class Period(Struct, gc=False):
    start: str | None = None
    end: str | None = None


class Repeat(Struct, gc=False):
    boundsPeriod: Period | None = None
    boundsDuration: Quantity | None = None
    frequency: int | None = None
    period: float | None = None
    periodMax: float | None = None
    periodUnit: str | None = None


class Timing(Struct, gc=False):
    repeat: Repeat | None = None
    code: CodeableConcept | None = None


class DoseAndRate(Struct, gc=False):
    doseQuantity: Quantity | None = None


class Dosage(Struct, gc=False):
    text: str | None = None
    timing: Timing | None = None
    route: CodeableConcept | None = None
    doseAndRate: list[DoseAndRate] | None = None
    dose: Quantity | None = None  # MedicationAdministration.dosage


class DispenseRequest(Struct, gc=False):
    validityPeriod: Period | None = None
    numberOfRepeatsAllowed: int | None = None
    expectedSupplyDuration: Quantity | None = None


class Ratio(Struct, gc=False):
    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Ingredient(Struct, gc=False):
    """Medication.ingredient; `item` is R5, `itemCodeableConcept` R4."""

    itemCodeableConcept: CodeableConcept | None = None
    item: CodeableReference | None = None
    strength: Ratio | None = None


class Component(Struct, gc=False):
    code: CodeableConcept | None = None
    valueQuantity: Quantity | None = None
    valueString: str | None = None
    valueCodeableConcept: CodeableConcept | None = None


class Extension(Struct, gc=False):
    url: str | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueReference: Reference | None = None


class Adherence(Struct, gc=False):
    """R5 MedicationStatement.adherence."""

    code: CodeableConcept | None = None


class Search(Struct, gc=False):
    mode: str | None = None


class Link(Struct, gc=False):
    relation: str | None = None
    url: str | None = None


class Entry(Struct, gc=False):
    """One entry of a Bundle; the address beside the resource resolves `urn:uuid:` references."""

    fullUrl: str | None = None
    resource: "Resource | None" = None
    search: Search | None = None


class Resource(Struct, gc=False):
    resourceType: str
    id: str | None = None
    status: str | None = None
    contained: "list[Resource] | None" = None
    extension: list[Extension] | None = None
    # Bundle
    entry: list[Entry] | None = None
    link: list[Link] | None = None
    total: int | None = None
    # Patient
    gender: str | None = None
    birthDate: str | None = None
    deceasedBoolean: bool | None = None
    deceasedDateTime: str | None = None
    # whose it is
    subject: Reference | None = None
    patient: Reference | None = None
    # Observation
    code: CodeableConcept | None = None
    bodySite: CodeableConcept | list[CodeableConcept] | None = None
    effectiveDateTime: str | None = None
    effectiveInstant: str | None = None
    effectivePeriod: Period | None = None
    valueQuantity: Quantity | None = None
    valueInteger: int | None = None
    valueString: str | None = None
    valueCodeableConcept: CodeableConcept | None = None
    component: list[Component] | None = None
    hasMember: list[Reference] | None = None
    referenceRange: list[Range] | None = None
    # Condition
    clinicalStatus: CodeableConcept | None = None
    verificationStatus: CodeableConcept | None = None
    onsetDateTime: str | None = None
    onsetPeriod: Period | None = None
    onsetAge: Quantity | None = None
    recordedDate: str | None = None
    # Procedure
    performedDateTime: str | None = None
    performedPeriod: Period | None = None
    occurrenceDateTime: str | None = None
    occurrencePeriod: Period | None = None
    # MedicationRequest, MedicationStatement, MedicationAdministration, Medication
    intent: str | None = None
    doNotPerform: bool | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    medication: CodeableReference | None = None
    authoredOn: str | None = None
    dateAsserted: str | None = None
    occurenceDateTime: str | None = None  # R5 spells MedicationAdministration.occurence so
    occurencePeriod: Period | None = None
    dosageInstruction: list[Dosage] | None = None
    dosage: list[Dosage] | Dosage | None = None
    dispenseRequest: DispenseRequest | None = None
    adherence: Adherence | None = None
    ingredient: list[Ingredient] | None = None

    @property
    def reference(self) -> str | None:
        """By what others refer to it on its own server, `Type/id`."""
        return f"{self.resourceType}/{self.id}" if self.id else None


# What a resource refers to by such a reference, where it is among those received.
Resolve = Callable[[Resource, str], Resource | None]
