"""What a rule is, and the parts that rules are made of."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

__all__ = ["Flaws", "Json", "Level", "Rule", "has", "is_text", "is_url", "items", "not_objects", "rule", "texts"]

Json = dict[str, Any]
Flaws = Iterator[str]
Level = Literal["MUST", "SHOULD"]

_SPACE: Final = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of cards or of whole answers.

    `requirements` are numbers of A.1 to A.10 (conformance/requirements.py), `mitre` those of MITRE's list; `flaws`
    gives the paths at which a card or an answer breaks the rule. It is about the member `of`, such as
    "suggestions.actions", and says nothing of what has none.
    """

    id: str
    level: Level
    requirements: tuple[str, ...]
    mitre: tuple[int, ...]
    says: str
    of: str
    flaws: Callable[[Json], Flaws]

    def concerns(self, node: Json) -> bool:
        """Whether a card or an answer has what the rule is about."""
        return not self.of or _holds(node, self.of.split("."))


def _holds(node: Any, names: list[str]) -> bool:
    if isinstance(node, list):
        return any(_holds(item, names) for item in node)
    return not names or (isinstance(node, dict) and names[0] in node and _holds(node[names[0]], names[1:]))


def rule(
    rules: list[Rule],
    *requirements: str,
    mitre: tuple[int, ...] = (),
    says: str,
    level: Level = "MUST",
    of: str = "",
) -> Callable[[Callable[[Json], Flaws]], Callable[[Json], Flaws]]:
    """Make a rule of a function and add it to some rules; its name is the rule's id."""

    def decorate(flaws: Callable[[Json], Flaws]) -> Callable[[Json], Flaws]:
        rules.append(Rule(flaws.__name__.replace("_", "-"), level, requirements, mitre, says, of, flaws))
        return flaws

    return decorate


def is_text(value: Any) -> bool:
    """Whether it is a string that is not blank."""
    return isinstance(value, str) and bool(value.strip())


def is_url(value: Any) -> bool:
    """Whether it is an absolute http or https URL."""
    if not isinstance(value, str) or _SPACE.search(value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def has(node: Json, name: str) -> bool:
    """Whether an optional member is there to be judged; null and empty ones are another rule's."""
    return node.get(name) not in (None, "", [], {})


def texts(node: Json, path: str, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> Flaws:
    """Where members are no text: the required ones must be, the optional ones if they are there."""
    yield from (f"{path}{name}" for name in required if not is_text(node.get(name)))
    yield from (f"{path}{name}" for name in optional if has(node, name) and not is_text(node[name]))


def items(node: Json, name: str, path: str = "") -> Iterator[tuple[str, Json]]:
    """The objects of a list member, each with its path, ready to have a member's name added."""
    listed = node.get(name)
    for index, item in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(item, dict):
            yield f"{path}{name}[{index}].", item


def not_objects(node: Json, name: str, path: str = "") -> Flaws:
    """Where a list of objects is none."""
    listed = node.get(name)
    if isinstance(listed, list):
        yield from (f"{path}{name}[{index}]" for index, item in enumerate(listed) if not isinstance(item, dict))
    elif has(node, name):
        yield f"{path}{name}"
