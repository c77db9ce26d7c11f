"""The tests' own patients are valid FHIR, R4 or, where they say so, R5."""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_class
from fhir.resources.R4B import get_fhir_model_class as r4_class

from tests.builder import Record
from tests.fhir_pieces import Json, birth_of, prefetch_of, searchset
from tests.medication import PLACES, RESOURCES
from tests.patients import PATTERNS
from tests.vignette_pages import pages, read_page


def validate(resource: Json, *, r5: bool = False) -> None:
    """Raise pydantic's ValidationError where the resource is not FHIR of its version."""
    model: Any = (r5_class if r5 else r4_class)(resource["resourceType"])
    model.model_validate(resource)


def _validate_all(record: Record) -> None:
    for _, entry in record.entries:
        is_r5 = "medication" in entry["resource"]
        validate(entry["resource"], r5=is_r5)
    for draft in record.drafts:
        validate(draft)
    validate(record.patient)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_demo_patient_is_fhir(name: str) -> None:
    _validate_all(PATTERNS[name]())


@pytest.mark.parametrize(("resource", "place"), list(product(RESOURCES, PLACES)))
def test_a_drug_is_fhir_wherever_it_stands(resource: str, place: str) -> None:
    how = {"resource": resource, "where": place, "dose": "70 mg every 1 wk", "route": "oral"}
    _validate_all(Record().drug("letrozole", **how).drug("letrozole", **how, end="2026-01-01"))


def test_every_vignette_is_fhir() -> None:
    for page in pages():
        for row in read_page(page):
            _validate_all(row.record())


@pytest.mark.parametrize("how", ["code", "body-site", "body-site-text", "component", "has-member"])
def test_a_t_score_is_fhir_in_each_way_of_telling_it(how: str) -> None:
    _validate_all(Record().t_score("femoral-neck", -1.5, how=how).t_score("lumbar-spine", -1.0, "2025", how=how))


def test_the_rest_is_fhir() -> None:
    record = Record(sex=None, born=None).density("femur", 0.7, mean=1.0, sd=0.12).frax(3.0, 20.0, how="panel")
    record.lab("serum_calcium", 2.3, low=2.1, high=2.6).procedure("tooth-extraction").z_score("total-hip", -1.0)
    record.fracture("hip", cause="low", told_by="coding").draft("denosumab", dose="60 mg every 6 mo", route="sc")
    _validate_all(record)
    validate(record.prefetch()["labs"])
    validate(searchset([], incomplete=True))
    validate(record.bundle())


@pytest.mark.parametrize(
    "today", [date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1), date(2026, 11, 20), date(2026, 12, 31)]
)
@pytest.mark.parametrize("age", [0, 39, 50, 90])
def test_a_birth_date_gives_the_age_it_is_made_for(today: date, age: int) -> None:
    born = date.fromisoformat(birth_of(age, today))
    assert today.year - born.year - ((today.month, today.day) < (born.month, born.day)) == age


def test_ids_are_unique_and_a_bundle_files_under_the_same_keys() -> None:
    record = PATTERNS["chinese_names"]()
    ids = [entry["resource"]["id"] for _, entry in record.entries]
    assert len(ids) == len(set(ids))
    patient_id, prefetch = prefetch_of(record.bundle())
    assert patient_id == record.patient_id
    assert prefetch["medicationRequests"] == record.prefetch()["medicationRequests"]
    assert prefetch["conditions"] == record.prefetch()["conditions"]
