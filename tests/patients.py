"""The project's own patients: one for each coding pattern of real records, each a Bundle of a kind seen in the wild.

Made by the builder, not copied from anyone. They stand in for real records where none are at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests import codes
from tests.builder import Record
from tests.fhir_pieces import Json, concept


def _woman(**person: Any) -> Record:
    return Record(**person).condition("breast-cancer")


def _ingredient_code_order() -> Record:
    """An order by RxNorm ingredient, active, with a dosage period that has only a start."""
    return _woman().drug("anastrozole", coding="rxnorm-in", start="2024-09-30").procedure("radiotherapy", "2024-05-01")


def _clinical_drug_statement_completed() -> Record:
    """A completed statement by clinical drug, dated by one moment with an offset; subject by urn:uuid."""
    record = _woman(subject="urn:uuid:pat")
    record.drug(
        "anastrozole",
        resource="MedicationStatement",
        status="completed",
        start=None,
        effectiveDateTime="2026-09-30T00:33:16-05:00",
    )
    return record


def _statement_with_reference_and_atc() -> Record:
    """No RxNorm: a statement from a month on, referring by urn:uuid to a Medication in ATC and SNOMED CT."""
    record = _woman()
    record.drug("anastrozole", coding="atc", where="urn", resource="MedicationStatement", start="2015-03")
    record.entries[-2][1]["resource"]["code"]["coding"].append({"system": codes.SNOMED, "code": "108774000"})
    return record


def _brand_code_old_synthetic_data() -> Record:
    """A brand code, an order ended in the encounter that wrote it, and the one T-score code that such data knows."""
    record = _woman().t_score("unknown", -2.5458885935054747, "2025-11-12T09:14:00-05:00")
    record.drug("letrozole", coding="brand", status="stopped", start="2026-07-01", end="2026-07-01")
    return record.condition("osteoporosis").drug("alendronate", start="2025-11-12")


def _product_group_code() -> Record:
    return _woman().drug("exemestane", coding="group").t_score("total-hip", -1.62, unit="T-Score/1", side="left")


def _same_drug_twice() -> Record:
    """An order by clinical drug and a statement by ingredient: one drug."""
    record = _woman().drug("letrozole", start="2024-02-01")
    return record.drug("letrozole", coding="rxnorm-in", resource="MedicationStatement", start="2024-02")


def _order_over_its_period() -> Record:
    """Still `active`, though its dosage period began and ended on one evening."""
    evening = "2026-08-31T23:59:00.000Z"
    return Record(age=50).drug("anastrozole", start=evening, end=evening)


def _absolute_reference() -> Record:
    return _woman().drug("letrozole", where="absolute").t_score("femur", -1.48, unit="{T-Score}", side="left")


def _relative_reference_r5() -> Record:
    return (
        _woman().drug("exemestane", where="r5-reference", resource="MedicationStatement").t_score("lumbar-spine", -2.0)
    )


def _contained() -> Record:
    return _woman().drug("letrozole", where="contained").t_score("femoral-neck", -1.9, how="body-site")


def _chinese_names() -> Record:
    record = _woman().drug("letrozole", coding="text-zh").drug("alendronate", coding="text-zh", dose="70 mg every 1 wk")
    return record.t_score("femoral-neck", -2.1, how="body-site-text", lang="zh")


def _local_name_in_english() -> Record:
    return (
        _woman().drug("anastrozole", coding="text-en", resource="MedicationStatement").t_score("spine", -0.4, unit=None)
    )


def _administration() -> Record:
    record = _woman().drug("letrozole", resource="MedicationAdministration", start="2026-09-01")
    return record.drug("denosumab", resource="MedicationAdministration", start="2026-08-15", dose="60 mg", route="sc")


def _density_grouped_by_members() -> Record:
    """A national record: percent of the young adult mean, the site in words, a panel; no T-score anywhere."""
    record = _woman().drug("anastrozole", coding="atc").density("femur", 0.631)
    value = {"value": 72, "unit": "%"}
    record.add(
        {
            "resourceType": "Observation",
            "id": "yam",
            "status": "final",
            "code": {"text": "%YAM"},
            "valueQuantity": value,
        }
    )
    record.add(
        {
            "resourceType": "Observation",
            "id": "site",
            "status": "final",
            "code": {"text": "部位"},
            "valueString": "大腿骨",
        }
    )
    members = [{"reference": f"Observation/{name}"} for name in ("yam", "site")]
    panel = {
        "resourceType": "Observation",
        "id": "panel",
        "status": "final",
        "code": {"text": "骨密度"},
        "hasMember": members,
    }
    return record.add(panel)


def _final_without_value() -> Record:
    return Record(sex="male").t_score("unknown", None, "2026-01-01")


def _density_without_date() -> Record:
    """Areal density in a unit that UCUM does not know, without a date; sex "other", age not told."""
    return Record(sex="other", born=None).density("femur", 0.887, unit="g/cm-2", taken=None)


def _healed_fractures() -> Record:
    record = Record(age=80).fracture("hip", "2020-02-28", coding="snomed").fracture("forearm", "2015")
    record.fracture("unspecified", "2020-02-28", nature="osteoporotic").t_score("unknown", -3.72, "2018-09-27")
    return record.procedure("bone-density-scan", "2018-09-27").drug("alendronate", start="2020-03-01")


def _deceased() -> Record:
    record = _woman(age=84).drug("letrozole", start="2024-01-01").t_score("total-hip", -2.9)
    return record


def _screening_scores() -> Record:
    """Other bone scores beside FRAX, and the family's history as an Observation."""
    record = Record(age=58).condition("breast-cancer-history").frax(3.4, 14.0).t_score("femoral-neck", -1.7)
    for code, value in (("98139-9", 11), ("98146-4", -2), ("98133-2", 1.5)):
        record.add(
            {
                "resourceType": "Observation",
                "id": f"score-{code}",
                "status": "final",
                "code": concept(codes.LOINC, code),
                "valueQuantity": {"value": value},
                "effectiveDateTime": "2026-05-05",
            }
        )
    return record


PATTERNS: Final[dict[str, Callable[[], Record]]] = {
    function.__name__.removeprefix("_"): function
    for function in (
        _ingredient_code_order,
        _clinical_drug_statement_completed,
        _statement_with_reference_and_atc,
        _brand_code_old_synthetic_data,
        _product_group_code,
        _same_drug_twice,
        _order_over_its_period,
        _absolute_reference,
        _relative_reference_r5,
        _contained,
        _chinese_names,
        _local_name_in_english,
        _administration,
        _density_grouped_by_members,
        _final_without_value,
        _density_without_date,
        _healed_fractures,
        _deceased,
        _screening_scores,
    )
}


def bundles() -> dict[str, Json]:
    """Each patient as one Bundle; the kinds take turns, as they do in the wild."""
    kinds = ("collection", "transaction", "document", "batch")
    made = {name: make().bundle(kinds[index % len(kinds)]) for index, (name, make) in enumerate(PATTERNS.items())}
    made["deceased"]["entry"][0]["resource"]["deceasedDateTime"] = "2026-10-01T21:51:36+00:00"
    return made
