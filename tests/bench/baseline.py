"""The baseline: what a Flask service costs that has no rules.

On the same server with the same workers and threads it parses the whole body with a fast JSON library and answers, with
that library, as many bytes as the service does: the very document that the service answered, decoded at start.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import orjson
from flask import Flask, Response, request

__all__ = ["ANSWERS", "wsgi"]

# The folder with the service's own answers, each in a file that the last part of the address names.
ANSWERS: Final = "BENCH_ANSWERS"


def wsgi(*_: Any) -> Flask:
    """The WSGI application."""
    answers = {path.stem: orjson.loads(path.read_bytes()) for path in Path(os.environ[ANSWERS]).glob("*.json")}
    app = Flask(__name__)

    @app.post("/echo/<name>")
    def echo(name: str) -> Response:
        document = orjson.loads(request.get_data(cache=False))
        if not isinstance(document, dict):
            return Response(status=400)
        return Response(orjson.dumps(answers[name]), mimetype="application/json")

    @app.get("/cds-services")
    def ready() -> Response:
        return Response(b'{"services":[]}', mimetype="application/json")

    return app
