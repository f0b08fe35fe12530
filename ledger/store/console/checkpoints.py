"""Checkpoints and keys for the console, the newest first."""

import psycopg

from ledger.ports import SignedCheckpoint, SigningKey
from ledger.store import checkpoints

PAGE_ROWS = 50
_NEWEST = """
    SELECT sequence, body, key, signature FROM ledger.checkpoint
     WHERE shard = %s AND sequence < %s ORDER BY sequence DESC LIMIT %s"""


def newest(
    connection: psycopg.Connection, shard: int, before: int, rows: int = PAGE_ROWS
) -> list[SignedCheckpoint]:
    """Checkpoints before an event."""
    found = connection.execute(_NEWEST, (shard, before, rows), binary=True)
    return [SignedCheckpoint._make(row) for row in found]


def keys(connection: psycopg.Connection) -> list[SigningKey]:
    """All keys that sign, the oldest first."""
    return checkpoints.keys(connection)
