"""A small month of the simulation that `make month` runs at full size: fewer cards, and not one critical card lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.config import Settings
from tests.operations.looped import Loop
from tests.operations.simulated_month import report, simulate


def test_the_memory_keeps_cards_away_and_loses_no_critical_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(Settings(state_directory=str(tmp_path)), monkeypatch)
    month = simulate(loop, patients=12, days=15)
    loop.store.close()
    assert month.openings == 12 * 15
    assert (month.lost, month.changed) == (0, 0)
    assert month.critical > 20, "the simulation must have some to lose"
    assert month.remembered.total() < 0.6 * month.without.total()
    # On the first day nobody has said anything yet.
    assert month.remembered[0] == month.without[0]
    assert month.remembered[14] < 0.5 * month.without[14]
    assert {"accepted", "patient-refuses"} <= set(month.told)
    assert len(list(report(month))) == 5
