"""Arithmetic on figures of the books: exact, or it fails; what is shortened says so by its name."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation, Overflow

EXACT = Context(prec=1_000, traps=[Inexact, InvalidOperation, Overflow])
"""What would lose a digit fails. A sum over a pool has some 60 digits at the most."""

_SHORT = Context(prec=1_000, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, Overflow])


def added(values: Iterable[Decimal]) -> Decimal:
    """Their sum; zero of none."""
    total = Decimal(0)
    for value in values:
        total = EXACT.add(total, value)
    return total


def shortened(value: Decimal, places: int) -> Decimal:
    """Half-even to so many decimals, however large it is."""
    return _SHORT.quantize(value, Decimal(1).scaleb(-places))
