"""The liquidation price of a position: where its account would meet its maintenance margin.

The root of the unrounded equation `equity = maintenance` in this one mark, everything else held
still, the tiers followed. In the notional `n` of the position, with `K` all that does not depend on
it (collateral, own cost, the other positions' gains less their requirements):

    value +n (linear long, inverse short)     K + n - M(n) = 0
    value -n (linear short, inverse long)     K - n - M(n) = 0       M(n) = max(0, rate*n - amount)

The first never falls and the second always falls as `n` grows (where tiers are off their border by
a unit: but for that unit), so there is one root at most. From `n` follows the price, half-even to
the price scale; none where that is not positive, or no notional answers.

Source: docs/spec/margin.md.
"""

from fractions import Fraction

from ledger.core.margin.collateral import collateral_fraction
from ledger.core.margin.statements import Position, Statement, margin_account, statement
from ledger.core.margin.tiers import MarginTier
from ledger.core.state import State
from ledger.core.units import RATE_ONE, half_even


def liquidation_price(state: State, account: str, instrument: str) -> int | None:
    """Of a participant's open position, in smallest units of price; None where there is none."""
    found = statement(state, *margin_account(state, account, instrument))
    for held in found.positions:
        if held.instrument == instrument:
            return None if held.mark is None else _root_price(state, found, held)
    return None


def _root_price(state: State, found: Statement, held: Position) -> int | None:
    rest = Fraction(found.balance) + held.cost
    for asset in found.assets:
        if asset.price is not None:
            terms = asset.asset
            rest += Fraction(
                *collateral_fraction(
                    asset.balance, asset.price, terms.haircut, terms.scale, state.settlement.scale
                )
            )
    for other in found.positions:
        if other is not held and other.mark is not None:
            notional = Fraction(other.numerator, other.denominator)
            required = _required(other.tier, notional)
            rest += other.cost + other.exact_value - required
    gains = (held.quantity > 0) != held.terms.is_inverse
    notional_at = _root(held.terms.tiers, rest, 1 if gains else -1)
    return None if notional_at is None else _price(held, notional_at)


def _required(tier: MarginTier, notional: Fraction) -> Fraction:
    rate = Fraction(tier.maintenance_rate, RATE_ONE)
    return max(Fraction(0), rate * notional - tier.maintenance_amount)


def _segments(
    tiers: tuple[MarginTier, ...],
) -> list[tuple[Fraction, Fraction | None, Fraction, int]]:
    """Where maintenance is one straight line: (from, to, rate, amount), in order."""
    found: list[tuple[Fraction, Fraction | None, Fraction, int]] = []
    start = Fraction(0)
    for tier in tiers:
        cap = None if tier.notional_cap is None else Fraction(tier.notional_cap)
        rate = Fraction(tier.maintenance_rate, RATE_ONE)
        if rate * start < tier.maintenance_amount:  # nothing is required up to where it is zero
            zero = Fraction(tier.maintenance_amount, rate) if rate else None
            if zero is None or (cap is not None and zero >= cap):
                found.append((start, cap, Fraction(0), 0))
                start = start if cap is None else cap
                continue
            found.append((start, zero, Fraction(0), 0))
            start = zero
        found.append((start, cap, rate, tier.maintenance_amount))
        start = start if cap is None else cap
    return found


def _root(tiers: tuple[MarginTier, ...], rest: Fraction, sign: int) -> Fraction | None:
    """The notional at which `rest + sign * n - M(n)` is zero; None where it never is.

    Coming from health: the highest notional with a shortfall below it where value rises with the
    notional, the lowest with one above it where it falls. They differ only where maintenance jumps
    up at a border, by the one unit that a schedule may be off.
    """
    segments = _segments(tiers)
    for start, end, rate, amount in segments if sign < 0 else reversed(segments):
        constant, slope = rest + amount, sign - rate
        root = Fraction(-constant, slope) if slope else None
        if sign < 0:
            if root is not None and (end is None or root < end):
                return max(root, start)
        elif constant + slope * start < 0:
            return end if root is None or (end is not None and end < root) else root
    return None


def _price(held: Position, notional: Fraction) -> int | None:
    if notional <= 0:
        return None
    terms, size = held.terms, abs(held.quantity)
    if terms.is_inverse:
        price = Fraction(size * terms.value_numerator, terms.value_denominator * notional)
    else:
        price = Fraction(notional * terms.value_denominator, size * terms.value_numerator)
    rounded = half_even(price.numerator, price.denominator)
    return rounded if rounded > 0 else None
