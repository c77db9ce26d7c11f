"""CDS Hooks 2.0.1 for any service: the wire, and no medicine.

A service says what it offers (`Service`), how its FHIR resources are structured (`Parser`), and gives a function from
a `HookRequest` to the JSON of a `Response`; `blueprint` makes Flask routes of the three. Two parts stand in their own
modules only, since not every service needs them and what they load is large (cryptography, requests): who calls
(`trust`, `keys`, `key_server`), and what a client left out (`fhir_access`, `fhir_server`).
"""

from cds_hooks.blueprint import Answer, blueprint
from cds_hooks.caller import Authenticate, Caller
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
from cds_hooks.discovery import PATH, Service
from cds_hooks.errors import BadRequest, PreconditionFailed, Refusal, Unauthorized, Unavailable
from cds_hooks.feedback import Feedback, Reason, TakeFeedback, read_feedback
from cds_hooks.guard import Guard, build_all
from cds_hooks.hooks import (
    ENCOUNTER_START,
    HOOKS,
    MEDICATION_REFILL,
    ORDER_SELECT,
    ORDER_SIGN,
    PATIENT_VIEW,
    PROBLEM_LIST_ITEM_CREATE,
    Hook,
)
from cds_hooks.markdown import escape
from cds_hooks.prefetch import Entry, FhirResource, Received, Unreadable
from cds_hooks.replay import MemoryReplay, ReplayStore, ReplayStoreAway
from cds_hooks.request import Authorization, HookRequest, Parser

__all__ = [
    "ENCOUNTER_START",
    "HOOKS",
    "MEDICATION_REFILL",
    "ORDER_SELECT",
    "ORDER_SIGN",
    "PATH",
    "PATIENT_VIEW",
    "PROBLEM_LIST_ITEM_CREATE",
    "Action",
    "Answer",
    "Authenticate",
    "Authorization",
    "BadRequest",
    "Caller",
    "Card",
    "Coding",
    "Entry",
    "Feedback",
    "FhirResource",
    "Guard",
    "Hook",
    "HookRequest",
    "Link",
    "MemoryReplay",
    "OverrideReason",
    "Parser",
    "PreconditionFailed",
    "Reason",
    "Received",
    "Refusal",
    "ReplayStore",
    "ReplayStoreAway",
    "Response",
    "Service",
    "Source",
    "Suggestion",
    "TakeFeedback",
    "Unauthorized",
    "Unavailable",
    "Unreadable",
    "blueprint",
    "build_all",
    "encode",
    "escape",
    "read_feedback",
    "well_formed",
]
