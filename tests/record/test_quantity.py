"""Numbers are converted as the decimals that were written, and rounded once."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fhir_profiles.quantity import ratio, times

FACTORS = ("1", "10", "0.001", "88.42", "10/40.078", "1/3")


# Of few places; of many; of more digits than a float tells apart; at the edge between the two.
FEW = (0.0, -0.0, 9.4, -2.5, 2.675, 0.0001, 98765.4321, 99999999999.9999)
MANY = (0.00001, 1e-7, 1.00005, 0.1 + 0.2, 5e-324)
LARGE = (1e11, 100000000000.0001, 123456789012345.6, 12345678901234567.0, 1e22, 1.7976931348623157e308)


@pytest.mark.parametrize("value", [*FEW, *MANY, *LARGE])
@pytest.mark.parametrize("factor", FACTORS)
def test_a_product_is_that_of_the_decimals_as_written(value: float, factor: str) -> None:
    exact = Fraction(repr(value)) * Fraction(*ratio(factor))
    try:
        expected = float(exact)
    except OverflowError:
        expected = float("inf")
    assert times(value, ratio(factor)) == expected
