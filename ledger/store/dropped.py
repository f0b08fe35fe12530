"""Tables of partitions that revision 0001 detached: which were dropped before revision 0002.

Revision 0002 carries over what these tables tell of terms and prices; what is told nowhere else is
lost once it has run. So `clearing migrate` asks here first.
"""

from collections.abc import Iterator

import psycopg
from psycopg import sql

from ledger.errors import StoreError

_IS_BEFORE = """
    SELECT to_regclass('ledger.event') IS NOT NULL AND to_regclass('ledger.carried_leaf') IS NULL"""
_HELD = """
    SELECT s.shard, s.name, held.sequence FROM ledger.shard s
     CROSS JOIN LATERAL (SELECT e.sequence FROM ledger.event e
                          WHERE e.shard = s.shard ORDER BY e.sequence LIMIT 1) held
     WHERE held.sequence > 1 AND left(s.name, 1) <> '@' ORDER BY s.name"""
_TABLES = """
    SELECT split_part(c.relname, '_', 3)::bigint FROM pg_class c
     WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind = 'r'
       AND c.relname ~ format('^event_%%s_[0-9]+$', %(shard)s::text)
       AND to_regclass('ledger.' || replace(c.relname, 'event_', 'record_')) IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
     ORDER BY 1"""


def require_detached(connection: psycopg.Connection) -> None:
    """Refuse where a table that revision 0002 would read is gone; fine where it has run already.

    Args:
        connection: Of a login that may read the books.

    Raises:
        StoreError: Naming pools and events, and what to do.
    """
    is_before = connection.execute(_IS_BEFORE).fetchone()
    gone = list(_gone(connection)) if is_before == (True,) else []
    if gone:
        raise StoreError(
            "tables of detached partitions were dropped, and revision 0002 would carry terms and"
            f" prices over from them: {'; '.join(gone)}. Put ledger.event_SHARD_FIRST and"
            " ledger.record_SHARD_FIRST back from a backup, or go on by --without-dropped and tell"
            " the terms again: docs/operating/upgrade.md"
        )


def _gone(connection: psycopg.Connection) -> Iterator[str]:
    for shard, pool, held_from in connection.execute(_HELD).fetchall():
        expected = 1
        for (first,) in connection.execute(_TABLES, {"shard": shard}).fetchall():
            if first > expected:
                yield f"pool {pool}, events {expected} to {first - 1}"
            expected = max(expected, _last(connection, shard, first) + 1)
        if expected < held_from:
            yield f"pool {pool}, events {expected} to {held_from - 1}"


def _last(connection: psycopg.Connection, shard: int, first: int) -> int:
    """The last event of a detached table."""
    table = sql.Identifier("ledger", f"event_{shard}_{first}")
    row = connection.execute(
        sql.SQL("SELECT max(sequence) FROM {} WHERE shard = %s").format(table), [shard]
    ).fetchone()
    return int(row[0]) if row is not None and row[0] is not None else first
