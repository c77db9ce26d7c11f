"""The hooks: what each one's context holds, and where its drafts lie.

Source: the CDS Hooks library, patient-view 1.0, order-select 1.0.2, order-sign 1.1.0, encounter-start 1.0,
medication-refill 0.1.0 and problem-list-item-create 0.1.0. A further hook is one more `Hook` here and one more schema
of the same name in `schemas/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = [
    "ENCOUNTER_START",
    "HOOKS",
    "MEDICATION_REFILL",
    "ORDER_SELECT",
    "ORDER_SIGN",
    "PATIENT_VIEW",
    "PROBLEM_LIST_ITEM_CREATE",
    "REPLACED",
    "Field",
    "Hook",
    "Kind",
]

Kind = Literal["patient", "id", "user", "references", "bundle"]


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a hook's context; `token` says whether a prefetch template may name it."""

    name: str
    kind: Kind
    required: bool = True
    token: bool = False


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook: its context, and the members that hold its drafts (orders, problems) and those selected among them."""

    name: str
    context: tuple[Field, ...]
    drafts: str | None = None
    selections: str | None = None

    @property
    def tokens(self) -> frozenset[str]:
        """The context members that a prefetch template of this hook may name."""
        return frozenset(field.name for field in self.context if field.token)


_USER = Field("userId", "user", token=True)
_NO_USER = Field("userId", "user", required=False, token=True)  # a renewal that a patient or a pharmacy asked for
_PATIENT = Field("patientId", "patient", token=True)
_ENCOUNTER = Field("encounterId", "id", required=False, token=True)
_THIS_ENCOUNTER = Field("encounterId", "id", token=True)
_SELECTIONS = Field("selections", "references")
_DRAFT_ORDERS = Field("draftOrders", "bundle")
_MEDICATIONS = Field("medications", "bundle")
_CONDITIONS = Field("conditions", "bundle")

PATIENT_VIEW: Final = Hook("patient-view", (_USER, _PATIENT, _ENCOUNTER))
ORDER_SELECT: Final = Hook(
    "order-select",
    (_USER, _PATIENT, _ENCOUNTER, _SELECTIONS, _DRAFT_ORDERS),
    drafts=_DRAFT_ORDERS.name,
    selections=_SELECTIONS.name,
)
ORDER_SIGN: Final = Hook("order-sign", (_USER, _PATIENT, _ENCOUNTER, _DRAFT_ORDERS), drafts=_DRAFT_ORDERS.name)
ENCOUNTER_START: Final = Hook("encounter-start", (_USER, _PATIENT, _THIS_ENCOUNTER))
MEDICATION_REFILL: Final = Hook(
    "medication-refill", (_NO_USER, _PATIENT, _ENCOUNTER, _MEDICATIONS), drafts=_MEDICATIONS.name
)
PROBLEM_LIST_ITEM_CREATE: Final = Hook(
    "problem-list-item-create", (_USER, _PATIENT, _ENCOUNTER, _CONDITIONS), drafts=_CONDITIONS.name
)

HOOKS: Final[Mapping[str, Hook]] = MappingProxyType(
    {
        hook.name: hook
        for hook in (
            PATIENT_VIEW,
            ORDER_SELECT,
            ORDER_SIGN,
            ENCOUNTER_START,
            MEDICATION_REFILL,
            PROBLEM_LIST_ITEM_CREATE,
        )
    }
)

# The hooks of CDS Hooks 1.0 that are no more, each with the one that took its place.
REPLACED: Final[Mapping[str, str]] = MappingProxyType(
    {"medication-prescribe": "order-select", "order-review": "order-sign"}
)
