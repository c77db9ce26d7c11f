"""A fact: what the record says on one question, as the mildest and the worst it can mean.

A known fact has both equal. What is not told, too old, of unclear site or cause lies in between, and
`presumed` is the reading that the few named presumptions choose (README); a measurement without
value is presumed harmless, and whoever relies on it asks for it. A quantity that can err to either side
has no worse direction: unknown, it is NaN, and no comparison with it holds.

Each `kind` in `facts/*.yaml` is one function of `fhir_profiles.kinds`; the entry's other members are
that function's parameters.
"""

from collections.abc import Callable, Collection, Mapping, Set
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from fhir_profiles.chart import Chart, Evidence, Use
from fhir_profiles.dates import When, add_months, completed_years
from fhir_profiles.terminology import Terminology

if TYPE_CHECKING:
    from fhir_profiles.blank import Blank

__all__ = ["Fact", "Facts", "Kind", "Value", "partial_date"]

Value = float | bool | str

_DAYS = 1 << 12  # those of eleven years
_WINDOWS = 1 << 6  # more than there are lengths of time in the data files, for two days


class Fact(Struct, frozen=True, gc=False):
    """One answer. `shown` is the evidence whose value and date a sentence may print."""

    mildest: Value
    worst: Value
    presumed: Value
    evidence: tuple[Evidence, ...] = ()
    shown: Evidence | None = None

    @property
    def known(self) -> bool:
        """Whether the record settles it (a NaN settles nothing)."""
        return self.mildest == self.worst


Kind = Callable[["Facts", str, dict[str, Any]], Fact]


class Facts(dict[str, Fact]):
    """The facts of one chart, each worked out when first asked for; those that it does not touch are `blank`'s."""

    def __init__(
        self,
        chart: Chart,
        terms: Terminology,
        kinds: Mapping[str, Kind],
        *,
        with_drafts: bool = True,
        blank: "Blank | None" = None,
    ) -> None:
        self.chart, self.terms = chart, terms
        self.uses = chart.uses if with_drafts else chart.uses_without_drafts
        self.medications_told = chart.medications_told
        self._kinds = kinds
        self._age: tuple[int, int] | None = None
        # Of each measurement the results that several facts look at, those worked out for it included.
        self.readings: dict[str, list[Any]] = {}
        # The same of several measurements, those of one day together, the newest first.
        self.days: dict[tuple[str, ...], list[list[Any]]] = {}
        # Those on which the record has something to say.
        self.touched: Set[str] = terms.facts.keys()
        if blank is not None:
            super().__init__(blank.facts)
            self.touched = blank.touched(chart, self.uses)
            for name in self.touched:
                self.pop(name, None)

    def __missing__(self, name: str) -> Fact:
        fact = self[name] = self.work_out(name, self.terms.facts[name])
        return fact

    def work_out(self, name: str, definition: dict[str, Any]) -> Fact:
        """A fact by a definition that need not be its own, and not kept."""
        return self._kinds[definition["kind"]](self, name, definition)

    def uses_of(self, drugs: Collection[str]) -> list[Use]:
        """The uses of these medicines."""
        return [use for use in self.uses if use.drug in drugs]

    def worked_out(self, among: Set[str]) -> list[Fact]:
        """Those of some facts that were asked for so far, in the order of their names."""
        return [self[name] for name in sorted(self.touched & among & self.keys())]

    def age(self) -> tuple[int, int] | None:
        """Completed years today, youngest and oldest possible."""
        if self._age is None and (birth := self.chart.person.birth) is not None:
            today = self.chart.today
            self._age = completed_years(birth.last, today), completed_years(birth.first, today)
        return self._age

    def within(self, day: When, window: dict[str, Any]) -> bool:
        """Whether a day surely lies within a window of months or days before today."""
        if "days" in window:
            return self.chart.today - day.first <= timedelta(days=window["days"])
        return day.first >= _months_before(self.chart.today, window["months"])


@lru_cache(_WINDOWS)
def _months_before(today: date, months: int) -> date:
    """The day so many months ago; where that month is too short for it, the first of the next."""
    reached = add_months(today, -months)
    return reached if reached.day == today.day else reached + timedelta(days=1)


@lru_cache(_DAYS)
def partial_date(day: When) -> str:
    """A date of month or year precision, as it was written."""
    text = day.first.isoformat()
    if day.first == day.last:
        return text
    return text[:7] if day.first.month == day.last.month else text[:4]
