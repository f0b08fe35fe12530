"""What an instrument's contracts are worth, linear and inverse alike.

`V(p)`, the value of one whole contract at price `p` in the settlement asset:

    linear    multiplier * p
    inverse   -multiplier / p

Everything else is written in `V`: a long position of `n` costs `n * V(p)` and gains when `V` rises;
for an inverse contract `V` is negative and rises with the price, so the same signs hold.

Worked example (inverse, multiplier 100 USD, settled in BTC with 8 decimals): 3 contracts at 60,000
are worth 3 * -100 / 60000 = -0.005 BTC = -500,000 smallest units.
"""

from fractions import Fraction
from typing import NamedTuple

from ledger.core.margin.tiers import MarginTier
from ledger.core.units import Fixed, Microseconds, half_even


class Terms(NamedTuple):
    """An instrument as the rules use it.

    Attributes:
        instrument: Its id.
        is_inverse: Worth `-multiplier / p` instead of `multiplier * p`.
        multiplier: Of one whole contract.
        price_scale, quantity_scale: Decimals of its prices and quantities.
        value_numerator, value_denominator: Constants of `value_fraction`, in lowest terms.
        expiry: When it is due, microseconds; None for a perpetual.
        tiers: Margin schedule, by ascending notional.
        price_band, price_max_age, price_confirmations: Of the price guard.
        is_expired: It takes no more events.
    """

    instrument: str
    is_inverse: bool
    multiplier: Fixed
    price_scale: int
    quantity_scale: int
    value_numerator: int
    value_denominator: int
    expiry: Microseconds | None
    tiers: tuple[MarginTier, ...]
    price_band: Fixed | None
    price_max_age: int | None
    price_confirmations: int
    is_expired: bool

    def value_fraction(self, quantity: int, price: int) -> tuple[int, int]:
        """`quantity * V(price)`, exact, as (numerator, positive denominator).

        Args:
            quantity: Smallest units of quantity, any sign.
            price: Smallest units of price, positive.

        Returns:
            A fraction of the settlement asset's smallest unit.
        """
        if self.is_inverse:
            return -quantity * self.value_numerator, self.value_denominator * price
        return quantity * price * self.value_numerator, self.value_denominator

    def value(self, quantity: int, price: int) -> int:
        """`quantity * V(price)` in smallest units of the settlement asset, half-even."""
        if self.is_inverse:
            return half_even(-quantity * self.value_numerator, self.value_denominator * price)
        return half_even(quantity * price * self.value_numerator, self.value_denominator)

    def implied_price(self, quantity: int, value: Fraction) -> int | None:
        """The price at which `quantity` contracts are worth `value`, half-even to the price scale.

        None where no positive price gives that value.
        """
        if not value or not quantity:
            return None
        exact, parts = value.numerator, value.denominator
        if self.is_inverse:
            numerator = -quantity * self.value_numerator * parts
            denominator = self.value_denominator * exact
        else:
            numerator = exact * self.value_denominator
            denominator = parts * quantity * self.value_numerator
        if denominator < 0:
            numerator, denominator = -numerator, -denominator
        rounded = half_even(numerator, denominator)
        return rounded if rounded > 0 else None


def value_constants(
    *, is_inverse: bool, multiplier: Fixed, price_scale: int, quantity_scale: int, asset_scale: int
) -> tuple[int, int]:
    """The scale factor between `quantity * price` in smallest units and the settlement asset's.

    linear:  multiplier * 10^asset / 10^(price + quantity)
    inverse: multiplier * 10^(asset + price) / 10^quantity
    """
    numerator = multiplier.coefficient * 10**asset_scale
    denominator = 10 ** (multiplier.scale + quantity_scale)
    if is_inverse:
        numerator *= 10**price_scale
    else:
        denominator *= 10**price_scale
    return Fraction(numerator, denominator).as_integer_ratio()
