"""Sums over a whole pool, now or as of an event; each looks at every account of the pool.

Breaks and reconciliations stand here too: they are few, and read whole.
"""

from collections.abc import Mapping
from typing import NamedTuple

import psycopg
from psycopg import sql

from ledger.store.web_rows import Rows, fetched, filtering


class Sum(NamedTuple):
    """A view that is read whole.

    Attributes:
        view: Its name.
        schema: `reporting` or `back_office`.
        key: Columns by which its rows are told apart and ordered.
        filters: Parameter, and the columns one of which must have its value.
        then: The same as of the event `at_`, where that can be had.
    """

    view: str
    schema: str
    key: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...]]
    then: sql.SQL | None = None


_NOW = sql.SQL("""
    SELECT * FROM {schema}.{view} WHERE pool = %(pool_)s{filters} ORDER BY {key}""")
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
    at: int | None,
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
    if at is None or wanted.then is None:
        query = _NOW.format(
            schema=sql.Identifier(wanted.schema),
            view=sql.Identifier(wanted.view),
            filters=filtering(names),
            key=key,
        )
    else:
        query = _THEN.format(then=wanted.then, filters=filtering(names), key=key)
    return fetched(connection, query, {**filters, "pool_": pool, "at_": at})
