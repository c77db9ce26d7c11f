"""IGF-1 where a vignette page cannot say it: several ranges, a cancer only suspected, what the card then reads."""

from __future__ import annotations

import pytest

from tests.builder import Record
from tests.fhir_pieces import quantity
from tests.front_door import ask


def _patient() -> Record:
    return Record().condition("breast-cancer").t_score("lumbar-spine", -0.5)


def test_several_ranges_are_none() -> None:
    """One for each age band, say: which of them is the patient's is not ours to guess."""
    record = _patient().lab("igf1", 40, low=60, high=200)
    assert "igf1-low" in ask(record).outcomes
    observation = record.entries[-1][1]["resource"]
    observation["referenceRange"].append({"low": quantity(30, "ng/mL"), "age": {"low": quantity(70, "a")}})
    assert "igf1-low" not in ask(record).outcomes


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_suspected_cancer_is_asked_about_before_recombinant_igf1(lang: str) -> None:
    record = Record().condition("breast-cancer", verification="provisional").draft("mecasermin")
    answer = ask(record, lang=lang)
    card = answer.card_with("rhigf1-contraindicated")
    assert card["indicator"] == "warning"
    assert {"en": "suspected", "zh": "疑似"}[lang] in card["summary"]


@pytest.mark.parametrize(("lang", "words"), [("en", "no sign of the bone"), ("zh", "不能据此判断骨骼状况")])
def test_several_confounders_each_have_their_sentence(lang: str, words: str) -> None:
    record = _patient().lab("igf1", 40).lab("urine_calcium", 400).drug("tamoxifen").drug("prednisone").drug("estradiol")
    detail = ask(record, lang=lang).card_with("igf1-confounded")["detail"]
    assert detail.count(words) == 3
