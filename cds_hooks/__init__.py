"""CDS Hooks 2.0.1 for any service: the wire, and no medicine.

A service says what it offers (`Service`), how its FHIR resources are structured (`Parser`), and gives a function from
a `HookRequest` to the JSON of a `Response`; `blueprint` makes Flask routes of the three.
"""

from cds_hooks.blueprint import Answer, blueprint
from cds_hooks.card import (
    Action,
    Card,
    Coding,
    Link,
    OverrideReason,
    Response,
    Source,
    Suggestion,
    encode,
    well_formed,
)
from cds_hooks.discovery import Service
from cds_hooks.errors import BadRequest, PreconditionFailed, Refusal
from cds_hooks.hooks import HOOKS, ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, Hook
from cds_hooks.markdown import escape
from cds_hooks.prefetch import Entry, FhirResource, Received, Unreadable
from cds_hooks.request import Authorization, HookRequest, Parser

__all__ = [
    "HOOKS",
    "ORDER_SELECT",
    "ORDER_SIGN",
    "PATIENT_VIEW",
    "Action",
    "Answer",
    "Authorization",
    "BadRequest",
    "Card",
    "Coding",
    "Entry",
    "FhirResource",
    "Hook",
    "HookRequest",
    "Link",
    "OverrideReason",
    "Parser",
    "PreconditionFailed",
    "Received",
    "Refusal",
    "Response",
    "Service",
    "Source",
    "Suggestion",
    "Unreadable",
    "blueprint",
    "encode",
    "escape",
    "well_formed",
]
