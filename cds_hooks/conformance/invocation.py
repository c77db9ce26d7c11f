"""A.3: calls as clients make them, good and bad."""

import copy
import json
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

from cds_hooks.conformance.check import check
from cds_hooks.conformance.library import HOOKS
from cds_hooks.conformance.target import ABSENT, JSON, PATH, NotApplicable, Reply, Service, Target

__all__ = ["shown"]

SECTION: Final = "invocation"
REFUSALS: Final = "refusals"

Request = dict[str, Any]


def shown(reply: Reply) -> list[Any]:
    """What a user would see of an answer: its cards without the ids, which are made for one call."""
    return [_without_uuids(card) for card in reply.cards]


def _without_uuids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_uuids(member) for name, member in value.items() if name != "uuid"}
    return [_without_uuids(item) for item in value] if isinstance(value, list) else value


def _same(target: Target, service: Service, body: Request | bytes, about: str, **headers: str) -> Iterator[str]:
    """Whether a call that differs in nothing of weight is answered as the sample request is."""
    expected = target.answer(service)
    reply = target.invoke(service, body, about, headers=headers)
    if reply.status != expected.status:
        yield reply.unlike(expected.status)
    elif shown(reply) != shown(expected):
        yield f"{reply.about}: the cards differ from those for the sample request"


@check(
    SECTION,
    "A.3-14",
    "A.6-36",
    "A.7-38",
    mitre=(16, 74, 77),
    says="A complete request is answered with 200.",
)
def complete_request(target: Target) -> Iterator[str]:
    for service in target.sampled():
        reply = target.answer(service)
        if reply.status != 200:
            yield reply.unlike(200)


@check(SECTION, "A.3-15", says="The order of members does not matter.")
def member_order(target: Target) -> Iterator[str]:
    for service in target.answering():
        body = {name: service.request()[name] for name in reversed(service.request())}
        body["context"] = {name: body["context"][name] for name in reversed(body["context"])}
        yield from _same(target, service, body, "the members in another order")


@check(SECTION, "A.3-15", says="Every kind of user that the hook has may call.")
def user_types(target: Target) -> Iterator[str]:
    known = False
    for service in target.answering():
        hook = HOOKS.get(service.hook)
        for kind in hook.users if hook and "userId" in hook.members else ():
            known = True
            body = service.request()
            body["context"]["userId"] = f"{kind}/conformance"
            reply = target.invoke(service, body, f"a {kind} as user")
            if reply.status != target.answer(service).status:
                yield reply.unlike(target.answer(service).status)
    if not known:
        raise NotApplicable("no service is on a published hook that has a user")


@check(SECTION, "A.1-5", mitre=(1,), says="A request may say its charset: application/json; charset=utf-8.")
def charset_parameter(target: Target) -> Iterator[str]:
    for service in target.answering():
        headers = {"Content-Type": f"{JSON}; charset=utf-8"}
        yield from _same(target, service, service.request(), "with a charset", **headers)


@check(
    SECTION,
    "A.1-6",
    "A.10-69",
    mitre=(214,),
    level="SHOULD",
    says="Unknown members and unknown extensions of a request are passed over.",
)
def unknown_members(target: Target) -> Iterator[str]:
    for service in target.answering():
        body = service.request()
        for node in (body, body["context"]):
            node["orgExampleUnknown"] = {"a": [1, None, {"b": "c"}]}
            node["extension"] = {**node.get("extension", {}), "org.example.unknown": {"a": 1}}
        yield from _same(target, service, body, "with unknown members")


@check(
    SECTION,
    "A.6-33",
    mitre=(66, 67, 68, 69, 70, 71),
    says="fhirServer and fhirAuthorization are taken, with scopes of SMART v1 and v2.",
)
def authorization_accepted(target: Target) -> Iterator[str]:
    for service in target.answering():
        for scope in ("user/Observation.read patient/Patient.read", "user/Observation.rs"):
            reply = target.invoke(service, authorized(service.request(), scope), f"with access, scope {scope}")
            if reply.status != target.answer(service).status:
                yield reply.unlike(target.answer(service).status)


def authorized(body: Request, scope: str = "user/*.read", token: str = "conformance") -> Request:
    """The request with a FHIR server that does not answer (port 9, discard), and leave to ask it."""
    body["fhirServer"] = "https://127.0.0.1:9/fhir"
    body["fhirAuthorization"] = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": scope,
        "subject": "conformance",
        "patient": str(body["context"].get("patientId", "conformance")),
    }
    return body


@check(
    SECTION,
    "A.6-35",
    says="The access token shows in no answer.",
)
def access_token_is_not_repeated(target: Target) -> Iterator[str]:
    secret = f"secret-{uuid4().hex}"
    for service in target.answering():
        good = authorized(service.request(), token=secret)
        bare = authorized({**service.request(), "prefetch": {}}, token=secret)
        broken = copy.deepcopy(good)
        broken["fhirAuthorization"]["expires_in"] = secret
        for body, about in ((good, "with access"), (bare, "with access only"), (broken, "with broken access")):
            reply = target.invoke(service, body, about)
            if secret.encode() in reply.body or secret in str(reply.headers):
                yield f"{reply.about}: the answer repeats the access token"


@check(
    SECTION,
    "A.3-18",
    level="SHOULD",
    says="The same call again (same hookInstance, same body) gives the same answer with the same ids.",
)
def repeated_hook_instance(target: Target) -> Iterator[str]:
    for service in target.answering():
        body = json.dumps(service.request()).encode()
        first, again = (target.invoke(service, body, f"the same call, {time}") for time in ("first", "again"))
        if (first.status, first.document) != (again.status, again.document):
            yield f"{again.about}: another answer than before"


# -- bad calls -------------------------------------------------------------------------------------


def _places(service: Service) -> Iterator[tuple[str, ...]]:
    """The required members of a request, as far as they are known."""
    yield from (("hook",), ("hookInstance",), ("context",))
    hook = HOOKS.get(service.hook)
    for member in hook.required if hook else ():
        yield ("context", member)


def _changed(service: Service, path: tuple[str, ...], value: Any) -> Request:
    body = service.request()
    node = body
    for name in path[:-1]:
        node = node[name]
    if value is ABSENT:
        node.pop(path[-1], None)
    else:
        node[path[-1]] = value
    return body


def _is_refusal(reply: Reply) -> bool:
    return 400 <= reply.status < 500 and reply.status != 404


@check(
    REFUSALS,
    "A.3-14",
    "A.3-16",
    level="SHOULD",
    says="A required member that is missing gives 400, never 404 or 5xx.",
)
def missing_member(target: Target) -> Iterator[str]:
    for service in target.answering():
        for path in _places(service):
            reply = target.invoke(service, _changed(service, path, ABSENT), f"without {'.'.join(path)}")
            if not _is_refusal(reply):
                yield reply.unlike(400)


@check(
    REFUSALS,
    "A.3-14",
    "A.3-16",
    level="SHOULD",
    says="A required member of the wrong type gives 400, never 404 or 5xx.",
)
def ill_typed_member(target: Target) -> Iterator[str]:
    for service in target.answering():
        for path in _places(service):
            for wrong, kind in ((17, "a number"), ([[]], "a list of lists"), (None, "null")):
                reply = target.invoke(service, _changed(service, path, wrong), f"{'.'.join(path)} is {kind}")
                if not _is_refusal(reply):
                    yield reply.unlike(400)


@check(
    REFUSALS,
    "A.3-16",
    "A.6-33",
    mitre=(20,),
    level="SHOULD",
    says="An optional member of the wrong form is no fault of the service: no 5xx.",
)
def ill_typed_optional_member(target: Target) -> Iterator[str]:
    broken: tuple[tuple[str, Any], ...] = (
        ("fhirServer", 17),
        ("fhirServer", "no address"),
        ("fhirAuthorization", "x"),
        ("fhirAuthorization", {}),
    )
    for service in target.answering():
        cases = [_changed(service, (name,), value) for name, value in (*broken, ("prefetch", "x"), ("extension", []))]
        without_server = authorized(service.request())
        del without_server["fhirServer"]
        for body in (*cases, without_server):
            reply = target.invoke(service, body, "an optional member of the wrong form")
            if reply.status >= 500:
                yield reply.unlike(200, 400)


@check(REFUSALS, "A.3-14", level="SHOULD", says="A request for another hook than the service's gives 400.")
def hook_mismatch(target: Target) -> Iterator[str]:
    for service in target.answering():
        reply = target.invoke(service, _changed(service, ("hook",), "org.example.other"), "another hook")
        if not _is_refusal(reply):
            yield reply.unlike(400)


@check(REFUSALS, "A.3-16", "A.1-3", level="SHOULD", says="What is no JSON object gives 400, never 5xx.")
def malformed_json(target: Target) -> Iterator[str]:
    bodies: dict[str, bytes] = {
        "an empty body": b"",
        "a body cut short": b'{"hook": "',
        "a list": b"[]",
        "a string": b'"hook"',
        "no UTF-8": b'{"hook": "\xff"}',
        "deep nesting": b"[" * 20_000,
    }
    for service in target.answering():
        number = json.dumps({**service.request(), "orgExampleUnknown": float("nan")}).encode()
        for about, body in {**bodies, "NaN, which JSON does not have": number}.items():
            reply = target.invoke(service, body, about)
            if not _is_refusal(reply):
                yield reply.unlike(400)


@check(REFUSALS, "A.3-17", level="SHOULD", says="A service that does not exist gives 404.")
def unknown_service(target: Target) -> Iterator[str]:
    target.answering()
    nobody = Service(f"no-such-service-{uuid4().hex[:8]}", "patient-view", {}, None)
    reply = target.invoke(nobody, b"{}", "an unknown service")
    if reply.status != 404:
        yield reply.unlike(404)


@check(REFUSALS, "A.3-17", level="SHOULD", says="A method that is not offered gives 405 with Allow (RFC 9110, 15.5.6).")
def wrong_method(target: Target) -> Iterator[str]:
    calls: list[tuple[str, str, str]] = [("DELETE", PATH, "GET")]
    calls += [("GET", service.path, "POST") for service in target.services()]
    for method, path, offered in calls:
        reply = target.send(method, path, f"{method} {path}", "elsewhere")
        if reply.status != 405:
            yield reply.unlike(405)
        elif offered not in reply.headers.get("Allow", "").replace(" ", "").split(","):
            yield f"{reply.about}: Allow does not name {offered}"


@check(REFUSALS, "A.3-17", "A.1-5", level="SHOULD", says="A body of another media type gives 415.")
def media_type(target: Target) -> Iterator[str]:
    for service in target.answering():
        for media_type in ("text/plain", "application/xml"):
            reply = target.invoke(service, service.request(), media_type, headers={"Content-Type": media_type})
            if reply.status != 415:
                yield reply.unlike(415)


@check(REFUSALS, "A.3-17", level="SHOULD", says="A body beyond any need gives 413.")
def body_too_large(target: Target) -> Iterator[str]:
    service = target.answering()[0]
    body = json.dumps(service.request()).encode()
    reply = target.invoke(service, body + b" " * (target.oversize - len(body)), f"a body of {target.oversize} bytes")
    if reply.status != 413:
        yield reply.unlike(413)
