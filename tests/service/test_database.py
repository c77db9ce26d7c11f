"""One database: connections that break, calls that take too long, causes in a word, and times as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from service.config import Settings
from service.store import StoreAway, database_of
from service.store.database import Adding, Database
from service.store.sealing import Pseudonyms, Seal
from service.store.tables import ClientText, Utc, answered, used_token
from tests.databases import KEY, Make
from tests.postgresql import Server


@pytest.fixture
def database(new_settings: Make) -> Iterator[Database]:
    opened = database_of(new_settings())
    opened.upgrade(within=60)
    yield opened
    opened.close()


@pytest.fixture
def shared(tmp_path: Path, postgresql: Server) -> Iterator[Database]:
    address = postgresql.new_database()
    opened = database_of(Settings(state_directory=str(tmp_path), database=address, pseudonym_keys=(KEY,)))
    yield opened
    opened.close()


def pid(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def terminate(database: Database, number: int) -> None:
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as other:
        # The backend is gone when this returns.
        other.execute("SELECT pg_terminate_backend(%s, 60000)", (number,))


def test_a_connection_that_broke_while_idle_costs_no_failure(shared: Database) -> None:
    first = shared.write(pid, within=60)
    terminate(shared, first)
    assert shared.write(pid, within=60) != first


def test_a_change_of_unknown_fate_is_not_made_twice(shared: Database) -> None:
    calls = []

    def work(connection: Connection) -> None:
        calls.append(pid(connection))
        terminate(shared, calls[-1])

    with pytest.raises(StoreAway, match=r"^away$"):
        shared.write(work, within=60)
    assert len(calls) == 1


def test_a_connection_that_breaks_twice_is_a_failure(shared: Database) -> None:
    calls = []

    def work(connection: Connection) -> None:
        calls.append(pid(connection))
        terminate(shared, calls[-1])
        pid(connection)

    with pytest.raises(StoreAway, match=r"^away$"):
        shared.write(work, within=60)
    assert len(calls) == 2


def test_whoever_waits_waits_no_longer_than_it_said(database: Database) -> None:
    go = threading.Event()
    with pytest.raises(StoreAway, match=r"^slow$"):
        database.write(lambda connection: go.wait(60), within=0.01)
    go.set()
    assert database.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one(), within=60) == 1


def test_a_closed_database_is_away(database: Database) -> None:
    database.close()
    with pytest.raises(StoreAway, match=r"^closed$"):
        database.version(within=60)
    database.later(lambda connection: None)


def test_while_the_interpreter_ends_calls_are_made_where_they_are_asked_for(database: Database) -> None:
    database._threads.shutdown()
    thread = database.read(lambda connection: threading.current_thread(), within=60)
    assert thread is threading.current_thread()


def test_what_nobody_waits_for_may_fail(database: Database) -> None:
    done = threading.Event()

    def fail(connection: Connection) -> None:
        done.set()
        connection.execute(text("SELECT none FROM nowhere"))

    database.later(fail)
    assert done.wait(60)
    assert database.version(within=60) is not None


@pytest.mark.parametrize("statement", ["SELECT 1 FROM nowhere", "SELECT gone FROM used_token"])
def test_tables_of_another_version_are_named_as_such(database: Database, statement: str) -> None:
    with pytest.raises(StoreAway, match=r"^schema$"):
        database.read(lambda connection: connection.execute(text(statement)), within=60)


def test_what_is_no_sql_is_a_fault(database: Database) -> None:
    with pytest.raises(StoreAway, match=r"^fault$"):
        database.read(lambda connection: connection.execute(text("SELEC 1")), within=60)


def test_a_fault_of_ours_is_no_fault_of_the_store(database: Database) -> None:
    token = {"token": b"1" * 16, "until": 1.0}
    with pytest.raises(IntegrityError) as caught:
        database.write(lambda connection: connection.execute(used_token.insert(), [token, token]), within=60)
    assert "1.0" not in str(caught.value), "no value in an error's text"
    found = database.read(lambda connection: connection.execute(select(used_token)).all(), within=60)
    assert found == [], "all or nothing"


def test_rows_added_by_the_driver_are_as_sqlalchemy_writes_them(database: Database) -> None:
    there = timezone(timedelta(hours=8))
    named: dict[str, Any] = {
        **{"patient": "0" * 32, "tenant": "north\0\ud800", "at": datetime(2026, 11, 20, 16, 30, tzinfo=there)},
        **{"card": "a", "position": 0, "service": "s", "hook": "h", "rule": "r", "outcome": "o", "edition": "2025"},
        **{"indicator": "info", "language": "en", "evidence": "1" * 32, "held": None, "issuer": "i", "role": None},
    }
    adding = Adding(database.dialect, answered, tuple(named))
    driven = adding.bound(list(named.values()))
    assert adding.bound([named["patient"], named["tenant"]]) == driven[:2], "the first columns alone"

    def write(connection: Connection) -> None:
        adding.add(connection, [driven, driven])
        connection.execute(answered.insert(), {**named, "card": "b"})

    def raw(connection: Connection) -> list[tuple[Any, ...]]:
        columns = ", ".join(name for name in named if name != "card")
        return [tuple(row) for row in connection.exec_driver_sql(f"SELECT {columns} FROM answered")]

    database.write(write, within=60)
    one, other = database.read(raw, within=60)
    assert one == other


def test_times_are_in_utc() -> None:
    there = timezone(timedelta(hours=8))
    utc, plain = Utc(), datetime(2026, 11, 20, 8, 30)  # noqa: DTZ001 - a time as SQLite gives it back
    for name, kept in (("sqlite", plain), ("postgresql+psycopg", plain.replace(tzinfo=UTC))):
        dialect = make_url(f"{name}://").get_dialect()()
        assert utc.process_bind_param(datetime(2026, 11, 20, 16, 30, tzinfo=there), dialect) == kept
        for given in (kept, datetime(2026, 11, 20, 16, 30, tzinfo=there)):
            found = utc.process_result_value(given, dialect)
            assert (found, found and found.tzinfo) == (plain.replace(tzinfo=UTC), UTC)
        assert utc.process_bind_param(None, dialect) is None
        assert utc.process_result_value(None, dialect) is None
        assert ClientText().process_bind_param(None, dialect) is None
        with pytest.raises(ValueError, match="expected a time with its offset"):
            utc.process_bind_param(plain, dialect)


def test_secrets_need_keys() -> None:
    assert Seal(()).close("words") is None
    with pytest.raises(ValueError, match="there is no key"):
        Seal(()).open(b"")
    for keys in ((), ("short",), (KEY, "short")):
        with pytest.raises(ValueError, match="32 characters"):
            Pseudonyms(keys)


def test_what_is_told_to_be_on_disk_is_asked_of_the_database(database: Database) -> None:
    """No test can pull the plug; what the databases are told is looked at."""
    asked = ("PRAGMA journal_mode", "PRAGMA synchronous") if database.is_sqlite else ("SHOW synchronous_commit",)

    def told(connection: Connection) -> list[str]:
        return [str(connection.exec_driver_sql(statement).scalar()) for statement in asked]

    # SQLite's numbers: 2 is FULL, 1 is NORMAL.
    assert database.write(told, within=60) == (["wal", "2"] if database.is_sqlite else ["on"])
    assert database.write(told, within=60, durability="fast") == (["wal", "1"] if database.is_sqlite else ["off"])
