"""Cards: built right, or `Malformed` naming the rule of CDS Hooks 2.0, "CDS Service Response", that is broken.

Members without a value are left out of the JSON. What is the same in many answers may be given as `msgspec.Raw`, JSON
that was encoded and checked before; `well_formed` looks inside that as well.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import astuple

from cds_hooks.schema import load

__all__ = [
    "LONGEST_SUMMARY",
    "Action",
    "Card",
    "Coding",
    "Link",
    "Malformed",
    "OverrideReason",
    "Response",
    "Source",
    "Suggestion",
    "empties",
    "encode",
    "pruned",
    "utf16_length",
    "well_formed",
]

# "one-sentence, <140-character summary"; in UTF-16 units, the way browsers count (a house rule, the stricter reading).
LONGEST_SUMMARY: Final = 139

_URL: Final = re.compile(r"https?://[^\s/]+(/\S*)?")
_REFERENCE: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9._-]+")


def utf16_length(text: str) -> int:
    """The length of a text as JavaScript has it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


class Malformed(ValueError):
    """Something that no client should be sent; the text is the rule that is broken, and holds no value."""


class _Part(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Any object of an answer: no member of it is blank or empty, since the standard forbids sending such."""

    def __post_init__(self) -> None:
        for name, value in zip(self.__struct_fields__, astuple(self), strict=True):
            if (not value and value in ("", {})) or (type(value) is str and value.isspace()):
                raise self._broken(f"{name} must not be empty")

    def _broken(self, rule: str) -> Malformed:
        return Malformed(f"{type(self).__name__}: {rule}")


def _is_url(text: str | None) -> bool:
    return text is None or _URL.fullmatch(text) is not None


class Coding(_Part, frozen=True, kw_only=True):
    """A code of a code system."""

    code: str
    system: str
    display: str | None = None


class OverrideReason(_Part, frozen=True, kw_only=True):
    """A reason for which a user may set a card aside; `display` is what the user picks."""

    code: str
    system: str
    display: str


class Source(_Part, frozen=True, kw_only=True):
    """Where a card's advice comes from."""

    label: str
    url: str | None = None
    icon: str | None = None
    topic: Coding | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _is_url(self.url) or not _is_url(self.icon):
            raise self._broken("url and icon must be absolute http or https URLs")


class Link(_Part, frozen=True, kw_only=True):
    """A page or a SMART app to open."""

    label: str
    url: str
    type: Literal["absolute", "smart"]
    app_context: str | None = None
    autolaunchable: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _is_url(self.url):
            raise self._broken("url must be an absolute http or https URL")
        if self.type not in ("absolute", "smart"):
            raise self._broken("type must be absolute or smart")
        if self.app_context is not None and self.type != "smart":
            raise self._broken("only a smart link has an appContext")


class Action(_Part, frozen=True, kw_only=True):
    """One thing to do when a suggestion is taken, or as a system action."""

    type: Literal["create", "update", "delete"]
    description: str
    resource: Mapping[str, Any] | Raw | None = None
    resource_id: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.type not in ("create", "update", "delete"):
            raise self._broken("type must be create, update or delete")
        if self.type == "delete" and (self.resource_id is None or self.resource is not None):
            raise self._broken("delete needs a resourceId, and no resource")
        if self.type != "delete" and self.resource is None:
            raise self._broken(f"{self.type} needs a resource")
        if isinstance(self.resource, Mapping) and not self.resource.get("resourceType"):
            raise self._broken("resource needs a resourceType")
        if self.resource_id is not None and _REFERENCE.fullmatch(self.resource_id) is None:
            raise self._broken("resourceId must be a relative reference, Type/id")


class Suggestion(_Part, frozen=True, kw_only=True):
    """Actions offered under one button."""

    label: str
    uuid: str | None = None
    is_recommended: bool = False
    actions: tuple[Action, ...] | Raw = ()


class Card(_Part, frozen=True, kw_only=True):
    """One piece of advice."""

    summary: str
    indicator: Literal["info", "warning", "critical"]
    source: Source
    uuid: str | None = None
    detail: str | None = None
    suggestions: tuple[Suggestion | Raw, ...] = ()
    selection_behavior: Literal["at-most-one", "any"] | None = None
    override_reasons: tuple[OverrideReason, ...] | Raw = ()
    links: tuple[Link, ...] = ()
    extension: Mapping[str, Any] | Raw | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if utf16_length(self.summary) > LONGEST_SUMMARY:
            raise self._broken(f"summary must have at most {LONGEST_SUMMARY} UTF-16 units")
        if self.indicator not in ("info", "warning", "critical"):
            raise self._broken("indicator must be info, warning or critical")
        if self.selection_behavior not in (None, "at-most-one", "any"):
            raise self._broken("selectionBehavior must be at-most-one or any")
        if bool(self.suggestions) != (self.selection_behavior is not None):
            raise self._broken("suggestions and selectionBehavior go together")
        if self.selection_behavior == "at-most-one" and sum(map(_is_recommended, self.suggestions)) > 1:
            raise self._broken("with at-most-one, at most one suggestion is recommended")


def _is_recommended(suggestion: Suggestion | Raw) -> bool:
    """Of one that was encoded before, by the member as `encode` writes it."""
    if isinstance(suggestion, Raw):
        return b'"isRecommended":true' in bytes(suggestion)
    return suggestion.is_recommended


class Response(_Part, frozen=True, kw_only=True):
    """The answer of a service; `cards` may be empty, and then says that there is nothing to advise."""

    cards: tuple[Card, ...]
    system_actions: tuple[Action, ...] = ()
    extension: Mapping[str, Any] | Raw | None = None


def encode(response: Response) -> bytes:
    """The JSON of an answer."""
    return msgspec.json.encode(response)


def well_formed(response: Response | bytes) -> tuple[str, ...]:
    """Every violation in an answer with its path; nothing when it keeps all rules.

    Slow and thorough, for tests and for samples at start: it reads the JSON, so it also sees inside what was given raw.
    """
    document = msgspec.json.decode(response if isinstance(response, bytes) else encode(response))
    flaws = [str(flaw) for flaw in load("response").flaws(document, "response")]
    if isinstance(document, dict):
        flaws += (f"{path}: {kind} must not be sent" for path, kind in empties(document) if path != "cards")
        flaws += _long_summaries(document)
    return tuple(flaws)


_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})


def empties(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each null, empty string, empty list and empty object in a JSON value: its path, and what it is."""
    if value in _EMPTY:
        yield path, "null" if value is None else repr(value)
    elif isinstance(value, dict):
        for name, member in value.items():
            below = f"{path}.{name}".lstrip(".")
            if isinstance(member, list) and isinstance(value.get(_beside(name)), list):
                for index, item in enumerate(member):
                    if item is not None:
                        yield from empties(item, f"{below}[{index}]")
            else:
                yield from empties(member, below)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from empties(item, f"{path}[{index}]")


def pruned(value: Any) -> Any:
    """A JSON value without what `empties` finds in it; what is left empty by that goes too."""
    if isinstance(value, dict):
        kept = {}
        for name, member in value.items():
            if isinstance(member, list) and isinstance(value.get(_beside(name)), list):
                kept[name] = [None if item is None else pruned(item) for item in member]
            else:
                kept[name] = pruned(member)
        return {name: member for name, member in kept.items() if member not in _EMPTY}
    if isinstance(value, list):
        return [item for item in map(pruned, value) if item not in _EMPTY]
    return value


def _beside(name: str) -> str:
    """Where FHIR JSON has the extensions of a list of primitives, or the list; null stands where one has nothing."""
    return name[1:] if name.startswith("_") else f"_{name}"


def _long_summaries(response: dict[str, Any]) -> Iterator[str]:
    cards = response.get("cards")
    for index, card in enumerate(cards if isinstance(cards, list) else ()):
        summary = card.get("summary") if isinstance(card, dict) else None
        if isinstance(summary, str) and utf16_length(summary) > LONGEST_SUMMARY:
            yield f"cards[{index}].summary: longer than {LONGEST_SUMMARY} UTF-16 units"
