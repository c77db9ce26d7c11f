"""The drafts of a request as they were received: a correction sends a draft back with every member that it had."""

import re
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Raw, Struct

__all__ = ["AsReceived"]


class _Drafts(Struct):
    entry: list[Raw] | None = None


class _Body(Struct):
    """Where the drafts of a request lie, each as it was received."""

    context: dict[str, Raw]


class _Entry(Struct):
    resource: dict[str, Any]


class _Named(Struct):
    resourceType: Any = None
    id: Any = None


class _NamedEntry(Struct):
    resource: _Named


_FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


class AsReceived:
    """The drafts of a request as they were received, every member of them."""

    def __init__(self, body: bytes, member: str | None) -> None:
        """`member` is the one of the context that holds the drafts."""
        self._body, self._member = body, member

    def __call__(self, name: str) -> dict[str, Any] | None:
        """The draft of a name; None where nobody could refer to it, and where not all of it can be read."""
        if _FHIR_ID.fullmatch(name.partition("/")[2]) is None or name not in self._entries:
            return None
        try:
            return msgspec.json.decode(self._entries[name], type=_Entry).resource
        except msgspec.DecodeError:
            return None  # what cannot be read whole is not sent back in part

    @cached_property
    def _entries(self) -> dict[str, Raw]:
        if self._member is None:
            return {}
        drafts = msgspec.json.decode(msgspec.json.decode(self._body, type=_Body).context[self._member], type=_Drafts)
        found: dict[str, Raw] = {}
        for entry in drafts.entry or ():
            try:
                named = msgspec.json.decode(entry, type=_NamedEntry).resource
            except msgspec.DecodeError:
                continue  # a neighbour may be anything
            found.setdefault(f"{named.resourceType}/{named.id}", entry)
        return found
