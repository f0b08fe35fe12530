"""Every view answers in time on a new database, before anything has counted its rows."""

import json
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ledger.ports import Message, Source
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer

LIMIT_SECONDS = 2.0
"""Some ten times of what the slowest takes; a plan that reads the shard per row takes longer."""

LIMIT_SECONDS_AT = 0.8
"""For all margin as of a moment of the past, some five times of what it takes."""

LIMIT_SECONDS_ACCOUNT = 0.1
"""For one account, some ten times of what it takes; a scan of all choices of mode takes 0.15 s."""

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


def _modes() -> list[dict[str, object]]:
    """As many choices of margin mode as events, by participants without a position."""
    owners = [f"idler-{number}" for number in range(400)]
    events: list[dict[str, object]] = [
        {"kind": "account", "account": name, "margin_mode": "cross"} for name in owners
    ]
    mode = {"kind": "position_mode", "mode": "isolated", "leverage": "3"}
    return events + [
        {**mode, "account": owner, "instrument": name} for owner in owners for name in INSTRUMENTS
    ]


def _messages() -> list[Message]:
    common = {"pool": "main", "occurred_at": "2024-01-01T00:00:00Z"}
    return [
        Message(
            *(_FILE, 0, offset, 0, None),
            json.dumps({"event_id": f"event-{offset}", **common, **event}).encode(),
        )
        for offset, event in enumerate(_events() + _modes())
    ]


@pytest.fixture
def loaded(database_url: str) -> Iterator[psycopg.Connection]:
    """A reader of books that were never analyzed."""
    log = PostgresLog.connect(database_url, "test")
    writer = Writer(log)
    messages = _messages()
    for first in range(0, len(messages), 1000):
        assert writer.take(messages[first : first + 1000]).rejected == 0
    log.close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE clearing_reader")
        connection.execute(f"SET statement_timeout = '{5 * LIMIT_SECONDS}s'")
        yield connection


def _timed(connection: psycopg.Connection, query: str) -> tuple[int, float]:
    """Number of rows, and seconds."""
    start = time.perf_counter()
    rows = len(connection.execute(query.encode()).fetchall())
    return rows, time.perf_counter() - start


def test_every_view_is_quick_without_statistics(loaded: psycopg.Connection) -> None:
    views = loaded.execute(
        "SELECT viewname FROM pg_views WHERE schemaname = 'reporting' ORDER BY viewname"
    ).fetchall()
    found = {name: _timed(loaded, f"SELECT * FROM reporting.{name}") for (name,) in views}
    rows = {view: count for view, (count, _) in found.items()}
    assert rows["rejections"] == 0
    assert rows["positions"] == rows["adl_queue"] == len(OWNERS) * len(INSTRUMENTS)
    assert rows["margin"] == len(OWNERS)
    assert rows["funding_payments"] >= rows["positions"]
    assert rows["fees"] == 2 * TRADES
    assert {view: taken for view, (_, taken) in found.items() if taken > LIMIT_SECONDS} == {}


def test_margin_of_the_past_is_quick_without_statistics(loaded: psycopg.Connection) -> None:
    half = TRADES // 2 + len(OWNERS) * len(INSTRUMENTS)
    for function, expected in (
        ("positions_at", len(OWNERS) * len(INSTRUMENTS)),
        ("margin_at", len(OWNERS)),
    ):
        rows, taken = _timed(loaded, f"SELECT * FROM reporting.{function}('main', {half})")
        assert rows == expected
        assert taken < LIMIT_SECONDS_AT, function


def test_one_account_is_found_without_reading_the_pool(loaded: psycopg.Connection) -> None:
    of_one = "WHERE pool = 'main' AND account = 'trader-7'"
    for query, expected in (
        (f"SELECT * FROM reporting.margin {of_one}", 1),
        (f"SELECT * FROM reporting.positions {of_one}", len(INSTRUMENTS)),
        ("SELECT * FROM reporting.margin_at('main', 2000, 'trader-7')", 1),
        ("SELECT * FROM reporting.positions_at('main', 2000, 'trader-7')", len(INSTRUMENTS)),
    ):
        timed = [_timed(loaded, query) for _ in range(4)]  # plans are made once a session
        assert {rows for rows, _ in timed} == {expected}
        assert min(taken for _, taken in timed) < LIMIT_SECONDS_ACCOUNT, query


@pytest.mark.usefixtures("loaded")
def test_one_account_is_found_by_index(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for view in ("margin", "positions"):
            plan = connection.execute(
                f"EXPLAIN (FORMAT JSON) SELECT * FROM reporting.{view}"
                " WHERE pool = 'main' AND account = 'trader-7'".encode()
            ).fetchall()[0][0]
            scans = list(_scans(plan[0]["Plan"]))
            named = [scan for scan in scans if scan["Relation Name"] == "account"]
            read = [scan for scan in scans if scan["Relation Name"].startswith("posting")]
            assert named
            assert read
            assert all("(owner)::text = 'trader-7'" in scan["Index Cond"] for scan in named)
            assert all("account = " in scan["Index Cond"] for scan in read)


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every scan of a table in a plan."""
    if "Relation Name" in plan:
        yield plan
    for part in plan.get("Plans", ()):
        yield from _scans(part)
