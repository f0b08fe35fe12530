"""What moves a margin account: each position and each collateral asset, within a range of prices.

An exposure holds the range `[low, high]` of its price (None: without end) and two bounds on what it
contributes to `equity - requirement` anywhere in that range:

    floor     at the adverse end, with the requirement of the highest tier that the range reaches
    ceiling   at the favourable end, with the requirement of the lowest tier

Values rise with the price for a long and fall for a short, linear and inverse alike; the notional
rises with the price of a linear contract and falls with that of an inverse one. With rates of at
most one, what a position adds to `equity - maintenance` never falls as its value rises.

At the initial border, where nearly every account is, the floor is a line in the size of the
position: one contract unit at the adverse end is worth `w`, and requires no more than `r * |w|` in
any size of the tier or below (rates never fall, amounts are never negative):

    floor = cost + size * (w - r * |w|)         `slope`, in 2^-64 of a unit, down

so that a trade moves it by one multiplication (0.4 us; 3.5 us by tiers).
"""

from typing import TYPE_CHECKING, Final, NamedTuple, final

from ledger.core.instruments import Terms
from ledger.core.margin.statements import MarginAccount, Position, Statement
from ledger.core.margin.tiers import MarginTier, initial, maintenance, tier_of
from ledger.core.units import RATE_ONE, Fixed, up

if TYPE_CHECKING:  # the state holds the watch
    from ledger.core.state import State
    from ledger.core.watch.ends import RangeEnds
    from ledger.core.watch.guarded import Guarded

ROUNDING: Final = 2
"""Smallest units by which a value down and a requirement up may differ between two prices."""

SLACK: Final = 8
"""Smallest units an exposure that rounding, and borders off by one, may cost."""

SHIFT: Final = 64
"""Binary places of a slope."""


@final
class Border:
    """The borders that an account is watched for; there are three kinds of them.

    Attributes:
        is_initial: The lower border is the initial margin; else the maintenance margin.
        has_lower, has_upper: Whether reaching it from above, from below, means anything.
    """

    __slots__ = ("has_lower", "has_upper", "is_initial")

    def __init__(self, *, is_initial: bool, has_lower: bool, has_upper: bool) -> None:
        """See the attributes."""
        self.is_initial = is_initial
        self.has_lower = has_lower
        self.has_upper = has_upper

    def is_provable(self, found: Statement) -> bool:
        """The account is on the right side of both."""
        if self.is_initial:
            return found.equity >= found.initial and found.equity >= found.maintenance
        under = self.has_lower and found.equity < found.maintenance
        return found.equity < found.initial and not under

    def required(self, found: Statement) -> int:
        """The requirement at the lower border."""
        if not self.is_initial:
            return found.maintenance
        total = 0
        for part in found.positions:
            total += max(part.initial, part.maintenance)
        return total


UNCALLED: Final = Border(is_initial=True, has_lower=True, has_upper=False)
"""Of an account without a margin call."""

CALLED: Final = Border(is_initial=False, has_lower=True, has_upper=True)
"""Of an account with a margin call."""

CALLED_ONLY: Final = Border(is_initial=False, has_lower=False, has_upper=True)
"""Of an account with a margin call, in a pool that liquidates nobody."""


def border_of(state: "State", account: MarginAccount) -> Border:
    """What matters to an account."""
    if account not in state.calls:
        return UNCALLED
    return CALLED if state.terms.liquidation != "off" else CALLED_ONLY


@final
class Exposure:
    """A position or an asset of a margin account, in its range.

    Attributes:
        guarded: Of the margin account.
        ends: Those of its price, its own among them.
        low, high: Smallest units of price, inclusive; None: without end.
        floor, ceiling: See the module; the cost of a position is in them.
        serial: Of its entries among the range ends; 0 while it has none.
        is_long: It gains when its price rises.
        is_restless: Any price of its own must be looked at.
        position, variation: Numbers of the accounts of a position; 0 where nothing was ever posted.
        slope: What a contract unit adds to the floor, 2^-64 of a unit; None: it is no line.
        size_max: Contract units up to which the slope holds; None: any number.
        held: What is followed of a position whose floor is no line; else None.
    """

    __slots__ = (
        "ceiling",
        "ends",
        "floor",
        "guarded",
        "held",
        "high",
        "is_long",
        "is_restless",
        "low",
        "position",
        "serial",
        "size_max",
        "slope",
        "variation",
    )

    def __init__(self, guarded: "Guarded", ends: "RangeEnds") -> None:
        """Without a range yet."""
        self.guarded = guarded
        self.ends = ends
        self.low: int | None = None
        self.high: int | None = None
        self.is_long = True
        self.is_restless = False
        self.floor = 0
        self.ceiling = 0
        self.serial = 0
        self.position = 0
        self.variation = 0
        self.slope: int | None = None
        self.size_max: int | None = None
        self.held: Held | None = None

    def take_no_range(self, *, is_long: bool) -> None:
        """Any price of its own must be looked at, until it is given a range."""
        self.is_long, self.is_restless = is_long, True
        self.low = self.high = self.slope = self.size_max = self.held = None
        self.floor = self.ceiling = 0

    def take_range(self, low: int | None, high: int | None, *, is_long: bool) -> None:
        """Have a range, and no bounds on what it contributes yet."""
        self.take_no_range(is_long=is_long)
        self.is_restless = False
        self.low, self.high = low, high

    def follow(self, balances: list[int]) -> bool:
        """Re-compute the bounds after a posting; False where the range can no longer stand."""
        quantity = balances[self.position]
        if not quantity or (quantity > 0) != self.is_long or not self.variation:
            return False
        if self.slope is not None:
            size = quantity if quantity > 0 else -quantity
            if self.size_max is not None and size > self.size_max:
                return False
            self.floor = balances[self.variation] + (size * self.slope >> SHIFT) - ROUNDING
            return True
        if self.held is None:
            return False
        self.floor, self.ceiling = self.held.bounds(quantity, balances[self.variation])
        return True


class Held(NamedTuple):
    """A position in its range, of an account with a margin call: its bounds follow the tiers.

    Attributes:
        terms, leverage: As they were when the range was set; whatever changes them has the account
            examined.
        grows: Its notional grows with its value.
        worst: What one contract unit is worth at the adverse end: numerator, positive denominator.
        best: The same at the favourable end; None where there is no end.
    """

    terms: Terms
    leverage: Fixed | None
    grows: bool
    worst: tuple[int, int]
    best: tuple[int, int] | None

    def bounds(self, quantity: int, cost: int) -> tuple[int, int]:
        """Floor over the maintenance margin, and ceiling over the initial margin."""
        tiers = self.terms.tiers
        unit, scale = self.worst
        signed = quantity * unit
        worst_tier = tier_of(tiers, abs(signed), scale)
        required = maintenance(worst_tier, abs(signed), scale)
        floor = cost + signed // scale - required - ROUNDING
        unit, scale = self.best or (0, 1)
        signed = quantity * unit
        lowest = worst_tier if self.grows else tier_of(tiers, abs(signed), scale)
        spared = initial(lowest, self.leverage, abs(signed), scale)
        return floor, cost + signed // scale - spared + ROUNDING


def slope_of(
    position: Position, worst: tuple[int, int], best: tuple[int, int] | None, *, grows: bool
) -> tuple[int, int | None]:
    """Slope and `size_max` of a position at the initial border, see the module."""
    tiers = position.terms.tiers
    # The requirement is highest in the tier of the largest notional of the range.
    most = best if grows else worst
    size = abs(position.quantity)
    tier = tiers[-1] if most is None else tier_of(tiers, size * abs(most[0]), most[1])
    size_max = None
    if most is not None and most[0] and tier.notional_cap is not None:
        size_max = (tier.notional_cap * most[1] - 1) // abs(most[0])
    rate = highest_rate(tier, position.leverage)
    unit, scale = worst
    left = (RATE_ONE if grows else -RATE_ONE) - rate
    return (abs(unit) * left << SHIFT) // (scale * RATE_ONE), size_max


def highest_rate(tier: MarginTier, leverage: Fixed | None) -> int:
    """The most that a notional in this tier or below may require of itself, in 10^-12, up."""
    rate = max(tier.initial_rate, tier.maintenance_rate)
    if leverage is None:
        return rate
    return max(rate, up(RATE_ONE * 10**leverage.scale, leverage.coefficient))
