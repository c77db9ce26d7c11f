"""The record as read: what was found, what could not be used and why, what nobody told us.

`Chart` is plain data; the readers beside it fill it (`fhir_profiles.reading` drives them), and
`fhir_profiles.facts` turns it into facts. Every date is an interval, see `fhir_profiles.dates`.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

from msgspec import Struct

from fhir_profiles.dates import When
from fhir_profiles.quantity import Conversion
from fhir_profiles.resources import Quantity, Range

__all__ = [
    "Answer",
    "AsRecorded",
    "Chart",
    "Diagnosis",
    "Evidence",
    "Fracture",
    "Measurement",
    "Person",
    "Score",
    "Use",
]


_ONE_DAY = timedelta(days=1)


class AsRecorded(Struct, omit_defaults=True, gc=False):
    """A value as it stood in the record, where we show it in another unit."""

    value: float | None = None
    unit: str | None = None


class Evidence(Struct, omit_defaults=True, gc=False, kw_only=True):
    """One piece of the record behind a fact, as the assessment lists it.

    `used` says whether it decided anything; when not, `reason` is a key of `reasons.yaml`.
    """

    fact: str
    used: bool
    resource: str | None = None
    site: str | None = None
    use: str | None = None
    value: float | None = None
    unit: str | None = None
    date: str | None = None
    asRecorded: AsRecorded | None = None
    reason: str | None = None
    drug: str | None = None
    computed: bool | None = None


class Measurement(Struct, frozen=True, gc=False):
    """One usable result in its fact's canonical unit; `comparator` is "", or as recorded: < <= > >=.

    `own_range` is the laboratory's, in the unit it was recorded in: few results are held against it.
    """

    value: float
    comparator: str
    taken: When
    own_range: Range | None
    resource: str | None
    recorded: Quantity
    conversion: Conversion

    @property
    def low(self) -> float | None:
        """The laboratory's own lower limit in the fact's unit, where there is one that we can read."""
        return self._converted(self.own_range.low) if self.own_range else None

    @property
    def high(self) -> float | None:
        """The laboratory's own upper limit in the fact's unit, where there is one that we can read."""
        return self._converted(self.own_range.high) if self.own_range else None

    def _converted(self, end: Quantity | None) -> float | None:
        return None if end is None else self.conversion.read(end)


class Score(Struct, frozen=True, gc=False):
    """One T-score with the site it was measured at."""

    site: str
    value: float
    taken: When
    resource: str | None
    computed: bool


class Answer(Struct, frozen=True, gc=False):
    """The coded answer to a question such as a smoking status; `key` is the fact's own word for it."""

    key: str
    taken: When
    resource: str | None


class Diagnosis(Struct, frozen=True, gc=False):
    """A condition or a procedure: certain or only suspected, going on or over."""

    key: str
    certain: bool
    active: bool
    onset: When | None
    resource: str | None
    planned: bool = False


class Fracture(Struct, frozen=True, gc=False):
    """A fracture on record. `cause`: fragility | high-energy | unknown; `age`: completed years at onset,
    youngest and oldest possible, None where no onset is recorded; `coded`: the code itself says fragility."""

    site: str
    cause: str
    certain: bool
    onset: When | None
    age: tuple[int, int] | None
    resource: str | None
    coded: bool = False


class Use(Struct, frozen=True, gc=False):
    """A medicine ordered, stated or given.

    `state`: active | planned | ended | stopped | unclear | not-taken. `dose` is one dose in `unit` (mg or [iU]);
    `interval_days` between doses. `given` marks an administration.
    """

    drug: str
    state: str
    start: When | None
    end: When | None
    dose: float | None
    unit: str | None
    interval_days: float | None
    route: str | None
    given: bool
    in_hand: bool
    resource: str | None
    pieces: float | None = None
    supply_runs: bool = False
    source: str = ""


class Person(Struct, frozen=True, gc=False):
    birth: When | None
    sex: str | None
    dead: bool


@dataclass(slots=True)
class Chart:
    """One patient's record on one day.

    `told` holds the prefetch keys that were answered; `requested` the codes, each with its system, of the examinations
    that are ordered or in hand.
    """

    today: date
    person: Person
    told: frozenset[str]
    measurements: dict[str, list[Measurement]] = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    diagnoses: dict[str, list[Diagnosis]] = field(default_factory=dict)
    fractures: list[Fracture] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    uses_without_drafts: list[Use] = field(default_factory=list)
    requested: set[tuple[str, str]] = field(default_factory=set)
    refused: list[Evidence] = field(default_factory=list)
    unreadable: int = 0

    @property
    def medications_told(self) -> bool:
        """Whether "not on the list" means that it is not taken: all three kinds of list were answered."""
        return self.told >= {"medicationRequests", "medicationStatements", "medicationAdministrations"}

    def in_future(self, day: When) -> bool:
        """Dated after the service's day; one day is allowed for the date line."""
        return day.first > self.today and day.first - self.today > _ONE_DAY
