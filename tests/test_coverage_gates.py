"""The coverage limits: which file has which, and that a shortfall or a missing file is seen."""

from typing import Any

import pytest

from tests.coverage_gates import WHOLE, figures, limit_of, shortfalls


def measured(percent: float, lines: list[int], branches: list[list[int]]) -> dict[str, Any]:
    summary = {
        "percent_covered": percent,
        "num_statements": 80,
        "num_branches": 20,
        "covered_lines": 80 - len(lines),
        "covered_branches": 20 - len(branches),
    }
    return {"summary": summary, "missing_lines": lines, "missing_branches": branches}


FULL = {
    path: measured(100.0, [], [])
    for path in (
        "service/assess.py",
        "service/decide.py",
        "service/decision.py",
        "service/gates.py",
        "service/rules.py",
        "service/guidelines/x_2020_y/tier.py",
        "fhir_profiles/kinds/measured.py",
        "service/callers.py",
        "service/access.py",
        "cds_hooks/addresses.py",
        "cds_hooks/deadline.py",
        "cds_hooks/fetching.py",
        "cds_hooks/fhir_access.py",
        "cds_hooks/fhir_server.py",
        "cds_hooks/keys.py",
        "cds_hooks/key_server.py",
        "cds_hooks/minting.py",
        "cds_hooks/pages.py",
        "cds_hooks/replay.py",
        "cds_hooks/scopes.py",
        "cds_hooks/tally.py",
        "cds_hooks/tokens.py",
        "cds_hooks/trust.py",
        "cds_hooks/card.py",
    )
}


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("service/decide.py", 100),
        ("service/guidelines/x_2020_y/tier.py", 100),
        ("fhir_profiles/chart.py", 100),
        ("fhir_profiles/kinds/measured.py", 100),
        ("cds_hooks/trust.py", 100),
        ("cds_hooks/key_server.py", 100),
        ("service/speak.py", 95),
        ("cds_hooks/request.py", 95),
    ],
)
def test_what_decides_and_reads_is_covered_whole(path: str, limit: float) -> None:
    assert limit_of(path) == limit


def test_full_coverage_passes() -> None:
    assert shortfalls(FULL) == []


def test_a_single_branch_of_what_decides_is_missed() -> None:
    files = FULL | {"service/decide.py": measured(99.99, [], [[3, 5]])}
    assert shortfalls(files) == ["service/decide.py: 99.99 %, needs 100 %; not covered: 3->5"]


def test_each_other_file_must_reach_its_limit_by_itself() -> None:
    files = FULL | {"cds_hooks/card.py": measured(95.0, [1], [])}
    assert shortfalls(files) == []
    files |= {"cds_hooks/card.py": measured(94.9, [1, 2], [])}
    assert shortfalls(files) == ["cds_hooks/card.py: 94.90 %, needs 95 %; not covered: 1, 2"]


@pytest.mark.parametrize("pattern", WHOLE)
def test_a_file_that_nothing_measured_is_missed(pattern: str) -> None:
    prefix = pattern.partition("*")[0]
    files = {path: report for path, report in FULL.items() if not path.startswith(prefix)}
    assert shortfalls(files) == [f"no file matches {pattern}"]


def test_the_figures_are_those_of_lines_and_branches_together() -> None:
    first, second = figures(FULL | {"cds_hooks/card.py": measured(95.0, [1, 2, 3], [[1, 2], [3, 4]])})
    assert "100.00 % of 2300 lines and branches in 23 files (needs 100 %)" in first
    assert "95.00 % of 100 lines and branches in 1 files (needs 95 % a file)" in second
