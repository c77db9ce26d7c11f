"""The guard: a malformed card is dropped, told and counted, the rest delivered, and an "all clear" never made of it."""

import json
import logging
from collections.abc import Callable
from typing import Any

import flask
import msgspec
import pytest

from cds_hooks import Card, Guard, PreconditionFailed, Source, blueprint, build_all
from cds_hooks.card import Malformed
from tests.broken_parts import CARD, CARD_FAULTS, CREATE, uuid
from tests.wire.record import PARSER, SERVICES, body, view

GOOD = {**CARD, "uuid": uuid("card")}


def card(**members: Any) -> Card:
    return Card(**{"summary": "Do this", "indicator": "info", "source": Source(label="A"), **members})


def breaks(error: Exception) -> Callable[[], Card]:
    def build() -> Card:
        raise error

    return build


def test_while_all_is_well_nothing_changes(caplog: pytest.LogCaptureFixture) -> None:
    plans = [("info", card), ("critical", lambda: card(indicator="critical"))]
    guard = Guard()
    assert guard.cards(plans) == build_all(plans) == [card(), card(indicator="critical")]
    assert guard.cards([]) == build_all([]) == []
    assert guard.dropped == {}
    assert caplog.records == []


def test_a_card_that_cannot_be_built_is_dropped_and_told(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard()
    plans = [
        ("info", card),
        ("warning", lambda: card(summary="x" * 140)),
        ("info", breaks(KeyError("the name of a patient"))),
        ("warning", lambda: card(summary=" ")),
        ("warning", lambda: card(summary=" ")),
    ]
    with caplog.at_level(logging.DEBUG):
        assert guard.cards(plans) == [card()]
    too_long, elsewhere, empty = guard.dropped
    assert too_long == "Card: summary must have at most 139 UTF-16 units"
    assert elsewhere.startswith("KeyError in build, line ")
    assert guard.dropped == {too_long: 1, elsewhere: 1, empty: 2}
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"a card was dropped: {rule}" for rule in (too_long, elsewhere, empty, empty)]
    assert "name of a patient" not in caplog.text
    with pytest.raises(Malformed, match=r"^Card: summary must have at most 139 UTF-16 units$"):
        build_all(plans)


def test_a_critical_card_is_never_dropped() -> None:
    guard = Guard()
    with pytest.raises(Malformed):
        guard.cards([("info", card), ("critical", lambda: card(summary=""))])
    assert guard.dropped == {"Card: summary must not be empty": 1}


def test_no_card_left_is_no_answer() -> None:
    with pytest.raises(KeyError):
        Guard().cards([("info", lambda: card(summary="")), ("info", breaks(KeyError("x")))])


def test_a_refusal_is_an_answer_of_its_own() -> None:
    guard = Guard()
    with pytest.raises(PreconditionFailed):
        guard.cards([("info", card), ("info", breaks(PreconditionFailed("patient", "Patient/1")))])
    assert guard.dropped == {}


# -- answers made elsewhere ------------------------------------------------------------------------


def encoded(*cards: Any, **members: Any) -> bytes:
    return json.dumps({"cards": list(cards), **members}).encode()


@pytest.mark.parametrize("answer", [encoded(), encoded(GOOD, GOOD), encoded(GOOD, systemActions=[CREATE], more=1)])
def test_a_good_answer_stays_as_it_is(answer: bytes) -> None:
    guard = Guard()
    assert guard(answer) is answer
    assert guard.dropped == {}


def test_malformed_cards_are_removed_and_the_rest_kept() -> None:
    guard = Guard()
    broken = [{**GOOD, **CARD_FAULTS[name][0]} for name in ("hard-stop", "a detail that is null")]
    answer = encoded(*broken, GOOD, "x", extension={"org.example": "precise"})
    kept = guard(answer.replace(b'"precise"', b"1.0000000000000000001"))
    assert json.loads(kept)["cards"] == [GOOD]
    assert b"1.0000000000000000001" in kept, "what is not a card must go through untouched"
    assert guard.dropped == {"card-indicator": 1, "no-empty-members": 1, "cards": 1}


@pytest.mark.parametrize(
    "answer",
    [
        encoded({**GOOD, "summary": ""}),
        encoded("x"),
        encoded(GOOD, {**GOOD, "summary": 17, "indicator": "critical"}),
        encoded(GOOD, systemActions=[{**CREATE, "resource": "x"}]),
    ],
    ids=["the last card", "no card at all", "a critical card", "a system action"],
)
def test_what_would_read_as_all_clear_is_no_answer(answer: bytes) -> None:
    with pytest.raises(Malformed):
        Guard()(answer)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"cards":{}}', b'{"cards":null}'])
def test_what_is_no_answer(answer: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Guard()(answer)


@pytest.mark.parametrize(
    ("answer", "status", "cards"),
    [(encoded(GOOD, {**GOOD, "indicator": "hard-stop"}), 200, [GOOD]), (encoded({**GOOD, "indicator": 1}), 500, None)],
)
def test_the_blueprint_sends_what_the_guard_lets_through(answer: bytes, status: int, cards: Any) -> None:
    app = flask.Flask("guarded")
    guarded = blueprint(SERVICES, PARSER, lambda *_: answer, origins="*", max_body=10_000, guard=Guard())
    app.register_blueprint(guarded)
    response = app.test_client().post("/cds-services/view", data=body(view()), content_type="application/json")
    assert response.status_code == status
    assert response.get_json().get("cards") == cards
