"""A FHIR server on loopback that keeps what it was asked, and answers as each test wants."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

Json = dict[str, Any]

BASE_PATH: Final = "/fhir"


class Asked:
    """One request as it arrived."""

    def __init__(self, path: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(path)
        self.path = unquote(parts.path.removeprefix(f"{BASE_PATH}/"))
        self.parameters = dict(parse_qsl(parts.query))
        self.headers = {name.lower(): value for name, value in headers.items()}


# What is asked, and the handler of it to answer with.
Respond = Callable[[Asked, "Handler"], None]


class FhirHost(socketserver.ThreadingTCPServer):
    """Keeps its connections open, as FHIR servers do. What waits for ever waits for `closing`."""

    allow_reuse_address = True
    request_queue_size = 64  # of connections at once: a full queue costs the next a second
    daemon_threads = True
    block_on_close = False

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.asked: list[Asked] = []
        self.connections = 0
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{BASE_PATH}"

    def paths(self) -> list[str]:
        return sorted(one.path for one in self.asked)


class Handler(BaseHTTPRequestHandler):
    server: FhirHost
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        asked = Asked(self.path, dict(self.headers.items()))
        self.server.asked.append(asked)
        try:
            self.server.respond(asked, self)
        except OSError:  # a client that has had enough
            self.close_connection = True

    def send(
        self, document: object, status: int = 200, content_type: str = "application/fhir+json", **headers: str
    ) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Tests read what was asked, not a log."""


@contextmanager
def hosting(respond: Respond) -> Iterator[FhirHost]:
    with FhirHost(respond) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


def searchset(*resources: Json, next: str | None = None, **members: Any) -> Json:
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", **members}
    if resources:
        bundle["entry"] = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    if next is not None:
        bundle["link"] = [{"relation": "next", "url": next}]
    return bundle


def keeping(resources: list[Json], page: int = 100) -> Respond:
    """A server that keeps some resources: reads by id, searches by patient and code, pages of a size."""

    def respond(asked: Asked, handler: Handler) -> None:
        kind, _, id = asked.path.partition("/")
        if id:
            found = [one for one in resources if (one["resourceType"], one.get("id")) == (kind, id)]
            outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]}
            handler.send(found[0] if found else outcome, 200 if found else 404)
            return
        wanted = asked.parameters
        matching = [one for one in resources if one["resourceType"] == kind and matches(one, wanted)]
        start = int(wanted.get("start", 0))
        more = start + page < len(matching)
        query = "&".join(f"{name}={value}" for name, value in {**wanted, "start": str(start + page)}.items())
        link = f"{handler.server.url}/{kind}?{query}" if more else None
        handler.send(searchset(*matching[start : start + page], next=link, total=len(matching)))

    return respond


def matches(resource: Json, wanted: Mapping[str, str]) -> bool:
    """Whether a search with these parameters finds a resource; others than `_id`, `patient` and `code` are ignored."""
    if "_id" in wanted and resource["id"] not in wanted["_id"].split(","):
        return False
    subject: Json = resource.get("subject") or resource.get("patient") or {}
    if "patient" in wanted and subject.get("reference") != f"Patient/{wanted['patient']}":
        return False
    codings = resource.get("code", {}).get("coding", ())
    return "code" not in wanted or any(coding["code"] in wanted["code"].split(",") for coding in codings)
