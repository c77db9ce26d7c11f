"""What an answer holds: five cards at most, valid orders, the draft corrected as it was received, uuids that repeat."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid5

import pytest
from fhir.resources.R4B import get_fhir_model_class

from service.voice import Voice
from tests.builder import Record
from tests.drafts import ibandronate_weekly, paracetamol
from tests.fhir_pieces import Json
from tests.front_door import Answer, ask, post, request_body
from tests.wire_rules import check_response, empties

RECENT = "2026-11-10"


def osteopenia() -> Record:
    return Record().condition("breast-cancer").t_score("lumbar-spine", -1.5)


def measured(record: Record) -> Record:
    """The same with everything measured that a bone drug waits for."""
    record.lab("creatinine_clearance", 80, None, RECENT).lab("serum_calcium", 2.3, None, RECENT)
    return record.lab("vitamin_d_25oh", 80, None, RECENT)


def updates(answer: Answer) -> list[Json]:
    suggestions = [one for card in answer.cards for one in card.get("suggestions", ())]
    return [action for one in suggestions for action in one["actions"] if action["type"] == "update"]


def everything_at_once() -> Record:
    """Toxic vitamin D, low calcium, an overdose in hand, no fresh DXA, an inhibitor: something on every topic."""
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -2.9, "2024-01-01").drug("letrozole")
    record.lab("serum_calcium", 1.8, None, RECENT).lab("vitamin_d_25oh", 600, None, RECENT).condition("reflux")
    record.lab("egfr", 12, None, RECENT).lab("bmi", 17, None, RECENT).condition("jaw-osteonecrosis")
    record.drug("denosumab", dose="60 mg", resource="MedicationAdministration", start="2026-01-01")
    return record.draft("ibandronate", dose="150 mg every 1 wk").draft("raloxifene").draft("zoledronic-acid")


def test_a_correction_is_the_draft_as_received_with_the_dosage_replaced() -> None:
    draft = ibandronate_weekly(
        id="draft-7",
        extension=[{"url": "https://ehr.example.org/screen", "valueInteger": 3}],
        priority="routine",
        x_vendor={"row": 12, "tags": ["a", "b"]},
        note=[{"text": "<b>as before</b>"}],
    )
    answer = ask(osteopenia(), "order-sign", drafts=[paracetamol(), draft])
    (action,) = updates(answer)
    assert action["resourceId"] == "MedicationRequest/draft-7"
    resource = action["resource"]
    assert resource.keys() == draft.keys()
    assert {name for name in draft if resource[name] != draft[name]} == {"dosageInstruction"}
    (dosage,) = resource["dosageInstruction"]
    assert dosage["timing"]["repeat"] == {"frequency": 1, "period": 1, "periodUnit": "mo"}
    assert answer.card_with("dose-error")["indicator"] == "critical"


def test_a_correction_holds_nothing_that_an_answer_must_not() -> None:
    draft = ibandronate_weekly(id="d", note=[], encounter={}, x_vendor=[None, {"url": "x", "value": None}, [], "y"])
    answer = ask(osteopenia(), "order-sign", drafts=[draft])
    (action,) = updates(answer)
    assert list(empties(answer.body)) == []
    assert action["resource"].keys() == draft.keys() - {"note", "encounter"}
    assert action["resource"]["x_vendor"] == [{"url": "x"}, "y"]


def test_a_correction_keeps_what_stands_beside_a_list_in_its_place() -> None:
    """FHIR R4, JSON representation of primitive elements: null stands in a list where its extensions have a place."""
    paired = {"instantiatesUri": ["urn:a", None], "_instantiatesUri": [None, {"id": "b"}]}
    draft = ibandronate_weekly(id="d", **paired)
    body = request_body(osteopenia().prefetch(), "order-sign", drafts=[draft])
    (action,) = updates(post(json.dumps(body).encode(), "order-sign"))
    assert {name: action["resource"][name] for name in paired} == paired


@pytest.mark.parametrize("id", [None, "", "not an id", "urn:uuid:1", "x" * 65, "a/b"])
def test_a_draft_that_nobody_can_refer_to_gets_advice_and_no_correction(id: str | None) -> None:
    answer = ask(osteopenia(), "order-sign", drafts=[ibandronate_weekly(id=id)])
    assert answer.status == 200
    assert "dose-error" in answer.outcomes
    assert updates(answer) == []


@pytest.mark.parametrize(
    ("member", "is_corrected"),
    [("0", True), ("1e999", False), ("[" * 50 + "]" * 50, True), ("[" * 120 + "]" * 120, True)],
)
def test_what_cannot_be_sent_back_whole_is_not_sent_back(member: str, is_corrected: bool) -> None:
    """A number beyond every double, in a member that we do not read. (What is nested too deeply is refused whole.)"""
    body = json.dumps(request_body(osteopenia().prefetch(), "order-sign", drafts=[ibandronate_weekly(x_vendor=0)]))
    answer = post(body.replace('"x_vendor": 0', f'"x_vendor": {member}').encode(), "order-sign")
    assert "dose-error" in answer.outcomes
    assert bool(updates(answer)) is is_corrected


@pytest.mark.parametrize("neighbour", [None, 1, "x", [], {}, {"resource": None}, {"resource": {"a": 1}}])
def test_a_broken_neighbour_among_the_drafts_takes_no_correction_away(neighbour: Any) -> None:
    body = request_body(osteopenia().prefetch(), "order-sign", drafts=[ibandronate_weekly()])
    body["context"]["draftOrders"]["entry"].insert(0, neighbour)
    answer = post(json.dumps(body).encode(), "order-sign")
    assert len(updates(answer)) == 1


def test_an_order_on_the_list_is_not_corrected() -> None:
    record = osteopenia().drug("ibandronate", dose="150 mg every 1 wk", route="oral")
    answer = ask(record)
    assert answer.card_with("dose-error")["indicator"] == "critical"
    assert updates(answer) == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_five_cards_at_most_the_critical_ones_first(lang: str) -> None:
    answer = ask(everything_at_once(), lang=lang)
    check_response(answer.body)
    assert 3 <= len(answer.cards) <= 5
    order = ["critical", "warning", "info"]
    indicators = [order.index(card["indicator"]) for card in answer.cards]
    assert indicators == sorted(indicators)
    assert indicators[0] == 0
    for card in answer.cards:
        assert 0 < len(card["overrideReasons"]) <= 5


PATIENTS: dict[str, Record] = {
    "everything at once": everything_at_once(),
    "an agent may be chosen": measured(Record().condition("breast-cancer").t_score("lumbar-spine", -2.9)),
    "nothing measured": Record().condition("breast-cancer").drug("letrozole"),
    "young": Record(age=45).condition("breast-cancer").t_score("lumbar-spine", -1.5).drug("letrozole"),
    "deficient": osteopenia().lab("vitamin_d_25oh", 20, None, RECENT),
}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", PATIENTS)
def test_every_suggested_order_is_valid_fhir(name: str, lang: str) -> None:
    answer = ask(PATIENTS[name], lang=lang)
    assert list(empties(answer.body)) == []
    suggested = list(answer.orders())
    assert suggested
    for order in suggested:
        get_fhir_model_class(order["resourceType"]).model_validate(order)
        assert order["subject"] == {"reference": "Patient/pat"}


def test_a_patient_s_odd_id_cannot_leave_its_place_in_an_order() -> None:
    record = Record(patient_id="a.b-C~1:2").condition("breast-cancer")
    for order in ask(record).orders():
        assert order["subject"] == {"reference": "Patient/a.b-C~1:2"}


def test_a_uuid_is_the_standard_library_s() -> None:
    voice = Voice("en", "p", "seed", lambda name: None)
    namespace = UUID("5f1b63a6-3a3c-5d0b-9d3f-9b1e0f6c2a41")
    for number in range(64):  # every value of the digit that holds the variant
        assert voice.uuid("card", str(number)) == str(uuid5(namespace, f"seed|card|{number}"))


def uuids(answer: Answer) -> list[UUID]:
    cards = answer.cards
    suggestions = [suggestion for card in cards for suggestion in card.get("suggestions", ())]
    return [UUID(item["uuid"]) for item in (*cards, *suggestions)]


def test_uuids_repeat_with_the_request_and_differ_with_anything_else() -> None:
    record = everything_at_once()
    first = ask(record)
    assert uuids(first) == uuids(ask(record))
    assert len(set(uuids(first))) == len(uuids(first))
    others = [
        ask(record, hook_instance="9c0b5f52-3b7a-4f5e-8a43-9d2f6e1c7a55"),
        ask(record, lang="zh"),
        ask(record, "order-select"),
        ask(record, omit=["procedures"]),
    ]
    for other in others:
        assert not set(uuids(first)) & set(uuids(other))
