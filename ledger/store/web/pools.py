"""Pools for the API: how far each is, and a moment of pool time as a sequence."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from ledger.store.web.rows import NotThere, Rows, UnknownPool, fetched

_POOLS = sql.SQL("SELECT * FROM reporting.pools ORDER BY pool")
_POOL = "SELECT sequence FROM reporting.pools WHERE pool = %s"
_SEQUENCE_AT = sql.SQL("SELECT reporting.sequence_at(%(pool)s, %(moment)s)")
_DESCRIBED = """
    SELECT view.relname, obj_description(view.oid, 'pg_class'), part.attname,
           format_type(part.atttypid, NULL), col_description(view.oid, part.attnum)
      FROM pg_class AS view JOIN pg_attribute AS part ON part.attrelid = view.oid
     WHERE view.relnamespace = ANY(ARRAY['reporting', 'back_office']::regnamespace[])
       AND view.relkind = 'v' AND part.attnum > 0
     ORDER BY view.relname, part.attnum"""


class Described(NamedTuple):
    """A column as the database describes it: type in its words, and meaning."""

    name: str
    type: str
    meaning: str


def pools(connection: psycopg.Connection) -> Rows:
    """All pools, by name."""
    return fetched(connection, _POOLS, {})


def head(connection: psycopg.Connection, pool: str) -> int:
    """Sequence of a pool's newest event; 0 before the first.

    Raises:
        UnknownPool: There is no such pool.
    """
    row = connection.execute(_POOL, (pool,)).fetchone()
    if row is None:
        raise UnknownPool(f"the books have no pool {pool}")
    return int(row[0])


def sequence_at(connection: psycopg.Connection, pool: str, at: int | datetime, newest: int) -> int:
    """The event after which the books stood so.

    Args:
        connection: Lent by the caller.
        pool: That is known.
        at: A sequence, or a moment of pool time.
        newest: The pool's newest event.

    Raises:
        NotThere: It is after the newest event, or a moment before the first.
        Detached: Only detached partitions could tell.
    """
    if isinstance(at, datetime):
        rows = fetched(connection, _SEQUENCE_AT, {"pool": pool, "moment": at}).rows
        found = int(rows[0][0] or 0)
        if found == 0 and newest > 0:
            raise NotThere(f"pool {pool} has no event at {at.isoformat()} or before")
        return found
    if at > newest:
        raise NotThere(f"pool {pool} has no event {at} yet: its newest is {newest}")
    return at


def described(connection: psycopg.Connection) -> Mapping[str, tuple[str, list[Described]]]:
    """Of each view its sentence and its columns, in the words of the comments in the database."""
    found: dict[str, tuple[str, list[Described]]] = {}
    row: tuple[Any, ...]
    for row in connection.execute(_DESCRIBED):
        view, sentence, *column = row
        found.setdefault(view, (sentence, []))[1].append(Described._make(column))
    return found
