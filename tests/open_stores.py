"""Closes the stores that tests open, for a store has threads and connections and nobody closes it by the way.

What a test opens is closed when the test ends. What stays for the tests after it, in a fixture of a module or opened
within `shared`, is closed when the run ends. A test may close its own sooner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final

import pytest

from service.store import Store

__all__ = ["shared"]

_SHARED: Final[list[Store]] = []
# The last one takes what is opened.
_taking: Final[list[list[Store]]] = [_SHARED]


@contextmanager
def shared() -> Iterator[None]:
    """Around what opens a store that later tests use as well."""
    with _taken_by(_SHARED):
        yield


@contextmanager
def _taken_by(stores: list[Store]) -> Iterator[None]:
    _taking.append(stores)
    try:
        yield
    finally:
        _taking.pop()


def _close(stores: list[Store]) -> None:
    while stores:
        stores.pop().close()


@pytest.fixture(scope="session", autouse=True)
def _stores_of_the_run() -> Iterator[None]:
    opened = Store.__init__

    @wraps(opened)
    def opens(store: Store, *given: Any, **named: Any) -> None:
        opened(store, *given, **named)
        _taking[-1].append(store)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "__init__", opens)
        yield
    _close(_SHARED)


@pytest.fixture(autouse=True)
def _stores_of_a_test() -> Iterator[None]:
    stores: list[Store] = []
    with _taken_by(stores):
        yield
    _close(stores)
