"""Measurements as records tell them: bounds, reference ranges, dates and units that say too little."""

from __future__ import annotations

from typing import Any

import pytest

from tests import codes
from tests.builder import Record
from tests.fhir_pieces import TODAY, Json, concept, quantity
from tests.front_door import Answer, ask

RECENT = "2026-11-10"


def woman() -> Record:
    return Record().condition("breast-cancer")


def osteopenia() -> Record:
    """Moderate (M2), provisional until FRAX is known."""
    return woman().t_score("lumbar-spine", -1.5)


def observation(code: Json, **content: Any) -> Json:
    told: Json = {"resourceType": "Observation", "id": "o", "status": "final", "effectiveDateTime": "2026-09-20"}
    return {**told, "code": code, **content}


def frax(value: float, comparator: str) -> Json:
    told = {**quantity(value, "%"), "comparator": comparator}
    return observation(concept(codes.LOINC, codes.FRAX_HIP), valueQuantity=told)


def reasons(answer: Answer, fact: str) -> list[str | None]:
    return [item.get("reason") for item in answer.facts(fact)]


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "comparator", "at_least", "at_most"),
    [
        # High from 3.0 on (FRAX hip); FRAX major is known and low.
        (3, "<", "moderate", "moderate"),
        (3, "<=", "moderate", "high"),
        (3, ">", "high", "high"),
        (3, ">=", "high", "high"),
        (1, ">", "moderate", "high"),
        (8, "<", "moderate", "high"),
    ],
)
def test_a_bound_says_no_more_than_it_says(value: float, comparator: str, at_least: str, at_most: str) -> None:
    members = ask(osteopenia().frax(major=5).add(frax(value, comparator), key="dxa")).tier_members
    assert (members["atLeast"], members["atMost"]) == (at_least, at_most)


@pytest.mark.parametrize(
    ("value", "comparator", "is_blocked"),
    [(15, "<", True), (30, "<", True), (30, "<=", False), (60, ">", False), (60, ">=", False)],
)
def test_a_bounded_egfr_rules_out_and_never_clears(value: float, comparator: str, is_blocked: bool) -> None:
    told = {**quantity(value, "mL/min/{1.73_m2}"), "comparator": comparator}
    record = woman().t_score("lumbar-spine", -2.6)
    answer = ask(record.add(observation(concept(codes.LOINC, "98979-8"), valueQuantity=told)))
    assert ("denosumab-severe-ckd" in answer.outcomes) is is_blocked
    assert ("creatinine_clearance" in answer.assessment["missing"]) is not is_blocked
    assert not answer.suggested_drugs() & {"zoledronic-acid", "denosumab", "alendronate"}


def test_a_bound_without_a_worse_side_settles_nothing() -> None:
    """A body mass index of less than 30 may lie on either side of 20 and of 24."""
    told = {**quantity(30, "kg/m2"), "comparator": "<"}
    record = osteopenia().add(observation(concept(codes.LOINC, "39156-5"), valueQuantity=told), key="vitals")
    assert [item["value"] for item in ask(record).used("bmi")] == [30]


@pytest.mark.parametrize(("code", "fact"), [(codes.T_SCORE["lumbar-spine"], "t_score"), (codes.FRAX_HIP, "frax_hip")])
def test_a_comparator_that_we_do_not_read(code: str, fact: str) -> None:
    told = {**quantity(-2.6 if fact == "t_score" else 5, None if fact == "t_score" else "%"), "comparator": "ad"}
    answer = ask(osteopenia().add(observation(concept(codes.LOINC, code), valueQuantity=told), key="dxa"))
    assert "comparator" in reasons(answer, fact)
    assert "data-quality" in answer.outcomes
    assert answer.tier_members["tierRule"] == "M2"


@pytest.mark.parametrize("value", [1e308, -1e308])
def test_a_number_beyond_any_in_our_unit_is_implausible(value: float) -> None:
    told = observation(concept(codes.LOINC, "62292-8"), valueQuantity=quantity(value, "ng/mL"))
    assert reasons(ask(woman().add(told)), "vitamin_d_25oh") == ["implausible"]


# -- what cannot be used -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"valueQuantity": {"unit": "mmol/L"}}, "no-value"),
        ({"valueString": "see report"}, "no-value"),
        ({"valueQuantity": quantity(2.3, "mg")}, "unknown-unit"),
        ({"valueQuantity": {"value": 2.3}}, "unknown-unit"),
        ({"valueQuantity": quantity(230, "mmol/L")}, "implausible"),
        ({"valueQuantity": quantity(2.3, "mmol/L"), "effectiveDateTime": None}, "no-date"),
        ({"valueQuantity": quantity(2.3, "mmol/L"), "effectiveDateTime": "2027-01-01"}, "future-date"),
        ({"valueQuantity": quantity(2.3, "mmol/L"), "status": "preliminary"}, "status"),
    ],
)
def test_a_laboratory_value_that_cannot_be_used_says_why(told: Json, reason: str) -> None:
    calcium = observation(concept(codes.LOINC, "2000-8"), **told)
    answer = ask(woman().t_score("lumbar-spine", -2.6).add({k: v for k, v in calcium.items() if v is not None}))
    assert reasons(answer, "serum_calcium") == [reason]
    assert "serum_calcium" in answer.assessment["missing"]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"effectiveDateTime": None}, "no-date"),
        ({"effectiveDateTime": "2027-01-01"}, "future-date"),
        ({"valueQuantity": quantity(-8, None)}, "implausible"),
        ({"valueQuantity": quantity(-26, None)}, "implausible"),
        ({"code": concept(codes.LOINC, codes.T_SCORE["calcaneus"])}, "site-not-eligible"),
    ],
)
def test_a_t_score_that_cannot_be_used_says_why(told: Json, reason: str) -> None:
    content = {"valueQuantity": quantity(-3.0, None), **told}
    score = observation(**{"code": concept(codes.LOINC, codes.T_SCORE["lumbar-spine"]), **content})
    answer = ask(osteopenia().add({name: value for name, value in score.items() if value is not None}, key="dxa"))
    assert reason in reasons(answer, "t_score")
    assert answer.tier_members["tierRule"] == "M2"


def test_a_positive_t_score_beside_osteoporosis_is_not_believed() -> None:
    answer = ask(woman().t_score("total-hip", 2.4).condition("osteoporosis"))
    assert reasons(answer, "t_score") == ["contradicted"]
    assert "tier" not in answer.assessment
    assert "data-quality" in answer.outcomes


@pytest.mark.parametrize(
    "date",
    [
        "2026-02-30",
        "2026-13-01",
        "0000-01-01",
        "20.9.2026",
        "2026-9-20",
        "2026-09-20 07:40",
        "2026-09-20T7:40Z",
        "2026-09T07:40Z",
        "2026T07:40",
        "2026-W38-7",
        "",
    ],
)
def test_a_date_that_is_none(date: str) -> None:
    score = observation(concept(codes.LOINC, "38267-1"), valueQuantity=quantity(-3.0, None), effectiveDateTime=date)
    answer = ask(osteopenia().add(score, key="dxa"))
    assert answer.tier_members["tierRule"] == "M2"
    assert "data-quality" in answer.outcomes


@pytest.mark.parametrize(
    "code",
    [
        None,
        {},
        {"coding": [{"system": codes.LOINC}]},
        {"coding": [{"system": "urn:oid:1.2.3.4", "code": "38267-1"}]},
        {"text": "Z-score"},
        {"text": "T值（Z值）"},
        {"coding": [{"system": codes.LOINC, "code": "80933-5"}], "text": "T-score"},  # a Z-score's code
    ],
)
def test_what_is_not_called_a_t_score_is_none(code: Json | None) -> None:
    score = observation({}, valueQuantity=quantity(-3.0, None))
    score = {**score, "code": code} if code is not None else {k: v for k, v in score.items() if k != "code"}
    answer = ask(osteopenia().add(score, key="dxa"))
    assert [item["value"] for item in answer.facts("t_score")] == [-1.5]


# -- dates -------------------------------------------------------------------------------------------------------------


def test_tomorrow_is_today_beyond_the_date_line() -> None:
    answer = ask(woman().t_score("lumbar-spine", -0.5, "2026-11-21"))
    assert answer.tier_members["tierRule"] == "L"
    assert "order-dxa" not in answer.outcomes


@pytest.mark.parametrize(
    "when", [{"effectiveInstant": "2026-09-20T08:00:00Z"}, {"effectivePeriod": {"end": "2026-09"}}]
)
def test_the_other_members_that_date_a_result(when: Json) -> None:
    score = observation(concept(codes.LOINC, "38267-1"), valueQuantity=quantity(-0.5, None), **when)
    del score["effectiveDateTime"]
    assert ask(woman().add(score, key="dxa")).tier_members["tierRule"] == "L"


def test_the_newest_counts_and_of_one_day_the_worse() -> None:
    record = woman().t_score("lumbar-spine", -2.6)
    for value, taken in ((2.3, RECENT), (1.9, "2026-10-01"), (2.0, RECENT)):
        record.lab("serum_calcium", value, None, taken)
    answer = ask(record)
    assert [item["value"] for item in answer.used("serum_calcium")] == [2.0]
    assert sorted(filter(None, reasons(answer, "serum_calcium"))) == ["superseded", "superseded"]


# -- the laboratory's own range ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranges", "is_low"),
    [
        # 2.20 mmol/L is normal by WS/T 404.6 (from 2.11), low by a laboratory that says 2.25.
        ([{"low": quantity(2.25, "mmol/L"), "high": quantity(2.6, "mmol/L")}], True),
        ([{"low": quantity(9.02, "mg/dL")}], True),
        ([{"high": quantity(2.6, "mmol/L")}], False),
        ([{"low": {"unit": "mmol/L"}}], False),  # without a number
        ([{"low": quantity(2.25, "mg")}], False),  # in a unit that is none of calcium
        ([{"low": quantity(2.25, "mmol/L")}, {"low": quantity(1.0, "mmol/L")}], False),  # which of the two is not said
        ([], False),
    ],
)
def test_the_laboratory_s_own_range_decides_where_it_can_be_read(ranges: list[Json], is_low: bool) -> None:
    calcium = observation(
        concept(codes.LOINC, "2000-8"),
        valueQuantity=quantity(2.20, "mmol/L"),
        referenceRange=ranges,
        effectiveDateTime=RECENT,
    )
    answer = ask(woman().t_score("lumbar-spine", -2.6).add(calcium))
    assert ("hypocalcaemia-correct-first" in answer.outcomes) is is_low


# -- panels ------------------------------------------------------------------------------------------------------------


def panel(*components: Json, **content: Any) -> Json:
    return observation(concept(codes.LOINC, codes.DXA_PANEL), component=list(components), **content)


SPINE = {"code": concept(codes.LOINC, "38267-1"), "valueQuantity": quantity(-2.6, None)}


def test_a_panel_s_density_is_not_its_t_score() -> None:
    density = {"code": concept(codes.LOINC, codes.DENSITY["lumbar-spine"]), "valueQuantity": quantity(0.7, "g/cm2")}
    reference = [
        {"code": concept(codes.BMD_REFERENCE, name), "valueQuantity": quantity(value, "g/cm2")}
        for name, value in (("young-adult-mean", 1.0), ("young-adult-sd", 0.1))
    ]
    answer = ask(woman().add(panel(density, *reference, SPINE), key="dxa"))
    assert [item["value"] for item in answer.facts("t_score")] == [-2.6]


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"code": {"text": "remark"}, "valueString": "good positioning"},
        {"code": concept(codes.BMD_REFERENCE, "young-adult-mean"), "valueQuantity": quantity(1.0, "mg")},
        {"valueQuantity": quantity(1.0, "g/cm2")},
        {"code": {"coding": [{"system": codes.BMD_REFERENCE}]}, "valueQuantity": quantity(1.0, "g/cm2")},
        {"code": concept(codes.LOINC, "24966-4"), "valueQuantity": quantity(1.0, "g/cm2")},
        {"code": concept(codes.BMD_REFERENCE, "young-adult-mean")},
    ],
)
def test_a_reference_that_is_none_makes_no_t_score(strange: Json) -> None:
    spread = {"code": concept(codes.BMD_REFERENCE, "young-adult-sd"), "valueQuantity": quantity(0.1, "g/cm2")}
    density = observation(
        concept(codes.LOINC, codes.DENSITY["lumbar-spine"]),
        valueQuantity=quantity(0.7, "g/cm2"),
        component=[strange, spread],
    )
    assert ask(woman().add(density, key="dxa")).facts("t_score") == []


def test_a_density_without_a_number_is_passed_over_in_silence() -> None:
    density = observation(concept(codes.LOINC, codes.DENSITY["lumbar-spine"]))
    answer = ask(osteopenia().add(density, key="dxa"))
    assert len(answer.facts("t_score")) == 1
    assert "data-quality" not in answer.outcomes


@pytest.mark.parametrize(
    ("member", "site"),
    [
        # The body site of the panel tells where its member was measured, unless the member's own code does.
        ({"code": {"text": "T-score"}}, "total-hip"),
        ({"code": concept(codes.LOINC, codes.T_SCORE["forearm"])}, "total-hip"),
        ({"code": concept(codes.LOINC, codes.T_SCORE["lumbar-spine"])}, "lumbar-spine"),
        ({"code": {"text": "T-score"}, "bodySite": {"text": "Femoral neck"}}, "femoral-neck"),
    ],
)
@pytest.mark.parametrize("reference", ["Observation/o", "https://ehr.example.org/fhir/Observation/o"])
def test_the_site_that_a_panel_gives_its_member(member: Json, site: str, reference: str) -> None:
    score = {**observation({}, valueQuantity=quantity(-2.6, None)), **member}
    grouping = {
        **observation({"text": "DXA"}, bodySite=[{"text": "Total hip"}], hasMember=[{}, {"reference": reference}]),
        "id": "panel",
    }
    (fact,) = ask(woman().add(score, key="dxa").add(grouping, key="dxa")).facts("t_score")
    assert fact["site"] == site


@pytest.mark.parametrize(
    ("told", "site"),
    [
        ({"code": {"text": "T-score left femoral neck"}}, "femoral-neck"),
        ({"code": {"text": "T-score"}, "valueString": "lumbar spine L1-L4"}, "lumbar-spine"),
        ({"code": {"text": "T值"}, "bodySite": {"coding": [{"display": "股骨颈"}]}}, "femoral-neck"),
        ({"code": {"text": "T值"}, "bodySite": [{}, {"text": "腰椎"}]}, "lumbar-spine"),
        ({"code": {"text": "T值"}, "bodySite": {"text": "左侧", "coding": [{"display": "股骨颈"}]}}, "femoral-neck"),
        ({"code": concept(codes.LOINC, "38264-8"), "bodySite": {"text": "hip"}}, "total-hip"),
        ({"code": {"text": "T-score"}, "bodySite": {"coding": [{"system": codes.SNOMED}]}}, "unknown"),
    ],
)
def test_the_site_in_words(told: Json, site: str) -> None:
    score = {**observation({}, valueQuantity=quantity(-2.6, None)), **told}
    (fact,) = ask(woman().add(score, key="dxa")).facts("t_score")
    assert fact["site"] == site


def test_a_component_s_site_stands_with_its_owner() -> None:
    scores = [{**SPINE, "code": {"text": "T-score"}}]
    (fact,) = ask(woman().add(panel(*scores, bodySite={"text": "Femoral neck"}), key="dxa")).facts("t_score")
    assert fact["site"] == "femoral-neck"


# -- the kidney --------------------------------------------------------------------------------------------------------


def treatable(**person: Any) -> Record:
    return Record(**person).condition("breast-cancer").t_score("lumbar-spine", -2.6)


@pytest.mark.parametrize("person", [{"born": None}, {"sex": None}, {"sex": "other"}])
def test_without_age_or_sex_no_clearance_is_computed(person: dict[str, None]) -> None:
    record = treatable(**person).lab("creatinine", 0.9, "mg/dL", RECENT).lab("weight", 60, "kg", RECENT)
    assert ask(record).facts("creatinine_clearance") == []


def test_a_year_of_birth_alone_gives_two_clearances_and_the_lower_one_counts() -> None:
    """Born in 1958: 67 or 68 years; (140 - 68) x 60 x 0.85 / (72 x 1.47) is below 35, with 67 above it."""
    record = treatable(born="1958").lab("creatinine", 1.47, "mg/dL", RECENT).lab("weight", 60, "kg", RECENT)
    answer = ask(record.lab("serum_calcium", 2.3, None, RECENT).lab("vitamin_d_25oh", 80, None, RECENT))
    assert "zoledronic-acid" not in answer.suggested_drugs()
    assert "renal-block" not in answer.outcomes
    assert "order-safety-labs" in answer.outcomes


@pytest.mark.parametrize("born", ["1958-13-45", "yesterday", "1958-02-30"])
def test_a_birth_date_that_is_none_is_said(born: str) -> None:
    answer = ask(treatable(born=born))
    assert [item["reason"] for item in answer.facts("age")] == ["bad-date"]
    assert "data-quality" in answer.outcomes


def test_the_clock_is_the_service_s() -> None:
    record = woman().t_score("lumbar-spine", -0.5, "2026-11-20")
    assert ask(record, today=TODAY).tier_members["tierRule"] == "L"
    assert "tier" not in ask(record, today=TODAY.replace(year=2029)).tier_members


def test_of_equal_results_of_one_day_the_same_is_used_in_whatever_order_they_come() -> None:
    """Two reports of one measurement: a server that returns them the other way round changes nothing."""
    answers = []
    for ids in (("first", "second"), ("second", "first")):
        record = osteopenia()
        for id in ids:
            record.lab("serum_calcium", 2.3, id=id)
        answers.append(ask(record))
    used = [[item["resource"] for item in answer.used("serum_calcium")] for answer in answers]
    assert used == [["Observation/second"]] * 2
    assert answers[0].assessment == answers[1].assessment
