"""What the workbench asks beside the breaks themselves: runs, controls, where references stand."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

RUNS = 5

_RUNS = """
    SELECT run, sequence, rules_version, rules_hash, result_hash, matched, breaks, made_by, made_at,
           inputs
      FROM back_office.runs WHERE pool = %s ORDER BY run DESC LIMIT %s"""
_CONTROLS = """
    SELECT name, holds, checked, says FROM back_office.control
     WHERE run = %s ORDER BY holds, name"""
_SEQUENCES = """
    SELECT event_id, sequence FROM ledger.event_identity
     WHERE shard = %s AND event_id = ANY(%s)"""
_SOURCES = 'SELECT DISTINCT source FROM back_office."break" WHERE pool = %s ORDER BY source'


def runs(connection: psycopg.Connection, pool: str) -> list[DictRow]:
    """The newest reconciliations of a pool, with what each was given."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_RUNS, (pool, RUNS)).fetchall()


def controls(connection: psycopg.Connection, run: int) -> list[DictRow]:
    """Internal controls as a run found them, those that do not hold first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_CONTROLS, (run,)).fetchall()


def sources(connection: psycopg.Connection, pool: str) -> list[str]:
    """Outside sources that ever had a break in a pool."""
    return [source for (source,) in connection.execute(_SOURCES, (pool,))]


def sequences(
    connection: psycopg.Connection, shard: int, references: Sequence[str]
) -> dict[str, int]:
    """Where the accepted events of these ids stand; what is none of ours is left out."""
    asked: tuple[Any, ...] = (shard, list(references))
    return dict(connection.execute(_SEQUENCES, asked).fetchall())
