"""Trades and trade busts.

A trade of `n` at `p` is a fact: it is never refused for money. With `c = n * V(p)`, half-even:

    position    buyer +n     seller -n
    variation   buyer -c     seller +c
    variation   -realized    cash account +realized      of a side that reduces
    wallet      buyer -fee   seller -fee     fees +both  a rebate is a negative fee

A bust is the opposite trade at the original price with the fees given back. It undoes no funding.
Source: docs/spec/trades.md.
"""

from ledger.core import events
from ledger.core.accounts import FEES, HOUSE, LIQUIDATION, WALLET
from ledger.core.checks import first_of, in_units, live_instrument, rejected, unknown_account
from ledger.core.instruments import Terms
from ledger.core.outcome import Purpose, Rejection
from ledger.core.positions import change_position
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.core.units import Fixed


def trade(state: State, fact: events.Trade) -> Rejection | None:
    """Clear a trade between two participants."""
    if LIQUIDATION in (fact.buyer, fact.seller):
        return rejected(
            Code.UNSUPPORTED_KIND, "close-out trades of @liquidation need the default rules"
        )
    return _exchange(state, fact)


def trade_bust(
    state: State, fact: events.TradeBust, event_id: str, original: events.Event | None
) -> Rejection | None:
    """Undo a trade.

    Args:
        state: The pool.
        fact: Names the trade by its event id.
        event_id: Of the bust.
        original: The event that `trade_event_id` names, from the log; None when there is none.
    """
    if original is None or not isinstance(original.fact, events.Trade):
        return rejected(
            Code.UNKNOWN_TRADE, f"no accepted trade has the event_id {fact.trade_event_id}"
        )
    busted = original.fact
    terms = live_instrument(state, busted.instrument)
    if isinstance(terms, Rejection):
        return terms
    if fact.trade_event_id in state.busted:
        return rejected(
            Code.ALREADY_BUSTED,
            f"trade {fact.trade_event_id} was busted by {state.busted[fact.trade_event_id]}",
        )
    opposite = busted._replace(
        buyer=busted.seller,
        seller=busted.buyer,
        buyer_fee=_negated(busted.seller_fee),
        seller_fee=_negated(busted.buyer_fee),
    )
    refusal = _exchange(state, opposite)
    if refusal is None:
        state.busted[fact.trade_event_id] = event_id
        body: dict[str, object] = {"busted_by": event_id, "reason": fact.reason}
        state.journal.record("trade_bust", fact.trade_event_id, body)
    return refusal


def _exchange(state: State, fact: events.Trade) -> Rejection | None:
    terms = live_instrument(state, fact.instrument)
    if isinstance(terms, Rejection):
        return terms
    refusal = unknown_account(state, fact.buyer) or unknown_account(state, fact.seller)
    if refusal is not None:
        return refusal
    if fact.buyer == fact.seller:
        return rejected(Code.SAME_ACCOUNT, f"buyer and seller are both {fact.buyer}")
    found = _in_units(state, terms, fact)
    if isinstance(found, Rejection):
        return found
    price, quantity, buyer_fee, seller_fee = found

    cost = terms.value(quantity, price)
    change_position(state, terms, fact.buyer, quantity, price, -cost, Purpose.TRADE)
    change_position(state, terms, fact.seller, -quantity, price, cost, Purpose.TRADE)
    _charge(state, fact.buyer, buyer_fee)
    _charge(state, fact.seller, seller_fee)
    if buyer_fee + seller_fee:
        asset = state.settlement
        fees = state.journal.account(HOUSE, FEES, None, asset.asset, asset.scale)
        state.journal.post(fees, buyer_fee + seller_fee, Purpose.FEE)
    return None


def _in_units(
    state: State, terms: Terms, fact: events.Trade
) -> tuple[int, int, int, int] | Rejection:
    scale = state.settlement.scale
    price = in_units(fact.price, terms.price_scale, "price")
    quantity = in_units(fact.quantity, terms.quantity_scale, "quantity")
    buyer_fee = in_units(fact.buyer_fee, scale, "buyer_fee")
    seller_fee = in_units(fact.seller_fee, scale, "seller_fee")
    numbers = (price, quantity, buyer_fee, seller_fee)
    for number in numbers:
        if isinstance(number, Rejection):
            return first_of([n for n in numbers if isinstance(n, Rejection)]) or number
    return price, quantity, buyer_fee, seller_fee  # type: ignore[return-value]


def _charge(state: State, participant: str, fee: int) -> None:
    if fee:
        asset = state.settlement
        wallet = state.journal.account(participant, WALLET, None, asset.asset, asset.scale)
        state.journal.post(wallet, -fee, Purpose.FEE)


def _negated(number: Fixed) -> Fixed:
    return Fixed(-number.coefficient, number.scale)
