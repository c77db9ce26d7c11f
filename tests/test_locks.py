"""The lock files: they answer pyproject.toml, pin by hash, and name no place to fetch from."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN: list[str] = PROJECT["project"]["dependencies"]
TEST: list[str] = PROJECT["project"]["optional-dependencies"]["test"]
BUILD: list[str] = PROJECT["dependency-groups"]["build"]

LOCKS = {
    "requirements.lock": RUN,
    "requirements-build.lock": BUILD,
    "requirements-test.lock": [*RUN, *TEST, *BUILD],
}
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; [^\\]+)? \\$")


def pins(lock: str) -> dict[str, str]:
    """The version of each package that a lock file pins; every other line is one of its hashes or a comment."""
    pinned: dict[str, str] = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if found := PIN.match(line):
            pinned[found[1]] = found[2]
        else:
            assert re.match(r"^    (--hash=sha256:[0-9a-f]{64}( \\)?|#.*)$", line), f"{lock}: {line}"
    return pinned


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_answers_the_project(lock: str) -> None:
    pinned = pins(lock)
    for requirement in map(Requirement, LOCKS[lock]):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_the_test_lock_holds_the_others_unchanged() -> None:
    whole = pins("requirements-test.lock")
    assert pins("requirements.lock").items() <= whole.items()
    assert pins("requirements-build.lock").items() <= whole.items()


def test_the_build_lock_is_what_the_build_asks_for() -> None:
    assert PROJECT["build-system"]["requires"] == BUILD


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_names_no_place_to_fetch_from(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert re.findall(r"https?:|file:|--(?:extra-)?index-url|--find-links|--trusted-host", text) == []
