"""What the second reading of the tier is told of a generated patient; nothing here is taken from the service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from tests.fhir_pieces import MEDICATION_KEYS
from tests.generated_patients import ENDED, USES, Broken, Drug, Patient
from tests.second_reading import Fracture, Known


def known_of(patient: Patient, *, drafts: bool = True) -> Known:
    """What the second reading of the tier is told of a patient, with or without the draft orders."""
    scores: dict[str, Any] = {}
    if "dxa" not in patient.untold:
        scores = {**patient.t_score.known, **patient.frax.known}
        if "osteoporosis" in settled(patient) and scores.get("t_fresh", 0) > 0:
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


def settled(patient: Patient) -> frozenset[str]:
    """The conditions that are there for sure."""
    if "conditions" in patient.omit:
        return frozenset()
    return frozenset(stated.name for stated in patient.conditions if stated.state == "confirmed")


def possible(patient: Patient) -> frozenset[str]:
    """Those that are there or suspected."""
    if "conditions" in patient.omit:
        return frozenset()
    return frozenset(stated.name for stated in patient.conditions if stated.state != "refuted")


def _inhibitor(patient: Patient, *, drafts: bool) -> Any:
    use = patient.inhibitor.known.get("inhibitor", "none")
    if "medicationRequests" in patient.keys_left_out:
        use = "none"
    ended = ENDED.get(patient.inhibitor.name)
    if ended and use != "none" and any(_began_after(drug, ended) for drug in told(patient)):
        use = "past"
    if "inhibitor-long-term-use" in settled(patient):
        return "current"
    if drafts and use != "current" and any(drug.name in ("letrozole", "exemestane") for drug in patient.drafts):
        return "planned"
    if use in ("none", "past", "whole course ended within 12 months") and not drugs_are_told(patient):
        return "not told"
    return use


def _began_after(drug: Drug, day: str) -> bool:
    """Whether another endocrine drug was begun after that day, or went on."""
    taken = drug.use not in ("on hold", "not taken")
    return drug.name in ("tamoxifen", "toremifene") and taken and USES[drug.use].get("start", "2025-11-10") > day


def drugs_are_told(patient: Patient) -> bool:
    return not patient.untold & set(MEDICATION_KEYS)


def told(patient: Patient) -> Iterator[Drug]:
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
