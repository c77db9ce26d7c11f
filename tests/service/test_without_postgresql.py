"""Where PostgreSQL is not installed, each test that needs it is named as not run, and no other is left out."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests import databases


class Config:
    """As much of pytest's configuration as is asked for."""

    def __init__(self) -> None:
        self.registered: dict[str, Any] = {}
        self.pluginmanager = SimpleNamespace(get_plugin=self.registered.get, register=self._register)
        self.deselected: list[Any] = []
        self.hook = SimpleNamespace(pytest_deselected=self._deselect)

    def _deselect(self, items: list[Any]) -> None:
        self.deselected += items

    def _register(self, plugin: Any, name: str) -> None:
        self.registered[name] = plugin


def item(name: str, fixtures: Sequence[str] = (), **params: object) -> Any:
    return SimpleNamespace(nodeid=name, fixturenames=fixtures, callspec=SimpleNamespace(params=params))


def test_what_needs_a_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    config: Any = Config()
    kept = [item("a"), item("b", new_settings="sqlite"), item("c", fault="locked"), SimpleNamespace(nodeid="d")]
    left_out = [item("x", ["postgresql"]), item("y", new_settings="postgresql"), item("z", fault="frozen")]
    items: list[Any] = [*left_out, *kept]
    monkeypatch.setattr(databases, "PROGRAMS", "/usr/lib/postgresql")
    databases.pytest_collection_modifyitems(config, items)
    assert items == [*left_out, *kept]
    monkeypatch.setattr(databases, "PROGRAMS", None)
    databases.pytest_collection_modifyitems(config, items)
    assert items == kept
    assert config.deselected == left_out
    (announced,) = config.registered.values()
    assert announced.lines == [f"not run, for want of PostgreSQL's programs: {name}" for name in "xyz"]
