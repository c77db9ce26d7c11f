"""The page of the memory: what the shipped one says, and what a site's own may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from fhir_profiles import load_yaml
from service.config import Settings
from service.memory_page import ORDERED, MemoryPage, Span, load_memory_page
from service.rules import Flawed, load_rules
from service.words import WORDS
from tests.command_line import ROOT

SHIPPED: Final = ROOT / "service" / "memory.yaml"
SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
RULES: Final = load_rules()
PAGE: Final = load_memory_page(RULES)
TOLD: Final = date(2026, 11, 20)


def test_each_reason_that_a_card_offers_stands_for_one_of_the_page() -> None:
    offered = {code: PAGE.reason_of(WORDS["override_system"], code) for code in WORDS["override_reasons"]}
    assert offered == {
        "action-completed": "done-elsewhere",
        "patient-refuses": "declined",
        "patient-contraindication": "contraindicated",
        "not-convenient-feasible": "not-now",
        "cds-not-applicable": "not-applicable",
    }


@pytest.mark.parametrize(
    ("reason", "outcome", "until"),
    [
        ("declined", "bma-recommend", date(2027, 11, 20)),
        ("not-now", "bma-recommend", date(2026, 12, 20)),
        ("contraindicated", "bma-recommend", None),
        ("not-applicable", "bma-recommend", None),
        ("done-elsewhere", "order-dxa", date(2027, 11, 20)),
        ("done-elsewhere", "btm-baseline", date(2027, 5, 20)),
        ("done-elsewhere", "order-safety-labs", date(2027, 2, 18)),
        ("done-elsewhere", "calcium-vitamin-d", date(2027, 11, 20)),
        (ORDERED, "order-dxa", date(2027, 11, 20)),
    ],
)
def test_how_long_advice_stays_away(reason: str, outcome: str, until: date | None) -> None:
    assert PAGE.until(reason, outcome, TOLD) == until


@pytest.mark.parametrize(
    ("system", "code", "reason"),
    [
        (SYSTEM, "patient-refuses", "declined"),
        (None, "patient-refuses", "declined"),
        ("https://ehr.example.org/reasons", "patient-refuses", None),
        (SYSTEM, "another", None),
        (SYSTEM, None, None),
        (None, None, None),
    ],
)
def test_a_code_counts_by_its_system(system: str | None, code: str | None, reason: str | None) -> None:
    assert PAGE.reason_of(system, code) == reason


def test_a_length_of_time_goes_by_the_calendar() -> None:
    assert Span(months=1).after(date(2026, 1, 31)) == date(2026, 2, 28)
    assert Span(days=30).after(date(2026, 1, 31)) == date(2026, 3, 2)


def test_every_duration_of_the_page_says_on_what_it_rests() -> None:
    page = load_yaml(SHIPPED)
    for entry in [*(reason["stays_away"] for reason in page["reasons"].values()), page["due_again"]["otherwise"]]:
        assert {"basis", "says", "where"} <= entry.keys()


# -- a site's own ----------------------------------------------------------------------------------

Own = Callable[[Callable[[Any], None]], MemoryPage]


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """Loads the shipped page with a change."""

    def load(change: Callable[[Any], None]) -> MemoryPage:
        page = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
        change(page)
        path = tmp_path / "memory.yaml"
        path.write_text(yaml.safe_dump(page, allow_unicode=True), encoding="utf-8")
        return load_memory_page(RULES, str(path))

    return load


def test_a_site_may_have_its_own(own: Own) -> None:
    def longer(page: Any) -> None:
        page["reasons"]["not-now"]["stays_away"] |= {"value": 3, "unit": "mo"}
        page["due_again"]["order-dxa"] = {"same_fact": "t_score.fresh"}

    page = own(longer)
    assert page.until("not-now", "order-dxa", TOLD) == date(2027, 2, 20)
    assert page.until("done-elsewhere", "order-dxa", TOLD) == date(2028, 11, 20)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda p: p["reasons"].pop("ordered"), "reasons: ordered is missing"),
        (lambda p: p["due_again"].pop("otherwise"), "due_again: otherwise is missing"),
        (lambda p: p["due_again"].update({"nothing": {"same_number": "a.b"}}), "due_again: nothing is no outcome"),
        (
            lambda p: p["due_again"].update({"order-dxa": {"same_number": "a/b.c"}}),
            "due_again: order-dxa: needs a value, same_number or same_fact that is a length of time",
        ),
        (
            lambda p: p["due_again"].update({"order-dxa": {"same_number": "tian_2025_ai_bone_loss/monitoring.none"}}),
            "due_again: order-dxa: needs a value, same_number or same_fact that is a length of time",
        ),
        (
            lambda p: p["due_again"].update({"order-dxa": {"same_fact": "t_score.unit"}}),
            "due_again: order-dxa: needs a value, same_number or same_fact that is a length of time",
        ),
        (
            lambda p: p["due_again"].update({"order-dxa": {"value": 12, "unit": "mo"}}),
            "due_again: order-dxa: needs a value, same_number or same_fact that is a length of time",
        ),
        (
            lambda p: p["due_again"]["otherwise"].update({"until": "due-again"}),
            "due_again: otherwise: needs a value, same_number or same_fact that is a length of time",
        ),
        (
            lambda p: p["reasons"]["not-now"]["stays_away"].update({"value": 0}),
            "not-now: needs a value above 0 with its unit, or until",
        ),
        (
            lambda p: p["reasons"]["not-now"]["stays_away"].pop("unit"),
            "not-now: needs a value above 0 with its unit, or until",
        ),
        (
            lambda p: p["reasons"]["not-now"]["stays_away"].update({"until": "due-again"}),
            "not-now: needs a value above 0 with its unit, or until",
        ),
        (
            lambda p: p["reasons"]["not-now"]["codes"].append("patient-refuses"),
            "not-now: the code patient-refuses stands for declined already",
        ),
        (lambda p: p.pop("systems"), "Object missing required field `systems`"),
        (lambda p: p["reasons"]["not-now"].update({"more": 1}), "Object contains unknown field `more`"),
    ],
)
def test_a_page_with_a_flaw_stops_the_start(change: Callable[[Any], None], flaw: str, own: Own) -> None:
    with pytest.raises(Flawed) as caught:
        own(change)
    assert [found for found in caught.value.flaws if flaw in found] == caught.value.flaws[:1]


def test_a_page_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Flawed) as caught:
        load_memory_page(RULES, str(tmp_path / "none.yaml"))
    assert caught.value.flaws == [f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory"]
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [", encoding="utf-8")
    with pytest.raises(Flawed):
        load_memory_page(RULES, str(broken))


def test_its_path_starts_from_the_settings_file_where_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('memory_page = "mine.yaml"\n')
    assert Settings.load({}, file).memory_page == str(tmp_path / "mine.yaml")
    assert Settings.load({"OSTEOHOOKS_MEMORY_PAGE": "other.yaml"}, file).memory_page == "other.yaml"
