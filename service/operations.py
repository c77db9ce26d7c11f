"""What keeps the service running: /healthz, /readyz and /metrics, and around every call its name and its time."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
from flask import Blueprint, Flask, Response

from service import metrics
from service.correlation import CORRELATION, correlation_id
from service.logs import get_logger, place

__all__ = ["Check", "Observed", "operate"]

# One word for what is wrong, or None where all is well. It is asked on every probe, so it must not wait.
Check = Callable[[], str | None]

_log: Final = get_logger(__name__)


def operate(app: Flask, calls: Mapping[str, str], checks: Mapping[str, Check], *, needed: Collection[str] = ()) -> None:
    """Add the routes to an application, and give its calls a name.

    `calls` are the paths whose calls are timed and counted, each with what it is called in the metrics. /readyz asks
    `checks`. The service counts as ready while those of `needed` are well: without the others hooks are answered all
    the same, and taking it out of service would cost the cards.
    """
    routes = Blueprint("operations", __name__)

    @routes.get("/healthz")
    def health() -> Response:
        return _json({"status": "ok"}, 200)

    @routes.get("/readyz")
    def readiness() -> Response:
        found = {name: check() or "ok" for name, check in checks.items()}
        wrong = {name for name, state in found.items() if state != "ok"}
        status = "unavailable" if wrong & set(needed) else "degraded" if wrong else "ready"
        return _json({"status": status, "checks": found}, 503 if status == "unavailable" else 200)

    @routes.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)

    app.register_blueprint(routes)
    # Flask would log the address that was called, which may hold anything.
    app.register_error_handler(Exception, _fail)
    app.wsgi_app = Observed(app.wsgi_app, calls)  # type: ignore[method-assign] # the way Flask documents


def _json(document: Mapping[str, Any], status: int) -> Response:
    return Response(
        msgspec.json.encode(document), status, {"Cache-Control": "no-store"}, content_type="application/json"
    )


def _fail(error: Exception) -> tuple[str, int]:
    _log.error("a call failed", error=place(type(error), error.__traceback__))
    return "The service failed.\n", 500


class Observed:
    """A WSGI application whose calls have a correlation id, those of `calls` also a time and a count.

    Nothing is written about a call that was answered; of one that was refused the status is.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]], calls: Mapping[str, str]) -> None:
        self._application = application
        self._calls = {path: (name, metrics.ANSWER_SECONDS.labels(name)) for path, name in calls.items()}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        known = correlation_id(environ.get("HTTP_X_REQUEST_ID"), environ.get("HTTP_TRACEPARENT"))
        call = self._calls.get(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None

        def respond(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            headers.append(("X-Request-ID", known))
            if call is not None:
                code = status[:3]
                metrics.ANSWERS[call[0], code].inc()
                if code != "200":
                    _log.info("refused", call=call[0], status=int(code))
            return start_response(status, headers, *rest)

        before = CORRELATION.set(known)
        began = time.perf_counter()
        try:
            return self._application(environ, respond)
        finally:
            if call is not None:
                call[1].observe(time.perf_counter() - began)
            CORRELATION.reset(before)
