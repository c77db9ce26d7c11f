"""The tests see what they should: every planted fault is caught (tests/faults.py says which are planted).

Here one fault of each kind in each file; `make faults` plants them all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import faults
from tests.announcements import announce
from tests.planting import PLANTING

PAGE = """\
numbers:
  limit_below: {value: -2.5, unit: '1', of: t_score}
  dose: {value: 70, unit: mg}
rows:
- {id: a, when: creatinine, candidates: true, below: {value: 35, unit: mL/min}, then: block}
- id: b
  then: caution
outcomes:
  one: {indicator: critical, en: 'T {t}', zh: 'T值 {t}'}
  two: {indicator: info}
"""
LOGIC = """\
def decide(t, calm, *, low):
    if calm and not t <= low:
        return t > 0
    return t == low or "b"
"""
FACTS = """\
t_score:
  kind: measurement
  loinc: ["1-8", "2-6"]
  fresh: {months: 24}
  lasts:
  - {drug: a, months: 6}
  worse: lower
"""


def test_every_planted_fault_is_caught(pytestconfig: pytest.Config) -> None:
    """Waits for the faults that conftest.py began to plant when the session began."""
    planting = pytestconfig.stash[PLANTING]
    said, _ = planting.communicate()
    assert planting.returncode == 0, said
    announce(pytestconfig, said.splitlines()[-1])


def test_every_page_logic_and_facts_file_has_a_fault() -> None:
    made = faults.faults()
    assert len({fault.name for fault in made}) == len(made)
    equivalent = faults.equivalents(made)
    planted = faults.selected(fault for fault in made if fault.name not in equivalent)
    assert {fault.path for fault in planted} == {path.relative_to(faults.ROOT).as_posix() for path in faults.files()}
    assert {fault.kind for fault in planted} == {fault.kind for fault in made}


def test_the_selection_is_one_of_each_kind_in_each_file_and_always_the_same() -> None:
    made = faults.faults()
    chosen = faults.selected(made)
    assert {(fault.path, fault.kind) for fault in chosen} == {(fault.path, fault.kind) for fault in made}
    assert len(chosen) == len({(fault.path, fault.kind) for fault in chosen})
    assert faults.selected(reversed(made)) == chosen


def test_a_file_gives_its_faults(tmp_path: Path) -> None:
    folders = tmp_path / "service/guidelines/g", tmp_path / "fhir_profiles/facts"
    for folder in folders:
        folder.mkdir(parents=True)
    (folders[0] / "s.yaml").write_text(PAGE, encoding="utf-8")
    (folders[0] / "s.py").write_text(LOGIC, encoding="utf-8")
    (folders[1] / "f.yaml").write_text(FACTS, encoding="utf-8")
    changed = {
        fault.name.partition(": ")[2]: fault.planted_in((tmp_path / fault.path).read_text(encoding="utf-8"))
        for fault in faults.faults(tmp_path)
    }
    assert {name: _change(text) for name, text in changed.items()} == {
        "numbers.limit_below lowered": ["  limit_below: {value: -2.6, unit: '1', of: t_score}"],
        "numbers.limit_below raised": ["  limit_below: {value: -2.4, unit: '1', of: t_score}"],
        "rows.a gone": [],
        "rows.b gone": [],
        "rows.a.below lowered": [
            "- {id: a, when: creatinine, candidates: true, below: {value: 34, unit: mL/min}, then: block}"
        ],
        "rows.a.below raised": [
            "- {id: a, when: creatinine, candidates: true, below: {value: 36, unit: mL/min}, then: block}"
        ],
        "rows.a.then turned": [
            "- {id: a, when: creatinine, candidates: true, below: {value: 35, unit: mL/min}, then: caution}"
        ],
        "outcomes.one.indicator quieter": ["  one: {indicator: info, en: 'T {t}', zh: 'T值 {t}'}"],
        "outcomes.one not said in Chinese": ["  one: {indicator: critical, en: 'T {t}', xx: 'T值 {t}'}"],
        "outcomes.one lost a blank in Chinese": ["  one: {indicator: critical, en: 'T {t}', zh: 'T值 '}"],
        "calm and (not t <= low) negated": ["    if (not (calm and not t <= low)):"],
        "calm and (not t <= low) `or`": ["    if calm or not t <= low:"],
        "t <= low turned": ["    if calm and not t < low:"],
        "t > 0 turned": ["        return t >= 0"],
        "t == low turned": ['    return t != low or "b"'],
        "t == low or 'b' `and`": ['    return t == low and "b"'],
        "t_score.loinc shortened": ['  loinc: ["2-6"]'],
        "t_score.fresh.months lowered": ["  fresh: {months: 23}"],
        "t_score.fresh.months raised": ["  fresh: {months: 25}"],
        "t_score.fresh gone": ["  gone: {months: 24}"],
        "t_score.lasts.0.months lowered": ["  - {drug: a, months: 5}"],
        "t_score.lasts.0.months raised": ["  - {drug: a, months: 7}"],
        "t_score.worse turned": ["  worse: higher"],
    }
    assert "caution" in changed["rows.a gone"]
    assert "block" not in changed["rows.a gone"]
    assert changed["rows.b gone"] == PAGE.replace("- id: b\n  then: caution\n", "")


def _change(text: str) -> list[str]:
    """The lines of a changed file that it did not have."""
    known = {line for sound in (PAGE, LOGIC, FACTS) for line in sound.splitlines()}
    return [line for line in text.splitlines() if line not in known]
