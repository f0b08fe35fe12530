"""Proof of liabilities over a large pool: `clearing prove liabilities`, whole, as it is called.

Terms and prices go through the writer. Participants are then made inside the database, triggers
and indexes on: everyone deposits USDT, every fourth BTC too (collateral with a haircut), every
second trades in one of two instruments, ROUNDS times against the same other one. Balances and
sequences are true; hashes and raw messages are not, and nothing that is timed reads them.

Measured from outside: a process of its own, begun and ended, its files written.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from benchmarks import traffic
from ledger.audit.liabilities.files import read_audit
from ledger.audit.liabilities.liabilities import prove
from ledger.ports import Message, Source
from ledger.store import embedded
from ledger.store.log.postgres import LEAF_EVENTS, PostgresLog
from ledger.store.migrate import migrate
from ledger.writer import Writer

PARTICIPANTS = 100_000
ROUNDS = 4
HELD_AGAINST_MARGIN = 200
BAR_US = 30
"""A participant: a million in 30 s. Small pools pay for the start of the process besides."""

POOL = "owed"
_TIER = {
    "notional_cap": None,
    "initial_rate": "0.02",
    "maintenance_rate": "0.01",
    "maintenance_amount": "0",
}
_PERPETUAL = {
    "kind": "instrument",
    "type": "linear",
    "multiplier": "1",
    "price_scale": 1,
    "quantity_scale": 3,
    "expiry": None,
    "tiers": [_TIER],
}
_POOL = {
    "kind": "pool",
    "settlement_asset": "USDT",
    "scale": 6,
    "liquidation": "off",
    "penalty_rate": "0",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "bitmex",
    "loss_policy": "open",
}
_TRADE = {"kind": "trade", "price": "60000", "quantity": "0.001", "buyer": "ann", "seller": "bob"}

_ACCOUNTS = """
INSERT INTO ledger.account (shard, account, owner, kind, instrument, asset)
SELECT %(shard)s, %(base)s + o.number, 'participant-' || lpad(o.place::text, 7, '0'), o.kind,
       CASE WHEN o.kind <> 'wallet' THEN (ARRAY['BTC-PERP', 'ETH-PERP'])[1 + o.place / 4 %% 2] END,
       o.asset
  FROM (SELECT i AS number, i AS place, 'wallet' AS kind, 'USDT' AS asset
          FROM generate_series(0, %(count)s - 1) i
        UNION ALL
        SELECT %(count)s + i / 4, i, 'wallet', 'BTC' FROM generate_series(0, %(count)s - 1, 4) i
        UNION ALL
        SELECT %(count)s / 4 * 5 + i + k.place, i, k.kind, k.asset
          FROM generate_series(0, %(count)s - 1, 2) i
         CROSS JOIN (VALUES (0, 'position', NULL), (1, 'variation', 'USDT')) k(place, kind, asset)
       ) o
"""
_EVENTS = """
INSERT INTO ledger.event (shard, source, sequence, "offset", timestamp_ms, occurred_at, pool_time,
                          partition, rules, kind, event_id, content_hash, leaf, chain, raw)
SELECT e.shard, e.source, n, n, 0, e.pool_time, e.pool_time, 0, e.rules, 'trade', 'm-' || n,
       e.leaf, e.leaf, e.leaf, '{}'
  FROM ledger.event e, generate_series(%(first)s::bigint, %(last)s::bigint) n
 WHERE e.shard = %(shard)s AND e.sequence = %(first)s - 1
"""
_DEPOSITS = """
WITH line AS (
    SELECT n, %(wallet)s + n AS account, (7 + n::bigint * 7919 %% 1000003) * %(unit)s AS amount
      FROM generate_series(0, %(deposits)s - 1) n
), custody AS (
    SELECT p.account, p.account_sequence, p.balance, p.commodity
      FROM ledger.account a JOIN ledger.posting p USING (shard, account)
     WHERE a.shard = %(shard)s AND a.kind = 'custody' AND a.asset = %(asset)s
     ORDER BY p.account_sequence DESC LIMIT 1
)
INSERT INTO ledger.posting (shard, account, sequence, account_sequence, line, commodity, purpose,
                            amount, balance)
SELECT %(shard)s, l.account, %(first)s + n, 1, 1, c.commodity, 1, l.amount, l.amount
  FROM line l, custody c
UNION ALL
SELECT %(shard)s, c.account, %(first)s + n, c.account_sequence + 1 + n, 2, c.commodity, 1,
       -l.amount, c.balance - sum(l.amount) OVER (ORDER BY n)
  FROM line l, custody c
"""
_TRADES = """
INSERT INTO ledger.posting (shard, account, sequence, account_sequence, line, commodity, purpose,
                            amount, balance)
SELECT %(shard)s, %(base)s + %(count)s / 4 * 5 + 4 * t + l.place,
       %(first)s + (r - 1) * (%(count)s / 4) + t, r, l.line,
       CASE WHEN l.place %% 2 = 1 THEN %(cash)s ELSE (%(contracts)s::int[])[1 + t %% 2] END, 1,
       l.amount, l.amount * r
  FROM generate_series(1, %(rounds)s) r, generate_series(0, %(count)s / 4 - 1) t,
       LATERAL (SELECT 1 + t %% 900 AS quantity) q,
       LATERAL (VALUES (1, 0, quantity), (2, 2, -quantity),
                       (3, 1, -60000000::bigint * quantity),
                       (4, 3, 60000000::bigint * quantity)) l(line, place, amount)
"""


def measured(participants: int = PARTICIPANTS) -> dict[str, float]:
    """Seconds and memory of the command, after the last event and after one of the past."""
    assert participants % 4 == 0, "participants come in fours"
    with tempfile.TemporaryDirectory(prefix="clearing-liabilities-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            migrate(server.url)
            _open(server.url)
            began = time.perf_counter()
            with psycopg.connect(server.url, autocommit=True) as connection:
                postings, head = _fill(connection, participants)
                figures = {
                    "participants": float(participants + 2),
                    "postings": float(postings),
                    "filled_s": round(time.perf_counter() - began, 1),
                }
                for name, at in (("head", head), ("past", head - participants // 2)):
                    out = Path(folder) / name
                    seconds, processor, megabytes = _proved(server.url, at, out)
                    figures |= {
                        f"{name}_s": seconds,
                        f"{name}_processor_s": processor,
                        f"{name}_mb": megabytes,
                    }
                    _hold_against_margin(connection, participants, at, out)
        finally:
            server.stop()
    return figures


def table(figures: Mapping[str, float]) -> Iterator[str]:
    """The figures as lines for people."""
    for name in ("head", "past"):
        which = "the last event" if name == "head" else "an event of the past"
        yield (
            f"liabilities of {figures['participants']:,.0f} participants,"
            f" {figures['postings']:,.0f} postings, after {which}:"
            f" {figures[f'{name}_s']:.1f} s ({figures[f'{name}_processor_s']:.1f} s of a processor"
            f" for the command, the server apart), {figures[f'{name}_mb']:,.0f} MB"
        )


def is_fast(figures: Mapping[str, float]) -> bool:
    """Whether a million participants would take under 30 s."""
    slowest = max(figures["head_s"], figures["past_s"])
    return slowest < BAR_US * figures["participants"] / 1e6


def _open(url: str) -> None:
    people: tuple[dict[str, object], ...] = ({"account": "ann"}, {"account": "bob"})
    contracts: tuple[dict[str, object], ...] = (
        {"instrument": "BTC-PERP"},
        {"instrument": "ETH-PERP"},
    )
    untold = {"buyer_fee": "0", "seller_fee": "0", "trade_id": None}
    events: list[dict[str, object]] = [
        _POOL,
        {"kind": "asset", "asset": "BTC", "scale": 8, "haircut": "0.1"},
        {**_PERPETUAL, "instrument": "BTC-PERP"},
        {**_PERPETUAL, "instrument": "ETH-PERP", "multiplier": "0.3"},
        *({**who, "kind": "account", "margin_mode": "cross"} for who in people),
        *(
            {**who, "kind": "deposit", "asset": asset, "amount": "1000"}
            for who in people
            for asset in ("USDT", "BTC")
        ),
        *({**_TRADE, **untold, **which} for which in contracts),
        {"kind": "asset_price", "asset": "BTC", "price": "60321.123456789"},
        {"kind": "price", "instrument": "BTC-PERP", "mark_price": "60777.7"},
        {"kind": "price", "instrument": "ETH-PERP", "mark_price": "59123.4"},
    ]
    named = {"pool": POOL, "occurred_at": "2026-01-01T00:00:00Z"}
    lines = [
        json.dumps({**event, **named, "event_id": f"open-{number}"}).encode()
        for number, event in enumerate(events)
    ]
    log = PostgresLog.connect(url, "benchmark")
    source = Source("file", "openings", "openings")
    taken = Writer(log).take(
        [Message(source, 0, at, 0, None, line) for at, line in enumerate(lines)]
    )
    assert taken.rejected == 0
    log.close()


def _fill(connection: psycopg.Connection, participants: int) -> tuple[int, int]:
    """Make participants, deposits and trades; how many postings, and the last event."""
    row = connection.execute(
        "SELECT shard, next_sequence, leaves_end, next_account FROM ledger.shard WHERE name = %s",
        (POOL,),
    ).fetchone()
    assert row is not None
    shard, first, leaves_end, base = row
    fours = participants // 4
    last = first + participants + fours + ROUNDS * fours - 1
    while leaves_end <= last:
        connection.execute("SELECT ledger.open_leaf(%s, %s)", (shard, LEAF_EVENTS))
        leaves_end += LEAF_EVENTS
    numbers: dict[str, int] = dict(
        connection.execute(
            "SELECT coalesce(asset, instrument), commodity FROM ledger.commodity WHERE shard = %s",
            (shard,),
        ).fetchall()
    )
    made: dict[str, object] = {
        "shard": shard,
        "base": base,
        "count": participants,
        "first": first,
        "last": last,
        "rounds": ROUNDS,
        "cash": numbers["USDT"],
        "contracts": [numbers["BTC-PERP"], numbers["ETH-PERP"]],
    }
    connection.execute(_ACCOUNTS, made)
    connection.execute(_EVENTS, made)
    usdt = {"asset": "USDT", "wallet": base, "unit": 1000, "deposits": participants}
    connection.execute(_DEPOSITS, made | usdt)
    made["first"] = first + participants
    btc = {"asset": "BTC", "wallet": base + participants, "unit": 10, "deposits": fours}
    connection.execute(_DEPOSITS, made | btc)
    made["first"] = first + participants + fours
    connection.execute(_TRADES, made)
    connection.execute(
        "UPDATE ledger.shard SET next_sequence = %s, next_account = %s WHERE shard = %s",
        (last + 1, base + 9 * fours, shard),
    )
    connection.execute("VACUUM (ANALYZE) ledger.account, ledger.posting, ledger.event")
    return 2 * (participants + fours) + 4 * ROUNDS * fours, last


def _proved(url: str, at: int, out: Path) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of a processor, and megabytes at the most, of the command."""
    command = "from ledger.cli import app; app()"
    called = ["prove", "liabilities", "--pool", POOL, "--at", str(at), "--out", str(out)]
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", command, *called, "--database-url", url, "--quiet"],
        stdout=subprocess.DEVNULL,
    ) as running:
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0, called
    seconds = time.perf_counter() - began
    processor = usage.ru_utime + usage.ru_stime
    return round(seconds, 2), round(processor, 2), round(usage.ru_maxrss / 1024, 1)


def _hold_against_margin(
    connection: psycopg.Connection, participants: int, at: int, out: Path
) -> None:
    """Equity of some participants is what the reporting function says."""
    draw = random.Random(traffic.SEED)
    for place in draw.sample(range(participants), HELD_AGAINST_MARGIN):
        account = f"participant-{place:07}"
        row = connection.execute(
            "SELECT greatest(sum(equity) * 1000000, 0)::bigint"
            "  FROM reporting.margin_at(%s, %s::bigint, %s)",
            (POOL, at, account),
        ).fetchone()
        assert row == (prove(read_audit(out, account), account).values[-1],), account


def main() -> int:
    """`python -m benchmarks.liabilities`: these figures alone; exit code 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.liabilities", description=__doc__)
    parser.add_argument("--participants", type=int, default=PARTICIPANTS, help="in fours")
    figures = measured(parser.parse_args().participants)
    sys.stderr.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0 if is_fast(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
