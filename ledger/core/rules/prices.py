"""Prices of instruments and of collateral assets; they post nothing by themselves."""

from ledger.core import events
from ledger.core.checks import asset_terms, in_units, live_instrument
from ledger.core.marks import set_mark
from ledger.core.outcome import Rejection
from ledger.core.state import State


def price(state: State, fact: events.Price) -> Rejection | None:
    """Move the mark of an instrument."""
    terms = live_instrument(state, fact.instrument)
    if isinstance(terms, Rejection):
        return terms
    mark = in_units(fact.mark_price, terms.price_scale, "mark_price")
    if isinstance(mark, Rejection):
        return mark
    if fact.index_price is not None:
        index = in_units(fact.index_price, terms.price_scale, "index_price")
        if isinstance(index, Rejection):
            return index
    set_mark(state, terms, mark, "price")
    return None


def asset_price(state: State, fact: events.AssetPrice) -> Rejection | None:
    """Keep the price of a collateral asset, in the settlement asset."""
    terms = asset_terms(state, fact.asset)
    if isinstance(terms, Rejection):
        return terms
    state.asset_prices[fact.asset] = fact.price
    return None
