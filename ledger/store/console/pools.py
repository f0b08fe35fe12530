"""What the console asks of whole pools: heads, sums over all accounts, how fast events came.

Rules of this file, and of those beside it:

* A connection is lent by the caller, in a read-only transaction, in the role clearing_auditor.
* Every question is bounded: a page of rows, or a number of index probes. The one exception is
  `sums`, which has to ask for every account of a pool: 20 microseconds each.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row, dict_row

Connection = psycopg.Connection
"""What is lent to all that asks here."""

REFUSED_COUNTED_MAX = 1_000
_UNROUTED = "@"

_HEADS = """
    SELECT s.name, s.shard, s.next_sequence - 1 AS head, s.duplicates
      FROM ledger.shard s ORDER BY left(s.name, 1) = '@', s.name"""
_STANDINGS = """
    SELECT n.shard, n.at,
           coalesce(e.pool_time,
                    (SELECT c.pool_time FROM ledger.carried_leaf c
                      WHERE c.shard = n.shard AND c.last = n.at)) AS pool_time,
           e.timestamp_ms AS newest_ms,
           (SELECT count(*) FROM (SELECT FROM ledger.event r
                                   WHERE r.shard = n.shard AND r.rejection IS NOT NULL
                                     AND r.sequence <= n.at
                                   LIMIT %(most)s) few) AS refused,
           (SELECT max(k.sequence) FROM ledger.checkpoint k
             WHERE k.shard = n.shard AND k.sequence <= n.at) AS checkpoint
      FROM unnest(%(shards)s::int[], %(ats)s::bigint[]) n(shard, at)
      LEFT JOIN ledger.event e ON e.shard = n.shard AND e.sequence = n.at"""
_SEQUENCES_AT = "SELECT shard, ledger.sequence_at(shard, %s::timestamptz) FROM ledger.shard"
_SEQUENCE_AT = "SELECT ledger.sequence_at(%s, %s::timestamptz)"
_POOL_TIME = """
    SELECT coalesce(
        (SELECT pool_time FROM ledger.event WHERE shard = %(shard)s AND sequence = %(at)s),
        (SELECT pool_time FROM ledger.carried_leaf WHERE shard = %(shard)s AND last = %(at)s))"""
_SUMS = """
    SELECT a.kind, CASE WHEN left(a.owner, 1) = '@' THEN a.owner END AS house, a.instrument,
           a.asset, c.scale::int AS scale,
           ledger.natural_units(sum(last.balance), c.scale) AS total,
           ledger.natural_units(coalesce(sum(last.balance) FILTER (WHERE last.balance > 0), 0),
                                c.scale) AS positive,
           count(*) FILTER (WHERE last.balance <> 0) AS holders
      FROM ledger.account a
      JOIN ledger.commodity c ON c.shard = a.shard AND c.asset IS NOT DISTINCT FROM a.asset
       AND c.instrument IS NOT DISTINCT FROM CASE WHEN a.asset IS NULL THEN a.instrument END
     CROSS JOIN LATERAL ledger.account_at(a.shard, a.account, %(at)s) last
     WHERE a.shard = %(shard)s
     GROUP BY a.kind, CASE WHEN left(a.owner, 1) = '@' THEN a.owner END, a.instrument, a.asset,
              c.scale"""
_PACE = """
    SELECT m AS moment, ledger.sequence_at(%(shard)s, m) AS sequence
      FROM generate_series(%(last)s::timestamptz - %(span)s * interval '1 second',
                           %(last)s::timestamptz, %(step)s * interval '1 second') m"""
_REFUSED = """
    SELECT sequence, event_id, kind, rejection AS code, detail, occurred_at FROM ledger.event
     WHERE shard = %(shard)s AND rejection IS NOT NULL AND sequence < %(before)s
     ORDER BY sequence DESC LIMIT %(rows)s"""


class PoolHead(NamedTuple):
    """How far a shard has come.

    Attributes:
        name: Of the pool, or `@unrouted/N`.
        head: Sequence of its newest event; 0 without any.
        duplicates: Messages counted and skipped until now; when each came is not kept.
    """

    name: str
    shard: int
    head: int
    duplicates: int

    @property
    def is_pool(self) -> bool:
        """It is a pool, not what came without one."""
        return not self.name.startswith(_UNROUTED)


class Standing(NamedTuple):
    """What a shard had after an event.

    Attributes:
        at: The event.
        pool_time: Largest `occurred_at` applied.
        newest_ms: Timestamp of its message, as it came; None where it was detached.
        refused: Messages refused up to it, counted up to `REFUSED_COUNTED_MAX`.
        checkpoint: The last event up to it that has a signed checkpoint.
    """

    shard: int
    at: int
    pool_time: datetime | None
    newest_ms: int | None
    refused: int
    checkpoint: int | None

    @property
    def behind(self) -> int | None:
        """Events after that checkpoint; None: none was made by then."""
        return None if self.checkpoint is None else self.at - self.checkpoint


class Sum(NamedTuple):
    """All balances of one kind, instrument and asset, added up.

    Attributes:
        house: `@house` or `@liquidation`; None for all participants together.
        scale: Decimals of the commodity.
        total: Signed, natural units.
        positive: Of the positive balances alone: what is held long, of positions.
        holders: Accounts that are not flat.
    """

    kind: str
    house: str | None
    instrument: str | None
    asset: str | None
    scale: int
    total: Decimal
    positive: Decimal
    holders: int

    @property
    def commodity(self) -> str:
        """The asset, or the instrument whose contracts are counted."""
        return self.asset or self.instrument or ""


def heads(connection: psycopg.Connection) -> list[PoolHead]:
    """All shards: pools by name, then what came without one."""
    with connection.cursor(row_factory=class_row(PoolHead)) as cursor:
        return cursor.execute(_HEADS).fetchall()


def standings(connection: psycopg.Connection, moments: Mapping[int, int]) -> dict[int, Standing]:
    """What shards had, each after an event of its own; by shard."""
    asked = {"shards": list(moments), "ats": list(moments.values()), "most": REFUSED_COUNTED_MAX}
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        return {found.shard: found for found in cursor.execute(_STANDINGS, asked)}


def sequences_at(connection: psycopg.Connection, moment: datetime) -> dict[int, int]:
    """Of every shard the last event whose pool time is not after a moment; 0 before the first."""
    return {shard: int(at or 0) for shard, at in connection.execute(_SEQUENCES_AT, (moment,))}


def sequence_at(connection: psycopg.Connection, shard: int, moment: datetime) -> int:
    """The last event whose pool time is not after a moment; 0 before the first."""
    row = connection.execute(_SEQUENCE_AT, (shard, moment)).fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def pool_time(connection: psycopg.Connection, shard: int, at: int) -> datetime | None:
    """Pool time after an event."""
    row = connection.execute(_POOL_TIME, {"shard": shard, "at": at}).fetchone()
    return None if row is None else row[0]


def sums(connection: psycopg.Connection, shard: int, at: int) -> list[Sum]:
    """All balances after an event, added up by what they are."""
    with connection.cursor(row_factory=class_row(Sum)) as cursor:
        return cursor.execute(_SUMS, {"shard": shard, "at": at}).fetchall()


def pace(
    connection: psycopg.Connection, shard: int, last: datetime, span_s: int, step_s: int
) -> list[tuple[datetime, int]]:
    """How many events there were at moments of pool time up to `last`, one every `step_s`."""
    asked = {"shard": shard, "last": last, "span": span_s, "step": step_s}
    return [(moment, int(at or 0)) for moment, at in connection.execute(_PACE, asked)]


def refused(
    connection: psycopg.Connection, shard: int, before: int, rows: int
) -> list[dict[str, Any]]:
    """Refused messages before an event, the newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        asked = {"shard": shard, "before": before, "rows": rows}
        return cursor.execute(_REFUSED, asked).fetchall()
