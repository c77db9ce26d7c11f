"""The most complicated patients there can be, in every hook, market and language: five cards at most, critical first,
each readable on its own, and no summary longer than the standard allows or cut to fit."""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests import codes
from tests.fhir_pieces import PREFETCH_KEYS
from tests.front_door import Answer, card_texts
from tests.generated_answers import MARKETS, answer_of
from tests.generated_patients import CONDITIONS, DRUGS, HOOKS, Broken, Drug, Lab, Patient, Stated
from tests.generated_values import NOW, RANGES, VALUES
from tests.tier_cases import INHIBITORS, PROBABILITIES, T_SCORES
from tests.wire_rules import check_response, utf16_units

pytestmark = pytest.mark.usefixtures("untraced")

OUTCOMES: Final = Path(__file__).parent.parent / "service" / "guidelines" / "outcomes.yaml"
LANGUAGES: Final = ("en", "zh")
SOURCE: Final = {"en": "**Source.**", "zh": "**依据来源。**"}
# What a card may not point at: it may be shown without its neighbours, and its reader has not seen our own folders.
POINTING: Final = re.compile(r"\bcards?\b|\b(see|as) (above|below)\b|seed \d|卡片|见上|见下|如上|如下", re.IGNORECASE)


def _lab(name: str, pick: int) -> Lab:
    """One of a measurement's values, with the laboratory's range where there is one."""
    value, unit = VALUES[name][pick]
    has_range = name in RANGES and unit == VALUES[name][0][1]
    return Lab(name, value, unit, NOW, *(RANGES[name] if has_range else (None, None)))


def _labs(pick: int) -> tuple[Lab, ...]:
    return tuple(_lab(name, pick) for name in VALUES)


def _list(use: str, *names: str) -> tuple[Drug, ...]:
    return tuple(Drug(name, use) for name in names)


# Everything on record, the worst of everything; each draft an overdose where one can be.
WORST: Final = Patient(
    number=0,
    kind="anything",
    age=75,
    menopause="before-menopause",
    t_score=T_SCORES[10],
    inhibitor=INHIBITORS[1],
    frax=PROBABILITIES[2],
    fractures=tuple(Broken(site, "fragility", f"2026-0{n}-01") for n, site in enumerate(codes.FRACTURE, 1) if n < 10),
    labs=_labs(0),
    conditions=tuple(Stated(name) for name in CONDITIONS if name not in ("bone-metastasis", "er-negative")),
    procedures=tuple(Stated(name, "2026-11-10", "completed") for name in codes.PROCEDURE),
    drugs=tuple(Drug(name, "for years", odd=True) for name in DRUGS if name != "ibandronate-50"),
    drafts=tuple(Drug(name, odd=True) for name in DRUGS),
    smoking="daily",
    hook="order-sign",
)
CONTRAINDICATIONS: Final = (
    *("oesophageal-varices", "jaw-osteonecrosis", "dialysis", "pregnancy", "osteoporosis", "myocardial-infarction"),
)
DRAFTED: Final = (
    *("abaloparatide", "calcium", "risedronate", "xianling-gubao", "strontium-ranelate", "denosumab-120", "tibolone"),
    *("raloxifene", "clodronate", "zoledronic-acid-5", "letrozole"),
)
# Found by a search for the most outcomes at once, then stripped of what adds none; the others exclude each other.
MOST: Final = Patient(
    number=0,
    kind="anything",
    age=75,
    menopause="before-menopause",
    t_score=T_SCORES[3],
    inhibitor=INHIBITORS[4],
    frax=PROBABILITIES[1],
    fractures=(Broken("vertebra", "unknown", "2026-01-01"), Broken("pelvis", "fragility", "2026-02-01")),
    labs=(
        *(_lab(name, 0) for name in ("bone_alkaline_phosphatase", "bmi")),
        *(_lab(name, 1) for name in ("serum_calcium", "igf1")),
        *(_lab(name, 3) for name in ("phosphate", "urine_calcium")),
        _lab("vitamin_d_25oh", 7),
    ),
    conditions=tuple(map(Stated, CONTRAINDICATIONS)),
    procedures=WORST.procedures,
    drugs=(
        *_list("over", "toremifene", "risedronate"),
        *_list("for years", "romosozumab"),
        *_list("current", "elcatonin", "prednisone"),
        *_list("on hold", "mecasermin"),
        *_list("stopped", "teriparatide"),
    ),
    drafts=tuple(Drug(name, odd=True) for name in DRAFTED),
    smoking="daily",
    hook="order-sign",
)
VARIANTS: Final[dict[str, Patient]] = {
    "most outcomes at once": MOST,
    "all": WORST,
    "all, results at the other end": WORST.but(labs=_labs(-1)),
    "all, young": WORST.but(age=44, labs=_labs(-1)),
    "all, a man": WORST.but(sex="male", menopause=None),
    "all, sex not told": WORST.but(sex=None, cancer="breast-cancer-history"),
    "all, over ninety": WORST.but(age=91, menopause="after-menopause"),
    "all, bone metastases": WORST.but(conditions=(*WORST.conditions, Stated("bone-metastasis"))),
    "all, everything suspected": WORST.but(
        conditions=tuple(Stated(stated.name, state="unconfirmed") for stated in WORST.conditions),
        fractures=tuple(Broken(f.site, "unknown", f.onset) for f in WORST.fractures if f.site != "unspecified"),
    ),
    "all given long ago": WORST.but(drugs=tuple(Drug(name, "given long ago") for name in DRUGS)),
    "all stopped": WORST.but(drugs=tuple(Drug(name, "stopped") for name in DRUGS), drafts=(Drug("letrozole"),)),
    "all not taken": WORST.but(drugs=tuple(Drug(name, "not taken") for name in DRUGS), drafts=(Drug("exemestane"),)),
    "no drug": WORST.but(drugs=(), drafts=(Drug("anastrozole"),), inhibitor=INHIBITORS[3]),
    "no drug, no score": WORST.but(drugs=(), drafts=(), t_score=T_SCORES[15], fractures=(), hook="patient-view"),
    "nothing told": Patient(
        number=0,
        kind="little known",
        age=75,
        drafts=(Drug("letrozole"), Drug("denosumab", odd=True)),
        omit=frozenset(PREFETCH_KEYS[2:]),
        incomplete=frozenset(("conditions",)),
    ),
    "to be confirmed": Patient(
        number=0,
        kind="anything",
        t_score=T_SCORES[5],
        inhibitor=INHIBITORS[3],
        fractures=(Broken("distal-forearm", "fragility", "2020-01-01"),),
        labs=tuple(_lab(name, 0) for name in ("urine_calcium", "vitamin_d_25oh", "igf1", "alp")),
    ),
    "to be found out": Patient(number=0, kind="anything", t_score=T_SCORES[7], labs=(_lab("serum_calcium", 3),)),
    "a dose missed": Patient(0, "anything", t_score=T_SCORES[9], drugs=(Drug("denosumab", "given long ago"),)),
}


@cache
def _answers(variant: str) -> list[tuple[str, str, Answer]]:
    """The answers of a variant, each with its hook and language, in every market."""
    found = []
    for hook, market, lang in product(HOOKS, range(len(MARKETS)), LANGUAGES):
        patient = VARIANTS[variant].but(hook=hook, number=market)
        drafts = patient.drafts if hook != "patient-view" else ()
        found.append((hook, lang, answer_of(patient.but(drafts=drafts), lang)))
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_five_cards_at_most_and_critical_first(variant: str) -> None:
    for _, _, answer in _answers(variant):
        check_response(answer.body)


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_card_is_readable_on_its_own(variant: str) -> None:
    for _, lang, answer in _answers(variant):
        for card in answer.cards:
            assert card["source"]["label"]
            last = card["detail"].split("\n\n")[-1]
            assert last.startswith(SOURCE[lang]), last
            assert len(last) > len(SOURCE[lang]) + 20, last
            assert [text for text in card_texts(card) if POINTING.search(text)] == []


def test_the_worst_of_everything_is_reached() -> None:
    """Five cards, most of the outcomes at once, and among them all every outcome."""
    answered = {variant: [answer for _, _, answer in _answers(variant)] for variant in VARIANTS}
    assert max(len(answer.cards) for found in answered.values() for answer in found) == 5
    outcomes = [answer.outcomes for found in answered.values() for answer in found if answer.in_scope]
    assert max(map(len, outcomes)) >= 41
    raised = frozenset().union(*outcomes)
    assert set(yaml.safe_load(OUTCOMES.read_text(encoding="utf-8"))) - raised == set()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_summary_is_cut_whichever_drug_is_in_hand(lang: str) -> None:
    """Each drug alone in hand, of the worst patient and of one of whom nothing is known."""
    longest: dict[str, Any] = {}
    for drug, patient in product(DRUGS, (WORST.but(drugs=()), VARIANTS["nothing told"].but(hook="order-sign"))):
        answer = answer_of(patient.but(drafts=(Drug(drug, odd=True),)), lang)
        check_response(answer.body)
        longest |= {card["summary"]: utf16_units(card["summary"]) for card in answer.cards}
    assert 100 < max(longest.values()) <= 139 if lang == "en" else 50 < max(longest.values()) <= 139
