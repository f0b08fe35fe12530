"""One sound message of every kind, with all fields that have no default and no other."""

import json
from typing import Any

TIER = {
    "notional_cap": None,
    "initial_rate": "0.1",
    "maintenance_rate": "0.05",
    "maintenance_amount": "0",
}
_MONEY = {"account": "anna", "asset": "USD", "amount": "1.5"}
_REQUEST = {"request_id": "w1", **_MONEY}
_HANDS = {"made_by": "maria", "checked_by": "noor"}
_LINE = {"kind": "wallet", "instrument": None, "asset": "USD"}

_FIELDS: dict[str, dict[str, Any]] = {
    "pool": {
        "settlement_asset": "USD",
        "scale": 2,
        "liquidation": "full",
        "penalty_rate": "0.01",
        "partial_buffer": "0.1",
        "insurance_floor": "-1",
        "adl_policy": "capped_pro_rata",
        "loss_policy": "socialize",
    },
    "asset": {"asset": "ETH", "scale": 18, "haircut": "0.1"},
    "instrument": {
        "instrument": "LIN",
        "type": "linear",
        "multiplier": "1",
        "price_scale": 2,
        "quantity_scale": 0,
        "expiry": None,
        "tiers": [TIER],
    },
    "risk_tiers": {"instrument": "LIN", "tiers": [TIER]},
    "account": {"account": "anna"},
    "position_mode": {"account": "anna", "instrument": "LIN", "mode": "isolated"},
    "deposit": _MONEY,
    "withdrawal": _MONEY,
    "withdrawal_request": _REQUEST,
    "withdrawal_settled": _REQUEST,
    "withdrawal_cancelled": _REQUEST,
    "internal_transfer": {
        "from_account": "anna",
        "to_account": "ben",
        "asset": "USD",
        "amount": "1.5",
    },
    "isolated_transfer": {"account": "anna", "instrument": "LIN", "amount": "-1.5"},
    "insurance_deposit": {"asset": "USD", "amount": "1.5"},
    "opening_balance": {**_MONEY, "amount": "-1.5"},
    "opening_position": {
        "account": "anna",
        "instrument": "LIN",
        "quantity": "-2",
        "entry_price": "100.5",
    },
    "adjustment": {
        "lines": [
            {"owner": "anna", **_LINE, "amount": "-1.5"},
            {"owner": "ben", **_LINE, "amount": "1.5"},
        ],
        "reason": "correction",
        **_HANDS,
    },
    "trade": {
        "instrument": "LIN",
        "price": "100.5",
        "quantity": "3",
        "buyer": "anna",
        "seller": "ben",
        "buyer_fee": "0.01",
        "seller_fee": "-0.01",
    },
    "trade_bust": {"trade_event_id": "t1", "reason": "typing error"},
    "funding_rate": {"instrument": "LIN", "rate": "-0.0001", "mark_price": "100.5"},
    "price": {"instrument": "LIN", "mark_price": "100.5"},
    "asset_price": {"asset": "ETH", "price": "2000.5"},
    "price_accept": {"instrument": "LIN", "mark_price": "100.5", **_HANDS},
    "settlement": {"instrument": "LIN", "price": "100.5"},
    "expiry": {"instrument": "LIN", "price": "100.5"},
}

MESSAGES: dict[str, dict[str, Any]] = {
    kind: {
        "kind": kind,
        "event_id": "e-1",
        "occurred_at": "2026-01-01T00:00:00Z",
        **fields,
    }
    for kind, fields in _FIELDS.items()
}
DEPOSIT = MESSAGES["deposit"]
INSTRUMENT = MESSAGES["instrument"]


def text(message: dict[str, Any], **changes: object) -> bytes:
    """A message as bytes, some fields changed."""
    return json.dumps({**message, **changes}, separators=(",", ":")).encode()
