"""`python -m benchmarks.reconciling`: a venue's file of trades against as many in the books.

The trades are made inside the database as rows of events that hold true messages, which is all
that a comparison reads of them; their hashes are not true. The books have the reference data and
deposits of `traffic` besides, so the controls run on them as well. The file is CSV, a line a trade,
in another order; a few faults are put into it, and each must be found. Time on the wall says little
where the machine is shared: processor time of the client and of PostgreSQL stands beside it, and
the most memory that the client had.
"""

import argparse
import csv
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks import traffic
from benchmarks.machine import surroundings
from ledger.ports import Message, Source
from ledger.recon.result import Result
from ledger.recon.rules import parse_rules
from ledger.recon.run import reconcile
from ledger.store import embedded
from ledger.store.log.postgres import LEAF_EVENTS, PostgresLog
from ledger.store.migrate import migrate
from ledger.writer import Writer

TRADES = 1_000_000
FAULTS = 5
BAR_S = 60
"""Of processors, client and server together, for a million trades."""
RULES = f"""
version = 1
[sources.engine]
kind = "trades"
format = "trades-csv"
pool = "{traffic.POOL}"
covers = "all"
"""
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_COLUMNS = (
    *("trade_id", "at", "instrument", "price", "quantity", "buyer", "seller"),
    *("buyer_fee", "seller_fee"),
)
_EVENTS = """
INSERT INTO ledger.event (shard, source, sequence, "offset", timestamp_ms, occurred_at, pool_time,
                          partition, rules, kind, event_id, content_hash, leaf, chain, raw)
SELECT e.shard, e.source, t.n, t.n, 0, t.at, t.at, 0, e.rules, 'trade', 't-' || t.n, e.leaf,
       e.leaf, e.leaf,
       convert_to(format('{"kind":"trade","event_id":"t-%%s","pool":"%%s","occurred_at":"%%s",'
           '"trade_id":"%%s","instrument":"BTC-PERP","price":"%%s.5","quantity":"0.%%s",'
           '"buyer":"participant-%%s","seller":"participant-%%s","buyer_fee":"0.25",'
           '"seller_fee":"-0.05"}',
           t.n, %(pool)s::text,
           to_char(t.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), t.n,
           59500 + t.n * 31 %% 1000, 1 + t.n * 17 %% 900, lpad((t.n * 7919 %% 500)::text, 3, '0'),
           lpad(((t.n * 7919 + 1 + t.n %% 499) %% 500)::text, 3, '0')), 'UTF8')
  FROM ledger.event e
 CROSS JOIN LATERAL (SELECT n, e.pool_time + (n - e.sequence) * interval '1 ms' AS at
                       FROM generate_series(%(first)s::bigint, %(last)s::bigint) n) t
 WHERE e.shard = %(shard)s AND e.sequence = %(first)s - 1"""
_WRITTEN = """
SELECT t.trade_id, t.occurred_at, t.instrument, t.price, t.quantity, t.buyer, t.seller,
       t.buyer_fee, t.seller_fee
  FROM ledger.event e
 CROSS JOIN LATERAL json_to_record(convert_from(e.raw, 'UTF8')::json)
        AS t(trade_id text, occurred_at text, instrument text, price text, quantity text,
             buyer text, seller text, buyer_fee text, seller_fee text)
 WHERE e.shard = %(shard)s AND e.kind = 'trade'
 ORDER BY hashtextextended(t.trade_id, 0)"""


def fill(url: str, trades: int) -> dict[str, object]:
    """Books of so many trades; how to find them."""
    log = PostgresLog.connect(url, "benchmark")
    source = Source("file", "openings", "openings")
    messages = [Message(source, 0, at, 0, None, line) for at, line in enumerate(traffic.openings())]
    assert Writer(log).take(messages).rejected == 0
    log.close()
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT shard, next_sequence, leaves_end FROM ledger.shard WHERE name = %s",
            (traffic.POOL,),
        ).fetchone()
        assert row is not None
        shard, first, leaves_end = row
        last = first + trades - 1
        while leaves_end <= last:
            connection.execute("SELECT ledger.open_leaf(%s, %s)", (shard, LEAF_EVENTS))
            leaves_end += LEAF_EVENTS
        made: dict[str, object] = {
            "pool": traffic.POOL,
            "shard": shard,
            "first": first,
            "last": last,
        }
        connection.execute(_EVENTS.encode(), made)
        connection.execute(
            "UPDATE ledger.shard SET next_sequence = %s, pool_time ="
            " (SELECT pool_time FROM ledger.event WHERE shard = %s AND sequence = %s)"
            " WHERE shard = %s",
            (last + 1, shard, last, shard),
        )
        connection.execute("VACUUM (ANALYZE) ledger.event")
    return made


def write(url: str, made: dict[str, object], path: Path) -> None:
    """The venue's file: the trades of the books in another order, and `FAULTS` that are wrong."""
    with (
        psycopg.connect(url) as connection,
        connection.cursor() as cursor,
        path.open("w", encoding="utf-8", newline="") as file,
    ):
        lines = csv.writer(file)
        lines.writerow(_COLUMNS)
        rows = cursor.stream(_WRITTEN.encode(), made, size=1_000)
        for number, row in enumerate(rows):
            lines.writerow((*row[:4], "77", *row[5:]) if number < FAULTS else row)


def measured(trades: int = TRADES) -> dict[str, float]:
    """Seconds on the wall and of processors, and MiB, of one reconciliation of so many trades."""
    with tempfile.TemporaryDirectory(prefix="clearing-reconciling-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            migrate(server.url)
            began = time.perf_counter()
            made = fill(server.url, trades)
            path = Path(folder) / "trades.csv"
            write(server.url, made, path)
            filled_s = time.perf_counter() - began
            postmaster = server.server.get_pid()
            assert postmaster is not None
            before = (time.perf_counter(), time.process_time(), served_s(postmaster))
            result = reconcile(server.url, parse_rules(RULES), {"engine": [path]}, traffic.POOL)
            after = (time.perf_counter(), time.process_time(), served_s(postmaster))
        finally:
            server.stop()
    require(result, trades)
    wall, client, postgres = (round(b - a, 2) for a, b in zip(before, after, strict=True))
    return {
        "trades": trades,
        "filled_s": round(filled_s, 1),
        "wall_s": wall,
        "client_cpu_s": client,
        "postgres_cpu_s": postgres,
        "client_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def require(result: Result, trades: int) -> None:
    """The result is the one that was put there."""
    (compared,) = result.compared
    assert (compared.ours, compared.theirs) == (trades, trades), compared
    assert compared.matched == {"exact_reference": trades - FAULTS}, compared
    assert [each.type for each in result.breaks] == ["amount"] * FAULTS
    assert all(control.holds for control in result.controls), result.controls


def served_s(postmaster: int) -> float:
    """Processor seconds of the server: of its processes now, and of those that ended."""
    ticks = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(folder.name) == postmaster:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == postmaster:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_A_SECOND


def main() -> int:
    """Measure; exit code 1 when the bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.reconciling", description=__doc__)
    parser.add_argument("--trades", type=int, default=TRADES)
    figures = measured(parser.parse_args().trades)
    memory = figures["client_memory_mib"]
    sys.stderr.write(
        f"{figures['trades']:,.0f} trades against as many: {figures['wall_s']:.1f} s on the wall;"
        f" processor: client {figures['client_cpu_s']:.1f} s, PostgreSQL"
        f" {figures['postgres_cpu_s']:.1f} s; client's memory {memory:.0f} MiB\n"
    )
    sys.stdout.write(json.dumps({**surroundings(), **figures}, indent=2) + "\n")
    spent = figures["client_cpu_s"] + figures["postgres_cpu_s"]
    return 0 if spent <= BAR_S * max(figures["trades"] / TRADES, 1) else 1


if __name__ == "__main__":
    sys.exit(main())
