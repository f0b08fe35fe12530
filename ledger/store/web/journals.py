"""Pages of what happened, in the order of the log, found in a time that does not grow with it.

Rules of this file:

* A view is never asked for the whole log, but for a window of sequences, as wide as earlier windows
  say that the time allows (`ledger.store.web.pace`). The plan of a window reads the rows in it by
  index and few others, so that a page costs what its windows hold.
* A page ends when it is full, when the range is at its end, or when the time is up: then it is
  short, and begins the next one where it stopped. So no filter, however rare its rows, makes a
  request long.
* Rows of an account are led to by its postings, which are found by index: where the view has a
  row for it, the account has a posting.
* The log is append-only: rows of one sequence are always the same, in the same order. A place in
  it is a sequence and how many of its rows were given already.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from ledger.store.web.pace import Pace
from ledger.store.web.rows import Column, Rows, fetched, filtering

_ROWS = sql.SQL("""
    SELECT * FROM reporting.{view}
     WHERE pool = %(pool_)s AND {sequence} BETWEEN %(low_)s AND %(high_)s{only}{filters}{behind}
     ORDER BY {sequence} {order}{ties} OFFSET %(skipped_)s LIMIT %(rows_)s""")
_BEHIND = sql.SQL(" AND ({sequence} <> %(near_)s OR {line} > %(given_)s)")
_ONLY = sql.SQL(" AND {} = ANY(%(only_)s::bigint[])")
_NONE = sql.SQL("")
_LED_TO = sql.SQL("""
    SELECT DISTINCT sequence FROM reporting.postings
     WHERE pool = %(pool)s AND account = %(account)s AND account_kind = ANY(%(kinds)s)
       AND sequence BETWEEN %(low)s AND %(high)s
     ORDER BY sequence {order} LIMIT %(rows)s""")


class Journal(NamedTuple):
    """A view with a row or more for each event of some kinds.

    Attributes:
        view: In schema `reporting`.
        sequence: The column that says which event.
        ties: Columns that order the rows of one event.
        filters: Parameter, and the columns one of which must have its value.
        kinds: Of the accounts (of a participant) whose postings lead to its rows; none: look at
            every row in the window.
        line: The column that numbers the rows of one event from 1, where one does; then a page
            within a long event skips to its rows, and does not go through those before.
    """

    view: str
    sequence: str
    ties: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...]]
    kinds: tuple[str, ...] = ()
    line: str | None = None


class Place(NamedTuple):
    """Where a page begins: an event, and how many of its rows, or lines, were given before."""

    sequence: int
    given: int


class Wanted(NamedTuple):
    """What a page is wanted of.

    Attributes:
        pool: That is known.
        first, last: Sequences, both included.
        newest_first: From `last` down.
        start: Where it begins; None: at the end of the range where reading starts.
        filters: Values by parameter.
        rows: At most.
        budget_s: No further window after so long.
    """

    pool: str
    first: int
    last: int
    newest_first: bool
    start: Place | None
    filters: Mapping[str, str]
    rows: int
    budget_s: float


class Page(NamedTuple):
    """Rows, and where the next page begins; None: there are no more."""

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    next: Place | None


def page(connection: psycopg.Connection, journal: Journal, wanted: Wanted, pace: Pace) -> Page:
    """One page.

    Raises:
        StoreUnavailable: A statement took longer than the session allows.
    """
    walk = _Walk(connection, journal, wanted)
    kind = (wanted.pool, journal.view, wanted.newest_first, *sorted(wanted.filters))
    ends = time.perf_counter() + wanted.budget_s
    while walk.goes_on():
        began = time.perf_counter()
        seen = walk.add(pace.width(kind, walk.missing(), ends - began))
        now = time.perf_counter()
        if seen.events:
            pace.learn(kind, seen.events, now - began, seen.rows, seen.among)
        if now >= ends:
            break
    return walk.page()


class _Seen(NamedTuple):
    """What a window brought: of so many events, rows, found among the first so many of them."""

    events: int
    rows: int
    among: int


class _Walk:
    """Rows found so far, and how far the log was looked through.

    Attributes:
        near: The next sequence to look at; from there to `far`, one by one in steps of `step`.
    """

    def __init__(self, connection: psycopg.Connection, journal: Journal, wanted: Wanted) -> None:
        self._connection = connection
        self._journal = journal
        self._wanted = wanted
        self._step = -1 if wanted.newest_first else 1
        ends = (wanted.first, wanted.last)
        self._far = ends[0] if wanted.newest_first else ends[1]
        self._near = ends[1] if wanted.newest_first else ends[0]
        self._given = 0
        if wanted.start is not None:
            self._near, self._given = wanted.start
        self._start = Place(self._near, self._given)
        self._found = Rows((), [])

    def goes_on(self) -> bool:
        """The page has room, and the range was not looked through; or nothing was asked yet."""
        if not self._found.columns:
            return True
        return len(self._found.rows) <= self._wanted.rows and self._is_left()

    def _is_left(self) -> bool:
        return (self._far - self._near) * self._step >= 0

    def missing(self) -> int:
        """Rows until the page is full, and one more."""
        return self._wanted.rows + 1 - len(self._found.rows)

    def add(self, width: int) -> _Seen:
        """Look through the next events, at most `width`."""
        if not self._is_left():
            self._keep(self._rows(1, 0, None))
            return _Seen(0, 0, 0)
        other = self._near + self._step * (width - 1)
        if (self._far - other) * self._step < 0:
            other = self._far
        only: list[int] | None = None
        if self._is_led():
            only = self._led_to(min(self._near, other), max(self._near, other))
            if len(only) > self._wanted.rows:
                other = only[-1]
        missing, near = self.missing(), self._near
        found = self._rows(min(near, other), max(near, other), only)
        self._keep(found)
        self._near = other + self._step
        self._given = 0
        last = other
        if len(found.rows) == missing:
            last = found.rows[-1][self._place_of_sequence()]
        return _Seen(abs(other - near) + 1, len(found.rows), abs(last - near) + 1)

    def _place_of_sequence(self) -> int:
        return [column.name for column in self._found.columns].index(self._journal.sequence)

    def _keep(self, found: Rows) -> None:
        self._found = Rows(found.columns, self._found.rows + found.rows)

    def _is_led(self) -> bool:
        account = self._wanted.filters.get("account", "@")
        return bool(self._journal.kinds) and not account.startswith("@")

    def _led_to(self, low: int, high: int) -> list[int]:
        """Events that posted to the account, in the order of the page, one more than it holds."""
        values = {
            "pool": self._wanted.pool,
            "account": self._wanted.filters["account"],
            "kinds": list(self._journal.kinds),
            "low": low,
            "high": high,
            "rows": self._wanted.rows + 1,
        }
        found = fetched(self._connection, _LED_TO.format(order=self._order()), values)
        return [sequence for (sequence,) in found.rows]

    def _rows(self, low: int, high: int, only: list[int] | None) -> Rows:
        journal, wanted = self._journal, self._wanted
        filters = {name: journal.filters[name] for name in wanted.filters}
        query = _ROWS.format(
            view=sql.Identifier(journal.view),
            sequence=sql.Identifier(journal.sequence),
            only=_NONE if only is None else _ONLY.format(sql.Identifier(journal.sequence)),
            filters=filtering(filters),
            order=self._order(),
            ties=sql.SQL("").join(
                sql.SQL(", {}").format(sql.Identifier(column)) for column in journal.ties
            ),
            behind=self._behind(),
        )
        values = {
            **wanted.filters,
            "pool_": wanted.pool,
            "low_": low,
            "high_": high,
            "only_": only,
            "rows_": self.missing(),
            "near_": self._near,
            "given_": self._given,
            "skipped_": self._given if journal.line is None else 0,
        }
        return fetched(self._connection, query, values)

    def _behind(self) -> sql.Composed | sql.SQL:
        if self._journal.line is None or not self._given:
            return _NONE
        return _BEHIND.format(
            sequence=sql.Identifier(self._journal.sequence), line=sql.Identifier(self._journal.line)
        )

    def _order(self) -> sql.SQL:
        return sql.SQL("DESC" if self._wanted.newest_first else "ASC")

    def page(self) -> Page:
        """What was found, and where the next page begins."""
        columns, rows = self._found
        if len(rows) <= self._wanted.rows:
            return Page(columns, rows, Place(self._near, 0) if self._is_left() else None)
        at = self._place_of_sequence()
        sequence = rows[self._wanted.rows][at]
        rows = rows[: self._wanted.rows]
        before = self._start.given if sequence == self._start.sequence else 0
        same = [row for row in rows if row[at] == sequence]
        if self._journal.line is None or not same:
            return Page(columns, rows, Place(sequence, before + len(same)))
        line = [column.name for column in columns].index(self._journal.line)
        return Page(columns, rows, Place(sequence, same[-1][line]))
