"""The planted faults are tried beside the other tests: minutes on the second core instead of minutes more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.faults import ROOT

__all__ = ["PLANTING", "WAITS", "start"]

PLANTING = pytest.StashKey["subprocess.Popen[str]"]()
# The test that waits for them, and so runs last.
WAITS = "test_every_planted_fault_is_caught"


def start() -> subprocess.Popen[str]:
    """Begin to plant the selected faults on one core, at a lower priority than the tests that time a real server."""
    # The copies' files are not the files that coverage is measured on.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.Popen(
        ["nice", sys.executable, "-m", "tests.planted_faults", "--selected", "--jobs", "1"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
