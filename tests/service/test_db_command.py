"""`osteohooks db upgrade | check | purge`, the tables and their migrations, and what a server makes of the store."""

from __future__ import annotations

import hmac
import os
import sqlite3
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, insert, inspect, select, text

from service.commands import Unusable
from service.config import Settings, SettingsError
from service.store import Store, commands, database_of
from service.store.feedback import event_of
from service.store.purge import before
from service.store.tables import HEAD, METADATA, answered, feedback, used_token
from service.store.upgrade import differences
from tests.command_line import Run
from tests.databases import KEY, Make
from tests.postgresql import Server
from tests.service.test_feedback import service

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


@pytest.fixture
def db(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs the command on the store of some settings."""

    def command(settings: Settings, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("OSTEOHOOKS_STATE_DIRECTORY", settings.state_directory)
        if settings.database is not None:
            monkeypatch.setenv("OSTEOHOOKS_DATABASE", settings.database)
            monkeypatch.setenv("OSTEOHOOKS_PSEUDONYM_KEYS", KEY)
        return run("db", *arguments)

    return command


def on(settings: Settings, work: Callable[[Connection], object]) -> None:
    database = database_of(settings)
    try:
        database.write(work, within=60)
    finally:
        database.close()


def empty(settings: Settings) -> None:
    """Take the tables away again."""

    def drop(connection: Connection) -> None:
        METADATA.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))

    on(settings, drop)


# -- upgrade and check -------------------------------------------------------------------------------------------------


def test_from_nothing_to_this_version(new_settings: Make, db: Callable[..., tuple[int, str, str]]) -> None:
    settings = new_settings()
    if settings.database is not None:
        empty(settings)
    assert db(settings, "check") == (
        2,
        "",
        f"osteohooks: the database is empty, this service needs {HEAD}; run osteohooks db upgrade\n",
    )
    assert db(settings, "upgrade") == (0, f"The database is at version {HEAD} now; it was empty.\n", "")
    assert db(settings, "upgrade") == (0, f"The database is at version {HEAD} already.\n", "")
    tables = "".join(f"{table}: 0 rows\n" for table in ("answered", "feedback", "used_token"))
    assert db(settings, "check") == (0, f"{tables}The database is at version {HEAD}, and whole.\n", "")


def test_the_migrations_make_the_tables_that_the_code_knows(new_settings: Make) -> None:
    settings = new_settings()
    database = database_of(settings)
    try:
        database.upgrade(within=60)
        assert database.read(differences, within=60) == []

        def columns(connection: Connection) -> dict[str, list[tuple[str, bool]]]:
            found = inspect(connection)
            return {
                table.name: [(column["name"], bool(column["nullable"])) for column in found.get_columns(table.name)]
                for table in METADATA.sorted_tables
            }

        assert database.read(columns, within=60) == {
            table.name: [(column.name, bool(column.nullable)) for column in table.columns]
            for table in METADATA.sorted_tables
        }
    finally:
        database.close()


def test_the_newest_migration_is_the_one_that_the_code_names() -> None:
    folder = Path(commands.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [HEAD]


def test_tables_that_differ_are_named(new_settings: Make, db: Callable[..., tuple[int, str, str]]) -> None:
    settings = new_settings()
    assert db(settings, "upgrade")[0] == 0
    on(settings, lambda connection: connection.execute(text("DROP INDEX ix_feedback_card")))
    status, out, err = db(settings, "check")
    assert (status, out.splitlines()[-1]) == (1, "The database is not as it should be.")
    assert "ix_feedback_card" in err


def test_a_damaged_file_is_seen(tmp_path: Path, db: Callable[..., tuple[int, str, str]]) -> None:
    settings = Settings(state_directory=str(tmp_path))
    assert db(settings, "upgrade")[0] == 0
    path = tmp_path / "osteohooks.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_feedback_card'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    status, out, err = db(settings, "check")
    assert (status, out.splitlines()[-1]) == (1, "The database is not as it should be.")
    assert err


def test_a_file_that_is_no_database(tmp_path: Path, db: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "osteohooks.sqlite3").write_bytes(b"Ottilie Quast " * 1000)
    settings = Settings(state_directory=str(tmp_path))
    for action in ("upgrade", "check"):
        assert db(settings, action) == (2, "", "osteohooks: the database cannot be used at the moment: fault\n")


def set_version(settings: Settings, version: str) -> None:
    on(settings, lambda connection: connection.execute(text(f"UPDATE alembic_version SET version_num = '{version}'")))


def test_a_database_of_a_later_version(new_settings: Make, db: Callable[..., tuple[int, str, str]]) -> None:
    settings = new_settings()
    assert db(settings, "upgrade")[0] == 0
    set_version(settings, "9999")
    assert db(settings, "upgrade") == (2, "", "osteohooks: the database cannot be used at the moment: schema\n")
    assert "is at version 9999, this service needs" in db(settings, "check")[2]
    with pytest.raises(Unusable):
        commands.make_ready(settings)
    store = Store(settings)
    assert store.checks["feedback"]() == "schema"
    store.close()


# -- purge -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "on_day"),
    [
        ("1d", date(2028, 2, 28)),
        ("365d", date(2027, 3, 1)),
        ("1m", date(2028, 1, 29)),
        ("13m", date(2027, 1, 29)),
        ("1y", date(2027, 2, 28)),
        ("4y", date(2024, 2, 29)),
    ],
)
def test_ages_go_by_the_calendar(age: str, on_day: date) -> None:
    assert before(age, date(2028, 2, 29)) == datetime(on_day.year, on_day.month, on_day.day, tzinfo=UTC)


@pytest.mark.parametrize("age", ["", "0d", "-1d", "90", "d", "90 d", "1.5y", "9w", "100000d", "9999y", "1d\n"])
def test_ages_that_are_none(age: str, tmp_path: Path, db: Callable[..., tuple[int, str, str]]) -> None:
    status, out, err = db(Settings(state_directory=str(tmp_path)), "purge", f"--older-than={age}")
    assert (status, out) == (2, "")
    assert err.startswith("osteohooks: --older-than: expected ")


def test_what_is_older_goes_and_leaves_no_trace(new_settings: Make, db: Callable[..., tuple[int, str, str]]) -> None:
    settings = new_settings()
    assert db(settings, "upgrade")[0] == 0
    today = datetime.now(UTC)
    old, young = today - timedelta(days=91), today - timedelta(days=89)

    def fill(connection: Connection) -> None:
        for number, at in enumerate((old, old, young)):
            connection.execute(
                insert(feedback),
                {
                    **{"event": bytes([number]) * 16, "received_at": at, "service": "s", "card": f"trace-of-{number}"},
                    **{"outcome": "overridden", "outcome_at": old, "suggestions": [], "commented": False},
                },
            )
            row = dict.fromkeys(("service", "hook", "rule", "outcome", "edition", "indicator", "language"), "x")
            keys = {"at": at, "card": f"card-{number}", "position": 0, "patient": "p", "evidence": "e"}
            connection.execute(insert(answered), {**row, **keys})
        connection.execute(insert(used_token), [{"token": b"1" * 16, "until": 1.0}, {"token": b"2" * 16, "until": 9e9}])

    on(settings, fill)
    assert db(settings, "purge", "--older-than", "90d") == (
        0,
        "feedback: 2 rows deleted\nanswered: 2 rows deleted\nused_token: 1 rows deleted\n",
        "",
    )
    found: list[object] = []
    on(settings, lambda connection: found.extend(connection.execute(select(feedback.c.card)).scalars()))
    on(settings, lambda connection: found.extend(connection.execute(select(answered.c.card)).scalars()))
    on(settings, lambda connection: found.extend(connection.execute(select(used_token.c.token)).scalars()))
    assert found == ["trace-of-2", "card-2", b"2" * 16]
    if settings.database is None:
        files = b"".join(path.read_bytes() for path in Path(settings.state_directory).iterdir())
        assert b"trace-of-2" in files
        assert b"trace-of-0" not in files
    assert db(settings, "purge", "--older-than", "90d")[1].startswith("feedback: 0 rows deleted\n")


def test_many_rows_go_in_several_transactions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.store import purge

    monkeypatch.setattr(purge, "_AT_ONCE", 3)
    settings = Settings(state_directory=str(tmp_path))
    database = database_of(settings)
    database.upgrade(within=60)
    rows = [{"token": bytes([number]) * 16, "until": 1.0} for number in range(10)]
    database.write(lambda connection: connection.execute(insert(used_token), rows), within=60)
    assert purge.purge_before(database, NOW)["used_token"] == 10
    database.close()


# -- a store that cannot be had ----------------------------------------------------------------------------------------


def test_a_state_directory_that_cannot_be_made(tmp_path: Path, db: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(state_directory=str(tmp_path / "file" / "state"))
    assert db(settings, "check") == (2, "", "osteohooks: state_directory: cannot be made: Not a directory\n")
    with pytest.raises(SettingsError, match="state_directory: cannot be made"):
        Store(settings)


def test_a_store_that_may_not_be_opened(tmp_path: Path, db: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "osteohooks.sqlite3").mkdir()
    settings = Settings(state_directory=str(tmp_path))
    assert db(settings, "check") == (
        2,
        "",
        "osteohooks: state_directory: the store cannot be opened there: Is a directory\n",
    )


def test_an_address_that_is_none(tmp_path: Path) -> None:
    for address in ("postgresql://Quast:@:port/x", "postgresql://db.example.org:5432x/name"):
        settings = Settings(state_directory=str(tmp_path), database=address, pseudonym_keys=(KEY,))
        with pytest.raises(SettingsError) as caught:
            Store(settings)
        assert caught.value.problems == ("database: this is no address of a PostgreSQL database",)


def test_the_key_of_the_pseudonyms_is_made_once_and_kept_close(tmp_path: Path) -> None:
    settings = Settings(state_directory=str(tmp_path / "state"))
    one, other = Store(settings), Store(settings)
    assert one.pseudonyms.all_of("patient", "p1") == other.pseudonyms.all_of("patient", "p1")
    assert one.pseudonyms.all_of("patient", "p1") != one.pseudonyms.all_of("patient", "p2")
    assert one.pseudonyms.all_of("a", "bc") != one.pseudonyms.all_of("ab", "c")
    path = tmp_path / "state" / "pseudonym.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("osteohooks.sqlite3*")} == {0o600}
    assert sorted(os.listdir(path.parent)) == sorted(
        {"pseudonym.key", *(name for name in os.listdir(path.parent) if name.startswith("osteohooks.sqlite3"))}
    )
    one.close()
    other.close()
    path.write_text("short\n")
    with pytest.raises(SettingsError, match=r"its pseudonym\.key holds no key"):
        Store(settings)
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsError, match="no key can be kept there"):
        Store(settings)


def test_of_two_first_starts_at_once_one_key_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.store import sealing

    link = os.link

    def late(new: Path, path: Path) -> None:
        path.write_text(f"{'f' * 64}\n")
        link(new, path)

    monkeypatch.setattr(os, "link", late)
    assert sealing.key_in(tmp_path) == "f" * 64
    assert os.listdir(tmp_path) == ["pseudonym.key"]


def test_a_key_can_be_changed(tmp_path: Path) -> None:
    old, new = KEY, KEY[::-1]
    before_ = Store(Settings(state_directory=str(tmp_path), pseudonym_keys=(old,)))
    after = Store(Settings(state_directory=str(tmp_path), pseudonym_keys=(new, old)))
    known = before_.pseudonyms.all_of("p", "län")
    assert known == (hmac.digest(old.encode(), "1:p4:län".encode(), "sha256")[:16].hex(),), "those on record hold"
    assert after.pseudonyms.all_of("p", "län")[1:] == known
    assert after.pseudonyms.all_of("p", "län")[:1] != known
    before_.close()
    after.close()


def test_keys_for_comments_that_are_none(tmp_path: Path) -> None:
    settings = Settings(state_directory=str(tmp_path), comments="encrypt", comment_keys=("Ottilie",))
    with pytest.raises(SettingsError) as caught:
        Store(settings)
    assert caught.value.problems == ("comment_keys: expected Fernet keys: 32 bytes each, in URL-safe base64",)


def test_a_server_without_its_database_starts_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = "postgresql://osteohooks@127.0.0.1:9/none"
    settings = Settings(state_directory=str(tmp_path), database=nowhere, pseudonym_keys=(KEY,))
    commands.make_ready(settings)
    assert capsys.readouterr().err == "osteohooks: the store is away (away); starting without it\n"
    with service(settings) as client:
        assert client.get("/cds-services").status_code == 200
        assert client.post("/cds-services/bone-health-order-sign/feedback", json={"feedback": []}).status_code == 200
        body = {"feedback": [{"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-11-20T08:30:00Z"}]}
        assert client.post("/cds-services/bone-health-order-sign/feedback", json=body).status_code == 503


def test_a_server_whose_shared_database_has_no_tables_does_not_start(tmp_path: Path, postgresql: Server) -> None:
    settings = Settings(state_directory=str(tmp_path), database=postgresql.new_database(), pseudonym_keys=(KEY,))
    with pytest.raises(Unusable, match="run osteohooks db upgrade"):
        commands.make_ready(settings)
    commands.upgrade(settings)
    commands.make_ready(settings)


def test_the_embedded_database_is_made_ready(tmp_path: Path) -> None:
    settings = Settings(state_directory=str(tmp_path))
    commands.make_ready(settings)
    database = database_of(settings)
    assert database.version(within=60) == HEAD
    count: list[int] = []
    database.write(
        lambda connection: count.append(connection.execute(select(func.count()).select_from(feedback)).scalar_one()),
        within=60,
    )
    database.close()
    assert count == [0]


def test_an_event_is_known_by_its_client_too() -> None:
    from cds_hooks import Caller, Feedback

    item = Feedback(card="c", outcome="accepted", at=NOW, suggestions=("a", "b"))
    one, other = (Caller(iss=iss, tenant=None, jti="1") for iss in ("https://a.example", "https://b.example"))
    assert len({event_of(item, caller) for caller in (None, one, other)}) == 3
    assert event_of(item, one) == event_of(item, Caller(iss=one.iss, tenant="north", jti="2"))
