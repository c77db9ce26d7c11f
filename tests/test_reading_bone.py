"""Reading T-scores, densities, laboratory values and fractures, end to end, in each shape that was seen in the wild."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from tests.builder import Record
from tests.fhir_pieces import Json
from tests.front_door import ask

SITES = ("lumbar-spine", "spine", "total-hip", "femoral-neck", "femur", "distal-third-radius")
CODED_SITES = ("lumbar-spine", "spine", "total-hip", "femur")


def bare() -> Record:
    return Record().condition("breast-cancer")


def _tier(record: Record) -> str | None:
    return ask(record).tier_members.get("tier")


# -- T-scores ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(("site", "how"), list(product(SITES, ["code", "body-site", "body-site-text", "has-member"])))
def test_each_site_in_each_way_of_telling_it(site: str, how: str, lang: str) -> None:
    answer = ask(bare().t_score(site, -2.6, how=how, lang=lang))
    (fact,) = answer.used("t_score")
    assert (fact["site"], fact["value"], fact["unit"]) == (site, -2.6, "{T-score}")
    assert fact["date"] == "2026-09-20"
    assert answer.assessment["tierRule"] == "H2"


@pytest.mark.parametrize("site", CODED_SITES)
def test_a_component(site: str) -> None:
    (fact,) = ask(bare().t_score(site, -2.6, how="component")).used("t_score")
    assert (fact["site"], fact["value"]) == (site, -2.6)


@pytest.mark.parametrize(("site", "side"), list(product(("total-hip", "femur"), ("left", "right"))))
def test_left_and_right_are_one_site_and_the_lower_decides(site: str, side: str) -> None:
    other = "left" if side == "right" else "right"
    answer = ask(bare().t_score(site, -2.5, side=side).t_score(site, -0.5, side=other))
    assert answer.assessment["tierRule"] == "H2"
    assert {fact["site"] for fact in answer.facts("t_score")} == {site}


@pytest.mark.parametrize(
    "unit", ["{T-score}", "{T-Score}", "{Tscore}", "T-Score/1", "1", "T-score as text", None], ids=str
)
def test_each_unit_seen(unit: str | None) -> None:
    assert _tier(bare().t_score("lumbar-spine", -2.6, unit=unit)) == "high"


@pytest.mark.parametrize("unit", ["g/cm2", "{Zscore}", "%"])
def test_a_unit_that_is_none_of_a_t_score(unit: str) -> None:
    answer = ask(bare().t_score("lumbar-spine", -2.6, unit=unit))
    assert "tier" not in answer.assessment
    assert "data-quality" in answer.outcomes


@pytest.mark.parametrize("site", ["lumbar-spine", "total-hip", "femur", "forearm"])
def test_a_z_score_is_never_a_t_score(site: str) -> None:
    answer = ask(bare().z_score(site, -3.0).t_score("lumbar-spine", -0.5))
    assert answer.tier_members["tierRule"] == "L"
    assert answer.tier_members["atMost"] == "low"
    assert [fact["value"] for fact in answer.used("t_score")] == [-0.5]


def test_a_final_value_that_is_none_is_skipped_with_a_reason() -> None:
    answer = ask(bare().t_score("lumbar-spine", None))
    (fact,) = answer.facts("t_score")
    assert not fact["used"]
    assert fact["reason"]
    assert "tier" not in answer.assessment


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered"])
def test_a_status_that_does_not_count(status: str) -> None:
    assert _tier(bare().t_score("lumbar-spine", -2.6, status=status)) is None


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_a_status_that_counts(status: str) -> None:
    assert _tier(bare().t_score("lumbar-spine", -2.6, status=status)) == "high"


@pytest.mark.parametrize(
    "taken",
    [
        "2025",
        "2026-09",
        "2026-09-20",
        "2026-09-20T08:30:00+08:00",
        "2026-09-20T08:30:00.123456-08:00",
        "2026-09-20T00:00:00Z",
    ],
)
def test_a_date_of_any_precision(taken: str) -> None:
    assert _tier(bare().t_score("lumbar-spine", -0.5, taken)) == "low"


def test_a_year_that_may_be_too_old_holds_nothing_down() -> None:
    """2024 began before the 24 months and ended inside them."""
    members = ask(bare().t_score("lumbar-spine", -0.5, "2024")).tier_members
    assert "tier" not in members
    assert members["atMost"] == "high"


@pytest.mark.parametrize("period", [{"start": "2026-09-20"}, {"start": "2026-09-20", "end": "2026-09-21"}])
def test_a_period_in_place_of_a_date(period: Json) -> None:
    assert _tier(bare().t_score("lumbar-spine", -0.5, None, effectivePeriod=period)) == "low"


def test_many_decimals_are_compared_as_received() -> None:
    assert _tier(bare().t_score("lumbar-spine", -2.4999999999999996)) == "moderate"
    assert _tier(bare().t_score("lumbar-spine", -2.5458885935054747)) == "high"


def test_a_value_in_a_panel_and_alone_counts_once() -> None:
    answer = ask(bare().t_score("lumbar-spine", -2.6, how="has-member"))
    assert len(answer.facts("t_score")) == 1


# -- measured density --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "sd"), [("1.000", "0.120"), ("1.047", "0.110"), ("0.942", "0.122"), ("0.858", "0.120"), ("1.183", "0.133")]
)
@pytest.mark.parametrize(("t", "rule"), [("-0.99", "L"), ("-1", "L"), ("-1.01", "M2"), ("-2.49", "M2"), ("-2.5", "H2")])
def test_a_t_score_from_a_density_stands_where_its_decimals_put_it(mean: str, sd: str, t: str, rule: str) -> None:
    density = Decimal(mean) + Decimal(t) * Decimal(sd)
    record = bare().density("lumbar-spine", float(density), mean=float(mean), sd=float(sd))
    assert ask(record).assessment["tierRule"] == rule


@pytest.mark.parametrize("reference", [{}, {"mean": 1.0}, {"sd": 0.12}, {"mean": 1.0, "sd": 0}])
def test_a_density_without_its_reference_is_no_t_score(reference: dict[str, Any]) -> None:
    assert _tier(bare().density("lumbar-spine", 0.6, **reference)) is None


def test_a_density_in_a_unit_that_is_none() -> None:
    assert _tier(bare().density("femur", 0.6, mean=1.0, sd=0.12, unit="g/cm-2")) is None


# -- laboratory --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("creatinine", 88, "foo"),
        ("serum_calcium", 2.3, "mg"),
        ("vitamin_d_25oh", 80, "umol/L"),
        ("serum_calcium", 9.4, "g/L"),
    ],
)
def test_an_unknown_unit_is_said_and_never_guessed(name: str, value: float, unit: str) -> None:
    answer = ask(bare().t_score("lumbar-spine", -2.6).drug("letrozole").lab(name, value, unit))
    assert "data-quality" in answer.outcomes
    assert answer.used(name) == []
    assert "order-safety-labs" in answer.outcomes


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("serum_calcium", (2.0, "mmol/L"), (8.0156, "mg/dL")),
        ("vitamin_d_25oh", (49.92, "nmol/L"), (20, "ng/mL")),
        ("creatinine", (176.8, "umol/L"), (2.0, "mg/dL")),
    ],
)
def test_declared_units_mean_the_same(name: str, one: tuple[float, str], other: tuple[float, str]) -> None:
    def outcomes(told: tuple[float, str]) -> frozenset[str]:
        record = bare().t_score("lumbar-spine", -2.6).drug("letrozole").lab("weight", 60, "kg")
        return ask(record.lab(name, *told)).outcomes

    assert outcomes(one) == outcomes(other)


def test_a_converted_value_shows_what_was_recorded() -> None:
    (fact,) = ask(bare().t_score("lumbar-spine", -2.6).lab("serum_calcium", 9.4, "mg/dL")).used("serum_calcium")
    assert fact["unit"] == "mmol/L"
    assert fact["value"] == pytest.approx(2.3454, abs=1e-4)
    assert fact["asRecorded"] == {"value": 9.4, "unit": "mg/dL"}
