"""What a page may say, and the shipped ones do not: still run as written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import service.app
from service.app import create_app
from service.config import Settings
from tests.builder import Record
from tests.fhir_pieces import TODAY, Json
from tests.front_door import Answer, request_body
from tests.guideline_copy import GONE, Pages


@pytest.fixture
def ask_them(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Asks a service that runs the changed pages."""
    monkeypatch.setattr(service.app, "load_rules", pages.load)

    def answer(record: Record, hook: str = "patient-view") -> Answer:
        client = create_app(Settings(today=TODAY)).test_client()
        body: Json = request_body(record.prefetch(), hook, drafts=record.drafts, selections=record.selections)
        response = client.post(f"/cds-services/bone-health-{hook}", json=body)
        return Answer(response.status_code, dict(response.headers), response.get_data())

    return answer


def woman() -> Record:
    return Record().condition("breast-cancer").t_score("lumbar-spine", -2.9)


def test_a_page_may_be_for_some_hooks_only(pages: Pages, ask_them: Callable[..., Answer]) -> None:
    pages.set("lifestyle", "hooks", to=["patient-view"])
    record = woman().draft("letrozole")
    assert "lifestyle" in ask_them(record).outcomes
    assert "lifestyle" not in ask_them(record, "order-sign").outcomes


def test_a_page_may_ask_for_what_could_change_its_answer(pages: Pages, ask_them: Callable[..., Answer]) -> None:
    """Vitamin D is unknown: deficiency is possible, so the page asks; known, or without the question, it does not."""
    asked = {"indicator": "info", "detail": {"en": "Please measure it.", "zh": "请测定。"}}
    pages.set("supplements", "outcomes", "data-quality:vitamin-d", to=asked)
    # Words that no logic decides are a flaw, until something does.
    pages.set("supplements", "decided_elsewhere", to=["data-quality:vitamin-d"])
    assert "data-quality" not in ask_them(woman()).outcomes
    pages.set("supplements", "asks", to={"vitamin_d_25oh": "data-quality:vitamin-d"})
    assert "data-quality" in ask_them(woman()).outcomes
    for value in (20, 80):
        record = woman().lab("vitamin_d_25oh", value, None, "2026-11-10")
        assert "data-quality" not in ask_them(record).outcomes


@pytest.mark.parametrize(("age", "is_ruled_out"), [(75, False), (76, True)])
def test_a_gate_may_look_above_a_limit(
    age: int, is_ruled_out: bool, pages: Pages, ask_them: Callable[..., Answer]
) -> None:
    row = pages.row_of("hip-fracture-surgery")
    pages.set("gates", "rows", row, "below", to=GONE)
    pages.set("gates", "rows", row, "above", to={"value": 75, "unit": "a"})
    pages.set("gates", "rows", row, "when", to="age")
    record = Record(age=age).condition("breast-cancer").t_score("lumbar-spine", -2.9).draft("zoledronic-acid")
    assert ("fracture-surgery-timing" in ask_them(record, "order-sign").outcomes) is is_ruled_out
