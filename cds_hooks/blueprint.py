"""The Flask routes: discovery and invocation, CORS on every answer, an OperationOutcome on every error."""

import logging
import re
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import IO, Final, TypeVar

import msgspec
from flask import Blueprint, Request, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug import exceptions
from werkzeug.datastructures import LanguageAccept

from cds_hooks.caller import Authenticate, Caller
from cds_hooks.discovery import PATH, Service, discovery
from cds_hooks.errors import (
    Issue,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Refusal,
    UnsupportedMediaType,
    operation_outcome,
)
from cds_hooks.feedback import TakeFeedback, read_feedback
from cds_hooks.openapi import DOCUMENT, FEEDBACK, INVOCATION, openapi
from cds_hooks.prefetch import FhirResource
from cds_hooks.request import HookRequest, Parser
from cds_hooks.time_limit import TimedOut, within

__all__ = ["Answer", "blueprint"]

R = TypeVar("R", bound=FhirResource)

# The service asked, the request, the languages the reader prefers, the body as received; the answer's JSON.
Answer = Callable[[Service, HookRequest[R], LanguageAccept, bytes], bytes]

JSON: Final = "application/json"
PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept-Language",
}
ORIGIN: Final = re.compile(r"\*|https?://[^\s/?#@*]+")

_log: Final = logging.getLogger(__name__)


def blueprint(
    services: Sequence[Service],
    parser: Parser[R],
    answer: Answer[R],
    *,
    origins: Collection[str],
    max_body: int,
    authenticate: Authenticate | None = None,
    open_discovery: bool = False,
    guard: Callable[[bytes], bytes] | None = None,
    time_limit: float | None = None,
    feedback: TakeFeedback | None = None,
) -> Blueprint:
    """The routes of some services, to be registered with a Flask application.

    `origins` are the web origins that may call from a browser, or "*" alone for any; `max_body` is in bytes.
    `authenticate` is asked before anything else of a call is read, discovery left out with `open_discovery`; without it
    anybody may call.
    `guard` makes of an answer what may be sent of it, such as a `Guard`, where answers are not made with `card.py`.
    `time_limit` is how many seconds an answer may take once the body is there (503 after that); None is no limit.
    `feedback` keeps what users did with cards; without it there is no address to tell it to.
    `answer` may raise a `Refusal`; any other exception is answered with 500 and logged without its text, which may
    hold data of a patient.
    """
    strange = sorted({service.hook.name for service in services} - parser.hooks)
    if strange:
        raise ValueError(f"the parser does not know the hook {', '.join(strange)}")
    document = discovery(services)
    by_id = {service.id: service for service in services}
    allow_origin = _allow_origin(frozenset(origins))
    routes = Blueprint("cds_hooks", __name__)
    prefixes: list[str] = []
    descriptions: dict[str, bytes] = {}

    def ours() -> bool:
        asked = request.path
        return asked in descriptions or any(asked == path or asked.startswith(f"{path}/") for path in prefixes)

    @routes.record
    def remember_prefix(state: BlueprintSetupState) -> None:
        prefixes.append((state.url_prefix or "").rstrip("/") + PATH)

    def admit(*paths: str) -> Caller | None:
        return None if authenticate is None else authenticate(paths, request.headers.get("Authorization"))

    @routes.get(DOCUMENT, provide_automatic_options=False)
    def describe() -> Response:
        return Response(descriptions[request.path], mimetype=JSON)

    @routes.get(PATH, provide_automatic_options=False)
    def discover() -> Response:
        if not open_discovery:
            admit(PATH)
        return Response(document, mimetype=JSON)

    @routes.post(INVOCATION, provide_automatic_options=False)
    def invoke(id: str) -> Response:
        caller = admit(f"{PATH}/{id}")
        service = by_id.get(id)
        if service is None:
            raise NotFound
        body = _body(request, max_body)

        def answered() -> bytes:
            asked = parser.parse(body, service.hook, service.prefetch, caller)
            made = answer(service, asked, request.accept_languages, body)
            return made if guard is None else guard(made)

        try:
            made = answered() if time_limit is None else within(time_limit, answered)
        except TimedOut:
            _log.error("%s could not answer within %s s", service.id, time_limit)
            raise
        # Passed through, it goes to the server as the one piece that it is.
        return Response(made, mimetype=JSON, direct_passthrough=True)

    if feedback is not None:

        @routes.post(FEEDBACK, provide_automatic_options=False)
        def take(id: str) -> Response:
            # The standard does not say for which of the two addresses the token is.
            caller = admit(f"{PATH}/{id}/feedback", f"{PATH}/{id}")
            if id not in by_id:
                raise NotFound
            batch = read_feedback(_body(request, max_body))
            feedback(by_id[id], batch, caller)
            return Response(msgspec.json.encode({"received": len(batch)}), mimetype=JSON)

        @routes.route(FEEDBACK, methods=["OPTIONS"])
        def preflight_of_feedback(id: str) -> Response:
            return preflight(id)

    # A browser asks before each call, and without credentials: this route must never want any.
    @routes.route(PATH, methods=["OPTIONS"])
    @routes.route(INVOCATION, methods=["OPTIONS"])
    def preflight(id: str | None = None) -> Response:
        response = Response(status=204, headers=PREFLIGHT)
        del response.headers["Content-Type"]  # there is no content
        return response

    @routes.errorhandler(Refusal)
    def refuse(refusal: Refusal) -> Response:
        outcome = msgspec.json.encode(operation_outcome(refusal.issues))
        return Response(outcome, status=refusal.status, headers=refusal.headers, mimetype=JSON)

    # Also for the application, since an address or a method without a route belongs to no blueprint.
    @routes.errorhandler(exceptions.HTTPException)
    @routes.app_errorhandler(exceptions.HTTPException)
    def refuse_http(error: exceptions.HTTPException) -> Response | exceptions.HTTPException:
        return refuse(_refusal(error, max_body)) if ours() else error

    @routes.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        last = traceback.extract_tb(error.__traceback__)[-1]
        _log.error("%s in %s, line %s", type(error).__name__, last.name, last.lineno)
        return refuse(Refusal(Issue(code="exception", text="The service failed."), status=500))

    @routes.after_app_request
    def allow(response: Response) -> Response:
        if ours():
            allow_origin(response)
        return response

    @routes.record  # after every route, so that it finds them all
    def write_description(state: BlueprintSetupState) -> None:
        prefix = (state.url_prefix or "").rstrip("/")
        own = f"{state.name_prefix}.{state.name}.".lstrip(".")
        listed = [
            (rule.rule.removeprefix(prefix), method)
            for rule in state.app.url_map.iter_rules()
            if rule.endpoint.startswith(own)
            for method in (rule.methods or set()) - {"HEAD"}
        ]
        descriptions[prefix + DOCUMENT] = openapi(
            services, sorted(listed), prefix=prefix, secured=authenticate is not None, open_discovery=open_discovery
        )

    return routes


def _body(request: Request, max_body: int) -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity")
    if request.mimetype != JSON or encoding.strip().lower() != "identity":
        raise UnsupportedMediaType
    length = request.content_length
    if length is None:
        # One byte more than we take: a body of unannounced length is cut at the limit, and the cut is not told.
        request.max_content_length = max_body + 1
        body = request.get_data(cache=False)
        length = len(body)
    elif length <= max_body:
        # From the server's own stream, in one piece: Flask reads it in small ones, and copies them twice.
        body = b"".join(_pieces(request.input_stream, length))
        if len(body) < length:
            raise exceptions.ClientDisconnected
    if length > max_body:
        raise PayloadTooLarge(max_body)
    return body


def _pieces(stream: IO[bytes], length: int) -> Iterator[bytes]:
    """What a stream holds up to a length, in as many pieces as it comes."""
    while length > 0 and (piece := stream.read(length)):
        yield piece
        length -= len(piece)


def _refusal(error: exceptions.HTTPException, max_body: int) -> Refusal:
    """Our own words for what Flask found wrong: its texts may quote the request."""
    if isinstance(error, exceptions.NotFound):
        return NotFound()
    if isinstance(error, exceptions.MethodNotAllowed):
        return MethodNotAllowed(error.valid_methods or ())
    if isinstance(error, exceptions.RequestEntityTooLarge):
        return PayloadTooLarge(max_body)
    return Refusal(Issue(code="processing", text=f"{error.name}."), status=error.code)


def _allow_origin(origins: frozenset[str]) -> Callable[[Response], None]:
    """Sets the CORS headers of an answer. Credentials are never allowed: a client sends its token itself."""
    wrong = sorted(origin for origin in origins if ORIGIN.fullmatch(origin) is None)
    if wrong or ("*" in origins and len(origins) > 1):
        raise ValueError('origins must be of the form https://host, or "*" alone')

    def any_origin(response: Response) -> None:
        response.headers["Access-Control-Allow-Origin"] = "*"

    def listed_origin(response: Response) -> None:
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin

    return any_origin if "*" in origins else listed_origin
