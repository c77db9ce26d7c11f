"""A thousand generated patients through the front door: tier and interval as the second reading has them, no suggestion
that the gates forbid; order, bystanders and language change nothing, or words only."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from fhir_profiles import KINDS, Entry, Facts, RecordReader, Resource, terminology
from tests.disturbances import bystanders, evidence
from tests.fhir_pieces import TODAY
from tests.generated_answers import answer_of, answers, everyone, in_scope
from tests.second_gates import AGENTS, INJECTED, covered, forbidden, supplements_forbidden
from tests.second_opinion import known_of, settled
from tests.second_reading import read
from tests.suggested import drug_of, interval_days
from tests.test_tier_grid import expected_members
from tests.wire_rules import check_response

pytestmark = pytest.mark.usefixtures("untraced")

OUTCOMES: Final = Path(__file__).parent.parent / "service" / "guidelines" / "outcomes.yaml"
# Said of everybody in scope, but for those with bone metastases.
OF_EVERYONE: Final = frozenset({"risk-tier", "lifestyle"})


# -- who they are ------------------------------------------------------------------------------------------------------


def test_every_fact_is_varied() -> None:
    """Of every fact there are patients of whom it reads otherwise than of others."""
    reader, terms = RecordReader(), terminology()
    seen: dict[str, set[str]] = defaultdict(set)
    for patient in everyone():
        record = patient.record()
        prefetch = record.prefetch(patient.keys_left_out)
        resources = [record.patient, *(entry["resource"] for _, entry in record.entries)]
        entries = [Entry(resource=msgspec.convert(resource, Resource)) for resource in resources]
        drafts = [Entry(resource=msgspec.convert(draft, Resource)) for draft in record.drafts]
        chart = reader.read(record.patient_id, entries, [*prefetch.keys() - patient.incomplete], TODAY, drafts=drafts)
        assert chart is not None
        facts = Facts(chart, terms, KINDS)
        for name, definition in terms.facts.items():
            # A part of another fact is never asked for by itself.
            is_part = definition["kind"] == "measurement" and "fresh" not in definition
            seen[name].add(
                repr(
                    chart.measurements.get(name)
                    if is_part
                    else (facts[name].mildest, facts[name].worst, facts[name].presumed)
                )
            )
    assert [name for name, found in seen.items() if len(found) < 2] == []


def test_every_outcome_is_raised_and_every_outcome_stays_silent() -> None:
    raised = Counter(outcome for _, answer in in_scope() for outcome in answer.outcomes)
    known = set(yaml.safe_load(OUTCOMES.read_text(encoding="utf-8")))
    assert known - raised.keys() == set()
    assert {outcome for outcome in known if raised[outcome] == len(in_scope())} <= OF_EVERYONE


def test_every_agent_is_suggested_to_many() -> None:
    offered = Counter(drug for _, answer in in_scope() for drug in answer.created_drugs())
    least = {**dict.fromkeys(AGENTS - {"alendronate-d3"}, 20), "calcium": 100, "cholecalciferol": 100}
    assert {drug for drug, count in least.items() if offered[drug] < count} == set()


# -- the second reading ------------------------------------------------------------------------------------------------


def test_the_tier_and_its_interval_are_the_second_readings() -> None:
    wrong = []
    for patient, answer in in_scope():
        if "bone-metastasis" in settled(patient):
            assert answer.tier_members == {}, patient
            continue
        found = {"now": answer.tier_members}
        expected = {"now": expected_members(read(known_of(patient)))}
        if patient.hook != "patient-view":
            found["before"] = answer.assessment["withoutDraftOrders"]
            expected["before"] = expected_members(read(known_of(patient, drafts=False)))
        if found != expected:
            wrong.append((patient, expected, found))
    assert not wrong, f"{len(wrong)} of {len(in_scope())} disagree, first {wrong[0]}"


def test_no_suggestion_that_a_gate_forbids() -> None:
    wrong = []
    for patient, answer in zip(everyone(), answers(), strict=True):
        stopped, created, corrected = forbidden(patient), answer.created_drugs(), answer.corrected_drugs()
        may_treat = answer.in_scope and answer.tier_members.get("tier") in ("moderate", "high")
        agents = stopped.all if may_treat and not covered(patient) else AGENTS
        of_drafts = stopped.known | (stopped.unmeasured & INJECTED)
        if "bone-metastasis" in settled(patient):
            of_drafts |= AGENTS
        bad = (created & (agents | supplements_forbidden(patient)), corrected & of_drafts)
        wrong += [(bad, patient)] if any(bad) else []
        assert created <= AGENTS | {"calcium", "cholecalciferol"}, patient
    assert not wrong, f"{len(wrong)} patients, first {wrong[0]}"


DOSES: Final = {
    "zoledronic-acid": {("4 mg", 168), ("5 mg", 336)},
    "denosumab": {("60 mg", 168)},
    "alendronate": {("70 mg", 7)},
    "risedronate": {("35 mg", 7), ("150 mg", 28)},
    "ibandronate": {("150 mg", 28)},
    "ibandronate-iv": {("2 mg", 84), ("3 mg", 84)},
    "calcium": {("800 mg", 1), ("1000 mg", 1)},
    "cholecalciferol": {("400 [iU]", 1), ("800 [iU]", 1)},
}


def test_every_suggested_dose_is_one_of_a_label() -> None:
    seen: dict[str, set[tuple[str, float | None]]] = defaultdict(set)
    for _, answer in in_scope():
        for order in answer.orders():
            if order["resourceType"] == "MedicationRequest":
                amount = order["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
                seen[drug_of(order)].add((f"{amount['value']} {amount['code']}", interval_days(order)))
    assert {drug: found - DOSES[drug] for drug, found in seen.items() if found - DOSES[drug]} == {}


# -- what must not matter ----------------------------------------------------------------------------------------------


def test_order_and_bystanders_change_nothing() -> None:
    dice = random.Random(7)

    def disturb(record: Any) -> None:
        bystanders(record)
        dice.shuffle(record.entries)

    for patient, answer in list(zip(everyone(), answers(), strict=True))[::2]:
        if patient.kind == "anything" or patient.number % 4 == 0:
            assert evidence(answer_of(patient, disturb=disturb)) == evidence(answer), patient


def test_the_language_changes_words_only() -> None:
    for patient, answer in in_scope()[1::3]:
        chinese = answer_of(patient, "zh")
        assert chinese.assessment == answer.assessment, patient
        for one, other in zip(answer.cards, chinese.cards, strict=True):
            assert one["indicator"] == other["indicator"]
            assert one["source"]["topic"]["code"] == other["source"]["topic"]["code"]
            assert one["extension"] == other["extension"]
            assert one["summary"] != other["summary"]
        check_response(chinese.body)


def test_every_answer_is_well_formed() -> None:
    for answer in answers():
        check_response(answer.body)
