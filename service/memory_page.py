"""The page that says how long advice stays away, read and checked: `memory.yaml`, or a site's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from fhir_profiles import load_yaml
from fhir_profiles.dates import add_months
from service.pages import Basis
from service.rules import Flawed, Rules

__all__ = ["ORDERED", "MemoryPage", "Span", "load_memory_page"]

ORDERED: Final = "ordered"
_OTHERWISE: Final = "otherwise"


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time by the calendar."""

    months: int = 0
    days: int = 0

    def after(self, day: date) -> date:
        """The first day on which it is over."""
        return add_months(day, self.months) + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class MemoryPage:
    """`reasons` says how long each stays away: a Span, or `evidence-changes` or `due-again`; `codes` which it is."""

    systems: frozenset[str]
    codes: Mapping[str, str]
    reasons: Mapping[str, Span | str]
    due_again: Mapping[str, Span]

    def reason_of(self, system: str | None, code: str | None) -> str | None:
        """The reason that a code stands for; None where the advice may be repeated."""
        return self.codes.get(code) if code is not None and (system is None or system in self.systems) else None

    def until(self, reason: str, outcome: str, told: date) -> date | None:
        """The day on which advice set aside on a day may come again; None where only new evidence brings it back."""
        span = self.reasons[reason]
        if isinstance(span, Span):
            return span.after(told)
        if span == "evidence-changes":
            return None
        return self.due_again.get(outcome, self.due_again[_OTHERWISE]).after(told)


class _Stay(Struct, forbid_unknown_fields=True):
    """How long; `until` in place of a value where no number says it."""

    basis: Basis
    says: str
    where: str
    value: int | None = None
    unit: Literal["d", "mo"] | None = None
    until: Literal["evidence-changes", "due-again"] | None = None


class _Reason(Struct, forbid_unknown_fields=True):
    codes: tuple[str, ...]
    stays_away: _Stay


class _Page(Struct, forbid_unknown_fields=True):
    title: dict[str, str]
    systems: frozenset[str]
    reasons: dict[str, _Reason]
    due_again: dict[str, dict[str, Any]]


def load_memory_page(rules: Rules, path: str | None = None) -> MemoryPage:
    """Read the page of this path, or our own. Raises Flawed with everything that is wrong with it."""
    name = path or "memory.yaml"
    try:
        page = msgspec.convert(load_yaml(Path(path) if path else files("service").joinpath(name)), _Page)
    except OSError as error:
        raise Flawed([f"{name}: cannot be read: {error.strerror}"]) from None
    except (msgspec.ValidationError, ValueError) as error:
        raise Flawed([f"{name}: {error}"]) from None
    flaws: list[str] = []
    reasons: dict[str, Span | str] = {}
    codes: dict[str, str] = {}
    for reason, entry in page.reasons.items():
        found = _stay(entry.stays_away)
        if found is None:
            flaws.append(f"{name}: {reason}: needs a value above 0 with its unit, or until")
        else:
            reasons[reason] = found
        for code in entry.codes:
            if codes.setdefault(code, reason) != reason:
                flaws.append(f"{name}: {reason}: the code {code} stands for {codes[code]} already")
    due_again: dict[str, Span] = {}
    for outcome, given in page.due_again.items():
        if outcome != _OTHERWISE and outcome not in rules.outcomes:
            flaws.append(f"{name}: due_again: {outcome} is no outcome")
        span = _span(given, rules)
        if span is None:
            flaws.append(
                f"{name}: due_again: {outcome}: needs a value, same_number or same_fact that is a length of time"
            )
        else:
            due_again[outcome] = span
    flaws += [f"{name}: reasons: {ORDERED} is missing"] if ORDERED not in page.reasons else []
    flaws += [f"{name}: due_again: {_OTHERWISE} is missing"] if _OTHERWISE not in page.due_again else []
    if flaws:
        raise Flawed(flaws)
    return MemoryPage(page.systems, codes, reasons, due_again)


def _stay(stay: _Stay) -> Span | str | None:
    if stay.until is not None:
        return stay.until if stay.value is None else None
    return _length(stay.value, stay.unit)


def _length(value: float | None, unit: str | None) -> Span | None:
    if value is None or value <= 0 or unit not in ("d", "mo"):
        return None
    return Span(days=int(value)) if unit == "d" else Span(months=int(value))


def _span(given: Mapping[str, Any], rules: Rules) -> Span | None:
    """A length of time as the page gives it, or as another page has it."""
    if given.keys() == {"same_number"}:
        page, _, name = str(given["same_number"]).rpartition(".")
        for section in (rules.assessment, *rules.sections, *rules.per_order):
            if section.name == page and name in section.numbers:
                number = section.numbers[name]
                return _length(number.value, number.unit)
        return None
    if given.keys() == {"same_fact"}:
        fact, _, member = str(given["same_fact"]).rpartition(".")
        found = rules.terms.facts.get(fact, {}).get(member, {})
        if not isinstance(found, Mapping):
            return None
        return _length(found["days"], "d") if "days" in found else _length(found.get("months"), "mo")
    try:
        stay = _stay(msgspec.convert(given, _Stay))
    except msgspec.ValidationError:
        return None
    return stay if isinstance(stay, Span) else None
