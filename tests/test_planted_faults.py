"""The tests see what they should: every planted fault is caught (planted_faults.py says which are planted)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import planted_faults
from tests.announcements import announce
from tests.planting import PLANTING


def test_every_planted_fault_is_caught(pytestconfig: pytest.Config) -> None:
    """Waits for the faults that conftest.py began to plant when the session began."""
    planting = pytestconfig.stash[PLANTING]
    said, _ = planting.communicate()
    assert planting.returncode == 0, said
    announce(pytestconfig, said.splitlines()[-1])


def test_each_kind_of_file_has_its_faults() -> None:
    planted = planted_faults.faults()
    names = [fault.name for fault in planted]
    assert len(names) == len(set(names))
    for pattern in (planted_faults.PAGES, planted_faults.FACTS, planted_faults.LOGIC):
        touched = {fault.path for fault in planted}
        assert touched & {
            path.relative_to(planted_faults.ROOT).as_posix() for path in planted_faults.ROOT.glob(pattern)
        }
    for kind in ("lowered", "raised", "turned", "gone", "not said in Chinese", "lost a blank in Chinese"):
        assert any(kind in name for name in names), kind


def test_a_page_gives_its_faults(tmp_path: Path) -> None:
    page = tmp_path / "service/guidelines/g/s.yaml"
    page.parent.mkdir(parents=True)
    page.write_text(
        "numbers:\n"
        "  limit_below: {value: -2.5, unit: '1', of: t_score}\n"
        "  dose: {value: 70, unit: mg}\n"
        "rows:\n"
        "- {when: creatinine, below: {value: 35, unit: mL/min}}\n"
        "outcomes:\n"
        "  one: {en: 'T {t}', zh: 'T值 {t}'}\n",
        encoding="utf-8",
    )
    (page.parent / "s.py").write_text("def decide(t, *, low):\n    return t <= low or t > 0\n", encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    logic = (page.parent / "s.py").read_text(encoding="utf-8")
    made = [fault for fault in planted_faults.faults(tmp_path) if fault.path.startswith("service/guidelines/g/")]
    changed = {fault.name: fault.planted_in(logic if fault.path.endswith(".py") else text) for fault in made}
    assert len(changed) == 8
    where = "service/guidelines/g/s"
    assert "value: -2.6," in changed[f"{where}.yaml: numbers.limit_below lowered"]
    assert "value: -2.4," in changed[f"{where}.yaml: numbers.limit_below raised"]
    assert "value: 34," in changed[f"{where}.yaml: rows.0.below lowered"]
    assert "xx: 'T值 {t}'" in changed[f"{where}.yaml: outcomes.one not said in Chinese"]
    assert "zh: 'T值 '" in changed[f"{where}.yaml: outcomes.one lost a blank in Chinese"]
    assert "t < low or t > 0" in changed[f"{where}.py:2: t <= low turned"]
    assert "t <= low or t >= 0" in changed[f"{where}.py:2: t > 0 turned"]
