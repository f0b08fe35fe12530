"""Records for the console: those that carry a number (L-7, F-9) by pages, marks over time, terms.

How numbered records are paged. Liquidations, movements of the fund, deleveragings and margin calls
are numbered from 1 in their pool without a gap, and in the order of their events. So the newest up
to an event is found by doubling and halving over index probes, and a page is a range of numbers.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import DictRow, dict_row

PAGE_ROWS = 50
MARKS_MAX = 600
MARKS_READ_MAX = 20_000
"""Marks of so few events at the most are all read, and the outermost of each stretch shown."""

SAMPLED = 200

_SEQUENCE_OF = """
    SELECT sequence FROM ledger.record
     WHERE shard = %s AND kind = %s AND subject = %s ORDER BY sequence LIMIT 1"""
_ANY = """
    SELECT subject FROM ledger.record
     WHERE shard = %s AND kind = %s ORDER BY subject LIMIT 1"""
_NUMBERED = """
    SELECT r.sequence, r.line, r.subject, e.occurred_at, e.event_id, e.kind AS event,
           convert_from(r.body, 'UTF8') AS body
      FROM unnest(%(subjects)s::text[]) WITH ORDINALITY one(subject, place)
     CROSS JOIN LATERAL (SELECT o.sequence, o.line, o.subject, o.body FROM ledger.record o
                          WHERE o.shard = %(shard)s AND o.kind = %(kind)s
                            AND o.subject = one.subject
                          ORDER BY o.sequence, o.line LIMIT 1) r
      JOIN ledger.event e ON e.shard = %(shard)s AND e.sequence = r.sequence
     ORDER BY one.place"""
_ABOUT = """
    SELECT sequence, line, kind, subject, convert_from(body, 'UTF8') AS body FROM ledger.record
     WHERE shard = %s AND kind = ANY(%s) AND subject = ANY(%s) ORDER BY sequence, line LIMIT %s"""
_MARKS = """
    SELECT r.sequence, e.occurred_at,
           trim_scale((convert_from(r.body, 'UTF8')::json ->> 'mark_price')::numeric) AS mark_price
      FROM (SELECT o.sequence, o.body FROM ledger.record o
             WHERE o.shard = %(shard)s AND o.kind = 'mark' AND o.subject = %(instrument)s
               AND o.sequence BETWEEN %(first)s AND %(last)s
             ORDER BY o.sequence LIMIT %(most)s) r
      JOIN ledger.event e ON e.shard = %(shard)s AND e.sequence = r.sequence
     ORDER BY r.sequence"""
_SAMPLED = """
    SELECT DISTINCT r.sequence, e.occurred_at, trim_scale((r.body ->> 'mark_price')::numeric)
           AS mark_price
      FROM (SELECT m.sequence, m.body::jsonb AS body FROM unnest(%(sequences)s::bigint[]) n(at)
             CROSS JOIN LATERAL ledger.recorded_at(%(shard)s, 'mark', %(instrument)s, n.at) m) r
      JOIN ledger.event e ON e.shard = %(shard)s AND e.sequence = r.sequence
     ORDER BY r.sequence"""
_INSTRUMENTS = """
    SELECT n.name, i.sequence, i.content, t.sequence AS tiers_sequence,
           t.content AS tiers_content, m.sequence AS mark_sequence, m.body AS mark
      FROM (SELECT DISTINCT ledger.reference_subject(e.kind, e.raw) AS name FROM ledger.event e
             WHERE e.shard = %(shard)s AND e.kind = 'instrument' AND e.rejection IS NULL
               AND e.sequence <= %(at)s
             UNION
            SELECT f.subject FROM ledger.carried_fact f
             WHERE f.shard = %(shard)s AND f.kind = 'instrument' AND f.sequence <= %(at)s) n
     CROSS JOIN LATERAL ledger.reference_at(%(shard)s, 'instrument', n.name, %(at)s) i
      LEFT JOIN LATERAL ledger.reference_at(%(shard)s, 'risk_tiers', n.name, %(at)s) t ON true
      LEFT JOIN LATERAL ledger.recorded_at(%(shard)s, 'mark', n.name, %(at)s) m ON true
     ORDER BY n.name"""
_TERMS = "SELECT sequence, content FROM ledger.reference_at(%s, %s, %s, %s)"
_SCALES = """
    SELECT coalesce(asset, instrument), scale::int FROM ledger.commodity WHERE shard = %s"""


Mark = tuple[int, datetime, Any]
"""Sequence, moment and price."""


class Marks(NamedTuple):
    """Marks of an instrument.

    Attributes:
        total: How many there are; None: more than are shown, and nobody counted them.
    """

    shown: list[Mark]
    total: int | None


class Numbered(NamedTuple):
    """A kind of record whose subjects are numbers.

    Attributes:
        kind: Of the record.
        letter: Before its number.
    """

    kind: str
    letter: str


LIQUIDATIONS = Numbered("liquidation", "L")
DELEVERAGINGS = Numbered("deleveraging", "D")
MOVEMENTS = Numbered("fund", "F")
CALLS = Numbered("margin_call", "C")


def newest(connection: psycopg.Connection, shard: int, of: Numbered, at: int) -> int:
    """The largest number up to an event; 0 without any. About 2 log2 of it index probes."""
    row = connection.execute(_ANY, (shard, of.kind)).fetchone()
    if row is None:
        return 0
    known = int(row[0].partition("-")[2])
    step = 1
    while _sequence(connection, shard, of, known + step) is not None:
        step *= 2
    low, high = known + step // 2 if step > 1 else known, known + step
    while high - low > 1:
        middle = (low + high) // 2
        found = _sequence(connection, shard, of, middle)
        low, high = (low, middle) if found is None else (middle, high)
    return _up_to(connection, shard, of, low, at)


def _up_to(connection: psycopg.Connection, shard: int, of: Numbered, last: int, at: int) -> int:
    """The largest number, of those up to `last`, whose event is not after `at`."""
    found = _sequence(connection, shard, of, last)
    if found is not None and found <= at:
        return last
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        found = _sequence(connection, shard, of, middle)  # what was detached was before
        low, high = (middle, high) if found is None or found <= at else (low, middle)
    return low


def _sequence(connection: psycopg.Connection, shard: int, of: Numbered, number: int) -> int | None:
    asked = (shard, of.kind, f"{of.letter}-{number}")
    row = connection.execute(_SEQUENCE_OF, asked).fetchone()
    return None if row is None else int(row[0])


def numbered(
    connection: psycopg.Connection, shard: int, of: Numbered, numbers: Sequence[int]
) -> list[DictRow]:
    """Records by number, in the order asked for; those that were detached are left out."""
    subjects = [f"{of.letter}-{number}" for number in numbers]
    asked = {"shard": shard, "kind": of.kind, "subjects": subjects}
    with connection.cursor(row_factory=dict_row) as cursor:
        return _opened(cursor.execute(_NUMBERED, asked).fetchall())


def about(
    connection: psycopg.Connection,
    shard: int,
    kinds: Sequence[str],
    subjects: Sequence[str],
    most: int = 1_000,
) -> list[DictRow]:
    """Records of these kinds about these subjects, in order."""
    asked = (shard, list(kinds), list(subjects), most)
    with connection.cursor(row_factory=dict_row) as cursor:
        return _opened(cursor.execute(_ABOUT, asked).fetchall())


def marks(
    connection: psycopg.Connection, shard: int, instrument: str, first: int, last: int
) -> Marks:
    """Marks of an instrument between two events.

    Of many, the lowest and the highest of each stretch; of the marks of more than `MARKS_READ_MAX`
    events those at even distances, whose lows and highs may be between them.
    """
    asked: dict[str, Any] = {"shard": shard, "instrument": instrument}
    is_short = last - first < MARKS_READ_MAX
    most = MARKS_READ_MAX if is_short else MARKS_MAX + 1
    span = {"first": first, "last": last, "most": most}
    found: list[Mark] = connection.execute(_MARKS, {**asked, **span}).fetchall()
    if len(found) <= MARKS_MAX:
        return Marks(found, len(found))
    if is_short:
        return Marks(_outermost(found, MARKS_MAX), len(found))
    asked["sequences"] = evenly(first, last, SAMPLED)
    return Marks(connection.execute(_SAMPLED, asked).fetchall(), None)


def _outermost(found: Sequence[Mark], most: int) -> list[Mark]:
    """The lowest and the highest of each of `most` / 2 stretches, and the last of all."""
    stretches = most // 2
    chosen = {len(found) - 1}
    for place in range(stretches):
        stretch = range(len(found) * place // stretches, len(found) * (place + 1) // stretches)
        chosen.add(min(stretch, key=lambda one: found[one][2]))
        chosen.add(max(stretch, key=lambda one: found[one][2]))
    return [found[one] for one in sorted(chosen)]


def evenly(first: int, last: int, count: int) -> list[int]:
    """Up to `count` whole numbers from `first` to `last`, both included, at even distances."""
    if last <= first:
        return [last]
    steps = min(count - 1, last - first)
    return [first + (last - first) * place // steps for place in range(steps + 1)]


def instruments(connection: psycopg.Connection, shard: int, at: int) -> list[DictRow]:
    """Terms, tiers and marks of all instruments as of an event, by name."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_INSTRUMENTS, {"shard": shard, "at": at}).fetchall()


def terms(
    connection: psycopg.Connection, shard: int, kind: str, subject: str, at: int
) -> tuple[int, dict[str, Any]] | None:
    """The reference event in force: its sequence and its message; the pool's subject is empty."""
    row = connection.execute(_TERMS, (shard, kind, subject, at)).fetchone()
    return None if row is None else (int(row[0]), row[1])


def scales(connection: psycopg.Connection, shard: int) -> dict[str, int]:
    """Decimals of every asset and of every instrument's contracts."""
    return dict(connection.execute(_SCALES, (shard,)).fetchall())


def _opened(rows: list[DictRow]) -> list[DictRow]:
    for row in rows:
        row["body"] = json.loads(row["body"])
    return rows
