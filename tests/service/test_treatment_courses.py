"""Which of several wordings of one outcome is said: courses of treatment, pairs of drugs, ovarian function."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builder import Record
from tests.front_door import Answer, ask

DRUG = tuple[str, dict[str, Any]]
ALENDRONATE: DRUG = ("alendronate", {"dose": "70 mg every 1 wk", "start": "2021-11-20"})
GOES_ON = "Review of a long course, not a stop"
OVER = "Think of a drug holiday"
PAUSED = "A pause, or a gap?"
AFTER_ANABOLIC = "After an anabolic drug comes an antiresorptive"
PROJECTED = "The order goes beyond the limit"


def ended(name: str, start: str, end: str) -> DRUG:
    return name, {"start": start, "end": end, "status": "completed"}


def given(name: str, day: str, dose: str | None = None) -> DRUG:
    return name, {"start": day, "resource": "MedicationAdministration", "dose": dose}


def patient(*drugs: DRUG, t_score: float = -2.6, age: int = 68) -> Record:
    record = Record(age=age).condition("breast-cancer").t_score("lumbar-spine", t_score)
    for name, how in drugs:
        record.drug(name, **how)
    return record


def said(answer: Answer) -> str:
    return "\n".join(answer.texts())


@pytest.mark.parametrize(
    ("drugs", "sentence"),
    [
        ([ALENDRONATE, ("letrozole", {})], GOES_ON),
        ([ALENDRONATE, ("tamoxifen", {})], GOES_ON),
        ([ALENDRONATE], OVER),
        ([ALENDRONATE, ended("letrozole", "2015-01-10", "2020-01-10")], OVER),
        ([ended("alendronate", "2019-11-20", "2024-11-20"), ("letrozole", {})], PAUSED),
        ([ended("alendronate", "2021-11-01", "2026-12-01"), ("letrozole", {})], GOES_ON),
    ],
)
def test_a_long_course_of_bisphosphonates(drugs: list[DRUG], sentence: str) -> None:
    text = said(ask(patient(*drugs)))
    assert [known for known in (GOES_ON, OVER, PAUSED) if known in text] == [sentence]


@pytest.mark.parametrize(
    ("drugs", "t_score", "is_said"),
    [
        ([ended("teriparatide", "2024-06-01", "2026-03-01")], -3.4, True),
        ([ended("teriparatide", "2024-06-01", "2026-03-01")], -1.5, True),
        ([ended("teriparatide", "2024-06-01", "2026-03-01")], -0.5, False),
        ([ended("teriparatide", "2024-06-01", "2026-03-01"), given("denosumab", "2026-01-10", "60 mg")], -3.4, True),
        ([ended("teriparatide", "2024-06-01", "2026-03-01"), given("denosumab", "2026-04-10", "60 mg")], -3.4, False),
        ([ended("teriparatide", "2024-06-01", "2026-03-01"), ("alendronate", {"status": "on-hold"})], -3.4, False),
        ([("teriparatide", {"start": "2025-06-01"})], -3.4, False),
        ([given("romosozumab", "2026-10-21")], -3.4, False),
        ([given("romosozumab", "2026-10-19")], -3.4, True),
    ],
)
def test_what_follows_an_anabolic_drug(drugs: list[DRUG], t_score: float, is_said: bool) -> None:
    assert (AFTER_ANABOLIC in said(ask(patient(*drugs, t_score=t_score)))) is is_said


@pytest.mark.parametrize(
    ("start", "end", "outcome"),
    [
        ("2026-11-20", "2027-03-23", False),  # with the 607 days before it two years to the day
        ("2026-11-20", "2027-03-24", True),
        ("2026-11-20", None, False),  # an order without an end says nothing of how long
    ],
)
def test_a_draft_counts_to_the_end_that_it_states(start: str, end: str | None, outcome: bool) -> None:
    record = patient(ended("teriparatide", "2024-11-20", "2026-07-20"), t_score=-3.4)
    answer = ask(record.draft("teriparatide", start=start, end=end))
    assert ("teriparatide-24-months" in answer.outcomes) is outcome
    assert (PROJECTED in said(answer)) is outcome


def test_at_the_limit_the_word_is_reached() -> None:
    text = said(ask(patient(("teriparatide", {"start": "2024-11-20"}), t_score=-3.4)))
    assert "limit of the parathyroid hormone analogues is reached" in text
    assert PROJECTED not in text


def test_the_order_in_hand_is_named_first() -> None:
    record = patient(given("denosumab", "2026-08-01", "60 mg")).draft("alendronate", dose="70 mg every 1 wk")
    card = ask(record).card_with("interaction")
    assert card["summary"].startswith("Alendronate and denosumab")


def test_a_candidate_is_cautioned_in_the_table_of_agents() -> None:
    record = patient(("furosemide", {}), ("calcium", {"dose": "1000 mg every 1 d"}))
    record.lab("creatinine_clearance", 80).lab("serum_calcium", 2.35).lab("vitamin_d_25oh", 80)
    rows = [line for line in said(ask(record)).splitlines() if line.startswith("| ")]
    assert any("zoledronic acid" in row and "with furosemide" in row for row in rows)
    assert any("alendronate" in row and "calcium is taken too" in row for row in rows)
    assert not any("denosumab" in row and "furosemide" in row for row in rows)


def test_men_are_told_what_is_licensed_for_women_only() -> None:
    record = Record(sex="male").condition("breast-cancer").draft("romosozumab")
    assert "licensed for women after menopause only" in said(ask(record))
    assert "licensed for women after menopause only" not in said(ask(patient().draft("romosozumab")))
