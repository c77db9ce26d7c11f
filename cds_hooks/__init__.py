"""CDS Hooks 2.0.1 for any service: the wire, and no medicine.

A service says what it offers (`Service`), how its FHIR resources are structured (`Parser`), and gives a function from
a `HookRequest` to the JSON of a `Response`; `blueprint` makes Flask routes of the three. `Trust` tells who calls,
`FhirAccess` fetches what a client left out.
"""

from cds_hooks.addresses import addresses, private_addresses, public_addresses
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
from cds_hooks.fhir_access import FhirAccess, Grant
from cds_hooks.fhir_server import FhirServer
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
from cds_hooks.key_server import FetchedKeys, Unfetched, download
from cds_hooks.keys import Key, Keys, KeysAway, PinnedKeys
from cds_hooks.markdown import escape
from cds_hooks.pages import Limits
from cds_hooks.prefetch import Entry, FhirResource, Received, Unreadable
from cds_hooks.replay import MemoryReplay, ReplayStore, ReplayStoreAway
from cds_hooks.request import Authorization, HookRequest, Parser
from cds_hooks.trust import Issuer, ReplayMode, Trust

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
    "FetchedKeys",
    "FhirAccess",
    "FhirResource",
    "FhirServer",
    "Grant",
    "Guard",
    "Hook",
    "HookRequest",
    "Issuer",
    "Key",
    "Keys",
    "KeysAway",
    "Limits",
    "Link",
    "MemoryReplay",
    "OverrideReason",
    "Parser",
    "PinnedKeys",
    "PreconditionFailed",
    "Reason",
    "Received",
    "Refusal",
    "ReplayMode",
    "ReplayStore",
    "ReplayStoreAway",
    "Response",
    "Service",
    "Source",
    "Suggestion",
    "TakeFeedback",
    "Trust",
    "Unauthorized",
    "Unavailable",
    "Unfetched",
    "Unreadable",
    "addresses",
    "blueprint",
    "build_all",
    "download",
    "encode",
    "escape",
    "private_addresses",
    "public_addresses",
    "read_feedback",
    "well_formed",
]
