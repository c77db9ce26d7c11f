"""The pages of one query: followed to the last, judged entry by entry, put together as one Bundle.

Servers ignore parameters they do not know and answer with everything: an entry counts only when it is of the type, the
patient and one of the codes that were asked for.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from cds_hooks.fhir_server import FhirServer, Unanswered
from cds_hooks.prefetch import UNDECODABLE
from cds_hooks.queries import Query

__all__ = ["Limits", "Pages"]


class Limits(Struct, frozen=True, kw_only=True):
    """What one query may cost: pages, bytes and resources in all."""

    pages: int
    bytes: int
    resources: int


class _Reference(Struct):
    reference: str | None = None


class _Coding(Struct):
    code: str | None = None
    system: str | None = None


class _Concept(Struct):
    coding: list[_Coding] | None = None


class _Resource(Struct):
    resourceType: str
    id: str | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None
    code: _Concept | None = None


class _Search(Struct):
    mode: str | None = None


class _Entry(Struct):
    resource: _Resource
    search: _Search | None = None


class _Link(Struct):
    relation: str | None = None
    url: str | None = None


class _Page(Struct):
    resourceType: str
    entry: list[Raw] | None = None
    link: list[_Link] | None = None
    total: int | None = None


_PAGE: Final = msgspec.json.Decoder(_Page)
_ENTRY: Final = msgspec.json.Decoder(_Entry)
_ONE: Final = msgspec.json.Decoder(_Resource)
_NOTHING: Final = Raw(b"null")


class Pages:
    """What a query has brought so far. One thread adds to it; another may look at any time."""

    def __init__(self, query: Query, server: FhirServer, patient_id: str, limits: Limits) -> None:
        self._query, self._server, self._patient_id, self._limits = query, server, patient_id, limits
        self._single: Raw | None = None
        self._entries: list[Raw] = []
        self._seen: set[str] = set()
        self._listed, self._total, self._answers, self._left = 0, 0, 0, limits.bytes
        self.complete = False
        self.cause: str | None = None

    @property
    def any(self) -> bool:
        """Whether any answer has come that could be read."""
        return self._answers > 0

    def value(self) -> Raw:
        """All that has come, as a prefetch key would have it: a resource, null or a searchset."""
        if self._single is not None:
            return self._single
        return Raw(b'{"resourceType":"Bundle","entry":[%b]}' % b",".join(map(bytes, self._entries)))

    def begin(self, received: Raw) -> str | None:
        """Take the page that the client sent; the address of the next one, None where there is none to be followed."""
        try:
            page = _PAGE.decode(received)
        except UNDECODABLE:
            return None
        self._entries += page.entry or ()
        self._listed += len(page.entry or ())
        try:
            return self._next(page)
        except Unanswered as error:
            self.cause = str(error)
            return None

    def follow(self, url: str | None, get: Callable[[str, int], bytes]) -> None:
        """Ask for the page at an address, and all after it; `get` gives at most so many bytes, or raises Unanswered."""
        try:
            while url is not None:
                if url in self._seen:
                    raise Unanswered("pages-in-a-circle")
                if len(self._seen) >= self._limits.pages:
                    raise Unanswered("too-many-pages")
                self._seen.add(url)
                url = self._read(get(url, self._left))
            if self._total > self._listed:
                raise Unanswered("fewer-than-announced")
        except Unanswered as error:
            self.cause = str(error)
        else:
            self.complete = True

    def _read(self, document: bytes) -> str | None:
        """Take an answer of the server; the address of the next page."""
        self._left -= len(document)
        try:
            if not document.isascii():
                document.decode()
            page = _PAGE.decode(document)
        except (UnicodeDecodeError, *UNDECODABLE):
            raise Unanswered("not-fhir") from None
        if page.resourceType == "OperationOutcome":
            raise Unanswered("operation-outcome")
        if not self._query.search:
            self._single = self._judged_single(Raw(document))
            self._answers += 1
            return None
        if page.resourceType != "Bundle":
            raise Unanswered("not-a-bundle")
        entries = page.entry or []
        room = max(0, self._limits.resources - self._listed)
        self._listed += len(entries)
        self._entries += [kept for entry in entries[:room] if (kept := self._judged(entry)) is not None]
        self._answers += 1
        if len(entries) > room:
            raise Unanswered("too-many-resources")
        return self._next(page)

    def _next(self, page: _Page) -> str | None:
        self._total = max(self._total, page.total or 0)
        link = next((link.url for link in page.link or () if link.relation == "next"), None)
        if link is None:
            return None
        url = self._server.page(link)
        if url is None:
            raise Unanswered("link-elsewhere")
        return url

    def _judged_single(self, document: Raw) -> Raw:
        try:
            resource = _ONE.decode(document)
        except UNDECODABLE:
            raise Unanswered("not-fhir") from None
        wanted = self._query.resource_type
        if resource.resourceType != wanted or (wanted == "Patient" and resource.id != self._patient_id):
            raise Unanswered("another-resource")
        return document

    def _judged(self, entry: Raw) -> Raw | None:
        """The entry, if it is one that was asked for; what cannot be judged is no resource to whoever reads on."""
        try:
            decoded = _ENTRY.decode(entry)
        except UNDECODABLE:
            return _NOTHING
        resource, search = decoded.resource, decoded.search
        if resource.resourceType == "OperationOutcome" or (search is not None and search.mode == "outcome"):
            return entry
        if resource.resourceType != self._query.resource_type:
            return None
        if self._query.codes and not self._has_code(resource.code):
            return None
        if not self._query.patient:
            return entry
        whose = [self._is_patient(one.reference) for one in (resource.subject, resource.patient) if one is not None]
        if True in whose:
            return entry
        return None if False in whose else _NOTHING

    def _has_code(self, code: _Concept | None) -> bool:
        codings = (code and code.coding) or ()
        return any(name in self._query.codes for one in codings for name in (one.code, f"{one.system}|{one.code}"))

    def _is_patient(self, reference: str | None) -> bool | None:
        """Whether a reference is to the patient; None when nobody can tell: this id elsewhere."""
        if reference is None:
            return None
        name = f"Patient/{self._patient_id}"
        bare = reference.partition("/_history/")[0]
        if bare == name or self._server.page(bare) == f"{self._server.base}/{name}":
            return True
        return None if bare.endswith(f"/{name}") or bare.startswith(("urn:", "#")) else False
