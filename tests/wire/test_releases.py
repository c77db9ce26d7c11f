"""Drafts of FHIR before R4, and the hooks of CDS Hooks 1.0, are refused in so many words."""

from typing import Any

import pytest

from cds_hooks import HOOKS, MEDICATION_REFILL, ORDER_SIGN, PROBLEM_LIST_ITEM_CREATE, BadRequest
from cds_hooks.errors import Issue
from cds_hooks.hooks import Hook
from tests.wire.record import PARSER, Json, body, bundle, view

R4 = {"resourceType": "MedicationRequest", "id": "m", "status": "draft", "intent": "order"}


def request(hook: Hook, *drafts: object) -> bytes:
    asked = view(hook=hook.name)
    asked["context"] |= {"encounterId": "e1", "selections": [], str(hook.drafts): bundle(*drafts)}
    return body(asked)


def refused(hook: Hook, *drafts: object) -> tuple[Issue, ...]:
    with pytest.raises(BadRequest) as refusal:
        PARSER.parse(request(hook, *drafts), hook)
    return refusal.value.issues


@pytest.mark.parametrize("hook", [hook for hook in HOOKS.values() if hook.drafts], ids=lambda hook: hook.name)
@pytest.mark.parametrize(
    ("draft", "release"),
    [
        ({"resourceType": "MedicationOrder", "patient": {"reference": "Patient/p1"}}, "DSTU2"),
        ({"resourceType": "DiagnosticOrder"}, "DSTU2"),
        ({"resourceType": "DeviceUseRequest"}, "DSTU2"),
        ({"resourceType": "ProcedureRequest", "status": "draft"}, "STU3"),
        ({"resourceType": "ReferralRequest"}, "STU3"),
        ({**R4, "context": {"reference": "Encounter/1"}}, "STU3"),
        ({**R4, "requester": {"agent": {"reference": "Practitioner/1"}}}, "STU3"),
        ({"resourceType": "Condition", "clinicalStatus": "active"}, "STU3 or DSTU2"),
        ({"resourceType": "Condition", "verificationStatus": "confirmed"}, "STU3 or DSTU2"),
    ],
)
def test_a_draft_of_an_older_release_is_refused(hook: Hook, draft: Json, release: str) -> None:
    (issue,) = refused(hook, {"resourceType": "Medication", "id": "m1"}, {**draft, "id": "secret"})
    path = f"context.{hook.drafts}.entry[1].resource"
    assert (issue.code, issue.expression) == ("not-supported", path)
    assert issue.text == (
        f"{path}: received a {draft['resourceType']} of FHIR {release}; expected a resource of FHIR R4."
    )


@pytest.mark.parametrize(
    ("hook", "draft"),
    [
        (ORDER_SIGN, R4),
        (ORDER_SIGN, {**R4, "requester": {"reference": "Practitioner/1"}, "encounter": {"reference": "Encounter/1"}}),
        (ORDER_SIGN, {**R4, "requester": "agent", "context": None}),
        (MEDICATION_REFILL, {"resourceType": "ServiceRequest"}),
        (PROBLEM_LIST_ITEM_CREATE, {"resourceType": "Condition", "clinicalStatus": {"coding": [{"code": "active"}]}}),
        # As the library's R4 example has it: a category that is none, a date that R4 no longer knows.
        (PROBLEM_LIST_ITEM_CREATE, {"resourceType": "Condition", "category": "x", "assertedDate": "2018-11-15"}),
        (PROBLEM_LIST_ITEM_CREATE, {"resourceType": "Condition", "clinicalStatus": None}),
    ],
)
def test_what_may_be_r4_is_taken(hook: Hook, draft: Json) -> None:
    parsed = PARSER.parse(request(hook, draft), hook)
    assert [entry.resource.resourceType for entry in parsed.drafts] == [draft["resourceType"]]


@pytest.mark.parametrize("broken", [5, None, {"resourceType": 5}, {"resourceType": ["MedicationOrder"]}, {}])
def test_what_is_no_resource_tells_no_release(broken: Any) -> None:
    parsed = PARSER.parse(request(ORDER_SIGN, broken, R4), ORDER_SIGN)
    assert [entry.resource.id for entry in parsed.drafts] == ["m"]
    assert [lost.position for lost in parsed.unreadable] == [0]


def test_a_thousand_of_them_get_a_short_answer() -> None:
    assert len(refused(ORDER_SIGN, *[{"resourceType": "MedicationOrder"}] * 1000)) == 20


@pytest.mark.parametrize(("old", "new"), [("medication-prescribe", "order-select"), ("order-review", "order-sign")])
@pytest.mark.parametrize("member", ["medications", "orders", "draftOrders"])
def test_a_hook_of_1_0_is_refused_by_name(old: str, new: str, member: str) -> None:
    asked = view(hook=old)
    asked["context"] |= {"selections": [], member: bundle({"resourceType": "MedicationOrder"})}
    with pytest.raises(BadRequest) as refusal:
        PARSER.parse(body(asked), HOOKS[new])
    (issue,) = refusal.value.issues
    assert (issue.code, issue.expression) == ("not-supported", "hook")
    assert issue.text == f"hook: {old} is a hook of CDS Hooks 1.0 and is not answered; {new} has taken its place."
