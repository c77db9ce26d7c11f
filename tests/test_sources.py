"""Every citation of a page or a fact has its row in SOURCES.md, and every row is cited somewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

from service.rules import load_rules

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "service" / "guidelines" / "SOURCES.md"
CHINESE = ROOT / "service" / "guidelines" / "citations.zh.yaml"
# Words that no brand, journal or publisher has in its name.
ENGLISH = re.compile(
    r"\b(and|label|labels|of|in|with|without|before|for|SmPC|sections?|recommendations?|Table|Figure|abstract|title|"
    r"introduction|criteria|summary|consensus|guidelines|house|rule|review|trials)\b"
)
PLACES = ("service/guidelines/*/*.yaml", "service/orders/*.yaml", "fhir_profiles/facts/*.yaml")
ROW = re.compile(
    r"\| `(?P<part>[^`]+)` \| (?P<use>[^|]+) \| (?P<document>[^|]+) \| (?P<how>[^|]+) \| (?P<day>[^|]+) \|"
)
KIND = re.compile(r"\| (?P<how>[^|`]+) \| [^|]+ \| (?P<rows>\d+) \|")


def _cited(node: object) -> Iterator[str]:
    """What every `where` and `link` under the node names, part by part."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("where", "link") and isinstance(value, str):
                yield from value.split("; ")
            else:
                yield from _cited(value)
    elif isinstance(node, list):
        for value in node:
            yield from _cited(value)


def _rows() -> list[re.Match[str]]:
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    rows = [ROW.fullmatch(line) for line in lines]
    assert all(rows), [line for line, row in zip(lines, rows, strict=True) if row is None]
    return [row for row in rows if row]


def test_every_citation_has_its_row_and_every_row_its_citation() -> None:
    pages = [page for place in PLACES for page in ROOT.glob(place)]
    assert pages
    cited = {part for page in pages for part in _cited(yaml.safe_load(page.read_text(encoding="utf-8")))}
    listed = [row["part"] for row in _rows()]
    assert sorted(cited) == sorted(listed)


def test_how_each_row_was_checked_is_one_of_the_kinds_explained_and_counted() -> None:
    kinds = {match["how"]: int(match["rows"]) for match in KIND.finditer(TABLE.read_text(encoding="utf-8"))}
    assert kinds == Counter(row["how"] for row in _rows())
    assert {row["day"] for row in _rows()} == {"2026-11-20"}


def test_a_citation_that_is_cut_in_two_is_noticed() -> None:
    """A semicolon within brackets would split one citation into two halves."""
    assert [row["part"] for row in _rows() if row["part"].count("(") != row["part"].count(")")] == []


def test_a_chinese_card_names_its_sources_in_chinese() -> None:
    named = {part for parts in load_rules().cited["zh"].values() for part in parts}
    assert {part for part in named if ENGLISH.search(part)} == set()


def test_every_chinese_citation_is_that_of_a_page() -> None:
    cited = {part for place in load_rules().cited["en"] for part in place.split("; ")}
    assert yaml.safe_load(CHINESE.read_text(encoding="utf-8")).keys() - cited == set()
