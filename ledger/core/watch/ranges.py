"""The ranges of prices that exposures are given: how far a price may go for a part of the buffer.

A position's range ends where it has cost its share of what the account has over its border, and not
beyond its tier where the requirement would change; an asset's where it has lost its share of worth.
"""

from typing import TYPE_CHECKING

from ledger.core.instruments import Terms
from ledger.core.margin.collateral import collateral_fraction
from ledger.core.margin.statements import Collateral, Position
from ledger.core.units import RATE_ONE, down, up
from ledger.core.watch.exposures import (
    ROUNDING,
    SHIFT,
    Border,
    Exposure,
    Held,
    highest_rate,
    slope_of,
)

if TYPE_CHECKING:  # the state holds the watch
    from ledger.core.state import State


def range_position(
    exposure: Exposure, position: Position, border: Border, buffer: int, room: int
) -> None:
    """Give the range in which a position costs at most `buffer`, and brings at most `room`.

    Where there is none of either, the range ends at the mark.
    """
    is_long, mark, terms = position.quantity > 0, position.mark, position.terms
    if mark is None:
        exposure.take_no_range(is_long=is_long)
        return
    grows = is_long != terms.is_inverse
    adverse = _adverse(position, border, max(0, buffer), grows=grows)
    favourable = _favourable(position, border, max(0, room), grows=grows)
    low, high = (adverse, favourable) if is_long else (favourable, adverse)
    lowest = None if low is None else min(mark, up(*low))
    highest = None if high is None else max(mark, down(*high))
    exposure.take_range(lowest, highest, is_long=is_long)
    worst = _unit(terms, lowest if is_long else highest) or (0, 1)
    best = _unit(terms, highest if is_long else lowest)
    if border.is_initial:
        slope, exposure.size_max = slope_of(position, worst, best, grows=grows)
        exposure.slope = slope
        exposure.floor = position.cost + (abs(position.quantity) * slope >> SHIFT) - ROUNDING
    else:
        exposure.held = Held(terms, position.leverage, grows, worst, best)
        exposure.floor, exposure.ceiling = exposure.held.bounds(position.quantity, position.cost)


def _adverse(
    position: Position, border: Border, buffer: int, *, grows: bool
) -> tuple[int, int] | None:
    """The end of the range at which the position has cost `buffer`; not beyond its tier."""
    n, d = position.numerator, position.denominator
    rate, cost = _rate(position, is_initial=border.is_initial), buffer * d * RATE_ONE
    found = None
    if grows:
        least = n * (RATE_ONE - rate) - cost
        if border.has_lower and least > 0 and rate < RATE_ONE:
            found = _price(position, least, d * (RATE_ONE - rate))
        if not border.is_initial:
            found = _not_below_tier(position, found)
    elif border.has_lower:
        found = _price(position, n * (RATE_ONE + rate) + cost, d * (RATE_ONE + rate))
        found = _not_above_tier(position, found)
    return found


def _favourable(
    position: Position, border: Border, room: int, *, grows: bool
) -> tuple[int, int] | None:
    """The end of the range at which the position has brought `room`; not beyond its tier."""
    found = None
    if border.has_upper:
        n, d = position.numerator, position.denominator
        rate, gain = _rate(position, is_initial=True), room * d * RATE_ONE
        if grows:
            left = max(1, RATE_ONE - rate)
            found = _price(position, n * left + gain, d * left)
        else:
            most = n * (RATE_ONE + rate) - gain
            if most > 0:
                found = _price(position, most, d * (RATE_ONE + rate))
            found = _not_below_tier(position, found)
    if grows and (border.has_upper or border.is_initial):
        found = _not_above_tier(position, found)
    return found


def _not_above_tier(position: Position, found: tuple[int, int] | None) -> tuple[int, int] | None:
    """The nearer of a price and the one just before the position's notional leaves its tier."""
    cap = position.tier.notional_cap
    if cap is None:
        return found
    return _nearer(position, found, _price(position, cap * RATE_ONE - 1, RATE_ONE))


def _not_below_tier(position: Position, found: tuple[int, int] | None) -> tuple[int, int] | None:
    """The nearer of a price and the one at which the position's tier begins."""
    floor = _floor_of(position)
    return _nearer(position, found, _price(position, floor, 1)) if floor else found


def range_asset(
    exposure: Exposure, state: "State", held: Collateral, buffer: int, room: int
) -> None:
    """Give the range in which an asset costs at most `buffer`, and brings at most `room`."""
    is_long = held.balance > 0
    if held.price is None:
        exposure.take_no_range(is_long=is_long)
        return
    size = abs(held.value) + 1
    adverse = max(0, held.price * buffer // size)
    favourable = max(0, held.price * room // size)
    low = held.price - (adverse if is_long else favourable)
    high = held.price + (favourable if is_long else adverse)
    exposure.take_range(low, high, is_long=is_long)
    worst, best = (low, high) if is_long else (high, low)
    exposure.floor = _collateral_at(state, held, worst) - ROUNDING
    exposure.ceiling = _collateral_at(state, held, best) + ROUNDING


def _collateral_at(state: "State", held: Collateral, price: int) -> int:
    """What the balance counts at a price, rounded down."""
    terms = held.asset
    fraction = collateral_fraction(
        held.balance, max(0, price), terms.haircut, terms.scale, state.settlement.scale
    )
    return down(*fraction)


def _unit(terms: Terms, price: int | None) -> tuple[int, int] | None:
    """What one contract unit is worth at a price; None where there is no such price."""
    return None if price is None or price <= 0 else terms.value_fraction(1, price)


def _price(position: Position, numerator: int, denominator: int) -> tuple[int, int]:
    """The price at which the position would have this notional, as a fraction."""
    terms, size = position.terms, abs(position.quantity)
    if terms.is_inverse:
        return size * terms.value_numerator * denominator, terms.value_denominator * numerator
    return numerator * terms.value_denominator, denominator * size * terms.value_numerator


def _nearer(
    position: Position, first: tuple[int, int] | None, second: tuple[int, int]
) -> tuple[int, int]:
    """Of two prices on the same side of the mark, the nearer one."""
    if first is None:
        return second
    is_above = second[0] > (position.mark or 0) * second[1]
    return first if (first[0] * second[1] < second[0] * first[1]) == is_above else second


def _rate(position: Position, *, is_initial: bool) -> int:
    """The margin rate that holds for the position now, in 10^-12, up."""
    if not is_initial:
        return position.tier.maintenance_rate
    return highest_rate(position.tier, position.leverage)


def _floor_of(position: Position) -> int:
    """The notional at which the position's tier begins."""
    floor = 0
    for tier in position.terms.tiers:
        if tier is position.tier or tier == position.tier:
            return floor
        floor = tier.notional_cap or floor
    return floor
