"""FHIR dates as intervals of their precision, and calendar arithmetic.

A year is 365 possible days, a month some thirty; whoever compares chooses the end of the interval
that does no harm. Durations go by the calendar ("start plus five years"), never by a mean length.
"""

import re
from calendar import monthrange
from datetime import date
from functools import lru_cache
from typing import NamedTuple

__all__ = ["When", "add_months", "calendar_months", "completed_years", "when"]

_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?", re.ASCII)
_DAY = len("YYYY-MM-DD")
_MONTH = len("YYYY-MM")
_TIME = re.compile(r"T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
_DAYS = 1 << 12  # those of eleven years


_SHORTEST_MONTH = 28


class When(NamedTuple):
    """The first and the last day that a FHIR date may mean."""

    first: date
    last: date


def when(text: str | None) -> When | None:
    """Read a FHIR date, dateTime or instant; None for None.

    The day is the one written (the calendar of the place of care), whatever the offset.
    Raises ValueError for anything that is not a FHIR date, without repeating it.
    """
    if text is None:
        return None
    if len(text) > _DAY:
        if _TIME.fullmatch(text, _DAY) is None:
            raise ValueError("not a FHIR date")
        text = text[:_DAY]
    return _day(text)


@lru_cache(_DAYS)
def _day(text: str) -> When:
    """A date of any precision. Few are ever written, and each of them often."""
    if _DATE.fullmatch(text) is None:
        raise ValueError("not a FHIR date")
    try:
        if len(text) == _DAY:
            exact = date.fromisoformat(text)
            return When(exact, exact)
        if len(text) == _MONTH:
            first = date(int(text[:4]), int(text[5:]), 1)
            return When(first, first.replace(day=monthrange(first.year, first.month)[1]))
        return When(date(int(text), 1, 1), date(int(text), 12, 31))
    except ValueError:
        raise ValueError("not a calendar date") from None


def add_months(day: date, months: int) -> date:
    """The same day `months` later, or the month's last where it is shorter. Raises ValueError beyond the calendar."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    if day.day <= _SHORTEST_MONTH:
        return date(year, month + 1, day.day)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def completed_years(birth: date, on: date) -> int:
    """Age in completed years."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def calendar_months(start: date, end: date) -> float:
    """Months from start to end: whole months by the calendar, the days left over as 31sts.

    Exact at the boundary: start plus n months gives n, a day more gives a little over n.
    Negative when end lies before start.
    """
    if end < start:
        return -calendar_months(end, start)
    whole = (end.year - start.year) * 12 + end.month - start.month
    reached = add_months(start, whole)
    if reached > end:
        whole -= 1
        reached = add_months(start, whole)
    return whole + (end - reached).days / 31
