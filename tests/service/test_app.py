"""The answer as a client sees it: in which language, for whom, and what the orders in hand do to it."""

from __future__ import annotations

import json
from datetime import date

import pytest
from flask.testing import FlaskClient

from cds_hooks.minting import SigningKey
from service.app import create_app
from service.config import IssuerSettings, Settings
from tests import codes
from tests.builder import Record
from tests.drafts import ibandronate_weekly, paracetamol
from tests.fhir_pieces import PREFETCH_KEYS, TODAY, Json, concept
from tests.front_door import Answer, application, ask, findings, post, request_body
from tests.wire_rules import check_response

ORDER_HOOKS = ("order-select", "order-sign")


def osteopenia() -> Record:
    """A woman whose tier an inhibitor moves from moderate (M2) to high (H3a)."""
    return Record().condition("breast-cancer").t_score("lumbar-spine", -1.5)


# -- language ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chinese_site() -> FlaskClient:
    return create_app(Settings(today=TODAY, language="zh")).test_client()


ACCEPTED = [
    ("en", "en"),
    ("zh", "zh"),
    ("zh-CN", "zh"),
    ("ZH-hans-cn", "zh"),
    ("en-GB,en;q=0.9", "en"),
    ("en;q=0.1", "en"),
    ("en;q=0.1, zh;q=0.2", "zh"),
    ("zh-CN,en;q=0.5", "zh"),  # what stands first is wanted, though only the other is named exactly
    ("fr, zh-TW;q=0.4, en;q=0.3", "zh"),
    ("de, *;q=0.1, en;q=0.05", "en"),
]
SITE_S_OWN = ["", "*", "fr", "fr;q=0.9", "english", "en;q=0", "zh;q=0, en;q=0"]


@pytest.mark.parametrize(("header", "language"), ACCEPTED + [(header, None) for header in SITE_S_OWN])
def test_the_reader_s_language_else_the_site_s(header: str, language: str | None, chinese_site: FlaskClient) -> None:
    record = osteopenia()
    sent = {"Content-Type": "application/json", **({"Accept-Language": header} if header else {})}
    body = json.dumps(request_body(record.prefetch())).encode()
    for client, own in ((application(TODAY).test_client(), "en"), (chinese_site, "zh")):
        response = client.post("/cds-services/bone-health-patient-view", data=body, headers=sent)
        answer = Answer(response.status_code, dict(response.headers), response.get_data())
        is_chinese = any("骨折风险" in text for text in answer.texts())
        assert ("zh" if is_chinese else "en") == (language or own)


# -- the demo ----------------------------------------------------------------------------------------------------------


def test_the_demo_patient_is_dated_around_the_service_s_day_and_gets_cards() -> None:
    for today in (TODAY, date(2031, 1, 2)):
        client = application(today).test_client()
        demo = client.get("/demo/order-sign.json")
        assert (demo.status_code, demo.mimetype) == (200, "application/json")
        assert b"{today" not in demo.data
        answer = post(demo.data, "order-sign", today=today)
        check_response(answer.body)
        assert answer.assessment["tierRule"] == "H3a"
        assert answer.assessment["withoutDraftOrders"]["tierRule"] == "M2"
        assert answer.suggested_drugs()


@pytest.mark.parametrize("path", ["/demo/patient-view.json", "/demo/__init__.json", "/demo/..json", "/demo/"])
def test_there_is_no_other_demo(path: str) -> None:
    assert application(TODAY).test_client().get(path).status_code == 404


def test_production_has_no_demo() -> None:
    settings = Settings(
        mode="production",
        workers=1,
        public_base_url="https://cds.example.org",
        origins=("https://ehr.example.org",),
        issuers=(IssuerSettings(iss="https://ehr.example.org", jwks=SigningKey.generate().key_set()),),
        open_discovery=True,
    )
    client = create_app(settings).test_client()
    assert client.get("/demo/order-sign.json").status_code == 404
    assert client.get("/cds-services").status_code == 200


# -- scope -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", ORDER_HOOKS)
@pytest.mark.parametrize(
    "drafts",
    [
        [],
        [paracetamol()],
        [{"resourceType": "MedicationRequest"}],
        [{"resourceType": "ServiceRequest", "id": "s", "code": {"text": "letrozole level"}}],
        [{"resourceType": "MedicationRequest", "id": "m", "medicationReference": {"reference": "Medication/gone"}}],
    ],
)
def test_orders_that_we_do_not_know_are_answered_before_any_look_at_the_patient(hook: str, drafts: list[Json]) -> None:
    """The sandbox's first call has no prefetch at all."""
    body = request_body({}, hook, drafts=drafts, selections=["MedicationRequest/pain"])
    answer = post(json.dumps(body).encode(), hook)
    assert (answer.status, answer.body) == (200, {"cards": []})


@pytest.mark.parametrize("hook", ORDER_HOOKS)
def test_a_known_order_without_a_patient_is_412(hook: str) -> None:
    body = request_body({}, hook, drafts=[ibandronate_weekly()])
    answer = post(json.dumps(body).encode(), hook)
    assert answer.status == 412
    assert answer.body["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "prefetch",
    [
        {},
        {"patient": None},
        {"patient": {"resourceType": "Patient", "id": "other"}},
        {"patient": {"resourceType": "OperationOutcome", "issue": []}},
        {"conditions": {"resourceType": "Bundle", "type": "searchset"}},
    ],
)
def test_a_chart_without_its_patient_is_412(prefetch: Json) -> None:
    assert post(json.dumps(request_body(prefetch)).encode()).status == 412


def test_the_patient_may_stand_under_any_key() -> None:
    record = osteopenia()
    prefetch = record.prefetch(omit=["patient"])
    prefetch["labs"]["entry"] = [{"resource": record.patient}]
    assert post(json.dumps(request_body(prefetch)).encode()).assessment["tierRule"] == "M2"


def test_out_of_scope_there_are_no_cards_and_no_assessment() -> None:
    assert ask(Record().t_score("lumbar-spine", -3.5).condition("osteoporosis")).body == {"cards": []}


@pytest.mark.parametrize("drug", ["letrozole", "denosumab", "raloxifene", "estradiol"])
def test_some_drafts_bring_anyone_into_scope(drug: str) -> None:
    assert ask(Record().t_score("lumbar-spine", -3.5).draft(drug)).in_scope


def test_a_bone_drug_on_the_list_alone_brings_nobody_into_scope() -> None:
    assert not ask(Record().t_score("lumbar-spine", -3.5).drug("denosumab")).in_scope


@pytest.mark.parametrize("death", [{"deceasedBoolean": True}, {"deceasedDateTime": "2026-10-01"}])
def test_a_dead_patient_has_an_assessment_and_no_cards(death: Json) -> None:
    prefetch = osteopenia().prefetch()
    prefetch["patient"] |= death
    answer = ask(prefetch)
    assert answer.cards == []
    assert answer.assessment["tierRule"] == "M2"


def test_who_is_not_dead_has_cards() -> None:
    prefetch = osteopenia().prefetch()
    prefetch["patient"] |= {"deceasedBoolean": False}
    assert ask(prefetch).cards


@pytest.mark.parametrize("hook", ["patient-view", *ORDER_HOOKS])
def test_bone_metastases_one_warning_and_no_tier(hook: str) -> None:
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -2.9).condition("bone-metastasis")
    answer = ask(record.draft("letrozole"), hook)
    (card,) = answer.cards
    assert (card["indicator"], findings(card)) == ("warning", ["bone-metastasis"])
    assert not answer.tier_members
    assert "withoutDraftOrders" not in answer.assessment
    assert answer.suggested_drugs() == frozenset()


def test_bone_metastases_do_not_hide_what_is_taken() -> None:
    answer = ask(Record().condition("breast-cancer").condition("bone-metastasis").drug("letrozole"))
    assert [fact["use"] for fact in answer.facts("inhibitor")] == ["current"]


def test_with_bone_metastases_what_is_dangerous_in_hand_is_still_said() -> None:
    record = Record().condition("breast-cancer").condition("bone-metastasis").draft("teriparatide")
    answer = ask(record)
    assert [card["indicator"] for card in answer.cards] == ["critical", "warning"]
    assert "teriparatide-block" in findings(answer.cards[0])


# -- the orders in hand ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", ["patient-view", *ORDER_HOOKS])
def test_the_tier_without_the_drafts_stands_on_order_hooks_with_a_known_drug(hook: str) -> None:
    answer = ask(osteopenia().draft("letrozole"), hook)
    if hook == "patient-view":
        assert "withoutDraftOrders" not in answer.assessment
        assert answer.assessment["tierRule"] == "M2"
    else:
        before = answer.assessment["withoutDraftOrders"]
        assert (before["tier"], before["tierRule"]) == ("moderate", "M2")
        assert before.keys() == {"tier", "provisional", "atLeast", "atMost", "tierRule"}
        assert answer.assessment["tierRule"] == "H3a"


def test_order_sign_judges_every_draft() -> None:
    answer = ask(osteopenia(), "order-sign", drafts=[paracetamol(), ibandronate_weekly()])
    assert "dose-error" in answer.outcomes


def test_order_select_judges_what_is_selected() -> None:
    record = osteopenia().draft("alendronate", dose="70 mg every 1 wk")
    record.draft("ibandronate", dose="150 mg every 1 wk", selected=False)
    assert "dose-error" not in ask(record, "order-select").outcomes
    assert "dose-error" in ask(record, "order-sign").outcomes


@pytest.mark.parametrize("selections", [[], ["MedicationRequest/gone"], ["ServiceRequest/i"]])
def test_selections_that_match_nothing_judge_everything(selections: list[str]) -> None:
    answer = ask(osteopenia(), "order-select", drafts=[ibandronate_weekly(id="i")], selections=selections)
    assert "dose-error" in answer.outcomes


def test_a_selected_order_that_we_do_not_know_is_answered_with_no_cards() -> None:
    record = osteopenia().draft("letrozole", selected=False)
    drafts = [*record.drafts, paracetamol()]
    answer = ask(record, "order-select", drafts=drafts, selections=["MedicationRequest/pain"])
    assert answer.body == {"cards": []}


def test_an_inhibitor_in_hand_counts_for_the_tier_though_another_is_selected() -> None:
    record = osteopenia().draft("letrozole", selected=False)
    record.draft("denosumab", dose="60 mg every 6 mo")
    answer = ask(record, "order-select")
    assert answer.assessment["tierRule"] == "H3a"
    assert answer.assessment["withoutDraftOrders"]["tierRule"] == "M2"


def test_what_moves_the_tier_is_named_and_nothing_else_in_hand() -> None:
    record = osteopenia().draft("calcium", dose="600 mg every 1 d").draft("letrozole", selected=False)
    for hook in ORDER_HOOKS:
        card = ask(record, hook).card_with("bma-recommend")
        assert card["summary"].startswith("With letrozole, fracture risk goes from moderate to high")


def test_a_draft_replaces_the_listed_order_of_its_id() -> None:
    record = osteopenia().drug("letrozole")
    (order,) = (entry["resource"] for key, entry in record.entries if key == "medicationRequests")
    instead = {**order, "status": "draft", "medicationCodeableConcept": concept(codes.ATC, "L02BA01")}
    answer = ask(record, "order-sign", drafts=[instead])
    assert answer.assessment["tierRule"] == "M2"
    assert answer.assessment["withoutDraftOrders"]["tierRule"] == "H3a"
    card = answer.card_with("bma-consider")
    assert card["summary"].startswith("With tamoxifen, fracture risk goes from high to moderate")


@pytest.mark.parametrize("hook", ORDER_HOOKS)
@pytest.mark.parametrize("place", ["among the drafts", "in the prefetch"])
def test_a_draft_that_refers_to_its_medication(hook: str, place: str) -> None:
    medication = {"resourceType": "Medication", "id": "m1", "code": concept(codes.ATC, "L02BG04")}
    draft = {**paracetamol("d"), "medicationReference": {"reference": "Medication/m1"}}
    del draft["medicationCodeableConcept"]
    record, drafts = osteopenia(), [draft]
    if place == "in the prefetch":
        record.add(medication, key="medicationRequests")
    else:
        drafts.append(medication)
    answer = ask(record, hook, drafts=drafts, selections=["MedicationRequest/d"])
    assert answer.assessment["tierRule"] == "H3a"


# -- what is missing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", PREFETCH_KEYS[1:])
def test_each_key_may_be_missing(key: str) -> None:
    answer = ask(osteopenia().drug("letrozole"), omit=[key])
    check_response(answer.body)
    assert answer.assessment["atMost"] == "high"
