"""How a batch is written: one transaction that begins with the fence and goes on by COPY.

Cost: five round trips and at most six COPYs a batch, and one more for each shard that gains many
postings. Their rows are ready before the transaction begins (`ledger.store.log.packing`).
"""

from collections.abc import Mapping, Sequence

import psycopg

from ledger.errors import FenceLost
from ledger.observing import Observer
from ledger.ports import ShardBatch, Source
from ledger.store.log.packing import Chunk, Packed

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
    rows: Sequence[Packed],
    sources: Mapping[Source, int],
    observer: Observer,
) -> None:
    """Write a batch in one transaction.

    Args:
        connection: In autocommit, acting as `clearing_writer`.
        batch: One entry a shard.
        rows: Its rows.
        sources: Numbers of all the sources that the batch names.
        observer: Told when everything is written, and only the commit is left.

    Raises:
        FenceLost: A shard's head is not the expected one; nothing was written.
    """
    with connection.transaction(), connection.cursor() as cursor:
        for part in batch:
            _pass_fence(cursor, part)
        _write_offsets(cursor, batch, sources)
        for target, chunks in rows:
            _copy(cursor, target, chunks)
        observer.lap("write")


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


def _copy(cursor: psycopg.Cursor, target: str, chunks: Sequence[Chunk]) -> None:
    with cursor.copy(f"COPY {target} FROM STDIN (FORMAT BINARY)".encode()) as copy:
        for chunk in chunks:
            copy.write(chunk)
