"""Minerals and turnover markers as records tell them: bounds, parts that add up, corrections, what cards say."""

from __future__ import annotations

from math import isnan
from typing import Any

import pytest

from fhir_profiles import KINDS, Chart, Facts, terminology
from fhir_profiles.chart import Person
from service.rules import load_rules
from tests import codes
from tests.builder import Record
from tests.fhir_pieces import TODAY, Json, concept, quantity
from tests.front_door import Answer, ask

OTHER_DAY = "2026-09-21"


def woman(**more: Any) -> Record:
    return Record(**more).condition("breast-cancer").t_score("lumbar-spine", -0.5)


def bounded(record: Record, name: str, value: float, comparator: str, unit: str, **more: Any) -> Record:
    """A laboratory value of which only a bound was reported."""
    record.lab(name, value, unit, **more)
    _, entry = record.entries[-1]
    entry["resource"]["valueQuantity"]["comparator"] = comparator
    return record


def said(answer: Answer) -> str:
    return "\n".join(answer.texts())


# -- calcium -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "comparator", "outcome"),
    [
        (2.52, ">", "hypercalcaemia-work-up"),
        (2.5, ">", None),
        (2.11, "<", "hypocalcaemia-correct-first"),
        (2.11, "<=", None),
        (2.5, "<", None),
    ],
)
def test_a_bound_counts_where_it_is_beyond_the_range(value: float, comparator: str, outcome: str | None) -> None:
    answer = ask(bounded(woman(), "serum_calcium", value, comparator, "mmol/L"))
    found = {"hypercalcaemia-work-up", "hypocalcaemia-correct-first"} & answer.outcomes
    assert found == ({outcome} if outcome else set())


def test_a_bound_that_may_be_low_clears_no_gate() -> None:
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -2.6).drug("letrozole")
    record.lab("creatinine_clearance", 80, "mL/min").lab("vitamin_d_25oh", 80, "nmol/L")
    answer = ask(bounded(record, "serum_calcium", 2.5, "<", "mmol/L"))
    assert "serum_calcium" in answer.assessment["missing"]
    assert not answer.suggested_drugs() & {"zoledronic-acid", "denosumab"}


def test_the_computed_value_says_that_it_is_computed() -> None:
    answer = ask(woman().lab("serum_calcium", 2.45, "mmol/L").lab("albumin", 30, "g/L"))
    (computed,) = answer.used("computed_calcium")
    assert (computed["value"], computed["computed"]) == (2.65, True)
    (total,) = answer.used("serum_calcium")
    assert computed["resource"] == total["resource"]
    assert "computed" in said(answer)
    assert "计算" in said(ask(woman().lab("serum_calcium", 2.45, "mmol/L").lab("albumin", 30, "g/L"), lang="zh"))


def test_a_bound_of_albumin_corrects_nothing() -> None:
    answer = ask(bounded(woman().lab("serum_calcium", 2.45, "mmol/L"), "albumin", 30, "<", "g/L"))
    assert answer.facts("computed_calcium") == []


def test_a_month_is_no_day_that_two_results_share() -> None:
    answer = ask(woman().lab("serum_calcium", 2.45, "mmol/L", "2026-09").lab("albumin", 30, "g/L", "2026-09"))
    assert answer.facts("computed_calcium") == []


def test_the_higher_of_one_day_is_listed_as_used() -> None:
    answer = ask(woman().lab("serum_calcium", 2.4, "mmol/L").lab("serum_calcium", 2.7, "mmol/L"))
    assert sorted(item["value"] for item in answer.used("serum_calcium")) == [2.4, 2.7]


def test_ionised_calcium_alone_is_not_read_as_severe() -> None:
    answer = ask(woman().lab("ionised_calcium", 1.9, "mmol/L", low=1.15, high=1.3))
    assert answer.card_with("hypercalcaemia-work-up")["indicator"] == "warning"
    assert "ionised calcium 1.9 mmol/L" in said(answer)


@pytest.mark.parametrize(
    ("pth", "words"),
    [
        (95, "is not below its range"),
        (40, "is not below its range"),
        (8, "is below its range"),
        (None, "Measure again"),
    ],
)
def test_parathyroid_hormone_beside_high_calcium(pth: float | None, words: str) -> None:
    record = woman().lab("serum_calcium", 2.7, "mmol/L")
    if pth is not None:
        record.lab("pth", pth, "pg/mL", low=15, high=65)
    assert words in said(ask(record))


@pytest.mark.parametrize(("pth", "words"), [(95, "it answers to the low calcium"), (8, "the parathyroids fail")])
def test_parathyroid_hormone_beside_low_calcium(pth: float, words: str) -> None:
    record = woman().lab("serum_calcium", 2.0, "mmol/L").lab("pth", pth, "pg/mL", low=15, high=65)
    assert words in said(ask(record))


def test_parathyroid_hormone_in_pmol_is_held_against_its_own_range() -> None:
    record = woman().lab("serum_calcium", 2.7, "mmol/L").lab("pth", 9.9, "pmol/L", low=1.6, high=6.9)
    assert "is not below its range" in said(ask(record))


@pytest.mark.parametrize(
    ("kidney", "is_doubted", "is_low"),
    [
        ({}, True, False),
        ({"egfr": (75, "mL/min/{1.73_m2}")}, False, False),
        ({"egfr": (50, "mL/min/{1.73_m2}")}, False, True),
        ({"creatinine_clearance": (80, "mL/min")}, False, False),
        ({"creatinine_clearance": (55, "mL/min")}, False, True),
        ({"egfr": (75, "mL/min/{1.73_m2}"), "creatinine_clearance": (55, "mL/min")}, False, False),
    ],
)
def test_a_correction_holds_where_the_kidney_is_known_to_be_fine(
    kidney: dict[str, tuple[float, str]], is_doubted: bool, is_low: bool
) -> None:
    """Total calcium 2.05 with albumin 30 is 2.25 when corrected: low only where the correction is unreliable."""
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -2.6).drug("letrozole")
    record.lab("vitamin_d_25oh", 80, "nmol/L").lab("serum_calcium", 2.05, "mmol/L").lab("albumin", 30, "g/L")
    for name, told in kidney.items():
        record.lab(name, *told)
    answer = ask(record)
    assert ("serum_calcium" in answer.assessment.get("missing", ())) is is_doubted
    assert ("hypocalcaemia-correct-first" in answer.outcomes) is is_low


def test_an_unreliable_correction_is_said() -> None:
    record = woman().condition("cirrhosis").lab("serum_calcium", 2.45, "mmol/L").lab("albumin", 30, "g/L")
    assert "Correction for albumin is unreliable" in said(ask(record))
    assert "Correction for albumin is unreliable" not in said(ask(woman().lab("serum_calcium", 2.7, "mmol/L")))


# -- orders ------------------------------------------------------------------------------------------------------------


def ordered(answer: Answer) -> set[str]:
    return {
        coding["code"]
        for order in answer.orders()
        if order["resourceType"] == "ServiceRequest"
        for coding in order["code"]["coding"]
    }


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (("serum_calcium", 2.7, "mmol/L"), {"2000-8", "1751-7", "2731-8", "14682-9", "62292-8"}),
        (("serum_calcium", 2.0, "mmol/L"), {"62292-8", "2731-8", "2601-3", "14682-9"}),
        (("urine_calcium", 260, "mg/(24.h)"), {"14637-3", "2000-8", "2731-8", "62292-8"}),
        (("phosphate", 1.6, "mmol/L"), {"14682-9", "2731-8"}),
        (("phosphate", 0.7, "mmol/L"), {"2731-8", "62292-8"}),
    ],
)
def test_a_work_up_comes_with_its_orders(told: tuple[str, float, str], expected: set[str]) -> None:
    assert expected <= ordered(ask(woman().lab(*told)))


# -- urine -------------------------------------------------------------------------------------------------------------


def collection(value: float, unit: str, volume: Json | None) -> Record:
    """A concentration in 24 h urine, the volume of the collection a component of the same Observation."""
    record = woman().lab("urine_calcium_concentration", value, unit)
    if volume is not None:
        _, entry = record.entries[-1]
        entry["resource"]["component"] = [{"code": concept(codes.LOINC, "3167-4"), "valueQuantity": volume}]
    return record


def test_the_volume_may_be_a_component() -> None:
    answer = ask(collection(3.12, "mmol/L", quantity(2, "L")))
    assert "hypercalciuria" in answer.outcomes
    (found,) = answer.used("urine_calcium")
    assert found["computed"] is True
    assert found["value"] == pytest.approx(250.087, abs=1e-3)


def test_a_bound_of_the_volume_gives_no_excretion() -> None:
    answer = ask(collection(30, "mg/dL", {**quantity(2, "L"), "comparator": ">"}))
    assert "hypercalciuria" not in answer.outcomes
    assert "data-quality" in answer.outcomes


def test_a_bound_that_is_high_in_any_case_is_high() -> None:
    assert "hypercalciuria" in ask(bounded(woman(), "urine_calcium", 250, ">", "mg/(24.h)")).outcomes
    assert "hypercalciuria" not in ask(bounded(woman(), "urine_calcium", 250, ">=", "mg/(24.h)")).outcomes


def test_the_limits_in_millimole_are_those_in_milligram() -> None:
    (page,) = (s for s in load_rules().sections if s.stem == "urine_calcium")
    for name in ("high_above_women", "high_above_men"):
        assert round(page.numbers[name].value / 40.078, 3) == page.numbers[f"{name}_molar"].value


def test_sex_unknown_is_said() -> None:
    answer = ask(woman(sex=None).lab("urine_calcium", 260, "mg/(24.h)"))
    assert "the lower limit is used" in said(answer)
    assert "性别无记录" in said(ask(woman(sex=None).lab("urine_calcium", 260, "mg/(24.h)"), lang="zh"))


# -- vitamin D ---------------------------------------------------------------------------------------------------------


def test_a_sum_says_that_it_is_computed_and_d3_alone_does_not() -> None:
    parts = woman().lab("vitamin_d3_25oh", 10, "ng/mL").lab("vitamin_d2_25oh", 10, "ng/mL")
    (summed,) = ask(parts).used("vitamin_d_25oh")
    assert (summed["value"], summed["computed"]) == (pytest.approx(49.19), True)
    (alone,) = ask(woman().lab("vitamin_d3_25oh", 10, "ng/mL")).used("vitamin_d_25oh")
    assert "computed" not in alone


def test_d2_below_what_can_be_measured_adds_nothing() -> None:
    answer = ask(bounded(woman().lab("vitamin_d3_25oh", 10, "ng/mL"), "vitamin_d2_25oh", 4, "<", "ng/mL"))
    assert [item["value"] for item in answer.used("vitamin_d_25oh")] == [pytest.approx(24.96)]


def test_d2_alone_is_named_where_the_total_is_missing() -> None:
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -2.6).drug("letrozole")
    answer = ask(record.lab("vitamin_d2_25oh", 30, "ng/mL"))
    assert "vitamin_d_25oh" in answer.assessment["missing"]
    assert [item["reason"] for item in answer.facts("vitamin_d_25oh")] == ["part-only"]
    assert "data-quality" in answer.outcomes


# -- turnover ----------------------------------------------------------------------------------------------------------


def marked(record: Record, p1np: float | None, ctx: float | None) -> Record:
    """Turnover markers with the laboratory's ranges, and a high phosphate that opens the laboratory card."""
    record.lab("phosphate", 1.6, "mmol/L")
    if p1np is not None:
        record.lab("p1np", p1np, "ug/L", low=15, high=75)
    if ctx is not None:
        record.lab("ctx", ctx, "pg/mL", low=100, high=600)
    return record


@pytest.mark.parametrize(
    ("p1np", "ctx", "words"),
    [
        (90, 800, "High turnover."),
        (10, 50, "Low turnover."),
        (90, 50, "Mixed turnover markers"),
        (40, 800, "Mixed turnover markers"),
        (None, 800, "Turnover pattern unclear"),
        (90, None, "Turnover pattern unclear"),
    ],
)
def test_each_pattern_has_its_words(p1np: float | None, ctx: float | None, words: str) -> None:
    assert words in said(ask(marked(woman(), p1np, ctx)))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("menopause", "oestrogen no longer"),
        ("inhibitor", "less oestrogen still"),
        ("pth", "Parathyroid hormone too high"),
    ],
)
def test_only_causes_that_the_record_supports_are_named(name: str, words: str) -> None:
    record = marked(woman(age=55), 90, 800)
    assert words not in said(ask(record))
    if name == "menopause":
        record.condition("after-menopause")
    elif name == "inhibitor":
        record.drug("letrozole")
    else:
        record.condition("hyperparathyroidism")
    assert words in said(ask(record))


def test_glucocorticoids_are_a_cause_of_low_turnover() -> None:
    record = marked(woman(age=55), 10, 50)
    assert "Glucocorticoids on record" not in said(ask(record))
    assert "Glucocorticoids on record" in said(ask(record.condition("glucocorticoid-long-term-use", coding="icd")))


def test_a_man_has_no_menopause_for_a_cause() -> None:
    assert "oestrogen no longer" not in said(ask(marked(woman(sex="male"), 90, 800)))


@pytest.mark.parametrize(("start", "words"), [("2026-06-01", "intended effect"), (None, "Low turnover.")])
def test_low_markers_on_an_antiresorptive_are_its_effect(start: str | None, words: str) -> None:
    record = marked(woman(), 10, 50)
    if start:
        record.drug("alendronate", dose="70 mg every 1 wk", start=start)
    assert words in said(ask(record))


def test_high_formation_on_a_bone_forming_drug_is_its_effect() -> None:
    assert "best marker of it" in said(ask(marked(woman(), 190, 400).drug("teriparatide", route="sc")))


def test_a_bound_below_the_baseline_shows_the_fall() -> None:
    record = marked(woman(), None, None).drug("alendronate", dose="70 mg every 1 wk", start="2026-06-01")
    record.lab("ctx", 500, "pg/mL", "2026-05-20")
    assert "shows the treatment's effect" in said(ask(bounded(record, "ctx", 50, "<", "pg/mL")))


def test_a_bound_above_shows_nothing() -> None:
    record = marked(woman(), None, None).drug("alendronate", dose="70 mg every 1 wk", start="2026-06-01")
    record.lab("ctx", 500, "pg/mL", "2026-05-20")
    assert ask(bounded(record, "ctx", 50, ">", "pg/mL")).facts("ctx_change") == []


def test_the_pathway_is_for_those_without_an_inhibitor_and_untreated() -> None:
    def speaks(record: Record) -> bool:
        return "goes step by step" in said(ask(record))

    def risky() -> Record:
        return marked(Record().condition("breast-cancer").t_score("lumbar-spine", -1.5), 90, 800)

    assert speaks(risky())
    assert not speaks(risky().drug("letrozole"))
    assert not speaks(risky().drug("alendronate", dose="70 mg every 1 wk", start="2026-06-01"))
    assert not speaks(marked(woman(), 90, 800)), "low risk"


@pytest.mark.parametrize(
    "name", ["p1np_before", "p1np_change", "urine_calcium", "urine_calcium_molar", "lowest_calcium"]
)
def test_what_is_not_there_compares_with_nothing(name: str) -> None:
    fact = Facts(Chart(TODAY, Person(None, None, False), frozenset()), terminology(), KINDS)[name]
    assert isinstance(fact.presumed, float)
    assert isnan(fact.presumed)
    assert fact.shown is None


def test_a_correction_without_its_parts_is_unknown() -> None:
    facts = Facts(Chart(TODAY, Person(None, None, False), frozenset()), terminology(), KINDS)
    assert not facts["computed_calcium"].known
    assert facts["high_calcium_measured_as"].presumed == "none"
