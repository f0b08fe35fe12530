"""Records for the API: the newest sequence of each pool, and records behind a place."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from ledger.store.log.feed import PostgresFeed
from ledger.store.web.rows import Column, Detached, Rows

BYTES_MAX = 1024 * 1024
"""Of the bodies of one page, about."""

COLUMNS = (
    Column("pool", "text"),
    Column("sequence", "integer"),
    Column("line", "integer"),
    Column("kind", "text"),
    Column("subject", "text"),
    Column("event_id", "text"),
    Column("occurred_at", "moment"),
    Column("body", "json"),
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Followed(NamedTuple):
    """A pool whose records are read.

    Attributes:
        shard: Its number.
        last: Its newest sequence.
    """

    shard: int
    last: int


class Behind(NamedTuple):
    """Records, and whether there may be more."""

    rows: Rows
    more: bool


def heads(connection: psycopg.Connection) -> Mapping[str, Followed]:
    """Pools by name."""
    found = PostgresFeed(connection).heads()
    return {head.pool: Followed(head.shard, head.last) for head in found}


def require_held(
    connection: psycopg.Connection, followed: Followed, after: tuple[int, int]
) -> None:
    """Refuse to begin behind a place whose records went with detached partitions.

    Raises:
        Detached: They did.
    """
    first = max(1, after[0])
    if first > followed.last:
        return
    held = PostgresFeed(connection).first_held(followed.shard, first)
    if held != first:
        rest = "none of those after it is held" if held is None else f"they go on at event {held}"
        raise Detached(f"records of event {first} are not in the database any more; {rest}")


def behind(
    connection: psycopg.Connection,
    pool: str,
    followed: Followed,
    after: tuple[int, int],
    count_max: int,
) -> Behind:
    """Records behind the place (sequence, line), in order, up to the newest sequence that was seen.

    Over a connection that acts as clearing_auditor.

    Raises:
        Detached: Not all of them are in the database any more.
    """
    require_held(connection, followed, after)
    if after[0] > followed.last:
        return Behind(Rows(COLUMNS, []), more=False)
    found = PostgresFeed(connection).records(
        followed.shard, after, followed.last, count_max, BYTES_MAX
    )
    rows: list[tuple[Any, ...]] = [
        (
            pool,
            record.sequence,
            record.line,
            record.kind,
            record.subject,
            record.event_id,
            _EPOCH + timedelta(microseconds=record.occurred_at),
            json.loads(record.body),
        )
        for record in found
    ]
    size = sum(len(record.body) for record in found)
    return Behind(Rows(COLUMNS, rows), len(rows) >= count_max or size >= BYTES_MAX)
