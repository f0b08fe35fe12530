"""Prices of instruments and of collateral assets; they post nothing by themselves.

A price of an instrument passes the price guard first: a suspect one is recorded and moves nothing,
until consecutive marks confirm it or two people accept it. Source: docs/spec/price-guard.md.
"""

from ledger.core import events
from ledger.core.checks import asset_terms, first_of, in_units, live_instrument, rejected
from ledger.core.instruments import Terms
from ledger.core.margin.disclosure import shortest
from ledger.core.margin.guard import accepted_price, is_within, suspicion
from ledger.core.marks import set_mark
from ledger.core.outcome import Rejection
from ledger.core.registers import Suspect
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.core.units import ASSET_PRICE_SCALE, Fixed
from ledger.core.watch.guarded import asset_name


def price(state: State, fact: events.Price) -> Rejection | None:
    """Move the mark of an instrument, if the price is believed."""
    terms = live_instrument(state, fact.instrument)
    if isinstance(terms, Rejection):
        return terms
    mark = in_units(fact.mark_price, terms.price_scale, "mark_price")
    index = fact.index_price and in_units(fact.index_price, terms.price_scale, "index_price")
    if isinstance(mark, Rejection) or isinstance(index, Rejection):
        return first_of((mark, index))
    reason = suspicion(state, terms, mark, index)
    if reason is None:
        set_mark(state, terms, mark, "price")
    else:
        _suspect(state, terms, mark, index, reason)
    return None


def _suspect(state: State, terms: Terms, price: int, index: int | None, reason: str) -> None:
    """Keep a suspect price, or let it stand when it confirms the earlier ones."""
    assert terms.price_band is not None, "without a band nothing is suspect"
    known = state.suspects.get(terms.instrument)
    if known is not None and is_within(terms.price_band, price, known.first):
        now = known._replace(confirmations=known.confirmations + 1)
    else:
        now = Suspect(price, 0)
    if now.confirmations >= terms.price_confirmations:
        set_mark(state, terms, price, "confirmed")
        return
    state.put(state.suspects, terms.instrument, now)
    body: dict[str, object] = {
        "mark_price": Fixed(price, terms.price_scale),
        "index_price": None if index is None else Fixed(index, terms.price_scale),
        "accepted_price": _accepted(state, terms),
        "band": terms.price_band,
        "reason": reason,
        "first_suspect": Fixed(now.first, terms.price_scale),
        "confirmations": now.confirmations,
        "needed": terms.price_confirmations,
    }
    state.journal.record("suspect_mark", terms.instrument, body)


def price_accept(state: State, fact: events.PriceAccept) -> Rejection | None:
    """Let a price stand because two people say so."""
    terms = live_instrument(state, fact.instrument)
    refusals = [terms] if isinstance(terms, Rejection) else []
    if fact.made_by == fact.checked_by:
        detail = f"made_by and checked_by are both {fact.made_by}"
        refusals.append(rejected(Code.SAME_PERSON, detail))
    if isinstance(terms, Rejection) or refusals:
        return first_of(refusals)
    mark = in_units(fact.mark_price, terms.price_scale, "mark_price")
    if isinstance(mark, Rejection):
        return mark
    body: dict[str, object] = {
        "mark_price": Fixed(mark, terms.price_scale),
        "accepted_price": _accepted(state, terms),
        "made_by": fact.made_by,
        "checked_by": fact.checked_by,
    }
    state.journal.record("price_acceptance", terms.instrument, body)
    set_mark(state, terms, mark, "accepted")
    return None


def asset_price(state: State, fact: events.AssetPrice) -> Rejection | None:
    """Keep the price of a collateral asset, in the settlement asset."""
    terms = asset_terms(state, fact.asset)
    if isinstance(terms, Rejection):
        return terms
    price = in_units(fact.price, ASSET_PRICE_SCALE, "price")
    if isinstance(price, Rejection):
        return price
    state.put(state.asset_prices, fact.asset, price)
    state.watch.moved(state, asset_name(fact.asset), price)
    body: dict[str, object] = {"price": shortest(price, ASSET_PRICE_SCALE)}
    state.journal.record("asset_price", fact.asset, body)
    return None


def _accepted(state: State, terms: Terms) -> Fixed | None:
    accepted = accepted_price(state, terms.instrument)
    return None if accepted is None else Fixed(accepted, terms.price_scale)
