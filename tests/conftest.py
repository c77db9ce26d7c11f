"""What every test shares."""

import os
import sys
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import open_stores
from tests.planting import PLANTING, WAITS, start

pytest_plugins = ["tests.databases"]

# The same examples in every run, and no deadline: a test must not fail because a neighbour keeps the cores busy.
settings.register_profile("osteohooks", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("osteohooks")

# The service keeps its state here, not where a person's own service does; also in the processes that tests start.
_STATE = tempfile.TemporaryDirectory(prefix="osteohooks-tests-", ignore_cleanup_errors=True)
os.environ["XDG_STATE_HOME"] = _STATE.name
os.environ.pop("STATE_DIRECTORY", None)


@pytest.fixture(scope="session", autouse=True)
def _stores_of_the_run() -> Iterator[None]:
    with open_stores.noted():
        yield


@pytest.fixture(autouse=True)
def _stores_of_a_test() -> Iterator[None]:
    with open_stores.closed():
        yield


@pytest.fixture
def untraced() -> Iterator[None]:
    """Coverage is not measured meanwhile: for laws over thousands of patients, which take a third of the time that way.

    What they alone would cover counts as not covered, so that each line has a test of its own.
    """
    measuring = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(measuring)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == WAITS)


def pytest_collection_finish(session: pytest.Session) -> None:
    if any(item.name == WAITS for item in session.items) and not session.config.option.collectonly:
        session.config.stash[PLANTING] = start()


def pytest_unconfigure(config: pytest.Config) -> None:
    _STATE.cleanup()  # here, since a process that tests a planted fault ends without its own clearing up
    planting = config.stash.get(PLANTING, None)
    if planting is not None and planting.poll() is None:
        planting.kill()
        planting.communicate()
