"""The laws that hold for every patient, tried on generated ones through the front door."""

from __future__ import annotations

import json
import random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builder import Record
from tests.disturbances import bystanders, evidence
from tests.front_door import Answer, ask, post, request_body
from tests.tier_cases import (
    FRACTURES,
    INHIBITORS,
    PROBABILITIES,
    T_SCORES,
    State,
    record_of,
)
from tests.wire_rules import TIER_WORDS, check_response

pytestmark = pytest.mark.usefixtures("untraced")

TABLETS: Final = frozenset({"alendronate", "alendronate-d3", "risedronate", "ibandronate"})
INJECTED: Final = frozenset({"zoledronic-acid", "denosumab", "ibandronate-iv"})
AGENTS: Final = TABLETS | INJECTED

tier_states = st.tuples(
    st.sampled_from(T_SCORES), st.sampled_from(INHIBITORS), st.sampled_from(FRACTURES), st.sampled_from(PROBABILITIES)
)
many = settings(max_examples=80)


def _height(answer: Answer, member: str) -> int:
    """How severe a member is; a missing tier counts as below every tier."""
    found = answer.tier_members.get(member)
    return TIER_WORDS.index(found) if found else -1


# -- more risk ---------------------------------------------------------------------------------------------------------

# Each input from its mildest to its worst state.
LADDERS: Final[dict[str, list[State]]] = {
    "T": T_SCORES[3:11],  # type: ignore[dict-item]  # a slice of the tuple reads as well as a list
    "inhibitor": [INHIBITORS[0], INHIBITORS[4], INHIBITORS[3], INHIBITORS[1]],
    "fracture": [FRACTURES[0], FRACTURES[2], FRACTURES[1], FRACTURES[9], FRACTURES[5]],
    "FRAX": [PROBABILITIES[1], PROBABILITIES[0], PROBABILITIES[2]],
}
rungs = st.fixed_dictionaries({name: st.integers(0, len(states) - 1) for name, states in LADDERS.items()})


@many
@given(rungs, st.sampled_from(sorted(LADDERS)), st.integers(0, 7))
def test_more_risk_never_yields_a_milder_tier(start: dict[str, int], worse: str, steps: int) -> None:
    higher = start | {worse: min(start[worse] + steps, len(LADDERS[worse]) - 1)}
    mild, severe = (
        ask(record_of(*(LADDERS[name][rung] for name, rung in at.items()), age=68)) for at in (start, higher)
    )
    for member in ("tier", "atLeast", "atMost"):
        assert _height(severe, member) >= _height(mild, member), member


# -- what is unknown ---------------------------------------------------------------------------------------------------

UNKNOWN: Final = (
    T_SCORES[0],
    INHIBITORS[7],
    next(s for s in FRACTURES if s.known["hip_or_spine"] == "not told"),
    PROBABILITIES[0],
)


@many
@given(tier_states, st.integers(0, 3))
def test_the_unknown_holds_every_possibility_open(states: tuple[State, ...], forgotten: int) -> None:
    known = ask(record_of(*states), omit=_omitted(states))
    less = tuple(UNKNOWN[index] if index == forgotten else state for index, state in enumerate(states))
    unknown = ask(record_of(*less), omit=_omitted(less))
    assert _height(unknown, "atMost") >= _height(known, "atMost")
    assert _height(unknown, "atLeast") <= _height(known, "atLeast")


def _omitted(states: tuple[State, ...]) -> frozenset[str]:
    return frozenset().union(*(state.omit for state in states))


LABS: Final[dict[str, list[tuple[float, str]]]] = {
    "creatinine_clearance": [(80, "mL/min"), (35, "mL/min"), (34.9, "mL/min"), (29.9, "mL/min")],
    "serum_calcium": [(2.35, "mmol/L"), (2.11, "mmol/L"), (2.1, "mmol/L"), (1.85, "mmol/L")],
    "vitamin_d_25oh": [(80, "nmol/L"), (50, "nmol/L"), (49.9, "nmol/L"), (20, "nmol/L")],
    "egfr": [(70, "mL/min/{1.73_m2}"), (30, "mL/min/{1.73_m2}"), (29.9, "mL/min/{1.73_m2}")],
}
HISTORY: Final = (
    "oesophageal-stricture",
    "achalasia",
    "jaw-osteonecrosis",
    "atypical-femoral-fracture",
    "ckd-4",
    "ckd-5",
    "dialysis",
    "hypocalcaemia",
    "reflux",
)
TAKEN: Final = ("2026-11-10", "2026-09-20", "2026-08-10", "2025-10-01")
measured = st.fixed_dictionaries(
    {},
    optional={
        name: st.tuples(st.integers(0, len(values) - 1), st.sampled_from(TAKEN)) for name, values in LABS.items()
    },
)
histories = st.lists(st.sampled_from(HISTORY), max_size=2, unique=True)
Measured = dict[str, tuple[int, str]]


def _treatable(labs: Measured, history: list[str]) -> Record:
    """A patient at high risk, so that agents are candidates, with these laboratory values and conditions."""
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -2.6).drug("letrozole")
    for name, (rung, taken) in labs.items():
        record.lab(name, *LABS[name][rung], taken)
    for name in history:
        record.condition(name)
    return record


def _agents(record: Record) -> frozenset[str]:
    return ask(record).suggested_drugs() & AGENTS


@many
@given(measured, histories, st.sampled_from(sorted(LABS)))
def test_the_unknown_opens_no_gate(labs: Measured, history: list[str], forgotten: str) -> None:
    less = {name: value for name, value in labs.items() if name != forgotten}
    if forgotten in ("creatinine_clearance", "egfr"):
        less.pop("creatinine_clearance", None)  # either tells the kidney: forget both
        less.pop("egfr", None)
    assert _agents(_treatable(less, history)) <= _agents(_treatable(labs, history))


@many
@given(measured, histories, st.sampled_from(sorted(LABS)), st.integers(0, 3), st.sampled_from(HISTORY))
def test_a_worse_kidney_calcium_or_history_never_adds_an_agent(
    labs: Measured, history: list[str], worse: str, steps: int, also: str
) -> None:
    more = dict(labs)
    if worse in labs:
        rung, taken = labs[worse]
        more[worse] = (min(rung + steps, len(LABS[worse]) - 1), taken)
    assert _agents(_treatable(more, [*history, also])) <= _agents(_treatable(labs, history))


@many
@given(measured, histories)
def test_a_ruled_out_agent_is_never_suggested(labs: Measured, history: list[str]) -> None:
    answer = ask(_treatable(labs, history))
    check_response(answer.body)
    assert not answer.suggested_drugs() & _ruled_out(labs, history)


def _ruled_out(labs: Measured, history: list[str]) -> frozenset[str]:
    """The labels' gates, read a second time; a value older than 90 days clears nothing."""
    out: set[str] = set()
    values = {name: (LABS[name][rung][0], taken >= "2026-08-22") for name, (rung, taken) in labs.items()}
    clearance, is_recent = values.get("creatinine_clearance", (0.0, False))
    if clearance < 35 or not is_recent:
        out |= {"zoledronic-acid", "alendronate", "alendronate-d3"}
    if clearance < 30 or not is_recent:
        out |= AGENTS
    if values.get("egfr", (90.0, True))[0] < 30 or {"ckd-4", "ckd-5", "dialysis"} & set(history):
        out |= AGENTS
    calcium, is_recent = values.get("serum_calcium", (2.35, False))
    if calcium < 2.11:
        out |= AGENTS
    if not is_recent:
        out |= INJECTED
    vitamin_d, is_recent = values.get("vitamin_d_25oh", (80.0, False))
    if vitamin_d < 50:
        out |= {"zoledronic-acid", "denosumab"}
    if not is_recent:
        out |= INJECTED
    if {"oesophageal-stricture", "achalasia"} & set(history):
        out |= TABLETS
    if {"jaw-osteonecrosis", "atypical-femoral-fracture"} & set(history):
        out |= AGENTS
    return frozenset(out)


# -- what must not matter ----------------------------------------------------------------------------------------------


@many
@given(tier_states, measured, histories, st.randoms(use_true_random=False), st.booleans())
def test_order_and_bystanders_change_nothing(
    states: tuple[State, ...], labs: Measured, history: list[str], shuffler: random.Random, with_bystanders: bool
) -> None:
    def patient() -> Record:
        record = _treatable(labs, history)
        for state in states:
            state.tell(record)
        return record

    plain, disturbed = patient(), patient()
    if with_bystanders:
        bystanders(disturbed)
    shuffler.shuffle(disturbed.entries)
    omitted = _omitted(states)
    assert evidence(ask(disturbed, omit=omitted)) == evidence(ask(plain, omit=omitted))


@many
@given(tier_states, measured)
def test_the_language_changes_words_only(states: tuple[State, ...], labs: Measured) -> None:
    def patient() -> Record:
        record = record_of(*states)
        for name, (rung, taken) in labs.items():
            record.lab(name, *LABS[name][rung], taken)
        return record

    english, chinese = (ask(patient(), lang=lang, omit=_omitted(states)) for lang in ("en", "zh"))
    assert english.assessment == chinese.assessment
    assert [card["indicator"] for card in english.cards] == [card["indicator"] for card in chinese.cards]
    assert [card["source"]["topic"]["code"] for card in english.cards] == [
        card["source"]["topic"]["code"] for card in chinese.cards
    ]


@many
@given(tier_states)
def test_identical_evidence_gives_identical_text(states: tuple[State, ...]) -> None:
    """Another patient, another call: the same words, and other uuids."""
    one, other = record_of(*states), record_of(*states, patient_id="someone-else")
    here = ask(one, omit=_omitted(states))
    there = ask(other, omit=_omitted(states), hook_instance="9c0b5f52-3b7a-4f5e-8a43-9d2f6e1c7a55")
    assert here.texts() == there.texts()
    assert not {card["uuid"] for card in here.cards} & {card["uuid"] for card in there.cards}


@many
@given(tier_states, st.sampled_from(["patient-view", "order-select", "order-sign"]))
def test_the_same_request_gives_the_same_bytes(states: tuple[State, ...], hook: str) -> None:
    record = record_of(*states).draft("zoledronic-acid", dose="4 mg")
    request = request_body(record.prefetch(_omitted(states)), hook, drafts=record.drafts, selections=record.selections)
    body = json.dumps(request).encode()
    assert post(body, hook).raw == post(body, hook).raw


@many
@given(tier_states, measured, histories)
def test_every_answer_is_well_formed(states: tuple[State, ...], labs: Measured, history: list[str]) -> None:
    record = _treatable(labs, history)
    for state in states:
        state.tell(record)
    for lang in ("en", "zh"):
        check_response(ask(record, lang=lang, omit=_omitted(states)).body)
