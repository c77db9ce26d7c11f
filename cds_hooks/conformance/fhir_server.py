"""A FHIR server of the suite's own: what a service asks it, with which token, and what it makes of a bad answer."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Call", "FhirServer", "Mood"]

Resource = dict[str, Any]
# How it answers: rightly, with a fault of its own, with a sign-in page, by sending elsewhere, or not before the end.
Mood = Literal["well", "error", "web page", "redirect", "silent"]

_FHIR: Final = "application/fhir+json"
_PAGE: Final = "_page"


class Call(NamedTuple):
    """What was asked, below the base address, and the Authorization header that came with it."""

    path: str
    authorization: str | None


class FhirServer:
    """Keeps resources at an http address of this machine; a context manager, for as long as it listens.

    It reads by type and id, and searches by patient, `_id` and code; other parameters it passes over, as servers do.
    `strayed` counts the calls that came where nobody was sent but by a redirection.
    """

    def __init__(self, base: str) -> None:
        """`base` is as in http://127.0.0.1:8099/fhir; port 0 is any free one. Raises ValueError for another form."""
        parts = urlsplit(base)
        if parts.scheme != "http" or not parts.hostname or parts.port is None:
            raise ValueError("expected an http address with a port, such as http://127.0.0.1:8099/fhir")
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._resources: dict[tuple[str, str], Resource] = {}
        self._pages: dict[str, Resource] = {}
        self._mood: Mood = "well"
        self._released = threading.Event()
        self._servers: list[ThreadingHTTPServer] = []
        self.calls: list[Call] = []
        self.strayed = 0

    @property
    def base(self) -> str:
        """The address under which a service finds it."""
        return f"http://{self._host}:{self._servers[0].server_port}{self._path}"

    def __enter__(self) -> "FhirServer":
        """Listen. Raises OSError where the address is not to be had."""
        for port, handler in ((self._port, _handler(self)), (0, _elsewhere(self))):
            server = ThreadingHTTPServer((self._host, port), handler)
            server.daemon_threads = True
            self._servers.append(server)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def keep(self, resources: Iterable[Any]) -> None:
        """Keep these resources and no others; what has no id cannot be asked for and is left out."""
        self._resources = {
            (str(resource.get("resourceType")), resource["id"]): resource
            for resource in resources
            if isinstance(resource, dict) and isinstance(resource.get("id"), str)
        }

    def page(self, bundle: Resource) -> str:
        """The address of a Bundle as a page of a search."""
        name = f"{len(self._pages)}"
        self._pages[name] = bundle
        return f"{self.base}?{_PAGE}={name}"

    @contextmanager
    def being(self, mood: Mood) -> Iterator[None]:
        """Answer in another way for a while."""
        self._mood = mood
        self._released.clear()
        try:
            yield
        finally:
            self._mood = "well"
            self._released.set()

    def answer(self, call: Call) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body for a call, which is noted."""
        self.calls.append(call)
        mood = self._mood
        if mood == "silent":
            self._released.wait()
        if mood == "redirect":
            other = self._servers[1].server_port
            return 302, {"Location": f"http://{self._host}:{other}{self._path}/{call.path}"}, b""
        if mood == "web page":
            return 200, {"Content-Type": "text/html"}, b"<html><body>Please sign in</body></html>"
        document = None if mood == "error" else self._found(call.path)
        if document is None:
            issue = {"severity": "error", "code": "exception" if mood == "error" else "not-found"}
            document = {"resourceType": "OperationOutcome", "issue": [issue]}
            return 500 if mood == "error" else 404, {"Content-Type": _FHIR}, json.dumps(document).encode()
        return 200, {"Content-Type": _FHIR}, json.dumps(document).encode()

    def _found(self, asked: str) -> Resource | None:
        path, _, query = asked.partition("?")
        parameters = dict(parse_qsl(query))
        if _PAGE in parameters:
            return self._pages.get(parameters[_PAGE])
        kind, _, id = path.strip("/").partition("/")
        if id and id != "_search":
            return self._resources.get((kind, id))
        matching = [one for (type, _), one in self._resources.items() if type == kind and _matches(one, parameters)]
        bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(matching)}
        return {**bundle, "entry": [{"resource": one} for one in matching]} if matching else bundle


def _matches(resource: Resource, parameters: Mapping[str, str]) -> bool:
    wanted = parameters.get("patient") or parameters.get("subject")
    owner = resource.get("subject") or resource.get("patient") or {}
    whose = str(owner.get("reference", "")) if isinstance(owner, dict) else ""
    # A sample may be shortened to what matters: what names no patient is hers.
    if wanted and whose and whose.rpartition("/")[2].removeprefix("urn:uuid:") != wanted.rpartition("/")[2]:
        return False
    if "_id" in parameters and resource["id"] not in parameters["_id"].split(","):
        return False
    codes = parameters.get("code", "")
    concept = resource.get("code")
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    names = {name for one in codings for name in (one.get("code"), f"{one.get('system')}|{one.get('code')}")}
    return not codes or not names.isdisjoint(codes.split(","))


class _Handler(BaseHTTPRequestHandler):
    """Says nothing of what it serves."""

    def log_message(self, *_: Any) -> None: ...

    def give(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _handler(server: FhirServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        def do_GET(self) -> None:
            self._answer(self.path)

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
            self._answer(f"{self.path}{'&' if '?' in self.path else '?'}{form}")

        def _answer(self, path: str) -> None:
            below = path.removeprefix(urlsplit(server.base).path)
            status, headers, body = server.answer(Call(below.removeprefix("/"), self.headers.get("Authorization")))
            try:
                self.give(status, headers, body)
            except OSError:  # whoever asked has gone, as it may where the answer came late
                self.close_connection = True

    return Handler


def _elsewhere(server: FhirServer) -> type[BaseHTTPRequestHandler]:
    class Elsewhere(_Handler):
        def do_GET(self) -> None:
            server.strayed += 1
            self.give(404, {}, b"")

        do_POST = do_GET

    return Elsewhere
