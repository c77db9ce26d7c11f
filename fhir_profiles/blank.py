"""What each fact is on a record that holds nothing about it: worked out once, and taken as long as that is so.

Most facts rest on something that most records do not hold. On a chart with nothing in it every question that a fact
asks of the chart is noted (this result, that diagnosis, these medicines). Facts are pure: a record that has nothing
under any of these gives the same answers to the same questions, and so the same fact. What depends on the person or on
the day is always worked out, as is what rests on anything that the record holds.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, NoReturn, cast

from fhir_profiles.chart import Chart, Use
from fhir_profiles.fact import Fact, Facts, Kind
from fhir_profiles.terminology import Terminology

__all__ = ["Blank", "Blanks"]

# Something that a chart can hold: a part of it and the name in there, "" for a part that is asked for as a whole.
Held = tuple[str, str]
Note = Callable[[Held], None]

_PERSON: Held = ("person", "")
_BY_NAME = tuple(part.name for part in fields(Chart) if part.default_factory is dict)
_WHOLE = tuple(part.name for part in fields(Chart) if part.default_factory is list)


class Blanks:
    """The blank facts for each set of prefetch keys that was answered: what was not told is not known to be absent."""

    def __init__(self, terms: Terminology, kinds: Mapping[str, Kind]) -> None:
        self._terms, self._kinds = terms, kinds
        self._found: dict[frozenset[str], Blank] = {}

    def __getitem__(self, told: frozenset[str]) -> "Blank":
        blank = self._found.get(told)
        if blank is None:
            blank = self._found[told] = Blank(self._terms, self._kinds, told)
        return blank


class Blank:
    """Every fact of a record that holds nothing, and which of them would need another look for what is held."""

    def __init__(self, terms: Terminology, kinds: Mapping[str, Kind], told: frozenset[str]) -> None:
        self.facts: dict[str, Fact] = {}
        self._resting_on: defaultdict[Held, set[str]] = defaultdict(set)
        self._always: set[str] = set()
        for name in terms.facts:
            noted: set[Held] = set()
            try:
                fact = _NotedFacts(terms, kinds, told, noted.add)[name]
            except _DayAsked:
                self._always.add(name)
                continue
            self.facts[name] = fact
            if fact.evidence or _PERSON in noted:
                self._always.add(name)
            for held in noted:
                self._resting_on[held].add(name)

    def touched(self, chart: Chart, uses: list[Use]) -> set[str]:
        """The facts on which a chart, with these uses of medicines, has something to say."""
        found = set(self._always)
        for part in _BY_NAME:
            for name in getattr(chart, part):
                found |= self._resting_on.get((part, name), _NONE)
        for part in _WHOLE:
            if getattr(chart, part):
                found |= self._resting_on.get((part, ""), _NONE)
        for drug in {use.drug for use in uses}:
            found |= self._resting_on.get(("uses", drug), _NONE)
        return found


_NONE: frozenset[str] = frozenset()


class _DayAsked(Exception):
    """A fact depends on the day even where nothing is on record."""


class _NoDay:
    """Stands for today; may be handed on, but not counted with."""

    def _asked(self, *_: Any) -> NoReturn:
        raise _DayAsked

    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = __getattr__ = _asked


# The stand-ins below have what kinds use and no more: a kind that asks in another way fails when the service starts.


class _NotedPart:
    """A part of a chart that holds nothing, and notes what it is asked for."""

    def __init__(self, part: str, note: Note) -> None:
        self._part, self._note = part, note

    def get(self, name: str, default: Any = None) -> Any:
        self._note((self._part, name))
        return default

    def __iter__(self) -> Iterator[Any]:
        self._note((self._part, ""))
        return iter(())


class _NotedPerson:
    """Somebody of whom nothing is known; notes that somebody asked."""

    def __init__(self, note: Note) -> None:
        self._note = note

    def __getattr__(self, name: str) -> None:
        self._note(_PERSON)


class _NotedFacts(Facts):
    """The facts of a record that holds nothing, with a note of all that they ask of it."""

    def __init__(self, terms: Terminology, kinds: Mapping[str, Kind], told: frozenset[str], note: Note) -> None:
        parts: dict[str, Any] = {part: _NotedPart(part, note) for part in (*_BY_NAME, *_WHOLE)}
        chart = Chart(today=cast(Any, _NoDay()), person=cast(Any, _NotedPerson(note)), told=told, **parts)
        super().__init__(chart, terms, kinds)
        self._note = note

    def uses_of(self, drugs: Iterable[str]) -> list[Use]:
        for drug in drugs:
            self._note(("uses", drug))
        return []
