"""Feedback at the wire: what a batch becomes, and how a malformed one is refused, fault by fault."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from cds_hooks import BadRequest, Caller, Feedback, Reason, Service, Unavailable, blueprint, read_feedback
from cds_hooks.schema import load
from tests.wire.clients import BASE, bearer, claims, trust
from tests.wire.record import PARSER, SERVICES, VIEW, Json
from tests.wire.test_trust_routes import EHR, MAX_BODY, answer, check_401, sent

CARD = "4e0a3a1e-3283-4575-ab82-028d55fe2719"
AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
OVERRIDDEN: Json = {"card": CARD, "outcome": "overridden", "outcomeTimestamp": "2026-11-20T08:30:00Z"}
ACCEPTED: Json = {**OVERRIDDEN, "outcome": "accepted", "acceptedSuggestions": [{"id": "s1"}, {"id": "s2"}]}
PATH = "/cds-services/view/feedback"


def raw(*items: object) -> bytes:
    return json.dumps({"feedback": items}).encode()


def read(*items: object) -> tuple[Feedback, ...]:
    return read_feedback(raw(*items))


def overridden(**members: Any) -> Json:
    return {**OVERRIDDEN, **members}


def faults(body: bytes) -> list[tuple[str | None, str]]:
    """Where the faults of a batch are, each with what is said of it."""
    with pytest.raises(BadRequest) as refused:
        read_feedback(body)
    assert refused.value.status == 400
    return [(issue.expression, issue.text or "") for issue in refused.value.issues]


def places(*items: object) -> list[str | None]:
    return [place for place, _ in faults(raw(*items))]


# -- what a batch becomes ----------------------------------------------------------------------------------------------


def test_accepted_and_overridden_of_several_cards() -> None:
    reason = {"code": "patient-refuses", "system": "https://example.org/reasons", "display": "Declined"}
    batch = read(
        ACCEPTED,
        overridden(card="another", overrideReason={"reason": reason, "userComment": "Not this year."}),
        OVERRIDDEN,
    )
    assert batch == (
        Feedback(card=CARD, outcome="accepted", at=AT, suggestions=("s1", "s2")),
        Feedback(
            card="another",
            outcome="overridden",
            at=AT,
            reason=Reason(code="patient-refuses", system="https://example.org/reasons", display="Declined"),
            comment="Not this year.",
        ),
        Feedback(card=CARD, outcome="overridden", at=AT),
    )


def test_an_empty_batch() -> None:
    assert read() == ()


@pytest.mark.parametrize(
    ("why", "reason", "comment"),
    [
        ({"reason": {"code": "c"}}, Reason(code="c"), None),
        ({"reason": {"code": "c", "system": "s"}}, Reason(code="c", system="s"), None),
        ({"reason": {"code": "c", "display": "d"}}, Reason(code="c", display="d"), None),
        ({"reason": {"code": "c", "system": None, "display": None}, "userComment": None}, Reason(code="c"), None),
        ({"userComment": "only words"}, None, "only words"),
        ({"reason": None, "userComment": "only words"}, None, "only words"),
        ({"reason": {"code": "c"}, "userComment": "  "}, Reason(code="c"), None),
        ({"userComment": ""}, None, None),
        ({"reason": {"code": "c", "version": 7}, "extension": {"x": {}}}, Reason(code="c"), None),
        (None, None, None),
    ],
)
def test_reasons_and_comments(why: object, reason: Reason | None, comment: str | None) -> None:
    (found,) = read(overridden(overrideReason=why))
    assert (found.reason, found.comment) == (reason, comment)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-20T08:30:00.000Z", AT),
        ("2026-11-20t08:30:00z", AT),
        ("2026-11-20T10:30:00+02:00", AT),
        ("2026-11-19T22:45:00-09:45", AT),
        ("2026-11-20T08:30:00-00:00", AT),
        ("2026-11-20T08:30:00.123456789Z", AT.replace(microsecond=123456)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_times(text: str, at: datetime) -> None:
    (found,) = read(overridden(outcomeTimestamp=text))
    assert found.at == at
    assert found.at.tzinfo is UTC


def test_suggestions_of_an_overridden_card_are_passed_over() -> None:
    for suggestions in ([], None, [{"id": "s1"}]):
        (found,) = read(overridden(acceptedSuggestions=suggestions))
        assert found.suggestions == ()


def test_no_text_of_a_user_shows() -> None:
    (found,) = read(overridden(overrideReason={"reason": {"code": "c", "display": "Ottilie"}, "userComment": "Quast"}))
    assert repr(found) == "Feedback(overridden)"


# -- malformed ---------------------------------------------------------------------------------------------------------

MALFORMED = {
    "an item that is no object": "x",
    "null": None,
    "an unknown outcome": overridden(outcome="ignored"),
    "accepted without suggestions": overridden(outcome="accepted"),
    "accepted with no suggestion": overridden(outcome="accepted", acceptedSuggestions=[]),
    "accepted with null": overridden(outcome="accepted", acceptedSuggestions=None),
    "a suggestion without id": overridden(outcome="accepted", acceptedSuggestions=[{}]),
    "a suggestion that is a text": overridden(outcome="accepted", acceptedSuggestions=["s1"]),
    "a time that is none": overridden(outcomeTimestamp="yesterday"),
    "a time without offset": overridden(outcomeTimestamp="2026-11-20T08:30:00"),
    "a day only": overridden(outcomeTimestamp="2026-11-20"),
    "a time with a line break": overridden(outcomeTimestamp="2026-11-20T08:30:00Z\n"),
    "a day that no month has": overridden(outcomeTimestamp="2026-02-30T08:30:00Z"),
    "a leap day in another year": overridden(outcomeTimestamp="2026-02-29T08:30:00Z"),
    "an hour that no day has": overridden(outcomeTimestamp="2026-02-20T24:30:00Z"),
    "before the calendar": overridden(outcomeTimestamp="0001-01-01T00:00:00+01:00"),
    "a number for a time": overridden(outcomeTimestamp=1790000000),
    "a number for a card": overridden(card=17),
    "a blank card": overridden(card=" "),
    "a card of several lines": overridden(card="a\nb"),
    "a card with a null character": overridden(card="a\0"),
    "a card that is too long": overridden(card="c" * 257),
    "an empty reason": overridden(overrideReason={}),
    "an empty reason of nulls": overridden(overrideReason={"reason": None, "userComment": None}),
    "a reason without code": overridden(overrideReason={"reason": {"display": "d"}}),
    "a reason that is a text": overridden(overrideReason="declined"),
    "a coding that is a text": overridden(overrideReason={"reason": "declined"}),
    "a comment that is none": overridden(overrideReason={"userComment": 5}),
    "a system that is none": overridden(overrideReason={"reason": {"code": "c", "system": 5}}),
    "a system with a null character": overridden(overrideReason={"reason": {"code": "c", "system": "\0"}}),
}


@pytest.mark.parametrize("about", MALFORMED)
def test_each_fault_is_named_by_its_index(about: str) -> None:
    (fault,) = faults(raw(OVERRIDDEN, MALFORMED[about], ACCEPTED))
    assert fault[0] is not None
    assert fault[0].startswith("feedback[1]")
    assert fault[1].startswith(fault[0])
    assert "Quast" not in fault[1]


# What no pattern can say.
CALENDAR = ("before the calendar",)


@pytest.mark.parametrize("about", MALFORMED)
def test_schema_and_decoder_agree(about: str) -> None:
    schema = load("feedback")
    for good in (OVERRIDDEN, ACCEPTED, overridden(acceptedSuggestions=[], overrideReason={"userComment": ""})):
        assert schema.flaws({"feedback": [good]}, "request") == ()
    assert bool(schema.flaws({"feedback": [MALFORMED[about]]}, "request")) is (about not in CALENDAR)


def test_all_faults_of_a_batch_at_once() -> None:
    found = places(*MALFORMED.values(), OVERRIDDEN, overridden(card=1, outcome="x"))
    numbers = [int((place or "").partition("[")[2].partition("]")[0]) for place in found]
    assert sorted(set(numbers)) == [*range(len(MALFORMED)), len(MALFORMED) + 1]
    assert found[-2:] == [f"feedback[{len(MALFORMED) + 1}].card", f"feedback[{len(MALFORMED) + 1}].outcome"]


def test_what_is_missing_is_named() -> None:
    assert places({"card": CARD}) == ["feedback[0].outcome", "feedback[0].outcomeTimestamp"]
    assert places({**OVERRIDDEN, "outcome": "accepted"}) == ["feedback[0].acceptedSuggestions"]


def test_no_more_sentences_than_anybody_reads() -> None:
    found = faults(raw(*["x"] * 2000))
    assert len(found) == 1001
    assert found[-1] == ("feedback", "There are more faults in this batch.")


@pytest.mark.parametrize(
    ("body", "place", "text"),
    [
        (json.dumps(OVERRIDDEN).encode(), "feedback", "feedback is missing; expected an array"),
        (b"{}", "feedback", "feedback is missing; expected an array"),
        (json.dumps({"feedback": OVERRIDDEN}).encode(), "feedback", "feedback: received an object; expected an array"),
        (b'{"feedback": null}', "feedback", "feedback: received null; expected an array"),
        (b"[]", "request", "request: received an array; expected a JSON object with feedback"),
        (b"{", None, "The body is not valid JSON."),
        (b'{"feedback": [{"card": 1}, {"card": "\\ud800"}]}', None, "The body is not valid JSON."),
        (b'{"feedback": [1,]}', None, "The body is not valid JSON."),
        (b'{"feedback": [], "x": "\xff"}', None, "The body is not UTF-8 text."),
        (b'{"feedback": [' + b"[" * 100_000 + b"]}", None, "The body is nested too deeply: more than 128 levels."),
        (
            json.dumps({"feedback": [OVERRIDDEN]}).replace('"card"', '"card": 5, "card"').encode(),
            "feedback[0]",
            "feedback[0] cannot be read: outcomeTimestamp is no time of the calendar, or a member is there twice.",
        ),
    ],
)
def test_bodies_that_are_no_batch(body: bytes, place: str | None, text: str) -> None:
    ((found, said),) = faults(body)
    assert found == place
    assert said.startswith(text)


# -- the routes --------------------------------------------------------------------------------------------------------

Taken = list[tuple[Service, Sequence[Feedback], Caller | None]]


def client(taken: Taken, *, secured: bool = False, away: bool = False) -> FlaskClient:
    def take(service: Service, batch: Sequence[Feedback], caller: Caller | None) -> None:
        if away:
            raise Unavailable(7, "Come back later.")
        taken.append((service, batch, caller))

    app = flask.Flask("wire")
    authenticate = trust().authenticate if secured else None
    routes = blueprint(
        SERVICES, PARSER, answer, origins=(EHR,), max_body=MAX_BODY, authenticate=authenticate, feedback=take
    )
    app.register_blueprint(routes)
    return app.test_client()


def test_a_batch_is_taken() -> None:
    taken: Taken = []
    response = client(taken).post(PATH, data=raw(OVERRIDDEN, ACCEPTED), content_type="application/json", headers=sent())
    assert (response.status_code, response.get_json()) == (200, {"received": 2})
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == EHR
    assert taken == [(VIEW, read(OVERRIDDEN, ACCEPTED), None)]


def test_a_malformed_batch_reaches_nobody() -> None:
    taken: Taken = []
    response = client(taken).post(PATH, data=raw(OVERRIDDEN, "x"), content_type="application/json", headers=sent())
    assert response.status_code == 400
    assert response.get_json()["issue"][0]["expression"] == ["feedback[1]"]
    assert response.headers["Access-Control-Allow-Origin"] == EHR
    assert taken == []


def test_what_cannot_be_kept_is_told_to_come_back() -> None:
    response = client([], away=True).post(PATH, data=raw(OVERRIDDEN), content_type="application/json", headers=sent())
    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
    (issue,) = response.get_json()["issue"]
    assert (issue["code"], issue["details"]["text"]) == ("transient", "Come back later.")
    assert response.headers["Access-Control-Allow-Origin"] == EHR


@pytest.mark.parametrize(
    ("path", "media_type", "data", "status"),
    [
        ("/cds-services/none/feedback", "application/json", raw(OVERRIDDEN), 404),
        (f"{PATH}/", "application/json", raw(OVERRIDDEN), 404),
        (PATH, "text/plain", raw(OVERRIDDEN), 415),
        (PATH, "application/json", b" " * (MAX_BODY + 1), 413),
    ],
)
def test_other_refusals(path: str, media_type: str, data: bytes, status: int) -> None:
    taken: Taken = []
    response = client(taken).post(path, data=data, content_type=media_type, headers=sent())
    assert response.status_code == status
    assert response.get_json()["resourceType"] == "OperationOutcome"
    assert taken == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(method: str) -> None:
    response = client([]).open(PATH, method=method, headers=sent())
    assert (response.status_code, response.headers["Allow"]) == (405, "OPTIONS, POST")


def test_a_browser_asks_without_a_token() -> None:
    response = client([], secured=True).options(PATH, headers=sent())
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == EHR
    assert "POST" in response.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("aud", [PATH, "/cds-services/view"])
def test_the_token_is_for_either_address(aud: str) -> None:
    taken: Taken = []
    token = bearer(claims(aud=BASE + aud, tenant="north"))
    response = client(taken, secured=True).post(
        PATH, data=raw(OVERRIDDEN), content_type="application/json", headers=sent(token)
    )
    assert response.status_code == 200
    ((_, _, caller),) = taken
    assert caller is not None
    assert caller.tenant == "north"


@pytest.mark.parametrize(
    "token",
    [None, bearer(claims(aud=f"{BASE}/cds-services/sign/feedback")), bearer(claims(aud=f"{BASE}/cds-services"))],
)
def test_without_a_token_for_it_nothing_is_taken_or_told(token: str | None) -> None:
    taken: Taken = []
    for path in (PATH, "/cds-services/none/feedback"):
        check_401(
            client(taken, secured=True).post(
                path, data=raw(OVERRIDDEN, "x"), content_type="application/json", headers=sent(token)
            )
        )
    assert taken == []


def test_without_a_taker_there_is_no_such_address() -> None:
    app = flask.Flask("wire")
    app.register_blueprint(blueprint(SERVICES, PARSER, answer, origins=(EHR,), max_body=MAX_BODY))
    assert app.test_client().post(PATH, data=raw(OVERRIDDEN), content_type="application/json").status_code == 404
    assert PATH not in app.test_client().get("/openapi.json").get_json()["paths"]
