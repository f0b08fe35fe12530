"""Adjustments of the books that carry the event id of a correction, beside what was approved."""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg.rows import class_row

from ledger.store.recon.books import OurBooks

_BOOKED = """
    SELECT i.event_id, i.content_hash, c.content AS draft,
           coalesce(l.kinds, '{}') AS kinds, coalesce(l.people, '{}') AS people
      FROM ledger.event_identity i
      LEFT JOIN (back_office.correction c
                 JOIN back_office.break b ON b.break_key = c.break_key AND b.pool = %(pool)s)
        ON c.event_id = i.event_id
      LEFT JOIN LATERAL (
           SELECT array_agg(e.kind ORDER BY e.number) AS kinds,
                  array_agg(e.made_by ORDER BY e.number) AS people
             FROM back_office.break_event e
            WHERE e.break_key = c.break_key AND e.number > c.number
              AND NOT EXISTS (SELECT FROM back_office.correction n
                               WHERE n.break_key = c.break_key AND n.number > c.number
                                 AND n.number <= e.number)) l ON true
     WHERE i.shard = %(shard)s AND i.sequence <= %(sequence)s
       AND i.event_id >= 'adj-' AND i.event_id < 'adj.'
       AND i.event_id ~ '^adj-[0-9a-f]{16}-[0-9]+$'
     ORDER BY i.sequence"""


class BookedRow(NamedTuple):
    """An event of the books whose id is that of a correction.

    Attributes:
        draft: What was proposed under this id, without its checker; None: nothing was.
        kinds, people: What followed the proposal until the next one, and who did it, in order.
    """

    event_id: str
    content_hash: bytes
    draft: str | None
    kinds: Sequence[str]
    people: Sequence[str]


def booked_corrections(books: OurBooks) -> list[BookedRow]:
    """Those of the books, in their order."""
    named = {"pool": books.pool, "shard": books.shard, "sequence": books.sequence}
    with books.connection.cursor(row_factory=class_row(BookedRow)) as cursor:
        return cursor.execute(_BOOKED, named).fetchall()
