"""A liquidation carried out again: what is taken next, how much of it, at what value.

The account is worked on as it goes, from the statement of the liquidation. Every figure is in
natural units; `share` and `penalty` are rounded to the scale of the settlement asset.

    share   = down(equity * maintenance(q) / maintenance)     all equity for all of the last
              position, or where nothing is required; never under -down(|q * V(mark)|)
    penalty = min(share, up(penalty_rate * |q * V(mark)|))
    value   = down(q * V(mark)) - penalty
"""

from fractions import Fraction
from typing import NamedTuple

from ledger.audit.explanation.account import ZERO, Holding, MarginAccount
from ledger.audit.explanation.arithmetic import Figure, down, half_even, implied_price, up


class Terms(NamedTuple):
    """Of the pool."""

    mode: str
    penalty_rate: Figure
    buffer: Figure


class Taken(NamedTuple):
    """The figures of one takeover."""

    quantity: Figure
    value_at_mark: Figure
    maintenance: Figure
    is_last: bool
    share: Figure
    penalty: Figure
    value: Figure
    takeover_price: Figure | None
    bankruptcy_price: Figure | None


def next_holding(account: MarginAccount, terms: Terms) -> Holding | None:
    """The position that is taken next; None when the liquidation takes no more."""
    if terms.mode == "partial" and account.equity() >= account.maintenance() * (1 + terms.buffer):
        return None
    return account.largest()


def takeover(account: MarginAccount, held: Holding, quantity: Figure, terms: Terms) -> Taken:
    """What taking `quantity` (signed) over would be."""
    scale = account.scale
    worth, notional = held.worth(quantity), held.notional(quantity)
    required, total = held.maintenance(scale, quantity), account.maintenance()
    is_last = len(account.holdings) == 1 and quantity == held.quantity
    equity = account.equity()
    share = equity if is_last or not total else down(equity * required / total, scale)
    share = max(share, -down(notional, scale))
    penalty = min(share, up(terms.penalty_rate * notional, scale))
    at_mark = down(worth, scale)
    value = at_mark - penalty

    def price(of: Figure) -> Figure | None:
        return implied_price(held.type, held.multiplier, quantity, of, held.price_scale)

    return Taken(
        quantity,
        at_mark,
        required,
        is_last,
        share,
        penalty,
        value,
        price(value),
        price(worth - share),
    )


def after(
    account: MarginAccount, held: Holding, quantity: Figure, terms: Terms
) -> tuple[Figure, Figure]:
    """Equity and maintenance once `quantity` (signed) would have been taken."""
    taken = takeover(account, held, quantity, terms)
    left = held.quantity - quantity
    scale = account.scale
    equity = account.equity() + taken.value
    equity += down(held.worth(left), scale) - down(held.worth(), scale)
    kept = held.maintenance(scale, left) if left else ZERO
    return equity, account.maintenance() - held.maintenance(scale) + kept


def restores(account: MarginAccount, held: Holding, quantity: Figure, terms: Terms) -> bool:
    """Taking `quantity` brings equity to maintenance * (1 + buffer)."""
    equity, required = after(account, held, quantity, terms)
    return equity >= required * (1 + terms.buffer)


def quantity_taken(account: MarginAccount, held: Holding, terms: Terms) -> Figure:
    """All of the position in a full liquidation; else by bisection in its smallest units."""
    if terms.mode == "full" or not restores(account, held, held.quantity, terms):
        return held.quantity
    unit = Fraction(1 if held.quantity > 0 else -1, 10**held.quantity_scale)
    low, high = 1, int(held.quantity / unit)
    while low < high:
        middle = (low + high) // 2
        if restores(account, held, middle * unit, terms):
            high = middle
        else:
            low = middle + 1
    return low * unit


def realize(account: MarginAccount, held: Holding, taken: Taken, *, isolated: bool) -> Figure:
    """Let the takeover happen; returns the realized profit or loss."""
    whole = taken.quantity == held.quantity
    part = taken.quantity / held.quantity
    released = held.cost if whole else half_even(held.cost * part, account.scale)
    realized = taken.value + released
    account.balance += realized
    account.let_go(held.instrument)
    if not whole:
        held.quantity -= taken.quantity
        held.cost -= released
        account.hold(held)
    elif isolated and account.balance > 0:
        account.balance = ZERO
    return realized
