"""The queries of one request: begun as soon as what they need is there, in parallel, until all is had or time is up."""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Raw

from cds_hooks.deadline import Deadline
from cds_hooks.fhir_server import FhirServer, Servers
from cds_hooks.fhirpath import Scope
from cds_hooks.pages import Limits, Pages
from cds_hooks.queries import Query, Unresolved
from cds_hooks.scopes import Leave, Scopes

__all__ = ["Fetching", "Had"]


@dataclass(slots=True)
class Had:
    """What is had for a key: its value, None for nothing; `cause` says why it is not all."""

    value: Raw | None
    cause: str | None = None


_NOTHING: Final = Raw(b"null")
_NEEDS: Final = "needs-another-key"
_DEADLINE: Final = "deadline"
_GIVEN_UP: Final = "given-up"


class Fetching:
    """One request's way to one server.

    `sent` are the incomplete values as the client sent them, `whole` the keys that are not missing; `scope` has the
    values of both that tokens name.
    """

    def __init__(
        self,
        servers: Servers,
        server: FhirServer,
        token: str,
        scopes: Scopes,
        limits: Limits,
        scope: Scope,
        whole: Iterable[str],
        sent: Mapping[str, Raw],
    ) -> None:
        self._servers, self._server, self._token, self._scopes = servers, server, token, scopes
        self._limits, self._scope, self._whole, self._sent = limits, scope, set(whole), sent
        self._needed: frozenset[str] = frozenset()
        self._pages: dict[str, Pages] = {}
        self._had: dict[str, Had] = {}

    def run(
        self, queries: Mapping[str, Query], required: Collection[str], threads: Executor, deadline: Deadline
    ) -> Mapping[str, Had]:
        """What is had for each query, when all have ended, one that is required has failed, or the time is up."""
        waiting = dict(queries)
        self._needed = frozenset().union(*(query.needs for query in queries.values()))
        under_way: dict[Future[None], Query] = {}
        cause = _GIVEN_UP
        while True:
            while ready := self._ready(waiting, under_way.values()):
                for query in ready:
                    del waiting[query.key]
                    url = self._address(query)
                    if url is not None:
                        under_way[threads.submit(self._pages[query.key].follow, url, self._getter(deadline))] = query
            if not under_way or any(self._had[key].cause for key in required if key in self._had):
                break
            ended, _ = wait(under_way, deadline.left, FIRST_COMPLETED)
            for future in ended:
                future.result()
                self._take(under_way.pop(future))
            # The time may be up for a query and for us in the same moment, and is then up for what waits for it too.
            if not ended or not deadline.left:
                cause = _DEADLINE
                break
        if under_way:
            deadline.end()  # nobody waits any more, so nothing must go on
        for future, query in under_way.items():
            future.cancel()
            self._take(query, cause)
        for query in waiting.values():
            self._had[query.key] = self._left(query, cause)
        return self._had

    def _left(self, query: Query, cause: str) -> Had:
        """A query that was not begun; of what is there, a lookup may have had nothing to ask for."""
        if query.lookup:
            try:
                query.url(self._scope)
            except Unresolved:
                return Had(_NOTHING)
        return Had(None, cause)

    @staticmethod
    def _ready(waiting: Mapping[str, Query], under_way: Collection[Query]) -> list[Query]:
        """The queries that need nothing any more that may still come."""
        pending = waiting.keys() | {query.key for query in under_way}
        return [query for query in waiting.values() if not query.needs & pending]

    def _address(self, query: Query) -> str | None:
        """Where to begin; None where there is nothing to be asked, which is noted."""
        had = self._begun(query)
        if isinstance(had, str):
            return had
        self._had[query.key] = had
        if had.cause is None and had.value is not None:
            self._whole.add(query.key)
        return None

    def _begun(self, query: Query) -> str | Had:
        pages = self._pages[query.key] = Pages(query, self._server, self._scope.context["patientId"], self._limits)
        if query.key in self._sent:
            url = pages.begin(self._sent[query.key])
            if url is None:
                return Had(None, pages.cause)
        else:
            try:
                url = f"{self._server.base}/{query.url(self._scope)}"
            except Unresolved as unresolved:
                if self._is_short(query):
                    return Had(None, _NEEDS)
                return Had(_NOTHING) if unresolved.nothing else Had(None, "no-value-for-token")
        return Had(None, "scope") if self._leave(query) == "none" else url

    def _is_short(self, query: Query) -> bool:
        """Whether a key that it needs is not whole; a lookup is about what is there."""
        return not query.lookup and bool(query.needs - self._whole)

    def _leave(self, query: Query) -> Leave:
        return self._scopes.leave(query.resource_type, search=query.search)

    def _getter(self, deadline: Deadline) -> Callable[[str, int], bytes]:
        return lambda url, most: self._servers.get(url, self._token, deadline, most)

    def _take(self, query: Query, otherwise: str = _DEADLINE) -> None:
        """Note what a query has brought, all of it or a part; `otherwise` is why it has not ended."""
        pages = self._pages[query.key]
        cause = None if pages.complete else pages.cause or otherwise
        if self._leave(query) == "part":
            cause = cause or "scope"
        if self._is_short(query):
            cause = cause or _NEEDS
        had = self._had[query.key] = Had(pages.value() if pages.any else None, cause)
        if had.value is not None and query.key in self._needed:
            try:
                self._scope.add(query.key, msgspec.json.decode(had.value))
            except RecursionError:
                cause = cause or "too-deep"
        if cause is None:
            self._whole.add(query.key)
