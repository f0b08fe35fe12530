"""What stays of partitions that retention detached: balances, terms, prices, and hashes over them.

Read as an auditor reads; `sql/partitions.sql` writes it. Rows come in the order in which they are
hashed. Memory: one row.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg

from ledger.store.faults import translated
from ledger.store.log import reading

_LEAVES = """
    SELECT first, last, (extract(epoch FROM pool_time) * 1000000)::bigint, balances, facts
      FROM ledger.carried_leaf WHERE shard = %s ORDER BY first"""
_BALANCES = """
    SELECT account, account_sequence, sequence, commodity, balance
      FROM ledger.carried_balance WHERE shard = %s ORDER BY account, account_sequence"""
_FACTS = """
    SELECT kind, subject, sequence, (extract(epoch FROM occurred_at) * 1000000)::bigint,
           sha256(content)
      FROM ledger.carried_fact WHERE shard = %s ORDER BY kind, subject, sequence"""
_IS_RETOLD = """
    CASE WHEN f.kind IN ('mark', 'asset_price')
         THEN EXISTS (SELECT FROM ledger.record r
                       WHERE r.shard = f.shard AND r.kind = f.kind AND r.subject = f.subject
                         AND r.sequence > %(last)s AND r.sequence <= %(at)s)
         ELSE EXISTS (SELECT FROM ledger.event e
                       WHERE e.shard = f.shard AND e.rejection IS NULL AND e.kind = f.kind
                         AND e.kind IN ('account', 'asset', 'instrument', 'pool', 'position_mode',
                                        'risk_tiers')
                         AND ledger.reference_subject(e.kind, e.raw) = f.subject
                         AND e.sequence > %(last)s AND e.sequence <= %(at)s)
    END"""
_NEWEST = """
    SELECT kind, subject, sequence, (extract(epoch FROM occurred_at) * 1000000)::bigint, content, {}
      FROM (SELECT DISTINCT ON (kind, subject) * FROM ledger.carried_fact
             WHERE shard = %(shard)s ORDER BY kind, subject, sequence DESC) f"""
_RETOLD = """
    SELECT {} FROM (VALUES (%(shard)s::int, %(kind)s::text, %(subject)s::text))
                   f(shard, kind, subject)"""
_SEAMS = """
    SELECT a.account, c.account_sequence, c.balance, n.sequence, n.account_sequence,
           n.balance - n.amount
      FROM ledger.account a
      LEFT JOIN LATERAL (SELECT o.account_sequence, o.balance FROM ledger.carried_balance o
                          WHERE o.shard = a.shard AND o.account = a.account
                          ORDER BY o.account_sequence DESC LIMIT 1) c ON true
      LEFT JOIN LATERAL (SELECT p.sequence, p.account_sequence, p.balance, p.amount
                           FROM ledger.posting p
                          WHERE p.shard = a.shard AND p.account = a.account AND p.sequence > %s
                            AND p.account BETWEEN a.account AND a.account
                          ORDER BY p.sequence, p.account_sequence LIMIT 1) n ON true
     WHERE a.shard = %s ORDER BY a.account"""
_BUSTED = """
    SELECT max(r.sequence) FROM ledger.record r
      JOIN ledger.event_identity i ON i.shard = r.shard AND i.event_id = r.subject
     WHERE r.shard = %s AND r.kind = 'trade_bust' AND i.sequence < %s"""


class CarriedLeaf(NamedTuple):
    """A partition that was detached, or is about to be.

    Attributes:
        first, last: Its events.
        pool_time: After the last of them, microseconds; None before the first accepted one.
        balances, facts: Hashes of what is carried from it.
    """

    first: int
    last: int
    pool_time: int | None
    balances: bytes
    facts: bytes


class CarriedBalance(NamedTuple):
    """The last posting of an account in such a partition."""

    account: int
    account_sequence: int
    sequence: int
    commodity: int
    balance: int


class CarriedFact(NamedTuple):
    """The last terms or the last price of a subject there; of the content SHA-256."""

    kind: str
    subject: str
    sequence: int
    occurred_at: int
    content_hash: bytes


class CarriedTerms(NamedTuple):
    """What was told last of a subject there, whole.

    Attributes:
        kind, subject: Of a reference event, mark or price of an asset.
        sequence, occurred_at: Of the event that told it.
        content: The message, or the record's body.
        is_retold: An event at hand tells it again.
    """

    kind: str
    subject: str
    sequence: int
    occurred_at: int
    content: bytes
    is_retold: bool


class Seam(NamedTuple):
    """An account, its last carried posting, and its first one that was not detached.

    Attributes:
        account: Its number.
        carried_postings, carried: Count of postings and balance; None: nothing is carried.
        sequence, postings, before: Of the posting after: its event, count, balance without it; None
            where the account has not moved since.
    """

    account: int
    carried_postings: int | None
    carried: int | None
    sequence: int | None
    postings: int | None
    before: int | None


def leaves(connection: psycopg.Connection, shard: int) -> list[CarriedLeaf]:
    """Partitions of a shard that something is carried from, in order."""
    with translated():
        return [CarriedLeaf(*row) for row in connection.execute(_LEAVES, (shard,), binary=True)]


def balances(connection: psycopg.Connection, shard: int) -> Iterator[CarriedBalance]:
    """By account, then by event; the connection is busy meanwhile."""
    for row in _streamed(connection, _BALANCES, shard):
        account, account_sequence, sequence, commodity, balance = row
        yield CarriedBalance(account, account_sequence, sequence, commodity, int(balance))


def facts(connection: psycopg.Connection, shard: int) -> Iterator[CarriedFact]:
    """By kind and subject, then by event; the connection is busy meanwhile."""
    for row in _streamed(connection, _FACTS, shard):
        yield CarriedFact(*row)


def newest_terms(
    connection: psycopg.Connection, shard: int, last: int, at: int
) -> Iterator[CarriedTerms]:
    """The newest of each subject, and whether events after `last`, up to `at`, tell it again."""
    named = {"shard": shard, "last": last, "at": at}
    query = _NEWEST.format(_IS_RETOLD).encode()
    with translated(), connection.cursor(binary=True) as cursor:
        for row in cursor.stream(query, named, size=reading.STREAMED_ROWS):
            yield CarriedTerms(*row)


def is_retold(
    connection: psycopg.Connection, shard: int, kind: str, subject: str, between: tuple[int, int]
) -> bool:
    """Whether an event after the first of two, up to the second, tells something of a subject."""
    last, at = between
    named = {"shard": shard, "kind": kind, "subject": subject, "last": last, "at": at}
    with translated():
        row = connection.execute(_RETOLD.format(_IS_RETOLD).encode(), named).fetchone()
        assert row is not None, "a query without a condition gives a row"
        return bool(row[0])


def seams(connection: psycopg.Connection, shard: int, last: int) -> Iterator[Seam]:
    """Each account, by number, before and after an event that ends what is carried."""
    for row in _streamed(connection, _SEAMS, last, shard):
        account, carried_postings, carried, sequence, postings, before = row
        sums = (None if one is None else int(one) for one in (carried, before))
        yield Seam(account, carried_postings, next(sums), sequence, postings, next(sums))


def busted_until(connection: psycopg.Connection, shard: int, held_from: int) -> int:
    """The last event that busts a trade from before the first event at hand; 0: none."""
    with translated():
        row = connection.execute(_BUSTED, (shard, held_from)).fetchone()
        return 0 if row is None or row[0] is None else int(row[0])


def _streamed(connection: psycopg.Connection, query: str, *values: int) -> Iterator[Any]:
    with translated(), connection.cursor(binary=True) as cursor:
        yield from cursor.stream(query.encode(), values, size=reading.STREAMED_ROWS)
