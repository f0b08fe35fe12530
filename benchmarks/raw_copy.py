"""Raw COPY of the very same rows: what the database itself can take.

The rows that the pipeline wrote are read back in COPY's own binary form, batch by batch, before the
clock starts, and sent into an empty database of the same schema: same tables, constraints, triggers
and transactions, postings straight into their leaf, as the writer sends them, and no work of the
client but to send bytes.
"""

import time
from collections.abc import Mapping
from typing import NamedTuple

import psycopg

from consumers.settings import RunSettings

TABLES = ("event_identity", "event", "posting", "record")
REGISTRY = ("source", "commodity", "account")
BATCH_EVENTS = RunSettings("").batch_events_max
"""As many as a run puts into a transaction."""
EMPTY = 21
"""Bytes of a binary COPY without rows."""


class Rows(NamedTuple):
    """Books of one pool as binary COPY.

    Attributes:
        registry: Sources, commodities and accounts, whole.
        batches: What each transaction sends, by table.
        shard: Of the pool where the rows come from, and where they go to.
        first, last: The trades.
        postings: How many they have.
    """

    registry: Mapping[str, bytes]
    batches: list[dict[str, bytes]]
    shard: int
    first: int
    last: int
    postings: int

    @property
    def trades(self) -> int:
        """How many there are."""
        return self.last - self.first + 1


def read(url: str, pool: str, size: int = BATCH_EVENTS, order: str = "sequence") -> Rows:
    """Read the trades of a pool back, in batches.

    Args:
        url: Of the books.
        pool: Whose.
        size: Events of a batch.
        order: Of the postings within a batch.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        shard, first, last, postings = _extent(connection, pool)
        batches = [
            {
                table: _copied(
                    connection,
                    f"SELECT * FROM ledger.{table} WHERE shard = {shard} AND sequence"
                    f" BETWEEN {start} AND {start + size - 1}"
                    f" ORDER BY {order if table == 'posting' else 'sequence'}",
                )
                for table in TABLES
            }
            for start in range(first, last + 1, size)
        ]
        registry = {t: _copied(connection, f"SELECT * FROM ledger.{t}") for t in REGISTRY}
    return Rows(registry, batches, shard, first, last, postings)


def measured(source: str, target: str, pool: str) -> dict[str, float]:
    """Trades and postings a second of raw COPY, and how many rows there were."""
    rows = read(source, pool)
    with psycopg.connect(target, autocommit=True) as writing:
        prepare(writing, pool, rows)
        writing.execute("SET ROLE clearing_writer")
        targets = {table: table for table in TABLES} | {"posting": f"posting_{rows.shard}_1"}
        started = time.perf_counter()
        for batch in rows.batches:
            with writing.transaction(), writing.cursor() as cursor:
                for table in TABLES:
                    send(cursor, targets[table], batch[table])
        seconds = time.perf_counter() - started
    return {
        "trades_per_second": round(rows.trades / seconds, 1),
        "postings_per_second": round(rows.postings / seconds, 1),
        "postings_per_trade": round(rows.postings / rows.trades, 3),
    }


def prepare(connection: psycopg.Connection, pool: str, rows: Rows) -> None:
    """Make the shard with one leaf that holds all trades, under its old number; the registry."""
    for name in [f"@unrouted/{number}" for number in range(1, rows.shard)] + [pool]:
        connection.execute(
            "SELECT ledger.declare_shard(%s, 0, %s)", (name, rows.last + BATCH_EVENTS)
        )
    with connection.cursor() as cursor:
        for table, content in rows.registry.items():
            send(cursor, table, content)


def send(cursor: psycopg.Cursor, table: str, content: bytes) -> None:
    """COPY ready-made bytes into a table; nothing where there are no rows."""
    if len(content) > EMPTY:
        with cursor.copy(f"COPY ledger.{table} FROM STDIN (FORMAT BINARY)".encode()) as copy:
            copy.write(content)


def _extent(connection: psycopg.Connection, pool: str) -> tuple[int, int, int, int]:
    row = connection.execute(
        "SELECT shard, min(sequence), max(sequence) FROM ledger.event JOIN ledger.shard"
        " USING (shard) WHERE name = %s AND kind = 'trade' GROUP BY shard",
        (pool,),
    ).fetchone()
    assert row is not None
    counted = connection.execute(
        "SELECT count(*) FROM ledger.posting WHERE shard = %s AND sequence >= %s", row[:2]
    ).fetchone()
    assert counted is not None
    return row[0], row[1], row[2], counted[0]


def _copied(connection: psycopg.Connection, query: str) -> bytes:
    statement = f"COPY ({query}) TO STDOUT (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        return b"".join(copy)
