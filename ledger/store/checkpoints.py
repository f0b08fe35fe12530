"""Checkpoints and the keys that sign them, as rows."""

from collections.abc import Iterator
from typing import Any

import psycopg

from ledger.ports import SignedCheckpoint, SigningKey

_LOCK_CLASS = 1_667_589_236
_COLUMNS = "SELECT sequence, body, key, signature FROM ledger.checkpoint WHERE shard = %s"
_LATEST = f"{_COLUMNS} ORDER BY sequence DESC LIMIT 1"
_BETWEEN = f"{_COLUMNS} AND sequence BETWEEN %s AND %s ORDER BY sequence"
_SAVE = """
    INSERT INTO ledger.checkpoint (shard, sequence, body, key, signature)
    VALUES (%s, %s, %s, %s, %s)"""
_KEYS = "SELECT key, endorsed_by, signature FROM ledger.signing_key ORDER BY made_at, key"
_ADD_KEY = """
    INSERT INTO ledger.signing_key (made_at, key, endorsed_by, signature)
    SELECT clock_timestamp(), %(key)s, %(by)s, %(signature)s
     WHERE %(vouched)s OR NOT EXISTS (SELECT FROM ledger.signing_key)
    ON CONFLICT (key) DO NOTHING"""
_SCALES = "SELECT asset, scale::int FROM ledger.commodity WHERE shard = %s AND asset IS NOT NULL"
_PAGE_ROWS = 1_000


def latest(connection: psycopg.Connection, shard: int) -> SignedCheckpoint | None:
    """The newest checkpoint, or None."""
    row = connection.execute(_LATEST, (shard,), binary=True).fetchone()
    return None if row is None else SignedCheckpoint._make(row)


def between(
    connection: psycopg.Connection, shard: int, first: int, last: int
) -> Iterator[SignedCheckpoint]:
    """Checkpoints at the events `first` to `last`, in order, by pages."""
    while True:
        rows: list[Any] = connection.execute(
            f"{_BETWEEN} LIMIT {_PAGE_ROWS}", (shard, first, last), binary=True
        ).fetchall()
        yield from map(SignedCheckpoint._make, rows)
        if len(rows) < _PAGE_ROWS:
            return
        first = rows[-1][0] + 1


def save(
    connection: psycopg.Connection, shard: int, checkpoint: SignedCheckpoint, after: int
) -> bool:
    """Keep a checkpoint, if the newest is the one at `after`; the shard's row makes it wait."""
    with connection.transaction():
        connection.execute("SELECT FROM ledger.shard WHERE shard = %s FOR UPDATE", (shard,))
        found = latest(connection, shard)
        if (0 if found is None else found.sequence) != after or checkpoint.sequence <= after:
            return False
        connection.execute(_SAVE, (shard, *checkpoint))
        return True


def keys(connection: psycopg.Connection) -> list[SigningKey]:
    """All keys, the oldest first."""
    rows = connection.execute(_KEYS, binary=True)
    return [SigningKey._make(row) for row in rows]


def add_key(connection: psycopg.Connection, key: SigningKey, *, lost: bool) -> bool:
    """Make a key known; False when it is, or when nobody vouches for one that needs it."""
    named = {
        "key": key.key,
        "by": key.endorsed_by,
        "signature": key.signature,
        "vouched": lost or key.endorsed_by is not None,
    }
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (_LOCK_CLASS,))
        return connection.execute(_ADD_KEY, named).rowcount == 1


def scales(connection: psycopg.Connection, shard: int) -> dict[str, int]:
    """Decimals of the assets of a shard."""
    return dict(connection.execute(_SCALES, (shard,)).fetchall())
