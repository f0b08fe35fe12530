"""What moves a margin account: each position and each collateral asset, within a range of prices.

An exposure holds the range `[low, high]` of its price (None: without end) and two bounds on what it
contributes to `equity - requirement` anywhere in that range:

    floor     at the adverse end, with the requirement of the highest tier that the range reaches
    ceiling   at the favourable end, with the requirement of the lowest tier

Values rise with the price for a long and fall for a short, linear and inverse alike; the notional
rises with the price of a linear contract and falls with that of an inverse one. With rates of at
most one, what a position adds to `equity - maintenance` never falls as its value rises.
"""

from typing import TYPE_CHECKING, NamedTuple

from ledger.core.accounts import VARIATION
from ledger.core.instruments import Terms
from ledger.core.margin.collateral import collateral_fraction
from ledger.core.margin.statements import Collateral, Position, Statement
from ledger.core.margin.tiers import initial, maintenance, tier_of
from ledger.core.units import RATE_ONE, Fixed, down, up

if TYPE_CHECKING:  # the state holds the watch
    from ledger.core.state import State

ROUNDING = 2
"""Smallest units by which a value down and a requirement up may differ between two prices."""

SLACK = 8
"""Smallest units an exposure that rounding, and borders off by one, may cost."""


class Border(NamedTuple):
    """The borders that an account is watched for.

    Attributes:
        is_initial: The lower border is the initial margin; else the maintenance margin.
        has_lower, has_upper: Whether reaching it from above, from below, means anything.
        is_provable: The account is on the right side of both.
    """

    is_initial: bool
    has_lower: bool
    has_upper: bool
    is_provable: bool

    @classmethod
    def of(cls, state: "State", found: Statement) -> "Border":
        """What matters to an account as it was found."""
        liquidates = state.terms.liquidation != "off"
        if found.key not in state.calls:
            sound = found.equity >= found.initial and found.equity >= found.maintenance
            return cls(is_initial=True, has_lower=True, has_upper=False, is_provable=sound)
        under = liquidates and found.equity < found.maintenance
        return cls(
            is_initial=False,
            has_lower=liquidates,
            has_upper=True,
            is_provable=found.equity < found.initial and not under,
        )

    def required(self, found: Statement) -> int:
        """The requirement at the lower border."""
        if not self.is_initial:
            return found.maintenance
        return sum(max(part.initial, part.maintenance) for part in found.positions)


class Exposure:
    """A position or an asset of a margin account, in its range.

    Attributes:
        low, high: Smallest units of price, inclusive; None: without end.
        floor, ceiling: See the module; the cost of a position is in them.
        serial: Of its entries among the range ends; 0 while it has none.
        is_long: It gains when its price rises.
        is_restless: Any price of its own must be looked at.
        held: What is followed of a position; None for an asset, or without a mark.
    """

    __slots__ = ("ceiling", "floor", "held", "high", "is_long", "is_restless", "low", "serial")

    def __init__(
        self, *, low: int | None, high: int | None, is_long: bool, held: "Held | None" = None
    ) -> None:
        """A range without bounds on what it contributes yet."""
        self.low = low
        self.high = high
        self.is_long = is_long
        self.held = held
        self.floor = 0
        self.ceiling = 0
        self.serial = 0
        self.is_restless = False

    def follow(self, balances: list[int], border: Border) -> bool:
        """Re-compute the bounds after a posting; False where the range can no longer stand."""
        held = self.held
        if held is None or not held.variation:
            return False
        quantity = balances[held.position]
        if not quantity or (quantity > 0) != self.is_long:
            return False
        self.bound(held, quantity, balances[held.variation], border)
        return True

    def bound(self, held: "Held", quantity: int, cost: int, border: Border) -> None:
        """Set floor and ceiling for a position."""
        tiers = held.terms.tiers
        unit, scale = held.worst
        signed = quantity * unit
        notional = signed if signed > 0 else -signed
        worst_tier = tier_of(tiers, notional, scale)
        required = maintenance(worst_tier, notional, scale)
        if border.is_initial:
            highest = worst_tier
            if held.grows and len(tiers) > 1:
                highest = tiers[-1]
                if held.best is not None:
                    highest = tier_of(tiers, abs(quantity * held.best[0]), held.best[1])
            required = max(required, initial(highest, held.leverage, notional, scale))
        self.floor = cost + signed // scale - required - ROUNDING
        if border.has_upper:
            unit, scale = held.best or (0, 1)
            signed = quantity * unit
            notional = abs(signed)
            lowest = worst_tier if held.grows else tier_of(tiers, notional, scale)
            spared = initial(lowest, held.leverage, notional, scale)
            self.ceiling = cost + signed // scale - spared + ROUNDING


class Held(NamedTuple):
    """What is followed of a position while its range stands.

    Attributes:
        terms, leverage: As they were when the range was set; whatever changes them has the account
            examined.
        position, variation: Numbers of its accounts; 0 where nothing was ever posted.
        grows: Its notional grows with its value.
        worst: What one contract unit is worth at the adverse end: numerator, positive denominator.
        best: The same at the favourable end; None where there is no end.
    """

    terms: Terms
    leverage: Fixed | None
    position: int
    variation: int
    grows: bool
    worst: tuple[int, int]
    best: tuple[int, int] | None


def position_range(
    state: "State", owner: str, position: Position, border: Border, buffer: int, room: int
) -> Exposure:
    """The range in which a position costs at most `buffer`, and brings at most `room`.

    Where there is none of either, the range ends at the mark.
    """
    is_long, mark, terms = position.quantity > 0, position.mark, position.terms
    if mark is None:
        found = Exposure(low=None, high=None, is_long=is_long)
        found.is_restless = True
        return found
    grows = is_long != terms.is_inverse
    adverse = _adverse(position, border, max(0, buffer), grows=grows)
    favourable = _favourable(position, border, max(0, room), grows=grows)
    low, high = (adverse, favourable) if is_long else (favourable, adverse)
    found = Exposure(
        low=None if low is None else min(mark, up(*low)),
        high=None if high is None else max(mark, down(*high)),
        is_long=is_long,
    )
    worst, best = (found.low, found.high) if is_long else (found.high, found.low)
    found.held = held = Held(
        terms,
        position.leverage,
        state.journal.positions_of[owner][terms.instrument],
        state.journal.number(owner, VARIATION, terms.instrument, state.settlement.asset),
        grows,
        _unit(terms, worst) or (0, 1),
        _unit(terms, best),
    )
    found.bound(held, position.quantity, position.cost, border)
    return found


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


def asset_range(state: "State", held: Collateral, buffer: int, room: int) -> Exposure:
    """The range in which a collateral asset costs at most `buffer`, and brings at most `room`."""
    is_long = held.balance > 0
    found = Exposure(low=None, high=None, is_long=is_long)
    if held.price is None:
        found.is_restless = True
        return found
    size = abs(held.value) + 1
    adverse, favourable = held.price * buffer // size, held.price * room // size
    if is_long:
        found.low = min(held.price, held.price - max(0, adverse))
        found.high = held.price + max(0, favourable)
    else:
        found.high = held.price + max(0, adverse)
        found.low = min(held.price, held.price - max(0, favourable))
    worst, best = (found.low, found.high) if is_long else (found.high, found.low)
    found.floor = _collateral_at(state, held, worst) - ROUNDING
    found.ceiling = _collateral_at(state, held, best) + ROUNDING
    return found


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
    rate = max(position.tier.initial_rate, position.tier.maintenance_rate)
    if position.leverage is None:
        return rate
    chosen = up(RATE_ONE * 10**position.leverage.scale, position.leverage.coefficient)
    return max(rate, chosen)


def _floor_of(position: Position) -> int:
    """The notional at which the position's tier begins."""
    floor = 0
    for tier in position.terms.tiers:
        if tier is position.tier or tier == position.tier:
            return floor
        floor = tier.notional_cap or floor
    return floor
