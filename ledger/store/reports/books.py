"""What a report is taken at: a pool, its events after one and up to another, what covers the last.

Rules of the readers of reports:

* Everything is asked as of a sequence, so that it never changes again, and nothing is locked.
* Amounts leave SQL in natural units, exact. Names are ordered as bytes.
* Rows of which there may be many are streamed.
* Registries are never joined to a table of unknown size: a database that nobody analyzed would be
  walked row by row for each row. Accounts are found by key, or what was summed is summed again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from ledger.codec.checkpoints import MalformedCheckpoint, decode_checkpoint
from ledger.errors import ConfigurationError, LedgerError
from ledger.store.connecting import connected
from ledger.store.faults import translated

Row = tuple[Any, ...]

STREAMED_ROWS = 2_000
"""Rows that are fetched at once."""

_SESSION = """
    SET ROLE clearing_auditor;
    SET timezone = 'UTC';
    SET jit = off;
    SET default_transaction_read_only = on"""
_POOLS = "SELECT name, shard, next_sequence - 1 FROM ledger.shard ORDER BY name"
_EVENT = """
    SELECT pool_time, chain FROM ledger.event
     WHERE shard = %(shard)s AND sequence = %(sequence)s"""
_BEFORE = """
    SELECT ledger.sequence_at(%(shard)s, %(moment)s::timestamptz - interval '1 microsecond')"""
_HELD = "SELECT count(*) FROM ledger.account_at(%(shard)s, 0, %(opening)s)"
_CHECKPOINT = """
    SELECT sequence, body FROM ledger.checkpoint
     WHERE shard = %(shard)s AND sequence >= %(sequence)s ORDER BY sequence LIMIT 1"""
_SETTLEMENT = "SELECT asset FROM ledger.settlement_of(%(shard)s)"


class Covering(NamedTuple):
    """The first checkpoint at or after the last event of a report.

    Attributes:
        sequence: Of its own last event.
        root, key: Of the Merkle tree, and the public key that signed, in hex.
    """

    sequence: int
    root: str
    key: str


class Period(NamedTuple):
    """What a report is taken at.

    Attributes:
        pool, settlement: Whose books, and the asset of their margin.
        opening, closing: Balances are opened after this event and closed after that one; events
            in between are the period's. 0 is before the first.
        begins, ends: The period in pool time: of a close its day, the end excluded; of a statement
            the moments of its first and its last event.
        pool_time: After the last event of the period.
        chain: The hash chain there, in hex.
        covering: None where there is no checkpoint yet.
        is_over: Pool time has come to the period's end by now, so that no event can be added to it;
            the one thing here that changes later, and no part of a report.
    """

    pool: str
    settlement: str
    opening: int
    closing: int
    begins: datetime
    ends: datetime
    pool_time: datetime
    chain: str
    covering: Covering | None
    is_over: bool


class ReportBooks:
    """The books of one pool, read for a report.

    Attributes:
        connection: In autocommit, as `clearing_auditor`, read only.
        pool, shard: Whose books.
        head: The last event.
        named: What every query of a period is asked with.
    """

    def __init__(self, connection: psycopg.Connection, pool: str | None) -> None:
        """Find the pool."""
        self.connection = connection
        heads = {name: (shard, head) for name, shard, head in connection.execute(_POOLS)}
        pools = [name for name in heads if not name.startswith("@")]
        found = pools[0] if pool is None and len(pools) == 1 else pool
        if found not in pools:
            raise ConfigurationError(
                f"pool {pool or 'not named'}; these books have {', '.join(pools) or 'none yet'}:"
                " choose one with --pool"
            )
        self.pool = str(found)
        self.shard, self.head = heads[self.pool]
        self.named: dict[str, object] = {"pool": self.pool, "shard": self.shard}

    def before(self, moment: datetime) -> int:
        """The last event before a moment of pool time; 0 before the first."""
        named = {**self.named, "moment": moment}
        row = self.connection.execute(_BEFORE, named).fetchone()
        assert row is not None
        return int(row[0])

    def pool_time(self, sequence: int) -> tuple[datetime, str]:
        """Pool time and hash chain after an event.

        Raises:
            ConfigurationError: The pool has no such event, or nothing was accepted up to it.
            LedgerError: It was detached.
        """
        if not 1 <= sequence <= self.head:
            raise ConfigurationError(
                f"sequence {sequence}: pool {self.pool} has the events 1 to {self.head}"
            )
        named = {**self.named, "sequence": sequence}
        row = self.connection.execute(_EVENT, named).fetchone()
        if row is None:
            raise LedgerError(
                f"event {sequence} of pool {self.pool} is not in these books: what retention took"
                " away is in the archive; replay that, and report from there"
            )
        if row[0] is None:
            raise ConfigurationError(f"pool {self.pool} had accepted no event at {sequence}")
        return row[0], bytes(row[1]).hex()

    def period(
        self,
        opening: int,
        closing: int,
        until: datetime,
        shown: tuple[datetime, datetime] | None = None,
    ) -> Period:
        """Take all that follows as of these events.

        Args:
            opening, closing: As in `Period`.
            until: An event of this moment of pool time, or later, cannot be of the period.
            shown: Its beginning and end; None for the moments of its first and last event.

        Raises:
            ConfigurationError: There is no such event, or they are in the other order.
            StoreError: What the opening needs was detached.
        """
        if opening > closing:
            raise ConfigurationError(
                f"event {closing} of pool {self.pool} is before the beginning, event {opening + 1}"
            )
        pool_time, chain = self.pool_time(closing)
        head_time, _ = self.pool_time(self.head)
        self.named |= {"opening": opening, "sequence": closing, "closing": closing}
        self.connection.execute(_HELD, self.named)
        row = self.connection.execute(_SETTLEMENT, self.named).fetchone()
        if row is None:
            raise ConfigurationError(f"pool {self.pool} was never declared")
        begins, ends = shown or (self._first_time(opening, closing, pool_time), pool_time)
        return Period(
            *(self.pool, row[0], opening, closing, begins, ends, pool_time, chain),
            *(self._covering(), head_time >= until),
        )

    def _first_time(self, opening: int, closing: int, otherwise: datetime) -> datetime:
        named = {**self.named, "sequence": min(opening + 1, closing)}
        row = self.connection.execute(_EVENT, named).fetchone()
        return row[0] if row is not None and row[0] is not None else otherwise

    def _covering(self) -> Covering | None:
        row = self.connection.execute(_CHECKPOINT, self.named).fetchone()
        if row is None:
            return None
        try:
            found = decode_checkpoint(bytes(row[1]))
        except MalformedCheckpoint as fault:
            raise LedgerError(f"checkpoint after event {row[0]}: {fault}") from fault
        if (found.pool, found.sequence) != (self.pool, row[0]):
            raise LedgerError(
                f"the checkpoint after event {row[0]} of pool {self.pool} is one of {found.pool}"
                f" {found.sequence}: run clearing verify"
            )
        return Covering(found.sequence, found.root.hex(), found.key.hex())


def midnight(day: date) -> datetime:
    """Where a day begins, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_of(books: ReportBooks, day: date | None, at: int | None) -> Period:
    """A day of a pool, up to an event of it.

    Args:
        books: Of the pool.
        day: UTC, of pool time; None for that of the event.
        at: The last event that counts; None for the last of the day, or, with no day named, of all.

    Raises:
        ConfigurationError: The day had not begun by then, or is before the first event.
    """
    last = books.head if at is None else at
    pool_time, _ = books.pool_time(last)
    begins = midnight(day or pool_time.astimezone(UTC).date())
    ends = begins + timedelta(days=1)
    if pool_time < begins:
        raise ConfigurationError(
            f"{begins:%Y-%m-%d} had not begun: pool time is {pool_time.isoformat()} after event"
            f" {last} of pool {books.pool}"
        )
    closing = min(last, books.before(ends)) if at is None else last
    if closing == 0:
        raise ConfigurationError(
            f"pool {books.pool} had no event yet by the end of {begins:%Y-%m-%d}"
        )
    if pool_time >= ends and at is not None:
        raise ConfigurationError(
            f"event {last} of pool {books.pool} is after the end of {begins:%Y-%m-%d}"
        )
    return books.period(books.before(begins), closing, ends, (begins, ends))


def span_of(books: ReportBooks, begins: str | None, ends: str | None) -> Period:
    """Any period of a pool.

    Args:
        books: Of the pool.
        begins: A day, of which the first event counts; a moment, from which on; or a sequence.
            None for the first day of the month in which it ends.
        ends: A day, of which the last event counts; a moment, before which; or a sequence. None
            for the last event.

    Raises:
        ConfigurationError: One of them is no such thing, or there is no event by the end.
    """
    closing, until = _end(books, ends)
    if closing == 0:
        raise ConfigurationError(f"pool {books.pool} had no event yet before {until.isoformat()}")
    if begins is None:
        last = until - timedelta(microseconds=1)
        start = midnight(last.date().replace(day=1))
        return books.period(books.before(start), closing, until)
    if begins.isascii() and begins.isdigit():
        return books.period(max(int(begins), 1) - 1, closing, until)
    start = _moment_of(begins)
    if start > until:
        raise ConfigurationError(f"--from {begins} is after the end, {until.isoformat()}")
    return books.period(books.before(start), closing, until)


def _end(books: ReportBooks, ends: str | None) -> tuple[int, datetime]:
    """The last event, and the moment before which the period's events are."""
    if ends is None or (ends.isascii() and ends.isdigit()):
        closing = books.head if ends is None else int(ends)
        pool_time, _ = books.pool_time(closing)
        return closing, pool_time.astimezone(UTC) + timedelta(microseconds=1)
    until = _moment_of(ends)
    if "T" not in ends:
        until += timedelta(days=1)
    return books.before(until), until


def _moment_of(words: str) -> datetime:
    try:
        if "T" not in words:
            return midnight(date.fromisoformat(words))
        found = datetime.fromisoformat(words)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ConfigurationError(
            f"expected a day like 2026-01-31, a time like 2026-01-31T12:00:00Z or a sequence,"
            f" found {words!r}"
        )
    return found.astimezone(UTC)


@contextmanager
def report_books(url: str, pool: str | None) -> Iterator[ReportBooks]:
    """The books of a pool, for as long as the block runs.

    Args:
        url: Of the database.
        pool: None takes the only one there is.

    Raises:
        ConfigurationError: There is no such pool.
        SchemaMismatch: The database is not migrated to this version.
        StoreUnavailable: It cannot be reached.
    """
    with translated(), connected(url, "clearing report", _SESSION) as connection:
        connection.prepare_threshold = None  # planned for this pool's partitions alone
        yield ReportBooks(connection, pool)
