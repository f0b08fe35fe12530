"""Books to start a test from, and events made of the fields of the wire."""

import json
from typing import Any

from ledger.codec.decoding import Decoded, decode
from ledger.core.events import Event
from ledger.core.machine import decide
from ledger.core.outcome import Outcome, Rejection
from ledger.core.state import State

TIERS = [
    {
        "notional_cap": None,
        "initial_rate": "0.1",
        "maintenance_rate": "0.05",
        "maintenance_amount": "0",
    }
]
POOL: dict[str, Any] = {
    "settlement_asset": "USD",
    "scale": 2,
    "liquidation": "off",
    "penalty_rate": "0",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "bitmex",
    "loss_policy": "open",
}
LINEAR: dict[str, Any] = {
    "type": "linear",
    "multiplier": "1",
    "price_scale": 2,
    "quantity_scale": 0,
    "expiry": None,
    "tiers": TIERS,
}
TRADE: dict[str, Any] = {
    "instrument": "LIN",
    "price": "100",
    "quantity": "10",
    "buyer": "anna",
    "seller": "ben",
    "buyer_fee": "0",
    "seller_fee": "0",
}
HANDS: dict[str, Any] = {"reason": "correction", "made_by": "maria", "checked_by": "noor"}


def event(kind: str, event_id: str = "e1", second: int = 0, **fields: object) -> Event:
    """An event as the decoder makes it."""
    message = {
        "kind": kind,
        "event_id": event_id,
        "occurred_at": f"2026-01-01T00:00:{second:02}Z",
        **fields,
    }
    decoded = decode(json.dumps(message).encode())
    assert isinstance(decoded, Decoded), decoded
    return decoded.event


def line(
    owner: str, kind: str, amount: str, asset: str | None = "USD", instrument: str | None = None
) -> dict[str, str | None]:
    """A line of an adjustment."""
    return {
        "owner": owner,
        "kind": kind,
        "instrument": instrument,
        "asset": asset,
        "amount": amount,
    }


def apply(state: State, happened: Event, original: Event | None = None) -> Outcome:
    """Apply an event that must be accepted."""
    outcome = decide(state, happened, original)
    assert not isinstance(outcome, Rejection), outcome
    return outcome


T1 = event("trade", "t1", **TRADE)
"""A trade of `busy_books`."""

T0 = event("trade", "t0", **{**TRADE, "instrument": "OLD"})
"""A trade of `busy_books` in an instrument that has expired since."""


def listed_books() -> State:
    """A pool with assets USD and ETH, instrument LIN, and participants anna and ben."""
    state = State("main")
    apply(state, event("pool", **POOL))
    apply(state, event("asset", asset="ETH", scale=18, haircut="0.1"))
    apply(state, event("instrument", instrument="LIN", **LINEAR))
    apply(state, event("account", account="anna"))
    apply(state, event("account", account="ben"))
    return state


T3 = event("trade", "t3", **{**TRADE, "quantity": "1", "buyer": "cleo"})
"""A trade of `margined_books` whose buyer has been liquidated since."""


def margined_books() -> State:
    """A pool that liquidates: anna and ben hold 10 LIN against each other, with 300 USD each.

    anna is isolated in ISO, long 1, and in FLAT, without a position; ben is cross in all. cleo was
    liquidated. LIN has a price band of a tenth around its mark of 94.
    """
    state = State("main")
    apply(state, event("pool", **{**POOL, "liquidation": "full"}))
    for name in ("LIN", "ISO", "FLAT"):
        apply(state, event("instrument", instrument=name, **LINEAR, price_band="0.1"))
    for name in ("anna", "ben", "cleo"):
        apply(state, event("account", account=name))
    for name, amount in (("anna", "300"), ("ben", "300"), ("cleo", "10")):
        apply(state, event("deposit", account=name, asset="USD", amount=amount))
    for name in ("ISO", "FLAT"):
        mode: dict[str, Any] = {"account": "anna", "instrument": name, "mode": "isolated"}
        apply(state, event("position_mode", **mode))
    apply(state, event("price", instrument="LIN", mark_price="100"))
    apply(state, T1)
    apply(state, event("trade", "t4", **{**TRADE, "instrument": "ISO", "quantity": "1"}))
    apply(state, T3)
    apply(state, event("price", instrument="LIN", mark_price="94"))
    assert state.defaulted, "cleo was to be liquidated"
    return state


def busy_books() -> State:
    """Listed books after a deposit, a request, trades, a bust, an expiry, an insurance deposit.

    anna has 90 USD, 10 USD on hold (request w1), and is long 10 LIN; the fund has 50 USD.
    """
    state = listed_books()
    apply(state, event("instrument", instrument="OLD", **LINEAR))
    apply(state, event("deposit", account="anna", asset="USD", amount="100"))
    request: dict[str, Any] = {
        "request_id": "w1",
        "account": "anna",
        "asset": "USD",
        "amount": "10",
    }
    apply(state, event("withdrawal_request", **request))
    apply(state, T0)
    apply(state, event("expiry", instrument="OLD", price="100"))
    apply(state, T1)
    twice = event("trade", "t2", **TRADE)
    apply(state, twice)
    apply(state, event("trade_bust", "b2", trade_event_id="t2", reason="error"), twice)
    apply(state, event("insurance_deposit", asset="USD", amount="50"))
    return state
