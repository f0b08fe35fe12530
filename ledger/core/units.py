"""Whole numbers with a scale, and the few ways they are ever rounded.

Rules of this file:

* Every amount, price and quantity in the core is an `int` of its smallest unit.
* Nothing is rounded silently: a number with more decimals than its scale allows is refused.
* A fraction is a numerator and a *positive* denominator, both whole; it is rounded once.
"""

from typing import Final, NamedTuple, NewType

Microseconds = NewType("Microseconds", int)
"""Time: microseconds since 1970-01-01T00:00:00Z."""

BALANCE_BOUND: Final = 10**36
"""Every balance stays strictly between minus and plus this many smallest units."""

RATE_SCALE: Final = 12
"""Decimals of a rate: of funding, a haircut, a margin requirement."""

RATE_ONE: Final = 10**RATE_SCALE
"""A rate of one."""

ASSET_PRICE_SCALE: Final = 18
"""Decimals of a collateral asset's price."""

SCALE_MAX: Final = 18
"""The largest number of decimals of an asset, a price or a quantity."""

POWERS_OF_TEN: Final[tuple[int, ...]] = tuple(10**exponent for exponent in range(SCALE_MAX + 1))
"""What a shift between two scales multiplies by."""


class Fixed(NamedTuple):
    """A decimal as it was written: `coefficient / 10**scale`, without trailing zeros.

    Two decimals of equal value are equal tuples.
    """

    coefficient: int
    scale: int


ZERO = Fixed(0, 0)


def half_even(numerator: int, denominator: int) -> int:
    """The nearest whole number; a tie goes to the even one. Favours nobody.

    Args:
        numerator: Any sign.
        denominator: Positive.
    """
    quotient = numerator // denominator
    twice = 2 * (numerator - quotient * denominator)
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def down(numerator: int, denominator: int) -> int:
    """The largest whole number not above the fraction (towards minus infinity)."""
    return numerator // denominator


def up(numerator: int, denominator: int) -> int:
    """The smallest whole number not below the fraction (towards plus infinity)."""
    return -(-numerator // denominator)
