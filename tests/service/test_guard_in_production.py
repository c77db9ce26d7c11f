"""In production one card that cannot be built costs no other card; in demo mode it is seen at once."""

import json
import re
from collections import Counter
from datetime import date
from typing import Any

import pytest

from cds_hooks import Card
from service import speak
from service.app import create_app
from service.config import Settings
from service.demo import demo_request

TODAY = date(2026, 11, 20)


def answer(monkeypatch: pytest.MonkeyPatch, mode: Any, *faulty: str) -> tuple[int, Any]:
    """The status and body of the demo's answer, the cards of some topics being impossible to build."""
    build = speak._card

    def card(decision: Any, voice: Any, fill: Any, topic: str, findings: Any, offered: set[str]) -> Card:
        if topic in faulty:
            raise KeyError("the name of a patient")
        return build(decision, voice, fill, topic, findings, offered)

    monkeypatch.setattr(speak, "_card", card)
    client = create_app(Settings(mode=mode, today=TODAY), in_process=True).test_client()
    body = demo_request("order-sign", TODAY)
    response = client.post("/cds-services/bone-health-order-sign", data=body, content_type="application/json")
    return response.status_code, json.loads(response.data)


def dropped() -> Counter[str]:
    """How many cards each rule has cost so far, as /metrics tells it."""
    told = create_app(Settings(today=TODAY), in_process=True).test_client().get("/metrics").text
    found = re.findall(r'osteohooks_cards_dropped_total{rule="(.*)"} (.*)', told)
    return Counter({rule: int(float(number)) for rule, number in found})


def topics(answered: Any) -> list[str]:
    return [card["source"]["topic"]["code"] for card in answered["cards"]]


def test_production_delivers_the_rest(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    _, whole = answer(monkeypatch, "production")
    assert topics(whole)[0] == "tier"
    monkeypatch.undo()
    before = dropped()
    status, rest = answer(monkeypatch, "production", "tier")
    assert status == 200
    assert topics(rest) == topics(whole)[1:]
    assert rest["extension"] == whole["extension"], "what applies is still told"
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("a card was dropped: KeyError in card, line ")
    assert dropped() - before == Counter({told.removeprefix("a card was dropped: "): 1})


@pytest.mark.parametrize(("mode", "faulty"), [("demo", ["tier"]), ("production", list(speak.TOPICS))])
def test_an_error_and_never_an_all_clear(monkeypatch: pytest.MonkeyPatch, mode: str, faulty: list[str]) -> None:
    status, body = answer(monkeypatch, mode, *faulty)
    assert status == 500
    assert body["resourceType"] == "OperationOutcome"
