"""Trades and trade busts.

A trade of `n` at `p` is a fact: it is never refused for money. With `c = n * V(p)`, half-even:

    position    buyer +n     seller -n
    variation   buyer -c     seller +c
    variation   -realized    cash account +realized      of a side that reduces
    wallet      buyer -fee   seller -fee     fees +both  a rebate is a negative fee

A side that is `@liquidation` closes inventory out: its cash is the insurance fund's. A bust is the
opposite trade at the original price with the fees given back. It undoes no funding, and no default:
where a side was liquidated or deleveraged since, it comes too late.
Source: docs/spec/trades.md.
"""

from ledger.core import events
from ledger.core.accounts import FEES, HOUSE, LIQUIDATION, WALLET
from ledger.core.checks import first_of, in_units, live_instrument, rejected, unknown_account
from ledger.core.defaults.fund import Cause, receive
from ledger.core.defaults.inventory import closed_out, inventory_liquidation
from ledger.core.instruments import Terms
from ledger.core.outcome import Purpose, Rejection
from ledger.core.positions import CLOSE_OUT, Change, change_position
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.core.units import Fixed


def trade(state: State, fact: events.Trade) -> Rejection | None:
    """Clear a trade; one side may be `@liquidation`, closing inventory out."""
    if fact.liquidation_id is not None and LIQUIDATION not in (fact.buyer, fact.seller):
        return rejected(Code.INVALID_FIELD, "liquidation_id needs @liquidation as buyer or seller")
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
    for side in (busted.buyer, busted.seller):
        defaulted = state.defaulted.get((side, busted.instrument))
        if defaulted is not None and defaulted >= original.sequence:
            return rejected(
                Code.BUST_TOO_LATE,
                f"{side} was liquidated or deleveraged in {busted.instrument} since; "
                "only an adjustment can mend this",
            )
    opposite = busted._replace(
        buyer=busted.seller,
        seller=busted.buyer,
        buyer_fee=_negated(busted.seller_fee),
        seller_fee=_negated(busted.buyer_fee),
    )
    refusal = _exchange(state, opposite)
    if refusal is None:
        state.put(state.busted, fact.trade_event_id, event_id)
        body: dict[str, object] = {"busted_by": event_id, "reason": fact.reason}
        state.journal.record("trade_bust", fact.trade_event_id, body)
    return refusal


def _exchange(state: State, fact: events.Trade) -> Rejection | None:
    terms = live_instrument(state, fact.instrument)
    if isinstance(terms, Rejection):
        return terms
    if fact.buyer != LIQUIDATION and fact.buyer not in state.participants:
        return unknown_account(state, fact.buyer)
    if fact.seller != LIQUIDATION and fact.seller not in state.participants:
        return unknown_account(state, fact.seller)
    if fact.buyer == fact.seller:
        return rejected(Code.SAME_ACCOUNT, f"buyer and seller are both {fact.buyer}")
    found = _in_units(state, terms, fact)
    if isinstance(found, Rejection):
        return found
    price, quantity, buyer_fee, seller_fee = found

    cost = terms.value(quantity, price)
    liquidation_id = fact.liquidation_id  # of the inventory as it is before the trade
    if LIQUIDATION in (fact.buyer, fact.seller) and liquidation_id is None:
        liquidation_id = inventory_liquidation(state, terms.instrument)
    cause = CLOSE_OUT
    if LIQUIDATION in (fact.buyer, fact.seller):
        cause = Cause("close_out", liquidation_id, terms.instrument)
    bought = Change(quantity, -cost, price, Purpose.TRADE, cause)
    sold = Change(-quantity, cost, price, Purpose.TRADE, cause)
    _change(state, terms, fact.buyer, bought, buyer_fee)
    _change(state, terms, fact.seller, sold, seller_fee)
    _charge(state, fact.buyer, buyer_fee, cause)
    _charge(state, fact.seller, seller_fee, cause)
    fees = buyer_fee + seller_fee
    if fees:
        asset = state.settlement
        account = state.journal.account(HOUSE, FEES, None, asset.asset, asset.scale)
        state.journal.post(account, fees, Purpose.FEE)
    return None


def _change(state: State, terms: Terms, side: str, change: Change, fee: int) -> None:
    if side == LIQUIDATION:
        _close_out(state, terms, change, fee)
    else:
        change_position(state, terms, side, change)


def _charge(state: State, side: str, fee: int, cause: Cause) -> None:
    """Take a side's fee, or give its rebate."""
    if side == LIQUIDATION:
        receive(state, -fee, Purpose.FEE, cause._replace(name="fee"))
    elif fee:
        asset = state.settlement
        wallet = state.journal.account(side, WALLET, None, asset.asset, asset.scale)
        state.journal.post(wallet, -fee, Purpose.FEE)


def _close_out(state: State, terms: Terms, change: Change, fee: int) -> None:
    """Let inventory change by a market trade; what it realizes is the insurance fund's."""
    instrument, scale = terms.instrument, state.settlement.scale
    realized = change_position(state, terms, LIQUIDATION, change)
    quantity, cost = closed_out(state, instrument, change.quantity)
    assert change.price is not None, "a trade has a price"
    body: dict[str, object] = {
        "instrument": instrument,
        "quantity": Fixed(change.quantity, terms.quantity_scale),
        "price": Fixed(change.price, terms.price_scale),
        "realized_pnl": Fixed(realized, scale),
        "fee": Fixed(fee, scale),
        "inventory_quantity": Fixed(quantity, terms.quantity_scale),
        "inventory_cost": Fixed(cost, scale),
    }
    state.journal.record("close_out", change.cause.liquidation_id or "-", body)


def _in_units(
    state: State, terms: Terms, fact: events.Trade
) -> tuple[int, int, int, int] | Rejection:
    scale = state.settlement.scale
    price = in_units(fact.price, terms.price_scale, "price")
    quantity = in_units(fact.quantity, terms.quantity_scale, "quantity")
    buyer_fee = in_units(fact.buyer_fee, scale, "buyer_fee")
    seller_fee = in_units(fact.seller_fee, scale, "seller_fee")
    if (
        isinstance(price, int)
        and isinstance(quantity, int)
        and isinstance(buyer_fee, int)
        and isinstance(seller_fee, int)
    ):
        return price, quantity, buyer_fee, seller_fee
    refusal = first_of((price, quantity, buyer_fee, seller_fee))
    assert refusal is not None, "what is no number is a refusal"
    return refusal


def _negated(number: Fixed) -> Fixed:
    return Fixed(-number.coefficient, number.scale)
