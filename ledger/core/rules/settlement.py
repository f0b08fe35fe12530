"""Periodic settlement and expiry: variation is paid out, and at expiry the contracts go too.

At price `s`, which first becomes the mark, every holder of `q` contracts is settled, by id:

    settlement   variation -> cash account: variation + v,  v = q * V(s) half-even; cost becomes -v
    expiry       position -q; variation + v; then all of variation -> cash account

`v` is rounded per position, so at expiry the sum over the holders may be off zero by some units;
what it leaves is posted to `rounding`. An expired instrument takes no more events.

Source: docs/spec/settlement-and-expiry.md.
"""

from ledger.core import events
from ledger.core.accounts import HOUSE, ROUNDING, VARIATION
from ledger.core.checks import in_units, live_instrument
from ledger.core.instruments import Terms
from ledger.core.marks import set_mark
from ledger.core.outcome import Purpose, Rejection
from ledger.core.positions import cash_account
from ledger.core.state import State


def settlement(state: State, fact: events.Settlement) -> Rejection | None:
    """Pay out the variation of every open position; the positions stay."""
    found = _price(state, fact)
    if isinstance(found, Rejection):
        return found
    terms, price = found
    journal = state.journal
    for owner, position in sorted(journal.holders.get(terms.instrument, {}).items()):
        variation = _variation(state, terms, owner)
        value = terms.value(journal.balances[position], price)
        gain = journal.balances[variation] + value
        journal.post(variation, -gain, Purpose.SETTLEMENT)
        journal.post(cash_account(state, owner), gain, Purpose.SETTLEMENT)
    set_mark(state, terms, price, "settlement")
    return None


def expiry(state: State, fact: events.Expiry) -> Rejection | None:
    """Close every open position at the final price; the instrument ends."""
    found = _price(state, fact)
    if isinstance(found, Rejection):
        return found
    terms, price = found
    journal = state.journal
    left = 0
    for owner, position in sorted(journal.holders.get(terms.instrument, {}).items()):
        variation = _variation(state, terms, owner)
        held = journal.balances[position]
        value = terms.value(held, price)
        journal.post(position, -held, Purpose.EXPIRY)
        journal.post(variation, value, Purpose.EXPIRY)
        gain = journal.balances[variation]
        journal.post(variation, -gain, Purpose.REALIZED)
        journal.post(cash_account(state, owner), gain, Purpose.REALIZED)
        left -= value
    if left:
        asset = state.settlement
        rounding = journal.account(HOUSE, ROUNDING, None, asset.asset, asset.scale)
        journal.post(rounding, left, Purpose.ROUNDING)
    set_mark(state, terms, price, "expiry")
    state.instruments[terms.instrument] = terms._replace(is_expired=True)
    return None


def _price(state: State, fact: events.Settlement | events.Expiry) -> tuple[Terms, int] | Rejection:
    terms = live_instrument(state, fact.instrument)
    if isinstance(terms, Rejection):
        return terms
    price = in_units(fact.price, terms.price_scale, "price")
    return price if isinstance(price, Rejection) else (terms, price)


def _variation(state: State, terms: Terms, owner: str) -> int:
    asset = state.settlement
    return state.journal.account(owner, VARIATION, terms.instrument, asset.asset, asset.scale)
