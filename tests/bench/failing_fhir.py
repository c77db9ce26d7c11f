"""A FHIR server that never answers as it should."""

from __future__ import annotations

import itertools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

__all__ = ["WAYS", "FailingServer"]

# With an error, with a page of HTML, with half a resource too late, by hanging up, and not at all.
WAYS: Final = ("500", "html", "late", "closed", "never")
LATE: Final = 2.0  # seconds, within what the service waits


class FailingServer:
    """Fails in each way in turn; `url` while the block runs."""

    def __enter__(self) -> FailingServer:
        self._server = _Server(("127.0.0.1", 0), _Failing)
        self.url = f"http://127.0.0.1:{self._server.server_port}/fhir"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.ways = itertools.cycle(WAYS)
        self.ended = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: who asked may have gone."""


class _Failing(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        way = next(self.server.ways)
        self.close_connection = way in ("closed", "never")
        if way == "never":
            self.server.ended.wait(10 * LATE)
        if self.close_connection:
            return
        if way == "late":
            self.server.ended.wait(LATE)
        self.send_response(500 if way == "500" else 200)
        self.send_header("Content-Type", "text/html" if way == "html" else "application/fhir+json")
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>" if way == "html" else b'{"a":1')

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: its failures are what it is for."""
