"""A.9: what users did with the cards. Only for a service that takes feedback at all."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from cds_hooks.conformance.check import check
from cds_hooks.conformance.cors import ALLOW_ORIGIN, ask_first, is_allowed
from cds_hooks.conformance.target import JSON, NotApplicable, Reply, Service, Target
from cds_hooks.rules.parts import is_text

SECTION: Final = "feedback"

Event = dict[str, Any]
_REASON: Final = {"code": "conformance", "system": "https://example.org/reasons", "display": "A conformance test"}


def _post(target: Target, service: Service, body: Any, about: str, **options: Any) -> Reply:
    return target.send(
        "POST",
        f"{service.path}/feedback",
        f"{service.id}, feedback: {about}",
        "feedback",
        body=json.dumps(body).encode(),
        headers={"Content-Type": JSON},
        **options,
    )


def _services(target: Target) -> list[Service]:
    """The services that take feedback."""
    found = [service for service in target.services() if _plain(target, service).status not in (404, 405)]
    if not found:
        raise NotApplicable("there is no feedback endpoint")
    return found


def _taking(target: Target) -> list[Service]:
    """The services that take the simplest report; where that fails, more would say no more."""
    found = [service for service in _services(target) if 200 <= _plain(target, service).status < 300]
    if not found:
        raise NotApplicable("the report of one card is not taken")
    return found


def _plain(target: Target, service: Service) -> Reply:
    """The answer to the simplest report, made once."""
    return target.once(
        ("feedback", service.path),
        lambda: _post(target, service, {"feedback": [_overridden(_card(target, service))]}, "one card"),
    )


def _card(target: Target, service: Service) -> str:
    """The uuid of a card that was shown, or of none."""
    return _cards(target, service)[0]


def _cards(target: Target, service: Service) -> list[str]:
    """The uuids of the cards that were shown, or one of none."""
    cards = target.answer(service).cards if service.sample else []
    shown = [card["uuid"] for card in cards if isinstance(card, dict) and is_text(card.get("uuid"))]
    return shown or [str(uuid4())]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _overridden(card: str, **members: Any) -> Event:
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": _now(), **members}


def _accepted(card: str, **members: Any) -> Event:
    event = {"card": card, "outcome": "accepted", "acceptedSuggestions": [{"id": str(uuid4())}], **members}
    return {**event, "outcomeTimestamp": _now()}


def _taken(reply: Reply) -> Iterator[str]:
    if not 200 <= reply.status < 300:
        yield reply.unlike(200)


@check(
    SECTION, "A.9-63", mitre=(148, 152, 154), says="A report of one card is taken at {base}/cds-services/{id}/feedback."
)
def feedback_taken(target: Target) -> Iterator[str]:
    for service in _services(target):
        yield from _taken(_plain(target, service))


@check(
    SECTION,
    "A.9-64",
    "A.9-65",
    mitre=(154, 155, 156, 157, 158, 161, 162),
    says="A report may have several cards, accepted and overridden, and the same card again.",
)
def feedback_batch(target: Target) -> Iterator[str]:
    for service in _taking(target):
        events = [event for card in _cards(target, service) for event in (_overridden(card), _accepted(card))]
        yield from _taken(_post(target, service, {"feedback": events}, "several cards"))


@check(SECTION, "A.9-65", level="SHOULD", says="The same report again is taken as the first was.")
def feedback_repeated(target: Target) -> Iterator[str]:
    for service in _taking(target):
        body = {"feedback": [_overridden(str(uuid4()))]}
        first, again = (_post(target, service, body, f"the same report, {time}") for time in ("first", "again"))
        if first.status != again.status:
            yield again.unlike(first.status)


@check(
    SECTION,
    "A.9-66",
    mitre=(159, 160, 165, 166, 167),
    says="A reason of the client's own, a comment alone, and no reason at all are taken.",
)
def feedback_reasons(target: Target) -> Iterator[str]:
    reasons = {
        "a reason of the client": {"reason": _REASON},
        "a comment alone": {"userComment": "A conformance test."},
        "both": {"reason": _REASON, "userComment": "A conformance test."},
    }
    for service in _taking(target):
        for about, reason in reasons.items():
            event = _overridden(_card(target, service), overrideReason=reason)
            yield from _taken(_post(target, service, {"feedback": [event]}, about))


@check(
    SECTION,
    "A.9-66",
    level="SHOULD",
    says="A reason without a display, as in the specification's example, and one without a system are taken.",
)
def feedback_bare_reasons(target: Target) -> Iterator[str]:
    for service in _taking(target):
        for left_out in ("display", "system"):
            reason = {name: value for name, value in _REASON.items() if name != left_out}
            event = _overridden(_card(target, service), overrideReason={"reason": reason})
            yield from _taken(_post(target, service, {"feedback": [event]}, f"a reason without {left_out}"))


@check(SECTION, "A.9-67", level="SHOULD", says="A card that is not known is no error.")
def feedback_unknown_card(target: Target) -> Iterator[str]:
    for service in _taking(target):
        yield from _taken(_post(target, service, {"feedback": [_overridden(str(uuid4()))]}, "an unknown card"))


@check(SECTION, "A.9-63", "A.9-64", "A.9-67", level="SHOULD", says="A malformed report gives 400.")
def feedback_malformed(target: Target) -> Iterator[str]:
    for service in _taking(target):
        for about, body in _malformed(_card(target, service)).items():
            reply = _post(target, service, body, about)
            if not 400 <= reply.status < 500 or reply.status == 404:
                yield reply.unlike(400)


def _malformed(card: str) -> dict[str, Any]:
    good = _overridden(card)
    bodies: dict[str, Any] = {
        "a bare object": good,
        "no list": {"feedback": good},
        "no feedback": {},
        "an item that is no object": {"feedback": ["x"]},
        "an unknown outcome": {"feedback": [{**good, "outcome": "ignored"}]},
        "accepted without suggestions": {"feedback": [{**good, "outcome": "accepted"}]},
        "a time that is none": {"feedback": [{**good, "outcomeTimestamp": "yesterday"}]},
        "one of two broken": {"feedback": [good, {**good, "card": 17}]},
    }
    for member in ("card", "outcome", "outcomeTimestamp"):
        event = {name: value for name, value in good.items() if name != member}
        bodies[f"without {member}"] = {"feedback": [event]}
    return bodies


@check(
    SECTION,
    "A.8-60",
    "A.9-63",
    mitre=(208,),
    level="SHOULD",
    says="A browser may send feedback: preflight without a token, and the header on the answer.",
)
def feedback_from_browsers(target: Target) -> Iterator[str]:
    for service in _taking(target):
        reply = ask_first(target, "POST", f"{service.path}/feedback")
        if not 200 <= reply.status < 300:
            yield reply.unlike(204)
        for answer in (reply, _plain(target, service)):
            if not is_allowed(target, answer):
                yield f"{answer.about}: {ALLOW_ORIGIN} does not name the origin"


@check(SECTION, "A.8-51", "A.9-63", mitre=(178,), says="Feedback without a token gives 401 where tokens are demanded.")
def feedback_token(target: Target) -> Iterator[str]:
    if target.minter is None:
        raise NotApplicable("no key was given to make tokens with")
    for service in _services(target):
        reply = _post(target, service, {"feedback": [_overridden(str(uuid4()))]}, "without a token", token=None)
        if reply.status != 401:
            yield reply.unlike(401)
