"""Figures that a run prints at its end: the size of the grid, the count of planted faults and of generated requests."""

from __future__ import annotations

import pytest

_NAME = "announcements"


class _Announcements:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("figures")
        for line in self.lines:
            terminalreporter.write_line(line)


def announce(config: pytest.Config, line: str) -> None:
    """Print `line` under "figures" when the run ends."""
    plugin = config.pluginmanager.get_plugin(_NAME)
    if plugin is None:
        plugin = _Announcements()
        config.pluginmanager.register(plugin, _NAME)
    assert isinstance(plugin, _Announcements)
    plugin.lines.append(line)
