"""The discovery document, and what no service may say of itself."""

import json

import pytest

from cds_hooks import ORDER_SIGN, PATIENT_VIEW, Service
from cds_hooks.discovery import discovery
from tests.wire.record import PREFETCH, SERVICES


def test_the_document_is_what_the_services_say() -> None:
    view, _, sign = json.loads(discovery(SERVICES))["services"]
    assert view == {
        "hook": "patient-view",
        "id": "view",
        "title": "View",
        "description": "Looks at the patient.",
        "prefetch": PREFETCH,
        "usageRequirements": "A patient.",
    }
    assert "usageRequirements" not in sign


def test_a_service_without_prefetch_sends_no_empty_object() -> None:
    (described,) = json.loads(discovery([Service("s", PATIENT_VIEW, "T", "D")]))["services"]
    assert described == {"hook": "patient-view", "id": "s", "title": "T", "description": "D"}


def test_no_services_are_an_empty_list() -> None:
    assert json.loads(discovery([])) == {"services": []}


def test_an_id_stands_once() -> None:
    twice = [
        Service("s", PATIENT_VIEW, "T", "D"),
        Service("s", ORDER_SIGN, "T", "D"),
        Service("t", ORDER_SIGN, "T", "D"),
    ]
    with pytest.raises(ValueError, match=r"^more than one service has the id s$"):
        discovery(twice)


@pytest.mark.parametrize("id", ["", "a b", "a/b", "é", "a\n"])
def test_an_id_is_a_piece_of_a_url(id: str) -> None:
    with pytest.raises(ValueError, match="the id must be of letters, digits"):
        Service(id, PATIENT_VIEW, "T", "D")


def test_every_flaw_of_a_service_is_named_at_once() -> None:
    with pytest.raises(ValueError, match="service") as refused:
        Service("a b", PATIENT_VIEW, " ", "", {"k": "Patient", "l": "{{x}}"}, " ")
    for flaw in ("the id", "title must", "description must", "usageRequirements must", '"k":', '"l": {{x}}'):
        assert flaw in str(refused.value)
