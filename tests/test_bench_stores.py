"""What the benchmark holds the store to: findings accounted for, stores that fail and recover, bars read right."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from sqlalchemy import Connection, text

from service.config import Settings
from service.store import StoreAway, database_of
from tests.bench import failing_stores, under_faults
from tests.bench.bodies import bodies
from tests.bench.failing_stores import FAULTS, NEED_POSTGRESQL
from tests.bench.load import Load, Outcome
from tests.bench.on_record import Account, account_in, counted_in, feedback_kept, written
from tests.bench.own_work import in_process
from tests.bench.servers import Server
from tests.bench.under_faults import Round, Trial, bars, page, trials


def test_what_the_metrics_tell_is_what_the_journal_has(tmp_path: Path) -> None:
    body = bodies()["15 resources"]
    asked = json.loads(body.content)
    with in_process(state=tmp_path) as app:
        client = app.test_client()

        def account() -> Account:
            return account_in(client.get("/metrics").get_data(as_text=True))

        before = account()
        for _ in range(3):
            answered = client.post(f"/cds-services/{body.service}", json=asked | {"hookInstance": str(uuid4())})
            assert answered.status_code == 200
        after = account()
    rows = written(Settings(state_directory=str(tmp_path)))
    assert rows == after.found - before.found
    assert rows > 0
    assert rows % 3 == 0
    assert after.lost == before.lost


@pytest.mark.parametrize(
    ("account", "rows", "whole"),
    [(Account(10, 2), 8, True), (Account(10, 2), 7, False), (Account(10, 0), 11, False), (Account(0, 0), 0, False)],
)
def test_a_journal_is_whole_when_each_finding_is_written_or_counted_as_lost(
    account: Account, rows: int, whole: bool
) -> None:
    words, held = account.bar(rows)
    assert held is whole
    assert f"{account.found} findings, {rows} rows written, {account.lost} lost" in words


def fails_and_recovers(fault: str, folder: Path) -> None:
    with FAULTS[fault](folder / "state") as store:
        database = database_of(store.settings)
        database.upgrade(within=60)

        def write(connection: Connection) -> None:
            connection.execute(
                text("INSERT INTO used_token (token, until) VALUES (:token, 0)"), {"token": uuid4().bytes}
            )

        try:
            database.write(write, within=60)
            heal = store.strike(Server("this process", "", psutil.Process(), 0.0))
            try:
                with pytest.raises(StoreAway):
                    database.write(write, within=0.5)
            finally:
                heal()
            database.write(write, within=60)
        finally:
            database.close()


def test_a_locked_store_fails_and_recovers(tmp_path: Path) -> None:
    fails_and_recovers("SQLite locked", tmp_path)


def test_a_full_disk_fails_and_recovers_where_nothing_can_be_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: str) -> None:
        raise FileNotFoundError("mount")

    monkeypatch.setattr(failing_stores, "_mount", refuse)
    monkeypatch.setattr(Server, "workers", lambda server: [server.process])
    fails_and_recovers("disk full", tmp_path)


@pytest.mark.usefixtures("postgresql")
@pytest.mark.parametrize("fault", NEED_POSTGRESQL)
def test_a_server_fails_and_recovers(fault: str, tmp_path: Path) -> None:
    fails_and_recovers(fault, tmp_path)


def trial(p99_ms: float = 2.0, errors: int = 0, *, said: bool = True, same: bool = True, rows: int = 5) -> Trial:
    """Of one round in which p99 is 1 ms with the store well."""
    well, struck = (Outcome(100, 1.0, 1, 0.5, tail, wrong) for tail, wrong in ((1.0, 0), (p99_ms, errors)))
    told = {"journal": "full"} if said else {}
    return Trial("disk full", "a small disk", [Round(well, struck, told, same, 2)], Account(5, 0), rows)


def verdicts(of: Trial) -> list[bool]:
    return [held for _, held in bars([of])]


def test_each_bar_of_a_store_that_fails_can_be_missed() -> None:
    assert verdicts(trial()) == [True, True, True]
    assert verdicts(trial(p99_ms=2.1)) == [False, True, True]
    assert verdicts(trial(errors=1)) == [True, False, True]
    assert verdicts(trial(said=False)) == [True, False, True]
    assert verdicts(trial(same=False)) == [True, False, True]
    assert verdicts(trial(rows=4)) == [True, True, False]


def test_the_page_says_what_happened_to_the_store() -> None:
    (row,) = (line for line in page([trial()]) if line.startswith("| disk full"))
    assert "| a small disk | 1.00 [1.00..1.00] | 2.00 [2.00..2.00] | 2.00 [2.00..2.00] |" in row
    assert row.endswith("| 0 | journal: full | 2.0 % |")


def test_without_postgresql_the_page_says_what_was_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_faults, "PROGRAMS", None)
    assert list(trials(1, 1.0, only=NEED_POSTGRESQL)) == []
    assert list(page([]))[-1].endswith("for want of PostgreSQL's programs: PostgreSQL stopped, PostgreSQL frozen.")


def test_the_load_tells_its_script_where_the_tokens_are() -> None:
    command = Load("http://127.0.0.1:1/x", Path("body.json"), "en", 8, 2.0, tokens=Path("tokens")).command()
    assert command[command.index("--") + 1 :] == ["body.json", "en", "0.0", "tokens"]


def test_feedback_that_was_kept_is_counted_by_outcome(tmp_path: Path) -> None:
    told = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-11-20T08:00:00Z"}
    accepted = {**told, "outcome": "accepted", "acceptedSuggestions": [{"id": "s"}]}
    with in_process(state=tmp_path) as app:
        for batch in ([told, accepted], [{**told, "card": "d"}], [told]):
            path = "/cds-services/bone-health-patient-view/feedback"
            assert app.test_client().post(path, json={"feedback": batch}).status_code == 200
    assert feedback_kept(Settings(state_directory=str(tmp_path))) == {"accepted": 1, "overridden": 2}


def test_queries_are_counted_by_how_they_ended() -> None:
    name = "osteohooks_fhir_fetches"
    counted = {("labs", "had"): 3, ("dxa", "deadline"): 4, ("labs", "deadline"): 1}
    lines = [f'{name}_total{{key="{key}",ended="{ended}"}} {count}.0' for (key, ended), count in counted.items()]
    told = "\n".join([f"# HELP {name}_total q", f"# TYPE {name}_total counter", *lines, ""])
    assert counted_in(told, f"{name}_total", "ended") == {"had": 3, "deadline": 5}
