"""Raw COPY of the very same rows: what the database itself can take.

The rows that the pipeline wrote are read back in COPY's own binary form, batch by batch, before the
clock starts, and sent into an empty database of the same schema: same tables, constraints, triggers
and transactions, and no work of the client but to send bytes.
"""

import time

import psycopg

TABLES = {
    "event_identity": "sequence",
    "event": "sequence",
    "posting": "sequence",
    "record": "sequence",
}
BATCH_EVENTS = 1000


def measured(source: str, target: str, pool: str) -> dict[str, float]:
    """Trades and postings a second of raw COPY, and how many rows there were."""
    with psycopg.connect(source, autocommit=True) as reading:
        shard, first, last, postings = _extent(reading, pool)
        batches = [
            [_rows(reading, table, shard, start) for table in TABLES]
            for start in range(first, last + 1, BATCH_EVENTS)
        ]
        registry = {table: _all(reading, table) for table in ("source", "commodity", "account")}
    with psycopg.connect(target, autocommit=True) as writing:
        _prepare(writing, pool, registry, last)
        writing.execute("SET ROLE clearing_writer")
        started = time.perf_counter()
        for batch in batches:
            with writing.transaction(), writing.cursor() as cursor:
                for table, rows in zip(TABLES, batch, strict=True):
                    _send(cursor, f"COPY ledger.{table} FROM STDIN (FORMAT BINARY)", rows)
        seconds = time.perf_counter() - started
    trades = last - first + 1
    return {
        "trades_per_second": round(trades / seconds, 1),
        "postings_per_second": round(postings / seconds, 1),
        "postings_per_trade": round(postings / trades, 3),
    }


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


def _rows(connection: psycopg.Connection, table: str, shard: int, start: int) -> bytes:
    return _copied(
        connection,
        f"COPY (SELECT * FROM ledger.{table} WHERE shard = {shard} AND {TABLES[table]}"
        f" BETWEEN {start} AND {start + BATCH_EVENTS - 1} ORDER BY {TABLES[table]})"
        " TO STDOUT (FORMAT BINARY)",
    )


def _all(connection: psycopg.Connection, table: str) -> bytes:
    return _copied(connection, f"COPY (SELECT * FROM ledger.{table}) TO STDOUT (FORMAT BINARY)")


def _copied(connection: psycopg.Connection, statement: str) -> bytes:
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        return b"".join(copy)


def _prepare(
    connection: psycopg.Connection, pool: str, registry: dict[str, bytes], last: int
) -> None:
    connection.execute("SELECT ledger.declare_shard('@unrouted/0', 0, 1000000)")
    row = connection.execute(
        "SELECT ledger.declare_shard(%s, 0, %s)", (pool, last + BATCH_EVENTS)
    ).fetchone()
    assert row is not None
    with connection.cursor() as cursor:
        for table, rows in registry.items():
            _send(cursor, f"COPY ledger.{table} FROM STDIN (FORMAT BINARY)", rows)


def _send(cursor: psycopg.Cursor, statement: str, rows: bytes) -> None:
    with cursor.copy(statement.encode()) as copy:
        copy.write(rows)
