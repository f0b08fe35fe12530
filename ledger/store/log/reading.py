"""The log read back: events by pages, postings and records as streams, registries whole."""

from collections.abc import Iterator
from typing import Any

import psycopg

from ledger.codec.records import decode_record
from ledger.core.outcome import OpenedAccount, Posting, Record
from ledger.core.rejections import Code
from ledger.ports import Source, StoredEvent

PAGE_EVENTS = 500
"""Events of one query: at 1 MiB a message, no more than 500 MiB are held at once."""

STREAMED_ROWS = 1_000
"""Postings and records are streamed in chunks of so many, however many an event has."""

EVENT_COLUMNS = """
    event.sequence, event.kind, event.event_id,
    (extract(epoch FROM event.occurred_at) * 1000000)::bigint,
    (extract(epoch FROM event.pool_time) * 1000000)::bigint,
    event.rules, source.cluster, source.topic_id, source.topic, event.partition, event."offset",
    event.timestamp_ms, event.message_key, event.raw, event.content_hash, event.redrive_shard,
    event.redrive_sequence, event.rejection, event.detail, event.leaf, event.chain"""

_EVENTS = f"""
    SELECT {EVENT_COLUMNS}
      FROM ledger.event JOIN ledger.source USING (source)
     WHERE event.shard = %s AND event.sequence BETWEEN %s AND %s ORDER BY event.sequence"""  # noqa: S608 - constants
_POSTINGS = """
    SELECT sequence, line, account, account_sequence, commodity, purpose, amount, balance
      FROM ledger.posting WHERE shard = %s AND sequence BETWEEN %s AND %s ORDER BY sequence, line"""
_RECORDS = """
    SELECT sequence, line, kind, subject, body
      FROM ledger.record WHERE shard = %s AND sequence BETWEEN %s AND %s ORDER BY sequence, line"""
_ACCOUNTS = """
    SELECT account, owner, kind, instrument, asset
      FROM ledger.account WHERE shard = %s ORDER BY account"""
_QUARANTINED = """
    SELECT parked.content_hash
      FROM ledger.event AS parked JOIN ledger.shard USING (shard)
     WHERE parked.shard = %s AND parked.rejection IS NOT NULL AND parked.rejection = %s
       AND NOT EXISTS (SELECT FROM ledger.event AS driven
                        WHERE driven.redrive_shard = shard.name
                          AND driven.redrive_sequence = parked.sequence)"""


def events(
    connection: psycopg.Connection, shard: int, first: int, last: int
) -> Iterator[StoredEvent]:
    """Events `first` to `last`, in order."""
    for start, end in _pages(first, last):
        for row in connection.execute(_EVENTS, (shard, start, end), binary=True):
            yield stored_event(row)


def postings(
    connection: psycopg.Connection, shard: int, first: int, last: int
) -> Iterator[tuple[int, int, Posting]]:
    """Postings of the events `first` to `last`, in order; the connection is busy meanwhile."""
    with connection.cursor(binary=True) as cursor:
        for row in cursor.stream(_POSTINGS, (shard, first, last), size=STREAMED_ROWS):
            sequence, line, account, account_sequence, commodity, purpose, amount, balance = row
            moved = (int(amount), int(balance))
            yield sequence, line, Posting(account, account_sequence, commodity, purpose, *moved)


def records(
    connection: psycopg.Connection, shard: int, first: int, last: int
) -> Iterator[tuple[int, int, Record]]:
    """Records of the events `first` to `last`, in order; the connection is busy meanwhile."""
    with connection.cursor(binary=True) as cursor:
        for row in cursor.stream(_RECORDS, (shard, first, last), size=STREAMED_ROWS):
            sequence, line, kind, subject, body = row
            yield sequence, line, decode_record(kind, subject, body)


def accounts(connection: psycopg.Connection, shard: int) -> list[OpenedAccount]:
    """The registry of accounts, by number."""
    return [OpenedAccount(*row) for row in connection.execute(_ACCOUNTS, (shard,))]


def quarantined(connection: psycopg.Connection, shard: int) -> set[bytes]:
    """Content hashes of quarantined messages that were not driven again.

    Cost: a walk over the index of refused events.
    """
    asked = (shard, Code.QUARANTINED.value)
    return {digest for (digest,) in connection.execute(_QUARANTINED, asked, binary=True)}


def stored_event(row: tuple[Any, ...]) -> StoredEvent:
    """A row of `EVENT_COLUMNS` as an event."""
    redrive_of = None if row[15] is None else (row[15], row[16])
    return StoredEvent._make((*row[:6], Source(*row[6:9]), *row[9:15], redrive_of, *row[17:]))


def _pages(first: int, last: int) -> Iterator[tuple[int, int]]:
    for start in range(first, last + 1, PAGE_EVENTS):
        yield start, min(start + PAGE_EVENTS - 1, last)
