"""What the tests of the service share."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.cli import main
from tests.command_line import Run
from tests.fhir_pieces import TODAY
from tests.guideline_copy import Pages


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process."""
    for name in [name for name in os.environ if name.startswith("OSTEOHOOKS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OSTEOHOOKS_TODAY", TODAY.isoformat())

    def with_arguments(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return with_arguments


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes a document (or bytes as they are) to a file."""

    def to_file(document: Any) -> Path:
        path = tmp_path / "given.json"
        path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
        return path

    return to_file


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pages:
    """The guideline pages in a package of this test's own: modules are kept by their name."""
    monkeypatch.syspath_prepend(tmp_path)
    return Pages(tmp_path, re.sub(r"\W", "_", f"guidelines_of_{tmp_path.name}"))
