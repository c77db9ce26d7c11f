"""From received resources to a chart: whose they are, what they refer to, who reads them.

Resources of another patient are ignored. The same resource under two keys counts once. A draft with
the id of a listed order replaces it. One broken resource spoils nothing but itself.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from math import inf
from operator import attrgetter
from typing import Any, Protocol

from msgspec import json

from fhir_profiles.chart import Chart, Evidence, Measurement, Person
from fhir_profiles.conditions import ConditionReader, settle_fractures
from fhir_profiles.dates import when
from fhir_profiles.medications import MedicationReader
from fhir_profiles.observations import ObservationReader
from fhir_profiles.resources import Reference, Resolve, Resource
from fhir_profiles.terminology import Terminology, terminology

__all__ = ["RecordReader"]

_MEDICATION = frozenset({"MedicationRequest", "MedicationStatement", "MedicationAdministration"})
_IN_HAND = _MEDICATION | {"Condition"}
_DRAFTED = _IN_HAND | {"ServiceRequest"}


class Filed(Protocol):
    """A resource as it lay in a Bundle, under the address by which others of the Bundle refer to it."""

    @property
    def fullUrl(self) -> str | None: ...
    @property
    def resource(self) -> Resource | None: ...


class RecordReader:
    """Reads a patient's resources; built once from the data folder and shared by every request."""

    def __init__(self, terms: Terminology | None = None) -> None:
        self.terms = terms or terminology()
        self._observations = ObservationReader(self.terms)
        self._conditions = ConditionReader(self.terms)
        self._medications = MedicationReader(self.terms)
        # By type, what looks into a resource for something that we read: asked first, since most of a record has none.
        self._found: dict[str, Callable[[Resource, Resolve], Any]] = {
            "Observation": self._observations.results,
            "Condition": self._conditions.keys,
            "Procedure": self._conditions.keys,
            **dict.fromkeys(_MEDICATION, self._medications.medicine),
            "ServiceRequest": _requested,
        }

    def drafts_known(self, drafts: Iterable[Filed], others: Sequence[Filed] = ()) -> bool:
        """Whether any draft is of a medicine or a problem that we know; looked at before anything else.

        `others` are the resources that a draft may refer to.
        """
        follow = _Index(others).follow
        return any(
            draft is not None and draft.resourceType in _IN_HAND and self._found[draft.resourceType](draft, follow)
            for draft in (entry.resource for entry in drafts)
        )

    def read(
        self,
        patient_id: str,
        entries: Sequence[Filed],
        told: Iterable[str],
        today: date,
        *,
        drafts: Sequence[Filed] = (),
        unreadable: int = 0,
    ) -> Chart | None:
        """The chart of one patient on one day; None when the patient is not among the resources.

        `entries` are the resources of every prefetch key, `told` the keys that were answered,
        `drafts` the orders and problems in hand, `unreadable` how many resources could not be decoded.
        """
        index = _Index([*entries, *drafts])
        hers = [
            entry
            for entry in entries
            if (resource := entry.resource) and resource.id == patient_id and resource.resourceType == "Patient"
        ]
        patient = next((entry.resource for entry in hers), None)
        if patient is None:
            return None
        chart = Chart(today, _person(patient), frozenset(told), unreadable=unreadable)
        if patient.birthDate and chart.person.birth is None:
            chart.refused.append(Evidence(fact="age", used=False, resource=patient.reference, reason="bad-date"))
        addresses = {patient_id, f"Patient/{patient_id}", *(entry.fullUrl for entry in hers if entry.fullUrl)}
        in_hand = [
            entry.resource
            for entry in drafts
            if entry.resource and entry.resource.resourceType in _DRAFTED and _belongs(entry.resource, addresses)
        ]
        replaced = {draft.reference for draft in in_hand if draft.id and draft.resourceType in _IN_HAND}
        panels, follow = index.panels(), index.follow
        seen: dict[str, Resource | set[bytes]] = {}
        for entry in entries:
            resource = entry.resource
            if resource is None or (look := self._found.get(resource.resourceType)) is None:
                continue
            found = look(resource, follow)
            if not found or not _belongs(resource, addresses):
                continue
            name = resource.reference
            if name is not None:
                if name in replaced and resource.resourceType == "Condition":
                    continue
                if seen.setdefault(name, resource) is not resource and _again(resource, name, seen):
                    continue
            panel = (panels.get(name or "") or panels.get(entry.fullUrl or "")) if panels else None
            self._read_one(chart, resource, found, name, follow, panel)
        listed = chart.uses
        chart.uses = [use for use in listed if use.resource not in replaced]
        chart.uses_without_drafts = listed
        for draft in in_hand:
            if found := self._found[draft.resourceType](draft, follow):
                self._read_one(chart, draft, found, draft.reference, follow, in_hand=True)
        settle_fractures(chart)
        for measured in chart.measurements.values():
            _sort(measured)
        return chart

    def _read_one(
        self,
        chart: Chart,
        resource: Resource,
        found: Any,
        name: str | None,
        follow: Resolve,
        panel: Resource | None = None,
        *,
        in_hand: bool = False,
    ) -> None:
        kind = resource.resourceType
        try:
            if kind == "Observation":
                self._observations.read(chart, resource, found, name, panel)
            elif kind == "Condition":
                self._conditions.read_condition(chart, resource, found, name, follow)
            elif kind == "Procedure":
                self._conditions.read_procedure(chart, resource, found, name)
            elif kind == "ServiceRequest":
                chart.requested |= found
            else:
                self._medications.read(chart, resource, found, name, in_hand=in_hand)
        except ValueError:
            chart.refused.append(Evidence(fact=_FAMILY[kind], used=False, resource=name, reason="bad-date"))


_DAY = attrgetter("taken")
_RESULT = attrgetter("taken", "value", "comparator")


def _sort(measured: list[Measurement]) -> None:
    """By day; of two equal results of one day the same one counts, in whatever order they came."""
    if len(measured) > 1:
        # Few results share a day, fewer a value: the laboratory's limits are converted each time they are asked for.
        for key in (_DAY, _RESULT):
            if len(set(map(key, measured))) == len(measured):
                measured.sort(key=key)
                return
        measured.sort(key=_in_order)


def _in_order(result: Measurement) -> tuple[Any, ...]:
    limits = (-inf if end is None else end for end in (result.low, result.high))
    return (*_RESULT(result), *limits, result.resource or "")


# What a resource is called where its date is none.
_FAMILY = {
    "Observation": "observation",
    "Condition": "condition",
    "Procedure": "procedure",
    "MedicationRequest": "medication",
    "MedicationStatement": "medication",
    "MedicationAdministration": "medication",
}

# A request that was carried out counts until its result is there; one that was revoked or entered in error does not.
_REQUESTED = frozenset({"draft", "active", "on-hold", "completed"})


def _requested(request: Resource, _: Resolve) -> set[tuple[str, str]]:
    if request.status not in _REQUESTED or request.doNotPerform or request.code is None:
        return set()
    return {(c.system, c.code) for c in request.code.coding or () if c.system and c.code}


class _Index:
    """Resources by the addresses that references use; built only when a reference must be followed."""

    def __init__(self, entries: Sequence[Filed]) -> None:
        self._entries = entries
        self._found: dict[str, Resource] | None = None
        # By the identity of the resource that contains them: it lives as long as the request.
        self._contained: dict[int, dict[str, Resource]] = {}

    def _by_address(self) -> dict[str, Resource]:
        if self._found is None:
            self._found = {}
            for entry in self._entries:
                if entry.resource is None:
                    continue
                for address in (entry.fullUrl, entry.resource.reference):
                    if address:
                        self._found.setdefault(address, entry.resource)
        return self._found

    def follow(self, owner: Resource, reference: str) -> Resource | None:
        """What `owner` refers to: contained, or by urn:uuid, relative or absolute address, with or without version."""
        if reference.startswith("#"):
            parts = self._contained.get(id(owner))
            if parts is None:
                parts = self._contained[id(owner)] = {}
                for part in owner.contained or ():
                    parts.setdefault(part.id or "", part)
            return parts.get(reference[1:])
        reference = reference.partition("/_history/")[0]
        found = self._by_address()
        return found.get(reference) or found.get("/".join(reference.rsplit("/", 2)[-2:]))

    def panels(self) -> dict[str, Resource]:
        """The Observation that lists another under `hasMember`, by the member's address."""
        found: dict[str, Resource] = {}
        for entry in self._entries:
            if entry.resource is not None and entry.resource.hasMember:
                for member in entry.resource.hasMember:
                    if member.reference:
                        found[member.reference] = entry.resource
                        found["/".join(member.reference.rsplit("/", 2)[-2:])] = entry.resource
        return found


def _again(resource: Resource, name: str, seen: dict[str, Resource | set[bytes]]) -> bool:
    """Whether the same resource was there before under its name; another one is a resource of its own."""
    first = seen[name]
    # Compared as bytes in a set: ten thousand different resources of one name must not be compared each with each.
    versions = seen[name] = first if isinstance(first, set) else {json.encode(first)}
    form = json.encode(resource)
    if form in versions:
        return True
    versions.add(form)
    return False


def _belongs(resource: Resource, addresses: set[str]) -> bool:
    """Whether a resource is about this patient; one that names nobody came from a query by patient."""
    owner: Reference | None = resource.subject or resource.patient
    if owner is None or owner.reference is None:
        return True
    if owner.reference in addresses:
        return True
    reference = owner.reference.partition("/_history/")[0]
    if reference in addresses:
        return True
    kind, _, identity = reference.removeprefix("urn:uuid:").rpartition("/")
    return identity in addresses and (kind == "" or kind.endswith("Patient"))


def _person(patient: Resource) -> Person:
    try:
        birth = when(patient.birthDate)
    except ValueError:
        birth = None
    dead = bool(patient.deceasedBoolean or patient.deceasedDateTime)
    return Person(birth, patient.gender if patient.gender in ("female", "male") else None, dead)
