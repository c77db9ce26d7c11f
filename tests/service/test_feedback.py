"""Feedback through the front door, kept in either database: each act of a user once, whatever is sent how often."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask.testing import FlaskClient
from sqlalchemy import Connection, RowMapping, select
from werkzeug.test import TestResponse

from service.app import create_app
from service.config import Settings
from service.store import Store, database_of
from service.store.sealing import Seal
from service.store.tables import feedback
from tests.databases import Make

VIEW = "/cds-services/bone-health-patient-view/feedback"
OVERRIDDEN = {"card": "c1", "outcome": "overridden", "outcomeTimestamp": "2026-11-20T08:30:00.250Z"}
ACCEPTED = {
    "card": "c1",
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": "s2"}, {"id": "s1"}],
    "outcomeTimestamp": "2026-11-20T10:31:00+02:00",
}
COMMENT = "Frau Ottilie Quast möchte nicht \N{SNOWMAN}\0"


def kept(settings: Settings) -> list[RowMapping]:
    """The rows, in the order in which they came."""
    database = database_of(settings)

    def rows(connection: Connection) -> list[RowMapping]:
        return list(connection.execute(select(feedback).order_by(feedback.c.id)).mappings())

    try:
        return database.read(rows, within=30)
    finally:
        database.close()


@contextmanager
def service(settings: Settings) -> Iterator[FlaskClient]:
    app = create_app(settings)
    store = app.extensions["store"]
    assert isinstance(store, Store)
    try:
        yield app.test_client()
    finally:
        store.close()


def post(client: FlaskClient, *items: Any, path: str = VIEW) -> TestResponse:
    return client.post(path, data=json.dumps({"feedback": items}), content_type="application/json")


def test_what_is_kept_of_a_batch(new_settings: Make) -> None:
    settings = new_settings()
    reason = {"code": "patient-refuses", "system": "https://example.org/reasons", "display": "Declined"}
    before = datetime.now(UTC)
    with service(settings) as client:
        override = {**OVERRIDDEN, "overrideReason": {"reason": reason, "userComment": COMMENT}}
        response = post(client, ACCEPTED, override)
        assert (response.status_code, response.get_json()) == (200, {"received": 2})
    overridden, accepted = sorted(kept(settings), key=lambda row: str(row["outcome"]), reverse=True)
    assert {row["service"] for row in (accepted, overridden)} == {"bone-health-patient-view"}
    assert {row["card"] for row in (accepted, overridden)} == {"c1"}
    assert accepted["suggestions"] == ["s2", "s1"]
    assert accepted["outcome_at"] == datetime(2026, 11, 20, 8, 31, tzinfo=UTC)
    assert (accepted["reason_code"], accepted["reason_system"], accepted["commented"]) == (None, None, False)
    assert overridden["suggestions"] == []
    assert overridden["outcome_at"] == datetime(2026, 11, 20, 8, 30, 0, 250_000, tzinfo=UTC)
    assert (overridden["reason_code"], overridden["reason_system"]) == ("patient-refuses", reason["system"])
    assert overridden["commented"] is True
    assert all(before <= row["received_at"] <= datetime.now(UTC) for row in (accepted, overridden))
    assert all(row["issuer"] is None and row["tenant"] is None for row in (accepted, overridden))


def test_a_repeat_adds_nothing(new_settings: Make) -> None:
    settings = new_settings()
    later = {**OVERRIDDEN, "outcomeTimestamp": "2026-11-20T08:31:00Z"}
    other_notation = {
        **OVERRIDDEN,
        "outcomeTimestamp": "2026-11-20T09:30:00.25+01:00",
        "extension": {"org.x": {"a": 1}},
    }
    other_order = {**ACCEPTED, "acceptedSuggestions": [{"id": "s1"}, {"id": "s2"}]}
    with service(settings) as client:
        assert post(client, OVERRIDDEN, OVERRIDDEN).status_code == 200
        assert len(kept(settings)) == 1
        for batch in (
            (OVERRIDDEN,),
            (other_notation,),
            (OVERRIDDEN, later),
            (later, ACCEPTED),
            (other_order, OVERRIDDEN),
        ):
            response = post(client, *batch)
            assert (response.status_code, response.get_json()) == (200, {"received": len(batch)})
    assert sorted((row["outcome"], row["outcome_at"].minute) for row in kept(settings)) == [
        ("accepted", 31),
        ("overridden", 30),
        ("overridden", 31),
    ]


@pytest.mark.parametrize("other", [{"card": "c2"}, {"outcomeTimestamp": "2026-11-20T08:30:00.251Z"}, ACCEPTED])
def test_another_act_is_kept_beside_the_first(other: dict[str, Any], new_settings: Make) -> None:
    settings = new_settings()
    with service(settings) as client:
        assert post(client, OVERRIDDEN).status_code == 200
        assert post(client, {**OVERRIDDEN, **other}).status_code == 200
    assert len(kept(settings)) == 2


def test_other_suggestions_are_another_act(new_settings: Make) -> None:
    settings = new_settings()
    with service(settings) as client:
        post(client, ACCEPTED, {**ACCEPTED, "acceptedSuggestions": [{"id": "s1"}]})
        post(client, {**ACCEPTED, "acceptedSuggestions": [{"id": "s1s"}, {"id": "2"}]})
    assert len(kept(settings)) == 3


def test_nothing_of_a_malformed_batch_is_kept(new_settings: Make) -> None:
    settings = new_settings()
    with service(settings) as client:
        response = post(
            client, OVERRIDDEN, {**OVERRIDDEN, "card": 5}, ACCEPTED, {**ACCEPTED, "acceptedSuggestions": []}
        )
        assert response.status_code == 400
        assert [issue["expression"] for issue in response.get_json()["issue"]] == [
            ["feedback[1].card"],
            ["feedback[3].acceptedSuggestions"],
        ]
        assert post(client).get_json() == {"received": 0}
        assert post(client, OVERRIDDEN, path="/cds-services/bone-health-none/feedback").status_code == 404
    assert kept(settings) == []


def test_bare_reasons_and_comments_alone(new_settings: Make) -> None:
    settings = new_settings()
    reasons: list[dict[str, Any]] = [
        {"reason": {"code": "a", "display": "no system"}},
        {"reason": {"code": "b", "system": "no display"}},
        {"userComment": "words only"},
    ]
    with service(settings) as client:
        batch = [{**OVERRIDDEN, "card": str(number), "overrideReason": why} for number, why in enumerate(reasons)]
        assert post(client, *batch).status_code == 200
    found = {row["card"]: (row["reason_code"], row["reason_system"], row["commented"]) for row in kept(settings)}
    assert found == {"0": ("a", None, False), "1": ("b", "no display", False), "2": (None, None, True)}


def test_free_text_is_dropped_unless_the_site_keeps_it(new_settings: Make) -> None:
    settings = new_settings()
    why = {"reason": {"code": "c", "display": "Ottilie"}, "userComment": COMMENT}
    with service(settings) as client:
        assert post(client, {**OVERRIDDEN, "overrideReason": why}).status_code == 200
    (row,) = kept(settings)
    assert (row["comment"], row["reason_display"], row["commented"]) == (None, None, True)


def test_free_text_is_sealed_and_the_key_can_be_changed(new_settings: Make) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings = new_settings(comments="encrypt", comment_keys=(old,))
    why = {"reason": {"code": "c", "display": "Ottilie"}, "userComment": COMMENT}
    with service(settings) as client:
        assert post(client, {**OVERRIDDEN, "overrideReason": why}, {**OVERRIDDEN, "card": "silent"}).status_code == 200
    silent, said = sorted(kept(settings), key=lambda row: bool(row["commented"]))
    assert (silent["comment"], silent["reason_display"]) == (None, None)
    assert b"Ottilie" not in said["comment"]
    for keys in ((old,), (new, old)):
        seal = Seal(keys)
        assert (seal.open(said["comment"]), seal.open(said["reason_display"])) == (COMMENT, "Ottilie")


def test_no_word_of_a_user_in_the_log(new_settings: Make, caplog: pytest.LogCaptureFixture) -> None:
    settings = new_settings(comments="encrypt", comment_keys=(Fernet.generate_key().decode(),))
    why = {"reason": {"code": "c", "display": "Ottilie"}, "userComment": COMMENT}
    with caplog.at_level(logging.DEBUG), service(settings) as client:
        assert post(client, {**OVERRIDDEN, "overrideReason": why}).status_code == 200
        assert post(client, {**OVERRIDDEN, "overrideReason": why, "card": 5}).status_code == 400
    assert "Ottilie" not in caplog.text


def test_the_same_act_from_many_at_once(new_settings: Make) -> None:
    """Two services on one store, as two workers are; batches overlap, and each is sent by several clients."""
    settings = new_settings()
    events = [{**OVERRIDDEN, "card": f"c{number}"} for number in range(20)]
    statuses: list[int] = []

    def send(client: FlaskClient, first: int) -> None:
        for start in range(first, first + 8):
            batch = [events[number % 20] for number in range(start, start + 6)]
            statuses.append(post(client, *batch).status_code)

    with service(settings) as one, service(settings) as other:
        senders = [
            threading.Thread(target=send, args=(worker.application.test_client(), first))
            for worker in (one, other)
            for first in (0, 5, 13)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    assert statuses == [200] * 48
    assert sorted(str(row["card"]) for row in kept(settings)) == sorted(str(event["card"]) for event in events)
