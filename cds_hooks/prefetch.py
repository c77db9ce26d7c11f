"""What each kind of received prefetch value means.

A key that is absent was not asked for by the client, and is absent here too. Every other value becomes a `Received`.
Source: CDS Hooks 2.0, "Prefetch Template", and for broken values what clients in the field send (an HTML page of a
proxy as a prefetch value: https://github.com/cds-hooks/docs/issues/5).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, Generic, Literal, Protocol, Self, TypeVar

import msgspec
from msgspec import Raw, Struct

__all__ = [
    "UNDECODABLE",
    "BundleEntry",
    "Entry",
    "FhirResource",
    "Pieces",
    "Received",
    "State",
    "Unreadable",
    "isolated",
    "received",
    "salvaged",
]

State = Literal["told", "partial", "failed"]

# All that decoding text that is UTF-8 can raise; ValidationError is a DecodeError.
UNDECODABLE: Final = (msgspec.DecodeError, RecursionError)


class _Search(Protocol):
    @property
    def mode(self) -> str | None: ...


class _Link(Protocol):
    @property
    def relation(self) -> str | None: ...


R_co = TypeVar("R_co", covariant=True)


class BundleEntry(Protocol[R_co]):
    """Bundle.entry, as far as the wire reads it."""

    @property
    def fullUrl(self) -> str | None: ...
    @property
    def resource(self) -> R_co | None: ...
    @property
    def search(self) -> _Search | None: ...


class FhirResource(Protocol):
    """What the wire reads of a FHIR resource; the caller's own msgspec structure has these members and others."""

    @property
    def resourceType(self) -> str: ...
    @property
    def id(self) -> str | None: ...
    @property
    def entry(self) -> Sequence[BundleEntry[Self]] | None: ...
    @property
    def link(self) -> Sequence[_Link] | None: ...
    @property
    def total(self) -> int | None: ...


R = TypeVar("R", bound=FhirResource)


class Entry(Struct, Generic[R], frozen=True, gc=False):
    """A resource, with the address under which others of its Bundle refer to it."""

    fullUrl: str | None
    resource: R


class Received(Struct, Generic[R], frozen=True, gc=False):
    """What one prefetch key brought.

    `told`: all there is, perhaps nothing. `partial`: `entries` are there, and more that we do not have.
    `failed`: the client tried and could not, or sent what is no resource.
    """

    state: State
    entries: tuple[Entry[R], ...] = ()


class Pieces(Struct):
    """A Bundle with its entries left as they are."""

    resourceType: str
    entry: list[Raw] | None = None


class Unreadable(Struct, frozen=True):
    """A resource that was received and could not be read; `position` is its place in its Bundle, from 0."""

    key: str
    resource_type: str | None
    id: str | None
    position: int | None


def received(key: str, value: R | None, unreadable: list[Unreadable]) -> Received[R]:
    """The meaning of a decoded value under a prefetch key; entries that hold no resource join `unreadable`."""
    if value is None:
        return Received("told")
    if value.resourceType == "OperationOutcome":
        return Received("failed")
    if value.resourceType != "Bundle":
        return Received("told", (Entry(None, value),))
    entries = value.entry or ()
    kept = _resources(key, enumerate(entries), unreadable)
    cut = value.total is not None and value.total > len(entries)
    more = value.link is not None and any(link.relation == "next" for link in value.link)
    return Received("partial" if cut or more or len(kept) < len(entries) else "told", kept)


def isolated(decoder: msgspec.json.Decoder[R | None], key: str, raw: Raw, unreadable: list[Unreadable]) -> Received[R]:
    """The meaning of a value that may be broken: a Bundle loses only the entries that cannot be read."""
    try:
        return received(key, decoder.decode(raw), unreadable)
    except UNDECODABLE:
        bundle = _bundle(raw)
    if bundle is None:
        unreadable.append(_label(key, None, raw, _RESOURCE))
        return Received("failed")
    known = len(unreadable)
    entries = salvaged(decoder, key, bundle, unreadable).entries
    if len(unreadable) == known:  # what could not be read is of the Bundle itself
        unreadable.append(Unreadable(key, "Bundle", None, None))
    return Received("partial", entries)


def salvaged(
    decoder: msgspec.json.Decoder[R | None], key: str, bundle: Pieces, unreadable: list[Unreadable]
) -> Received[R]:
    """The entries of a Bundle that can be read; the others join `unreadable`."""
    readable: list[tuple[int, BundleEntry[R]]] = []
    pieces = bundle.entry or ()
    for position, piece in enumerate(pieces):
        try:
            # A Bundle of this one entry, so that the same structure reads it.
            single = decoder.decode(b'{"resourceType":"Bundle","entry":[%b]}' % bytes(piece))
        except UNDECODABLE:
            unreadable.append(_label(key, position, piece, _ENTRY))
        else:
            readable += [(position, entry) for entry in (single and single.entry) or ()]
    kept = _resources(key, readable, unreadable)
    return Received("told" if len(kept) == len(pieces) else "partial", kept)


def _resources(
    key: str, entries: Iterable[tuple[int, BundleEntry[R]]], unreadable: list[Unreadable]
) -> tuple[Entry[R], ...]:
    """The entries that are data: a message about the search is left out, an entry that holds no resource reported."""
    kept: list[Entry[R]] = []
    for position, entry in entries:
        resource, search = entry.resource, entry.search
        if resource is None:
            unreadable.append(Unreadable(key, None, None, position))
        elif resource.resourceType == "Bundle":  # FHIR has none in a searchset, and nobody here would look inside
            unreadable.append(Unreadable(key, "Bundle", resource.id, position))
        elif resource.resourceType != "OperationOutcome" and (search is None or search.mode != "outcome"):
            kept.append(Entry(entry.fullUrl, resource))
    return tuple(kept)


def _bundle(raw: Raw) -> Pieces | None:
    try:
        bundle = _BUNDLE.decode(raw)
    except UNDECODABLE:
        return None
    return bundle if bundle.resourceType == "Bundle" else None


class _Resource(Struct):
    resourceType: Any = None
    id: Any = None


class _Entry(Struct):
    resource: _Resource


_BUNDLE: Final = msgspec.json.Decoder(Pieces)
_RESOURCE: Final = msgspec.json.Decoder(_Resource)
_ENTRY: Final = msgspec.json.Decoder(_Entry)

# Only what has the form that FHIR R4 prescribes is repeated to others, since the rest may be anything.
_RESOURCE_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")


def _label(
    key: str, position: int | None, raw: Raw, decoder: msgspec.json.Decoder[_Resource] | msgspec.json.Decoder[_Entry]
) -> Unreadable:
    """What can still be said of a broken resource: its type and id, where these are well formed."""
    try:
        decoded = decoder.decode(raw)
    except UNDECODABLE:
        return Unreadable(key, None, None, position)
    resource = decoded.resource if isinstance(decoded, _Entry) else decoded
    return Unreadable(key, _of_form(_RESOURCE_TYPE, resource.resourceType), _of_form(_ID, resource.id), position)


def _of_form(form: re.Pattern[str], value: Any) -> str | None:
    return value if isinstance(value, str) and form.fullmatch(value) else None
