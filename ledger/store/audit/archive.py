"""The books read for replays and archives: heads of one moment, rows by range, nothing written.

The connection acts as `clearing_auditor`. Heads and offsets are read together; what lies under a
head never changes, so everything after that may be read piece by piece, for hours if need be.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import psycopg

from ledger.codec.canonical import EncodedRecord
from ledger.core.outcome import Commodity, OpenedAccount, Posting
from ledger.ports import Offset, Shard, SignedCheckpoint, SigningKey, Source, StoredEvent
from ledger.store import checkpoints
from ledger.store.bodies import unpacked
from ledger.store.connecting import connected
from ledger.store.faults import translated
from ledger.store.log import reading

_SHARDS = """
    SELECT shard, name, partition, epoch, next_sequence, next_account,
           (extract(epoch FROM pool_time) * 1000000)::bigint, duplicates, chain, frontier
      FROM ledger.shard ORDER BY shard"""
_OFFSETS = """
    SELECT shard, cluster, topic_id, topic, partition, next_offset
      FROM ledger.source_offset JOIN ledger.source USING (source)
     ORDER BY shard, source, partition"""
_RECORDS = """
    SELECT sequence, line, kind, subject, body FROM ledger.record
     WHERE shard = %s AND sequence BETWEEN %s AND %s ORDER BY sequence, line"""
_COMMODITIES = """
    SELECT commodity, asset, instrument, scale FROM ledger.commodity
     WHERE shard = %s ORDER BY commodity"""
_SNAPSHOTS = """
    SELECT sequence, body FROM ledger.snapshot
     WHERE shard = %s AND sequence BETWEEN %s AND %s ORDER BY sequence"""
_OLDEST = "SELECT min(sequence) FROM ledger.event WHERE shard = %s"
_TABLE = """
    SELECT {columns} FROM ledger.{table} WHERE {where} ORDER BY {order}"""


class Heads(NamedTuple):
    """Where the books stood at one moment."""

    shards: Sequence[Shard]
    offsets: Sequence[Offset]


EVENTS_STREAMED = 100
"""Events are streamed in chunks of so many: at 1 MiB a message, 100 MiB."""

_SESSION = """
    SET ROLE clearing_auditor;
    SET timezone = 'UTC';
    SET default_transaction_read_only = on"""
_MOMENTS = frozenset({"occurred_at", "pool_time"})


class StoredBooks:
    """The books in PostgreSQL, to be read only."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Use a connection that `connect` prepared."""
        self._connection = connection

    @classmethod
    def connect(cls, url: str, application: str) -> Self:
        """Connect and act as `clearing_auditor`.

        Raises:
            SchemaMismatch: The database is not migrated to this version.
            StoreUnavailable: It cannot be reached.
        """
        return cls(connected(url, application, _SESSION))

    @property
    def connection(self) -> psycopg.Connection:
        """For queries of other modules of the store."""
        return self._connection

    def heads(self) -> Heads:
        """All shards by number and their offsets, as of one moment."""
        with translated(), self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            shards = [Shard(*row) for row in self._connection.execute(_SHARDS)]
            rows = self._connection.execute(_OFFSETS).fetchall()
        return Heads(shards, [Offset(row[0], Source(*row[1:4]), *row[4:]) for row in rows])

    def events(self, shard: int, first: int, last: int) -> Iterator[StoredEvent]:
        """Events by sequence, streamed."""
        with translated():
            yield from reading.events(self._connection, shard, first, last)

    def postings(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Posting]]:
        """Postings in order, streamed."""
        with translated():
            yield from reading.postings(self._connection, shard, first, last)

    def records(
        self, shard: int, first: int, last: int
    ) -> Iterator[tuple[int, int, EncodedRecord]]:
        """Records in order, streamed, their bodies as they are stored."""
        with translated(), self._connection.cursor(binary=True) as cursor:
            for sequence, line, *record in cursor.stream(
                _RECORDS, (shard, first, last), size=reading.STREAMED_ROWS
            ):
                yield sequence, line, (record[0], record[1], record[2])

    def accounts(self, shard: int) -> Sequence[OpenedAccount]:
        """The registry of accounts, by number."""
        with translated():
            return reading.accounts(self._connection, shard)

    def commodities(self, shard: int) -> Sequence[Commodity]:
        """The registry of commodities, by number."""
        with translated():
            return [Commodity(*row) for row in self._connection.execute(_COMMODITIES, (shard,))]

    def states(self, shard: int, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Sequence and bytes of the states that were kept."""
        for sequence, body in self._rows(_SNAPSHOTS, shard, first, last):
            yield sequence, unpacked(body)

    def checkpoints(self, shard: int, first: int, last: int) -> Iterator[SignedCheckpoint]:
        """Checkpoints by sequence."""
        with translated():
            yield from checkpoints.between(self._connection, shard, first, last)

    def keys(self) -> Sequence[SigningKey]:
        """Keys that sign, the oldest first."""
        with translated():
            return checkpoints.keys(self._connection)

    def oldest(self, shard: int) -> int | None:
        """The first event that was not detached; None where there is none."""
        found: int | None = self._rows(_OLDEST, shard)[0][0]
        return found

    def table(
        self, name: str, columns: Sequence[str], shard: int, first: int, last: int
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of `event`, `posting` or `record` as they are, in order, streamed.

        Moments come as microseconds since 1970. The connection is busy meanwhile.
        """
        query = _TABLE.format(
            columns=", ".join(_selected(column) for column in columns),
            table=name,
            where="shard = %s AND sequence BETWEEN %s AND %s",
            order="sequence" if name == "event" else "sequence, line",
        )
        size = EVENTS_STREAMED if name == "event" else reading.STREAMED_ROWS
        with translated(), self._connection.cursor(binary=True) as cursor:
            rows: Any = cursor.stream(query.encode(), (shard, first, last), size=size)
            yield from rows

    def sources(self) -> list[tuple[Any, ...]]:
        """The registry of sources: number, cluster, topic id, topic."""
        return self._rows("SELECT source, cluster, topic_id, topic FROM ledger.source ORDER BY 1")

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def _rows(self, query: str, *values: int) -> list[tuple[Any, ...]]:
        with translated():
            return self._connection.execute(query.encode(), values, binary=True).fetchall()


def _selected(column: str) -> str:
    if column in _MOMENTS:
        return f"(extract(epoch FROM {column}) * 1000000)::bigint"
    return f'"{column}"'
