"""The second reading itself, against the cases that its source spells out."""

from __future__ import annotations

import pytest

from tests.second_reading import Known, Probability, Reading, read

below = Probability(2.99)
below_major = Probability(19.99)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (Known(t_fresh=-1.0), ("low", False, "low", "low", "L")),
        (Known(t_fresh=-1.01), ("moderate", True, "moderate", "high", "M2")),
        (
            Known(t_fresh=-1.01, frax_hip=below, frax_major=below_major),
            ("moderate", False, "moderate", "moderate", "M2"),
        ),
        (Known(t_fresh=-1.8, frax_hip=Probability(3.0)), ("high", False, "high", "high", "H3c")),
        (Known(t_fresh=-1.8, frax_major=Probability(20.0)), ("high", False, "high", "high", "H3d")),
        (Known(t_fresh=-1.8, frax_hip=Probability(3.0), age=91), ("moderate", True, "moderate", "high", "M2")),
        (Known(t_fresh=-1.8, frax_hip=Probability(2.0, fresh=False)), ("moderate", True, "moderate", "high", "M2")),
        (Known(t_fresh=-1.8, inhibitor="planned"), ("high", False, "high", "high", "H3a")),
        (Known(t_fresh=-1.0, inhibitor="current"), ("moderate", False, "moderate", "moderate", "M1")),
        (Known(t_fresh=-0.5, inhibitor="ended within 6 months"), ("moderate", True, "low", "moderate", "M1")),
        (Known(t_fresh=-0.5, inhibitor="ended within 12 months"), ("low", True, "low", "moderate", "L")),
        (Known(t_fresh=-0.5, inhibitor="past"), ("low", False, "low", "low", "L")),
        (Known(t_fresh=-0.5, t_unclear=-2.6), ("low", True, "low", "high", "L")),
        (Known(t_fresh=-2.6, t_unclear=-0.5), ("high", False, "high", "high", "H2")),
        (Known(t_unclear=-2.6), (None, True, "low", "high", "I")),
        (Known(t_old=-0.5), (None, True, "low", "high", "I")),
        (Known(t_old=-2.5), ("high", False, "high", "high", "H2")),
        (Known(t_old=-1.5, inhibitor="current"), ("high", False, "high", "high", "H3a")),
        (Known(t_fresh=-1.5, t_old=-2.5), ("high", False, "high", "high", "H2")),
        (Known(inhibitor="planned"), (None, True, "moderate", "high", "I")),
        (Known(hip_or_spine="fragility"), ("high", False, "high", "high", "H1")),
        (Known(t_fresh=0.5, hip_or_spine="unknown cause at 50 or older"), ("high", True, "low", "high", "H1")),
        (Known(t_fresh=0.5, hip_or_spine="unknown cause, age unknown"), ("low", True, "low", "high", "L")),
        (Known(t_fresh=0.5, other_site="fragility"), ("low", False, "low", "low", "L")),
        (Known(t_fresh=-1.5, other_site="fragility"), ("high", False, "high", "high", "H3b")),
        (
            Known(t_fresh=-1.5, other_site="unknown cause at 50 or older", frax_hip=below, frax_major=below_major),
            ("moderate", True, "moderate", "high", "M2"),
        ),
    ],
)
def test_a_case_that_the_source_spells_out(known: Known, expected: tuple[object, ...]) -> None:
    assert read(known) == Reading(*expected)  # type: ignore[arg-type]  # the table above holds the right words
