"""The service under test, as it shows itself from outside: an address, sample requests, and every answer it gave."""

import copy
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, Protocol, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import requests

from cds_hooks.conformance.fhir_server import FhirServer
from cds_hooks.conformance.samples import Sample

__all__ = ["ABSENT", "NOT_JSON", "Kind", "Minter", "NotApplicable", "Reply", "Service", "Target", "strict_json"]

Kind = Literal["discovery", "invocation", "preflight", "feedback", "elsewhere"]
T = TypeVar("T")

PATH: Final = "/cds-services"
JSON: Final = "application/json"


class _Mark:
    """A value that no JSON document holds."""


NOT_JSON: Final = _Mark()
ABSENT: Final = _Mark()
_MINT: Final = _Mark()


class NotApplicable(Exception):
    """The rule says nothing about this target; the text says why."""


class Minter(Protocol):
    """Makes a client's token for a URL, its `aud`; `claims` are added to the payload or replace a part of it."""

    def __call__(self, url: str, /, **claims: Any) -> str: ...


def strict_json(body: bytes) -> Any:
    """The document in some bytes of JSON as RFC 8259 has it, or NOT_JSON."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return NOT_JSON


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a member is there twice")
    return found


@dataclass(frozen=True)
class Reply:
    """One answer; `about` says to what, without a datum of a sample."""

    about: str
    kind: Kind
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @cached_property
    def document(self) -> Any:
        """The body as JSON, or NOT_JSON."""
        return strict_json(self.body)

    @cached_property
    def media_type(self) -> str:
        """What Content-Type says, without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def cards(self) -> list[Any]:
        """The cards of an answer that has a list of them."""
        cards = self.document.get("cards") if isinstance(self.document, dict) else None
        return cards if isinstance(cards, list) else []

    def unlike(self, *statuses: int) -> str:
        """What to say of an answer whose status is none of these."""
        return f"{self.about}: answered {self.status}, expected {' or '.join(map(str, statuses))}"


@dataclass(frozen=True)
class Service:
    """One service of the target: what discovery says of it, and the sample request to call it with."""

    id: str
    hook: str
    prefetch: Mapping[str, Any]
    sample: Sample | None

    @property
    def path(self) -> str:
        return f"{PATH}/{quote(self.id, safe='')}"

    @property
    def required(self) -> tuple[str, ...]:
        """The prefetch keys without which it cannot answer, as far as the sample says."""
        return self.sample.required if self.sample else ()

    @property
    def drafts(self) -> frozenset[str]:
        """The resources in the Bundles of the sample's context, each as Type/id."""
        return self.sample.drafts if self.sample else frozenset()

    @property
    def keys(self) -> tuple[str, ...]:
        """The prefetch keys it asks for; where discovery says nothing of it, those that the sample has."""
        return tuple(self.prefetch or (self.sample.prefetch if self.sample else ()))

    def request(self) -> dict[str, Any]:
        """A copy of the sample request as a new call."""
        assert self.sample is not None
        body = copy.deepcopy(dict(self.sample.members))
        body.update(
            hook=self.hook,
            hookInstance=str(uuid4()),
            context=copy.deepcopy(dict(self.sample.context)),
            prefetch=copy.deepcopy(dict(self.sample.prefetch)),
        )
        return body

    def variant(self, key: str, value: Any) -> dict[str, Any]:
        """The sample request with another value (ABSENT: none) under a prefetch key, and no way to a FHIR server."""
        body = self.without_access()
        body["prefetch"].pop(key, None)
        if value is not ABSENT:
            body["prefetch"][key] = value
        return body

    def without_access(self) -> dict[str, Any]:
        """The sample request with prefetch alone."""
        body = self.request()
        for member in ("fhirServer", "fhirAuthorization"):
            body.pop(member, None)
        return body


@dataclass
class Target:
    """A CDS service at `base`, the address to which `/cds-services` is added.

    `minter` makes the tokens of a target that demands authentication; `origin` is a web origin that the target allows;
    `oversize` is the length of a body that it should find too long; `fhir_server` is one of ours, listening, which the
    target is set to trust.
    """

    base: str
    samples: Sequence[Sample] = ()
    session: requests.Session | None = None
    minter: Minter | None = None
    origin: str = "https://sandbox.cds-hooks.org"
    timeout: float = 10
    oversize: int = 16 * 1024 * 1024
    fhir_server: FhirServer | None = None
    clock: Callable[[], float] = time.monotonic
    replies: list[Reply] = field(default_factory=list, init=False)
    _kept: dict[object, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.base = self.base.rstrip("/")
        self._session = self.session or requests.Session()

    def once(self, name: object, make: Callable[[], T]) -> T:
        """What `make` gives, made once for each name."""
        if name not in self._kept:
            self._kept[name] = make()
        kept: T = self._kept[name]
        return kept

    def send(
        self,
        method: str,
        path: str,
        about: str,
        kind: Kind,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | _Mark | None = _MINT,
    ) -> Reply:
        """Call the target as a client of it: from a web origin, with a token if it demands one (None: without).

        Redirections are answers like others. Raises requests.RequestException when no answer comes.
        """
        url = self.base + path
        sent = {"Accept": JSON, "Origin": self.origin, **(headers or {})}
        if token is _MINT:
            token = self.minter(url) if self.minter else None
        if isinstance(token, str):
            sent["Authorization"] = f"Bearer {token}"
        start = self.clock()
        response = self._session.request(
            method, url, data=body, headers=sent, timeout=self.timeout, allow_redirects=False
        )
        seconds = self.clock() - start
        reply = Reply(about, kind, response.status_code, response.headers, response.content, seconds)
        self.replies.append(reply)
        return reply

    # -- discovery ---------------------------------------------------------------------------------

    def discovery(self) -> Reply:
        """The answer to discovery, asked for once."""
        return self.once("discovery", lambda: self.send("GET", PATH, "discovery", "discovery"))

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What discovery lists, as far as it is a list of objects. NotApplicable when there is none."""
        reply = self.discovery()
        document = reply.document if reply.status == 200 else None
        listed = document.get("services") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise NotApplicable("there is no discovery document with a list of services")
        return [entry for entry in listed if isinstance(entry, dict)]

    def services(self) -> list[Service]:
        """The services that can be called: those of discovery, and those that a sample names itself."""
        return self.once("services", lambda: list(self._services()))

    def _services(self) -> Iterable[Service]:
        try:
            entries = self.entries
        except NotApplicable:
            entries = []
        found = set()
        for entry in entries:
            id, hook, prefetch = entry.get("id"), entry.get("hook"), entry.get("prefetch")
            if isinstance(id, str) and isinstance(hook, str) and id and (id, hook) not in found:
                found.add((id, hook))
                templates = prefetch if isinstance(prefetch, dict) else {}
                yield Service(id, hook, templates, self._sample(id, hook))
        for sample in self.samples:
            if sample.service is not None and (sample.service, sample.hook) not in found:
                yield Service(sample.service, sample.hook, {}, sample)

    def _sample(self, id: str, hook: str) -> Sample | None:
        """The sample made for a service, else one for any service on its hook."""
        fitting = [sample for sample in self.samples if sample.hook == hook and sample.service in (id, None)]
        return max(fitting, key=lambda sample: sample.service is not None, default=None)

    def sampled(self) -> list[Service]:
        """The services that can be called with a sample request. NotApplicable when there is none."""
        found = [service for service in self.services() if service.sample is not None]
        if not found:
            raise NotApplicable("there is no sample request for any of its services")
        return found

    def answering(self) -> list[Service]:
        """The services that answer their sample request, which others are compared with. NotApplicable without any."""
        found = [service for service in self.sampled() if self.answer(service).status == 200]
        if not found:
            raise NotApplicable("no sample request was answered with 200")
        return found

    # -- invocation --------------------------------------------------------------------------------

    def invoke(
        self,
        service: Service,
        body: Mapping[str, Any] | bytes,
        about: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | _Mark | None = _MINT,
    ) -> Reply:
        """Call a service; `about` is joined to its id in what is said of the answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": JSON, **(headers or {})}
        return self.send(
            "POST", service.path, f"{service.id}, {about}", "invocation", body=raw, headers=sent, token=token
        )

    def answer(self, service: Service) -> Reply:
        """The answer to the sample request as it is, asked for once."""
        return self.once(
            (service.id, service.hook), lambda: self.invoke(service, service.request(), "the sample request")
        )

    def answers(self) -> list[Reply]:
        """Every answer with 200 to an invocation so far, the sample requests' among them; of like ones the first."""
        for service in self.sampled():
            self.answer(service)
        return [reply for reply in self.different() if reply.kind == "invocation" and reply.status == 200]

    def different(self) -> list[Reply]:
        """Every answer so far, but of those that differ in nothing the first alone."""
        found: dict[tuple[object, ...], Reply] = {}
        for reply in self.replies:
            found.setdefault((reply.kind, reply.status, reply.media_type, reply.body), reply)
        return list(found.values())

    @property
    def is_local(self) -> bool:
        """Whether the target is on this machine."""
        host = urlsplit(self.base).hostname or ""
        return host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")
