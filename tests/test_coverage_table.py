"""Every statement of the clinical notes has its rule and its vignette, or says why not; every outcome fires and stays
silent somewhere; COVERAGE.md is what the generator prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from tests.coverage_table import PRINTED, Coverage, Statement, printed, read, unasked, unlinked
from tests.near_misses import is_a_hair


def _numbered(part: str, last: int) -> Iterator[str]:
    yield from (f"{part}{number}" for number in range(1, last + 1))


# The rows of the notes, part by part.
EXPECTED = {
    *("2.order", "H1", "H2", "H3a", "H3b", "H3c", "H3d", "M1", "M2", "L", "I"),
    *(f"2.1.{letter}" for letter in "abcdefg"),
    *_numbered("G", 12),
    *("2.2.doses", "2.2.figures"),
    *_numbered("S", 6),
    *_numbered("D", 10),
    *_numbered("U", 3),
    *_numbered("I", 2),
    *_numbered("B", 5),
    *("G-a", "G-b", "G-c", "L-a", "L-b", "L-c", "L-d"),
    *_numbered("E", 31),
    "3.order",
    *_numbered("P", 7),
    *("5.comparison", "5.leading", "5.unread", "6.law"),
    *_numbered("6.1.", 13),
    *_numbered("6.2.", 16),
    *(f"6.3.{row}" for row in ("B2-E21", "G9", "G8", "D3-D7", "P1")),
    *(f"6.3.E{number}" for number in (1, 3, 4, 5, 6, 7, 10, 12, 13, 16, 23, 24, 31)),
    *_numbered("6.4.", 23),
    *_numbered("6.5.", 6),
}


@cache
def coverage() -> Coverage:
    return read()


def test_every_row_of_the_notes_is_there_once() -> None:
    names = [statement.id for statement in coverage().statements]
    assert len(names) == len(set(names))
    assert set(names) == EXPECTED


def test_everything_is_linked() -> None:
    assert list(unlinked(coverage())) == []


def test_every_row_of_a_table_every_guideline_and_every_outcome_is_asked_for() -> None:
    assert list(unasked(coverage())) == []


def test_the_page_is_up_to_date() -> None:
    """If it is not: python -m tests.coverage_table."""
    assert PRINTED.read_text(encoding="utf-8") == printed(coverage())


@pytest.mark.parametrize(
    ("told", "flaw"),
    [
        ({"by": ["tier H1"]}, "X says nothing"),
        ({"says": "a"}, "X needs what carries it, or why nothing does"),
        ({"says": "a", "by": ["tier H1"], "left_out": "b"}, "X needs what carries it, or why nothing does"),
        ({"says": "a", "by": ["tier H9"]}, "X: tier H9 is not there"),
        ({"says": "a", "by": ["gate H1"]}, "X: gate H1 is not there"),
        ({"says": "a", "by": ["outcome lifestyle:x"]}, "X: outcome lifestyle:x is not there"),
        ({"says": "a", "by": ["opinion tian_2025_ai_bone_loss"]}, "X: opinion tian_2025_ai_bone_loss is not there"),
        ({"says": "a", "by": ["engine service/none.py"]}, "X: engine service/none.py is not there"),
        ({"says": "a", "by": ["nothing H1"]}, "X: nothing H1 is not there"),
        ({"says": "a", "by": ["tier H1"], "rows": ["limits: no such"]}, "X: no vignette limits: no such"),
        ({"says": "a", "by": ["tier H1"], "tests": ["tests/none.py"]}, "X: no file tests/none.py"),
        ({"says": "a", "by": ["tier H1"], "walked": []}, "X: walked means nothing"),
        ({"says": "a", "by": ["fact t_score"]}, "X: no vignette and no test walks it"),
    ],
)
def test_a_statement_that_is_not_linked(told: dict[str, object], flaw: str) -> None:
    whole = coverage()
    one = Coverage([Statement("X", "part", told)], whole.rules, whole.vignettes)
    assert flaw in list(unlinked(one))


def test_an_outcome_that_no_vignette_fires_or_keeps_silent() -> None:
    whole, code = coverage(), "strontium-block"
    without = [
        replace(row, spoken_of=row.spoken_of - {code}) for row in whole.vignettes if code not in row.items("outcome")
    ]
    assert list(unlinked(Coverage([], whole.rules, without))) == [
        f"outcome {code}: no vignette fires it",
        f"outcome {code}: no vignette keeps it silent",
        f"outcome {code}: no vignette keeps it silent within a hair of one that fires it",
    ]


def test_an_outcome_that_no_vignette_keeps_silent_within_a_hair() -> None:
    whole = coverage()
    far = [row for row in whole.vignettes if row.cells["patient"] != "strontium ranelate, angina refuted"]
    assert list(unlinked(Coverage([], whole.rules, far))) == [
        "outcome strontium-block: no vignette keeps it silent within a hair of one that fires it"
    ]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("lumbar-spine -2.5", "lumbar-spine -2.49", True),
        ("lumbar-spine -2.5", "lumbar-spine -2.4", False),
        ("lumbar-spine -2.5", "total-hip -2.49", False),
        ("calcium 2001 mg every 1 d", "calcium 2000 mg every 1 d", True),
        ("calcium 2001 mg every 1 d", "calcium 2000 mg every 2 d", False),
        ("alendronate 70 mg every 6 d", "alendronate 70 mg every 7 d", True),
        ("egfr 29.9 mL/min", "egfr 30 mL/min", True),
        ("letrozole since 2021-11-19", "letrozole since 2021-11-20", True),
        ("letrozole since 2021-11-19", "letrozole since 2021-11-21", False),
        ("letrozole since 2021-11-19", "letrozole since 2021", False),
        ("pregnancy", "pregnancy suspected", True),
        ("pregnancy suspected on 2026-01-01", "pregnancy refuted on 2026-01-01", True),
        ("pregnancy suspected", "dialysis suspected", False),
    ],
)
def test_what_a_hair_is(one: str, other: str, *, expected: bool) -> None:
    assert is_a_hair(one, other) is expected
    assert is_a_hair(other, one) is expected


def test_what_no_statement_asks_for_is_named() -> None:
    whole = coverage()
    fewer = [
        s
        for s in whole.statements
        if not {"gate hip-fracture-surgery", "opinion scan_2015_ai_bone_loss"} & {*s.carriers}
    ]
    assert list(unasked(Coverage(fewer, whole.rules, whole.vignettes))) == [
        "gate hip-fracture-surgery",
        "opinion scan_2015_ai_bone_loss",
        "outcome fracture-surgery-timing",
    ]


def test_a_gate_is_walked_by_rows_with_one_of_its_drugs() -> None:
    """Its outcome alone is not enough: others raise it too."""
    whole = coverage()
    (gate,) = (gate for gate in whole.rules.table.gates if gate.id == "kidney-clodronate")
    rows = whole.walked(Statement("X", "part", {"says": "a", "by": [f"gate {gate.id}"]}))
    assert [row.name for row in rows] == ["limits: clodronate, clearance 9.9"]
