"""What a reconciliation leaves in the back office, and what it needs to know of the ones before.

A run is one transaction: its inputs, controls and candidates, the breaks that it found first, what
it found changed, and what that means for the life of each. Rows go by COPY, so a run with a
hundred thousand breaks is a matter of seconds.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from ledger.store.connecting import connected
from ledger.store.faults import translated

_KEPT = """
    SELECT b.break_key, b.source, b.type, b.subject, b.account, b.commodity, b.state,
           b.events, b.assignee, b.happened_at, b.severity, b.ours, b.theirs, b.our_references,
           b.their_references, b.says,
           c.event_id, c.match_key, c.content,
           (SELECT e.made_by FROM back_office.break_event e
             WHERE e.break_key = b.break_key AND e.number > c.number AND e.kind = 'approved'
             ORDER BY e.number DESC LIMIT 1) AS checked_by
      FROM back_office.all_breaks b
      LEFT JOIN LATERAL (SELECT c.number, c.event_id, c.match_key, c.content
                           FROM back_office.correction c
                          WHERE c.break_key = b.break_key ORDER BY c.number DESC LIMIT 1) c
        ON b.state = 'approved'
     WHERE b.pool = %s AND (b.state <> 'closed' OR b.break_key = ANY (%s))"""
_AGREED = """
    SELECT DISTINCT c.match_key
      FROM back_office.all_breaks b
     CROSS JOIN LATERAL (SELECT c.number, c.match_key FROM back_office.correction c
                          WHERE c.break_key = b.break_key ORDER BY c.number DESC LIMIT 1) c
     WHERE b.pool = %s AND c.match_key IS NOT NULL
       AND b.state IN ('approved', 'corrected', 'closed')
       AND NOT EXISTS (SELECT FROM back_office.break_event e
                        WHERE e.break_key = b.break_key AND e.number > c.number
                          AND e.kind IN ('refused', 'reopened', 'gone'))
       AND NOT EXISTS (
           SELECT FROM back_office.correction d
             JOIN back_office.break o ON o.break_key = d.break_key AND o.pool = b.pool
             JOIN back_office.break_event r ON r.break_key = d.break_key AND r.number > d.number
            WHERE d.match_key = c.match_key AND r.kind = 'refused'
              AND NOT EXISTS (SELECT FROM back_office.break_event n
                               WHERE n.break_key = d.break_key AND n.number > d.number
                                 AND n.number < r.number
                                 AND n.kind IN ('proposed', 'explained', 'reopened', 'gone'))
              AND r.made_at > (SELECT max(a.made_at) FROM back_office.break_event a
                                WHERE a.break_key = b.break_key AND a.number > c.number
                                  AND a.kind = 'approved'))
     ORDER BY 1"""
"""A match may be agreed to on the break of each of its sides: refusing it on one is refusing it."""
_FURTHEST = """
    SELECT run, sequence FROM back_office.run WHERE pool = %s
     ORDER BY sequence DESC, run DESC LIMIT 1"""
_FURTHEST_OF = """
    SELECT run, sequence FROM back_office.run r
     WHERE pool = %s AND EXISTS (SELECT FROM back_office.run_input i
                                  WHERE i.run = r.run AND i.source = ANY (%s))
     ORDER BY sequence DESC, run DESC LIMIT 1"""
_LATER = """
    SELECT DISTINCT e.break_key
      FROM back_office.break_event e JOIN back_office.run r ON r.run = e.run
     WHERE r.pool = %s AND r.sequence > %s"""
_BOOKED = """
    SELECT i.event_id, i.content_hash FROM ledger.event_identity i JOIN ledger.shard s USING (shard)
     WHERE s.name = %s AND i.event_id = ANY (%s) AND i.sequence <= %s"""
_GIVEN = """
    SELECT b.break_key, i.covers_from, i.covers_until
      FROM back_office.break b
      JOIN back_office.run_input i ON i.source = b.source
       AND i.run = (SELECT max(s.run) FROM back_office.sighting s WHERE s.break_key = b.break_key)
     WHERE b.break_key = ANY (%s)"""
_PAST = "SELECT pool, sequence, agreed, result_hash FROM back_office.runs WHERE run = %s"
_RUN = """
    INSERT INTO back_office.run (pool, sequence, matched, breaks, rules_version, made_by,
                                 rules_hash, result_hash, agreed)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING run, made_at"""
_INPUTS = """
    COPY back_office.run_input (run, source, name, lines, covers_from, covers_until, content_hash)
    FROM STDIN"""
_CONTROLS = "COPY back_office.control (run, name, holds, checked, says) FROM STDIN"
_CANDIDATES = """
    COPY back_office.candidate (run, match_key, score, source, our_references, their_references,
                                content) FROM STDIN"""
_BREAKS = """
    COPY back_office.break (run, break_key, type, source, pool, subject, account, commodity)
    FROM STDIN"""
_SIGHTINGS = """
    COPY back_office.sighting (run, break_key, happened_at, severity, ours, theirs, our_references,
                               their_references, says) FROM STDIN"""
_EVENTS = """
    COPY back_office.break_event (run, break_key, number, kind, state, made_by, assignee, words)
    FROM STDIN"""


Span = tuple[datetime | None, datetime | None]
"""From the first moment that a file tells of to the last; None: it tells of none."""


class KeptRow(NamedTuple):
    """A break before a run.

    Attributes:
        event_id, match_key, content: Of a correction that is approved, one of both and its draft.
        checked_by: Who approved it.
    """

    break_key: str
    source: str
    type: str
    subject: str
    account: str
    commodity: str
    state: str
    events: int
    assignee: str | None
    happened_at: datetime | None
    severity: str
    ours: Decimal | None
    theirs: Decimal | None
    our_references: Sequence[str]
    their_references: Sequence[str]
    says: str
    event_id: str | None
    match_key: str | None
    content: str | None
    checked_by: str | None


class RunRow(NamedTuple):
    """A run; hashes are SHA-256, `agreed` the keys of matches that it was told."""

    pool: str
    sequence: int
    matched: int
    breaks: int
    rules_version: str
    made_by: str
    rules_hash: bytes
    result_hash: bytes
    agreed: Sequence[str]


class PastRow(NamedTuple):
    """What has to be told to do a run again, and the hash of what it came to."""

    pool: str
    sequence: int
    agreed: Sequence[str]
    result_hash: str


class InputRow(NamedTuple):
    """What a run was given of a source; it tells of the time between both moments."""

    source: str
    name: str
    lines: int
    covers_from: datetime | None
    covers_until: datetime | None
    content_hash: bytes


class ControlRow(NamedTuple):
    """An internal control."""

    name: str
    holds: bool
    checked: int
    says: str


class CandidateRow(NamedTuple):
    """A match that is proposed; `content` is JSON."""

    match_key: str
    score: int
    source: str
    our_references: Sequence[str]
    their_references: Sequence[str]
    content: str


class NewBreakRow(NamedTuple):
    """What a break is about."""

    break_key: str
    type: str
    source: str
    pool: str
    subject: str
    account: str
    commodity: str


class SightingRow(NamedTuple):
    """What a run found of a break."""

    break_key: str
    happened_at: datetime | None
    severity: str
    ours: Decimal | None
    theirs: Decimal | None
    our_references: Sequence[str]
    their_references: Sequence[str]
    says: str


class EventRow(NamedTuple):
    """An event of a break's life that a run brought about."""

    break_key: str
    number: int
    kind: str
    state: str
    made_by: str
    assignee: str | None
    words: str


class Found(NamedTuple):
    """All that a run leaves but the run itself."""

    inputs: Sequence[InputRow]
    controls: Sequence[ControlRow]
    candidates: Sequence[CandidateRow]
    breaks: Sequence[NewBreakRow]
    sightings: Sequence[SightingRow]
    events: Sequence[EventRow]


def kept(connection: psycopg.Connection, pool: str, found: Iterable[str]) -> list[KeptRow]:
    """The breaks of a pool that are not closed, and those that were found again."""
    with connection.cursor(row_factory=class_row(KeptRow)) as cursor:
        return cursor.execute(_KEPT, [pool, list(found)]).fetchall()


def given(connection: psycopg.Connection, break_keys: Sequence[str]) -> dict[str, list[Span]]:
    """Which times the inputs of its source told of, in the run that found a break as it is kept."""
    spans: dict[str, list[Span]] = {}
    for key, begins, ends in connection.execute(_GIVEN, [list(break_keys)]):
        spans.setdefault(key, []).append((begins, ends))
    return spans


def furthest(
    connection: psycopg.Connection, pool: str, sources: Iterable[str] | None = None
) -> tuple[int, int]:
    """The run of a pool that took its books furthest, and the last event that it took; 0, 0: none.

    Args:
        sources: Only of runs that were given one of these; None: of all, also of controls alone.

    Cost: a walk over the pool's runs.
    """
    if sources is None:
        row = connection.execute(_FURTHEST, [pool]).fetchone()
    else:
        row = connection.execute(_FURTHEST_OF, [pool, list(sources)]).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def later(connection: psycopg.Connection, pool: str, sequence: int) -> set[str]:
    """Breaks whose life a run of a later event has added to."""
    return {key for (key,) in connection.execute(_LATER, (pool, sequence))}


def agreed(connection: psycopg.Connection, pool: str) -> list[str]:
    """Keys of the matches of a pool that people agreed to, and that are in force."""
    return [key for (key,) in connection.execute(_AGREED, [pool])]


def past(connection: psycopg.Connection, run: int) -> PastRow | None:
    """A run that was kept; None: there is none of this number."""
    with connection.cursor(row_factory=class_row(PastRow)) as cursor:
        return cursor.execute(_PAST, [run]).fetchone()


@contextmanager
def auditing(url: str) -> Iterator[psycopg.Connection]:
    """A connection that reads runs, lives and books as `clearing_auditor`, and writes nothing."""
    connection = connected(url, "clearing reconcile", "SET ROLE clearing_auditor")
    try:
        with translated():
            yield connection
    finally:
        connection.close()


def booked(url: str, pool: str, event_ids: Sequence[str], sequence: int) -> dict[str, bytes]:
    """Which of these events the books have accepted, up to a sequence, by what content.

    Read as the auditor.
    """
    if not event_ids:
        return {}
    with auditing(url) as connection:
        rows: list[Any] = connection.execute(_BOOKED, (pool, list(event_ids), sequence)).fetchall()
        return dict(rows)


def save(connection: psycopg.Connection, run: RunRow, found: Found) -> tuple[int, datetime]:
    """Keep a run, in the transaction that read what was kept before; its number and its time."""
    row = connection.execute(_RUN, run._replace(agreed=list(run.agreed))).fetchone()
    assert row is not None, "RETURNING gave no row"
    number, made_at = row
    _copied(connection, _INPUTS, number, found.inputs)
    _copied(connection, _CONTROLS, number, found.controls)
    _copied(connection, _CANDIDATES, number, found.candidates)
    _copied(connection, _BREAKS, number, found.breaks)
    _copied(connection, _SIGHTINGS, number, found.sightings)
    _copied(connection, _EVENTS, number, found.events)
    return int(number), made_at


def _copied(
    connection: psycopg.Connection,
    statement: str,
    run: int,
    rows: Sequence[tuple[object, ...]],
) -> None:
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row((run, *(_array(value) for value in row)))


def _array(value: object) -> object:
    """A tuple of texts as what the driver takes for an array."""
    return list(value) if isinstance(value, tuple) else value
