"""`python -m benchmarks.rows`: where the server's microseconds of a trade go.

Books of some trades are written by the writer and read back as binary COPY. Then they are sent into
empty databases that lack one index, check or trigger each, or that are sent to in another way;
the variants take turns, in another order each round. A figure is the processor time of the one
process of PostgreSQL that serves the connection, from /proc/PID/schedstat: others on the machine
disturb it less than time on the wall. Linux only, server on the same machine.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks import raw_copy, traffic
from benchmarks.raw_copy import Rows
from ledger.ports import Message, Source
from ledger.store import embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate
from ledger.writer import Writer

FENCE = """
    UPDATE ledger.shard SET next_sequence = %s, next_account = next_account, duplicates = 0,
           chain = sha256('c'), frontier = sha256('f'), pool_time = now(), partition = 0
     WHERE shard = %s AND epoch = 0"""
OFFSETS = """
    INSERT INTO ledger.source_offset AS held (shard, source, partition, next_offset)
    SELECT * FROM unnest(%s::int4[], %s::int4[], %s::int4[], %s::int8[])
    ON CONFLICT (shard, source, partition) DO UPDATE SET next_offset = excluded.next_offset
     WHERE held.next_offset < excluded.next_offset"""
BATCH_EVENTS = 1_000
PARTS = ("fence", *raw_copy.TABLES[:3], "commit")
LEAF = "posting_1_1"
BY_ACCOUNT = f"{LEAF}_shard_account_sequence_account_sequence_key"
_NO_UNIQUE = f"ALTER TABLE ledger.{LEAF} DROP CONSTRAINT {BY_ACCOUNT}"
_NO_KEY = "ALTER TABLE ledger.posting DROP CONSTRAINT posting_pkey"
_NO_TRIGGERS = "".join(
    f"DROP TRIGGER always_balanced ON ledger.{table};" for table in ("posting", "posting_1", LEAF)
)


class Variant(NamedTuple):
    """A way to send the rows.

    Attributes:
        target: Of postings.
        without: What the tables lack: statements that take it away.
        size: Events of a transaction.
        order: Of postings within it.
    """

    target: str = LEAF
    without: Sequence[str] = ()
    size: int = BATCH_EVENTS
    order: str = "sequence, line"


VARIANTS: Mapping[str, Variant] = {
    "postings through the parent": Variant("posting"),
    "postings into their leaf": Variant(),
    "  500 events a transaction": Variant(size=500),
    "  2,000": Variant(size=2000),
    "  5,000": Variant(size=5000),
    "  in order of accounts": Variant(order="account, sequence, account_sequence"),
    "  without the key by account": Variant(without=(_NO_UNIQUE,)),
    "  by (account, sequence) alone": Variant(
        without=(_NO_UNIQUE, f"CREATE INDEX ON ledger.{LEAF} (account, sequence)")
    ),
    "  by (account, account_sequence)": Variant(
        without=(_NO_UNIQUE, f"CREATE UNIQUE INDEX ON ledger.{LEAF} (account, account_sequence)")
    ),
    "  without the primary key": Variant(without=(_NO_KEY,)),
    "  BRIN for the primary key": Variant(
        without=(_NO_KEY, f"CREATE INDEX ON ledger.{LEAF} USING brin (sequence)")
    ),
    "  without both": Variant(without=(_NO_UNIQUE, _NO_KEY)),
    "  without the balance trigger": Variant(without=(_NO_TRIGGERS,)),
    "  without amount <> 0": Variant(
        without=("ALTER TABLE ledger.posting DROP CONSTRAINT posting_moves_something",)
    ),
    "  without event_reference": Variant(without=("DROP INDEX ledger.event_reference",)),
    "  without event_refused, _redriven": Variant(
        without=("DROP INDEX ledger.event_refused, ledger.event_redriven",)
    ),
    "  without the checks of event": Variant(
        without=(
            "ALTER TABLE ledger.event DROP CONSTRAINT event_hashes_are_sha256",
            "ALTER TABLE ledger.event DROP CONSTRAINT event_accepted_is_decoded",
            "ALTER TABLE ledger.event DROP CONSTRAINT event_redrive_is_whole",
        )
    ),
    "  without the key of event": Variant(
        without=("ALTER TABLE ledger.event DROP CONSTRAINT event_pkey",)
    ),
    "  without the key of event_identity": Variant(
        without=("ALTER TABLE ledger.event_identity DROP CONSTRAINT event_identity_pkey",)
    ),
}


def main() -> None:
    """Measure, and print a line a variant: the median of all rounds."""
    parser = argparse.ArgumentParser(prog="benchmarks.rows", description=__doc__)
    parser.add_argument("--trades", type=int, default=20_000)
    parser.add_argument("--participants", type=int, default=traffic.PARTICIPANTS)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clearing-rows-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            _report(_rounds(server.url, asked.trades, asked.participants, asked.rounds))
        finally:
            server.stop()


def fill(url: str, trades: int, participants: int) -> None:
    """Books of so many trades, by the writer."""
    log = PostgresLog.connect(url, "benchmark")
    writer = Writer(log)
    for name, lines in (
        ("openings", traffic.openings(participants)),
        ("trades", traffic.trades(trades, participants)),
    ):
        source = Source("file", name, name)
        messages = [Message(source, 0, at, 0, None, line) for at, line in enumerate(lines)]
        for start in range(0, len(messages), BATCH_EVENTS):
            batch = messages[start : start + BATCH_EVENTS]
            assert writer.take(batch).rejected == 0
    log.close()


def database(server: str, name: str, like: str | None = None) -> str:
    """The URL of a database made anew; as `like` was, or migrated."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {like or 'template1'}".encode())
    url = server.replace("/postgres?", f"/{name}?")
    if like is None:
        migrate(url)
    return url


def served(connection: psycopg.Connection) -> float:
    """Microseconds of a processor that the server's process of this connection has had."""
    path = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    return int(path.read_text().split()[0]) / 1000


def _rounds(
    server: str, trades: int, participants: int, rounds: int
) -> dict[str, list[dict[str, float]]]:
    books = database(server, "books")
    fill(books, trades, participants)
    kinds = {(variant.size, variant.order) for variant in VARIANTS.values()}
    rows = {kind: raw_copy.read(books, traffic.POOL, *kind) for kind in kinds}
    database(server, "nothing")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for number in range(rounds):
        for name in random.Random(number).sample(list(VARIANTS), len(VARIANTS)):
            variant = VARIANTS[name]
            url = database(server, "variant", "nothing")
            found[name].append(_sent(url, variant, rows[variant.size, variant.order]))
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
    return found


def _sent(url: str, variant: Variant, rows: Rows) -> dict[str, float]:
    """Microseconds of the server by statement, of the wall, and bytes of WAL, all of one trade."""
    spent = dict.fromkeys(PARTS, 0.0)
    with psycopg.connect(url, autocommit=True) as connection:
        raw_copy.prepare(connection, traffic.POOL, rows)
        for statement in variant.without:
            connection.execute(statement.encode())
        connection.execute("CHECKPOINT")
        written = wal(connection)
        connection.execute("SET ROLE clearing_writer")
        began, last = time.perf_counter(), served(connection)
        for number, batch in enumerate(rows.batches):
            with connection.transaction(), connection.cursor() as cursor:
                for part in PARTS[:-1]:
                    if part == "fence":
                        at = rows.first + number * variant.size
                        cursor.execute(FENCE, (at, rows.shard))
                        cursor.execute(OFFSETS, ([rows.shard], [1], [0], [at]))
                    else:
                        table = variant.target if part == "posting" else part
                        raw_copy.send(cursor, table, batch[part])
                    now = served(connection)
                    spent[part], last = spent[part] + now - last, now
            now = served(connection)
            spent["commit"], last = spent["commit"] + now - last, now
        wall = (time.perf_counter() - began) * 1e6
        connection.execute("RESET ROLE")
        spent = {"all": sum(spent.values()), **spent, "wall": wall}
        spent["WAL"] = wal(connection) - written
    return {name: value / rows.trades for name, value in spent.items()}


def wal(connection: psycopg.Connection) -> float:
    """Bytes of WAL that the server has ever written."""
    row = connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::float8").fetchone()
    assert row is not None
    return float(row[0])


def _report(found: Mapping[str, list[dict[str, float]]]) -> None:
    columns = list(next(iter(found.values()))[0])
    sys.stdout.write("| us of the server, a trade | " + " | ".join(columns) + " | least |\n")
    sys.stdout.write("|---|" + "---:|" * (len(columns) + 1) + "\n")
    for name, runs in found.items():
        middle = [statistics.median(run[column] for run in runs) for column in columns]
        least = min(run["all"] for run in runs)
        line = " | ".join(f"{value:.1f}" if value < 1000 else f"{value:,.0f}" for value in middle)  # noqa: PLR2004
        sys.stdout.write(f"| {name} | {line} | {least:.1f} |\n")


if __name__ == "__main__":
    main()
