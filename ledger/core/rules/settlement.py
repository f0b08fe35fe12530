"""Periodic settlement and expiry: variation is paid out, and at expiry the contracts go too.

Price `s` first becomes the mark, and what follows from that is done (accounts may be liquidated).
Then every holder of `q` contracts is settled, by id:

    settlement   variation -> cash account: variation + v,  v = q * V(s) half-even; cost becomes -v
    expiry       position -q; variation + v; then all of variation -> cash account

`v` is rounded per position, so at expiry the sum over the holders may be off zero by some units;
what it leaves is posted to `rounding`. An expired instrument takes no more events.

Source: docs/spec/settlement-and-expiry.md.
"""

from ledger.core import events
from ledger.core.accounts import HOUSE, ROUNDING, VARIATION, AccountKey
from ledger.core.checks import in_units, live_instrument, out_of_band
from ledger.core.defaults.fund import Cause
from ledger.core.defaults.inventory import ended_unclosed, inventory_liquidation, inventory_of
from ledger.core.marks import set_mark
from ledger.core.outcome import Purpose, Rejection
from ledger.core.positions import pay, return_isolated
from ledger.core.state import State


def set_price(
    state: State, fact: events.Settlement | events.Expiry, source: str
) -> Rejection | None:
    """Let the price be the mark, before anything is paid."""
    terms = live_instrument(state, fact.instrument)
    if isinstance(terms, Rejection):
        return terms
    price = in_units(fact.price, terms.price_scale, "price")
    if isinstance(price, Rejection):
        return price
    refusal = out_of_band(state, terms, price)
    if refusal is None:
        set_mark(state, terms, price, source)
    return refusal


def settle(state: State, instrument: str) -> None:
    """Pay out the variation of every open position at the mark; the positions stay."""
    journal, asset, terms = state.journal, state.settlement, state.instruments[instrument]
    price = state.marks[instrument].price
    cause = Cause("settlement", inventory_liquidation(state, instrument), instrument)
    for owner, position in sorted(journal.holders.get(instrument, {}).items()):
        variation = AccountKey(owner, VARIATION, instrument, asset.asset)
        value = terms.value(journal.balances[position], price)
        gain = journal.balance(*variation) + value
        journal.post_to(variation, asset.scale, -gain, Purpose.SETTLEMENT)
        pay(state, owner, instrument, gain, Purpose.SETTLEMENT, cause)


def expire(state: State, instrument: str) -> None:
    """Close every open position at the mark; the instrument ends."""
    journal, asset, terms = state.journal, state.settlement, state.instruments[instrument]
    price = state.marks[instrument].price
    cause = Cause("expiry", inventory_liquidation(state, instrument), instrument)
    inventory, cost = inventory_of(state, instrument)
    left = 0
    for owner, position in sorted(journal.holders.get(instrument, {}).items()):
        variation = AccountKey(owner, VARIATION, instrument, asset.asset)
        held = journal.balances[position]
        value = terms.value(held, price)
        journal.post(position, -held, Purpose.EXPIRY)
        journal.post_to(variation, asset.scale, value, Purpose.EXPIRY)
        gain = journal.balance(*variation)
        journal.post_to(variation, asset.scale, -gain, Purpose.REALIZED)
        pay(state, owner, instrument, gain, Purpose.REALIZED, cause)
        return_isolated(state, owner, instrument)
        state.drop(state.borne, (owner, instrument))
        left -= value
    if left:
        rounding = journal.account(HOUSE, ROUNDING, None, asset.asset, asset.scale)
        journal.post(rounding, left, Purpose.ROUNDING)
    if inventory:
        ended_unclosed(state, instrument, inventory, cost, "expiry")
    state.drop(state.suspects, instrument)
    state.put(state.instruments, instrument, terms._replace(is_expired=True))
