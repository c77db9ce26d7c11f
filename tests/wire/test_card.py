"""Cards: what is built is right, what is wrong is not built, and `well_formed` sees every violation in any JSON."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cds_hooks import (
    Action,
    Card,
    Coding,
    Link,
    OverrideReason,
    Response,
    Source,
    Suggestion,
    encode,
    well_formed,
)
from cds_hooks.card import utf16_length
from tests.wire.record import Json

SOURCE = Source(
    label="A guideline",
    url="https://guideline.example.org/a",
    icon="https://guideline.example.org/a.png",
    topic=Coding(code="tier", system="https://example.org/topics", display="Tier"),
)
ORDER = {"resourceType": "ServiceRequest", "status": "draft"}
CREATE = Action(type="create", description="Orders a test", resource=ORDER)
UPDATE = Action(type="update", description="Changes an order", resource=msgspec.Raw(b'{"resourceType":"Task"}'))
DELETE = Action(type="delete", description="Removes an order", resource_id="ServiceRequest/a.1")
FIRST = Suggestion(
    label="Order", uuid="5b9f4d3c-0000-4000-8000-000000000001", is_recommended=True, actions=(CREATE, UPDATE)
)
SECOND = Suggestion(label="Remove", actions=(DELETE,))
REASONS = (OverrideReason(code="done", system="https://example.org/reasons", display="Done elsewhere"),)
LINKS = (
    Link(label="Read", url="https://guideline.example.org", type="absolute"),
    Link(label="Open", url="https://app.example.org/launch", type="smart", app_context="a=1", autolaunchable=True),
)


def card(**members: Any) -> Card:
    return Card(**{"summary": "Do this", "indicator": "info", "source": SOURCE, **members})


FULL = Response(
    cards=(
        card(
            uuid="card-1",
            detail="**Why.**",
            suggestions=(FIRST, SECOND),
            selection_behavior="at-most-one",
            override_reasons=REASONS,
            links=LINKS,
            extension={"org.example.findings": [{"rule": "a"}]},
        ),
    ),
    system_actions=(CREATE,),
    extension={"org.example": True},
)


def test_a_full_answer() -> None:
    assert well_formed(FULL) == ()
    answer = json.loads(encode(FULL))
    (built,) = answer["cards"]
    assert built["selectionBehavior"] == "at-most-one"
    assert built["suggestions"][0]["isRecommended"] is True
    assert built["suggestions"][1] == {
        "label": "Remove",
        "actions": [{"type": "delete", "description": "Removes an order", "resourceId": "ServiceRequest/a.1"}],
    }
    assert built["overrideReasons"] == [
        {"code": "done", "system": "https://example.org/reasons", "display": "Done elsewhere"}
    ]
    assert built["links"][0] == {"label": "Read", "url": "https://guideline.example.org", "type": "absolute"}
    assert built["links"][1]["appContext"] == "a=1"
    assert answer["systemActions"][0]["resource"] == ORDER


def test_what_has_no_value_is_left_out() -> None:
    assert encode(Response(cards=())) == b'{"cards":[]}'
    assert json.loads(encode(Response(cards=(card(source=Source(label="A")),)))) == {
        "cards": [{"summary": "Do this", "indicator": "info", "source": {"label": "A"}}]
    }
    assert well_formed(Response(cards=())) == ()


def test_what_was_encoded_before_is_taken_as_it_is() -> None:
    raw = card(override_reasons=msgspec.Raw(msgspec.json.encode(REASONS)))
    assert encode(Response(cards=(raw,))) == encode(Response(cards=(card(override_reasons=REASONS),)))


def test_a_suggestion_that_was_encoded_before_stands_among_those_that_are_built() -> None:
    raw = msgspec.Raw(msgspec.json.encode(SECOND))
    as_raw = Response(cards=(card(suggestions=(FIRST, raw), selection_behavior="at-most-one"),))
    assert encode(as_raw) == encode(
        Response(cards=(card(suggestions=(FIRST, SECOND), selection_behavior="at-most-one"),))
    )
    assert well_formed(as_raw) == ()
    twice = msgspec.Raw(msgspec.json.encode(FIRST))
    with pytest.raises(ValueError, match=r"^Card: with at-most-one, at most one suggestion is recommended$"):
        card(suggestions=(twice, twice), selection_behavior="at-most-one")
    with pytest.raises(ValueError, match=r"^Card: suggestions and selectionBehavior go together$"):
        card(suggestions=(raw,))


@pytest.mark.parametrize(("text", "length"), [("", 0), ("ab", 2), ("骨质疏松", 4), ("é", 1), ("🦴", 2), ("a🦴b", 4)])
def test_the_length_that_a_browser_counts(text: str, length: int) -> None:
    assert utf16_length(text) == length


@pytest.mark.parametrize("summary", ["a" * 139, "骨" * 139, "🦴" * 69 + "a"])
def test_the_longest_summary(summary: str) -> None:
    assert well_formed(Response(cards=(card(summary=summary),))) == ()


@pytest.mark.parametrize("summary", ["a" * 140, "骨" * 140, "🦴" * 70])
def test_a_summary_that_is_too_long(summary: str) -> None:
    with pytest.raises(ValueError, match=r"^Card: summary must have at most 139 UTF-16 units$"):
        card(summary=summary)
    wrong = {"cards": [{"summary": summary, "indicator": "info", "source": {"label": "A"}}]}
    assert well_formed(json.dumps(wrong).encode()) == ("cards[0].summary: longer than 139 UTF-16 units",)


def action(**members: Any) -> Action:
    return Action(**{"type": "create", "description": "d", "resource": ORDER, **members})


def link(**members: Any) -> Link:
    return Link(**{"label": "l", "url": "https://example.org", "type": "absolute", **members})


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (lambda: card(summary=" "), "Card: summary must not be empty"),
        (lambda: card(detail=""), "Card: detail must not be empty"),
        (lambda: card(uuid=""), "Card: uuid must not be empty"),
        (lambda: card(extension={}), "Card: extension must not be empty"),
        (lambda: card(indicator="hard-stop"), "Card: indicator must be info, warning or critical"),
        (lambda: card(suggestions=(FIRST,)), "Card: suggestions and selectionBehavior go together"),
        (lambda: card(selection_behavior="any"), "Card: suggestions and selectionBehavior go together"),
        (
            lambda: card(suggestions=(FIRST,), selection_behavior="all"),
            "Card: selectionBehavior must be at-most-one or any",
        ),
        (
            lambda: card(suggestions=(FIRST, FIRST), selection_behavior="at-most-one"),
            "Card: with at-most-one, at most one suggestion is recommended",
        ),
        (lambda: Source(label=""), "Source: label must not be empty"),
        (lambda: Source(label="l", url="guideline.example.org"), "Source: url and icon must be absolute"),
        (lambda: Source(label="l", icon="data:image/png;base64,"), "Source: url and icon must be absolute"),
        (lambda: Coding(code="", system="s"), "Coding: code must not be empty"),
        (lambda: OverrideReason(code="c", system="s", display=" "), "OverrideReason: display must not be empty"),
        (lambda: Suggestion(label=""), "Suggestion: label must not be empty"),
        (lambda: link(label=""), "Link: label must not be empty"),
        (lambda: link(url="javascript:alert(1)"), "Link: url must be an absolute http or https URL"),
        (lambda: link(type="other"), "Link: type must be absolute or smart"),
        (lambda: link(app_context="a"), "Link: only a smart link has an appContext"),
        (lambda: action(type="Create"), "Action: type must be create, update or delete"),
        (lambda: action(description=""), "Action: description must not be empty"),
        (lambda: action(resource=None), "Action: create needs a resource"),
        (lambda: action(type="update", resource=None), "Action: update needs a resource"),
        (lambda: action(resource={"id": "a"}), "Action: resource needs a resourceType"),
        (lambda: action(type="delete", resource=None), "Action: delete needs a resourceId, and no resource"),
        (lambda: action(type="delete", resource_id="A/b"), "Action: delete needs a resourceId, and no resource"),
        (lambda: action(resource_id="b"), "Action: resourceId must be a relative reference"),
        (lambda: Response(cards=(), extension={}), "Response: extension must not be empty"),
    ],
)
def test_what_breaks_a_rule_is_not_built(build: Callable[[], object], rule: str) -> None:
    with pytest.raises(ValueError, match=f"^{rule}"):
        build()


def test_several_may_be_recommended_where_any_may_be_taken() -> None:
    answer = Response(cards=(card(suggestions=(FIRST, FIRST), selection_behavior="any"),))
    assert well_formed(answer) == ()


ABSENT = object()


@pytest.mark.parametrize(
    ("path", "value", "flaws"),
    [
        ("/cards", ABSENT, ["cards is missing"]),
        ("/cards", {}, ["cards: received an object"]),
        ("/cards", [5], ["cards[0]: received a number"]),
        ("/systemActions", [], ["systemActions: [] must not be sent"]),
        ("/extension", {}, ["extension: {} must not be sent"]),
        ("/extension", {"a": [{"b": None}]}, ["extension.a[0].b: null must not be sent"]),
        ("summary", ABSENT, ["summary is missing"]),
        ("summary", 5, ["summary: received a number"]),
        ("detail", "", ["detail: received a blank string", "detail: '' must not be sent"]),
        ("indicator", "hard-stop", ["indicator: received another string"]),
        ("source/label", ABSENT, ["source.label is missing"]),
        ("source/topic/system", ABSENT, ["source.topic.system is missing"]),
        ("source/url", "x", ["source.url: received another string"]),
        ("selectionBehavior", ABSENT, ["selectionBehavior is missing"]),
        ("suggestions/1/isRecommended", True, ["suggestions: received an array"]),
        ("suggestions/1/label", ABSENT, ["suggestions[1].label is missing"]),
        ("suggestions/0/actions/0/type", "Create", ["suggestions[0].actions[0].type: received another string"]),
        ("suggestions/0/actions/0/description", ABSENT, ["suggestions[0].actions[0].description is missing"]),
        ("suggestions/0/actions/0/resource", ABSENT, ["suggestions[0].actions[0].resource is missing"]),
        ("suggestions/0/actions/0/resource", "a", ["suggestions[0].actions[0].resource: received another string"]),
        ("suggestions/0/actions/0/resourceId", "a", ["suggestions[0].actions[0].resourceId: received another string"]),
        ("suggestions/1/actions/0/resourceId", ABSENT, ["suggestions[1].actions[0].resourceId is missing"]),
        ("suggestions/1/actions/0/resource", ORDER, ["suggestions[1].actions[0].resource: received an object"]),
        ("overrideReasons/0/display", ABSENT, ["overrideReasons[0].display is missing"]),
        ("links/0/appContext", "a", ["links[0].appContext: received another string"]),
        ("links/0/type", "other", ["links[0].type: received another string"]),
        ("links/1/autolaunchable", "yes", ["links[1].autolaunchable: received another string"]),
    ],
)
def test_every_violation_is_listed_with_its_path(path: str, value: object, flaws: list[str]) -> None:
    answer = json.loads(encode(FULL))
    inside = not path.startswith("/")  # of the first card
    *steps, last = (int(step) if step.isdigit() else step for step in path.lstrip("/").split("/"))
    place: Any = answer["cards"][0] if inside else answer
    for step in steps:
        place = place[step]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    found = well_formed(json.dumps(answer).encode())
    assert len(found) == len(flaws), found
    for flaw, start in zip(found, flaws, strict=True):
        assert flaw.startswith(f"cards[0].{start}" if inside else start)


def test_several_violations_at_once() -> None:
    wrong: list[Json] = [{"summary": None, "indicator": "info", "source": {"label": "A"}}, {"links": []}]
    found = well_formed(json.dumps({"cards": wrong}).encode())
    for start in (
        "cards[0].summary: received null",
        "cards[0].summary: null",
        "cards[1].summary is",
        "cards[1].links: []",
    ):
        assert any(flaw.startswith(start) for flaw in found), start


def test_an_answer_that_is_no_object() -> None:
    assert well_formed(b"[]") == ("response: received an array; expected an object with cards",)
