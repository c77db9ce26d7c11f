"""A thousand patients from a seed: all that any guideline asks for is told, told twice, told wrongly, old, or missing.

Each is held in plain members, so that a second reading can judge it without FHIR, and tells itself as a Record. Three
kinds take turns: one whose laboratory values are nearly all fit for treatment, one of whom little is known, one of
whom everything may be on record.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from tests import codes
from tests.builder import Record
from tests.fhir_pieces import PREFETCH_KEYS, birth_of
from tests.generated_values import DOSES, FIT, LATE, NOW, OLD, RANGES, RECENT, VALUES
from tests.tier_cases import INHIBITORS, PROBABILITIES, T_SCORES, State

Kind = Literal["treatable", "little known", "anything"]
KINDS: Final[tuple[Kind, ...]] = ("treatable", "treatable", "little known", "anything")
HOOKS: Final = ("patient-view", "order-select", "order-sign")

# How a drug other than an inhibitor may stand on record.
USES: Final[dict[str, dict[str, Any]]] = {
    "current": {},
    "on hold": {"status": "on-hold"},
    "for years": {"start": "2019-01-01"},
    "over": {"status": "completed", "start": "2019-01-01", "end": "2024-01-01"},
    "ended lately": {"status": "completed", "start": "2025-01-01", "end": "2026-10-01"},
    "stopped": {"status": "stopped", "start": "2024-01-01", "end": "2026-03-01"},
    "not taken": {"resource": "MedicationStatement", "status": "not-taken"},
    "given lately": {"resource": "MedicationAdministration", "start": "2026-09-01"},
    "given long ago": {"resource": "MedicationAdministration", "start": "2025-08-01"},
}
ENDED: Final = {
    "inhibitor ended 3 months ago": "2026-08-20",
    "inhibitor ended 9 months ago": "2026-02-20",
    "inhibitor whole course ended": "2026-08-20",
}
DRUGS: Final = tuple(name for name in codes.DRUG if name not in (*codes.INHIBITORS, "formestane", "paracetamol"))
CANCERS: Final = ("breast-cancer", "breast-cancer-in-situ", "breast-cancer-history")
# Told of each patient anyway, and a bystander.
APART: Final = (*CANCERS, "before-menopause", "after-menopause", "appendicitis")
CONDITIONS: Final = tuple(name for name in codes.CONDITION if name not in APART)
VERIFICATIONS: Final = ("confirmed", "confirmed", "confirmed", "confirmed", "unconfirmed", "refuted")
COURSE: Final = 0.04
FRACTURE_DATES: Final = ("1990-03-01", "2015-03-01", "2019-02-01", "2026-05-01", None)


@dataclass(frozen=True)
class Lab:
    """A measurement with its unit, day and, where given, the laboratory's own range."""

    name: str
    value: float
    unit: str
    taken: str | None = NOW
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Stated:
    """A condition with how sure it is, or a procedure with its day (None: without one) and state."""

    name: str
    onset: str | None = "2025-03-01"
    state: str = "confirmed"


@dataclass(frozen=True)
class Drug:
    """A drug and its use, one of USES; `odd`: at the dose that no label has."""

    name: str
    use: str = "current"
    odd: bool = False

    @property
    def told(self) -> dict[str, Any]:
        dose, route, odd = DOSES.get(self.name, (None, None, None))
        given = {"dose": odd if self.odd and odd else dose, "route": route}
        return {**{name: told for name, told in given.items() if told}, **USES[self.use]}


# What says something only together: markers before and on a drug, one drug in both its strengths, a drug after surgery.
COURSES: Final = (
    (Drug("alendronate"), (Lab("p1np", 80, "ug/L", OLD), Lab("p1np", 20, "ug/L"), Lab("ctx", 600, "pg/mL", OLD))),
    (Drug("risedronate"), (Lab("ctx", 600, "pg/mL", OLD), Lab("ctx", 550, "pg/mL"))),
    (Drug("denosumab-120"), (Lab("serum_calcium", 2.35, "mmol/L"),)),
    (Drug("zoledronic-acid"), (Lab("vitamin_d_25oh", 80, "nmol/L"),)),
)


@dataclass(frozen=True)
class Broken:
    """A fracture: its site, `fragility` | `unknown` | `high energy` | `neoplastic`, and its day."""

    site: str
    cause: str
    onset: str | None


@dataclass(frozen=True)
class Patient:
    """One generated patient, in plain members."""

    number: int
    kind: Kind
    age: int = 68
    sex: str | None = "female"
    cancer: str | None = "breast-cancer"
    menopause: str | None = None
    t_score: State = T_SCORES[0]
    inhibitor: State = INHIBITORS[0]
    frax: State = PROBABILITIES[0]
    fractures: tuple[Broken, ...] = ()
    labs: tuple[Lab, ...] = ()
    conditions: tuple[Stated, ...] = ()
    procedures: tuple[Stated, ...] = ()
    drugs: tuple[Drug, ...] = ()
    drafts: tuple[Drug, ...] = ()
    smoking: str | None = None
    hook: str = "patient-view"
    omit: frozenset[str] = frozenset()
    incomplete: frozenset[str] = frozenset()

    @property
    def untold(self) -> frozenset[str]:
        """The prefetch keys of which an absence says nothing."""
        return self.omit | self.incomplete | self.inhibitor.omit

    @property
    def birth(self) -> str:
        return birth_of(self.age)

    def record(self) -> Record:
        """The patient as FHIR."""
        record = Record(age=self.age, sex=self.sex)
        for name in (self.cancer, self.menopause):
            if name:
                record.condition(name)
        for state in (self.t_score, self.inhibitor, self.frax):
            state.tell(record)
        for fracture in self.fractures:
            tell_fracture(record, fracture)
        for lab in self.labs:
            record.lab(lab.name, lab.value, lab.unit, lab.taken, low=lab.low, high=lab.high)
        for stated in self.conditions:
            record.condition(stated.name, stated.onset, verification=stated.state)
        for done in self.procedures:
            record.procedure(done.name, done.onset, status=done.state)
        for drug in self.drugs:
            record.drug(drug.name, **drug.told)
        for drug in self.drafts:
            record.draft(drug.name, **drug.told)
        if self.smoking:
            record.smoking(self.smoking)
        record.incomplete |= self.incomplete
        return record

    @property
    def keys_left_out(self) -> frozenset[str]:
        return self.omit | self.inhibitor.omit

    def but(self, **changed: Any) -> Patient:
        """The same patient with members changed."""
        return replace(self, **changed)


def tell_fracture(record: Record, fracture: Broken) -> None:
    """A fracture as FHIR; one of fragility by its code where the site has such a code, else by its cause."""
    natures = codes.FRACTURE[fracture.site]
    if fracture.cause == "fragility":
        coded = "osteoporotic" in natures
        nature, cause = ("osteoporotic", None) if coded else ("plain", "low")
    else:
        nature = "neoplastic" if fracture.cause == "neoplastic" else "plain"
        cause = "high" if fracture.cause == "high energy" else None
    record.fracture(fracture.site, fracture.onset, nature=nature, cause=cause)


def patients(count: int = 1000, seed: int = 20261120) -> Iterator[Patient]:
    """So many patients of that seed, always the same ones."""
    dice = random.Random(seed)
    for number in range(count):
        yield _Maker(dice, number, KINDS[number % len(KINDS)]).patient()


@dataclass
class _Maker:
    dice: random.Random
    number: int
    kind: Kind
    share: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        shares = {
            "treatable": {"lab": 0.06, "condition": 0.01, "procedure": 0.05, "drug": 0.01, "omit": 0.01},
            "little known": {"lab": 0.04, "condition": 0.01, "procedure": 0.05, "drug": 0.01, "omit": 0.2},
            "anything": {"lab": 0.4, "condition": 0.1, "procedure": 0.25, "drug": 0.1, "omit": 0.01},
        }
        self.share = shares[self.kind]

    def patient(self) -> Patient:
        dice, hook = self.dice, self.dice.choice(HOOKS)
        age = dice.choice((39, 40, 44, 49, 50, 54, 59, 60, 62, 65, 66, 68, 68, 72, 75, 80, 86, 90, 91))
        course = dice.choice(COURSES) if dice.random() < COURSE else None
        surgery = (Stated("hip-fracture-surgery", "2026-11-07", "completed"),)
        denosumab = (Drug("denosumab"),) if course and course[0].name == "denosumab-120" else ()
        return Patient(
            number=self.number,
            kind=self.kind,
            age=age,
            sex=dice.choices(("female", "male", "other", None), (30, 3, 1, 1))[0],
            cancer=dice.choices((*CANCERS, None), (20, 1, 2, 1))[0],
            menopause=dice.choices((None, "before-menopause", "after-menopause"), (6, 2, 2))[0],
            t_score=self._state(T_SCORES),
            inhibitor=self._state(INHIBITORS),
            frax=self._state(PROBABILITIES),
            fractures=self._fractures(birth_of(age)),
            labs=(*self._labs(), *(course[1] if course else ())),
            conditions=tuple(self._conditions()),
            procedures=(*self._procedures(), *(surgery if course and course[0].name == "zoledronic-acid" else ())),
            drugs=(*self._drugs(), *denosumab, *((course[0],) if course else ())),
            drafts=tuple(self._drafts()) if hook != "patient-view" else (),
            smoking=dice.choice((None, *codes.SMOKING)),
            hook=hook,
            omit=frozenset(key for key in PREFETCH_KEYS[1:] if self._falls("omit")),
            incomplete=frozenset(("conditions",) if self._falls("omit") else ()),
        )

    def _falls(self, what: str) -> bool:
        return self.dice.random() < self.share[what]

    def _state(self, states: Sequence[State]) -> State:
        return self.dice.choice(states)

    def _fractures(self, birth: str) -> tuple[Broken, ...]:
        """None, one or two, on days of their own; each site and cause in turn."""
        found = []
        for onset in self.dice.sample(FRACTURE_DATES, self.dice.choice((0, 0, 1, 2))):
            if onset is None or onset > birth:
                site = self.dice.choice([site for site in codes.FRACTURE if site != "unspecified"])
                found.append(Broken(site, self.dice.choice(("fragility", "unknown", "unknown", "high energy")), onset))
        if self.dice.random() < 0.05:
            found.append(Broken("unspecified", self.dice.choice(("fragility", "neoplastic")), "2024-03-01"))
        return tuple(found)

    def _labs(self) -> Iterator[Lab]:
        fit = self.kind == "treatable"
        for name, values in VALUES.items():
            if fit and name in FIT:
                # A quarter lie on, or just beside, the limits of some drug.
                yield Lab(name, *(FIT[name] if self.dice.random() < 0.75 else self.dice.choice(values)))
            elif self._falls("lab"):
                value, unit = self.dice.choice(values)
                yield Lab(name, value, unit, self._day(), *self._range(name, unit))
                if self.dice.random() < 0.1:  # told twice
                    value, unit = self.dice.choice(values)
                    yield Lab(name, value, unit, self._day(), *self._range(name, unit))

    def _day(self) -> str | None:
        return self.dice.choice((NOW, NOW, NOW, RECENT, LATE, OLD, None))

    def _range(self, name: str, unit: str) -> tuple[float | None, float | None]:
        own = unit == VALUES[name][0][1] and name in RANGES and self.dice.random() < 0.6
        return RANGES[name] if own else (None, None)

    def _conditions(self) -> Iterator[Stated]:
        for name in CONDITIONS:
            if self._falls("condition") and not (name == "bone-metastasis" and self.dice.random() < 0.7):
                yield Stated(name, self.dice.choice(("2025-03-01", "2016", None)), self.dice.choice(VERIFICATIONS))

    def _procedures(self) -> Iterator[Stated]:
        days = {"completed": ("2025-06-01", "2026-11-06", "2026-11-07", None), "preparation": ("2026-12-01",)}
        for name in codes.PROCEDURE:
            if self._falls("procedure"):
                state = self.dice.choice(tuple(days))
                yield Stated(name, self.dice.choice(days[state]), state)

    def _drugs(self) -> Iterator[Drug]:
        for name in DRUGS:
            if self._falls("drug"):
                yield Drug(name, self.dice.choice(tuple(USES)), self.dice.random() < 0.2)

    def _drafts(self) -> Iterator[Drug]:
        for name in self.dice.sample((*DRUGS, "letrozole", "exemestane"), self.dice.choice((1, 1, 2))):
            yield Drug(name, odd=self.dice.random() < 0.4)
