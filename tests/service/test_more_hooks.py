"""An encounter that starts, a medicine that is renewed, a problem that is put on the list."""

from __future__ import annotations

import json

import pytest

from cds_hooks import HOOKS
from tests.builder import Record
from tests.drafts import ibandronate_weekly, paracetamol
from tests.fhir_pieces import TODAY, Json
from tests.front_door import application, ask, findings, post, request_body
from tests.wire_rules import check_response

PROBLEM = "problem-list-item-create"


def osteopenia() -> Record:
    """A woman of the moderate tier (M2), whom an inhibitor or a fragility fracture moves to the high one."""
    return Record().condition("breast-cancer").t_score("lumbar-spine", -1.5)


def problem(name: str, *, of: str = "condition", **how: object) -> Json:
    """A problem to be added, as an EHR drafts it."""
    made = Record()
    getattr(made, of)(name, **how)
    resource: Json = made.entries[0][1]["resource"]
    return {**resource, "id": "new"}


def test_discovery_has_them_all_with_one_prefetch() -> None:
    services = application(TODAY).test_client().get("/cds-services").get_json()["services"]
    assert [(service["id"], service["hook"]) for service in services] == [
        (f"bone-health-{hook}", hook) for hook in HOOKS
    ]
    assert all(service["prefetch"] == services[0]["prefetch"] for service in services)
    assert all(service["title"].startswith("Bone health, ") for service in services)


# -- encounter-start ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_encounter_that_starts_is_a_chart_that_opens(lang: str) -> None:
    record = osteopenia().drug("letrozole")
    started, viewed = ask(record, "encounter-start", lang=lang), ask(record, "patient-view", lang=lang)
    check_response(started.body)
    assert started.assessment == viewed.assessment
    assert started.texts() == viewed.texts()
    assert started.cards
    ids = [{card["uuid"] for card in answer.cards} for answer in (started, viewed)]
    assert ids[0].isdisjoint(ids[1])


def test_an_encounter_has_an_id() -> None:
    body = request_body(osteopenia().prefetch(), "encounter-start")
    del body["context"]["encounterId"]
    answer = post(json.dumps(body).encode(), "encounter-start")
    assert (answer.status, answer.body["issue"][0]["expression"]) == (400, ["context.encounterId"])


# -- medication-refill -------------------------------------------------------------------------------------------------


def test_a_renewal_of_an_inhibitor_is_judged_as_an_order_to_sign() -> None:
    record = osteopenia().draft("letrozole")
    renewed, signed = ask(record, "medication-refill"), ask(record, "order-sign")
    check_response(renewed.body)
    assert renewed.assessment == signed.assessment
    assert renewed.assessment["withoutDraftOrders"]["tierRule"] == "M2"
    assert renewed.texts() == signed.texts()


def test_a_renewal_of_what_is_taken_changes_no_tier() -> None:
    record = osteopenia().drug("letrozole").draft("letrozole")
    answer = ask(record, "medication-refill")
    assert (answer.assessment["tierRule"], answer.assessment["withoutDraftOrders"]["tierRule"]) == ("H3a", "H3a")


def test_a_renewal_with_a_wrong_dose_is_corrected_as_it_was_received() -> None:
    answer = ask(osteopenia(), "medication-refill", drafts=[ibandronate_weekly()])
    (update,) = [
        action
        for suggestion in answer.card_with("dose-error")["suggestions"]
        for action in suggestion["actions"]
        if action["type"] == "update"
    ]
    assert update["resource"].keys() == ibandronate_weekly().keys()
    assert update["resource"]["id"] == ibandronate_weekly()["id"]


def test_a_renewal_needs_no_user() -> None:
    body = request_body(osteopenia().prefetch(), "medication-refill", drafts=osteopenia().draft("letrozole").drafts)
    answers = []
    for user in ("Practitioner/dr", None, ""):
        body["context"]["userId"] = user
        answers.append(post(json.dumps(body).encode(), "medication-refill"))
    del body["context"]["userId"]
    answers.append(post(json.dumps(body).encode(), "medication-refill"))
    assert [answer.status for answer in answers] == [200, 200, 400, 200]


# -- problem-list-item-create ------------------------------------------------------------------------------------------


def test_a_new_fracture_moves_the_tier_and_the_answer_shows_from_where() -> None:
    fracture = problem("vertebra", of="fracture", onset="2026-11-18", nature="osteoporotic")
    answer = ask(osteopenia(), PROBLEM, drafts=[fracture])
    check_response(answer.body)
    assert answer.assessment["tierRule"] == "H1"
    without = answer.assessment["withoutDraftConditions"]
    assert without.keys() == {"tier", "provisional", "atLeast", "atMost", "tierRule"}
    assert (without["tier"], without["tierRule"]) == ("moderate", "M2")
    assert without == ask(osteopenia(), "patient-view").tier_members
    assert "withoutDraftOrders" not in answer.assessment
    (used,) = answer.used("hip_or_spine_fracture")
    assert used["resource"] == "Condition/new"
    assert "bma-recommend" in answer.outcomes
    assert "2026-11-18" in answer.card_with("bma-recommend")["detail"]


def test_a_new_problem_counts_as_one_on_record() -> None:
    """But for what the drafts were, the answer is that of the chart with the problem in it."""
    fracture = problem("distal-forearm", of="fracture", onset="2026-11-18", cause="low")
    record = osteopenia()
    added = ask(record, PROBLEM, drafts=[fracture])
    listed = ask(record.add(fracture), "patient-view")
    assert added.texts() == listed.texts()
    assert {**added.assessment, "withoutDraftConditions": None} == {**listed.assessment, "withoutDraftConditions": None}


def test_a_problem_of_unknown_cause_leaves_the_tier_open() -> None:
    fracture = problem("distal-forearm", of="fracture", onset="2026-11-18")
    answer = ask(osteopenia(), PROBLEM, drafts=[fracture])
    assert answer.assessment["tier"] == "moderate"
    assert (answer.assessment["atMost"], answer.assessment["withoutDraftConditions"]["atMost"]) == ("high", "high")
    assert "other_fracture" in answer.assessment["missing"]


def test_a_problem_that_brings_the_patient_into_scope() -> None:
    answer = ask(Record().t_score("lumbar-spine", -1.5), PROBLEM, drafts=[problem("breast-cancer")])
    assert answer.assessment["tierRule"] == "M2"
    assert answer.cards


def test_a_problem_replaces_the_listed_one_of_its_id() -> None:
    fracture = problem("vertebra", of="fracture", onset="2026-01-10", nature="osteoporotic")
    record = osteopenia().add(fracture)
    refuted = {**fracture, "verificationStatus": {"coding": [{"code": "refuted"}]}}
    answer = ask(record, PROBLEM, drafts=[refuted])
    assert answer.assessment["tierRule"] == "M2"
    assert answer.assessment["withoutDraftConditions"]["tierRule"] == "H1"


def test_a_problem_of_another_patient_is_not_hers() -> None:
    fracture = problem("vertebra", of="fracture", nature="osteoporotic") | {"subject": {"reference": "Patient/other"}}
    assert ask(osteopenia(), PROBLEM, drafts=[fracture]).assessment["tierRule"] == "M2"


def test_without_a_tier_there_is_none_without_the_problem_either() -> None:
    answer = ask(osteopenia(), PROBLEM, drafts=[problem("bone-metastasis")])
    assert [findings(card) for card in answer.cards] == [["bone-metastasis"]]
    assert "withoutDraftConditions" not in answer.assessment


@pytest.mark.parametrize(
    "drafts",
    [
        [],
        [{"resourceType": "Condition", "code": {"text": "hay fever"}}],
        [{"resourceType": "Condition"}],
        [{"resourceType": "AllergyIntolerance", "code": {"text": "letrozole"}}],
    ],
)
def test_problems_that_we_do_not_know_are_answered_before_any_look_at_the_patient(drafts: list[Json]) -> None:
    answer = post(json.dumps(request_body({}, PROBLEM, drafts=drafts)).encode(), PROBLEM)
    assert (answer.status, answer.body) == (200, {"cards": []})


@pytest.mark.parametrize("drafts", [[], [paracetamol()]])
def test_renewals_that_we_do_not_know_are_too(drafts: list[Json]) -> None:
    answer = post(json.dumps(request_body({}, "medication-refill", drafts=drafts)).encode(), "medication-refill")
    assert (answer.status, answer.body) == (200, {"cards": []})


@pytest.mark.parametrize(
    ("hook", "drafts"),
    [("encounter-start", []), ("medication-refill", [ibandronate_weekly()]), (PROBLEM, [problem("osteoporosis")])],
)
def test_without_a_patient_it_is_412(hook: str, drafts: list[Json]) -> None:
    answer = post(json.dumps(request_body({}, hook, drafts=drafts)).encode(), hook)
    assert answer.status == 412


@pytest.mark.parametrize(
    ("hook", "draft"),
    [
        ("order-sign", {"resourceType": "MedicationOrder", "medicationCodeableConcept": {"text": "letrozole"}}),
        ("medication-refill", {"resourceType": "MedicationOrder", "medicationCodeableConcept": {"text": "letrozole"}}),
        (PROBLEM, {"resourceType": "Condition", "clinicalStatus": "active", "code": {"text": "osteoporosis"}}),
    ],
)
def test_a_draft_of_an_older_release_is_no_silence(hook: str, draft: Json) -> None:
    answer = post(json.dumps(request_body(osteopenia().prefetch(), hook, drafts=[draft])).encode(), hook)
    assert (answer.status, answer.body["issue"][0]["code"]) == (400, "not-supported")
