"""Pages of how things stand, now or as of an event: balances, positions and margin by owner.

Rules of this file:

* Owners are taken in their order, a few at a time, twice as many each time while the page has room
  and time. Each is found by index, so a page costs what its owners have, not what the pool has.
* Ids are in the order of their UTF-8 bytes, as everywhere in the ledger.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from ledger.store.web.rows import Column, Rows, fetched, filtering

OWNERS_FIRST = 8
"""Asked for at first."""

OWNERS_MAX = 512
"""Asked for at once at most."""

_NOW = sql.SQL("""
    SELECT * FROM reporting.{view}
     WHERE pool = %(pool_)s AND account = ANY(%(owners_)s){filters}""")
_THEN = sql.SQL("""
    SELECT v.* FROM unnest(%(owners_)s::text[]) o(owner)
     CROSS JOIN LATERAL reporting.{function}(%(pool_)s, %(at_)s::bigint, o.owner) v
     WHERE true{filters}""")
_OWNERS = sql.SQL("SELECT account FROM reporting.owners_after(%(pool)s, %(after)s, %(rows)s)")


class State(NamedTuple):
    """A view with some rows for each owner.

    Attributes:
        view: In schema `reporting`; its name and `_at` is the function for the past.
        key: Columns by which its rows are told apart and ordered, the owner first.
        filters: Parameter, and the columns one of which must have its value.
    """

    view: str
    key: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...]]


class Wanted(NamedTuple):
    """What a page is wanted of.

    Attributes:
        pool: That is known.
        at: After which event; None: now.
        account: One owner; None: all.
        filters: Values by parameter, the account apart.
        after: Key of the last row that was given; of an owner alone: all of its rows were.
        rows: At most.
        budget_s: No further owners after so long.
    """

    pool: str
    at: int | None
    account: str | None
    filters: Mapping[str, str]
    after: tuple[str, ...] | None
    rows: int
    budget_s: float


class Page(NamedTuple):
    """Rows, and after which key the next page begins; None: there are no more."""

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    next: tuple[str, ...] | None


def page(connection: psycopg.Connection, state: State, wanted: Wanted) -> Page:
    """One page.

    Raises:
        Detached: The past asked for went with partitions that were detached.
        StoreUnavailable: A statement took longer than the session allows.
    """
    rows: list[tuple[Any, ...]] = []
    ends = time.perf_counter() + wanted.budget_s
    share = OWNERS_FIRST
    reached = "" if wanted.after is None else wanted.after[0]
    begun = [reached] if wanted.after is not None and len(wanted.after) > 1 else []
    while True:
        began = time.perf_counter()
        owners, more = _owners(connection, wanted, reached, share - len(begun))
        found = _rows(connection, state, wanted, begun + owners)
        rows += sorted(
            (row for row in found.rows if _key(found, state, row) > (wanted.after or ())),
            key=lambda row: _key(found, state, row),
        )
        begun, reached = [], (owners or [reached])[-1]
        if len(rows) > wanted.rows:
            rows = rows[: wanted.rows]
            return Page(found.columns, rows, _key(found, state, rows[-1]))
        if not more:
            return Page(found.columns, rows, None)
        now = time.perf_counter()
        if now >= ends:
            return Page(found.columns, rows, (reached,))
        affordable = int(share * (ends - now) / max(now - began, 1e-6))
        share = max(1, min(2 * share, affordable, OWNERS_MAX))


def _owners(
    connection: psycopg.Connection, wanted: Wanted, reached: str, share: int
) -> tuple[list[str], bool]:
    """The next owners, and whether there may be more."""
    if wanted.account is not None:
        return ([wanted.account] if wanted.account > reached else []), False
    values = {"pool": wanted.pool, "after": reached, "rows": share}
    found = [owner for (owner,) in fetched(connection, _OWNERS, values).rows]
    return found, len(found) == share


def _rows(connection: psycopg.Connection, state: State, wanted: Wanted, owners: list[str]) -> Rows:
    names = {name: state.filters[name] for name in wanted.filters}
    text = _NOW if wanted.at is None else _THEN
    query = text.format(
        view=sql.Identifier(state.view),
        function=sql.Identifier(f"{state.view}_at"),
        filters=filtering(names),
    )
    values = {**wanted.filters, "pool_": wanted.pool, "at_": wanted.at, "owners_": owners}
    return fetched(connection, query, values)


def _key(found: Rows, state: State, row: tuple[Any, ...]) -> tuple[str, ...]:
    places = {column.name: place for place, column in enumerate(found.columns)}
    return tuple(row[places[name]] or "" for name in state.key)
