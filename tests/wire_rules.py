"""What every 200 answer must satisfy: CDS Hooks 2.0.1 (Use of JSON, Cards) and the project's public contract."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from tests.fhir_pieces import Json

TOPICS: Final = ("safety", "tier", "supplements", "monitoring", "laboratory")
USES: Final = ("current", "planned", "unclear", "past")
TIER_WORDS: Final = ("low", "moderate", "high")
_SEVERITY: Final = {"critical": 0, "warning": 1, "info": 2}
_RULE: Final = re.compile(r"[a-z0-9_]+/[a-z0-9_]+")
_OUTCOME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def utf16_units(text: str) -> int:
    """Length as JavaScript, and so most clients, count it."""
    return len(text.encode("utf-16-le")) // 2


def empties(value: Any, path: str = "$") -> Iterator[str]:
    """Where a null, an empty string, list or object stands; the standard allows only an empty `cards`."""
    if value is None or (value in ("", [], {}) and path != "$.cards"):
        yield path
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from empties(member, f"{path}.{name}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from empties(member, f"{path}[{index}]")


def check_response(body: Any) -> None:
    """Raise AssertionError at the first rule that a 200 answer breaks."""
    assert isinstance(body, dict)
    assert list(empties(body)) == []
    cards = body["cards"]
    assert isinstance(cards, list)
    assert len(cards) <= len(TOPICS)
    for card in cards:
        check_card(card)
    topics = [card["source"]["topic"]["code"] for card in cards]
    assert len(topics) == len(set(topics)), f"two cards on one topic: {topics}"
    severities = [_SEVERITY[card["indicator"]] for card in cards]
    assert severities == sorted(severities), f"cards out of order: {severities}"
    assessment = body.get("extension", {}).get("org.osteohooks.assessment")
    assert assessment is not None or not cards, "cards without an assessment"
    if assessment is not None:
        check_assessment(assessment)
        shown = {finding["outcome"] for card in cards for finding in _findings(card)}
        assert shown <= set(assessment["outcomes"]), "a card shows what `outcomes` does not list"


def check_card(card: Json) -> None:
    UUID(card["uuid"])
    assert 0 < utf16_units(card["summary"]) <= 139, card["summary"]
    assert "\n" not in card["summary"]
    assert "…" not in card["summary"], f"cut to fit: {card['summary']}"
    assert card["indicator"] in _SEVERITY
    assert card["source"]["label"]
    assert {"code", "system"} <= card["source"]["topic"].keys()
    assert _findings(card)
    for finding in _findings(card):
        assert _RULE.fullmatch(finding["rule"]), finding
        assert _OUTCOME.fullmatch(finding["outcome"]), finding
        assert finding["version"]
    assert ("suggestions" in card) == ("selectionBehavior" in card)
    if "suggestions" in card:
        assert card["selectionBehavior"] in ("at-most-one", "any")
        recommended = [one for one in card["suggestions"] if one.get("isRecommended")]
        assert card["selectionBehavior"] == "any" or len(recommended) <= 1
        for suggestion in card["suggestions"]:
            check_suggestion(suggestion)
    reasons = card.get("overrideReasons", [])
    assert len(reasons) <= 5
    assert all({"code", "system", "display"} <= reason.keys() for reason in reasons)
    for link in card.get("links", ()):
        assert {"label", "url", "type"} <= link.keys()
        assert link["type"] in ("absolute", "smart")


def check_suggestion(suggestion: Json) -> None:
    UUID(suggestion["uuid"])
    assert suggestion["label"]
    for action in suggestion["actions"]:
        assert action["type"] in ("create", "update", "delete")
        assert action["description"]
        assert ("resource" in action) == (action["type"] != "delete")
        if action["type"] == "create":
            order = action["resource"]
            assert order["status"] == "draft", order
            assert order["intent"] == "order", order
            assert order["subject"]["reference"].startswith("Patient/"), order
        elif action["type"] == "update":
            assert action["resource"]["id"]


def check_assessment(assessment: Json) -> None:
    interval = [name for name in ("provisional", "atLeast", "atMost", "tierRule") if name in assessment]
    assert len(interval) in (0, 4), f"half an interval: {interval}"
    if interval:
        at_least, at_most = (TIER_WORDS.index(assessment[name]) for name in ("atLeast", "atMost"))
        assert at_least <= at_most
        assert assessment["provisional"] is (at_least != at_most)
        if "tier" in assessment:
            assert at_least <= TIER_WORDS.index(assessment["tier"]) <= at_most
        assert ("tier" not in assessment) == (assessment["tierRule"] == "I")
    else:
        assert "tier" not in assessment
    assert assessment["guideline"]
    outcomes = assessment.get("outcomes", [])
    assert outcomes == sorted(set(outcomes))
    for fact in assessment.get("facts", ()):
        assert isinstance(fact["used"], bool)
        assert fact["used"] or fact["reason"], f"unused without a reason: {fact}"
        if fact["fact"] == "inhibitor" and fact["used"]:
            assert fact["use"] in USES


def _findings(card: Json) -> list[Json]:
    found = card["extension"]["org.osteohooks.findings"]
    assert isinstance(found, list)
    return found
