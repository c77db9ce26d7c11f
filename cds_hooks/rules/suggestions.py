"""The rules of suggestions and actions."""

import re
from collections.abc import Iterator
from typing import Final

from cds_hooks.rules.parts import Flaws, Json, Rule, has, items, not_objects, rule, texts

__all__ = ["SUGGESTION_RULES", "wrong_deletes", "wrong_resources", "wrong_types"]

SUGGESTION_RULES: Final[list[Rule]] = []

_REFERENCE: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9._-]+")


def _actions(card: Json) -> Iterator[tuple[str, Json]]:
    for path, suggestion in items(card, "suggestions"):
        yield from items(suggestion, "actions", path)


@rule(
    SUGGESTION_RULES, "A.7-40", mitre=(92,), of="suggestions", says="The suggestions of a card are a list of objects."
)
def suggestions(card: Json) -> Flaws:
    return not_objects(card, "suggestions")


@rule(
    SUGGESTION_RULES,
    "A.7-40",
    mitre=(93, 95, 96),
    says="With suggestions goes a selectionBehavior, which is at-most-one or any.",
)
def selection_behavior(card: Json) -> Flaws:
    if (has(card, "suggestions") or has(card, "selectionBehavior")) and (
        card.get("selectionBehavior") not in ("at-most-one", "any")
    ):
        yield "selectionBehavior"


@rule(SUGGESTION_RULES, "A.7-41", mitre=(117,), of="suggestions", says="A suggestion has a label.")
def suggestion_label(card: Json) -> Flaws:
    for path, suggestion in items(card, "suggestions"):
        yield from texts(suggestion, path, required=("label",))


@rule(
    SUGGESTION_RULES,
    "A.7-41",
    mitre=(121, 122),
    of="suggestions",
    says="isRecommended is true or false, and true at most once with at-most-one.",
)
def is_recommended(card: Json) -> Flaws:
    recommended = 0
    for path, suggestion in items(card, "suggestions"):
        value = suggestion.get("isRecommended")
        if has(suggestion, "isRecommended") and not isinstance(value, bool):
            yield f"{path}isRecommended"
        recommended += value is True
    if card.get("selectionBehavior") == "at-most-one" and recommended > 1:
        yield "suggestions"


@rule(
    SUGGESTION_RULES,
    "A.7-41",
    mitre=(124,),
    of="suggestions.actions",
    says="The actions of a suggestion are a list of objects.",
)
def suggestion_actions(card: Json) -> Flaws:
    for path, suggestion in items(card, "suggestions"):
        yield from not_objects(suggestion, "actions", path)


@rule(
    SUGGESTION_RULES,
    "A.7-41",
    level="SHOULD",
    of="suggestions",
    says="actionSelectionBehavior (3.0) is not sent to a client that is not known to support it.",
)
def no_action_selection(card: Json) -> Flaws:
    return (
        f"{path}actionSelectionBehavior"
        for path, node in items(card, "suggestions")
        if "actionSelectionBehavior" in node
    )


@rule(
    SUGGESTION_RULES,
    "A.7-42",
    mitre=(127,),
    of="suggestions.actions",
    says="The type of an action is create, update or delete.",
)
def action_type(card: Json) -> Flaws:
    return wrong_types(_actions(card))


@rule(
    SUGGESTION_RULES,
    "A.7-42",
    mitre=(128,),
    of="suggestions.actions",
    says="An action of a suggestion has a description.",
)
def action_description(card: Json) -> Flaws:
    for path, action in _actions(card):
        yield from texts(action, path, required=("description",))


@rule(
    SUGGESTION_RULES,
    "A.7-42",
    mitre=(130, 131, 132),
    of="suggestions.actions",
    says="A create or an update has a FHIR resource, an object with a resourceType.",
)
def action_resource(card: Json) -> Flaws:
    return wrong_resources(_actions(card))


@rule(
    SUGGESTION_RULES,
    "A.7-42",
    mitre=(133, 134, 135),
    of="suggestions.actions",
    says="A delete names what goes by resourceId, Type/id, and has no resource.",
)
def action_delete(card: Json) -> Flaws:
    return wrong_deletes(_actions(card))


def wrong_types(actions: Iterator[tuple[str, Json]]) -> Flaws:
    return (f"{path}type" for path, node in actions if node.get("type") not in ("create", "update", "delete"))


def wrong_resources(actions: Iterator[tuple[str, Json]]) -> Flaws:
    for path, action in actions:
        if action.get("type") in ("create", "update"):
            resource = action.get("resource")
            if not isinstance(resource, dict):
                yield f"{path}resource"
            else:
                yield from texts(resource, f"{path}resource.", required=("resourceType",))


def wrong_deletes(actions: Iterator[tuple[str, Json]]) -> Flaws:
    for path, action in actions:
        named = action.get("resourceId")
        deletes = action.get("type") == "delete"
        if (deletes or has(action, "resourceId")) and not (isinstance(named, str) and _REFERENCE.fullmatch(named)):
            yield f"{path}resourceId"
        if deletes and has(action, "resource"):
            yield f"{path}resource"
