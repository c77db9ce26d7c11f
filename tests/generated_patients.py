"""A thousand patients from a seed: whatever any guideline asks for is told, told twice, told wrongly, too old, or missing.

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
from tests.tier_cases import INHIBITORS, PROBABILITIES, T_SCORES, State

Kind = Literal["treatable", "little known", "anything"]
KINDS: Final[tuple[Kind, ...]] = ("treatable", "treatable", "little known", "anything")
HOOKS: Final = ("patient-view", "order-select", "order-sign")

NOW, RECENT, LATE, OLD = "2026-11-10", "2026-08-22", "2026-08-21", "2025-10-01"
# What the treatable have: recent, and on the right side of every limit.
FIT: Final[dict[str, tuple[float, str]]] = {
    "creatinine_clearance": (80, "mL/min"),
    "serum_calcium": (2.35, "mmol/L"),
    "vitamin_d_25oh": (80, "nmol/L"),
}
# Every measurement, at, just below and just above what any page compares it with.
VALUES: Final[dict[str, tuple[tuple[float, str], ...]]] = {
    "creatinine": ((0.8, "mg/dL"), (1.3, "mg/dL"), (70, "umol/L"), (201, "umol/L"), (4.1, "mg/dL")),
    "creatinine_clearance": tuple((value, "mL/min") for value in (9.9, 29.9, 30, 34.9, 35, 59.9, 80)),
    "egfr": tuple((value, "mL/min/{1.73_m2}") for value in (14, 29.9, 30, 59.9, 60, 90)),
    "serum_calcium": (*((value, "mmol/L") for value in (1.85, 2.1, 2.11, 2.35, 2.52, 2.53, 3.0)), (9.4, "mg/dL")),
    "ionised_calcium": tuple((value, "mmol/L") for value in (1.0, 1.2, 1.4)),
    "corrected_calcium": tuple((value, "mmol/L") for value in (2.0, 2.3, 2.6)),
    "albumin": ((25, "g/L"), (40, "g/L"), (4.2, "g/dL")),
    "phosphate": tuple((value, "mmol/L") for value in (0.84, 0.85, 1.51, 1.52)),
    "vitamin_d_25oh": (
        *((value, "nmol/L") for value in (20, 49.9, 50, 75, 75.1, 375, 376, 501)),
        (32, "ng/mL"),
        (15, "ng/mL"),
    ),
    "vitamin_d2_25oh": ((12, "ng/mL"),),
    "pth": ((20, "pg/mL"), (90, "pg/mL"), (4, "pmol/L")),
    "alp": ((80, "U/L"), (190, "U/L")),
    "p1np": ((12, "ug/L"), (50, "ug/L"), (120, "ug/L")),
    "bone_alkaline_phosphatase": ((6, "ug/L"), (40, "ug/L")),
    "bone_alkaline_phosphatase_activity": ((30, "U/L"),),
    "ctx": ((60, "pg/mL"), (400, "pg/mL"), (1100, "pg/mL")),
    "ntx": ((20, "nmol/mmol{creat}"), (150, "nmol/mmol{creat}")),
    "urine_calcium": ((40, "mg/(24.h)"), (250, "mg/(24.h)"), (251, "mg/(24.h)"), (7.49, "mmol/(24.h)")),
    "urine_calcium_concentration": ((15, "mg/dL"), (30, "mg/dL")),
    "urine_volume": ((1500, "mL"),),
    "urine_calcium_spot": ((30, "mg/dL"),),
    "urine_calcium_ratio": ((350, "mg/g{creat}"),),
    "serum_potassium": ((3.2, "mmol/L"), (4.2, "mmol/L")),
    "serum_magnesium": ((0.6, "mmol/L"), (0.85, "mmol/L")),
    "igf1": ((40, "ng/mL"), (160, "ng/mL")),
    "child_pugh": tuple((value, "{score}") for value in (5, 7, 10)),
    "bilirubin": ((0.8, "mg/dL"), (60, "umol/L")),
    "inr": ((1.0, "{INR}"), (2.0, "{INR}")),
    "weight": ((45, "kg"), (68, "kg"), (154, "[lb_av]")),
    "bmi": tuple((value, "kg/m2") for value in (17.5, 20, 24, 24.1)),
    "waist": ((79.9, "cm"), (80, "cm")),
}
# The laboratory's own ranges, where it sends them; the value of the second row of a name lies outside.
RANGES: Final[dict[str, tuple[float, float]]] = {
    "serum_calcium": (2.2, 2.6),
    "ionised_calcium": (1.15, 1.32),
    "phosphate": (0.8, 1.45),
    "pth": (15, 65),
    "alp": (40, 130),
    "p1np": (20, 80),
    "bone_alkaline_phosphatase": (8, 30),
    "ctx": (100, 800),
    "ntx": (25, 100),
    "igf1": (60, 220),
    "urine_calcium": (50, 300),
    "serum_potassium": (3.5, 5.1),
    "serum_magnesium": (0.7, 1.05),
}
# As it is usually ordered, how it is given, and an order that is not as any label has it.
DOSES: Final[dict[str, tuple[str, str | None, str | None]]] = {
    "alendronate": ("70 mg every 1 wk", "oral", "70 mg every 1 d"),
    "alendronate-d3": ("70 mg every 1 wk", "oral", None),
    "risedronate": ("35 mg every 1 wk", "oral", "35 mg every 1 d"),
    "ibandronate": ("150 mg every 1 mo", "oral", "150 mg every 1 wk"),
    "ibandronate-50": ("50 mg every 1 d", "oral", None),
    "zoledronic-acid": ("4 mg every 6 mo", "iv", "4 mg every 1 wk"),
    "zoledronic-acid-5": ("5 mg every 12 mo", "iv", "5 mg every 6 mo"),
    "pamidronate": ("90 mg every 3 mo", "iv", None),
    "denosumab": ("60 mg every 6 mo", "sc", "60 mg every 1 mo"),
    "denosumab-120": ("120 mg every 4 wk", "sc", "120 mg every 1 wk"),
    "teriparatide": ("20 ug every 1 d", "sc", None),
    "calcium": ("600 mg every 1 d", "oral", "2500 mg every 1 d"),
    "calcium-carbonate": ("500 mg every 1 d", "oral", None),
    "cholecalciferol": ("800 [iU] every 1 d", "oral", None),
}
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
# Where patients differ from each other anyway, and what ends the question of a tier.
APART: Final = ("breast-cancer", "breast-cancer-in-situ", "breast-cancer-history", "appendicitis")
CONDITIONS: Final = tuple(name for name in codes.CONDITION if name not in (*APART, "before-menopause", "after-menopause"))
VERIFICATIONS: Final = ("confirmed", "confirmed", "confirmed", "confirmed", "unconfirmed", "refuted")
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
        return Patient(
            number=self.number,
            kind=self.kind,
            age=age,
            sex=dice.choices(("female", "male", "other", None), (30, 3, 1, 1))[0],
            cancer=dice.choices((*APART[:3], None), (20, 1, 2, 1))[0],
            menopause=dice.choices((None, "before-menopause", "after-menopause"), (6, 2, 2))[0],
            t_score=self._state(T_SCORES),
            inhibitor=self._state(INHIBITORS),
            frax=self._state(PROBABILITIES),
            fractures=self._fractures(birth_of(age)),
            labs=tuple(self._labs()),
            conditions=tuple(self._conditions()),
            procedures=tuple(self._procedures()),
            drugs=tuple(self._drugs()),
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
            if fit and name in FIT and self.dice.random() < 0.9:
                yield Lab(name, *FIT[name])
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
