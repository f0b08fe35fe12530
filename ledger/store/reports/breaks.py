"""Breaks of a pool that were not closed at a moment of the clock, and its last reconciliation then.

The back office only ever appends, so that a moment of the past is found again.
"""

from collections.abc import Iterator
from datetime import datetime

from ledger.store.back_office.breaks import settled
from ledger.store.reports.books import STREAMED_ROWS, ReportBooks, Row

_NOW = "SELECT clock_timestamp()"
_RUN = """
    SELECT run, sequence, made_at, rules_version, encode(result_hash, 'hex') FROM back_office.run
     WHERE pool = %(pool)s AND made_at <= %(moment)s ORDER BY run DESC LIMIT 1"""
_OPEN = """
    SELECT b.break_key, f.made_at, extract(day FROM %(moment)s::timestamptz - f.made_at)::bigint,
           o.made_at, s.severity, l.state, l.assignee, b.type, b.source, b.subject, b.account,
           b.commodity, s.ours, s.theirs, trim_scale(coalesce(s.ours, 0) - coalesce(s.theirs, 0)),
           s.says
      FROM back_office.break b
      JOIN back_office.break_event f ON f.break_key = b.break_key AND f.number = 1
     CROSS JOIN LATERAL (SELECT e.state, e.assignee FROM back_office.break_event e
                          WHERE e.break_key = b.break_key AND e.made_at <= %(moment)s
                          ORDER BY e.number DESC LIMIT 1) l
     CROSS JOIN LATERAL (SELECT e.made_at FROM back_office.break_event e
                          WHERE e.break_key = b.break_key AND e.kind IN ('found', 'reopened')
                            AND e.made_at <= %(moment)s
                          ORDER BY e.number DESC LIMIT 1) o
     CROSS JOIN LATERAL (SELECT g.* FROM back_office.sighting g
                           JOIN back_office.run r ON r.run = g.run
                          WHERE g.break_key = b.break_key AND r.made_at <= %(moment)s
                          ORDER BY g.run DESC LIMIT 1) s
     WHERE b.pool = %(pool)s AND l.state <> 'closed'
     ORDER BY f.made_at, b.break_key"""


def now(books: ReportBooks) -> datetime:
    """The server's clock, as rows have it; all that was begun of any life by then is there to read.

    Rows have the time at which they were written, and are seen only once their run is whole: so
    this waits for whoever writes.
    """
    with books.connection.transaction():
        settled(books.connection, books.pool)
        row = books.connection.execute(_NOW).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def last_run(books: ReportBooks, moment: datetime) -> Row | None:
    """The last reconciliation: run, sequence, made at, rules version, result hash; None: none."""
    return books.connection.execute(_RUN, {**books.named, "moment": moment}).fetchone()


def open_breaks(books: ReportBooks, moment: datetime) -> Iterator[Row]:
    """Breaks that stood, the oldest first.

    Returns:
        key, first found at, whole days since then, last opened at, severity, state, assignee,
        type, source, subject, account, commodity, ours, theirs, difference, in words.
    """
    with books.connection.cursor() as cursor:
        named = {**books.named, "moment": moment}
        yield from cursor.stream(_OPEN, named, size=STREAMED_ROWS)
