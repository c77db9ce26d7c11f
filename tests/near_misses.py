"""Two rows of the vignettes within a hair of each other: alike in every cell but one, and there all but.

In that cell one item differs, by as little as makes a difference: a number by one in a hundred or one unit, a day by
the next, a diagnosis by its being refuted or only suspected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple

from tests.vignette_pages import PATIENT, PERSON, Vignette

INPUTS: Final = (PERSON - {"patient"}) | PATIENT.keys()
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_AMOUNT: Final = re.compile(rf"{_DAY.pattern}|-?\d+(?:\.\d+)?")
_DOUBT: Final = re.compile(r" (?:suspected|refuted)\b")


class NearMiss(NamedTuple):
    """A row that an outcome is said of, one that it is not, and the item that differs, as each has it."""

    fires: Vignette
    silent: Vignette
    item: str
    other: str


def near_miss(fires: Iterable[Vignette], silent: Iterable[Vignette]) -> NearMiss | None:
    """The first pair within a hair of each other, in the order of the pages; None where there is none."""
    quiet = [(row, _told(row)) for row in silent]
    for row in fires:
        told = _told(row)
        for other, also_told in quiet:
            columns = [name for name in told.keys() | also_told.keys() if told.get(name) != also_told.get(name)]
            if len(columns) == 1:
                here, there = ({*one.items(columns[0])} for one in (row, other))
                mine, theirs = sorted(here - there), sorted(there - here)
                if len(mine) == len(theirs) == 1 and is_a_hair(mine[0], theirs[0]):
                    return NearMiss(row, other, mine[0], theirs[0])
    return None


def _told(row: Vignette) -> dict[str, str]:
    return {name: text for name in INPUTS if (text := row.told(name)) is not None}


def is_a_hair(one: str, other: str) -> bool:
    """Whether two items say the same but for one number, one day, or how sure it is."""
    if _DOUBT.sub("", one) == _DOUBT.sub("", other):
        return True
    if _AMOUNT.sub("#", one) != _AMOUNT.sub("#", other):
        return False
    apart = [(a, b) for a, b in zip(_AMOUNT.findall(one), _AMOUNT.findall(other), strict=True) if a != b]
    return len(apart) == 1 and _next_to(*apart[0])


def _next_to(one: str, other: str) -> bool:
    if _DAY.fullmatch(one) and _DAY.fullmatch(other):
        return abs((date.fromisoformat(one) - date.fromisoformat(other)).days) == 1
    if _DAY.fullmatch(one) or _DAY.fullmatch(other):
        return False
    a, b = float(one), float(other)
    step = 1.0 if "." not in one + other else 0.0
    return abs(a - b) <= max(step, 0.0101 * max(abs(a), abs(b)))
