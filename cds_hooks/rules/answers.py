"""The rules of an answer as a whole."""

from collections.abc import Iterator
from typing import Any, Final

from cds_hooks.rules.parts import Flaws, Json, Rule, has, items, not_objects, rule, texts
from cds_hooks.rules.suggestions import wrong_deletes, wrong_resources, wrong_types

__all__ = ["ANSWER_RULES", "extensions"]

ANSWER_RULES: Final[list[Rule]] = []


@rule(ANSWER_RULES, "A.7-38", mitre=(74,), says="An answer has a list of cards, each an object.")
def cards(answer: Json) -> Flaws:
    if isinstance(answer.get("cards"), list):
        yield from not_objects(answer, "cards")
    else:
        yield "cards"


@rule(
    ANSWER_RULES,
    "A.7-43",
    mitre=(75, 127, 130),
    of="systemActions",
    says="systemActions is a list of actions: type, resource and resourceId as in a suggestion.",
)
def system_actions(answer: Json) -> Flaws:
    yield from not_objects(answer, "systemActions")
    for flaws in (wrong_types, wrong_resources, wrong_deletes):
        yield from flaws(items(answer, "systemActions"))


@rule(
    ANSWER_RULES,
    "A.7-43",
    level="SHOULD",
    of="systemActions",
    says="A system action has a description: Inferno asks for it, and an audit needs it.",
)
def system_action_description(answer: Json) -> Flaws:
    for path, action in items(answer, "systemActions"):
        yield from texts(action, path, required=("description",))


@rule(
    ANSWER_RULES,
    "A.7-40",
    mitre=(80,),
    says="No two cards, and no two suggestions of a card, have the same uuid.",
)
def uuids_are_unique(answer: Json) -> Flaws:
    listed = list(items(answer, "cards"))
    for nodes in (listed, *(list(items(card, "suggestions", path)) for path, card in listed)):
        seen: set[str] = set()
        for path, node in nodes:
            uuid = node.get("uuid")
            if isinstance(uuid, str) and uuid:
                if uuid in seen:
                    yield f"{path}uuid"
                seen.add(uuid)


def extensions(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every CDS Hooks extension under a node with its path; FHIR resources have extensions of their own kind."""
    if isinstance(node, dict) and "resourceType" not in node:
        for name, member in node.items():
            if name == "extension":
                if has(node, name):
                    yield f"{path}extension", member
            elif name != "resource":
                yield from extensions(member, f"{path}{name}.")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from extensions(item, f"{path.removesuffix('.')}[{index}].")
