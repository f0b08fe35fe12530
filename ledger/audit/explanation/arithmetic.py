"""The auditor's own arithmetic: exact fractions in natural units, rounded where the rules say so.

Written from the specification (docs/spec), not from the core, and it imports nothing of the core:
two hands that agree prove more than one. The core counts smallest units in whole numbers; here a
figure is a `Fraction` of whole units, and its scale comes in only where it is rounded.

    V(p)   what one whole contract is worth at price p: linear multiplier * p, inverse -multiplier/p
"""

from fractions import Fraction
from functools import lru_cache
from typing import Any

Figure = Fraction
"""An exact number in natural units."""


def number(text: object) -> Figure:
    """A decimal string (or a whole number) as it stands in a record.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(text, str):
        return _read(text)
    if isinstance(text, int) and not isinstance(text, bool):
        return Fraction(text)
    message = f"expected a decimal string, found {text!r}"
    raise ValueError(message)


@lru_cache(maxsize=2**16)
def _read(text: str) -> Figure:
    return Fraction(text)


def decimal(figure: Figure, scale: int | None = None) -> str:
    """The figure as a decimal: exact where it ends, else to 18 places, half-even.

    Args:
        figure: To be shown.
        scale: Decimals to show at least.
    """
    places = 18
    units = round(figure * 10**places)
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), 10**places)
    ending = f"{part:018}".rstrip("0").ljust(scale or 0, "0")
    return f"{sign}{whole}.{ending}" if ending else f"{sign}{whole}"


def down(figure: Figure, scale: int) -> Figure:
    """Towards minus infinity."""
    return Fraction((figure * 10**scale).__floor__(), 10**scale)


def up(figure: Figure, scale: int) -> Figure:
    """Towards plus infinity."""
    return Fraction((figure * 10**scale).__ceil__(), 10**scale)


def half_even(figure: Figure, scale: int) -> Figure:
    """To the nearest; a tie to the even one."""
    return Fraction(round(figure * 10**scale), 10**scale)


def contract_value(type_: str, multiplier: Figure, price: Figure) -> Figure:
    """`V(price)`."""
    return multiplier * price if type_ == "linear" else -multiplier / price


def implied_price(
    type_: str, multiplier: Figure, quantity: Figure, value: Figure, scale: int
) -> Figure | None:
    """The price at which `quantity` contracts are worth `value`; None where none is positive."""
    if not value or not quantity:
        return None
    one = value / quantity
    price = half_even(one / multiplier if type_ == "linear" else -multiplier / one, scale)
    return price if price > 0 else None


def tier_number(tiers: list[dict[str, Any]], notional: Figure) -> int:
    """Place of the tier that a notional is in; a border belongs to the higher one."""
    for place, tier in enumerate(tiers):
        if tier["notional_cap"] is None or notional < number(tier["notional_cap"]):
            return place
    message = f"no tier takes a notional of {decimal(notional)}"
    raise ValueError(message)


def maintenance(tier: dict[str, Any], notional: Figure, scale: int) -> Figure:
    """`max(0, up(rate * notional - amount))` of a tier."""
    required = number(tier["maintenance_rate"]) * notional - number(tier["maintenance_amount"])
    return up(max(Fraction(0), required), scale)


def initial(tier: dict[str, Any], leverage: str | None, notional: Figure, scale: int) -> Figure:
    """`up(notional * max(1/leverage, initial rate))` of a tier."""
    rate = number(tier["initial_rate"])
    if leverage is not None:
        rate = max(rate, 1 / number(leverage))
    return up(notional * rate, scale)
