"""The two databases that the store is tried with; PostgreSQL's tests are named as not run where it is not installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import service.store as store_module
import service.store.feedback as feedback_module
from service.config import Settings
from service.store import database_of
from tests.announcements import announce
from tests.fhir_pieces import TODAY
from tests.postgresql import PROGRAMS, Server

KEY: Final = "0123456789abcdef0123456789abcdef"

# What can happen to a server, as parameters of tests have it.
SERVER_FAULTS: Final = ("stopped", "frozen")
NEED_A_SERVER: Final = frozenset({"postgresql", *SERVER_FAULTS})

# Settings with an empty store of their own; more settings as keywords.
Make = Callable[..., Settings]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without PostgreSQL's programs: leave out the tests that need a server, and name each at the end of the run."""
    if PROGRAMS is not None:
        return
    left_out = [item for item in items if "postgresql" in getattr(item, "fixturenames", ()) or _is_postgresql(item)]
    for item in left_out:
        announce(config, f"not run, for want of PostgreSQL's programs: {item.nodeid}")
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _is_postgresql(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and not NEED_A_SERVER.isdisjoint(map(str, callspec.params.values()))


@pytest.fixture(scope="session")
def postgresql(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server that all tests share; who stops it starts it again."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session", autouse=True)
def _unhurried() -> Iterator[None]:
    """Whoever waits for the store waits for as long as it takes: a machine that is busy must fail no test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "_PATIENCE", dict.fromkeys(("strict", "log", "off"), 60.0))
        patch.setattr(store_module, "_LOOK", 60.0)
        patch.setattr(feedback_module, "_WITHIN", 60.0)
        yield


@pytest.fixture(params=["sqlite", "postgresql"])
def new_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes settings for an empty store with its tables, of either kind."""
    kind: str = request.param

    def make(**members: Any) -> Settings:
        state = {"state_directory": str(tmp_path / "state"), "today": TODAY, **members}
        if kind == "sqlite":
            return Settings(**state)
        address = request.getfixturevalue("postgresql").new_database()
        made = Settings(**{"database": address, "pseudonym_keys": (KEY,), **state})
        database = database_of(made)
        database.upgrade(within=60)
        database.close()
        return made

    return make
