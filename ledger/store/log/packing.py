"""The rows of a batch as COPY takes them, made before anything is sent.

Whoever decides makes them while the batch before is on its way: the thread that writes then only
sends, and the database is not kept waiting for rows while two threads share one interpreter.

They go in binary form with their types set, by the driver's own encoder. A moment is sent as the
int64 that it is inside PostgreSQL (microseconds since 2000), a third of the price of a datetime.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import psycopg
from psycopg.copy import Writer

from ledger.codec.records import encode_body
from ledger.ports import ShardBatch, Source, StoredEvent
from ledger.store.log.leaves import Entry, Leaves

STRAIGHT_MIN = 20
"""Entries of a shard that are worth a COPY of their own, straight to their leaf."""

POSTGRES_EPOCH = 946_684_800_000_000
"""2000-01-01T00:00:00Z in microseconds since 1970."""

_EVENT = (
    'shard, source, sequence, "offset", timestamp_ms, occurred_at, pool_time, redrive_sequence,'
    " redrive_shard, partition, rules, kind, event_id, rejection, detail, message_key,"
    " content_hash, leaf, chain, raw"
)
_EVENT_TYPES = (
    *("int4", "int4", "int8", "int8", "int8", "int8", "int8", "int8"),
    *("text", "int4", "int2", "text", "text", "text", "text", "bytea", "bytea", "bytea"),
    *("bytea", "bytea"),
)
_POSTING = "shard, sequence, line, account, account_sequence, commodity, purpose, amount, balance"
_POSTING_TYPES = ("int4", "int8", "int4", "int4", "int8", "int4", "int2", "numeric", "numeric")

Row = tuple[object, ...]
Chunk = bytes | bytearray | memoryview


class Packed(NamedTuple):
    """The rows of one COPY.

    Attributes:
        target: `table (columns)`.
        chunks: What is sent, one after the other.
    """

    target: str
    chunks: Sequence[Chunk]


class _Table(NamedTuple):
    target: str
    types: Sequence[str]
    rows: Iterable[Row]


def asks_nothing(
    batch: Sequence[ShardBatch], sources: Mapping[Source, int], leaves: Leaves
) -> bool:
    """Whether `packed` can do without the database: all numbers and leaves it needs are known."""
    return sources.keys() >= sources_of(batch) and all(
        len(part.postings) < STRAIGHT_MIN or leaves.know(part.shard, part.postings)
        for part in batch
    )


def sources_of(batch: Sequence[ShardBatch]) -> set[Source]:
    """All that a batch names."""
    found = {event.source for part in batch for event in part.events}
    found.update(source for part in batch for source, _, _ in part.offsets)
    return found


def packed(
    connection: psycopg.Connection,
    batch: Sequence[ShardBatch],
    sources: Mapping[Source, int],
    leaves: Leaves,
) -> list[Packed]:
    """The COPYs of a batch in the order in which they are sent; none of them is empty.

    Args:
        connection: Asked for leaves that are not known, and for nothing else.
        batch: One entry a shard.
        sources: Numbers of all the sources that the batch names.
        leaves: Of this database.
    """
    tables = (
        *_registries(batch),
        *_events(batch, sources),
        *_postings(connection, batch, leaves),
        _records(batch),
    )
    made = (_packed(connection, table) for table in tables)
    return [one for one in made if one is not None]


def _registries(batch: Sequence[ShardBatch]) -> Iterator[_Table]:
    yield _Table(
        "ledger.commodity (shard, commodity, asset, instrument, scale)",
        ("int4", "int4", "text", "text", "int2"),
        ((part.shard, *row) for part in batch for row in part.commodities),
    )
    yield _Table(
        "ledger.account (shard, account, owner, kind, instrument, asset)",
        ("int4", "int4", "text", "text", "text", "text"),
        ((part.shard, *row) for part in batch for row in part.opened),
    )


def _events(batch: Sequence[ShardBatch], sources: Mapping[Source, int]) -> Iterator[_Table]:
    yield _Table(
        "ledger.event_identity (shard, sequence, event_id, content_hash)",
        ("int4", "int8", "text", "bytea"),
        (
            (part.shard, event.sequence, event.event_id, event.content_hash)
            for part in batch
            for event in part.events
            if event.rejection is None
        ),
    )
    yield _Table(
        f"ledger.event ({_EVENT})",
        _EVENT_TYPES,
        (_event(part.shard, event, sources) for part in batch for event in part.events),
    )


def _postings(
    connection: psycopg.Connection, batch: Sequence[ShardBatch], leaves: Leaves
) -> Iterator[_Table]:
    few: list[tuple[int, Sequence[Entry]]] = []
    for part in batch:
        if len(part.postings) < STRAIGHT_MIN:
            few.append((part.shard, part.postings))
            continue
        for leaf, entries in leaves.split(connection, part.shard, part.postings):
            yield _posted(leaf, [(part.shard, entries)])
    yield _posted("ledger.posting", few)


def _posted(table: str, parts: Sequence[tuple[int, Sequence[Entry]]]) -> _Table:
    return _Table(
        f"{table} ({_POSTING})",
        _POSTING_TYPES,
        (
            (shard, sequence, line, *posting)
            for shard, entries in parts
            for sequence, entry in entries
            for line, posting in enumerate(entry, start=1)
        ),
    )


def _records(batch: Sequence[ShardBatch]) -> _Table:
    return _Table(
        "ledger.record (shard, sequence, line, kind, subject, body)",
        ("int4", "int8", "int4", "text", "text", "bytea"),
        (
            (part.shard, sequence, line, record.kind, record.subject, encode_body(record.body))
            for part in batch
            for sequence, line, record in part.records
        ),
    )


def _event(shard: int, event: StoredEvent, sources: Mapping[Source, int]) -> Row:
    redrive_shard, redrive_sequence = event.redrive_of or (None, None)
    return (
        shard,
        sources[event.source],
        event.sequence,
        event.offset,
        event.timestamp_ms,
        None if event.occurred_at is None else event.occurred_at - POSTGRES_EPOCH,
        None if event.pool_time is None else event.pool_time - POSTGRES_EPOCH,
        redrive_sequence,
        redrive_shard,
        event.partition,
        event.rules,
        event.kind,
        event.event_id,
        event.rejection,
        event.detail,
        event.key,
        event.content_hash,
        event.leaf,
        event.chain,
        event.raw,
    )


class _Kept(Writer):
    """Keeps what a COPY would send."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    def write(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)

    def finish(self, exc: BaseException | None = None) -> None:
        """Nothing: the end of a COPY is data as well."""


def _packed(connection: psycopg.Connection, table: _Table) -> Packed | None:
    stream = iter(table.rows)
    first = next(stream, None)
    if first is None:
        return None
    kept = _Kept()
    with (
        connection.cursor() as cursor,
        psycopg.Copy(cursor, binary=True, writer=kept) as copy,
    ):
        copy.set_types(table.types)
        write_row = copy.write_row
        write_row(first)
        for row in stream:
            write_row(row)
    return Packed(table.target, kept.chunks)
