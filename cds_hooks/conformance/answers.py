"""A.7: the cards, and A.1: the bytes. These checks look at every answer that the others have received."""

import statistics
from collections.abc import Iterator
from functools import partial
from typing import Final

from cds_hooks.card import empties
from cds_hooks.conformance.check import Check, check, register
from cds_hooks.conformance.target import JSON, NOT_JSON, NotApplicable, Reply, Target
from cds_hooks.rules import ANSWER_RULES, CARD_RULES, Rule, extensions

SECTION: Final = "response"
TRANSPORT: Final = "transport"

# "On the order of 500 ms" is no limit; three times as much is another order (a house reading).
_SLOW: Final = 1.5
_CALLS: Final = 5


def _broken_by_cards(rule: Rule, target: Target) -> Iterator[str]:
    found = False
    for reply in target.answers():
        for index, card in enumerate(reply.cards):
            if isinstance(card, dict) and rule.concerns(card):
                found = True
                yield from (f"{reply.about}: cards[{index}].{path}" for path in rule.flaws(card))
    if not found:
        raise NotApplicable(f"no card had {rule.of}" if rule.of else "no answer had a card")


def _broken_by_answers(rule: Rule, target: Target) -> Iterator[str]:
    found = False
    for reply in target.answers():
        if isinstance(reply.document, dict) and rule.concerns(reply.document):
            found = True
            yield from (f"{reply.about}: {path}" for path in rule.flaws(reply.document))
        elif rule.id == "cards" and not isinstance(reply.document, dict) and reply.document is not NOT_JSON:
            found = True
            yield f"{reply.about}: the answer is no object"
    if not found:
        raise NotApplicable(f"no answer had {rule.of}" if rule.of else "no request was answered with 200 and JSON")


for _rules, _findings in ((ANSWER_RULES, _broken_by_answers), (CARD_RULES, _broken_by_cards)):
    for _rule in _rules:
        register(
            Check(
                _rule.id,
                SECTION,
                _rule.requirements,
                _rule.mitre,
                _rule.level,
                _rule.says,
                partial(_findings, _rule),
            )
        )


@check(
    SECTION,
    "A.7-42",
    level="SHOULD",
    says="An update or a delete concerns one of the draft orders of the request (Inferno).",
)
def changes_are_to_drafts(target: Target) -> Iterator[str]:
    found = False
    for service in target.answering():
        drafts, reply = service.drafts, target.answer(service)
        for path, action in _changes(reply) if drafts else ():
            found = True
            resource = action.get("resource")
            named = action.get("resourceId") or (
                f"{resource.get('resourceType')}/{resource.get('id')}" if isinstance(resource, dict) else None
            )
            if named not in drafts:
                yield f"{reply.about}: {path} is about something that is no draft order"
    if not found:
        raise NotApplicable("no answer to a sample request changes a draft order")


def _changes(reply: Reply) -> Iterator[tuple[str, dict[str, object]]]:
    for index, card in enumerate(reply.cards):
        for suggestion in _listed(card, "suggestions"):
            for action in _listed(suggestion, "actions"):
                if action.get("type") in ("update", "delete"):
                    yield f"an action of cards[{index}]", action


def _listed(node: object, name: str) -> list[dict[str, object]]:
    listed = node.get(name) if isinstance(node, dict) else None
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


# -- errors ----------------------------------------------------------------------------------------


@check(
    SECTION,
    "A.7-39",
    "A.3-17",
    level="SHOULD",
    says="A refusal carries an OperationOutcome: each issue with severity and code (3.0).",
)
def error_outcome(target: Target) -> Iterator[str]:
    for service in target.answering():
        target.invoke(service, b"{", "a body cut short")
    found = False
    for reply in target.replies:
        # 401 tells nothing (A.8-57), and 412 is judged apart.
        if reply.kind == "invocation" and 400 <= reply.status < 500 and reply.status not in (401, 412):
            found = True
            if not _is_outcome(reply):
                yield f"{reply.about}: {reply.status} without an OperationOutcome"
    if not found:
        raise NotApplicable("nothing was refused")


@check(SECTION, "A.5-29", "A.7-39", level="SHOULD", says="412 carries an OperationOutcome (3.0).")
def precondition_outcome(target: Target) -> Iterator[str]:
    for service in target.answering():
        body = service.without_access()
        del body["prefetch"]
        target.invoke(service, body, "without prefetch")
    failed = [reply for reply in target.replies if reply.status == 412]
    if not failed:
        raise NotApplicable("nothing was answered with 412")
    return (f"{reply.about}: 412 without an OperationOutcome" for reply in failed if not _is_outcome(reply))


def _is_outcome(reply: Reply) -> bool:
    document = reply.document
    issues = _listed(document, "issue")
    return (
        isinstance(document, dict)
        and document.get("resourceType") == "OperationOutcome"
        and bool(issues)
        and all(isinstance(issue.get("severity"), str) and isinstance(issue.get("code"), str) for issue in issues)
    )


# -- transport -------------------------------------------------------------------------------------


def _received(target: Target) -> list[Reply]:
    """Every answer so far, discovery's and the sample requests' among them; of like ones the first."""
    target.discovery()
    for service in target.services():
        if service.sample:
            target.answer(service)
    return target.different()


@check(TRANSPORT, "A.1-1", "A.8-49", mitre=(2, 168, 172), says="The service is reached over https, TLS 1.2 or later.")
def https(target: Target) -> Iterator[str]:
    if target.is_local:
        raise NotApplicable("the service is on this machine")
    # Python's own default refuses TLS 1.1 and older, so an answer over https has come by 1.2 or later.
    if not target.base.startswith("https://"):
        yield "the address of the service is not an https address"


@check(TRANSPORT, "A.1-1", "A.1-3", mitre=(1,), says="Answers with 200 are JSON in UTF-8, to the letter (RFC 8259).")
def json_bodies(target: Target) -> Iterator[str]:
    for reply in _received(target):
        if reply.status == 200 and reply.kind in ("discovery", "invocation") and reply.document is NOT_JSON:
            yield f"{reply.about}: the body is not JSON"


@check(TRANSPORT, "A.1-5", level="SHOULD", says="Answers with JSON say so: application/json.")
def json_media_type(target: Target) -> Iterator[str]:
    for reply in _received(target):
        fhir = reply.status >= 400 and reply.media_type == "application/fhir+json"
        if reply.document is not NOT_JSON and reply.media_type != JSON and not fhir:
            yield f"{reply.about}: the media type is {reply.media_type or 'missing'}"


@check(
    TRANSPORT,
    "A.1-2",
    mitre=(3,),
    says="No answer has null, an empty string, an empty list or an empty object, but for cards and services.",
)
def no_empty_members(target: Target) -> Iterator[str]:
    for reply in _received(target):
        allowed = {"discovery": ("services",), "invocation": ("cards",)}.get(reply.kind, ())
        for path, kind in empties(reply.document) if isinstance(reply.document, dict) else ():
            # The body of feedback's answer is not specified: it may be an empty object.
            if path and not (path in allowed and kind == "[]"):
                yield f"{reply.about}: {path} is {kind}"


@check(TRANSPORT, "A.10-69", mitre=(214,), says="An extension is an object.")
def extension_objects(target: Target) -> Iterator[str]:
    found = False
    for reply, path, value in _extensions(target):
        found = True
        if not isinstance(value, dict):
            yield f"{reply.about}: {path} is no object"
    if not found:
        raise NotApplicable("no answer has an extension")


@check(
    TRANSPORT,
    "A.10-69",
    mitre=(215,),
    level="SHOULD",
    says="The names in an extension are unique in the world, such as a reverse domain name.",
)
def extension_names(target: Target) -> Iterator[str]:
    found = False
    for reply, path, value in _extensions(target):
        found = True
        for name in value if isinstance(value, dict) else ():
            if "." not in name:
                yield f"{reply.about}: {path}.{name}"
    if not found:
        raise NotApplicable("no answer has an extension")


def _extensions(target: Target) -> Iterator[tuple[Reply, str, object]]:
    for reply in _received(target):
        if reply.status == 200 and reply.kind in ("discovery", "invocation"):
            yield from ((reply, path, value) for path, value in extensions(reply.document))


@check(TRANSPORT, "A.1-4", mitre=(27,), level="SHOULD", says="A call is answered in the order of 500 ms.")
def answers_in_time(target: Target) -> Iterator[str]:
    for service in target.answering():
        replies = [target.invoke(service, service.request(), "the sample request") for _ in range(_CALLS)]
        median = statistics.median(reply.seconds for reply in replies)
        if median > _SLOW:
            yield f"{service.id}: {median:.1f} s, the median of {_CALLS} calls"
