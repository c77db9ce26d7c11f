"""Counts of fates by rule, outcome, site or month; as a table, as CSV, as JSON."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

import msgspec

from service.analytics.fates import Fate

__all__ = ["DIMENSIONS", "Line", "as_csv", "as_json", "as_table", "report"]

DIMENSIONS: Final[Mapping[str, Callable[[Fate], str]]] = {
    "rule": lambda fate: fate.rule,
    "outcome": lambda fate: fate.outcome,
    "site": lambda fate: fate.site or "",
    "month": lambda fate: f"{fate.at:%Y-%m}",
    "hook": lambda fate: fate.hook,
    "role": lambda fate: fate.role or "",
    "indicator": lambda fate: fate.indicator,
}


@dataclass(slots=True)
class Line:
    """What became of the findings that share their values of some dimensions.

    `held` counts by reason what was not shown; what was found in silent mode is apart, in `silent`.
    """

    keys: tuple[str, ...]
    accepted: int = 0
    ignored: int = 0
    overridden: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    silent: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def shown(self) -> int:
        return self.accepted + self.ignored + self.overridden.total()

    @property
    def acceptance(self) -> float | None:
        """Of those that somebody said something on, the share that was accepted."""
        told = self.accepted + self.overridden.total()
        return self.accepted / told if told else None

    @property
    def typical_seconds(self) -> float | None:
        """The median time to the first word, in seconds."""
        return median(self.seconds) if self.seconds else None

    def add(self, fate: Fate) -> None:
        if fate.kind == "held":
            if fate.why == "silent":
                self.silent += 1
            else:
                self.held[str(fate.why)] += 1
        elif fate.kind == "overridden":
            self.overridden[str(fate.why)] += 1
        elif fate.kind == "accepted":
            self.accepted += 1
        else:
            self.ignored += 1
        if fate.seconds is not None:
            self.seconds.append(fate.seconds)


def report(fates: Iterable[Fate], *groupings: Sequence[str]) -> list[list[Line]]:
    """For each grouping (some DIMENSIONS) the lines of its values, sorted; the fates are gone through once."""
    keys = [[DIMENSIONS[name] for name in grouping] for grouping in groupings]
    found: list[dict[tuple[str, ...], Line]] = [{} for _ in groupings]
    for fate in fates:
        for key, lines in zip(keys, found, strict=True):
            values = tuple(dimension(fate) for dimension in key)
            lines.setdefault(values, Line(values)).add(fate)
    return [[lines[values] for values in sorted(lines)] for lines in found]


def _records(lines: Sequence[Line], by: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            **dict(zip(by, line.keys, strict=True)),
            "shown": line.shown,
            "accepted": line.accepted,
            "overridden": dict(sorted(line.overridden.items())),
            "ignored": line.ignored,
            "acceptance": None if line.acceptance is None else round(line.acceptance, 4),
            "median_seconds_to_feedback": line.typical_seconds,
            "held_back": dict(sorted(line.held.items())),
            "silent": line.silent,
        }
        for line in lines
    ]


def as_json(lines: Sequence[Line], by: Sequence[str]) -> str:
    """A list of objects; `overridden` and `held_back` by reason."""
    return msgspec.json.format(msgspec.json.encode(_records(lines, by)), indent=2).decode()


def as_csv(lines: Sequence[Line], by: Sequence[str]) -> str:
    """One line of text a line; a column for each reason that occurs anywhere."""
    reasons = {
        name: sorted({reason for line in lines for reason in getattr(line, member)})
        for name, member in (("overridden", "overridden"), ("held_back", "held"))
    }
    flat = []
    for record in _records(lines, by):
        row: dict[str, Any] = {}
        for name, value in record.items():
            if name in reasons:
                row |= {f"{name}:{reason}": value.get(reason, 0) for reason in reasons[name]}
            else:
                row[name] = "" if value is None else value
        flat.append(row)
    text = io.StringIO()
    columns = list(flat[0]) if flat else [*by, "shown"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def as_table(lines: Sequence[Line], by: Sequence[str]) -> str:
    """For reading: the reasons of overrides and of what was held back stand beside their sums."""
    heads = [*by, "shown", "accepted", "overridden", "ignored", "acceptance", "time", "held back", "silent"]
    rows = [
        [
            *line.keys,
            str(line.shown),
            str(line.accepted),
            _summed(line.overridden),
            str(line.ignored),
            "-" if line.acceptance is None else f"{line.acceptance:.0%}",
            _duration(line.typical_seconds),
            _summed(line.held),
            str(line.silent),
        ]
        for line in lines
    ]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, ["-" * width for width in widths], *rows)
    )


def _summed(counts: Counter[str]) -> str:
    parts = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    return f"{counts.total()} ({parts})" if parts else "0"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
