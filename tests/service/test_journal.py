"""The journal: written behind the answers, in either database; what it does while the store is slow, full or away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import pytest
from sqlalchemy import Connection, RowMapping, select

from service.config import Settings
from service.store import Answer, Found, Journal, Store, StoreAway, database_of
from service.store.database import Database
from service.store.tables import answered
from tests.databases import Make

T = TypeVar("T")
AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


ANSWER: Final = Answer(at=AT, service="bone-health-order-sign", hook="order-sign", language="zh", patient="0" * 32)


def found(card: str, position: int = 0, held: str | None = None) -> Found:
    return Found(
        card=card,
        position=position,
        rule="tian_2025_ai_bone_loss/risk_tier",
        outcome="risk-tier",
        edition="2025",
        indicator="warning",
        evidence="1" * 32,
        held=held,
    )


def kept(settings: Settings) -> list[RowMapping]:
    database = database_of(settings)

    def rows(connection: Connection) -> list[RowMapping]:
        return list(connection.execute(select(answered).order_by(answered.c.card, answered.c.position)).mappings())

    try:
        return database.read(rows, within=30)
    finally:
        database.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread, for as long as nobody can mean to wait."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def store_of(settings: Settings, **callbacks: Any) -> Iterator[Store]:
    store = Store(settings, **callbacks)
    try:
        yield store
    finally:
        store.close()


def test_what_was_answered_is_written(new_settings: Make) -> None:
    settings = new_settings()
    with store_of(settings) as store:
        store.journal.append(ANSWER, [found("a"), found("a", 1, held="patient-refuses")])
        store.journal.append(ANSWER._replace(issuer="i", tenant="t", role="r"), [found("b")])
        until(lambda: store.journal.queued == 0)
        assert (store.journal.lost, store.journal.state) == (0, None)
    first, second, third = kept(settings)
    assert {key: value for key, value in first.items() if key != "id"} == {
        **{"at": AT, "card": "a", "position": 0, "held": None, "service": "bone-health-order-sign"},
        **{"hook": "order-sign", "rule": "tian_2025_ai_bone_loss/risk_tier", "outcome": "risk-tier"},
        **{"edition": "2025", "indicator": "warning", "language": "zh", "patient": "0" * 32, "evidence": "1" * 32},
        **{"issuer": None, "tenant": None, "role": None},
    }
    assert (second["position"], second["held"]) == (1, "patient-refuses")
    assert (third["issuer"], third["tenant"], third["role"]) == ("i", "t", "r")


def test_the_same_answer_again_is_written_once(new_settings: Make) -> None:
    """A repeated request is answered with the same cards, by whichever worker."""
    settings = new_settings()
    with store_of(settings) as one, store_of(settings) as other:
        for store in (one, other, one):
            store.journal.append(ANSWER, [found("a"), found("a", 1), found("b")])
    assert [(row["card"], row["position"]) for row in kept(settings)] == [("a", 0), ("a", 1), ("b", 0)]


def test_closing_writes_what_waits(new_settings: Make) -> None:
    settings = new_settings()
    with store_of(settings) as store:
        for number in range(2_500):
            store.journal.append(ANSWER, [found(f"{number:04}")])
    assert [row["card"] for row in kept(settings)] == [f"{number:04}" for number in range(2_500)]


def test_a_row_that_no_database_takes_costs_no_other(new_settings: Make, caplog: pytest.LogCaptureFixture) -> None:
    settings = new_settings()
    lost: list[tuple[str, int]] = []
    with store_of(settings, on_lost=lambda cause, rows: lost.append((cause, rows))) as store:
        store.journal.append(ANSWER, [found("a"), found("Quast\ud800")])
        store.journal.append(ANSWER._replace(tenant="north\0\ud800"), [found("b")])
        until(lambda: store.journal.queued == 0)
        assert (store.journal.lost, store.journal.state, lost) == (1, None, [("refused", 1)])
    assert [(row["card"], row["tenant"]) for row in kept(settings)] == [("a", None), ("b", "north??")]
    assert "Quast" not in caplog.text
    assert caplog.messages == ["a row of the journal cannot be written: UnicodeEncodeError"]


class Away(Database):
    """A database that is away, or hangs, as long as it is told to."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(database_of(settings).url)
        self.cause: str | None = None
        self.go = threading.Event()
        self.go.set()
        self.tried = 0

    def write(self, work: Callable[[Connection], T], **options: Any) -> T:
        self.tried += 1
        self.go.wait()
        if self.cause is not None:
            raise StoreAway(self.cause)
        return super().write(work, **options)


@pytest.fixture
def away(tmp_path: Any) -> Iterator[Away]:
    database = Away(Settings(state_directory=str(tmp_path)))
    database.upgrade(within=30)
    database.tried = 0
    yield database
    database.close()


def test_what_waits_is_written_once_the_store_is_back(away: Away, tmp_path: Any) -> None:
    away.cause = "full"
    journal = Journal(away, retry=0.01)
    journal.append(ANSWER, [found("a")])
    until(lambda: away.tried >= 2)
    journal.append(ANSWER, [found("b")])
    assert (journal.queued, journal.lost, journal.state) == (2, 0, "full")
    away.cause = None
    until(lambda: journal.queued == 0)
    assert (journal.lost, journal.state) == (0, None)
    journal.close()
    assert [row["card"] for row in kept(Settings(state_directory=str(tmp_path)))] == ["a", "b"]


def test_a_store_that_hangs_delays_nobody_and_what_has_no_room_is_counted(away: Away) -> None:
    lost: list[tuple[str, int]] = []
    now = 100.0
    journal = Journal(away, most=5, on_lost=lambda cause, rows: lost.append((cause, rows)), clock=lambda: now)
    away.go.clear()
    journal.append(ANSWER, [found("a"), found("a", 1), found("a", 2)])
    until(lambda: away.tried == 1)
    states = [journal.state]
    journal.append(ANSWER, [found("b"), found("b", 1)])
    journal.append(ANSWER, [found("c")])
    journal.append(ANSWER, [found("d"), found("d", 1)])
    now += 5.1
    states.append(journal.state)
    assert (journal.queued, journal.lost, states) == (5, 3, [None, "behind"])
    assert lost == [("full", 1), ("full", 2)]
    away.go.set()
    until(lambda: journal.queued == 0)
    assert journal.state is None
    journal.append(ANSWER, [found("e")])
    journal.close()
    assert journal.lost == 3


def test_what_cannot_be_written_at_the_end_is_lost_and_counted(away: Away) -> None:
    lost: list[tuple[str, int]] = []
    journal = Journal(away, on_lost=lambda cause, rows: lost.append((cause, rows)))
    away.cause = "away"
    journal.append(ANSWER, [found("a"), found("b")])
    journal.close()
    assert lost == [("closed", 2)]
    assert (journal.lost, journal.queued) == (2, 0)
    journal.close()
    assert journal.lost == 2


def test_a_write_that_ends_after_the_journal_was_closed_does_no_harm(away: Away) -> None:
    others = threading.enumerate()  # those of other tests' applications
    journal = Journal(away)
    away.go.clear()
    journal.append(ANSWER, [found("a"), found("b")])
    until(lambda: away.tried == 1)
    journal.close(within=0.05)
    assert (journal.lost, journal.queued) == (2, 0)
    away.go.set()
    for thread in threading.enumerate():
        if thread.name == "osteohooks-journal" and thread not in others:
            thread.join(10)  # what it raised would be an error of this test
            assert not thread.is_alive()
    assert journal.queued == 0


def test_rows_may_come_while_others_are_written(new_settings: Make) -> None:
    settings = new_settings()
    with store_of(settings) as store:

        def fill(who: int) -> None:
            for number in range(1_500):
                store.journal.append(ANSWER, [found(f"{who}-{number}")])

        threads = [threading.Thread(target=fill, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: store.journal.queued == 0)
    assert len(kept(settings)) == 6_000


def test_a_journal_that_was_never_used_is_closed_at_once(away: Away) -> None:
    Journal(away).close()
    assert away.tried == 0
