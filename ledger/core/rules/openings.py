"""Opening entries: balances and positions taken over from another system.

    opening_balance     wallet +a            custody -a                   a is signed
    opening_position    position +q          @house position -q           q is signed
                        variation -q*V(p)    @house variation +q*V(p)

The house's side is flat again when everything is loaded; what rounding or uneven entry prices leave
on its variation then moves to `suspense`. An opening against an open position of the other sign
reduces it like a trade, and realizes.
"""

from ledger.core import events
from ledger.core.accounts import (
    CUSTODY,
    HOUSE,
    POSITION,
    SUSPENSE,
    VARIATION,
    WALLET,
    AccountKey,
)
from ledger.core.checks import (
    asset_terms,
    first_of,
    in_units,
    live_instrument,
    unknown_account,
    unpriced_debt,
)
from ledger.core.instruments import Terms
from ledger.core.marks import stand_in
from ledger.core.outcome import Purpose, Rejection
from ledger.core.positions import Change, change_position
from ledger.core.state import State


def opening_balance(state: State, fact: events.OpeningBalance) -> Rejection | None:
    """Take a wallet over; the amount may be negative."""
    terms = asset_terms(state, fact.asset)
    if isinstance(terms, Rejection):
        return terms
    refusal = unknown_account(state, fact.account)
    if refusal is not None:
        return refusal
    amount = in_units(fact.amount, terms.scale, "amount")
    if isinstance(amount, Rejection):
        return amount
    refusal = unpriced_debt(state, terms, fact.account, amount)
    if refusal is not None:
        return refusal
    journal = state.journal
    custody = journal.account(HOUSE, CUSTODY, None, terms.asset, terms.scale)
    wallet = journal.account(fact.account, WALLET, None, terms.asset, terms.scale)
    journal.post(custody, -amount, Purpose.OPENING)
    journal.post(wallet, amount, Purpose.OPENING)
    return None


def opening_position(state: State, fact: events.OpeningPosition) -> Rejection | None:
    """Take a position over at its entry price; the quantity is signed."""
    terms = live_instrument(state, fact.instrument)
    if isinstance(terms, Rejection):
        return terms
    refusal = unknown_account(state, fact.account)
    if refusal is not None:
        return refusal
    quantity = in_units(fact.quantity, terms.quantity_scale, "quantity")
    price = in_units(fact.entry_price, terms.price_scale, "entry_price")
    if isinstance(quantity, Rejection) or isinstance(price, Rejection):
        return first_of((quantity, price))
    cost = terms.value(quantity, price)
    opened = Change(quantity, -cost, price, Purpose.OPENING)
    change_position(state, terms, fact.account, opened)
    _against_house(state, terms, -quantity, cost)
    stand_in(state, fact.instrument, fact.entry_price, "opening")
    return None


def _against_house(state: State, terms: Terms, quantity: int, cash: int) -> None:
    journal, asset = state.journal, state.settlement
    position = journal.account(HOUSE, POSITION, terms.instrument, None, terms.quantity_scale)
    variation = AccountKey(HOUSE, VARIATION, terms.instrument, asset.asset)
    journal.post(position, quantity, Purpose.OPENING)
    journal.post_to(variation, asset.scale, cash, Purpose.OPENING)
    left = journal.balance(*variation)
    if left and not journal.balances[position]:
        suspense = AccountKey(HOUSE, SUSPENSE, None, asset.asset)
        journal.post_to(variation, asset.scale, -left, Purpose.OPENING)
        journal.post_to(suspense, asset.scale, left, Purpose.OPENING)
