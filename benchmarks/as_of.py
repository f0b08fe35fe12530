"""One account's past, and listings of a whole pool, in books of many postings.

Reference data and deposits go through the writer. Trades are then made inside the database, all
triggers and indexes on, seven postings each: contracts, cost and fees of two participants out of
500 in one instrument, and the house. A tenth of them record a mark. Balances and sequences are
true; hashes and raw messages are not, and nothing that is timed reads them.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from benchmarks import traffic
from ledger.ports import Message, Source
from ledger.store import embedded
from ledger.store.log.postgres import LEAF_EVENTS, PostgresLog
from ledger.store.migrate import migrate
from ledger.writer import Writer

POSTINGS = 1_000_000
POSTINGS_OF_A_TRADE = 7
PAIRS = 200
WARM = 20
BAR_MS = 5.0
QUESTIONS = ("balances", "margin")
LISTINGS = {
    "newest_100_postings_of_account": "SELECT * FROM reporting.postings WHERE pool = %(pool)s"
    " AND account = %(account)s ORDER BY sequence DESC, line DESC LIMIT 100",
    "balances_of_pool": "SELECT * FROM reporting.balances WHERE pool = %(pool)s",
    "positions_of_pool": "SELECT * FROM reporting.positions WHERE pool = %(pool)s",
    "margin_of_pool": "SELECT * FROM reporting.margin WHERE pool = %(pool)s",
    "trial_balance": "SELECT * FROM reporting.trial_balance WHERE pool = %(pool)s",
    "open_interest": "SELECT * FROM reporting.open_interest WHERE pool = %(pool)s",
}
LISTED = 3

_ACCOUNTS = """
INSERT INTO ledger.account (shard, account, owner, kind, instrument, asset)
SELECT s.shard, s.next_account - 1 + row_number() OVER (ORDER BY w.account, k.place),
       w.owner, k.kind, 'BTC-PERP', k.asset
  FROM ledger.shard s
  JOIN ledger.account w ON w.shard = s.shard AND w.kind = 'wallet'
 CROSS JOIN (VALUES (1, 'position', NULL), (2, 'variation', 'USDT')) k(place, kind, asset)
 WHERE s.name = %(pool)s
UNION ALL
SELECT shard, next_account + 1000, '@house', 'fees', NULL, 'USDT'
  FROM ledger.shard WHERE name = %(pool)s
"""
_EVENTS = """
INSERT INTO ledger.event (shard, source, sequence, "offset", timestamp_ms, occurred_at, pool_time,
                          partition, rules, kind, event_id, content_hash, leaf, chain, raw)
SELECT e.shard, e.source, n, n, 0, e.pool_time + (n - e.sequence) * interval '1 ms',
       e.pool_time + (n - e.sequence) * interval '1 ms', 0, e.rules, 'trade', 't-' || n,
       e.leaf, e.leaf, e.leaf, '{}'
  FROM ledger.event e, generate_series(%(first)s::bigint, %(last)s::bigint) n
 WHERE e.shard = %(shard)s AND e.sequence = %(first)s - 1
"""
_MARKS = """
INSERT INTO ledger.record (shard, line, sequence, kind, subject, body)
SELECT r.shard, 1, n, r.kind, r.subject, r.body
  FROM ledger.record r, generate_series(%(first)s::bigint, %(last)s::bigint, 10) n
 WHERE r.shard = %(shard)s AND r.kind = 'mark' AND r.sequence < %(first)s
"""
_POSTINGS = """
WITH participant AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY w.account) - 1 AS place, w.account AS wallet,
           p.account AS position, v.account AS variation
      FROM ledger.account w
      JOIN ledger.account p ON (p.shard, p.owner, p.kind) = (w.shard, w.owner, 'position')
      JOIN ledger.account v ON (v.shard, v.owner, v.kind) = (w.shard, w.owner, 'variation')
     WHERE w.shard = %(shard)s AND w.kind = 'wallet'
), trade AS (
    SELECT n, b.position AS bought, s.position AS sold, b.variation AS paid, s.variation AS got,
           b.wallet AS buyer, s.wallet AS seller, 1 + n %% 900 AS quantity
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
      JOIN participant b ON b.place = n * 7919 %% 500
      JOIN participant s ON s.place = (n * 7919 + 1 + n / 500 %% 499) %% 500
), line AS (
    SELECT t.n, l.*
      FROM trade t
     CROSS JOIN LATERAL (VALUES
        (1, t.bought, t.quantity, true), (2, t.sold, -t.quantity, true),
        (3, t.paid, -60000000 * t.quantity, false), (4, t.got, 60000000 * t.quantity, false),
        (5, t.buyer, -250, false), (6, t.seller, -150, false),
        (7, (SELECT account FROM ledger.account WHERE shard = %(shard)s AND kind = 'fees'),
            400, false)) l(place, account, amount, is_contracts)
), before AS MATERIALIZED (
    SELECT DISTINCT ON (account) account, account_sequence, balance FROM ledger.posting
     WHERE shard = %(shard)s ORDER BY account, account_sequence DESC
)
INSERT INTO ledger.posting (shard, account, sequence, account_sequence, line, commodity, purpose,
                            amount, balance)
SELECT %(shard)s, l.account, l.n,
       coalesce(b.account_sequence, 0) + row_number() OVER w, l.place,
       CASE WHEN l.is_contracts THEN %(contracts)s ELSE %(cash)s END, 1,
       l.amount, coalesce(b.balance, 0) + sum(l.amount) OVER w
  FROM line l LEFT JOIN before b ON b.account = l.account
WINDOW w AS (PARTITION BY l.account ORDER BY l.n)
"""


def measured(postings: int = POSTINGS) -> dict[str, float]:
    """Milliseconds, index probes and pages of both questions, over so many postings."""
    with tempfile.TemporaryDirectory(prefix="clearing-as-of-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            migrate(server.url)
            _open(server.url)
            with psycopg.connect(server.url, autocommit=True) as connection:
                began = time.perf_counter()
                first, last = _fill(connection, postings // POSTINGS_OF_A_TRADE)
                figures = {
                    "postings": float((last - first + 1) * POSTINGS_OF_A_TRADE),
                    "filled_s": round(time.perf_counter() - began, 1),
                }
                for question in QUESTIONS:
                    found = _asked(connection, question, first, last)
                    figures |= {f"{question}_{name}": value for name, value in found.items()}
                figures |= _listed(connection)
        finally:
            server.stop()
    return figures


def table(figures: Mapping[str, float]) -> Iterator[str]:
    """The figures as lines for people."""
    for question in QUESTIONS:
        median, p99, probes, pages = (
            figures[f"{question}_{name}"] for name in ("median_ms", "p99_ms", "probes", "pages")
        )
        yield (
            f"{question} of one account as of any of {figures['postings']:,.0f} postings:"
            f" median {median:.2f} ms, p99 {p99:.2f} ms,"
            f" {probes:.0f} index probes of postings, {pages:.0f} pages"
        )

    listed = (f"{name} {figures[f'list_{name}_ms']:,.1f}" for name in LISTINGS)
    yield f"listings, milliseconds: {', '.join(listed)}"


def _listed(connection: psycopg.Connection) -> dict[str, float]:
    """Milliseconds of each listing, rows fetched, the median of a few after one to warm up."""
    asked = {"pool": traffic.POOL, "account": "participant-007"}
    figures = {}
    for name, query in LISTINGS.items():
        taken = []
        for _ in range(1 + LISTED):
            began = time.perf_counter()
            rows = connection.execute(query.encode(), asked).fetchall()
            taken.append((time.perf_counter() - began) * 1000)
            assert rows, name
        figures[f"list_{name}_ms"] = round(statistics.median(taken[1:]), 2)
    return figures


def _open(url: str) -> None:
    log = PostgresLog.connect(url, "benchmark")
    source = Source("file", "openings", "openings")
    lines = traffic.openings()
    messages = [Message(source, 0, at, 0, None, line) for at, line in enumerate(lines)]
    assert Writer(log).take(messages).rejected == 0
    log.close()


def _fill(connection: psycopg.Connection, trades: int) -> tuple[int, int]:
    """Make the trades; their first and last sequence."""
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
    connection.execute(
        "INSERT INTO ledger.commodity (shard, commodity, asset, instrument, scale)"
        " SELECT %s, max(commodity) + 1, NULL, 'BTC-PERP', 3 FROM ledger.commodity"
        " WHERE shard = %s HAVING NOT bool_or(instrument = 'BTC-PERP' IS TRUE)",
        (shard, shard),
    )
    numbers: dict[bool, int] = dict(
        connection.execute(
            "SELECT asset IS NULL, commodity FROM ledger.commodity WHERE shard = %s", (shard,)
        ).fetchall()
    )
    made = {"pool": traffic.POOL, "shard": shard, "first": first, "last": last}
    made |= {"contracts": numbers[True], "cash": numbers[False]}
    for statement in (_ACCOUNTS, _EVENTS, _MARKS, _POSTINGS):
        connection.execute(statement.encode(), made)
    connection.execute(
        "UPDATE ledger.shard SET next_sequence = %s, next_account = next_account + 1001,"
        " pool_time = (SELECT pool_time FROM ledger.event WHERE shard = %s AND sequence = %s)"
        " WHERE shard = %s",
        (last + 1, shard, last, shard),
    )
    connection.execute("VACUUM (ANALYZE) ledger.posting, ledger.event, ledger.record")
    return first, last


def _asked(
    connection: psycopg.Connection, question: str, first: int, last: int
) -> dict[str, float]:
    draw = random.Random(traffic.SEED)
    call = f"SELECT * FROM reporting.{question if question == 'margin' else 'balances'}_at"
    query = f"{call}(%s, %s::bigint, %s)".encode()
    taken: list[float] = []
    asked: tuple[str, int, str] = (traffic.POOL, last, "")
    for _ in range(WARM + PAIRS):
        name = f"participant-{draw.randrange(traffic.PARTICIPANTS):03}"
        asked = (traffic.POOL, draw.randint(first + last // 100, last), name)
        began = time.perf_counter()
        rows = connection.execute(query, asked).fetchall()
        taken.append((time.perf_counter() - began) * 1000)
        assert rows, asked
    taken = taken[WARM:]
    with connection.transaction():
        before = _probes(connection)
        plan = connection.execute(
            b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query, asked
        ).fetchall()[0][0][0]["Plan"]
        probes = _probes(connection) - before
    return {
        "median_ms": round(statistics.median(taken), 3),
        "p99_ms": round(statistics.quantiles(taken, n=100)[98], 3),
        "probes": float(probes),
        "pages": float(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]),
    }


def _probes(connection: psycopg.Connection) -> int:
    """Of indexes of postings, in this database transaction so far."""
    row = connection.execute(
        "SELECT coalesce(sum(idx_scan), 0) FROM pg_stat_xact_user_tables"
        " WHERE schemaname = 'ledger' AND relname LIKE 'posting%'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def main() -> int:
    """`python -m benchmarks.as_of`: these figures alone; exit code 1 when the bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.as_of", description=__doc__)
    parser.add_argument("--postings", type=int, default=POSTINGS)
    figures = measured(parser.parse_args().postings)
    sys.stderr.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0 if figures["balances_median_ms"] <= BAR_MS else 1


if __name__ == "__main__":
    sys.exit(main())
