"""Denosumab that was stopped outright: a status that no vignette can write."""

from __future__ import annotations

import pytest

from tests.builder import Record
from tests.front_door import Answer, ask


def stopped(given: str | None = None, **told: str) -> Record:
    """A woman whose order of denosumab was stopped; `given` is the day of her last dose."""
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -2.6)
    record.drug("denosumab", dose="60 mg every 6 mo", status="stopped", start="2025-01-10", **told)
    if given:
        record.drug("denosumab", dose="60 mg", resource="MedicationAdministration", start=given)
    return record


def said(answer: Answer) -> bool:
    return "denosumab-sequential" in answer.outcomes and "Denosumab is stopped" in "\n".join(answer.texts())


def test_before_the_next_dose_is_due_a_successor_is_planned() -> None:
    answer = ask(stopped("2026-08-01"))
    assert said(answer)
    assert "(2026-08-01)" in answer.card_with("denosumab-sequential")["detail"]


def test_without_a_recorded_dose_it_is_said_all_the_same() -> None:
    answer = ask(stopped())
    assert said(answer)
    assert "(undated)" in answer.card_with("denosumab-sequential")["detail"]


def test_an_overdue_dose_is_what_counts_then() -> None:
    answer = ask(stopped("2026-01-30"))
    assert not said(answer)
    assert answer.card_with("denosumab-sequential")["indicator"] == "critical"


@pytest.mark.parametrize("successor", ["zoledronic-acid", "alendronate"])
def test_a_successor_ends_it(successor: str) -> None:
    assert not said(ask(stopped("2026-08-01").drug(successor, start="2026-10-01")))


def test_another_order_that_goes_on_means_that_it_was_not_stopped() -> None:
    assert not said(ask(stopped("2026-08-01").drug("denosumab", dose="60 mg every 6 mo")))
