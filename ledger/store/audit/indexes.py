"""Indexes as the server keeps them, held against the rows that a look through a whole table finds.

A superuser can tell the catalog that an index is not ready, write a row, and take it back: that row
is in the table and in the other indexes, and not in this one. So each index of each table is
counted in its own order, and the table without any. Memory: one number.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import psycopg

from ledger.store.faults import translated

_BY_INDEX = """
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    SET LOCAL enable_sort = off;
    SET LOCAL enable_incremental_sort = off;
    SET LOCAL enable_indexscan = on;
    SET LOCAL enable_indexonlyscan = on"""
_BY_TABLE = """
    SET LOCAL enable_seqscan = on;
    SET LOCAL enable_indexscan = off;
    SET LOCAL enable_indexonlyscan = off"""
_INDEXES = r"""
    WITH found AS (
        SELECT i.relname AS name, t.relname AS held, t.relkind AS kind, t.relispartition AS is_part,
               x.indisvalid AND x.indisready AND x.indislive AS is_usable,
               coalesce(pg_get_expr(x.indpred, x.indrelid), 'true') AS condition,
               (SELECT string_agg(pg_get_indexdef(x.indexrelid, k, true), ', ' ORDER BY k)
                  FROM generate_series(1, x.indnkeyatts) k) AS keys,
               regexp_match(t.relname, '^(event|posting|record)_(\d+)_(\d+)$') AS leaf,
               substring(pg_get_expr(t.relpartbound, t.oid) FROM 'TO \(''?(\d+)')::bigint AS past
          FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
          JOIN pg_class t ON t.oid = x.indrelid
         WHERE t.relnamespace = 'ledger'::regnamespace)
    SELECT name, held, is_usable, keys, condition,
           CASE WHEN is_part AND leaf IS NOT NULL THEN leaf[1]
                WHEN NOT is_part AND held NOT IN ('event', 'posting', 'record') THEN held END,
           CASE WHEN is_part THEN leaf[2]::int END,
           CASE WHEN is_part THEN leaf[3]::bigint END, past
      FROM found ORDER BY held, name"""
_MAY_READ = "SELECT has_table_privilege('ledger.' || quote_ident(%s), 'SELECT')"
_LATEST = """
    SELECT a.account, held.account_sequence, held.balance
      FROM ledger.account a
      CROSS JOIN LATERAL (
           SELECT h.* FROM (
               (SELECT p.sequence, p.account_sequence, p.balance FROM ledger.posting p
                 WHERE p.shard = %(shard)s AND p.account = a.account AND p.sequence <= %(at)s
                   AND p.account BETWEEN a.account AND a.account
                 ORDER BY p.sequence DESC, p.account_sequence DESC LIMIT 1)
               UNION ALL
               (SELECT o.sequence, o.account_sequence, o.balance FROM ledger.carried_balance o
                 WHERE o.shard = %(shard)s AND o.account = a.account AND o.sequence <= %(at)s
                 ORDER BY o.account_sequence DESC LIMIT 1)) h
            ORDER BY h.sequence DESC LIMIT 1) held
     WHERE a.shard = %(shard)s AND a.account <= %(accounts)s"""


class Index(NamedTuple):
    """An index of a table of rows.

    Attributes:
        name, table: Its own, and that of the table or partition it is of.
        is_usable: The catalog calls it valid, ready and live.
        keys, condition: What it is ordered by, and what rows it is of, as SQL.
        root: The table to ask; None: there are no rows to count (a level above partitions).
        shard, first, past: Of a partition its shard, its first event and the one behind its last.
    """

    name: str
    table: str
    is_usable: bool
    keys: str
    condition: str
    root: str | None
    shard: int | None
    first: int | None
    past: int | None

    @property
    def rows(self) -> str:
        """The rows that are in this index, as SQL."""
        part = ""
        if self.shard is not None:
            part = f" AND shard = {self.shard} AND sequence >= {self.first}"
            part += f" AND sequence < {self.past}"
        return f"FROM ledger.{self.root} WHERE ({self.condition}){part}"

    @property
    def in_order(self) -> str:
        """A query for these rows that only this index can answer without sorting."""
        rows = f"SELECT {self.rows} ORDER BY {self.keys}"
        return f"SELECT count(*) FROM ({rows}) AS found"  # noqa: S608 - names from the catalog


def indexes(connection: psycopg.Connection) -> list[Index]:
    """All of the schema `ledger`; those of tables that this role may not read cannot be counted."""
    with translated():
        found = [Index(*row) for row in connection.execute(_INDEXES.encode()).fetchall()]
        roots = {one.root for one in found if one.root is not None}
        unread = {root for root in roots if not _answer(connection, _MAY_READ, (root,))}
        return [one._replace(root=None) if one.root in unread else one for one in found]


def counts(
    connection: psycopg.Connection, chosen: Sequence[Index]
) -> Iterator[tuple[Index, int, int]]:
    """Rows that the table has, and rows that the index finds, of each.

    Within a transaction that sees one moment.
    """
    with translated():
        try:
            for one in chosen:
                connection.execute(_BY_TABLE)
                by_table = _answer(connection, f"SELECT count(*) {one.rows}")
                connection.execute(_BY_INDEX)
                yield one, by_table, _answer(connection, one.in_order)
        finally:
            connection.execute(_BY_INDEX)


def newest_balances(
    connection: psycopg.Connection, shard: int, accounts: int, at: int
) -> Iterator[tuple[int, int, int]]:
    """Account, count of its postings and balance after an event, as the views find them.

    Args:
        connection: Of an auditor.
        shard: Of it.
        accounts: The largest number to ask for.
        at: The event.
    """
    named = {"shard": shard, "accounts": accounts, "at": at}
    with translated(), connection.cursor(binary=True) as cursor:
        rows: Any = cursor.stream(_LATEST, named, size=1000)
        for account, count, balance in rows:
            yield account, count, int(balance)


def _answer(connection: psycopg.Connection, query: str, values: tuple[object, ...] = ()) -> Any:  # noqa: ANN401 - a column
    row = connection.execute(query.encode(), values or None).fetchone()
    assert row is not None
    return row[0]
