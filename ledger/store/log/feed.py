"""Records of the log for those who follow it: heads, and pages of records with their events.

Rules of this file:

* The connection acts as `clearing_auditor` and reads only; a standby serves as well as a primary.
* The head of a shard moves in the transaction that writes its events and records, and one writer
  at a time moves it. So up to a head that was seen, everything is there, and nothing comes late.
* A page ends at a number of records or of bytes, whichever is reached first: that bounds memory.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, NamedTuple, Protocol, Self, cast

import psycopg

from ledger.ports import SignedCheckpoint
from ledger.store import checkpoints
from ledger.store.connecting import connected
from ledger.store.faults import translated

_STREAMED_ROWS = 20
_SESSION = """
    SET ROLE clearing_auditor;
    SET search_path = pg_catalog;
    SET timezone = 'UTC';
    SET default_transaction_read_only = on;
    SET statement_timeout = '60s'"""
_HEADS = """
    SELECT shard, name, next_sequence - 1
      FROM ledger.shard WHERE left(name, 1) <> '@' ORDER BY name"""
_SEALED = """
    SELECT shard, name, newest.sequence FROM ledger.shard
     CROSS JOIN LATERAL (SELECT sequence FROM ledger.checkpoint
                          WHERE checkpoint.shard = shard.shard
                          ORDER BY sequence DESC LIMIT 1) AS newest
     ORDER BY name"""
_CHAIN = "SELECT chain FROM ledger.event WHERE shard = %s AND sequence = %s"
_FIRST_HELD = """
    SELECT sequence FROM ledger.event
     WHERE shard = %s AND sequence >= %s ORDER BY sequence LIMIT 1"""
# OFFSET 0 keeps the look-up of events what it is: one probe a record, whatever the planner thinks.
_RECORDS = """
    SELECT record.sequence, record.line, record.kind, record.subject,
           cause.event_id, cause.occurred_at, record.body, cause.chain
      FROM ledger.record
     CROSS JOIN LATERAL (
           SELECT event.event_id, event.chain,
                  (extract(epoch FROM event.occurred_at) * 1000000)::bigint AS occurred_at
             FROM ledger.event
            WHERE event.shard = record.shard AND event.sequence = record.sequence
           OFFSET 0) AS cause
     WHERE record.shard = %s AND record.sequence BETWEEN %s AND %s
       AND (record.sequence, record.line) > (%s, %s)
     ORDER BY record.sequence, record.line LIMIT %s"""


class Head(NamedTuple):
    """How far the log of a pool has come: `last` is its newest sequence, 0 before the first."""

    shard: int
    pool: str
    last: int


class Recorded(NamedTuple):
    """A record with the event that led to it.

    Attributes:
        sequence, line: Its place in the log of its pool; lines count from 1 in each event.
        kind, subject: What it says, and about what.
        event_id, occurred_at: Of the event; microseconds since 1970-01-01T00:00:00Z.
        body: Canonical JSON, as stored.
        chain: Hash of all events up to this one.
    """

    sequence: int
    line: int
    kind: str
    subject: str
    event_id: str
    occurred_at: int
    body: bytes
    chain: bytes


class Feed(Protocol):
    """What a follower needs of the log; `PostgresFeed` is one."""

    def heads(self) -> Sequence[Head]:
        """The pools by name. Up to `last` everything is there, for good."""

    def first_held(self, shard: int, sequence: int) -> int | None:
        """The smallest sequence from this one on whose event is in the books; None: none is."""

    def chain(self, shard: int, sequence: int) -> bytes | None:
        """Hash of all events up to this one; None: it is not in the books, or was detached."""

    def records(
        self, shard: int, after: tuple[int, int], last: int, count_max: int, bytes_max: int
    ) -> list[Recorded]:
        """Records behind the place `after` (sequence, line), up to the sequence `last`, in order.

        Fewer than `count_max` and bodies of less than `bytes_max` together: there are no more.
        """

    def close(self) -> None:
        """Give the connection back."""


class PostgresFeed:
    """Records from PostgreSQL."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Use a connection that `connect` prepared."""
        self._connection = connection

    @classmethod
    def connect(cls, url: str, application: str) -> Self:
        """Connect, and act as `clearing_auditor`.

        Raises:
            SchemaMismatch: The database is not migrated to this version.
            StoreUnavailable: It cannot be reached.
        """
        return cls(connected(url, application, _SESSION))

    def heads(self) -> Sequence[Head]:
        """The pools by name."""
        with translated():
            return [Head(*row) for row in self._connection.execute(_HEADS)]

    def first_held(self, shard: int, sequence: int) -> int | None:
        """The smallest sequence from this one on that is in the books."""
        with translated():
            row = self._connection.execute(_FIRST_HELD, (shard, sequence)).fetchone()
        return None if row is None else int(row[0])

    def chain(self, shard: int, sequence: int) -> bytes | None:
        """Hash of all events up to this one."""
        with translated(), self._connection.cursor(binary=True) as cursor:
            row = cursor.execute(_CHAIN, (shard, sequence)).fetchone()
        return None if row is None else bytes(row[0])

    def records(
        self, shard: int, after: tuple[int, int], last: int, count_max: int, bytes_max: int
    ) -> list[Recorded]:
        """A page of records."""
        named = (shard, after[0], last, *after, count_max)
        page: list[Recorded] = []
        size = 0
        with (
            translated(),
            self._connection.cursor(binary=True) as cursor,
            closing(
                cast(
                    "Generator[tuple[Any, ...]]",
                    cursor.stream(_RECORDS, named, size=_STREAMED_ROWS),
                )
            ) as rows,
        ):
            for row in rows:
                page.append(Recorded._make(row))
                size += len(page[-1].body)
                if size >= bytes_max:
                    break
        return page

    def sealed(self) -> Sequence[tuple[int, str, int]]:
        """Number, name and newest checkpoint's sequence of each shard that has one."""
        with translated():
            return self._connection.execute(_SEALED).fetchall()

    def checkpoint(self, shard: int, sequence: int) -> SignedCheckpoint | None:
        """One checkpoint, or None."""
        with translated():
            return next(checkpoints.between(self._connection, shard, sequence, sequence), None)

    def checkpoints(self, shard: int, after: int, count_max: int) -> Sequence[SignedCheckpoint]:
        """The next checkpoints of a shard, in order."""
        with translated():
            made = checkpoints.between(self._connection, shard, after + 1, 2**63 - 1)
            return list(islice(made, count_max))

    def scales(self, shard: int) -> dict[str, int]:
        """Decimals of the assets of a shard."""
        with translated():
            return checkpoints.scales(self._connection, shard)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
