"""How a position changes hands, as double entry: contracts, cost, and realized P&L.

`variation` is the cost of the open position: minus the signed value at which it was entered. A
change of `n` contracts for `cash` posts `n` to `position` and `cash` to `variation` (a buyer's cash
is negative). The part that reduces a position of `q` releases cost and realizes:

    released = variation * closed / |q|       half-even; all of it when the position ends
    realized = closing cash + released        moves from variation to the owner's cash account

A change through zero is a close, then an open that takes the rest of the cash.

Worked example (linear, no decimals). Long 10 bought at 100: position 10, variation -1000. Selling 4
at 120: cash +480, released = -1000 * 4/10 = -400, realized = 480 - 400 = 80; variation is then
-1000 + 480 - 80 = -600, which is the cost of the 6 left at 100.
"""

from ledger.core.accounts import HOUSE, POSITION, SUSPENSE, VARIATION, WALLET
from ledger.core.instruments import Terms
from ledger.core.outcome import Purpose
from ledger.core.state import State
from ledger.core.units import half_even


def cash_account(state: State, owner: str) -> int:
    """Where realized P&L, funding and settlement go: `wallet`; of `@house`, `suspense`."""
    asset = state.settlement
    kind = SUSPENSE if owner == HOUSE else WALLET
    return state.journal.account(owner, kind, None, asset.asset, asset.scale)


def change_position(
    state: State, terms: Terms, owner: str, quantity: int, price: int, cash: int, purpose: Purpose
) -> None:
    """Post a change of `quantity` contracts at `price` for `cash`.

    Args:
        state: The pool.
        terms: Of the instrument.
        owner: Whose position changes.
        quantity: Signed, in smallest units; bought positive.
        price: Smallest units, positive.
        cash: What the owner's variation receives: `-quantity * V(price)`, rounded once for both
            sides of a trade.
        purpose: Of the contract and cost postings; realized P&L has its own.
    """
    journal = state.journal
    asset = state.settlement
    position = journal.account(owner, POSITION, terms.instrument, None, terms.quantity_scale)
    variation = journal.account(owner, VARIATION, terms.instrument, asset.asset, asset.scale)
    held = journal.balances[position]
    cost = journal.balances[variation]
    journal.post(position, quantity, purpose)
    journal.post(variation, cash, purpose)
    if held and (held > 0) != (quantity > 0):
        realized = realized_pnl(terms, held, cost, quantity, price, cash)
        if realized:
            journal.post(variation, -realized, Purpose.REALIZED)
            journal.post(cash_account(state, owner), realized, Purpose.REALIZED)


def realized_pnl(terms: Terms, held: int, cost: int, quantity: int, price: int, cash: int) -> int:
    """Profit (positive) or loss of the part of `held` that `quantity`, of opposite sign, closes.

    Rounding: released cost half-even, all of it when the position ends; the closing part of a
    change through zero is valued half-even. Both favour nobody, and nothing is lost: what is not
    realized stays in the cost of what is left open.
    """
    size, change = abs(held), abs(quantity)
    if change < size:
        return cash + half_even(cost * change, size)
    if change == size:
        return cash + cost
    return terms.value(held, price) + cost
