"""What people do to a break, as rows: one event of its life, with what is proposed in it."""

from typing import NamedTuple

import psycopg

_STANDING = """
    SELECT e.number, e.state, e.assignee,
           (SELECT m.made_by FROM back_office.break_event m
             WHERE m.break_key = e.break_key AND m.kind IN ('explained', 'proposed')
             ORDER BY m.number DESC LIMIT 1),
           (SELECT m.made_by FROM back_office.break_event m
             WHERE m.break_key = e.break_key AND m.kind = 'gone' ORDER BY m.number DESC LIMIT 1),
           EXISTS (SELECT FROM back_office.correction c
                    WHERE c.break_key = e.break_key AND c.match_key IS NOT NULL
                      AND c.number = (SELECT max(p.number) FROM back_office.correction p
                                       WHERE p.break_key = e.break_key)
                      AND NOT EXISTS (SELECT FROM back_office.break_event t
                                       WHERE t.break_key = e.break_key AND t.number > c.number
                                         AND t.kind IN ('refused', 'reopened', 'gone')))
      FROM back_office.break_event e WHERE e.break_key = %s ORDER BY e.number DESC LIMIT 1"""
_EVENT = """
    INSERT INTO back_office.break_event (break_key, number, kind, state, made_by, assignee, words)
    VALUES (%s, %s, %s, %s, %s, %s, %s)"""
_CORRECTION = """
    INSERT INTO back_office.correction (break_key, number, event_id, match_key, content)
    VALUES (%s, %s, %s, %s, %s)"""
_PROPOSED = """
    SELECT c.event_id, c.match_key, c.content, e.made_by
      FROM back_office.correction c
      JOIN back_office.break_event e ON e.break_key = c.break_key AND e.number = c.number
     WHERE c.break_key = %s ORDER BY c.number DESC LIMIT 1"""


class StandingRow(NamedTuple):
    """Where a life stands.

    Attributes:
        number: Of its last event.
        maker: Of the last explanation or correction, None where there was none.
        missed_by: Who ran the last run that found it gone, None where none did.
        is_match: The correction that stands, or waits, is a match.
    """

    number: int
    state: str
    assignee: str | None
    maker: str | None
    missed_by: str | None
    is_match: bool


class ActRow(NamedTuple):
    """One event that follows; `number` is its own."""

    break_key: str
    number: int
    kind: str
    state: str
    made_by: str
    assignee: str | None
    words: str


class CorrectionRow(NamedTuple):
    """What is proposed: an adjustment by its event id, or a match by its key, as JSON."""

    event_id: str | None
    match_key: str | None
    content: str
    made_by: str


def standing(connection: psycopg.Connection, break_key: str) -> StandingRow | None:
    """Where a break's life stands."""
    row = connection.execute(_STANDING, [break_key]).fetchone()
    return None if row is None else StandingRow(*row)


def add(connection: psycopg.Connection, act: ActRow, correction: CorrectionRow | None) -> None:
    """Let an event follow; whoever does holds `back_office.adding`."""
    connection.execute(_EVENT, act)
    if correction is not None:
        connection.execute(_CORRECTION, (act.break_key, act.number, *correction[:3]))


def proposed(connection: psycopg.Connection, break_key: str) -> CorrectionRow | None:
    """The correction that was proposed last."""
    row = connection.execute(_PROPOSED, [break_key]).fetchone()
    return None if row is None else CorrectionRow(*row)
