"""What prefetch left out, from the client's FHIR server with the client's token: in parallel, within one deadline.

A key that is absent is asked for, a page that names a next one is followed. `null` and an OperationOutcome are answers:
the client has looked, and asking again would only repeat it (CDS Hooks 2.0, "Prefetch Template"). What is not had stays
as it was, never as if there were nothing. The token serves for these queries and is kept nowhere.
"""

import logging
import re
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final, Generic

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from cds_hooks.deadline import Deadline
from cds_hooks.discovery import Service
from cds_hooks.fetching import Fetching, Had
from cds_hooks.fhir_server import FhirServer, Servers
from cds_hooks.fhirpath import Scope
from cds_hooks.pages import Limits
from cds_hooks.prefetch import R, Received
from cds_hooks.queries import Query, queries
from cds_hooks.request import Authorization, HookRequest, Parser
from cds_hooks.scopes import Scopes
from cds_hooks.tally import Tally

__all__ = ["FhirAccess", "Grant"]

_log: Final = logging.getLogger(__name__)

# RFC 6750, 2.1: what a token is made of. Anything else would be another header.
_TOKEN: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the callers of one issuer may name: FHIR servers, and who we are to them.

    `client_id` is our OAuth client id, which a token must be for; None takes every token.
    """

    servers: Collection[FhirServer]
    client_id: str | None = None


class FhirAccess(Generic[R]):
    """Completes requests; one for all threads of a process.

    `grants` are by the issuer of the caller; under None stands that of callers who need not prove who they are. A
    request takes `seconds` at most, and has up to `threads` queries under way at once, all requests together.
    `trusted` is a file of certificates to trust instead of the public authorities.
    """

    def __init__(
        self,
        parser: Parser[R],
        grants: Mapping[str | None, Grant],
        *,
        seconds: float,
        limits: Limits,
        threads: int,
        today: Callable[[], date],
        trusted: str | None = None,
        on_fetched: Callable[[Mapping[str, str], float], None] = lambda ended, seconds: None,
    ) -> None:
        """`on_fetched` is told of each key that was asked for how that ended, and how long all of it took."""
        self._parser, self._seconds, self._limits, self._today = parser, seconds, limits, today
        self._on_fetched = on_fetched
        self._grants = {
            issuer: (grant.client_id, Servers(grant.servers, threads, trusted)) for issuer, grant in grants.items()
        }
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="fhir")
        self._queries: dict[str, Mapping[str, Query]] = {}
        self._tally = Tally()

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each cause has come up so far, one for each key that was not had."""
        return self._tally.counts

    def until(self) -> float:
        """When a request that came now is to be done with fetching, by the monotonic clock."""
        return time.monotonic() + self._seconds

    def complete(
        self,
        service: Service,
        request: HookRequest[R],
        body: bytes,
        until: float,
        only: Collection[str] | None = None,
    ) -> HookRequest[R]:
        """The request with what could be had of what it lacks, of the keys in `only` or of all keys.

        `body` is the request as received, `until` what `until()` said when it came. A request that lacks nothing, or
        names no server or has no token, comes back as it is.
        """
        if request.fhir_server is None or request.authorization is None:
            return request
        has = cache(lambda text: text in body)
        missing = {
            key: query
            for key, query in self._queries_of(service).items()
            if (only is None or key in only) and _is_missing(query, request, has)
        }
        if not missing:
            return request
        began = time.monotonic()
        try:
            fetching = self._fetching(request, request.fhir_server, request.authorization, missing, body)
        except _Refused as refused:
            had: Mapping[str, Had] = {
                key: Had(None, str(refused)) for key, query in missing.items() if not query.lookup
            }
        else:
            seconds = min(until - time.monotonic(), request.authorization.expires_in)
            with Deadline(seconds) as deadline:
                had = fetching.run(missing, service.required, self._threads, deadline)
        self._on_fetched({key: one.cause or "had" for key, one in had.items()}, time.monotonic() - began)
        return self._completed(request, self._queries_of(service), had)

    def _queries_of(self, service: Service) -> Mapping[str, Query]:
        if service.id not in self._queries:
            self._queries[service.id] = queries(service.prefetch, service.lookups)
        return self._queries[service.id]

    def _fetching(
        self,
        request: HookRequest[R],
        fhir_server: str,
        authorization: Authorization,
        missing: Mapping[str, Query],
        body: bytes,
    ) -> Fetching:
        client_id, servers = self._grants.get(None if request.caller is None else request.caller.iss, (None, None))
        server = None if servers is None else servers.find(fhir_server)
        if servers is None or server is None:
            raise _Refused("server-not-allowed")
        scopes = _checked(authorization, client_id, request.patient_id)
        document = _BODY.decode(body)
        sent = document.prefetch or {}
        needed = {key for query in missing.values() for key in query.needs}
        states = {key: received.state for key, received in request.received.items() if key in sent}
        try:
            context = msgspec.json.decode(document.context)
            values = {key: msgspec.json.decode(sent[key]) for key in needed if states.get(key) in ("told", "partial")}
        except RecursionError:
            raise _Refused("too-deep") from None
        return Fetching(
            servers,
            server,
            authorization.access_token,
            scopes,
            self._limits,
            Scope({**context, "patientId": request.patient_id}, values, self._today(), server.base),
            [key for key, received in request.received.items() if received.state == "told"],
            {key: sent[key] for key in missing if key in states},
        )

    def _completed(
        self, request: HookRequest[R], queries: Mapping[str, Query], had: Mapping[str, Had]
    ) -> HookRequest[R]:
        received = dict(request.received)
        unreadable = [one for one in request.unreadable if one.key not in had or had[one.key].value is None]
        causes: dict[str, str] = {}
        for key in (key for key in queries if key in had):
            one = had[key]
            if one.value is not None:
                found = self._parser.read(key, one.value, unreadable)
                received[key] = found if one.cause is None else Received("partial", found.entries)
            if one.cause is not None:
                causes[key] = one.cause
        for key in [key for key in causes if queries[key].lookup]:
            for name in queries[key].needs & received.keys():  # what refers to it is not all known without it
                if received[name].state == "told":
                    received[name] = Received("partial", received[name].entries)
        # In the order of the templates, not in that in which servers answer: the same data give the same answer.
        received = {key: received[key] for key in queries if key in received}
        if causes:
            for cause in causes.values():
                self._tally.add(cause)
            _log.warning("not had from the FHIR server: %s", ", ".join(f"{key} ({why})" for key, why in causes.items()))
        return replace(request, received=received, unreadable=tuple(unreadable), not_had={**request.not_had, **causes})


def _is_missing(query: Query, request: HookRequest[R], has: Callable[[bytes], bool]) -> bool:
    """Whether there is something to ask for: an absent key, a page of several, what others may refer to."""
    received = request.received.get(query.key)
    if query.lookup:
        absent = query.needs - request.received.keys()
        return received is None and (bool(absent) or query.may_ask(has))
    return received is None or received.state == "partial"


class _Refused(Exception):
    """Access that is not used; the text is one word for the cause."""


class _Body(Struct):
    context: Raw
    prefetch: dict[str, Raw] | None = None


_BODY: Final = msgspec.json.Decoder(_Body)


def _checked(authorization: Authorization, client_id: str | None, patient_id: str) -> Scopes:
    """What a token lets us do for this patient; _Refused when it is not for us, not for now or no token."""
    if authorization.expires_in <= 0:
        raise _Refused("expired")
    if client_id is not None and authorization.subject != client_id:
        raise _Refused("subject")
    if _TOKEN.fullmatch(authorization.access_token) is None:
        raise _Refused("token")
    # A token of one patient opens the record of no other, whatever the server makes of it.
    other = authorization.patient is not None and authorization.patient.removeprefix("Patient/") != patient_id
    return Scopes(authorization.scope, ("user", "system") if other else ("patient", "user", "system"))
