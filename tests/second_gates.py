"""Which suggestions the gates forbid a generated patient, read a second time from the words of labels and notes.

Nothing here is taken from the service. Where the notes leave a case open nothing is forbidden: the tests hold that what
is forbidden here is never suggested, not that all else is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from tests.generated_patients import Lab, Patient
from tests.generated_values import LATE, NOW, OLD, RECENT
from tests.second_opinion import drugs_are_told, possible, settled, told

TABLETS: Final = frozenset({"alendronate", "alendronate-d3", "risedronate", "ibandronate"})
INJECTED: Final = frozenset({"zoledronic-acid", "denosumab", "ibandronate-iv"})
AGENTS: Final = TABLETS | INJECTED
ZOLEDRONIC_ACID: Final = frozenset({"zoledronic-acid"})
NONE: Final[frozenset[str]] = frozenset()
NEEDS_CLEARANCE: Final = {
    "zoledronic-acid": 35,
    "alendronate": 35,
    "alendronate-d3": 35,
    "risedronate": 30,
    "ibandronate": 30,
    "ibandronate-iv": 30,
    "denosumab": 30,
}
# A bone drug that is taken, planned, or whose last dose still acts: a second one is not offered beside it.
BONE_DRUGS: Final = frozenset(
    {"alendronate", "alendronate-d3", "risedronate", "ibandronate", "ibandronate-50", "zoledronic-acid"}
    | {"zoledronic-acid-5", "pamidronate", "clodronate", "denosumab", "denosumab-120", "teriparatide"}
    | {"abaloparatide", "romosozumab", "strontium-ranelate"}
)
LASTING: Final = frozenset({"zoledronic-acid", "zoledronic-acid-5", "denosumab", "denosumab-120"})
DAYS: Final = (NOW, RECENT, LATE)  # the days of a result that may still block; the first two may clear
NMOL: Final = {"nmol/L": 1.0, "ng/mL": 2.496}


class Forbidden(NamedTuple):
    """Drugs that are ruled out or held back: by what is known, by a missing or late result, by what was not told."""

    known: frozenset[str]
    unmeasured: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        return self.known | self.unmeasured | self.untold


def forbidden(patient: Patient) -> Forbidden:
    """The agents that a gate forbids this patient, whatever the tier."""
    by = [judge(patient) for judge in (_by_kidney, _by_calcium, _by_vitamin_d, _by_history, _by_surgery, _by_lists)]
    return Forbidden(*(NONE.union(*kind) for kind in zip(*by, strict=True)))


def _by_lists(patient: Patient) -> Forbidden:
    """A list that was not told may hold a dose that still acts."""
    return Forbidden(NONE, untold=NONE if drugs_are_told(patient) else AGENTS)


def _by_history(patient: Patient) -> Forbidden:
    known = _forbidden_with(settled(patient))
    if "conditions" in patient.untold:
        return Forbidden(known, untold=AGENTS)
    return Forbidden(known, untold=_forbidden_with(possible(patient)))


def _forbidden_with(conditions: frozenset[str]) -> frozenset[str]:
    out: set[str] = set()
    if {"jaw-osteonecrosis", "atypical-femoral-fracture", "pregnancy", "bone-metastasis"} & conditions:
        out |= AGENTS
    if {"oesophageal-stricture", "achalasia", "malabsorption", "bariatric-surgery", "oesophageal-varices"} & conditions:
        out |= TABLETS
    return frozenset(out)


def _by_surgery(patient: Patient) -> Forbidden:
    """Zoledronic acid not within two weeks of the repair of a hip: 2026-11-07 is thirteen days ago."""
    done = [item for item in patient.procedures if item.name == "hip-fracture-surgery" and item.state == "completed"]
    if "procedures" in patient.untold:
        return Forbidden(NONE, untold=ZOLEDRONIC_ACID)
    lately = any(item.onset == "2026-11-07" for item in done)
    undated = bool(done) and all(item.onset is None for item in done)
    return Forbidden(ZOLEDRONIC_ACID if lately else NONE, untold=ZOLEDRONIC_ACID if undated else NONE)


def covered(patient: Patient) -> bool:
    """Whether a bone drug is in use or in hand."""
    current = any(
        drug.name in BONE_DRUGS
        and (drug.use in ("current", "for years", "on hold") or (drug.use == "given lately" and drug.name in LASTING))
        for drug in told(patient)
    )
    return current or any(drug.name in BONE_DRUGS for drug in patient.drafts)


def _newest(patient: Patient, *names: str, days: Iterable[str] = DAYS) -> list[Lab]:
    """The results of the newest day on which any of these was measured."""
    if "labs" in patient.untold:
        return []
    for day in days:
        if found := [lab for lab in patient.labs if lab.name in names and lab.taken == day]:
            return found
    return []


def clearance(patient: Patient) -> float | None:
    """Creatinine clearance in mL/min, recorded or by Cockcroft-Gault; None where no recent one is known."""
    recorded = _newest(patient, "creatinine_clearance")
    if recorded and recorded[0].taken != LATE:
        return min(lab.value for lab in recorded)
    creatinine = _newest(patient, "creatinine")
    weight = [] if "vitals" in patient.untold else [lab for lab in patient.labs if lab.name == "weight"]
    weight = [lab for lab in weight if lab.taken == max((w.taken for w in weight if w.taken), default=None)]
    if not creatinine or creatinine[0].taken == LATE or not weight or weight[0].taken == OLD:
        return None
    if patient.sex not in ("female", "male"):
        return None
    highest = max(lab.value / (88.4 if lab.unit == "umol/L" else 1) for lab in creatinine)
    lightest = min(lab.value * (0.45359237 if lab.unit == "[lb_av]" else 1) for lab in weight)
    factor = 0.85 if patient.sex == "female" else 1
    return (140 - patient.age) * lightest * factor / (72 * highest)


def _by_kidney(patient: Patient) -> Forbidden:
    rate, known = [lab.value for lab in _newest(patient, "egfr")], clearance(patient)
    out = {drug for drug, least in NEEDS_CLEARANCE.items() if known is not None and known < least}
    if {"ckd-4", "ckd-5", "dialysis"} & settled(patient) or (known is None and rate and min(rate) < 30):
        out |= AGENTS
    if rate and min(rate) < 30:
        out.add("denosumab")
    if any(lab.value > (200 if lab.unit == "umol/L" else 200 / 88.4) for lab in _newest(patient, "creatinine")):
        out.add("ibandronate-iv")
    return Forbidden(frozenset(out), AGENTS if known is None else NONE)


def _by_calcium(patient: Patient) -> Forbidden:
    recent = _newest(patient, "serum_calcium", "ionised_calcium", "corrected_calcium")
    return Forbidden(
        AGENTS if calcium_is(patient, "low") else NONE,
        AGENTS if not recent or recent[0].taken == LATE else NONE,
    )


def calcium_is(patient: Patient, side: str) -> bool:
    """Whether serum calcium is low (or high): of the newest day ionised calcium by the laboratory's own range, else
    corrected for albumin, else total; by the laboratory's own range, else 2.11 to 2.52 mmol/L."""
    order = ("ionised_calcium", "corrected_calcium", "serum_calcium")
    of_day = _newest(patient, *order)
    found = [lab for lab in of_day if lab.name == "ionised_calcium" and lab.low is not None]
    found = found or [lab for lab in of_day if lab.name == "corrected_calcium"]
    if found:
        return any(_beyond(lab, lab.value, side) for lab in found)
    albumin = [lab for lab in patient.labs if lab.name == "albumin" and of_day and lab.taken == of_day[0].taken]
    total = [lab for lab in of_day if lab.name == "serum_calcium"]
    if not albumin:
        return any(_beyond(lab, lab.value, side) for lab in total)
    grams = [lab.value * (10 if lab.unit == "g/dL" else 1) for lab in albumin]
    return all(_beyond(lab, _mmol(lab) + 0.02 * (40 - g), side, corrected=True) for lab in total for g in grams) and (
        bool(total)
    )


def _mmol(lab: Lab) -> float:
    return lab.value / (4.0078 if lab.unit == "mg/dL" else 1)


def _beyond(lab: Lab, value: float, side: str, *, corrected: bool = False) -> bool:
    value = value if corrected else _mmol(lab)
    if lab.name == "ionised_calcium" and lab.low is None:
        return False
    if side == "low":
        return value < (2.11 if lab.low is None else lab.low)
    return value > (2.52 if lab.high is None else lab.high)


def vitamin_d(patient: Patient) -> tuple[float, float, bool] | None:
    """The lowest and highest 25-OH vitamin D of the newest day in nmol/L, and whether it is recent; None where unknown.

    Reported in nmol/L it is vitamin D3 alone: vitamin D2 of the same day is added.
    """
    newest = _newest(patient, "vitamin_d_25oh")
    if not newest:
        return None
    total = [lab.value * NMOL[lab.unit] for lab in newest if lab.unit == "ng/mL"]
    day = newest[0].taken
    second = [lab.value * 2.423 for lab in patient.labs if lab.name == "vitamin_d2_25oh" and lab.taken == day]
    alone = [lab.value for lab in newest if lab.unit == "nmol/L"]
    found = total or [value + more for value in alone for more in second or [0.0]]
    return min(found), max(found), newest[0].taken != LATE


def _by_vitamin_d(patient: Patient) -> Forbidden:
    level = vitamin_d(patient)
    if level is None:
        return Forbidden(NONE, INJECTED)
    return Forbidden(INJECTED if level[0] < 50 else NONE, NONE if level[2] else INJECTED)


def supplements_forbidden(patient: Patient) -> frozenset[str]:
    """Calcium, vitamin D or both, where something speaks against more of it."""
    level = vitamin_d(patient)
    if calcium_is(patient, "high") or (level is not None and level[1] > 375):
        return frozenset({"calcium", "cholecalciferol"})
    # A concentration with its volume is an excretion too: where one is there the newest is not looked for here.
    counted = _newest(patient, "urine_calcium", "urine_calcium_concentration")
    in_urine = [lab for lab in counted if lab.unit == "mg/(24.h)"]
    if "hypercalciuria" in settled(patient) and not counted:
        return frozenset({"calcium"})
    listed = [drug for drug in told(patient) if drug.name == "calcium" and drug.odd and drug.use == "current"]
    if listed or any(lab.value > (300 if patient.sex == "male" else 250) for lab in in_urine):
        return frozenset({"calcium"})
    return frozenset()
