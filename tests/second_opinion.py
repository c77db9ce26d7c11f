"""What a generated patient's tier is and which suggestions the gates forbid, read a second time from the notes' words.

Nothing here is taken from the service. Where the notes leave a case open nothing is forbidden: the tests hold that what
is forbidden here is never suggested, not that all else is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final, NamedTuple

from tests.fhir_pieces import MEDICATION_KEYS
from tests.generated_patients import ENDED, LATE, NOW, OLD, RECENT, USES, Broken, Drug, Lab, Patient
from tests.second_reading import Fracture, Known

# -- the tier's inputs -------------------------------------------------------------------------------------------------


def known_of(patient: Patient, *, drafts: bool = True) -> Known:
    """What the second reading of the tier is told of a patient, with or without the draft orders."""
    scores: dict[str, Any] = {}
    if "dxa" not in patient.untold:
        scores = {**patient.t_score.known, **patient.frax.known}
        if "osteoporosis" in _settled(patient) and scores.get("t_fresh", 0) > 0:
            del scores["t_fresh"]
    return Known(
        **scores,
        inhibitor=_inhibitor(patient, drafts=drafts),
        hip_or_spine=_fracture(patient, ("hip", "vertebra"), ("unspecified",)),
        other_site=_fracture(
            patient, ("proximal-humerus", "pelvis", "distal-forearm"), ("humerus", "forearm", "unspecified")
        ),
        age=patient.age,
    )


def _settled(patient: Patient) -> frozenset[str]:
    """The conditions that are there for sure."""
    if "conditions" in patient.omit:
        return frozenset()
    return frozenset(stated.name for stated in patient.conditions if stated.state == "confirmed")


def _possible(patient: Patient) -> frozenset[str]:
    """Those that are there or suspected."""
    if "conditions" in patient.omit:
        return frozenset()
    return frozenset(stated.name for stated in patient.conditions if stated.state != "refuted")


def _inhibitor(patient: Patient, *, drafts: bool) -> Any:
    use = patient.inhibitor.known.get("inhibitor", "none")
    if "medicationRequests" in patient.keys_left_out:
        use = "none"
    ended = ENDED.get(patient.inhibitor.name)
    if ended and use != "none" and any(_began_after(drug, ended) for drug in _told(patient)):
        use = "past"
    if "inhibitor-long-term-use" in _settled(patient):
        return "current"
    if drafts and use != "current" and any(drug.name in ("letrozole", "exemestane") for drug in patient.drafts):
        return "planned"
    if use in ("none", "past", "whole course ended within 12 months") and not _drugs_are_told(patient):
        return "not told"
    return use


def _began_after(drug: Drug, day: str) -> bool:
    """Whether another endocrine drug was begun after that day, or went on."""
    taken = drug.use not in ("on hold", "not taken")
    return drug.name in ("tamoxifen", "toremifene") and taken and USES[drug.use].get("start", "2025-11-10") > day


def _drugs_are_told(patient: Patient) -> bool:
    return not patient.untold & set(MEDICATION_KEYS)


def _told(patient: Patient) -> Iterator[Drug]:
    """The drugs on the list, as far as their key was told."""
    keys = {"MedicationStatement": "medicationStatements", "MedicationAdministration": "medicationAdministrations"}
    for drug in patient.drugs:
        if keys.get(USES[drug.use].get("resource", ""), "medicationRequests") not in patient.keys_left_out:
            yield drug


def _fracture(patient: Patient, sites: Iterable[str], unclear: Iterable[str]) -> Fracture:
    """What is known of the fractures of some sites, and of those that may be of them."""
    if "conditions" in patient.omit:
        return "not told"
    there = [f for f in patient.fractures if f.cause in ("fragility", "unknown")]
    of_sites = [f for f in there if f.site in sites]
    if any(f.cause == "fragility" for f in of_sites):
        return "fragility"
    if any(_at_fifty(patient, f) for f in of_sites):
        return "unknown cause at 50 or older"
    if of_sites or any(f.site in unclear for f in there):
        return "site unknown"
    return "not told" if "conditions" in patient.incomplete else "none"


def _at_fifty(patient: Patient, fracture: Broken) -> bool:
    if fracture.onset is None:
        return False
    birth, onset = date.fromisoformat(patient.birth), date.fromisoformat(fracture.onset)
    return onset >= birth.replace(year=birth.year + 50)


# -- the gates ---------------------------------------------------------------------------------------------------------

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
    "alendronate alendronate-d3 risedronate ibandronate ibandronate-50 zoledronic-acid zoledronic-acid-5 pamidronate "
    "clodronate denosumab denosumab-120 teriparatide abaloparatide romosozumab strontium-ranelate".split()
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
    return Forbidden(NONE, untold=NONE if _drugs_are_told(patient) else AGENTS)


def _by_history(patient: Patient) -> Forbidden:
    known = _forbidden_with(_settled(patient))
    if "conditions" in patient.untold:
        return Forbidden(known, untold=AGENTS)
    return Forbidden(known, untold=_forbidden_with(_possible(patient)))


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
        for drug in _told(patient)
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
    if {"ckd-4", "ckd-5", "dialysis"} & _settled(patient) or (known is None and rate and min(rate) < 30):
        out |= AGENTS
    if rate and min(rate) < 30:
        out.add("denosumab")
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
    second = [lab.value * 2.423 for lab in patient.labs if lab.name == "vitamin_d2_25oh" and lab.taken == newest[0].taken]
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
    in_urine = [lab for lab in _newest(patient, "urine_calcium") if lab.unit == "mg/(24.h)"]
    listed = [drug for drug in _told(patient) if drug.name == "calcium" and drug.odd and drug.use == "current"]
    if listed or any(lab.value > (300 if patient.sex == "male" else 250) for lab in in_urine):
        return frozenset({"calcium"})
    return frozenset()
