"""The loader: what is wrong with a guideline's pages is named before the service starts, and all of it at once."""

from __future__ import annotations

import shutil
from typing import Any, Final

import pytest

import service.app
from service.app import create_app
from service.config import Settings
from service.rules import Flawed, load_rules
from tests.guideline_copy import GONE, NAME, Pages


@pytest.mark.parametrize("market", ["cn", "us", "eu"])
def test_the_shipped_pages_have_no_flaw(market: str, pages: Pages) -> None:
    rules = pages.load(market)
    assert rules.guideline.name == NAME
    assert [agent.id for agent in rules.agents] == [agent.id for agent in load_rules(market).agents]
    assert {agent.rank for agent in rules.agents} >= {1, 2, 3}


# -- one flaw each -----------------------------------------------------------------------------------------------------

WORDS: Final = {"en": "one", "zh": "一"}

ON_A_PAGE: list[tuple[str, tuple[str | int, ...], Any, str]] = [
    # page, place, what is put there, what is said of it
    ("lifestyle", ("title",), GONE, "title: no sentence in en"),
    ("lifestyle", ("title", "zh"), GONE, "title: no sentence in zh"),
    ("lifestyle", ("number",), {}, "a page has no member number"),
    ("lifestyle", ("kind",), "advice", "unknown kind advice"),
    ("lifestyle", ("hooks",), ["patient-view", "encounter-start"], "unknown hook encounter-start"),
    # numbers
    ("lifestyle", ("numbers", "bmi_from", "basis"), "gut feeling", "number bmi_from: Invalid enum value 'gut feeling'"),
    ("lifestyle", ("numbers", "bmi_from", "where"), GONE, "number bmi_from: Object missing required field `where`"),
    ("lifestyle", ("numbers", "bmi_from", "value"), "20", "number bmi_from: Expected `float`, got `str`"),
    ("lifestyle", ("numbers", "bmi_from", "valeu"), 20, "number bmi_from: Object contains unknown field `valeu`"),
    ("lifestyle", ("numbers", "bmi_from"), 20, "number bmi_from: Expected `object`, got `int`"),
    ("lifestyle", ("numbers", "bmi_from", "of"), "bim", "number bmi_from limits bim, which is no fact"),
    (
        "lifestyle",
        ("numbers", "spare"),
        {"value": 1, "unit": "1", "basis": "house", "says": "so", "where": "here"},
        "number spare is never used",
    ),
    ("lifestyle", ("numbers", "bmi_to"), GONE, "decide asks for bmi_to, which is no number here"),
    ("understated", ("same_numbers", "frax_hip_from"), "lifestyle", "lifestyle has no number frax_hip_from"),
    ("understated", ("same_numbers", "frax_hip_from"), "risk_teir", "risk_teir has no number frax_hip_from"),
    ("monitoring", ("dates", "next_dxa", "add"), "year", "date next_dxa adds year to months_since_dxa"),
    ("monitoring", ("dates", "next_dxa", "fact"), "dxa", "date next_dxa adds dxa_after to dxa"),
    # outcomes
    ("lifestyle", ("outcomes", "wellness"), {"indicator": "info"}, "outcome wellness is not in outcomes.yaml"),
    ("lifestyle", ("outcomes", "weight:gain", "summary"), GONE, "outcome weight:gain opens a card and has no summary"),
    ("lifestyle", ("outcomes", "lifestyle", "indicator"), "loud", "outcome lifestyle: Invalid enum value 'loud'"),
    ("lifestyle", ("outcomes", "lifestyle", "indicator"), GONE, "outcome lifestyle: Object missing required field"),
    ("lifestyle", ("outcomes", "lifestyle", "sumary"), WORDS, "outcome lifestyle: Object contains unknown field"),
    ("lifestyle", ("outcomes", "weight:gain"), GONE, "decide names weight:gain, which has no words"),
    ("lifestyle", ("outcomes", "weight:hold"), {"indicator": "info", "summary": WORDS}, "outcome weight:hold is never"),
    # sentences
    ("lifestyle", ("outcomes", "lifestyle", "detail", "zh"), GONE, "outcome lifestyle, detail: no sentence in zh"),
    ("lifestyle", ("outcomes", "lifestyle", "detail", "fr"), "Bougez.", "lifestyle, detail: unknown language fr"),
    ("lifestyle", ("outcomes", "lifestyle", "detail", "zh"), "每周5次运动", "zh holds a digit outside a blank"),
    ("lifestyle", ("outcomes", "lifestyle", "detail", "en"), "５ times", "en holds a digit outside a blank"),
    ("lifestyle", ("outcomes", "lifestyle", "detail", "en"), "{Age}", "en holds a brace that opens no blank"),
    ("lifestyle", ("outcomes", "lifestyle", "detail", "en"), "At {bmi.date}", "zh lacks the blank bmi.date"),
    ("risk_tier", ("rules", "H1", "why"), GONE, "rule H1, why: no sentence in en"),
    ("risk_tier", ("words", "low", "en"), GONE, "words low: no sentence in en"),
    # blanks
    *(
        (
            "lifestyle",
            ("outcomes", "lifestyle", "detail"),
            {"en": text, "zh": text},
            f"{text[1:-1]} is nothing this page",
        )
        for text in (
            "{bim}",
            "{drug}",
            "{bmi.size}",
            "{bmi_from.date}",
            "{risk_tier_rule}",
            "{risk_tier.date}",
            "{age.fresh}",
            "{vitamin_d_25oh_high.fresh}",
            "{in_hand}",
        )
    ),
    (
        "monitoring",
        ("outcomes", "dxa-follow-up:first", "detail"),
        {"en": "{next_dxa.date}", "zh": "{next_dxa.date}"},
        "",
    ),
    (
        "order_dose",
        ("outcomes", "dose-error:interval-unknown", "detail"),
        {"en": "{in_hand}", "zh": "{in_hand}"},
        "in_hand",
    ),
    ("risk_tier", ("blanks",), ["t_score"], "rule H2, short: the blank t_score is nothing this page knows"),
    # what the tier asks for
    ("risk_tier", ("asks", "frax_hip"), "frax-wanted", "asks frax-wanted, which has no words"),
    ("risk_tier", ("asks", "bmi"), "frax-needed", "asks about bmi, which decide does not look at"),
    ("risk_tier", ("confirms", "inhibitor"), "frax-needed", "outcome confirm-ai-use is never decided"),
    ("risk_tier", ("rules", "H4"), {"tier": "high", "short": WORDS, "why": WORDS}, "rule H4 is never decided"),
    ("risk_tier", ("rules", "H3b"), GONE, "decide returns H3b, which has no rule"),
    # the guideline's own page
    ("guideline", ("scope", "conditions"), ["breast_cancre"], "scope names breast_cancre, which is no condition"),
    ("guideline", ("scope", "drugs"), ["aromatase"], "scope names aromatase, a group without drugs"),
    ("guideline", ("scope", "drafts"), ["bone"], "scope names bone, a group without drugs"),
    ("guideline", ("outside", "fact"), "metastasis", "names metastasis, which is no fact"),
    ("guideline", ("outside", "section"), "metastasis", "names metastasis, which is no section"),
    ("guideline", ("candidates", "unless"), "treated", "names treated, which is no fact"),
    ("guideline", ("candidates", "tiers"), ["very-high"], "candidates names very-high, which is no tier"),
    # what pages name in other folders
    (
        "monitoring",
        ("outcomes", "btm-baseline", "orders"),
        ["p1np", "pnp"],
        "btm-baseline names the order pnp, which is not in orders/",
    ),
    (
        "monitoring",
        ("outcomes", "order-safety-labs", "orders_for"),
        {"egfr": "gfr"},
        "names the order gfr, which is not in orders/",
    ),
]

OF_NO_PAGE: list[tuple[str, tuple[str | int, ...], Any, str]] = [
    # what no page of any guideline has
    ("data_quality", ("outcomes",), {}, "no page words the outcome data-quality"),
    ("risk_tier", ("kind",), "recommendation", "needs one assessment, has none"),
    ("bone_modifying_agents", ("agents",), GONE, "no page has agents"),
]


@pytest.mark.parametrize(
    ("page", "place", "put", "said"), ON_A_PAGE, ids=[f"{page} {said}" for page, _, _, said in ON_A_PAGE]
)
def test_a_flaw_of_a_page_is_named(page: str, place: tuple[str | int, ...], put: Any, said: str, pages: Pages) -> None:
    pages.set(page, *place, to=put)
    flaws = pages.flaws()
    assert any(said in flaw and flaw.startswith(NAME) for flaw in flaws), flaws


@pytest.mark.parametrize(("page", "place", "put", "said"), OF_NO_PAGE, ids=[said for *_, said in OF_NO_PAGE])
def test_what_no_page_has_is_named(page: str, place: tuple[str | int, ...], put: Any, said: str, pages: Pages) -> None:
    pages.set(page, *place, to=put)
    assert said in pages.flaws()


IN_A_ROW: list[tuple[str, Any, str]] = [
    ("id", "kidney-alendronate", "gate kidney-alendronate: there is another of this id"),
    ("drugs", ["zoledronat"], "gate hip-fracture-surgery: zoledronat is no known drug"),
    ("drugs", ["group:bisphosphonates"], "gate hip-fracture-surgery: group:bisphosphonates is no known drug"),
    ("drugs", ["zoledronic_acid", "zoledronat"], "gate hip-fracture-surgery: zoledronat is no known drug"),
    ("when", "surgery", "gate hip-fracture-surgery: surgery is no known fact"),
    ("above", {"value": 3, "unit": "d"}, "gate hip-fracture-surgery: needs one test: below, above or is"),
    ("below", GONE, "gate hip-fracture-surgery: needs one test: below, above or is"),
    ("below", {"value": 14}, "gate hip-fracture-surgery: Object missing required field `unit`"),
    ("below", 14, "gate hip-fracture-surgery: Expected `object | null`, got `int`"),
    ("at_least", {"value": 14, "unit": "d"}, "gate hip-fracture-surgery: Object contains unknown field `at_least`"),
    ("then", "warn", "gate hip-fracture-surgery: Invalid enum value 'warn'"),
    ("basis", "opinion", "gate hip-fracture-surgery: Invalid enum value 'opinion'"),
    ("basis", GONE, "gate hip-fracture-surgery: Object missing required field `basis`"),
    ("listed", "loud", "gate hip-fracture-surgery: Invalid enum value 'loud'"),
    ("candidate", "loud", "gate hip-fracture-surgery: Invalid enum value 'loud'"),
    ("id", GONE, "Object missing required field `id`"),
    ("outcome", "surgery", "gate hip-fracture-surgery: surgery has no words"),
    ("asks", "surgery-date", "gate hip-fracture-surgery: surgery-date has no words"),
    ("outcome", "renal-block", f"{NAME}/gates: no row raises the outcome fracture-surgery-timing"),
    ("zh", GONE, f"{NAME}/gates: row hip-fracture-surgery: no sentence in zh"),
    ("en", "within 14 days", f"{NAME}/gates: row hip-fracture-surgery: en holds a digit outside a blank"),
    ("unknown", {"en": "when?"}, f"{NAME}/gates: row hip-fracture-surgery, unknown: no sentence in zh"),
]


@pytest.mark.parametrize(("member", "put", "said"), IN_A_ROW, ids=[f"{row[0]} {row[2]}" for row in IN_A_ROW])
def test_a_flaw_of_a_gate_is_named(member: str, put: Any, said: str, pages: Pages) -> None:
    pages.set("gates", "rows", pages.row_of("hip-fracture-surgery"), member, to=put)
    flaws = pages.flaws()
    assert any(said in flaw for flaw in flaws), flaws


@pytest.mark.parametrize(
    ("member", "put", "said"),
    [
        ("drug", "denosumap", "agent denosumab: denosumap is no known drug"),
        ("order", "denosumab_yearly", "agent denosumab: the order denosumab_yearly is not in orders/"),
        ("markets", ["uk"], "agent denosumab: Invalid enum value 'uk'"),
        ("where", GONE, "agent denosumab: Object missing required field `where`"),
        ("dose", 60, "agent denosumab: Object contains unknown field `dose`"),
        ("id", GONE, "agent in row 2: Object missing required field `id`"),
        ("zh", GONE, f"{NAME}/bone_modifying_agents: agent denosumab: no sentence in zh"),
    ],
)
def test_a_flaw_of_an_agent_is_named(member: str, put: Any, said: str, pages: Pages) -> None:
    at = pages.row_of("denosumab", "bone_modifying_agents", "agents")
    pages.set("bone_modifying_agents", "agents", at, member, to=put)
    flaws = pages.flaws()
    assert any(said in flaw for flaw in flaws), flaws


IN_THE_LOGIC: list[tuple[str, str, str, str]] = [
    ("lifestyle.py", "waist, woman", "weist, woman", "decide asks for weist, which is no fact"),
    ("lifestyle.py", "bmi_from, bmi_to", "bmi_at, bmi_to", "decide asks for bmi_at, which is no number here"),
    ("lifestyle.py", '"weight:keep"', '"weight:stay"', "decide names weight:stay, which has no words"),
    ("lifestyle.py", '"weight:keep"', '"weight:stay"', "outcome weight:keep is never decided"),
    ("risk_tier.py", 'return "H3b"', 'return "H3B"', "decide returns H3B, which has no rule"),
    ("risk_tier.py", 'return "H3b"', 'return "H3B"', "rule H3b is never decided"),
    ("lifestyle.py", "def decide", "def judge", "no decide() in lifestyle.py beside it"),
]


@pytest.mark.parametrize(("file", "old", "new", "said"), IN_THE_LOGIC)
def test_a_flaw_of_the_logic_is_named(file: str, old: str, new: str, said: str, pages: Pages) -> None:
    pages.rewrite(file, old, new)
    assert f"{NAME}/{file.removesuffix('.py')}: {said}" in pages.flaws()


def test_page_and_logic_come_in_pairs(pages: Pages) -> None:
    pages.path("lifestyle.py").unlink()
    pages.path("monitoring.yaml").unlink()
    flaws = pages.flaws()
    assert f"{NAME}/lifestyle: no decide() in lifestyle.py beside it" in flaws
    assert f"{NAME}/monitoring.py: logic without a page" in flaws


def test_an_empty_page_is_a_page_with_flaws(pages: Pages) -> None:
    pages.path("lifestyle.yaml").write_text("# to be written\n", "utf-8")
    assert f"{NAME}/lifestyle: title: no sentence in en" in pages.flaws()


@pytest.mark.parametrize(
    ("written", "complaint"), [("title: a\ntitle: b\n", "a key stands twice"), ("title: {\n", "while parsing")]
)
def test_a_page_that_is_no_yaml_is_named(written: str, complaint: str, pages: Pages) -> None:
    pages.path("lifestyle.yaml").write_text(written, "utf-8")
    with pytest.raises(ValueError, match=r"^lifestyle\.yaml: ") as caught:
        pages.load()
    assert complaint in str(caught.value)
    assert "line" in str(caught.value)


def test_two_assessments_are_one_too_many(pages: Pages) -> None:
    for suffix in (".yaml", ".py"):
        shutil.copy(pages.path(f"risk_tier{suffix}"), pages.path(f"second_tier{suffix}"))
    assert "needs one assessment, has risk_tier, second_tier" in pages.flaws()


def test_every_flaw_is_named_at_once(pages: Pages) -> None:
    pages.set("lifestyle", "outcomes", "lifestyle", "detail", "zh", to=GONE)
    pages.set("monitoring", "numbers", "dxa_after", "basis", to="habit")
    pages.set("gates", "rows", 0, "when", to="kidney")
    pages.set("gates", "rows", 1, "then", to="forbid")
    pages.rewrite("supplements.py", '"calcium-upper-limit"', '"calcium-limit"')
    pages.set("bone_modifying_agents", "agents", 0, "order", to="nothing")
    flaws = pages.flaws()
    for said in (
        "lifestyle, detail: no sentence in zh",
        "number dxa_after: Invalid enum value 'habit'",
        "gate kidney-zoledronic-acid: kidney is no known fact",
        "gate kidney-alendronate: Invalid enum value 'forbid'",
        "decide names calcium-limit, which has no words",
        "the order nothing is not in orders/",
    ):
        assert sum(said in flaw for flaw in flaws) == 1, said
    assert len(flaws) == len(set(flaws))


def test_the_service_does_not_start_on_a_flaw(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    pages.set("lifestyle", "kind", to="advice")
    monkeypatch.setattr(service.app, "load_rules", pages.load)
    with pytest.raises(Flawed, match="unknown kind advice"):
        create_app(Settings())
