"""Sums over a whole pool, now or as of an event; each looks at every account of the pool.

Breaks and reconciliations stand here too: they are few, and read whole. Theirs is a past of the
clock, not of events.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import psycopg
from psycopg import sql

from ledger.store.web.rows import Rows, fetched, filtering


class Sum(NamedTuple):
    """A view that is read whole.

    Attributes:
        view: Its name.
        schema: `reporting` or `back_office`.
        key: Columns by which its rows are told apart and ordered.
        filters: Parameter, and the columns one of which must have its value.
        then: The same as of the event `at_`, or as of `moment_`, where `is_of_clock`.
        is_of_clock: Its past is one of the clock, and not of events.
        is_closed: `then` reads what is closed to clearing_reader.
    """

    view: str
    schema: str
    key: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...]]
    then: sql.SQL | sql.Composed
    is_of_clock: bool = False
    is_closed: bool = False


class Read(NamedTuple):
    """When something of the clock was read.

    Attributes:
        moment: Of the server's clock, or the one that was asked for.
        run: The pool's last reconciliation then; None: there was none.
    """

    moment: datetime
    run: int | None


_NOW = sql.SQL("""
    SELECT * FROM {schema}.{view} WHERE pool = %(pool_)s{filters} ORDER BY {key}""")
_AS_AUDITOR = "SET LOCAL ROLE clearing_auditor"
_READ = """
    SELECT coalesce(%(moment)s::timestamptz, clock_timestamp()), max(run) FROM back_office.runs
     WHERE pool = %(pool)s AND made_at <= coalesce(%(moment)s, clock_timestamp())"""
_THEN = sql.SQL("SELECT * FROM ({then}) v WHERE true{filters} ORDER BY {key}")

TRIAL_BALANCE_AT = sql.SQL("""
    SELECT pool, coalesce(asset, instrument) AS commodity,
           trim_scale(-coalesce(sum(balance) FILTER (WHERE balance < 0), 0)) AS debit,
           trim_scale(coalesce(sum(balance) FILTER (WHERE balance > 0), 0)) AS credit
      FROM reporting.balances_at(%(pool_)s, %(at_)s::bigint)
     GROUP BY pool, asset, CASE WHEN asset IS NULL THEN instrument END,
              coalesce(asset, instrument)""")
OPEN_INTEREST_AT = sql.SQL("""
    SELECT pool, instrument, sum(quantity) AS quantity, max(mark_price) AS mark_price,
           sum(notional) AS notional
      FROM reporting.positions_at(%(pool_)s, %(at_)s::bigint)
     WHERE quantity > 0 GROUP BY pool, instrument""")


def whole(
    connection: psycopg.Connection,
    wanted: Sum,
    pool: str,
    at: int | datetime | None,
    filters: Mapping[str, str],
) -> Rows:
    """All its rows, in their order.

    Raises:
        Detached: The past asked for went with partitions that were detached.
        StoreUnavailable: The statement took longer than the session allows.
    """
    names = {name: wanted.filters[name] for name in filters}
    key = sql.SQL(", ").join(
        sql.SQL("{} NULLS FIRST").format(sql.Identifier(name)) for name in wanted.key
    )
    if at is None:
        query = _NOW.format(
            schema=sql.Identifier(wanted.schema),
            view=sql.Identifier(wanted.view),
            filters=filtering(names),
            key=key,
        )
    else:
        query = _THEN.format(then=wanted.then, filters=filtering(names), key=key)
        if wanted.is_closed:
            connection.execute(_AS_AUDITOR)
    return fetched(connection, query, {**filters, "pool_": pool, "at_": at, "moment_": at})


def read(connection: psycopg.Connection, pool: str, at: datetime | None) -> Read:
    """When, and after which reconciliation, a sum of the clock stands."""
    row = connection.execute(_READ, {"pool": pool, "moment": at}).fetchone()
    assert row is not None, "an aggregate has a row"
    return Read._make(row)
