"""Dose and interval of an order where route or dose is not told in a way that a vignette can write."""

from math import nan

import pytest

from service.rules import load_rules

DECIDE = next(section for section in load_rules().per_order if section.stem == "order_dose").decide

INTRAVENOUS = "dose-error:ibandronate-intravenous"
TABLET = "dose-error:ibandronate-tablet"
UNKNOWN = "dose-error:interval-unknown"


@pytest.mark.parametrize(
    ("drug", "route", "dose", "interval_days", "in_hand", "expected"),
    [
        # Into a vein: every three months of 28 days at the most, whichever of the two strengths.
        ("ibandronate", "iv", 3, 83, True, [INTRAVENOUS]),
        ("ibandronate", "iv", 3, 84, True, []),
        ("ibandronate", "iv", 2, 83, True, [INTRAVENOUS]),
        ("ibandronate", "iv", 2, 84, True, []),
        ("ibandronate", "iv", 2, 28, False, [INTRAVENOUS]),
        # No tablet holds 2 mg or 3 mg: without a route it is the injection. By mouth it is not.
        ("ibandronate", "", 3, 28, True, [INTRAVENOUS]),
        ("ibandronate", "oral", 3, 1, True, []),
        ("ibandronate", "", 2.5, 1, True, []),
        # The oncology doses into a vein, 4 mg in China and 6 mg elsewhere, are every three to four weeks.
        ("ibandronate", "iv", 4, 28, True, []),
        ("ibandronate", "iv", 6, 28, True, []),
        ("ibandronate", "iv", nan, 28, True, []),
        # By mouth or not told.
        ("ibandronate", "", 150, 7, True, [TABLET]),
        ("ibandronate", "", 150, nan, True, [UNKNOWN]),
        ("ibandronate", "", 150, nan, False, []),
        ("ibandronate", "", nan, 1, True, []),
        ("ibandronate", "iv", 3, nan, True, [UNKNOWN]),
        # A combination is judged by its bisphosphonate.
        ("alendronate_d3_5600", "oral", 70, 1, True, ["dose-error:alendronate"]),
        ("risedronate_calcium_d3", "oral", 35, 1, True, ["dose-error:risedronate-weekly"]),
        ("ibandronate_d3", "oral", 150, 7, True, [TABLET]),
        # What is too short at any dose is so at an unknown one; what depends on the dose is not.
        ("zoledronic_acid", "iv", nan, 20, True, ["dose-error:zoledronic-acid"]),
        ("zoledronic_acid", "iv", nan, 28, True, []),
        ("denosumab", "sc", nan, 27, True, ["dose-error:denosumab-oncology"]),
        ("denosumab", "sc", nan, 28, True, []),
        ("zoledronic_acid", "iv", nan, nan, True, [UNKNOWN]),
        ("zoledronic_acid", "iv", nan, nan, False, []),
        # Other drugs are none of this page's business.
        ("letrozole", "oral", 2.5, nan, True, []),
        ("pamidronate", "iv", 90, 1, True, []),
    ],
)
def test_what_is_said_of_an_order(
    drug: str, route: str, dose: float, interval_days: float, in_hand: bool, expected: list[str]
) -> None:
    assert DECIDE is not None
    assert list(DECIDE(drug, route, dose, interval_days, in_hand)) == expected
