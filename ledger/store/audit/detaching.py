"""Partitions as retention sees them: where they begin and end, and the oldest one detached.

The connection that detaches acts as `clearing_retention`, which may do nothing else. First what
stays of the partition is written down, while everybody reads and writes; then, in a transaction of
its own, the partition is detached, which waits for readers and writers of the pool, up to a bound.
"""

from typing import Any

import psycopg

from ledger.store.faults import translated

_SESSION = "SET ROLE clearing_retention; SET lock_timeout = '30s'"
_LEAVES = """
    SELECT split_part(child.relname::text, '_', 3)::bigint AS first,
           substring(pg_get_expr(child.relpartbound, child.oid) FROM 'TO \\(''?(\\d+)')::bigint
      FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
     WHERE inhparent = to_regclass(%s) ORDER BY first"""


def leaves(connection: psycopg.Connection, shard: int) -> list[tuple[int, int]]:
    """First and last sequence that each partition of a shard is made for, the oldest first."""
    with translated():
        rows: list[Any] = connection.execute(_LEAVES, (f"ledger.event_{shard}",)).fetchall()
        return [(first, past - 1) for first, past in rows]


def detach(url: str, shard: int, first: int) -> None:
    """Take the oldest partition of a shard out of the books; its tables stay, named as before.

    Raises:
        StoreError: It is not the oldest, or is in use, or holds a trade that was busted since the
            newest snapshot; the message says which.
        StoreUnavailable: Somebody is reading or writing the pool all the time.
    """
    with (
        translated(),
        psycopg.connect(url, autocommit=True, application_name="clearing archive") as connection,
    ):
        connection.execute(_SESSION)
        connection.execute("SELECT ledger.carry_leaf(%s, %s)", (shard, first))
        connection.execute("SELECT ledger.detach_leaf(%s, %s)", (shard, first))
