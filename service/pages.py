"""Guideline pages as read from disk: numbers, words, outcomes, and the logic beside them.

A section is a same-stem pair: `<section>.yaml`, which a clinician reviews, and (unless it is a table)
`<section>.py` with one function `decide`. Page and logic are held against each other; every flaw is listed.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.resources.abc import Traversable
from operator import itemgetter
from types import FunctionType
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fhir_profiles import load_yaml
from service.words import Words, amount, each, number_text, of_fact

__all__ = [
    "Basis",
    "Guideline",
    "Indicator",
    "Number",
    "Outcome",
    "Section",
    "load_guideline",
    "parameters",
    "share_numbers",
]

Basis = Literal["label", "seed", "guideline", "house"]
Indicator = Literal["info", "warning", "critical"]

HOOKS = frozenset({"patient-view", "order-select", "order-sign"})
KINDS = ("assessment", "recommendation", "opinion", "table")
_MEMBERS = frozenset(
    {"title", "kind", "where", "hooks", "each", "numbers", "same_numbers", "dates", "blanks", "outcomes", "asks"}
    | {"confirms", "decided_elsewhere", "rows", "agents", "words", "rules", "tiers", "settled_by", "unsettled"}
)


class Number(Struct, frozen=True, forbid_unknown_fields=True):
    """A number of the source: what it is, what it limits, who says so and where."""

    name: str
    value: float
    unit: str
    basis: Basis
    says: str
    where: str
    of: str | None = None

    def text(self, aspect: str, language: str) -> str:
        """The number as a sentence prints it: with its unit, alone (`number`), or after "every" (`each`)."""
        if aspect == "number":
            return number_text(self.value)
        return (each if aspect == "each" else amount)(self.value, self.unit, language)


class _OutcomeEntry(Struct, forbid_unknown_fields=True):
    """An outcome as the page writes it."""

    indicator: Indicator
    lead: int = 50
    place: int | None = None
    summary: dict[str, str] | None = None
    detail: dict[str, str] | None = None
    orders: tuple[str, ...] = ()
    orders_for: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule may conclude, with its words. `variant` tells apart wordings of one outcome code.

    `lead`: the lowest of a card's gives its summary; `place`: where its detail stands on the card; `named`: the
    blanks that its sentences had on the page; `own`: those of them that a finding fills, not a fact; `cites`: where the
    numbers among them come from; `credit`: the JSON by which a card names it.
    """

    code: str
    variant: str
    indicator: Indicator
    lead: int
    place: int
    summary: Words | None
    detail: Words | None
    orders: tuple[str, ...]
    orders_for: Mapping[str, str]
    topic: str = ""
    opens: bool = False
    named: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    cites: tuple[str, ...] = ()
    credit: bytes = b""


@dataclass(slots=True)
class Section:
    """One page with its logic, as the engine runs it."""

    guideline: str
    stem: str
    title: Mapping[str, str]
    kind: str
    hooks: frozenset[str]
    numbers: dict[str, Number]
    outcomes: dict[str, Outcome]
    asks: dict[str, str]
    page: dict[str, Any]
    facts: tuple[str, ...] = ()
    decide: Callable[..., Any] | None = None
    # Takes these facts of a patient's, or these attributes of an order's.
    asked: Callable[[Mapping[str, Any]], tuple[Any, ...]] = field(init=False)
    # `<guideline>/<section>`, as findings name it.
    name: str = field(init=False)
    # Why a rule of an assessment holds: rule -> short | why -> its words.
    reasons: dict[str, dict[str, Words]] = field(default_factory=dict)
    # Where its numbers come from.
    cites: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.name = f"{self.guideline}/{self.stem}"

    def settle(self, codes: Mapping[str, Any], facts: Mapping[str, Any], edition: str) -> None:
        """Fill into its logic and its sentences what is the same for every patient: numbers, what facts are called.

        `codes` are the outcomes that a page may name, `facts` the definitions of facts, `edition` its guideline's.
        """

        def known(language: str, name: str, aspect: str) -> str | None:
            text = self.number(language, name, aspect)
            return of_fact(facts.get(name, {}), aspect, language) if text is None else text

        if self.decide is not None:
            self.decide = _bound(self.decide, self.numbers)
            self.asked = _several(self.facts)
        own = {*self.page.get("dates", ()), *self.page.get("blanks", ())}
        self.cites = tuple(dict.fromkeys(number.where for number in self.numbers.values()))
        for name, outcome in self.outcomes.items():
            sentences = [words for words in (outcome.summary, outcome.detail) if words is not None]
            named = frozenset(blank for words in sentences for blank, _ in words.blanks)
            self.outcomes[name] = replace(
                outcome,
                summary=outcome.summary and outcome.summary.settled(known),
                detail=outcome.detail and outcome.detail.settled(known),
                topic=codes[outcome.code]["topic"],
                opens=codes[outcome.code]["opens"],
                named=named,
                own=named & own,
                cites=tuple(number.where for key, number in self.numbers.items() if key in named),
                credit=msgspec.json.encode({"rule": self.name, "outcome": outcome.code, "version": edition}),
            )
        for rule, entry in self.page.get("rules", {}).items():
            parts = {part: entry[part] for part in ("short", "why") if part in entry}
            self.reasons[rule] = {part: Words(texts).settled(known) for part, texts in parts.items()}

    def number(self, language: str, name: str, aspect: str) -> str | None:
        """What a blank prints of the page's numbers; None where it names none."""
        return self.numbers[name].text(aspect, language) if name in self.numbers else None


def _several(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """What takes these of the facts, in this order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda facts: tuple(facts[name] for name in names)


@dataclass(slots=True)
class Guideline:
    """A guideline folder: its own page, and its sections in reading order."""

    name: str
    page: dict[str, Any]
    sections: list[Section] = field(default_factory=list)


def load_guideline(package: str, folder: Traversable, codes: Mapping[str, Any], flaws: list[str]) -> Guideline:
    """Read a folder of a package; what is wrong with a page is added to `flaws`, with the file and the place.

    `codes` are the outcomes that a page may name.
    """
    guideline = Guideline(folder.name, load_yaml(folder.joinpath("guideline.yaml")))
    names = sorted(entry.name for entry in folder.iterdir())
    for name in names:
        if name.endswith(".yaml") and name != "guideline.yaml":
            stem = name.removesuffix(".yaml")
            found: list[str] = []
            section = _section(folder.name, stem, load_yaml(folder.joinpath(name)) or {}, codes, found)
            if section.kind != "table":
                section.decide = _logic(f"{package}.{folder.name}", stem, folder, found)
                section.facts = parameters(section.decide, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            guideline.sections.append(section)
            flaws += [f"{section.name}: {flaw}" for flaw in found]
    stems = {section.stem for section in guideline.sections} | {"__init__"}
    flaws += [f"{folder.name}/{name}: logic without a page" for name in names if _stray_logic(name, stems)]
    return guideline


def _stray_logic(name: str, stems: set[str]) -> bool:
    return name.endswith(".py") and name.removesuffix(".py") not in stems


def _section(guideline: str, stem: str, page: dict[str, Any], codes: Mapping[str, Any], flaws: list[str]) -> Section:
    section = Section(
        guideline=guideline,
        stem=stem,
        title=page.get("title", {}),
        kind=page.get("kind", "recommendation"),
        hooks=frozenset(page.get("hooks", HOOKS)),
        numbers={},
        outcomes={},
        asks=page.get("asks", {}),
        page=page,
    )
    flaws += [f"a page has no member {name}" for name in sorted(page.keys() - _MEMBERS)]
    if section.kind not in KINDS:
        flaws.append(f"unknown kind {section.kind}")
    flaws += [f"unknown hook {name}" for name in sorted(section.hooks - HOOKS)]
    for name, entry in page.get("numbers", {}).items():
        try:
            section.numbers[name] = msgspec.convert(
                dict(entry, name=name) if isinstance(entry, dict) else entry, Number
            )
        except msgspec.ValidationError as error:
            flaws.append(f"number {name}: {error}")
    for name, entry in page.get("outcomes", {}).items():
        try:
            outcome = section.outcomes[name] = _outcome(name, msgspec.convert(entry, _OutcomeEntry))
        except msgspec.ValidationError as error:
            flaws.append(f"outcome {name}: {error}")
            continue
        if outcome.code not in codes:
            flaws.append(f"outcome {outcome.code} is not in outcomes.yaml")
        elif codes[outcome.code]["opens"] and outcome.summary is None:
            flaws.append(f"outcome {name} opens a card and has no summary")
    return section


def _outcome(name: str, entry: _OutcomeEntry) -> Outcome:
    code, _, variant = name.partition(":")
    return Outcome(
        code=code,
        variant=variant,
        indicator=entry.indicator,
        lead=entry.lead,
        place=entry.lead if entry.place is None else entry.place,
        summary=Words(entry.summary) if entry.summary is not None else None,
        detail=Words(entry.detail) if entry.detail is not None else None,
        orders=entry.orders,
        orders_for=entry.orders_for,
    )


def _logic(package: str, stem: str, folder: Traversable, flaws: list[str]) -> Callable[..., Any] | None:
    """`decide` of the file beside a page."""
    module = import_module(f"{package}.{stem}") if folder.joinpath(f"{stem}.py").is_file() else None
    decide: Callable[..., Any] | None = getattr(module, "decide", None)
    if decide is None:
        flaws.append(f"no decide() in {stem}.py beside it")
    return decide


def share_numbers(sections: Sequence[Section], flaws: list[str]) -> None:
    """Give a page the numbers that it takes from another: `section` of its own guideline, or `folder/section`."""
    by_name = {section.name: section for section in sections}
    for section in sections:
        for name, place in section.page.get("same_numbers", {}).items():
            other = by_name.get(place if "/" in place else f"{section.guideline}/{place}")
            if other is not None and name in other.numbers:
                section.numbers[name] = other.numbers[name]
            else:
                flaws.append(f"{section.name}: {place} has no number {name}")


def _bound(decide: Callable[..., Any], numbers: Mapping[str, Number]) -> Callable[..., Any]:
    """`decide` with the numbers that it names as its defaults: a call hands over the facts alone."""
    assert isinstance(decide, FunctionType)
    bound = FunctionType(decide.__code__, decide.__globals__, decide.__name__)
    named = parameters(decide, inspect.Parameter.KEYWORD_ONLY)
    bound.__kwdefaults__ = {name: numbers[name].value for name in named}
    return bound


def parameters(decide: Callable[..., Any] | None, kind: Any) -> tuple[str, ...]:
    """The names of a function's parameters of one kind; none where there is no function."""
    found = inspect.signature(decide).parameters if decide is not None else {}
    return tuple(name for name, parameter in found.items() if parameter.kind is kind)
