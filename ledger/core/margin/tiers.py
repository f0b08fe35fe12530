"""The margin schedule of an instrument: what a notional requires, tier by tier.

    maintenance = max(0, up(rate * notional - amount))             of the tier
    initial     = up(notional * max(1 / leverage, initial rate))   of the tier

A notional that equals a cap belongs to the higher tier. The amounts make maintenance continuous
over the tiers (within one unit, which listing holds them to); initial margin jumps at a border.
Requirements round up, in favour of the clearing house. A notional is exact, as a fraction of the
settlement asset's smallest unit: numerator, and a positive denominator.

Source: docs/spec/margin.md.
"""

from typing import NamedTuple

from ledger.core.units import RATE_ONE, Fixed


class MarginTier(NamedTuple):
    """One step of the schedule, for a notional from the last step's cap up to its own.

    Attributes:
        notional_cap: Smallest units of the settlement asset; None: without end.
        initial_rate, maintenance_rate: In 10^-12, at most one.
        maintenance_amount: Smallest units; what keeps the maintenance margin continuous.
    """

    notional_cap: int | None
    initial_rate: int
    maintenance_rate: int
    maintenance_amount: int


def tier_of(tiers: tuple[MarginTier, ...], numerator: int, denominator: int) -> MarginTier:
    """The tier that a notional is in."""
    for tier in tiers:
        cap = tier.notional_cap
        if cap is None or numerator < cap * denominator:
            return tier
    message = "the last tier is open-ended"
    raise AssertionError(message)


def maintenance(tier: MarginTier, numerator: int, denominator: int) -> int:
    """Maintenance margin of a notional in this tier, up, never under zero."""
    scale = denominator * RATE_ONE
    required = numerator * tier.maintenance_rate - tier.maintenance_amount * scale
    return -(-required // scale) if required > 0 else 0


def initial(tier: MarginTier, leverage: Fixed | None, numerator: int, denominator: int) -> int:
    """Initial margin of a notional in this tier, up; without a leverage the tier's rate alone."""
    by_tier: int = -(-numerator * tier.initial_rate // (denominator * RATE_ONE))
    if leverage is None:
        return by_tier
    one: int = 10**leverage.scale
    by_choice: int = -(-numerator * one // (denominator * leverage.coefficient))
    return max(by_tier, by_choice)
