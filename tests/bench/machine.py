"""What a figure must be read with: the machine, the versions, the day."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

__all__ = ["MEASURED_WITH", "conditions"]

MEASURED_WITH: Final = ("flask", "granian", "msgspec", "orjson")
_CPUINFO: Final = Path("/proc/cpuinfo")


def conditions(packages: Sequence[str] = MEASURED_WITH, tools: Sequence[str] = ("wrk",)) -> list[str]:
    """One line each: the day, the machine and what else was going on there, the versions."""
    memory = psutil.virtual_memory().total / (1 << 30)
    busy = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}",
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}; "
        f"load average before: {busy}; the load generator runs on the same cores",
        ", ".join(_versions(packages, tools)),
    ]


def _versions(packages: Sequence[str], tools: Sequence[str]) -> Iterator[str]:
    yield f"{platform.python_implementation()} {platform.python_version()}"
    yield from (f"{package} {version(package)}" for package in packages)
    for tool in tools:
        # wrk ends with 1 after printing its version.
        said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False).stdout
        yield " ".join(said.split()[:2]).removeprefix("v") if tool in said else f"{tool} {said.strip()}"


def _processor() -> str:
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.is_file() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _commit() -> str:
    """The commit that was measured, "+" where files differ from it; "unknown" outside a repository."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
