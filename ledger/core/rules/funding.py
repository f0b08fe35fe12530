"""Funding payments: longs pay shorts when the rate is positive.

Every holder's cash account receives

    payment = down( -q * |V(mark)| * rate )

rounded per position towards minus infinity, so payers pay up and receivers get down; what is left
over, never negative, goes to `rounding`. (Rules version 1 rounded half-even: there it could be
negative.) The funding price does not become the mark.

Worked example (linear, multiplier 1, 6 decimals): rate 0.0001, mark 50,000, long 0.3 pays
0.3 * 50000 * 0.0001 = 1.5, its counterparties receive 1.5 together, less what rounding leaves.
Cost: one pass over the holders of the instrument, in order of their ids.
"""

from ledger.core import events
from ledger.core.accounts import HOUSE, ROUNDING
from ledger.core.checks import first_of, in_units, live_instrument, out_of_band
from ledger.core.defaults.fund import Cause
from ledger.core.defaults.inventory import inventory_liquidation
from ledger.core.outcome import Purpose, Rejection
from ledger.core.positions import pay
from ledger.core.state import State
from ledger.core.units import RATE_SCALE, down, half_even


def funding_rate(state: State, fact: events.FundingRate) -> Rejection | None:
    """Pay funding on every open position of the instrument."""
    terms = live_instrument(state, fact.instrument)
    if isinstance(terms, Rejection):
        return terms
    rate = in_units(fact.rate, RATE_SCALE, "rate")
    mark = in_units(fact.mark_price, terms.price_scale, "mark_price")
    if isinstance(rate, Rejection) or isinstance(mark, Rejection):
        return first_of((rate, mark))
    refusal = out_of_band(state, terms, mark)
    if refusal is not None:
        return refusal

    journal = state.journal
    one, denominator = terms.value_fraction(1, mark)
    factor = abs(one) * rate
    denominator *= 10**RATE_SCALE
    rounded = half_even if state.rules == 1 else down
    cause = Cause("funding", inventory_liquidation(state, fact.instrument), fact.instrument)
    paid = 0
    for owner, position in sorted(journal.holders.get(fact.instrument, {}).items()):
        payment = rounded(-journal.balances[position] * factor, denominator)
        pay(state, owner, fact.instrument, payment, Purpose.FUNDING, cause)
        paid += payment
    if paid:
        asset = state.settlement
        rounding = journal.account(HOUSE, ROUNDING, None, asset.asset, asset.scale)
        journal.post(rounding, -paid, Purpose.ROUNDING)
    return None
