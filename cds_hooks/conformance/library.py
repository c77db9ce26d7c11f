"""The hooks that are published: what a request's context holds, and which members a template may name.

Source: HL7/cds-hooks-library 5d04c4d (2026), by hook. A hook that is not here may be anyone's own: nothing is then
known of its context, and nothing is demanded of it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["HOOKS", "Context"]

_STAFF: Final = ("Practitioner", "PractitionerRole")
_ANYONE: Final = (*_STAFF, "Patient", "RelatedPerson")


class Context(NamedTuple):
    """A hook's context: its members, which of them are prefetch tokens, and who its user can be."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    tokens: frozenset[str]
    users: tuple[str, ...] = _STAFF

    @property
    def members(self) -> frozenset[str]:
        """Every member of the context."""
        return frozenset(self.required + self.optional)


_USER, _PATIENT, _ENCOUNTER = "userId", "patientId", "encounterId"
_IDS: Final = frozenset({_USER, _PATIENT, _ENCOUNTER})


def _context(*required: str, optional: tuple[str, ...] = (_ENCOUNTER,), users: tuple[str, ...] = _STAFF) -> Context:
    """A context in which the three ids are the tokens."""
    return Context(required, optional, _IDS & {*required, *optional}, users)


HOOKS: Final[Mapping[str, Context]] = MappingProxyType(
    {
        "patient-view": _context(_USER, _PATIENT, users=_ANYONE),
        "order-select": _context(_USER, _PATIENT, "selections", "draftOrders"),
        "order-sign": _context(_USER, _PATIENT, "draftOrders"),
        "order-dispatch": Context(
            (_PATIENT, "dispatchedOrders", "performer"),
            ("fulfillmentTasks",),
            frozenset({_PATIENT, "dispatchedOrders", "performer"}),
        ),
        "encounter-start": _context(_USER, _PATIENT, _ENCOUNTER, optional=()),
        "encounter-discharge": _context(_USER, _PATIENT, _ENCOUNTER, optional=()),
        "appointment-book": _context(_USER, _PATIENT, "appointments", users=_ANYONE),
        "medication-refill": _context(_PATIENT, "medications", optional=(_USER, _ENCOUNTER)),
        "problem-list-item-create": _context(_USER, _PATIENT, "conditions"),
        "allergyintolerance-create": _context(_USER, _PATIENT, "allergyIntolerance"),
        "medication-verify": _context(_USER, _PATIENT, "medication"),
        # Deprecated, and still fired by some: the names of before order-select and order-sign.
        "medication-prescribe": _context(_USER, _PATIENT, "medications"),
        "order-review": _context(_USER, _PATIENT, "orders"),
    }
)
