"""Participants for the console: their list by pages, and what one of them had after an event.

The list skips from owner to owner by the index of the registry, and looks up the balances of those
on the page alone, and as of an earlier event of those it passes over, which came later. One
participant's figures are those of the reporting views, as of the event.
"""

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import DictRow, class_row, dict_row

from ledger.store.web.past import QUEUES_AT

PAGE_OWNERS = 50
_LOOKED_MAX = 1_600
"""Owners whose balances one statement looks up."""

_OWNERS = """
    WITH RECURSIVE o(owner) AS (
        (SELECT owner FROM ledger.account
          WHERE shard = %(shard)s AND owner > %(after)s AND owner >= %(prefix)s
          ORDER BY owner LIMIT 1)
        UNION ALL
        SELECT (SELECT a.owner FROM ledger.account a
                 WHERE a.shard = %(shard)s
                   AND a.owner > CASE WHEN left(o.owner, 1) = '@' THEN '@~' ELSE o.owner END
                 ORDER BY a.owner LIMIT 1)
          FROM o WHERE o.owner IS NOT NULL)
    SELECT owner FROM (SELECT owner FROM o LIMIT %(rows)s + 2) found
     WHERE left(owner, 1) <> '@' AND left(owner, length(%(prefix)s)) = %(prefix)s
     LIMIT %(rows)s"""
_HELD = """
    SELECT a.owner, a.kind, a.instrument, a.asset, c.scale::int AS scale,
           ledger.natural_units(last.balance, c.scale) AS balance, last.sequence
      FROM ledger.account a
      JOIN ledger.commodity c ON c.shard = a.shard AND c.asset IS NOT DISTINCT FROM a.asset
       AND c.instrument IS NOT DISTINCT FROM CASE WHEN a.asset IS NULL THEN a.instrument END
     CROSS JOIN LATERAL ledger.account_at(a.shard, a.account, %(at)s) last
     WHERE a.shard = %(shard)s AND a.owner = ANY(%(owners)s)
     ORDER BY a.owner, a.kind, a.instrument, a.asset"""
_BOUNDS = """
    SELECT min(first.sequence) FROM ledger.account a
     CROSS JOIN LATERAL (SELECT p.sequence FROM ledger.posting p
                          WHERE p.shard = a.shard AND p.account = a.account
                            AND p.account BETWEEN a.account AND a.account
                          ORDER BY p.sequence, p.account_sequence LIMIT 1) first
     WHERE a.shard = %(shard)s AND a.owner = %(owner)s"""
_KNOWN = "SELECT EXISTS (SELECT FROM ledger.account WHERE shard = %s AND owner = %s)"
_MARGIN = """
    SELECT account, instrument, margin_mode, collateral, unrealized_pnl, equity, initial_margin,
           maintenance_margin, free_collateral, margin_ratio, leverage, stale_instruments
      FROM reporting.margin_at(%(pool)s, %(at)s::bigint, %(account)s)
     ORDER BY account, margin_mode, instrument"""
_POSITIONS = """
    SELECT account, instrument, margin_mode, quantity, entry_price, cost, mark_price, notional,
           unrealized_pnl, maintenance_margin, liquidation_price
      FROM reporting.positions_at(%(pool)s, %(at)s::bigint, %(account)s)
     ORDER BY account, instrument"""
_HISTORY = """
    SELECT n.at, ledger.occurred_at(%(shard)s, n.at) AS occurred_at,
           sum(m.equity) AS equity, sum(m.maintenance_margin) AS maintenance_margin,
           sum(m.initial_margin) AS initial_margin
      FROM unnest(%(sequences)s::bigint[]) n(at)
     CROSS JOIN LATERAL reporting.margin_at(%(pool)s, n.at, %(account)s) m
     GROUP BY n.at ORDER BY n.at"""


class Queued(NamedTuple):
    """A position in its place of its queue.

    Attributes:
        side: long or short.
        score: By which the policy orders, half-even to 18 decimals; None without equity or mark.
        rank: Among the eligible of its side, 1 first; None if not eligible.
        eligible: Equity above zero, mark not stale, by capped_pro_rata in profit.
    """

    instrument: str
    side: str
    account: str
    margin_mode: str
    quantity: Decimal
    unrealized_pnl: Decimal
    equity: Decimal
    score: Decimal | None
    rank: int | None
    eligible: bool


class Listed(NamedTuple):
    """A page of the list.

    Attributes:
        held: What each had after the event, as `held` tells it, in the order of their ids.
        following: The next page begins behind this id; None: this was the last.
    """

    held: Mapping[str, Sequence[DictRow]]
    following: str | None


def page(
    connection: psycopg.Connection,
    shard: int,
    at: int,
    after: str,
    prefix: str,
    *,
    rows: int = PAGE_OWNERS,
    budget_s: float,
) -> Listed:
    """Participants that had a posting up to an event, as `owners` has them by id.

    Where very many came later, a page has fewer rows than it could have, and others follow.

    Args:
        budget_s: After so long no further ones are looked up.
    """
    ends = time.perf_counter() + budget_s
    found: dict[str, list[DictRow]] = {}
    share = rows + 1
    while True:
        names = owners(connection, shard, after, prefix, share)
        for row in held(connection, shard, at, names):
            found.setdefault(row["owner"], []).append(row)
        if len(found) > rows:
            shown = dict(list(found.items())[:rows])
            return Listed(shown, next(reversed(shown)))
        if len(names) < share:
            return Listed(found, None)
        after = names[-1]
        if time.perf_counter() >= ends:
            return Listed(found, after)
        share = min(2 * share, _LOOKED_MAX)


def owners(
    connection: psycopg.Connection, shard: int, after: str, prefix: str, rows: int = PAGE_OWNERS
) -> list[str]:
    """Participants whose id begins with `prefix`, by id, behind `after`; house owners apart."""
    asked = {"shard": shard, "after": after, "prefix": prefix, "rows": rows}
    return [owner for (owner,) in connection.execute(_OWNERS, asked)]


def held(
    connection: psycopg.Connection, shard: int, at: int, names: Sequence[str]
) -> list[DictRow]:
    """Balances of these owners: owner, kind, instrument, asset, scale, balance, sequence."""
    with connection.cursor(row_factory=dict_row) as cursor:
        asked = {"shard": shard, "at": at, "owners": list(names)}
        return cursor.execute(_HELD, asked).fetchall()


def is_known(connection: psycopg.Connection, shard: int, owner: str) -> bool:
    """Whether an owner has an account in the pool."""
    row = connection.execute(_KNOWN, (shard, owner)).fetchone()
    return row is not None and bool(row[0])


def first_event(connection: psycopg.Connection, shard: int, owner: str) -> int:
    """The first event here that moved one of its accounts; 1 where none did."""
    row = connection.execute(_BOUNDS, {"shard": shard, "owner": owner}).fetchone()
    return 1 if row is None or row[0] is None else int(row[0])


def margin(
    connection: psycopg.Connection, pool: str, at: int, account: str | None
) -> list[DictRow]:
    """Margin accounts after an event, as `reporting.margin_at` tells them; None: of everybody."""
    return _rows(connection, _MARGIN, pool, at, account)


def positions(
    connection: psycopg.Connection, pool: str, at: int, account: str | None
) -> list[DictRow]:
    """Open positions after an event, as `reporting.positions_at` tells them."""
    return _rows(connection, _POSITIONS, pool, at, account)


def queues(connection: psycopg.Connection, pool: str, at: int) -> list[Queued]:
    """The ADL queues of all instruments after an event: by instrument and side, rank 1 first."""
    with connection.cursor(row_factory=class_row(Queued)) as cursor:
        return cursor.execute(QUEUES_AT, {"pool_": pool, "at_": at}).fetchall()


def history(
    connection: psycopg.Connection, pool: str, shard: int, account: str, sequences: Sequence[int]
) -> list[DictRow]:
    """Equity and requirements of all margin accounts of a participant, after each event."""
    asked = {"pool": pool, "shard": shard, "account": account, "sequences": list(sequences)}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_HISTORY, asked).fetchall()


def _rows(
    connection: psycopg.Connection, query: str, pool: str, at: int, account: str | None
) -> list[DictRow]:
    asked: dict[str, Any] = {"pool": pool, "at": at, "account": account}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), asked).fetchall()
