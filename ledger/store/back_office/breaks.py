"""The back office's rows read back: breaks as they stand, their lives, candidates, runs.

Everything is read as `clearing_back_office`, or as `clearing_auditor`, who may read the same, and
through the views of the schema where there is one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from ledger.errors import LivesHeld
from ledger.store.connecting import connected
from ledger.store.faults import translated

Connection = psycopg.Connection[Any]

_ROLE = "SET ROLE clearing_back_office; SET TIME ZONE 'UTC'"
_RUNNING = f"""{_ROLE};
    SET lock_timeout = '2min'; SET statement_timeout = '15min';
    SET idle_in_transaction_session_timeout = '2min'"""
"""Of a run that keeps a hundred thousand breaks; a client that hangs lets go of its pool."""
_WAITED_FOR = f"""{_ROLE};
    SET lock_timeout = '5s'; SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '10s'"""
_ANSWER_S = 20
_LOCK = "SELECT pg_advisory_xact_lock(1667589238, hashtext(%s))"
"""Held by whoever adds to a life of a pool, so that each row follows the one that was read."""
_SETTLED = "SELECT pg_advisory_xact_lock_shared(1667589238, hashtext(%s))"

_COLUMNS = """
    SELECT break_key, pool, source, type, severity, state, assignee, subject, account, commodity,
           ours, theirs, difference, our_references, their_references, happened_at, says,
           opened_at, age, first_run, changed_run, events, moved_at
      FROM back_office.all_breaks"""
_LISTED = f"""{_COLUMNS}
     WHERE (%(pool)s::text IS NULL OR pool = %(pool)s)
       AND (%(source)s::text IS NULL OR source = %(source)s)
       AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s))
       AND (%(severities)s::text[] IS NULL OR severity = ANY (%(severities)s))
       AND (%(states)s::text[] IS NULL OR state = ANY (%(states)s))
       AND (%(closed)s OR state <> 'closed')
       AND (%(assignee)s::text IS NULL OR assignee = %(assignee)s)
       AND (%(account)s::text IS NULL OR account = %(account)s)
       AND (NOT %(unassigned)s OR assignee IS NULL)
       AND (%(older)s::interval IS NULL OR age >= %(older)s)
     ORDER BY array_position(ARRAY['critical', 'high', 'medium', 'low'], severity::text),
              found_at, break_key
     LIMIT %(limit)s"""
_BY_KEY = f"{_COLUMNS} WHERE break_key LIKE %(key)s || '%%' ORDER BY break_key LIMIT 2"
_LIFE = """
    SELECT number, kind, state, made_by, made_at, run, assignee, words, event_id, match_key,
           content, login
      FROM back_office.break_lives WHERE break_key = %s ORDER BY number"""
_CANDIDATES = """
    SELECT c.match_key, c.score, c.content
      FROM back_office.candidate c
     WHERE c.run = (SELECT max(n.run) FROM back_office.candidate n
                      JOIN back_office.run r USING (run)
                     WHERE r.pool = %(pool)s AND n.source = %(source)s
                       AND (n.our_references && %(ours)s::varchar[]
                         OR n.their_references && %(theirs)s::varchar[])
                       AND n.run >= (SELECT max(e.run) FROM back_office.break_event e
                                      WHERE e.break_key = %(key)s
                                        AND e.kind IN ('found', 'reopened')))
       AND c.source = %(source)s
       AND (c.our_references && %(ours)s::varchar[] OR c.their_references && %(theirs)s::varchar[])
     ORDER BY c.score DESC, c.match_key"""
_RUN = "SELECT run, pool, made_by, made_at, sequence FROM back_office.runs WHERE run = %s"
_IS_ASSET = """
    SELECT EXISTS (SELECT FROM reporting.balances WHERE pool = %s AND asset = %s)"""
_MAY_ADD = "SELECT pg_has_role(session_user, 'clearing_back_office', 'SET')"
_COUNTS = """
    SELECT state, severity, count(*) FROM back_office.open_breaks
     WHERE %(pool)s::text IS NULL OR pool = %(pool)s GROUP BY 1, 2"""


class BreakRow(NamedTuple):
    """A break as it stands; the fields are those of the view `back_office.all_breaks`."""

    break_key: str
    pool: str
    source: str
    type: str
    severity: str
    state: str
    assignee: str | None
    subject: str
    account: str
    commodity: str
    ours: Decimal | None
    theirs: Decimal | None
    difference: Decimal
    our_references: Sequence[str]
    their_references: Sequence[str]
    happened_at: datetime | None
    says: str
    opened_at: datetime
    age: timedelta
    first_run: int
    changed_run: int
    events: int
    moved_at: datetime


class LifeRow(NamedTuple):
    """One event of a break's life; the fields are those of the view `back_office.break_lives`."""

    number: int
    kind: str
    state: str
    made_by: str
    made_at: datetime
    run: int | None
    assignee: str | None
    words: str
    event_id: str | None
    match_key: str | None
    content: str | None
    login: str


class CandidateRow(NamedTuple):
    """A match that a run proposed, as JSON."""

    match_key: str
    score: int
    content: str


class Filter(NamedTuple):
    """Which breaks to list; None: whatever it is.

    Attributes:
        closed: Closed ones, too.
        older: First found so long ago, or longer.
        limit: How many at most.
    """

    pool: str | None = None
    source: str | None = None
    types: Sequence[str] | None = None
    severities: Sequence[str] | None = None
    states: Sequence[str] | None = None
    assignee: str | None = None
    account: str | None = None
    unassigned: bool = False
    closed: bool = False
    older: timedelta | None = None
    limit: int | None = None


@contextmanager
def opened(url: str, application: str, *, is_bounded: bool = False) -> Iterator[psycopg.Connection]:
    """A connection that acts as `clearing_back_office`.

    Args:
        url: Of the database.
        application: Shown to whoever looks at the server's activity.
        is_bounded: Somebody waits: give up after seconds, also where another adds to lives.

    Raises:
        SchemaMismatch: The database is not migrated to this version.
        StoreUnavailable: It cannot be reached.
        StoreError: The login may not act as that role, or the database refused something.
    """
    if is_bounded:
        connection = connected(url, application, _WAITED_FOR, answer_s=_ANSWER_S)
    else:
        connection = connected(url, application, _RUNNING)
    try:
        with translated():
            yield connection
    finally:
        connection.close()


def may_add(connection: psycopg.Connection) -> bool:
    """Whether the login of a connection may act as `clearing_back_office`."""
    row = connection.execute(_MAY_ADD).fetchone()
    return row is not None and bool(row[0])


@contextmanager
def adding(connection: psycopg.Connection, pool: str) -> Iterator[None]:
    """A transaction in which nobody else adds to a life of a pool.

    Raises:
        LivesHeld: Somebody else does, for longer than the session waits.
    """
    with connection.transaction():
        try:
            connection.execute(_LOCK, [pool])
        except errors.LockNotAvailable as late:
            raise LivesHeld(
                f"a run or a person is adding to the breaks of pool {pool}: nothing was done, try"
                " again"
            ) from late
        yield


def settled(connection: psycopg.Connection, pool: str) -> None:
    """Wait for whoever adds to a life of a pool, and keep others from it in this transaction."""
    connection.execute(_SETTLED, [pool])


def listed(connection: psycopg.Connection, wanted: Filter) -> list[BreakRow]:
    """Breaks, the most severe first, the oldest first among them."""
    with connection.cursor(row_factory=class_row(BreakRow)) as cursor:
        return cursor.execute(_LISTED, wanted._asdict()).fetchall()


def by_key(connection: psycopg.Connection, beginning: str) -> list[BreakRow]:
    """The breaks whose key begins so: none, one, or two of more."""
    with connection.cursor(row_factory=class_row(BreakRow)) as cursor:
        return cursor.execute(_BY_KEY, {"key": beginning}).fetchall()


def life(connection: psycopg.Connection, break_key: str) -> list[LifeRow]:
    """The life of a break, in order."""
    with connection.cursor(row_factory=class_row(LifeRow)) as cursor:
        return cursor.execute(_LIFE, [break_key]).fetchall()


def candidates(connection: psycopg.Connection, of: BreakRow) -> list[CandidateRow]:
    """What the newest run that proposed matches of what this break is about proposed of it.

    Runs of other days or accounts propose none of it, and leave these as they are; one that was
    found before the break was opened again is none any more.
    """
    asked = {
        "key": of.break_key,
        "pool": of.pool,
        "source": of.source,
        "ours": list(of.our_references),
        "theirs": list(of.their_references),
    }
    with connection.cursor(row_factory=class_row(CandidateRow)) as cursor:
        return cursor.execute(_CANDIDATES, asked).fetchall()


def run_by(connection: psycopg.Connection, run: int) -> str | None:
    """Who ran a run."""
    row = connection.execute(_RUN, [run]).fetchone()
    return None if row is None else str(row[2])


def is_asset(connection: psycopg.Connection, pool: str, commodity: str) -> bool:
    """Whether somebody has a balance in an asset of this name; else it may be an instrument."""
    row = connection.execute(_IS_ASSET, (pool, commodity)).fetchone()
    return row is not None and bool(row[0])


def counts(connection: psycopg.Connection, pool: str | None) -> list[tuple[str, str, int]]:
    """State, severity and number of the breaks that are not closed."""
    rows: list[Any] = connection.execute(_COUNTS, {"pool": pool}).fetchall()
    return [(state, severity, int(number)) for state, severity, number in rows]
