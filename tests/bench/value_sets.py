"""The value sets of the CQL peer, from the data files that the service itself reads.

A code that ends in * stands for every code with that prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any, Final

from fhir_profiles.terminology import Terminology, load_yaml

__all__ = ["value_sets"]

# Under which of our names for a code system a data file lists codes, and the systems in which these have that meaning.
_READ_IN: Final = {
    "loinc": ("loinc",),
    "snomed": ("snomed",),
    "atc": ("atc",),
    "rxnorm": ("rxnorm",),
    "products": ("rxnorm",),
    "icd10": ("icd10", "icd10cm"),
    "icd10cm": ("icd10cm",),
}
# Observations that hold the scores and the probabilities as components (LOINC).
_PANELS: Final = ("83311-1", "90264-3")

Entry = Mapping[str, Any]


def value_sets() -> dict[str, list[dict[str, str]]]:
    """The codes of each value set by its id in `tier.cql`; those of a system under each of its names."""
    systems = load_yaml(files("fhir_profiles").joinpath("systems.yaml"))
    return {
        name: [
            {"system": uri, "code": code}
            for entry in entries
            for listed, read_in in _READ_IN.items()
            for code in entry.get(listed, ())
            for system in read_in
            for uri in systems[system]
        ]
        for name, entries in _entries(Terminology.load()).items()
    }


def _entries(terms: Terminology) -> dict[str, list[Entry]]:
    """What each value set takes from the data files."""
    facts, scores, conditions = terms.facts, terms.facts["t_score"], terms.conditions
    sites = scores["sites"]
    probabilities: dict[str, list[Entry]] = {"frax-hip": [facts["frax_hip"]], "frax-major": [facts["frax_major"]]}
    t_scores: Entry = {"loinc": list(scores["scores"])}
    lists: dict[str, list[Entry]] = {
        "fractures": _fractures(terms, lambda _: True),
        "fractures-of-hip-or-spine": _fractures(terms, lambda f: f["site"] in facts["hip_or_spine_fracture"]["sites"]),
        "fractures-of-humerus-pelvis-or-forearm": _fractures(
            terms, lambda f: f["site"] in facts["other_fracture"]["sites"]
        ),
        "fragility-fractures": _fractures(terms, lambda f: f["nature"] in ("osteoporotic", "pathological")),
        "osteoporosis": [conditions[scores["contradicted_by"]]],
        "long-term-use-of-an-inhibitor": [conditions[facts["inhibitor"]["stated_by"]]],
    }
    return {
        **lists,
        **probabilities,
        "conditions": [entry for name in lists for entry in lists[name]],
        "weakened-bone": [entry for entry in conditions.values() if entry.get("weakens_bone")],
        "low-energy-causes": [entry for entry in conditions.values() if entry.get("mechanism") == "low"],
        "high-energy-causes": [entry for entry in conditions.values() if entry.get("mechanism") == "high"],
        "aromatase-inhibitors": [terms.drugs[drug] for drug in sorted(terms.drugs_in(facts["inhibitor"]["group"]))],
        "t-scores": [t_scores],
        "t-scores-of-eligible-sites": [
            {"loinc": [code for code, site in scores["scores"].items() if sites[site]["eligible"]]}
        ],
        "eligible-body-sites": [site for site in sites.values() if site["eligible"]],
        "bone-density-and-frax": [
            t_scores,
            *(entry for of in probabilities.values() for entry in of),
            {"loinc": _PANELS},
        ],
    }


def _fractures(terms: Terminology, wanted: Callable[[Entry], bool]) -> list[Entry]:
    of: Iterable[Entry] = terms.conditions.values()
    return [entry for entry in of if "fracture" in entry and wanted(entry["fracture"])]
