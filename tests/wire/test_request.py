"""Parsing: what a good request becomes, and how a bad one is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from cds_hooks import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, BadRequest, Unreadable
from cds_hooks.errors import Issue
from tests.wire.record import (
    HOOK_INSTANCE,
    PARSER,
    SANDBOX_FIRST_SELECT,
    SANDBOX_SIGN,
    SANDBOX_VIEW,
    body,
    bundle,
    observation,
    sign,
    view,
)

AUTHORIZATION = {
    "access_token": "token-of-the-caller",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "user/*.rs",
    "subject": "our-client-id",
    "patient": "p1",
}


def issues(raw: bytes) -> tuple[Issue, ...]:
    with pytest.raises(BadRequest) as refused:
        PARSER.parse(raw, PATIENT_VIEW)
    assert refused.value.status == 400
    return refused.value.issues


def test_a_full_request() -> None:
    asked = view(fhirServer="https://ehr.example.org/fhir", fhirAuthorization=AUTHORIZATION, prefetch={"dxa": None})
    asked["context"]["encounterId"] = "e1"
    request = PARSER.parse(body(asked), PATIENT_VIEW)
    assert request.hook is PATIENT_VIEW
    assert request.hook_instance == HOOK_INSTANCE
    assert (request.patient_id, request.user_id, request.encounter_id) == ("p1", "Practitioner/dr", "e1")
    assert (request.selections, request.drafts, request.unreadable) == ((), (), ())
    assert request.fhir_server == "https://ehr.example.org/fhir"
    assert request.authorization is not None
    assert request.authorization.access_token == "token-of-the-caller"
    assert request.authorization.expires_in == 300


def test_the_least_request() -> None:
    request = PARSER.parse(body(view()), PATIENT_VIEW)
    assert (request.encounter_id, request.fhir_server, request.authorization) == (None, None, None)
    assert request.received == {}


def test_no_datum_of_the_patient_and_no_token_shows_in_a_text_of_a_request() -> None:
    asked = view(fhirServer="https://ehr.example.org/fhir", fhirAuthorization=AUTHORIZATION)
    request = PARSER.parse(body(asked), PATIENT_VIEW)
    for text in (repr(request), str(request), repr(request.authorization), str(request.authorization)):
        assert "p1" not in text
        assert "token-of-the-caller" not in text
    assert HOOK_INSTANCE in repr(request)


def test_optional_members_that_are_null_count_as_absent() -> None:
    asked = view(fhirServer=None, fhirAuthorization=None, prefetch=None)
    asked["context"]["encounterId"] = None
    absent = PARSER.parse(body(view()), PATIENT_VIEW)
    assert structs.replace(PARSER.parse(body(asked), PATIENT_VIEW), checksum=absent.checksum) == absent


def test_members_that_nobody_knows_are_tolerated() -> None:
    asked = view(extension={"org.example": [1]}, other=None)
    asked["context"]["draftOrders"] = "not a member of this hook's context"
    assert PARSER.parse(body(asked), PATIENT_VIEW).drafts == ()


def test_the_patient_id_is_bare() -> None:
    asked = view()
    asked["context"]["patientId"] = "Patient/p1"
    assert PARSER.parse(body(asked), PATIENT_VIEW).patient_id == "p1"


def test_the_sandbox_asks_before_a_drug_is_chosen() -> None:
    request = PARSER.parse(body(SANDBOX_FIRST_SELECT), ORDER_SELECT)
    assert request.selections == ("MedicationRequest/request-1",)
    assert [draft.resource.id for draft in request.drafts] == ["request-1"]
    assert request.unreadable == ()


def test_the_sandbox_signs_an_order_whose_category_is_an_object() -> None:
    request = PARSER.parse(body(SANDBOX_SIGN), ORDER_SIGN)
    assert [draft.resource.resourceType for draft in request.drafts] == ["ServiceRequest"]
    assert request.selections == ()


def test_the_sandbox_opens_a_chart_without_prefetch() -> None:
    assert PARSER.parse(body(SANDBOX_VIEW), PATIENT_VIEW).received == {}


def test_only_advertised_keys_are_received() -> None:
    asked = view(prefetch={"dxa": observation("o1"), "stray": "<html>"})
    request = PARSER.parse(body(asked), PATIENT_VIEW, {"dxa"})
    assert list(request.received) == ["dxa"]
    assert request.unreadable == ()
    assert list(PARSER.parse(body(asked), PATIENT_VIEW).received) == ["dxa", "stray"]


def test_a_broken_draft_costs_no_other() -> None:
    asked = sign(observation("a"), observation("b", valueInteger="five"), observation("c"))
    request = PARSER.parse(body(asked), ORDER_SIGN)
    assert [draft.resource.id for draft in request.drafts] == ["a", "c"]
    assert request.unreadable == (Unreadable("draftOrders", "Observation", "b", 1),)


def test_a_broken_prefetch_value_leaves_the_drafts_as_they_are() -> None:
    good = PARSER.parse(body(sign(observation("a"), prefetch={"dxa": None})), ORDER_SIGN)
    broken = PARSER.parse(body(sign(observation("a"), prefetch={"dxa": 5})), ORDER_SIGN)
    assert broken.drafts == good.drafts
    assert broken.unreadable == (Unreadable("dxa", None, None, None),)


def test_drafts_may_be_none_at_all() -> None:
    asked = sign()
    del asked["context"]["draftOrders"]["entry"]
    assert PARSER.parse(body(asked), ORDER_SIGN).drafts == ()
    asked["prefetch"] = {"dxa": 5}
    assert PARSER.parse(body(asked), ORDER_SIGN).drafts == ()


@pytest.mark.parametrize("broken", [{}, {"dxa": 5}], ids=["in one pass", "piece by piece"])
@pytest.mark.parametrize("drafts", [observation("o1"), bundle(entry="none"), bundle(resourceType=5), {}])
def test_draft_orders_must_be_a_bundle(broken: dict[str, Any], drafts: dict[str, Any]) -> None:
    asked = sign(prefetch=broken)
    asked["context"]["draftOrders"] = drafts
    with pytest.raises(BadRequest, match=r"^context\.draftOrders\."):
        PARSER.parse(body(asked), ORDER_SIGN)


def test_every_flaw_of_the_envelope_is_named_with_its_path_and_kind() -> None:
    asked = view(hookInstance=7, fhirServer="ftp://ehr", prefetch=[])
    asked["context"] = {"userId": " ", "patientId": {"value": "p1"}, "encounterId": True}
    found = {issue.expression: (issue.code, issue.text) for issue in issues(body(asked))}
    assert found == {
        "hookInstance": ("value", "hookInstance: received a number; expected a UUID, 8-4-4-4-12 hexadecimal digits."),
        "fhirServer": (
            "value",
            "fhirServer: received another string; expected the http or https URL of the FHIR server.",
        ),
        "prefetch": (
            "value",
            "prefetch: received an array; expected a JSON object of prefetch keys, each with a FHIR resource or null.",
        ),
        "context.userId": (
            "value",
            "context.userId: received a blank string; "
            'expected the id of the user with its resource type, such as "Practitioner/abc".',
        ),
        "context.patientId": (
            "value",
            "context.patientId: received an object; "
            "expected the id of the patient: letters, digits and - . _ ~ : only, 255 at most.",
        ),
        "context.encounterId": (
            "value",
            "context.encounterId: received true or false; expected the id of the encounter.",
        ),
    }


def test_a_missing_member_is_named() -> None:
    asked = view()
    del asked["hookInstance"], asked["context"]["patientId"]
    assert {(issue.code, issue.expression) for issue in issues(body(asked))} == {
        ("required", "hookInstance"),
        ("required", "context.patientId"),
    }


def test_the_hook_must_be_that_of_the_service() -> None:
    (issue,) = issues(body(view(hook="order-sign")))
    assert issue.text == 'hook: received another string; expected the hook of this service, "patient-view".'


def test_an_authorization_needs_the_server_it_is_for() -> None:
    (issue,) = issues(body(view(fhirAuthorization=AUTHORIZATION)))
    assert (issue.code, issue.expression) == ("required", "fhirServer")


def test_a_selection_is_named_by_its_index() -> None:
    asked = json.loads(body(SANDBOX_FIRST_SELECT))
    asked["context"]["selections"] = ["MedicationRequest/1", None]
    with pytest.raises(BadRequest) as refused:
        PARSER.parse(body(asked), ORDER_SELECT)
    assert [issue.expression for issue in refused.value.issues] == ["context.selections[1]"]


def test_a_flood_of_flaws_gets_a_short_answer() -> None:
    asked = json.loads(body(SANDBOX_FIRST_SELECT))
    asked["context"]["selections"] = [0] * 100_000
    with pytest.raises(BadRequest) as refused:
        PARSER.parse(body(asked), ORDER_SELECT)
    assert 1 < len(refused.value.issues) < 100


def after(member: bytes) -> bytes:
    """A good request with one more member."""
    return body(view())[:-1] + b"," + member + b"}"


NOT_JSON = "The body is not valid JSON."
TOO_DEEP = "The body is nested too deeply: more than 128 levels."
BYTE_ORDER_MARK = "The body begins with a byte order mark, which JSON does not have."
NOT_UTF8 = "The body is not UTF-8 text."
UNREADABLE = "The request cannot be read: a member is there twice, or a number is out of range."


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(b"", NOT_JSON, id="nothing"),
        pytest.param(b"{", NOT_JSON, id="cut"),
        pytest.param(b"<html></html>", NOT_JSON, id="a page"),
        pytest.param(body(view()) + b"}", NOT_JSON, id="more after the end"),
        pytest.param(after(b'"a":NaN'), NOT_JSON, id="not a number"),
        pytest.param(after(b'"a":1,'), NOT_JSON, id="a last comma"),
        pytest.param(after(b'"a":"\\ud800"'), NOT_JSON, id="half a surrogate pair"),
        pytest.param(b"\xef\xbb\xbf" + body(view()), BYTE_ORDER_MARK, id="a byte order mark"),
        pytest.param(json.dumps(view()).encode("utf-16"), NOT_UTF8, id="UTF-16"),
        pytest.param(json.dumps(view()).encode("utf-16-le"), NOT_JSON, id="UTF-16 without its mark"),
        pytest.param(json.dumps(view()).encode("utf-32-be"), NOT_JSON, id="UTF-32"),
        pytest.param(json.dumps(view(a="骨"), ensure_ascii=False).encode("gb18030"), NOT_UTF8, id="GB 18030"),
        pytest.param(after(b'"a":Infinity'), NOT_JSON, id="infinity"),
        pytest.param(after(b'"prefetch":{"dxa":{"resourceType":"x","valueInteger":-Infinity}}'), NOT_JSON, id="-inf"),
        pytest.param(after(b'"a":' + b"[" * 128 + b"]" * 128), TOO_DEEP, id="just too deep"),
        pytest.param(after('"a":"é"'.encode("latin-1")), NOT_UTF8, id="Latin-1 where nobody reads"),
        pytest.param(after(b'"a":' + b"[" * 100_000 + b"]" * 100_000), TOO_DEEP, id="deep"),
        pytest.param(after(b'"prefetch":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000), TOO_DEEP, id="deep objects"),
        # The decoder stops at the first wrong member, so these faults behind one are met when the flaws are written.
        pytest.param(b'{"hook":5,"a":NaN}', NOT_JSON, id="not a number behind a flaw"),
        pytest.param(b'{"hook":5,', NOT_JSON, id="cut behind a flaw"),
        pytest.param(b'{"hook":5,"a":' + b"[" * 100_000, TOO_DEEP, id="deep behind a flaw"),
        pytest.param(b'{"hook":5,' + body(view())[1:], UNREADABLE, id="a member twice, first wrong"),
    ],
)
def test_a_body_that_is_no_json(raw: bytes, text: str) -> None:
    (issue,) = issues(raw)
    assert (issue.code, issue.text) == ("structure", text)


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 5_000, b"1e-999"])
def test_a_huge_number_is_refused_where_it_is_read_and_passed_over_elsewhere(number: bytes) -> None:
    assert PARSER.parse(after(b'"a":' + number), PATIENT_VIEW).patient_id == "p1"
    (issue,) = issues(body(view()).replace(b'"p1"', number))
    assert issue.expression == "context.patientId"
    raw = after(b'"prefetch":{"dxa":{"resourceType":"Observation","id":"o1","valueInteger":' + number + b"}}")
    request = PARSER.parse(raw, PATIENT_VIEW)
    assert request.received["dxa"].state == "failed"
    assert request.unreadable == (Unreadable("dxa", "Observation", "o1", None),)


def test_of_two_members_of_one_name_the_last_counts() -> None:
    assert PARSER.parse(after(b'"hook":"patient-view"'), PATIENT_VIEW).hook is PATIENT_VIEW


def test_text_that_is_not_ascii_is_welcome() -> None:
    raw = json.dumps(view(note="骨密度 é 🦴"), ensure_ascii=False).encode()
    assert PARSER.parse(raw, PATIENT_VIEW).patient_id == "p1"


@pytest.mark.parametrize("change", [lambda id: id.upper(), lambda id: id], ids=["upper case", "as it is"])
def test_a_uuid_of_either_case(change: Callable[[str], str]) -> None:
    assert PARSER.parse(body(view(hookInstance=change(HOOK_INSTANCE))), PATIENT_VIEW).hook_instance
