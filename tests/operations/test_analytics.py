"""`osteohooks feedback`: what was answered and told, counted in every form, drawn, and exported line by line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from sqlalchemy import insert

from service.analytics.fates import Fate, fates
from service.analytics.report import as_table, report
from service.config import Settings
from service.memory_page import load_memory_page
from service.rules import load_rules
from service.store import Answer, Found, Store
from service.store.tables import answered, feedback
from tests.command_line import Run
from tests.databases import KEY, Make
from tests.operations.looped import SYSTEM

AT: Final = datetime(2026, 10, 31, 9, 0, tzinfo=UTC)
NORTH: Final = {"issuer": "https://ehr.example.org/auth", "tenant": "north"}
RULE: Final = "tian_2025_ai_bone_loss/monitoring"


def row(card: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        **{"at": AT, "card": card, "position": 0, "service": "bone-health-patient-view", "hook": "patient-view"},
        **{"rule": RULE, "outcome": "order-dxa", "edition": "2025.1", "indicator": "info", "language": "en"},
        **{"patient": "p" * 32, "evidence": "e" * 32, "held": None, "issuer": None, "tenant": None, "role": None},
        **more,
    }
    assert made.keys() == {*Answer._fields, *Found._fields}, "rows are as the journal writes them"
    return made


def word(card: str, told: str, minutes: float, **more: Any) -> dict[str, Any]:
    """What a client said of a card, so long after it was answered."""
    return {
        **{"event": f"{card}{told}{minutes}{more}".encode()[-16:].rjust(16), "received_at": AT, "service": "x"},
        **{"card": card, "outcome": told, "outcome_at": AT + timedelta(minutes=minutes), "suggestions": []},
        **{"issuer": None, "tenant": None, "reason_system": None, "reason_code": None, "commented": False},
        **{"reason_display": None, "comment": None, **more},
    }


ROWS: Final = [
    row("taken"),
    row("declined"),
    row("ignored"),
    row("wordless"),
    row("foreign-reason"),
    row("first-no-then-yes"),
    row("held", held="declined"),
    row("held-too", held="not-now"),
    row("silent", held="silent"),
    row("north", at=AT + timedelta(days=2), **NORTH),
    row("stolen", at=AT + timedelta(days=2), **NORTH),
    row("taken", position=1, outcome="btm-baseline", role="practitioner"),
]
WORDS: Final = [
    word("taken", "accepted", 2),
    word("declined", "overridden", 4, reason_code="patient-refuses", reason_system=SYSTEM),
    word("wordless", "overridden", 6),
    word("foreign-reason", "overridden", 8, reason_code="Frau Quast", reason_system="https://ehr.example.org"),
    word("first-no-then-yes", "overridden", 10, reason_code="not-convenient-feasible"),
    word("first-no-then-yes", "accepted", 600),
    word("north", "accepted", -5, **NORTH),
    word("stolen", "accepted", 1, issuer="https://other.example"),
    word("never-answered", "accepted", 1),
]


def fill(settings: Settings) -> None:
    store = Store(settings)
    store.database.write(lambda c: c.execute(insert(answered), ROWS), within=30)
    store.database.write(lambda c: c.execute(insert(feedback), WORDS), within=30)
    store.close()


@pytest.fixture
def told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `osteohooks feedback ...` on a store that is filled."""
    fill(Settings(state_directory=str(tmp_path)))
    monkeypatch.setenv("OSTEOHOOKS_STATE_DIRECTORY", str(tmp_path))
    return lambda *arguments: run("feedback", *arguments)


def objects(answer: tuple[int, str, str]) -> list[dict[str, Any]]:
    status, out, err = answer
    assert (status, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)
    return found


def test_what_became_of_each_outcome(told: Run) -> None:
    baseline, dxa = objects(told("report", "--format", "json"))
    assert baseline == {
        **{"rule": RULE, "outcome": "btm-baseline", "shown": 1, "accepted": 1, "overridden": {}, "ignored": 0},
        **{"acceptance": 1.0, "median_seconds_to_feedback": 120.0, "held_back": {}, "silent": 0},
    }
    assert dxa == {
        **{"rule": RULE, "outcome": "order-dxa", "shown": 8, "accepted": 3},
        **{"overridden": {"declined": 1, "no-reason": 1, "other": 1}, "ignored": 2, "acceptance": 0.5},
        **{"median_seconds_to_feedback": 300.0, "held_back": {"declined": 1, "not-now": 1}, "silent": 1},
    }


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--by", "month"), [("2026-10", 7), ("2026-11", 2)]),
        (("--by", "site"), [("", 7), ("https://ehr.example.org/auth north", 2)]),
        (("--by", "role"), [("", 8), ("practitioner", 1)]),
        (("--by", "hook"), [("patient-view", 9)]),
        (("--by", "indicator"), [("info", 9)]),
        (("--by", "month", "--since", "2026-11-02"), [("2026-11", 2)]),
        (("--by", "month", "--since", "2026-11-03"), []),
        (("--by", "month", "--until", "2026-11-02"), [("2026-10", 7)]),
        (("--by", "month", "--since", "2026-10-31", "--until", "2026-11-01"), [("2026-10", 7)]),
    ],
)
def test_other_dimensions_and_times(arguments: Sequence[str], found: list[tuple[str, int]], told: Run) -> None:
    lines = objects(told("report", "--format", "json", *arguments))
    assert [(line[arguments[1]], line["shown"]) for line in lines] == found


def test_the_table_is_for_reading(told: Run) -> None:
    status, out, _ = told("report", "--by", "outcome")
    heads, rule, *lines = out.splitlines()
    assert status == 0
    assert set(rule) == {"-", " "}
    assert heads.split("  ")[0] == "outcome"
    assert lines[0].split() == ["btm-baseline", "1", "1", "0", "0", "100%", "2.0", "min", "0", "0"]
    assert "3 (declined 1, no-reason 1, other 1)" in lines[1]
    assert "2 (declined 1, not-now 1)" in lines[1]
    assert "Quast" not in out


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1.0 min"), (5400, "1.5 h"), (172_800, "2.0 d"), (None, "-")],
)
def test_how_a_time_is_written(seconds: float | None, shown: str) -> None:
    known: dict[str, Any] = {
        **{"card": "c", "service": "s", "hook": "h", "rule": "r", "outcome": "o", "edition": "e", "indicator": "info"},
        **{"language": "en", "patient": "p"},
    }
    fate = Fate(kind="ignored" if seconds is None else "accepted", at=AT, seconds=seconds, **known)
    (lines,) = report([fate], ["outcome"])
    assert f"  {shown}  " in as_table(lines, ["outcome"])


def test_the_csv_has_a_column_for_each_reason(told: Run) -> None:
    status, out, _ = told("report", "--by", "outcome", "--format", "csv")
    assert status == 0
    first, second = csv.DictReader(io.StringIO(out))
    assert (first["overridden:declined"], second["overridden:declined"]) == ("0", "1")
    assert (second["held_back:not-now"], second["silent"], second["acceptance"]) == ("1", "1", "0.5")
    assert told("report", "--since", "2030-01-01", "--format", "csv")[1] == "rule,outcome,shown\n"


def test_a_report_and_its_pictures_as_files(told: Run, tmp_path: Path) -> None:
    output, folder = tmp_path / "report.json", tmp_path / "plots"
    for _ in range(2):
        status, out, err = told("report", "--format", "json", "--output", output, "--plots", folder)
        assert (status, out) == (0, "")
        assert err == f"{folder / 'outcomes.svg'} was written.\n{folder / 'months.svg'} was written.\n"
        pictures = [(folder / f"{name}.svg").read_text(encoding="utf-8") for name in ("outcomes", "months")]
        assert all("<svg" in picture for picture in pictures)
        before = locals().get("before", pictures)
        assert pictures == before, "the same figures give the same bytes"
    assert len(json.loads(output.read_text(encoding="utf-8"))) == 2


def test_pictures_need_their_extra(told: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any) -> None:
        raise ModuleNotFoundError

    monkeypatch.setattr("service.analytics.plots.save_plots", absent)
    status, _, err = told("report", "--plots", tmp_path)
    assert status == 2
    assert err == "osteohooks: --plots: needs the extra of that name: pip install 'osteohooks[plots]'\n"


def exported(answer: tuple[int, str, str]) -> list[dict[str, Any]]:
    status, out, err = answer
    assert (status, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_the_export_has_a_line_for_each_finding(told: Run) -> None:
    lines = exported(told("export"))
    assert len(lines) == len(ROWS)
    kinds = [line["kind"] for line in lines]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"accepted": 4, "overridden": 3, "ignored": 2, "held": 3}
    declined = next(line for line in lines if line["card"] == "declined")
    assert declined == {
        **{"kind": "overridden", "why": "declined", "seconds": 240.0, "at": "2026-10-31T09:00:00Z"},
        **{"told_at": "2026-10-31T09:04:00Z", "card": "declined", "service": "bone-health-patient-view"},
        **{"hook": "patient-view", "rule": RULE, "outcome": "order-dxa", "edition": "2025.1", "indicator": "info"},
        **{"language": "en", "patient": "p" * 32},
    }
    # A clock that is behind ours makes no time negative.
    assert next(line for line in lines if line["card"] == "north")["seconds"] == 0.0


def test_each_audit_event_is_valid_fhir(told: Run, tmp_path: Path) -> None:
    assert told("export", "--format", "audit-event", "--output", tmp_path / "events.ndjson") == (0, "", "")
    lines = (tmp_path / "events.ndjson").read_text(encoding="utf-8").splitlines()
    events = [AuditEvent.model_validate_json(line) for line in lines]
    assert len(events) == len(ROWS)
    assert {json.loads(line)["subtype"][0]["code"] for line in lines} == {"accepted", "overridden", "ignored", "held"}
    north = next(json.loads(line) for line in lines if "north" in line)
    assert north["agent"][0]["who"]["identifier"]["value"] == "https://ehr.example.org/auth north"
    (patient, card) = north["entity"]
    assert patient["what"]["identifier"]["value"] == "p" * 32
    assert card["what"]["identifier"]["value"] == "urn:uuid:north"
    assert {"type": "rule", "valueString": RULE} in card["detail"]
    assert {"type": "told", "valueString": "2026-10-31T08:55:00.000Z"} in card["detail"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("report", "--by", "rule,patient"),
            "--by: expected some of rule, outcome, site, month, hook, role, indicator, each once, separated by commas",
        ),
        (
            ("report", "--by", "rule,rule"),
            "--by: expected some of rule, outcome, site, month, hook, role, indicator, each once, separated by commas",
        ),
        (("report", "--since", "yesterday"), "--since: expected a date, YYYY-MM-DD"),
        (("export", "--until", "2026-13-01"), "--until: expected a date, YYYY-MM-DD"),
        (("export", "--output", "/nowhere/x"), "/nowhere/x: cannot be written (No such file or directory)"),
        (("report", "--plots", "/proc/x"), "/proc/x: cannot be written (No such file or directory)"),
    ],
)
def test_what_cannot_be_used_is_named(arguments: Sequence[str], problem: str, told: Run) -> None:
    status, _, err = told(*arguments)
    assert (status, err) == (2, f"osteohooks: {problem}\n")


def test_a_store_without_tables_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEOHOOKS_STATE_DIRECTORY", str(tmp_path))
    status, _, err = run("feedback", "report")
    assert status == 2
    assert err == ("osteohooks: the database cannot be used at the moment: schema; osteohooks db check says more\n")


def test_both_databases_tell_the_same(new_settings: Make) -> None:
    settings = new_settings(pseudonym_keys=(KEY,))
    fill(settings)
    reason_of: Callable[[str | None, str | None], str | None] = load_memory_page(load_rules()).reason_of
    store = Store(settings)
    found = store.database.read(
        lambda c: list(fates(c, reason_of, AT, datetime.combine(date(2026, 12, 1), AT.timetz()))), within=30
    )
    store.close()
    assert [fate.card for fate in found] == [row["card"] for row in sorted(ROWS, key=lambda row: row["at"])]
    assert [fate.kind for fate in found].count("accepted") == 4
    assert {fate.at.utcoffset() for fate in found} == {timedelta(0)}
