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


_ONE = (1, 1)
_FOUR_PLACES = 10_000
_FIFTEEN_DIGITS = 1e11  # with the four places behind them


def times(value: float, factor: tuple[int, int]) -> float:
    """The product with a ratio, exact but for the last rounding; infinite beyond all floats."""
    numerator, denominator = _as_written(value)
    try:
        return numerator * factor[0] / (denominator * factor[1])  # a division of integers is rounded once
    except OverflowError:
        return copysign(inf, value)


def _as_written(value: float) -> tuple[int, int]:
    """The decimal that a number was written as, as a ratio of whole numbers."""
    if abs(value) < _FIFTEEN_DIGITS:
        # No two decimals of at most fifteen digits are the same float, so one that is this float is the one written.
        whole = round(value * _FOUR_PLACES)
        if whole / _FOUR_PLACES == value:
            return whole, _FOUR_PLACES
    return Decimal(repr(value)).as_integer_ratio()


class Conversion:
    """What one fact accepts: its canonical UCUM unit, and the factor of each further unit.

    `factors` maps a unit to a decimal or a ratio of decimals ("10/40.078"): canonical = value x factor.
    A unit of None in `factors` (written `none` in the data file) accepts a number without unit.
    """

    def __init__(self, unit: str, factors: Mapping[str, str | int | float]) -> None:
        self.unit = unit
        self._factors: dict[str, tuple[int, int]] = {unit: _ONE}
        for name, factor in factors.items():
            self._factors[name] = ratio(str(factor))

    def read(self, quantity: Quantity) -> float | None:
        """The value in the canonical unit (infinite beyond all floats), or None where number or unit cannot be used."""
        value = quantity.value
        if value is None or not isfinite(value):
            return None
        factor = self._factors.get(unit_of(quantity) or "none")
        if factor is None:
            return None
        return value if factor == _ONE else times(value, factor)
