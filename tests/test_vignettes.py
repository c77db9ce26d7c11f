"""Every row of every vignette page, through the front door, in each language."""

from __future__ import annotations

from functools import lru_cache

import pytest

from tests.front_door import Answer, ask, findings
from tests.vignette_pages import PATIENT, PERSON, Vignette, pages, read_page
from tests.wire_rules import check_response

VIGNETTES = [row for page in pages() for row in read_page(page)]
LANGUAGES = ("en", "zh")
# Never to be suggested to anyone who has or had breast cancer.
NEVER_SUGGESTED = frozenset({"estradiol", "tibolone", "raloxifene", "bazedoxifene", "mecasermin"})
MEMBERS = {"tier": "tier", "rule": "tierRule", "at least": "atLeast", "at most": "atMost"}


def answer_to(row: Vignette, lang: str) -> Answer:
    """The front door's answer to a row's patient."""
    return ask(row.record(), row.told("hook") or "", lang=lang, omit=row.items("not told"))


_answer = lru_cache(maxsize=2048)(answer_to)
each_row = pytest.mark.parametrize("row", VIGNETTES, ids=[row.name for row in VIGNETTES])


@pytest.mark.parametrize("lang", LANGUAGES)
@each_row
def test_a_vignette(row: Vignette, lang: str) -> None:
    check(row, _answer(row, lang))


def check(row: Vignette, answer: Answer) -> None:
    """What a row expects of an answer in either language."""
    assert answer.status == 200
    check_response(answer.body)
    _check_tier(row, answer)
    _check_facts(row, answer)
    _check_outcomes(row, answer)
    _check_suggestions(row, answer)
    _check_cards(row, answer)


def _check_tier(row: Vignette, answer: Answer) -> None:
    for column, name in MEMBERS.items():
        if column in row.cells:
            assert answer.assessment.get(name) == row.told(column), name
    if provisional := row.told("provisional"):
        assert answer.assessment["provisional"] is (provisional == "yes")
    if without := row.told("without draft"):
        assert answer.assessment["withoutDraftOrders"]["tier"] == without


def _check_facts(row: Vignette, answer: Answer) -> None:
    listed = answer.assessment.get("facts", ()) if "used" in row.cells or "unused" in row.cells else ()
    if "used" in row.cells:
        assert {fact["fact"] for fact in listed if fact["used"]} & row.facts == set(row.items("used"))
    refused = [[str(fact[name]) for name in ("fact", "value", "reason") if name in fact] for fact in listed]
    assert [item for item in row.items("unused") if item.split(" ") not in refused] == []


def _check_outcomes(row: Vignette, answer: Answer) -> None:
    if "outcome" in row.cells:
        assert answer.outcomes & row.spoken_of == set(row.items("outcome"))
    assert set(row.items("outcomes")) <= answer.outcomes
    assert not set(row.items("never")) & answer.outcomes


def _check_suggestions(row: Vignette, answer: Answer) -> None:
    suggested = answer.suggested_drugs()
    assert not suggested & NEVER_SUGGESTED
    assert set(row.items("suggested")) <= suggested
    for refused in row.items("not suggested"):
        drug, _, every = refused.partition(" every ")
        if every:
            assert float(every.removesuffix(" d")) not in answer.suggested_intervals(drug)
        else:
            assert drug not in suggested


def _check_cards(row: Vignette, answer: Answer) -> None:
    """How loud the cards are, and what is printed on them."""
    for item in row.items("indicator"):
        outcome, indicator = item.split(" ")
        assert answer.card_with(outcome)["indicator"] == indicator
    if "others would" in row.cells:
        shown = [other for other in answer.others() if other.partition(":")[0] in row.guidelines]
        assert sorted(shown) == sorted(row.items("others would"))
    printed = "\n".join(answer.texts())
    assert [text for text in row.items("prints") if not _stands(text, printed)] == []
    assert [text for text in row.items("does not print") if _stands(text, printed)] == []


def _stands(text: str, printed: str) -> bool:
    """Whether the cards print a text; of one told in two languages (`treat / 治疗`), either."""
    return any(words in printed for words in text.split(" / "))


@each_row
def test_both_languages_say_the_same_in_other_words(row: Vignette) -> None:
    check_both(*(_answer(row, lang) for lang in LANGUAGES))


def check_both(english: Answer, chinese: Answer) -> None:
    """What holds between the answers in the two languages."""
    assert english.assessment == chinese.assessment
    assert [findings(card) for card in english.cards] == [findings(card) for card in chinese.cards]
    assert [card["indicator"] for card in english.cards] == [card["indicator"] for card in chinese.cards]
    for one, other in zip(english.cards, chinese.cards, strict=True):
        assert one["summary"] != other["summary"]
        assert one["detail"] != other["detail"]


def test_every_page_has_rows_and_every_row_a_name_of_its_own() -> None:
    assert {row.page for row in VIGNETTES} == {page.stem for page in pages()}
    names = [row.name for row in VIGNETTES]
    assert len(names) == len(set(names))


def test_every_row_expects_something() -> None:
    assert [row.name for row in VIGNETTES if not row.cells.keys() - PERSON - PATIENT.keys()] == []
