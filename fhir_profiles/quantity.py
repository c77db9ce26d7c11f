"""A number with a UCUM unit; converts only what a data file declares.

An unknown unit is never guessed: `Conversion.read` answers None and the reader says why. Conversion
is exact (fractions of the decimal as written), so a value stands on the same side of a limit in
either unit.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import copysign, inf, isfinite

from fhir_profiles.resources import Quantity

__all__ = ["Conversion", "ratio", "times", "unit_of"]


def unit_of(quantity: Quantity) -> str | None:
    """The unit as coded, else as printed; None when the quantity has neither."""
    return quantity.code or quantity.unit or None


@cache
def ratio(text: str) -> tuple[int, int]:
    """A factor as a data file writes it, a decimal or a ratio of decimals ("10/40.078"), in whole numbers."""
    numerator, _, denominator = text.partition("/")
    return (Fraction(numerator) / Fraction(denominator or "1")).as_integer_ratio()


def times(value: float, factor: tuple[int, int]) -> float:
    """The product with a ratio, exact but for the last rounding; infinite beyond all floats."""
    numerator, denominator = Decimal(repr(value)).as_integer_ratio()
    try:
        return numerator * factor[0] / (denominator * factor[1])  # a division of integers is rounded once
    except OverflowError:
        return copysign(inf, value)


class Conversion:
    """What one fact accepts: its canonical UCUM unit, and the factor of each further unit.

    `factors` maps a unit to a decimal or a ratio of decimals ("10/40.078"): canonical = value x factor.
    A unit of None in `factors` (written `none` in the data file) accepts a number without unit.
    """

    def __init__(self, unit: str, factors: Mapping[str, str | int | float]) -> None:
        self.unit = unit
        self._factors: dict[str, tuple[int, int]] = {unit: (1, 1)}
        for name, factor in factors.items():
            self._factors[name] = ratio(str(factor))

    def read(self, quantity: Quantity) -> float | None:
        """The value in the canonical unit (infinite beyond all floats), or None where number or unit cannot be used."""
        if quantity.value is None or not isfinite(quantity.value):
            return None
        factor = self._factors.get(unit_of(quantity) or "none")
        if factor is None:
            return None
        if factor == (1, 1):
            return quantity.value
        return times(quantity.value, factor)
