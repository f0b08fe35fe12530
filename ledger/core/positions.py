"""How a position changes hands, as double entry: contracts, cost, realized P&L, isolated margin.

`variation` is the cost of the open position: minus the signed value at which it was entered. A
change of `n` contracts for `cash` posts `n` to `position` and `cash` to `variation` (a buyer's cash
is negative). The part that reduces a position of `q` releases cost and realizes:

    released = variation * closed / |q|       half-even; all of it when the position ends
    realized = closing cash + released        moves from variation to the owner's cash

A change through zero is a close, then an open that takes the rest of the cash.

Worked example (linear, no decimals). Long 10 bought at 100: position 10, variation -1000. Selling 4
at 120: cash +480, released = -1000 * 4/10 = -400, realized = 480 - 400 = 80; variation is then
-1000 + 480 - 80 = -600, which is the cost of the 6 left at 100.

The cash of a participant is its `wallet`, of an isolated position its `isolated`; the house's is
`suspense`; what `@liquidation` gains or loses is the insurance fund's.

An isolated position is a margin account of its own: an increase brings the initial margin of the
added part from the wallet, as far as the cross account has free collateral; when it is flat, what
is left there goes back. A loss beyond its margin stays with it, for the fund to make whole.
"""

from typing import Final, final

from ledger.core.accounts import (
    HOUSE,
    ISOLATED,
    LIQUIDATION,
    POSITION,
    SUSPENSE,
    VARIATION,
    WALLET,
)
from ledger.core.defaults.fund import Cause, receive
from ledger.core.instruments import Terms
from ledger.core.margin.statements import margin_account, statement
from ledger.core.margin.tiers import initial, tier_of
from ledger.core.outcome import Purpose
from ledger.core.state import State
from ledger.core.units import Fixed, half_even

CLOSE_OUT: Final = Cause("close_out")
"""Of a change that moves the insurance fund only as the close-out of inventory."""


@final
class Change:
    """A change of a position. No tuple: compiled, a trade is decided in 0.4 us less.

    Attributes:
        quantity: Signed, in smallest units; bought positive.
        cash: What the owner's variation receives: `-quantity * V(price)`, rounded once for both
            sides of a trade.
        price: Smallest units; None where the cash is no price's (a takeover).
        purpose: Of the contract and cost postings; realized P&L has its own.
        cause: Why, should it move the insurance fund.
    """

    __slots__ = ("cash", "cause", "price", "purpose", "quantity")

    def __init__(
        self,
        quantity: int,
        cash: int,
        price: int | None,
        purpose: Purpose,
        cause: Cause = CLOSE_OUT,
    ) -> None:
        """Nothing is posted by this."""
        self.quantity = quantity
        self.cash = cash
        self.price = price
        self.purpose = purpose
        self.cause = cause


def cash_account(state: State, owner: str, instrument: str) -> int:
    """Where the cash of a position goes: `wallet`, `isolated`; of `@house`, `suspense`."""
    asset = state.settlement
    if state.modes and margin_account(state, owner, instrument)[1]:
        return state.journal.account(owner, ISOLATED, instrument, asset.asset, asset.scale)
    kind = SUSPENSE if owner == HOUSE else WALLET
    return state.journal.account(owner, kind, None, asset.asset, asset.scale)


def pay(
    state: State, owner: str, instrument: str, amount: int, purpose: Purpose, cause: Cause
) -> None:
    """Post cash of a position to whom it belongs; zero makes no posting."""
    if owner == LIQUIDATION:
        receive(state, amount, purpose, cause)
    elif amount:
        state.journal.post(cash_account(state, owner, instrument), amount, purpose)


def change_position(state: State, terms: Terms, owner: str, change: Change) -> int:
    """Post a change of a position with all that follows from it.

    Returns:
        The realized profit (positive) or loss, smallest units of the settlement asset.
    """
    journal, asset, instrument = state.journal, state.settlement, terms.instrument
    quantity, cash, purpose = change.quantity, change.cash, change.purpose
    position = journal.account(owner, POSITION, instrument, None, terms.quantity_scale)
    variation = journal.number(owner, VARIATION, instrument, asset.asset)
    held, cost = journal.balances[position], journal.balances[variation]
    journal.post(position, quantity, purpose)
    if cash:
        if not variation:
            variation = journal.account(owner, VARIATION, instrument, asset.asset, asset.scale)
        journal.post(variation, cash, purpose)
    realized = 0
    if held and (held > 0) != (quantity > 0):
        realized = realized_pnl(terms, held, cost, change)
        if realized:
            if not variation:
                variation = journal.account(owner, VARIATION, instrument, asset.asset, asset.scale)
            journal.post(variation, -realized, Purpose.REALIZED)
            pay(state, owner, instrument, realized, Purpose.REALIZED, change.cause)
    if state.borne:
        forget_borne(state, owner, instrument, quantity)
    if state.modes:
        _settle_isolated(state, terms, owner, held, change)
    return realized


def realized_pnl(terms: Terms, held: int, cost: int, change: Change) -> int:
    """Profit (positive) or loss of the part of `held` that a change of opposite sign closes.

    Rounding: released cost half-even, all of it when the position ends; the closing part of a
    change through zero is valued half-even, by its price, or without one by its part of the cash.
    Both favour nobody, and nothing is lost: what is not realized stays in the cost of what is left
    open.
    """
    size, changed = abs(held), abs(change.quantity)
    if changed < size:
        return change.cash + half_even(cost * changed, size)
    if changed == size:
        return change.cash + cost
    if change.price is None:
        return half_even(change.cash * size, changed) + cost
    return terms.value(held, change.price) + cost


def forget_borne(state: State, owner: str, instrument: str, change: int) -> None:
    """Forget what a position has borne when a change, just posted, made it flat or another one."""
    now = state.journal.balance(owner, POSITION, instrument, None)
    if now * (now - change) <= 0:
        state.drop(state.borne, (owner, instrument))


def return_isolated(state: State, owner: str, instrument: str) -> None:
    """Move what a flat isolated position has left to the wallet."""
    journal, asset = state.journal, state.settlement
    left = journal.balance(owner, ISOLATED, instrument, asset.asset)
    if left > 0:
        move_margin(state, owner, instrument, -left)


def _settle_isolated(state: State, terms: Terms, owner: str, held: int, change: Change) -> None:
    """Bring margin for an increase, and let it go when the position is flat."""
    if margin_account(state, owner, terms.instrument)[1] is None:
        return
    after = held + change.quantity
    if not after or (held and (held > 0) != (after > 0)):
        return_isolated(state, owner, terms.instrument)
    if not after or (after > 0) != (change.quantity > 0) or change.price is None:
        return
    added = min(abs(change.quantity), abs(after))
    signed, denominator = terms.value_fraction(added, change.price)
    notional = abs(signed)
    leverage = state.modes[owner, terms.instrument].leverage
    tier = tier_of(terms.tiers, notional, denominator)
    required = initial(tier, leverage, notional, denominator)
    moved = min(required, max(0, statement(state, owner, None).free_collateral))
    if moved:
        move_margin(state, owner, terms.instrument, moved)
    if moved < required:
        scale = state.settlement.scale
        body: dict[str, object] = {
            "instrument": terms.instrument,
            "required": Fixed(required, scale),
            "moved": Fixed(moved, scale),
            "missing": Fixed(required - moved, scale),
        }
        state.journal.record("isolated_shortfall", owner, body)


def move_margin(state: State, owner: str, instrument: str, amount: int) -> None:
    """Move cash into an isolated position (positive) or back to the wallet."""
    journal, asset = state.journal, state.settlement
    wallet = journal.account(owner, WALLET, None, asset.asset, asset.scale)
    isolated = journal.account(owner, ISOLATED, instrument, asset.asset, asset.scale)
    journal.post(wallet, -amount, Purpose.MARGIN)
    journal.post(isolated, amount, Purpose.MARGIN)
