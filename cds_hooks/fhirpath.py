"""The tokens of prefetch templates: parsed at start, evaluated per request.

The grammar is that of CDS Hooks 2.0 ("Prefetch tokens") and of the 3.0 ballot ("Prefetch tokens containing Simpler
FHIRPath"): user ids, `today()` and days, paths from the context or from another prefetch key (`%key`) with `ofType()`
and `resolve()`, and alternatives (`a | b`), whose values are put together.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

__all__ = [
    "Expression",
    "OfType",
    "Path",
    "Resolve",
    "Scope",
    "Today",
    "User",
    "depends_on",
    "evaluate",
    "parse",
]

_USERS: Final[Mapping[str, str]] = {
    "userPractitionerId": "Practitioner",
    "userPractitionerRoleId": "PractitionerRole",
    "userPatientId": "Patient",
    "userRelatedPersonId": "RelatedPerson",
}


@dataclass(frozen=True, slots=True)
class User:
    """The id of the user, where the user is of this resource type."""

    resource_type: str


@dataclass(frozen=True, slots=True)
class Today:
    """The day of the request, moved by some days."""

    days: int


@dataclass(frozen=True, slots=True)
class OfType:
    """Keeps the resources of one type."""

    resource_type: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """Follows references."""


@dataclass(frozen=True, slots=True)
class Path:
    """Elements from the context (`key` is None) or from the value of another prefetch key."""

    key: str | None
    steps: tuple[str | OfType | Resolve, ...]


Expression = tuple[User | Today | Path, ...]

# Five digits: with more, the year may be one that no calendar of ours has.
_TODAY: Final = re.compile(r"today\(\)(?:\s*([+-])\s*([0-9]{1,5})\s*days?)?")
_PATH: Final = re.compile(r"(context|%[A-Za-z0-9_-]+)((?:\.[^.|]+)+)")
_OF_TYPE: Final = re.compile(r"ofType\(\s*([A-Z][A-Za-z]+)\s*\)")
_ELEMENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_ABSTRACT: Final = frozenset({"Resource", "DomainResource"})


def parse(text: str) -> Expression:
    """What stands between `{{` and `}}`; ValueError that says what is wrong with it."""
    stripped = text.strip()
    if stripped in _USERS:
        return (User(_USERS[stripped]),)
    return tuple(_alternative(part.strip()) for part in stripped.split("|"))


def depends_on(parts: Iterable[User | Today | Path]) -> frozenset[str]:
    """The prefetch keys that parts of expressions name."""
    return frozenset(part.key for part in parts if isinstance(part, Path) and part.key is not None)


def _alternative(text: str) -> Today | Path:
    if match := _TODAY.fullmatch(text):
        return Today(int(f"{match[1]}{match[2]}") if match[1] else 0)
    if match := _PATH.fullmatch(text):
        root = match[1].removeprefix("%")
        steps = tuple(map(_step, match[2][1:].split(".")))
        if not isinstance(steps[0], str):
            raise ValueError("a path begins with the name of an element")
        return Path(None if root == "context" else root, steps)
    raise ValueError("no user id, today(), path from context or path from %key")


def _step(text: str) -> str | OfType | Resolve:
    if text == "resolve()":
        return Resolve()
    if match := _OF_TYPE.fullmatch(text):
        if match[1] in _ABSTRACT:
            raise ValueError(f"ofType({match[1]}) must name a concrete resource type")
        return OfType(match[1])
    if _ELEMENT.fullmatch(text):
        return text
    raise ValueError(f'"{text}" is no element name, ofType(Type) or resolve()')


class Scope:
    """What a request gives its tokens: decoded JSON. `values` are those of the prefetch keys that are there.

    `base` is the address of the FHIR server: a reference to elsewhere is not followed.
    """

    def __init__(self, context: Mapping[str, Any], values: Mapping[str, Any], today: date, base: str) -> None:
        self.context, self.values, self.today, self.base = context, dict(values), today, base
        self._resources: dict[str, Mapping[str, Any]] | None = None

    def add(self, key: str, value: Any) -> None:
        """The value of one more prefetch key."""
        self.values[key] = value
        self._resources = None

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """The resources of all Bundles, by each address that a reference may have."""
        if self._resources is None:
            self._resources = {}
            for bundle in (*self.context.values(), *self.values.values()):
                for entry in _children(bundle, "entry"):
                    resource = entry.get("resource") if isinstance(entry, dict) else None
                    if isinstance(resource, dict):
                        for address in (entry.get("fullUrl"), f"{resource.get('resourceType')}/{resource.get('id')}"):
                            if isinstance(address, str):
                                self._resources.setdefault(address, resource)
        return self._resources


def evaluate(expression: Expression, scope: Scope) -> tuple[str, ...]:
    """The simple values of an expression, each once."""
    found = [value for part in expression for value in _values(part, scope)]
    return tuple(dict.fromkeys(found))


def _values(part: User | Today | Path, scope: Scope) -> Iterator[str]:
    match part:
        case User(resource_type):
            kind, _, id = str(scope.context.get("userId")).rpartition("/")
            if kind == resource_type:
                yield id
        case Today(days):
            yield (scope.today + timedelta(days=days)).isoformat()
        case _:
            yield from filter(None, map(_text, _nodes(part, scope)))


def _nodes(path: Path, scope: Scope) -> Sequence[Any]:
    nodes: list[Any] = [scope.context if path.key is None else scope.values.get(path.key)]
    for step in path.steps:
        match step:
            case str():
                nodes = [child for node in nodes for child in _children(node, step)]
            case OfType(resource_type):
                nodes = [node for node in nodes if isinstance(node, dict) and node.get("resourceType") == resource_type]
            case _:
                nodes = [target for node in nodes if (target := _target(node, scope)) is not None]
    return nodes


# The types of a choice element that lead on, or are values: `medication` also stands for `medicationReference`.
_CHOICE: Final = re.compile(r"Reference|CodeableConcept|Coding|Identifier|Quantity|Period|String|Code|Date|DateTime")


def _children(node: Any, name: str) -> Iterator[Any]:
    if not isinstance(node, dict):
        return
    for member, value in node.items():
        if member == name or (member.startswith(name) and _CHOICE.fullmatch(member, len(name))):
            yield from value if isinstance(value, list) else (value,)


_REFERENCE: Final = re.compile(r"(.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(/_history/[A-Za-z0-9.-]+)?")


def _target(reference: Any, scope: Scope) -> Mapping[str, Any] | None:
    """The resource referred to, where the request holds it, else its type and id; None for one that no server has:
    a contained one, one of another server."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(text, str):
        return None
    if text in scope.resources:
        return scope.resources[text]
    match = _REFERENCE.fullmatch(text)
    if match is None or (match[1] or f"{scope.base}/") != f"{scope.base}/":
        return None
    return {"resourceType": match[2], "id": match[3]}


def _text(node: Any) -> str | None:
    """A simple value as a query has it; None for any other."""
    if isinstance(node, bool):
        return "true" if node else "false"
    return str(node) if isinstance(node, str | int | float) else None
