"""The traffic that is measured: one pool, one linear instrument, a few hundred participants.

Seeded, so that every run sends the same bytes. About half of the sides reduce a position, so a
trade makes nine postings on average, fees and realized P&L included.
"""

import json
import random
from collections.abc import Iterator

SEED = 20_261_121
PARTICIPANTS = 500
POOL = "bench"
_TIER = {
    "notional_cap": None,
    "initial_rate": "0.02",
    "maintenance_rate": "0.01",
    "maintenance_amount": "0",
}


def openings(count: int = PARTICIPANTS) -> list[bytes]:
    """Reference data, deposits of so many participants and a first price, as wire events."""
    participants = _participants(count)
    events: list[dict[str, object]] = [
        {
            "kind": "pool",
            "settlement_asset": "USDT",
            "scale": 6,
            "liquidation": "off",
            "penalty_rate": "0",
            "partial_buffer": "0",
            "insurance_floor": "0",
            "adl_policy": "bitmex",
            "loss_policy": "open",
        },
        {
            "kind": "instrument",
            "instrument": "BTC-PERP",
            "type": "linear",
            "multiplier": "1",
            "price_scale": 1,
            "quantity_scale": 3,
            "expiry": None,
            "tiers": [_TIER],
        },
        *_all(participants, kind="account"),
        *_all(participants, kind="deposit", asset="USDT", amount="10000000"),
        {"kind": "price", "instrument": "BTC-PERP", "mark_price": "60000"},
    ]
    return [
        json.dumps(
            {
                **event,
                "event_id": f"open-{number}",
                "pool": POOL,
                "occurred_at": "2026-01-01T00:00:00Z",
            }
        ).encode()
        for number, event in enumerate(events)
    ]


def trades(count: int, among: int = PARTICIPANTS) -> Iterator[bytes]:
    """Trades among so many participants as wire events, one a millisecond of pool time."""
    draw = random.Random(SEED)
    participants = _participants(among)
    for number in range(count):
        buyer, seller = draw.sample(participants, 2)
        price = 60_000 + draw.randrange(-500, 500)
        second, millisecond = divmod(number, 1000)
        minute, second = divmod(second, 60)
        hour, minute = divmod(minute, 60)
        yield (
            f'{{"kind":"trade","event_id":"t-{number}","pool":"{POOL}",'
            f'"occurred_at":"2026-01-01T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z",'
            f'"instrument":"BTC-PERP","price":"{price}.5",'
            f'"quantity":"0.{draw.randrange(1, 999):03}","buyer":"{buyer}","seller":"{seller}",'
            f'"buyer_fee":"0.25","seller_fee":"-0.05"}}'
        ).encode()


def ticks(count: int) -> Iterator[bytes]:
    """Price events as wire events."""
    draw = random.Random(SEED)
    for number in range(count):
        yield (
            f'{{"kind":"price","event_id":"p-{number}","pool":"{POOL}",'
            f'"occurred_at":"2026-01-02T00:00:00Z","instrument":"BTC-PERP",'
            f'"mark_price":"{60_000 + draw.randrange(-500, 500)}.5"}}'
        ).encode()


def _all(participants: list[str], **fields: object) -> list[dict[str, object]]:
    return [{**fields, "account": name} for name in participants]


def _participants(count: int) -> list[str]:
    return [f"participant-{number:03}" for number in range(count)]
