"""What is taken from the blank record is what the record itself would give, fact by fact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cds_hooks import HOOKS, Parser
from fhir_profiles import KEYS, KINDS, Blanks, Chart, Facts, RecordReader, Resource, terminology
from fhir_profiles.fact import Fact
from tests.builder import Record
from tests.fhir_pieces import TODAY
from tests.front_door import request_body
from tests.vignette_pages import pages, read_page

READER = RecordReader()
TERMS = terminology()
BLANKS = Blanks(TERMS, KINDS)
PARSER = Parser(Resource)


def chart_of(prefetch: Mapping[str, Any], patient_id: str, drafts: list[Any]) -> Chart:
    body = json.dumps(request_body(prefetch, "order-sign", patient_id=patient_id, drafts=drafts)).encode()
    request = PARSER.parse(body, HOOKS["order-sign"])
    entries = [entry for received in request.received.values() for entry in received.entries]
    chart = READER.read(patient_id, entries, list(request.received), TODAY, drafts=request.drafts)
    assert chart is not None
    return chart


PAGES = list(pages())


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_no_fact_of_any_vignette_differs(page: Path) -> None:
    for row in read_page(page):
        record = row.record()
        omitted = row.items("not told")
        chart = chart_of(record.prefetch(omitted), record.patient_id, record.drafts)
        for with_drafts in (True, False) if record.drafts else (True,):
            facts = Facts(chart, TERMS, KINDS, with_drafts=with_drafts)
            blank = BLANKS[chart.told]
            untouched = TERMS.facts.keys() - blank.touched(chart, facts.uses)
            assert untouched, row.name
            # As text: an unknown quantity is NaN, which equals nothing.
            worked_out = {name: repr(facts[name]) for name in untouched}
            assert worked_out == {name: repr(blank.facts[name]) for name in untouched}, row.name


def test_little_is_worked_out_for_a_record_that_holds_little() -> None:
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -1.5)
    chart = chart_of(record.prefetch(), record.patient_id, [])
    touched = BLANKS[chart.told].touched(chart, chart.uses)
    assert "t_score" in touched
    assert "age" in touched
    assert "serum_calcium" not in touched
    assert len(touched) < len(TERMS.facts) / 3


def test_what_was_not_told_is_not_taken_for_absent() -> None:
    told, untold = (BLANKS[frozenset(keys)].facts for keys in (KEYS, ("patient",)))
    assert told["inhibitor"].known
    assert not untold["inhibitor"].known


def test_a_fact_that_hangs_on_the_day_is_worked_out_each_time() -> None:
    def weekday(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
        past = facts.chart.today.isoformat() > "2026"
        return Fact(past, past, past)

    def kept(facts: Facts, name: str, definition: dict[str, Any]) -> Fact:
        return Fact(False, False, False)

    kinds = {**dict.fromkeys((entry["kind"] for entry in TERMS.facts.values()), kept), "age": weekday}
    blank = Blanks(TERMS, kinds)[frozenset(KEYS)]
    chart = chart_of(Record().prefetch(), "pat", [])
    assert blank.touched(chart, []) == {name for name, entry in TERMS.facts.items() if entry["kind"] == "age"}
