"""Whole records of real shape: those of the folder that OSTEOHOOKS_REAL_PATIENTS names, else the project's own.

The clock stands at each record's newest date. Asked twice: as the record is, and with an inhibitor added to it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests import codes
from tests.builder import Record
from tests.fhir_pieces import Json, prefetch_of
from tests.front_door import Answer, ask
from tests.patients import bundles
from tests.wire_rules import USES, check_response

FOLDER = os.environ.get("OSTEOHOOKS_REAL_PATIENTS")
MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationAdministration")
# When something happened; not when an order's period will end.
HAPPENED = (
    "effectiveDateTime",
    "effectiveInstant",
    "issued",
    "authoredOn",
    "onsetDateTime",
    "recordedDate",
    "performedDateTime",
    "dateAsserted",
)
INHIBITOR_CODES = {
    (system, code) for drug in (*codes.INHIBITORS, "formestane") for system, code, _ in codes.DRUG[drug].values()
}
INHIBITOR_NAMES = re.compile(
    "letrozole|anastrozol|exemestan|femara|arimidex|aromasin|来曲唑|阿那曲唑|依西美坦", re.IGNORECASE
)


def _records() -> dict[str, Json]:
    if not FOLDER:
        return bundles()
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(FOLDER).glob("*.json"))}


RECORDS = _records()
each_record = pytest.mark.parametrize("name", RECORDS)


def _resources(bundle: Json) -> Iterator[Json]:
    return (entry["resource"] for entry in bundle["entry"])


def newest_date(bundle: Json) -> date:
    """The last day on which the record says that something happened."""
    days = [
        text[:10]
        for resource in _resources(bundle)
        for name in HAPPENED
        if len(text := str(resource.get(name, ""))) >= 10
    ]
    days += [
        period["start"][:10]
        for resource in _resources(bundle)
        for name in ("effectivePeriod", "performedPeriod", "onsetPeriod")
        if len((period := resource.get(name, {})).get("start", "")) >= 10
    ]
    return date.fromisoformat(max(days, default="2026-11-20"))


def _medication(resource: Json, bundle: Json) -> Any:
    """Whatever says which drug a medication resource is about: its own members, or the Medication it refers to."""
    told = resource.get("medicationCodeableConcept") or resource.get("medication", {}).get("concept")
    reference = (resource.get("medicationReference") or resource.get("medication", {}).get("reference") or {}).get(
        "reference"
    )
    if told or not reference:
        return told
    candidates = [
        *bundle["entry"],
        *({"resource": inner, "fullUrl": f"#{inner['id']}"} for inner in resource.get("contained", ())),
    ]
    for entry in candidates:
        same = entry["resource"].get("id") == reference.rpartition("/")[2]
        if entry.get("fullUrl") == reference or (same and entry["resource"]["resourceType"] == "Medication"):
            return entry["resource"].get("code")
    return None


def inhibitors_in(bundle: Json) -> set[str]:
    """`Type/id` of every medication resource that is for an aromatase inhibitor."""
    found = set()
    for resource in _resources(bundle):
        if resource["resourceType"] not in MEDICATIONS or resource.get("status") == "entered-in-error":
            continue
        told = _medication(resource, bundle) or {}
        coded = {(coding.get("system"), coding.get("code")) for coding in told.get("coding", ())}
        if coded & INHIBITOR_CODES or INHIBITOR_NAMES.search(json.dumps(told, ensure_ascii=False)):
            found.add(f"{resource['resourceType']}/{resource['id']}")
    return found


def _check(answer: Answer, expected: set[str]) -> None:
    assert answer.status == 200
    check_response(answer.body)
    if not expected:
        return
    named = {fact["resource"]: fact.get("use") for fact in answer.facts("inhibitor")}
    assert expected <= named.keys()
    assert {named[resource] for resource in expected} <= set(USES)


@pytest.mark.parametrize("lang", ["en", "zh"])
@each_record
def test_the_record_as_it_is(name: str, lang: str) -> None:
    bundle = RECORDS[name]
    _check(ask(bundle, lang=lang, today=newest_date(bundle)), inhibitors_in(bundle))


@pytest.mark.parametrize("hook", ["patient-view", "order-select", "order-sign"])
@each_record
def test_with_an_inhibitor_added(name: str, hook: str) -> None:
    """On the list for patient-view, in the hook's drafts for the others; then as planned use."""
    bundle, today = RECORDS[name], newest_date(RECORDS[name])
    patient_id, prefetch = prefetch_of(bundle)
    added = Record(patient_id=patient_id, today=today)
    if hook == "patient-view":
        added.drug("letrozole", start=today.isoformat(), id="added")
        prefetch["medicationRequests"].setdefault("entry", []).append(added.entries[0][1])
        expected, use = "MedicationRequest/added", "current"
    else:
        added.draft("letrozole", id="added")
        added.selections = ["MedicationRequest/added"]
        expected, use = "MedicationRequest/added", "planned"
    answer = ask(prefetch, hook, drafts=added.drafts, selections=added.selections, today=today)
    _check(answer, {expected, *inhibitors_in(bundle)})
    (fact,) = (fact for fact in answer.facts("inhibitor") if fact["resource"] == expected)
    assert fact["use"] == use


def test_there_are_records_with_an_inhibitor_and_records_without() -> None:
    assert {bool(inhibitors_in(bundle)) for bundle in RECORDS.values()} == {True, False}
