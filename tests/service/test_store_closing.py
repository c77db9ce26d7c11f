"""A store is closed by whoever opened it, once, and by nobody else."""

from __future__ import annotations

import gc
import inspect
import weakref
from typing import Any

import msgspec
import pytest

from service.app import create_app
from service.config import QuietSettings, SettingsError
from service.store import Store, StoreAway
from service.store.tables import HEAD
from tests.databases import Make
from tests.service.test_journal import ANSWER, found, kept


def is_closed(store: Store) -> bool:
    try:
        store.database.version(within=60)
    except StoreAway as away:
        return str(away) == "closed"
    return False


def test_it_is_closed_once_and_after_what_uses_it(new_settings: Make) -> None:
    settings = new_settings()
    store = Store(settings)
    closed: list[bool] = []
    store.beside(lambda: closed.append(is_closed(store)))
    store.journal.append(ANSWER, [found("a")])
    store.close()
    assert [row["card"] for row in kept(settings)] == ["a"]
    assert is_closed(store)
    store.close()
    assert closed == [False]


def test_what_cannot_be_closed_keeps_nothing_else_open(new_settings: Make) -> None:
    settings = new_settings()
    store = Store(settings)

    def fails() -> None:
        raise OSError("the disk is gone")

    store.beside(fails)
    store.journal.append(ANSWER, [found("a")])
    with pytest.raises(OSError, match="the disk is gone"):
        store.close()
    assert is_closed(store)
    assert [row["card"] for row in kept(settings)] == ["a"]


def test_the_collector_closes_nothing(new_settings: Make) -> None:
    """It may strike while the locks are held that closing waits for, in the same thread."""
    store = Store.__new__(Store)
    inspect.unwrap(Store.__init__)(store, new_settings())  # not noted by tests/open_stores.py, which would hold it
    database, journal, gone = store.database, store.journal, weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None
    assert database.version(within=60) == HEAD
    journal.close()
    database.close()


def test_an_application_that_cannot_be_made_leaves_no_store_open(
    new_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Store] = []

    def opened(*given: Any, **named: Any) -> Store:
        made.append(Store(*given, **named))
        return made[-1]

    monkeypatch.setattr("service.app.Store", opened)
    quiet = (QuietSettings(show="off", rule="no_such_rule"),)
    with pytest.raises(SettingsError, match="no such rule"):
        create_app(msgspec.structs.replace(new_settings(), quiet=quiet))
    assert is_closed(made[0])
