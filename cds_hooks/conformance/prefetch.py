"""A.5: every kind of value that a prefetch key can have, key by key, and what to answer when required data are missing.

All without a way to a FHIR server, so that the service has to make do with what it is sent.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from cds_hooks.conformance.check import check
from cds_hooks.conformance.invocation import authorized, shown
from cds_hooks.conformance.target import ABSENT, NotApplicable, Reply, Service, Target

__all__: list[str] = []

SECTION: Final = "prefetch"

EMPTY: Final = {"resourceType": "Bundle", "type": "searchset", "total": 0}
FAILED: Final = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "timeout", "details": {"text": "The search took too long."}}],
}
# What clients have sent in place of a resource; the page is that of https://github.com/cds-hooks/docs/issues/5.
NO_RESOURCES: Final[dict[str, Any]] = {
    "an HTML page": "<html><body><h1>HTTP Status 500</h1></body></html>",
    "a number": 17,
    "true": True,
    "a list": [{"resourceType": "Patient"}],
    "an object without a type": {"id": "x"},
    "a type that is no text": {"resourceType": 17},
    "an entry that is no list": {"resourceType": "Bundle", "entry": "x"},
}


def _keys(target: Target) -> Iterator[tuple[Service, str]]:
    """Each service that can be called, with each key that it asks for."""
    found = False
    for service in target.answering():
        for key in service.keys:
            found = True
            yield service, key
    if not found:
        raise NotApplicable("no service asks for prefetch")


def _told(target: Target, service: Service, key: str, value: Any, about: str) -> Reply:
    """The answer to a value under a key, asked for once."""
    name = (service.id, service.hook, key, about)
    return target.once(name, lambda: target.invoke(service, service.variant(key, value), f"prefetch {key}: {about}"))


def _absent(target: Target, service: Service, key: str) -> Reply:
    return _told(target, service, key, ABSENT, "absent")


def _bundles(target: Target) -> Iterator[tuple[Service, str, dict[str, Any]]]:
    """Each key of which the sample tells a Bundle, with a copy to be changed; where it tells nothing, an empty one."""
    for service, key in _keys(target):
        value = service.request()["prefetch"].get(key)
        bundle = dict(EMPTY) if value is None else value
        if isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle":
            yield service, key, bundle


def _answered(reply: Reply) -> Iterator[str]:
    """With cards, or with 412 where the key is required; nothing else is an answer to a prefetch value."""
    if reply.status not in (200, 412):
        yield reply.unlike(200, 412)


def _each(target: Target, value: Any, about: str) -> Iterator[str]:
    for service, key in _keys(target):
        yield from _answered(_told(target, service, key, value, about))


@check(SECTION, "A.5-32", "A.5-29", mitre=(54,), says="A key that is absent gives cards, or 412 where it is required.")
def prefetch_absent(target: Target) -> Iterator[str]:
    return _each(target, ABSENT, "absent")


@check(SECTION, "A.5-32", mitre=(53,), says="null is an answer: the client looked, and there is nothing.")
def prefetch_null(target: Target) -> Iterator[str]:
    return _each(target, None, "null")


@check(SECTION, "A.5-32", level="SHOULD", says="A Bundle without entries says the same as null.")
def prefetch_empty_bundle(target: Target) -> Iterator[str]:
    for service, key in _keys(target):
        null, empty = _told(target, service, key, None, "null"), _told(target, service, key, EMPTY, "an empty Bundle")
        if null.status not in (200, 412):  # that has been said
            yield from _answered(empty)
        elif empty.status != null.status:
            yield empty.unlike(null.status)
        elif shown(empty) != shown(null):
            yield f"{empty.about}: the cards differ from those for null"


@check(
    SECTION,
    "A.5-30",
    "A.5-32",
    mitre=(50, 52),
    level="SHOULD",
    says="An OperationOutcome in place of data is taken for what it is: data not had.",
)
def prefetch_operation_outcome(target: Target) -> Iterator[str]:
    return _as_absent(target, {"an OperationOutcome": FAILED})


def _as_absent(target: Target, values: dict[str, Any]) -> Iterator[str]:
    for service, key in _keys(target):
        absent = _absent(target, service, key)
        for about, value in values.items():
            reply = _told(target, service, key, value, about)
            # Where absence itself is a fault, that has been said.
            expected = (absent.status,) if absent.status in (200, 412) else (200, 412)
            if reply.status not in expected:
                yield reply.unlike(*expected)


@check(
    SECTION,
    "A.5-30",
    "A.5-32",
    mitre=(52,),
    level="SHOULD",
    says="A Bundle with an OperationOutcome among its entries keeps its data.",
)
def prefetch_outcome_entries(target: Target) -> Iterator[str]:
    for service, key, bundle in _bundles(target):
        bundle["entry"] = [*(bundle.get("entry") or ()), {"search": {"mode": "outcome"}, "resource": FAILED}]
        reply = _told(target, service, key, bundle, "an outcome among its entries")
        expected = target.answer(service).status
        if reply.status != expected:
            yield reply.unlike(expected)


@check(
    SECTION,
    "A.5-31",
    "A.5-32",
    mitre=(48,),
    level="SHOULD",
    says="A Bundle with a further page that cannot be fetched is incomplete, and no fault.",
)
def prefetch_next_link(target: Target) -> Iterator[str]:
    for service, key, bundle in _bundles(target):
        bundle["link"] = [{"relation": "next", "url": "https://127.0.0.1:9/fhir?page=2"}]
        yield from _answered(_told(target, service, key, bundle, "a page of several"))


@check(
    SECTION,
    "A.5-32",
    level="SHOULD",
    says="What is no resource (text, a number, a web page) counts as not received, never as a fault.",
)
def prefetch_wrong_type(target: Target) -> Iterator[str]:
    return _as_absent(target, NO_RESOURCES)


@check(SECTION, "A.5-32", level="SHOULD", says="A resource of a type that was not asked for is no fault.")
def prefetch_other_resource(target: Target) -> Iterator[str]:
    return _each(target, {"resourceType": "Basic", "id": "conformance"}, "a resource of another type")


@check(SECTION, "A.5-32", level="SHOULD", says="A patient who is not the one of the context is not taken for her.")
def prefetch_other_patient(target: Target) -> Iterator[str]:
    found = False
    for service, key in _keys(target):
        if str(service.prefetch.get(key)).replace(" ", "") == "Patient/{{context.patientId}}":
            found = True
            absent = _absent(target, service, key)
            other = {"resourceType": "Patient", "id": "conformance-other", "gender": "other"}
            reply = _told(target, service, key, other, "another patient")
            if absent.status in (200, 412) and reply.status != absent.status:
                yield reply.unlike(absent.status)
    if not found:
        raise NotApplicable("no service asks for the patient")


@check(SECTION, "A.5-32", level="SHOULD", says="A key that was not asked for is passed over.")
def prefetch_stray_key(target: Target) -> Iterator[str]:
    for service in target.answering():
        value = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Basic", "id": "x"}}]}
        reply = _told(target, service, "orgExampleStray", value, "not asked for")
        expected = target.answer(service)
        if reply.status != expected.status:
            yield reply.unlike(expected.status)
        elif shown(reply) != shown(expected):
            yield f"{reply.about}: the cards differ from those for the sample request"


def _bare(target: Target, service: Service, about: str, change: Callable[[dict[str, Any]], None]) -> Reply:
    body = service.without_access()
    change(body)
    return target.once((service.id, service.hook, about), lambda: target.invoke(service, body, about))


def _without_prefetch(target: Target, service: Service) -> Reply:
    return _bare(target, service, "without prefetch", lambda body: body.pop("prefetch"))


@check(SECTION, "A.5-32", "A.5-29", mitre=(54,), says="A request without any prefetch gives cards, or 412.")
def prefetch_none(target: Target) -> Iterator[str]:
    for service in target.answering():
        yield from _answered(_without_prefetch(target, service))
        yield from _answered(_bare(target, service, "an empty prefetch", lambda body: body.update(prefetch={})))
        yield from _answered(_bare(target, service, "prefetch is null", lambda body: body.update(prefetch=None)))


@check(
    SECTION,
    "A.5-29",
    mitre=(54,),
    says="412 when a required key is missing and there is no FHIR server, or none that answers.",
)
def precondition_failed(target: Target) -> Iterator[str]:
    required = [(service, key) for service in target.answering() for key in service.required]
    if not required:
        raise NotApplicable("the samples do not say which prefetch keys are required")
    for service, key in required:
        unreachable = authorized(service.variant(key, ABSENT))
        for reply in (
            _absent(target, service, key),
            target.invoke(service, unreachable, f"prefetch {key}: absent, the FHIR server does not answer"),
            _without_prefetch(target, service),
        ):
            if reply.status != 412:
                yield reply.unlike(412)
