"""A.6: what a service does with a FHIR server and a token. Only with an address for a server of the suite's own.

The server keeps the resources of the samples' prefetch; the service has to be set to trust its address.
"""

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

from cds_hooks.conformance.check import check
from cds_hooks.conformance.fhir_server import Call, FhirServer, Mood
from cds_hooks.conformance.invocation import authorized, shown
from cds_hooks.conformance.prefetch import FAILED
from cds_hooks.conformance.target import NotApplicable, Reply, Service, Target

__all__: list[str] = []

SECTION: Final = "access"

# A user does not wait longer for a chart to open (a house limit: "on the order of 500 ms" cannot be kept by waiting).
_LONGEST: Final = 5.0


def _server(target: Target) -> FhirServer:
    if target.fhir_server is None:
        raise NotApplicable("no address was given for a FHIR server of the suite's own")
    return target.fhir_server


def _resources(service: Service) -> Iterator[Any]:
    """The record as the sample has it. Two samples may tell the record of one patient at different times."""
    for value in service.request()["prefetch"].values():
        if isinstance(value, dict) and value.get("resourceType") == "Bundle":
            yield from (entry.get("resource") for entry in value.get("entry") or ())
        else:
            yield value


def _ask(target: Target, service: Service, body: dict[str, Any], about: str) -> tuple[Reply, list[Call], str]:
    """The answer to a call with a way to the server; the calls that came there, and the token they should have had."""
    server, token = _server(target), f"token-{uuid4().hex}"
    body = authorized(body, "user/*.read patient/*.read", token)
    server.keep(_resources(service))
    before = len(server.calls)
    reply = target.invoke(service, {**body, "fhirServer": server.base}, about)
    return reply, server.calls[before:], token


def _without_prefetch(target: Target, service: Service) -> tuple[Reply, list[Call], str]:
    def ask() -> tuple[Reply, list[Call], str]:
        body = service.request()
        del body["prefetch"]
        return _ask(target, service, body, "access in place of prefetch")

    return target.once((service.id, service.hook, "access in place of prefetch"), ask)


def _unlike(reply: Reply, expected: Reply, which: str) -> Iterator[str]:
    if reply.status != expected.status:
        yield reply.unlike(expected.status)
    elif shown(reply) != shown(expected):
        yield f"{reply.about}: the cards differ from those {which}"


@check(
    SECTION,
    "A.5-28",
    "A.6-36",
    mitre=(34, 60),
    level="SHOULD",
    says="What prefetch lacks is fetched: without prefetch the cards are those for the sample request.",
)
def access_fetches(target: Target) -> Iterator[str]:
    _server(target)
    for service in target.answering():
        reply, _, _ = _without_prefetch(target, service)
        yield from _unlike(reply, target.answer(service), "for the sample request")


@check(SECTION, "A.6-34", mitre=(61,), says="Each call to the FHIR server has the access token of the request.")
def access_presents_the_token(target: Target) -> Iterator[str]:
    _server(target)
    asked = False
    for service in target.answering():
        reply, calls, token = _without_prefetch(target, service)
        asked = asked or bool(calls)
        if any(call.authorization != f"Bearer {token}" for call in calls):
            yield f"{reply.about}: a call to the FHIR server has no token, or another"
    if not asked:
        raise NotApplicable("the service asked the FHIR server for nothing")


@check(
    SECTION,
    "A.5-31",
    mitre=(48,),
    level="SHOULD",
    says="The further pages of a prefetched Bundle are fetched.",
)
def access_follows_pages(target: Target) -> Iterator[str]:
    server, found = _server(target), False
    for service in target.answering():
        for key in service.keys:
            body = service.request()
            bundle = body["prefetch"].get(key)
            if not isinstance(bundle, dict) or not bundle.get("entry"):
                continue
            found = True
            rest = {name: value for name, value in bundle.items() if name not in ("entry", "link")}
            link = {"relation": "next", "url": server.page({**rest, "entry": bundle["entry"]})}
            body["prefetch"][key] = {**rest, "link": [link]}
            reply, _, _ = _ask(target, service, body, f"prefetch {key}: all on the second page")
            yield from _unlike(reply, target.answer(service), "for the sample request")
    if not found:
        raise NotApplicable("no sample has a Bundle with entries")


@check(
    SECTION,
    "A.5-28",
    "A.5-32",
    mitre=(50, 53),
    level="SHOULD",
    says="What the client has looked for in vain (null, an OperationOutcome) is not looked for again.",
)
def access_asks_nothing_twice(target: Target) -> Iterator[str]:
    _server(target)
    for service in target.answering():
        for key in service.keys:
            for about, value in (("null", None), ("an OperationOutcome", FAILED)):
                alone = target.invoke(service, service.variant(key, value), f"prefetch {key}: {about}")
                reply, _, _ = _ask(target, service, service.variant(key, value), f"{about} under {key}, with access")
                if alone.status in (200, 412):
                    yield from _unlike(reply, alone, "without access")


def _with(target: Target, service: Service, mood: Mood) -> tuple[Reply, Reply]:
    """The answers without prefetch: with no way to a server, and with one to a server in some mood."""
    body = service.without_access()
    del body["prefetch"]
    alone = target.invoke(service, body, "without prefetch")
    with _server(target).being(mood):
        reply, _, _ = _ask(target, service, body, f"access in place of prefetch, the FHIR server's answer: {mood}")
    return alone, reply


@check(
    SECTION,
    "A.5-29",
    "A.6-37",
    level="SHOULD",
    says="A FHIR server that fails, or is none, is as good as no FHIR server.",
)
def access_survives_a_bad_server(target: Target) -> Iterator[str]:
    _server(target)
    moods: tuple[Mood, ...] = ("error", "web page")
    for service in target.answering():
        for mood in moods:
            alone, reply = _with(target, service, mood)
            if alone.status in (200, 412) and reply.status != alone.status:
                yield reply.unlike(alone.status)


@check(
    SECTION,
    "A.6-37",
    "A.6-35",
    level="SHOULD",
    says="A redirection to another host is not followed: the token is for this one.",
)
def access_stays_with_the_server(target: Target) -> Iterator[str]:
    server = _server(target)
    for service in target.answering():
        before = server.strayed
        _, reply = _with(target, service, "redirect")
        if server.strayed > before:
            yield f"{reply.about}: it was followed"


@check(
    SECTION,
    "A.6-37",
    "A.1-4",
    level="SHOULD",
    says=f"A FHIR server that does not answer is waited for at most {_LONGEST:.0f} seconds.",
)
def access_has_a_deadline(target: Target) -> Iterator[str]:
    _server(target)
    _, reply = _with(target, target.answering()[0], "silent")
    if reply.seconds > _LONGEST:
        yield f"{reply.about}: answered after {reply.seconds:.1f} s"
