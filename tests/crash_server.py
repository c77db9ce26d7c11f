"""Starts the service again and again in little time: one process loads everything once, and forks a server each time.

On standard input: a line for each server to start. On standard output: its process id and its port, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import NoReturn

from werkzeug.serving import WSGIRequestHandler, make_server

from service.app import create_app
from service.config import Settings
from service.rules import load_rules


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        """Nothing: what counts is what the clients hear."""


def _serve(settings: Settings) -> NoReturn:
    server = make_server("127.0.0.1", 0, create_app(settings), threaded=True, request_handler=_Silent)
    print(json.dumps([os.getpid(), server.server_port]), flush=True)
    server.serve_forever()
    os._exit(0)


def main() -> None:
    """Read lines until there are no more."""
    settings = Settings.load(os.environ)
    load_rules(settings.market)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the servers that are killed
    for _ in sys.stdin:
        if os.fork() == 0:
            _serve(settings)


if __name__ == "__main__":
    main()
