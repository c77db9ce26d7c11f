"""Drafts of FHIR before R4, told by what only the older releases have.

They are refused: what stands under the same name in another release has another form or meaning, and to pass over an
order that cannot be read would be answered with no cards, which reads as "all clear". What looks the same in every
release (a STU3 MedicationRequest may) is read as R4.
Source: the R4 pages of MedicationRequest, ServiceRequest and Condition, "R3 Diff".
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from cds_hooks.errors import Issue

__all__ = ["older_drafts"]

# What orders were called before R4, with the last release that had the name.
_OLDER_TYPES: Final[Mapping[str, str]] = {
    "MedicationOrder": "DSTU2",
    "DiagnosticOrder": "DSTU2",
    "DeviceUseRequest": "DSTU2",
    "ProcedureRequest": "STU3",
    "ReferralRequest": "STU3",
}


class _Draft(Struct):
    """Members whose form tells the release; of any type, since a broken one tells nothing."""

    resourceType: Any = None
    clinicalStatus: Any = None
    verificationStatus: Any = None
    context: Any = None
    requester: Any = None


class _Entry(Struct):
    resource: _Draft


_ENTRY: Final = msgspec.json.Decoder(_Entry)


def older_drafts(member: str, entries: Iterable[Raw]) -> Iterator[Issue]:
    """An issue for each entry of the context's Bundle `member` that holds a resource of DSTU2 or STU3."""
    for position, entry in enumerate(entries):
        try:
            draft = _ENTRY.decode(entry).resource
        except msgspec.DecodeError:
            continue  # whoever reads the drafts reports what cannot be read
        kind, release = draft.resourceType, _release(draft)
        if release is not None:
            path = f"context.{member}.entry[{position}].resource"
            yield Issue(
                code="not-supported",
                text=f"{path}: received a {kind} of FHIR {release}; expected a resource of FHIR R4.",
                expression=path,
            )


def _release(draft: _Draft) -> str | None:
    """The release that a draft gives away, None for R4 or later."""
    kind = draft.resourceType
    if not isinstance(kind, str):
        return None
    if kind == "Condition" and (isinstance(draft.clinicalStatus, str) or isinstance(draft.verificationStatus, str)):
        return "STU3 or DSTU2"  # a code, which R4 made a concept
    if kind == "MedicationRequest" and (
        draft.context is not None or (isinstance(draft.requester, dict) and "agent" in draft.requester)
    ):
        return "STU3"  # R4 has `encounter`, and a reference as the requester
    return _OLDER_TYPES.get(kind)
