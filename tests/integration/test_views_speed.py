"""Every view answers in time on a new database, before anything has counted its rows."""

import json
import time

import psycopg

from ledger.ports import Message, Source
from ledger.store.log import PostgresLog
from ledger.writer import Writer

LIMIT_SECONDS = 2.0
"""Some ten times of what the slowest takes; a plan that reads the shard per row takes longer."""

INSTRUMENTS = [f"COIN{number}-PERP" for number in range(20)]
OWNERS = [f"trader-{number}" for number in range(60)]
TRADES = 2_000
_FILE = Source("file", "speed", "speed")
_TERMS = {
    "type": "linear",
    "multiplier": "1",
    "price_scale": 2,
    "quantity_scale": 0,
    "expiry": None,
    "tiers": [
        {
            "notional_cap": None,
            "initial_rate": "0.02",
            "maintenance_rate": "0.01",
            "maintenance_amount": "0",
        }
    ],
}
_POOL = {
    "settlement_asset": "USD",
    "scale": 2,
    "liquidation": "off",
    "penalty_rate": "0",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "hyperliquid",
    "loss_policy": "open",
}


def _events() -> list[dict[str, object]]:
    """Each owner opens in each instrument, half of them long; then all trade, and funding is paid.

    The quantities opened are larger than what any owner trades, so that no position closes.
    """
    events: list[dict[str, object]] = [{"kind": "pool", **_POOL}]
    events += [{"kind": "instrument", "instrument": name, **_TERMS} for name in INSTRUMENTS]
    events += [{"kind": "account", "account": name, "margin_mode": "cross"} for name in OWNERS]
    events += [
        {
            "kind": "opening_position",
            "account": owner,
            "instrument": name,
            "quantity": "1000" if place % 2 else "-1000",
            "entry_price": "100",
        }
        for place, owner in enumerate(OWNERS)
        for name in INSTRUMENTS
    ]
    events += [
        {
            "kind": "trade",
            "trade_id": None,
            "instrument": INSTRUMENTS[number % len(INSTRUMENTS)],
            "price": "101.5",
            "quantity": "1",
            "buyer": OWNERS[number * 7 % len(OWNERS)],
            "seller": OWNERS[(number * 7 + 1) % len(OWNERS)],
            "buyer_fee": "0.05",
            "seller_fee": "-0.02",
        }
        for number in range(TRADES)
    ]
    return events + [
        {"kind": "funding_rate", "instrument": name, "rate": "0.001", "mark_price": "102"}
        for name in INSTRUMENTS
    ]


def _messages() -> list[Message]:
    common = {"pool": "main", "occurred_at": "2024-01-01T00:00:00Z"}
    return [
        Message(
            *(_FILE, 0, offset, 0, None),
            json.dumps({"event_id": f"event-{offset}", **common, **event}).encode(),
        )
        for offset, event in enumerate(_events())
    ]


def test_every_view_is_quick_without_statistics(database_url: str) -> None:
    log = PostgresLog.connect(database_url, "test")
    writer = Writer(log)
    messages = _messages()
    for first in range(0, len(messages), 1000):
        writer.take(messages[first : first + 1000])
    log.close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        views = [
            name
            for (name,) in connection.execute(
                "SELECT viewname FROM pg_views WHERE schemaname = 'reporting' ORDER BY viewname"
            ).fetchall()
        ]
        connection.execute("SET ROLE clearing_reader")
        connection.execute(f"SET statement_timeout = '{5 * LIMIT_SECONDS}s'")
        seconds: dict[str, float] = {}
        rows: dict[str, int] = {}
        for view in views:
            start = time.perf_counter()
            rows[view] = len(
                connection.execute(f"SELECT * FROM reporting.{view}".encode()).fetchall()
            )
            seconds[view] = time.perf_counter() - start
    assert rows["rejections"] == 0
    assert rows["positions"] == len(OWNERS) * len(INSTRUMENTS)
    assert rows["funding_payments"] >= rows["positions"]
    assert rows["fees"] == 2 * TRADES
    assert {view: taken for view, taken in seconds.items() if taken > LIMIT_SECONDS} == {}
