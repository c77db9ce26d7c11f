"""The hooks: what each one's context holds, and where its orders lie.

Source: the CDS Hooks library, patient-view 1.0, order-select 1.0.2 and order-sign 1.1.0. A further hook is one more
`Hook` here and one more schema of the same name in `schemas/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["HOOKS", "ORDER_SELECT", "ORDER_SIGN", "PATIENT_VIEW", "Field", "Hook", "Kind"]

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
    """A hook: its context, and the members that hold its draft orders and the orders selected among them."""

    name: str
    context: tuple[Field, ...]
    orders: str | None = None
    selections: str | None = None

    @property
    def tokens(self) -> frozenset[str]:
        """The context members that a prefetch template of this hook may name."""
        return frozenset(field.name for field in self.context if field.token)


_USER = Field("userId", "user", token=True)
_PATIENT = Field("patientId", "patient", token=True)
_ENCOUNTER = Field("encounterId", "id", required=False, token=True)
_SELECTIONS = Field("selections", "references")
_DRAFT_ORDERS = Field("draftOrders", "bundle")

PATIENT_VIEW: Final = Hook("patient-view", (_USER, _PATIENT, _ENCOUNTER))
ORDER_SELECT: Final = Hook(
    "order-select",
    (_USER, _PATIENT, _ENCOUNTER, _SELECTIONS, _DRAFT_ORDERS),
    orders=_DRAFT_ORDERS.name,
    selections=_SELECTIONS.name,
)
ORDER_SIGN: Final = Hook("order-sign", (_USER, _PATIENT, _ENCOUNTER, _DRAFT_ORDERS), orders=_DRAFT_ORDERS.name)

HOOKS: Final[Mapping[str, Hook]] = MappingProxyType(
    {hook.name: hook for hook in (PATIENT_VIEW, ORDER_SELECT, ORDER_SIGN)}
)
