"""The stores that tests open, so that conftest.py can close them: a store has threads and connections of its own.

What a test opens is closed when the test ends. What stays for the tests after it, in a fixture of a module or opened
within `shared`, is closed when the run ends. A test may close its own sooner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final
from unittest.mock import patch

from service.store import Store

__all__ = ["closed", "noted", "shared"]

_SHARED: Final[list[Store]] = []
# The last one takes what is opened.
_taking: Final[list[list[Store]]] = [_SHARED]


@contextmanager
def noted() -> Iterator[None]:
    """Note each store that is opened meanwhile; in the end those that are shared are closed."""
    opened = Store.__init__

    @wraps(opened)
    def opens(store: Store, *given: Any, **named: Any) -> None:
        opened(store, *given, **named)
        _taking[-1].append(store)

    with patch.object(Store, "__init__", opens):
        yield
    _close(_SHARED)


@contextmanager
def closed() -> Iterator[None]:
    """Close what is opened meanwhile, unless it is shared; for use within `noted`."""
    stores: list[Store] = []
    with _taken_by(stores):
        yield
    _close(stores)


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
