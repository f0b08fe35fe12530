"""How a batch is written: one transaction that begins with the fence and goes on by COPY.

Cost: five round trips and at most six COPYs a batch, and one more for each shard that gains many
postings. Rows go in binary form with their types set, which costs the client as little as packed
arrays. A moment is sent as the int64 that it is inside PostgreSQL (microseconds since 2000), a
third of the price of a datetime.
"""

from collections.abc import Iterable, Mapping, Sequence

import psycopg

from ledger.codec.records import encode_body
from ledger.errors import FenceLost
from ledger.observing import Observer
from ledger.ports import ShardBatch, Source, StoredEvent
from ledger.store.leaves import Entry, Leaves

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
_FENCE = """
    UPDATE ledger.shard
       SET next_sequence = %s, next_account = %s, duplicates = %s, chain = %s, frontier = %s,
           pool_time = 'epoch'::timestamptz + %s * interval '1 microsecond',
           partition = coalesce(partition, %s)
     WHERE shard = %s AND epoch = %s AND next_sequence = %s"""
_OFFSETS = """
    INSERT INTO ledger.source_offset AS held (shard, source, partition, next_offset)
    SELECT * FROM unnest(%s::int4[], %s::int4[], %s::int4[], %s::int8[])
    ON CONFLICT (shard, source, partition) DO UPDATE SET next_offset = excluded.next_offset
     WHERE held.next_offset < excluded.next_offset"""


def write(
    connection: psycopg.Connection,
    batch: Sequence[ShardBatch],
    sources: Mapping[Source, int],
    leaves: Leaves,
    observer: Observer,
) -> None:
    """Write a batch in one transaction.

    Args:
        connection: In autocommit, acting as `clearing_writer`.
        batch: One entry a shard.
        sources: Numbers of all the sources that the batch names.
        leaves: Of this database.
        observer: Told when everything is written, and only the commit is left.

    Raises:
        FenceLost: A shard's head is not the expected one; nothing was written.
    """
    with connection.transaction(), connection.cursor() as cursor:
        for part in batch:
            _pass_fence(cursor, part)
        _write_offsets(cursor, batch, sources)
        _write_registries(cursor, batch)
        _write_events(cursor, batch, sources)
        _write_postings(cursor, batch, leaves)
        _write_records(cursor, batch)
        observer.lap("write")


def _write_registries(cursor: psycopg.Cursor, batch: Sequence[ShardBatch]) -> None:
    _copy(
        cursor,
        "ledger.commodity (shard, commodity, asset, instrument, scale)",
        ("int4", "int4", "text", "text", "int2"),
        ((part.shard, *row) for part in batch for row in part.commodities),
    )
    _copy(
        cursor,
        "ledger.account (shard, account, owner, kind, instrument, asset)",
        ("int4", "int4", "text", "text", "text", "text"),
        ((part.shard, *row) for part in batch for row in part.opened),
    )


def _write_events(
    cursor: psycopg.Cursor, batch: Sequence[ShardBatch], sources: Mapping[Source, int]
) -> None:
    _copy(
        cursor,
        "ledger.event_identity (shard, sequence, event_id, content_hash)",
        ("int4", "int8", "text", "bytea"),
        (
            (part.shard, event.sequence, event.event_id, event.content_hash)
            for part in batch
            for event in part.events
            if event.rejection is None
        ),
    )
    _copy(
        cursor,
        f"ledger.event ({_EVENT})",
        _EVENT_TYPES,
        (_event(part.shard, event, sources) for part in batch for event in part.events),
    )


def _write_postings(cursor: psycopg.Cursor, batch: Sequence[ShardBatch], leaves: Leaves) -> None:
    few: list[tuple[int, Sequence[Entry]]] = []
    for part in batch:
        if len(part.postings) < STRAIGHT_MIN:
            few.append((part.shard, part.postings))
            continue
        for leaf, entries in leaves.split(cursor.connection, part.shard, part.postings):
            _copy_postings(cursor, leaf, [(part.shard, entries)])
    _copy_postings(cursor, "ledger.posting", few)


def _copy_postings(
    cursor: psycopg.Cursor, table: str, parts: Sequence[tuple[int, Sequence[Entry]]]
) -> None:
    _copy(
        cursor,
        f"{table} ({_POSTING})",
        _POSTING_TYPES,
        (
            (shard, sequence, line, *posting)
            for shard, entries in parts
            for sequence, entry in entries
            for line, posting in enumerate(entry, start=1)
        ),
    )


def _write_records(cursor: psycopg.Cursor, batch: Sequence[ShardBatch]) -> None:
    _copy(
        cursor,
        "ledger.record (shard, sequence, line, kind, subject, body)",
        ("int4", "int8", "int4", "text", "text", "bytea"),
        (
            (part.shard, sequence, line, record.kind, record.subject, encode_body(record.body))
            for part in batch
            for sequence, line, record in part.records
        ),
    )


def _pass_fence(cursor: psycopg.Cursor, part: ShardBatch) -> None:
    cursor.execute(
        _FENCE,
        (
            part.next_sequence,
            part.next_account,
            part.duplicates,
            part.chain,
            part.frontier,
            part.pool_time,
            part.partition,
            part.shard,
            part.epoch,
            part.expected_sequence,
        ),
    )
    if cursor.rowcount == 1:
        return
    found = cursor.execute(
        "SELECT name, epoch, next_sequence FROM ledger.shard WHERE shard = %s", (part.shard,)
    ).fetchone()
    raise FenceLost(
        f"shard {part.shard}: expected epoch {part.epoch} and next sequence"
        f" {part.expected_sequence}, found (name, epoch, next sequence) {found}: another writer has"
        " taken it over; nothing was written, and this writer must stop"
    )


def _write_offsets(
    cursor: psycopg.Cursor, batch: Sequence[ShardBatch], sources: Mapping[Source, int]
) -> None:
    rows = [
        (part.shard, sources[source], partition, offset)
        for part in batch
        for source, partition, offset in part.offsets
    ]
    if rows:
        cursor.execute(_OFFSETS, [list(column) for column in zip(*rows, strict=True)])


def _event(shard: int, event: StoredEvent, sources: Mapping[Source, int]) -> tuple[object, ...]:
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


def _copy(
    cursor: psycopg.Cursor, target: str, types: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> None:
    """COPY rows into `table (columns)`; no rows, no round trip."""
    stream = iter(rows)
    first = next(stream, None)
    if first is None:
        return
    with cursor.copy(f"COPY {target} FROM STDIN (FORMAT BINARY)".encode()) as copy:
        copy.set_types(types)
        write_row = copy.write_row
        write_row(first)
        for row in stream:
            write_row(row)
