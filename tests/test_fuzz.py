"""`make fuzz` with a few requests: that it runs, and that it does not call everything well."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext

import pytest

from tests import fuzz
from tests.generated_requests import Sent, check_answer


def test_a_short_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--requests", "60", "--growth", "1000"]) == 0
    mutated, made, memory, total = capsys.readouterr().out.splitlines()
    assert mutated.startswith("mutated requests: 40 (")
    assert made.startswith("made of the schemas: ")
    assert memory.startswith("memory: ")
    assert " requests in " in total


def test_growth_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    held = iter([100.0] * 10 + [200.0])
    monkeypatch.setattr(fuzz, "server", lambda: nullcontext(("http://127.0.0.1", None)))
    monkeypatch.setattr(fuzz, "described", lambda url: None)
    monkeypatch.setattr(fuzz, "memory", lambda process: next(held))
    monkeypatch.setattr(fuzz, "send_mutated", lambda *_: (Counter({200: 1}), 0.1))
    monkeypatch.setattr(fuzz, "call_each_operation", lambda *_, **__: Counter({200: 1}))
    assert fuzz.main([]) == 1
    assert "the server grew by more than 16 MiB" in capsys.readouterr().err


def test_a_fault_of_the_service_is_none_that_is_passed_over() -> None:
    with pytest.raises(AssertionError):
        check_answer(Sent("patient-view", b"{}", {}), 500, {"resourceType": "OperationOutcome"})
