"""The laws on a thousand generated patients: nothing worse and nothing unknown ever adds an agent, and more risk never
yields a milder tier."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.builder import Record
from tests.fhir_pieces import PREFETCH_KEYS
from tests.front_door import Answer
from tests.generated_answers import answer_of, answers, everyone, in_scope
from tests.generated_patients import Broken, Drug, Lab, Patient, Stated
from tests.generated_values import LATE
from tests.second_gates import AGENTS
from tests.tier_cases import State, Telling
from tests.wire_rules import TIER_WORDS

pytestmark = pytest.mark.usefixtures("untraced")

# -- nothing worse adds an agent ---------------------------------------------------------------------------------------

Change = Callable[[Patient], Patient]


def _scaled(names: tuple[str, ...], factor: float) -> Change:
    """These results so many times as high, with the laboratory's ranges as they were."""

    def change(patient: Patient) -> Patient:
        labs = (replace(lab, value=lab.value * factor) if lab.name in names else lab for lab in patient.labs)
        return patient.but(labs=tuple(labs))

    return change


def _measured(name: str, value: float, unit: str) -> Change:
    return lambda patient: patient.but(labs=(*patient.labs, Lab(name, value, unit, "2026-11-19")))


def _forgotten(*names: str) -> Change:
    return lambda patient: patient.but(labs=tuple(lab for lab in patient.labs if lab.name not in names))


def _late(*names: str) -> Change:
    """Every recent result of these as old as one that no longer clears."""

    def change(patient: Patient) -> Patient:
        labs = (replace(lab, taken=LATE) if lab.name in names and lab.taken else lab for lab in patient.labs)
        return patient.but(labs=tuple(labs))

    return change


def _with(condition: str, state: str = "confirmed") -> Change:
    return lambda patient: patient.but(conditions=(*patient.conditions, Stated(condition, state=state)))


def _on(drug: str, use: str) -> Change:
    return lambda patient: patient.but(drugs=(*patient.drugs, Drug(drug, use)))


def _untold(key: str) -> Change:
    return lambda patient: patient.but(omit=patient.omit | {key})


def _operated(patient: Patient) -> Patient:
    return patient.but(procedures=(*patient.procedures, Stated("hip-fracture-surgery", "2026-11-10", "completed")))


KIDNEY: Final = ("creatinine_clearance", "creatinine", "egfr")
CALCIUM: Final = ("serum_calcium", "ionised_calcium", "corrected_calcium")
HISTORY: Final = (
    *(
        "oesophageal-stricture",
        "achalasia",
        "jaw-osteonecrosis",
        "atypical-femoral-fracture",
        "ckd-3",
        "ckd-4",
        "ckd-5",
    ),
    *("dialysis", "pregnancy", "malabsorption", "bariatric-surgery", "oesophageal-varices", "hypocalcaemia"),
    *("cirrhosis", "reflux", "barrett", "kidney-stone", "stroke", "myocardial-infarction", "venous-thrombosis"),
    *("hyperparathyroidism", "bone-metastasis"),
)
ON_ANOTHER: Final = ("alendronate", "zoledronic-acid", "teriparatide", "romosozumab")
WORSE: Final[dict[str, Change]] = {
    "lower clearance": _scaled(("creatinine_clearance",), 0.6),
    "higher creatinine": _scaled(("creatinine",), 1.7),
    "lower eGFR": _scaled(("egfr",), 0.5),
    "clearance of 9": _measured("creatinine_clearance", 9, "mL/min"),
    "eGFR of 14": _measured("egfr", 14, "mL/min/{1.73_m2}"),
    "lower calcium": _scaled(CALCIUM, 0.9),
    "calcium of 1.7": _measured("serum_calcium", 1.7, "mmol/L"),
    "lower vitamin D": _scaled(("vitamin_d_25oh", "vitamin_d2_25oh"), 0.6),
    "vitamin D of 4": _measured("vitamin_d_25oh", 4, "ng/mL"),
    "hip operated ten days ago": _operated,
    **{f"with {name}": _with(name) for name in HISTORY},
    **{f"with {name}, suspected": _with(name, "unconfirmed") for name in HISTORY},
    **{f"on {name}": _on(name, "current") for name in ON_ANOTHER},
    "denosumab given lately": _on("denosumab", "given lately"),
    "kidney forgotten": _forgotten(*KIDNEY),
    "calcium forgotten": _forgotten(*CALCIUM),
    "vitamin D forgotten": _forgotten("vitamin_d_25oh", "vitamin_d2_25oh"),
    "kidney measured long ago": _late(*KIDNEY),
    "calcium measured long ago": _late(*CALCIUM),
    "vitamin D measured long ago": _late("vitamin_d_25oh", "vitamin_d2_25oh"),
    **{f"{key} not told": _untold(key) for key in PREFETCH_KEYS[1:]},
}


def test_nothing_worse_and_nothing_unknown_ever_adds_an_agent() -> None:
    """One change each; two for those whom agents are suggested to, or most changes would have nothing to take."""
    names = sorted(WORSE)
    dice = random.Random(11)
    wrong = []
    for patient, answer in zip(everyone(), answers(), strict=True):
        offered = answer.created_drugs() & AGENTS
        for name in dice.sample(names, 2 if offered else 1):
            more = (answer_of(WORSE[name](patient)).created_drugs() & AGENTS) - offered
            wrong += [(name, more, patient)] if more else []
    assert not wrong, f"{len(wrong)} cases, first {wrong[0]}"


# What by itself rules nothing out: cautions, what no gate names, a doubt about a kidney that was measured, and results
# that the plainest patient does not have or that stay within their limits.
CAUTIONS: Final = (
    *("barrett", "cirrhosis", "ckd-3", "hyperparathyroidism", "hypocalcaemia", "kidney-stone", "reflux", "stroke"),
    *("myocardial-infarction", "venous-thrombosis"),
)
HARMLESS: Final = frozenset(f"with {name}{doubt}" for name in CAUTIONS for doubt in ("", ", suspected")) | {
    "with ckd-4, suspected",
    "with ckd-5, suspected",
    "with dialysis, suspected",
    "vitals not told",
}


def test_what_each_of_these_changes_takes_from_the_plainest_patient() -> None:
    plain = next(p for p, answer in in_scope() if answer.created_drugs() >= AGENTS - {"alendronate-d3", "ibandronate"})
    fit = plain.but(labs=tuple(Lab(name, value, unit) for name, (value, unit) in LEAST.items()))
    before = answer_of(fit).created_drugs() & AGENTS
    assert before == answer_of(plain).created_drugs() & AGENTS
    harmless = set()
    for name, change in WORSE.items():
        after = answer_of(change(fit)).created_drugs() & AGENTS
        assert after <= before, name
        harmless |= {name} if after == before else set()
    assert harmless == HARMLESS | {"higher creatinine", "lower eGFR"}


# Just on the right side of the limits that each change crosses.
LEAST: Final = {
    "creatinine_clearance": (35, "mL/min"),
    "serum_calcium": (2.11, "mmol/L"),
    "vitamin_d_25oh": (50, "nmol/L"),
}

# -- more risk is never milder -----------------------------------------------------------------------------------------


def _told_too(state: State, tell: Telling, **known: Any) -> State:
    return State(state.name, {**state.known, **known}, lambda record: tell(state.tell(record)), state.omit)


def _lower_t(patient: Patient) -> Patient:
    """A lower score at another site on the day of the first; where there is no recent one, of the lowest possible."""
    value = round(patient.t_score.known.get("t_fresh", -5.0) - 0.7, 2)
    return patient.but(t_score=_told_too(patient.t_score, lambda record: record.t_score("total-hip", value)))


def _higher_frax(patient: Patient) -> Patient:
    return patient.but(frax=_told_too(patient.frax, lambda record: record.frax(35, 60, "2026-11-01")))


def _anastrozole(record: Record) -> Record:
    return record.drug("anastrozole", resource="MedicationStatement")


RISKIER: Final[dict[str, Change]] = {
    "lower T-score": _lower_t,
    "higher FRAX": _higher_frax,
    "an inhibitor": lambda patient: patient.but(inhibitor=_told_too(patient.inhibitor, _anastrozole)),
    "a forearm fracture": lambda patient: patient.but(
        fractures=(*patient.fractures, Broken("distal-forearm", "fragility", "2021-02-02"))
    ),
    "a hip fracture": lambda patient: patient.but(
        fractures=(*patient.fractures, Broken("hip", "fragility", "2021-02-02"))
    ),
    "a vertebral fracture of unknown cause": lambda patient: patient.but(
        fractures=(*patient.fractures, Broken("vertebra", "unknown", "2021-02-02"))
    ),
}


def _height(answer: Answer, member: str) -> int:
    found = answer.tier_members.get(member)
    return TIER_WORDS.index(found) if found else -1


def test_more_risk_never_yields_a_milder_tier() -> None:
    wrong = []
    for index, (patient, answer) in enumerate(in_scope()):
        name = sorted(RISKIER)[index % len(RISKIER)]
        riskier = answer_of(RISKIER[name](patient))
        milder = [m for m in ("tier", "atLeast", "atMost") if _height(riskier, m) < _height(answer, m)]
        wrong += [(name, milder, patient)] if milder else []
    assert not wrong, f"{len(wrong)} cases, first {wrong[0]}"
