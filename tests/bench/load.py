"""Load on a server, by wrk: how many answers, how fast, how many errors."""

from __future__ import annotations

import shutil
import subprocess
from math import ceil
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

__all__ = ["FEEDBACK", "Load", "Outcome", "missing_tools"]

SCRIPT: Final = Path(__file__).with_name("load.lua")
# Calls in turn with feedback on what they gave.
FEEDBACK: Final = Path(__file__).with_name("feedback.lua")
MARK: Final = "OUTCOME "


class Outcome(Struct, frozen=True):
    """What came of one load. `bytes` came in, headers included; `errors` counts every answer but 2xx and 3xx."""

    requests: int
    seconds: float
    bytes: int
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


class Load(Struct, frozen=True):
    """One body posted over and over to one address over some connections; `pause_ms` between two of one connection.

    Each request has a hookInstance of its own, and a token of the file of `tokens`, a line each, where there is one.
    """

    url: str
    body: Path
    language: str
    connections: int
    seconds: float
    pause_ms: float = 0.0
    tokens: Path | None = None
    script: Path = SCRIPT

    def run(self) -> Outcome:
        """Raises CalledProcessError when wrk cannot do it."""
        done = subprocess.run(self.command(), check=True, capture_output=True, text=True)
        return outcome_in(done.stdout)

    def command(self) -> list[str]:
        """wrk takes whole seconds; one thread makes more load than two cores can answer."""
        options = ["-t1", f"-c{self.connections}", f"-d{max(1, ceil(self.seconds))}s", "--timeout", "20s"]
        own = [str(self.body), self.language, str(self.pause_ms), *([] if self.tokens is None else [str(self.tokens)])]
        return ["wrk", *options, "-s", str(self.script), self.url, "--", *own]


def outcome_in(printed: str) -> Outcome:
    """The outcome in what wrk printed. Raises ValueError where there is none."""
    lines = [line.removeprefix(MARK) for line in printed.splitlines() if line.startswith(MARK)]
    if len(lines) != 1:
        raise ValueError(f"wrk printed {len(lines)} outcomes")
    return msgspec.json.decode(lines[0], type=Outcome)


def missing_tools() -> list[str]:
    """What must be installed before anything can be measured, each with the way to get it."""
    return [] if shutil.which("wrk") else ["wrk, the load generator (on Debian and Ubuntu: apt install wrk)"]
