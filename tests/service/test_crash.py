"""kill -9 in the midst of feedback: what was acknowledged is there once, of no batch a part (`make crash`: more)."""

from __future__ import annotations

import pytest

from tests.announcements import announce
from tests.crash import Forking, crash, variables
from tests.databases import Make

ROUNDS = 20


def test_no_acknowledged_feedback_is_lost(new_settings: Make, request: pytest.FixtureRequest) -> None:
    settings = new_settings()
    servers = Forking(variables(settings))
    try:
        outcome = crash(servers, settings, ROUNDS, longest=0.15)
    finally:
        servers.close()
    assert outcome.faults == []
    assert outcome.unheard >= ROUNDS, "the server was not killed in the midst of anything"
    assert len(outcome.acknowledged) >= ROUNDS
    kind = "PostgreSQL" if settings.database else "SQLite"
    announce(request.config, f"kill -9 under feedback, {kind}: {outcome}")
