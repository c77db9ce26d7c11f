"""Markup, links and control characters in every string of a record: none of it reaches what a reader sees.

A rich request is sent for each of its strings, with that string replaced or prolonged by what a hostile or careless
system may put there.
"""

from __future__ import annotations

import copy
import json
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

import pytest
from markdown_it import MarkdownIt

from tests.builder import Record
from tests.drafts import ibandronate_weekly
from tests.fhir_pieces import Json
from tests.front_door import Answer, card_texts, post, request_body
from tests.generated_requests import Path, at, paths
from tests.wire_rules import check_response

pytestmark = pytest.mark.usefixtures("untraced")

MARK: Final = "zaphod"
HOSTILE: Final = (
    f"<img src=x onerror={MARK}><script>{MARK}</script>[{MARK}](javascript:{MARK})![{MARK}](https://{MARK}.example/x)"
    f"\n\n# {MARK}\n| {MARK} |\n|---|\n```\n{MARK}\x00\x07\x1b[31m\x7f\x85\u2028\u202e\u2066"
    f" <https://{MARK}.example> www.{MARK}.example &lt;"
)
BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# With raw HTML, as the official sandbox renders a card's detail.
RENDERER: Final = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
FOREIGN: Final = frozenset({"html_block", "html_inline", "link_open", "image", "fence", "code_block", "heading_open"})


def rich() -> Record:
    """A patient with something of every kind that is read, and something of most that cannot be used."""
    record = (
        Record().condition("breast-cancer").condition("osteoporosis").condition("bone-metastasis", clinical="inactive")
    )
    record.fracture("vertebra", "2023-05").fracture("distal-forearm", cause="low").procedure("radiotherapy")
    record.t_score("lumbar-spine", -1.8).t_score("total-hip", -2.1, unit="furlong").t_score("femoral-neck", -1.2)
    record.t_score("forearm", -2.0, how="component").frax(hip=2.0, major=12.0, how="panel")
    record.lab("serum_calcium", 2.3).lab("vitamin_d_25oh", 40, "cubit").lab("creatinine_clearance", 31)
    record.drug("letrozole").drug("alendronate", where="contained", dose="70 mg every 1 wk")
    record.drug("denosumab", resource="MedicationStatement", start="2024-01-01")
    return record


def whole(hook: str) -> Json:
    drafts = [ibandronate_weekly(note=[{"text": "as agreed"}])]
    if hook == "problem-list-item-create":
        drafts = [{**Record().fracture("hip", "2026-11-18").entries[0][1]["resource"], "id": "new"}]
    request = request_body(rich().prefetch(), hook, drafts=drafts)
    request["prefetch"]["patient"] |= {"name": [{"family": "Doe", "text": "Jane Doe"}], "language": "en"}
    return request


def strings(request: Json) -> list[Path]:
    return [path for path in paths(request) if isinstance(at(request, path), str)]


def with_string(request: Json, path: Path, value: str) -> bytes:
    changed = copy.deepcopy(request)
    at(changed, path[:-1])[path[-1]] = value
    return json.dumps(changed).encode()


def seen(answer: Answer) -> Iterator[str]:
    """What a reader sees of an answer: every text of its cards, and every string of the assessment.

    The resources of suggestions are left out: an order is corrected as the EHR sent it, with all that is in it.
    """
    for card in answer.cards:
        yield from card_texts(card)
        yield from (card["source"]["label"], card["source"]["topic"]["display"])
    yield from _strings(answer.body.get("extension"))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _strings(member)


def check_clean(answer: Answer, place: object) -> None:
    for text in seen(answer):
        kinds = {unicodedata.category(character) for character in text.replace("\n", "")}
        assert not kinds & {"Cc", "Zl", "Zp", "Cs"}, (place, text)
        assert not BIDI & set(text), (place, text)
        for markup in ("<img", "<script", "<http", "\x1b"):
            assert markup not in text, (place, text)
    for card in answer.cards:
        tokens = RENDERER.parse(card["detail"])
        found = {token.type for block in tokens for token in (block, *(block.children or ()))}
        assert not found & FOREIGN, (place, card["detail"])


@pytest.mark.parametrize("hook", ["order-sign", "problem-list-item-create"])
def test_no_string_of_a_record_becomes_markup(hook: str) -> None:
    request = whole(hook)
    plain = post(json.dumps(request).encode(), hook)
    check_clean(plain, "as it is")
    assert plain.cards
    statuses: set[int] = set()
    for number, path in enumerate(strings(request)):
        original = at(request, path)
        for value in (HOSTILE, original + HOSTILE):
            answer = post(with_string(request, path, value), hook, lang=("en", "zh")[number % 2])
            statuses.add(answer.status)
            if answer.status == 200:
                check_response(answer.body)
                check_clean(answer, path)
            else:
                assert answer.status in (400, 412), path
                assert MARK not in answer.raw.decode(), path
    assert {200, 400, 412} <= statuses


def test_what_is_shown_of_a_record_is_escaped() -> None:
    """A unit is the one text of a record that a card repeats."""
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -1.8, unit="`a|b`_*c*_[d]~~e~~")
    answer = post(json.dumps(request_body(record.prefetch())).encode())
    check_clean(answer, "unit")
    details = " ".join(card["detail"] for card in answer.cards)
    assert r"\`a\|b\`\_\*c\*\_\[d\]\~\~e\~\~" in details


@pytest.mark.parametrize("unit", ["<b>x</b>", "a&b", "a\nb", "a\u202eb", "x" * 65])
def test_a_unit_that_is_none_is_not_repeated_as_data(unit: str) -> None:
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -1.8, unit=unit)
    answer = post(json.dumps(request_body(record.prefetch())).encode())
    (fact,) = [fact for fact in answer.facts("t_score") if not fact["used"]]
    assert fact["asRecorded"] == {"value": -1.8}
    assert unit not in json.dumps(answer.assessment, ensure_ascii=False)
    check_clean(answer, unit)
