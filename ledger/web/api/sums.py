"""Sums over a whole pool, kept for a while: they cost as much as the pool has accounts.

A sum is kept for ten times as long as it took, and as long as no event came; each says of which
event it is, so that nobody takes an old one for a new one. One is made once for all who ask, and
whole: filters are applied to what is kept. Who asks waits for it a while, in no thread, and is then
told to come again: it goes on being made for as long as somebody does (`ledger.web.makers`).
"""

import asyncio
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ledger.store.web.connections import Connection
from ledger.store.web.pools import head, sequence_at
from ledger.store.web.rows import Rows
from ledger.store.web.sums import Read, Sum, read, whole
from ledger.web.api.cursors import Part
from ledger.web.makers import Job, Makers
from ledger.web.problems import Problem

KEPT_TIMES = 10
KEPT_MAX = 32
"""Sums kept at once; the one that was first asked for is forgotten first."""

KEPT_ROWS_MAX = 1_000_000
"""Rows of all of them; likewise."""

RETRY_S = 5

LOOK_S = 0.5
"""Whoever waits looks so often whether the server stops."""


class Made(NamedTuple):
    """A sum.

    Attributes:
        rows: In the order of the sum's key.
        sequence: Of which event they are; where `read` says when, the newest event then.
        read: Of a sum of the clock.
    """

    rows: Rows
    sequence: int
    read: Read | None = None

    def matching(self, source: Sum, filters: Mapping[str, str]) -> "Made":
        """The rows that have each value in one of the columns that its filter is about."""
        names = [column.name for column in self.rows.columns]
        wanted = [
            ([names.index(column) for column in source.filters[name]], value)
            for name, value in filters.items()
        ]
        rows = [
            row
            for row in self.rows.rows
            if all(any(row[place] == value for place in places) for places, value in wanted)
        ]
        return self._replace(rows=Rows(self.rows.columns, rows))

    def behind(
        self, source: Sum, after: tuple[Part, ...], count_max: int
    ) -> tuple[list[tuple[Any, ...]], tuple[Part, ...] | None]:
        """Rows behind a key, and the key of the last one; None: there are no more."""
        place = _placing(source, self.rows)
        start = bisect_right(self.rows.rows, _order(after), key=lambda row: _order(place(row)))
        some = self.rows.rows[start : start + count_max]
        is_more = start + len(some) < len(self.rows.rows)
        return some, place(some[-1]) if is_more else None


def _placing(source: Sum, rows: Rows) -> Callable[[tuple[Any, ...]], tuple[Part, ...]]:
    """Finds the key of a row in words of a cursor; null is empty."""
    names = [column.name for column in rows.columns]
    places = [names.index(name) for name in source.key]

    def part(value: object) -> Part:
        return "" if value is None else int(value) if isinstance(value, int) else str(value)

    return lambda row: tuple(part(row[place]) for place in places)


def _order(place: tuple[Part, ...]) -> tuple[tuple[bool, Part], ...]:
    """Nulls first, numbers by size, ids by their bytes."""
    return tuple((isinstance(part, int), part) for part in place)


@dataclass(slots=True)
class _Kept:
    job: Job[Made] | None = None
    made: Made | None = None
    stale_at: float = 0

    @property
    def rows(self) -> int:
        return 0 if self.made is None else len(self.made.rows.rows)


class KeptSums:
    """Sums by pool and moment; safe for many threads.

    Args:
        makers: Make them.
        wait_s: Who asks waits so long.
        clock: Seconds that only go forward.
        is_stopping: The server is asked to end, so that nobody waits any more.
    """

    def __init__(
        self,
        makers: Makers,
        wait_s: float,
        clock: Callable[[], float] = time.monotonic,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._makers = makers
        self._wait_s = wait_s
        self._is_stopping = is_stopping
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[object, ...], _Kept] = {}

    async def made(self, caller: str, source: Sum, pool: str, at: int | datetime | None) -> Made:
        """All rows of a sum, and as of when they are.

        Raises:
            Problem: It is being made, and will take longer; or the server stops.
            Busy: Too many sums wait already.
            UnknownPool: There is no such pool.
            StoreUnavailable: The database does not answer, or gave it up.
        """
        found = self._found(caller, source, pool, at)
        if isinstance(found, Made):
            return found
        await self._waited(found)
        if found.done() and not found.cancelled():
            return found.result()
        if found.cancelled() or self._is_stopping():
            raise Problem("unavailable", "the server stops", headers={"Retry-After": str(RETRY_S)})
        raise Problem(
            "being_made",
            f"{source.view} of pool {pool} has to look at every account, and is being made",
            headers={"Retry-After": str(RETRY_S)},
        )

    async def _waited(self, found: Future[Made]) -> None:
        """Wait for its end, but no longer than one may, nor than the server goes on."""
        ended = _ended(found)
        ends = time.monotonic() + self._wait_s
        while not found.done() and not self._is_stopping():
            left_s = ends - time.monotonic()
            if left_s <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), min(left_s, LOOK_S))

    def _found(
        self, caller: str, source: Sum, pool: str, at: int | datetime | None
    ) -> Made | Future[Made]:
        """The sum, or the one that is being made."""
        with self._lock:
            now = self._kept.get((source.view, pool, None))
            if now is not None and now.made is not None and now.made.sequence == at:
                return now.made
            kept = self._of((source.view, pool, at))
            if kept.made is not None and self._clock() < kept.stale_at:
                return kept.made
            job = kept.job
            if job is None or job.future.done() or not self._makers.ask(job, caller):
                job = kept.job = self._makers.begin(
                    caller, lambda connection: self._make(connection, kept, source, pool, at)
                )
            return job.future

    def close(self) -> None:
        """Make no more."""
        self._makers.close()

    def _of(self, key: tuple[object, ...]) -> _Kept:
        kept = self._kept.setdefault(key, _Kept())
        rows = sum(each.rows for each in self._kept.values())
        while len(self._kept) > KEPT_MAX or (rows > KEPT_ROWS_MAX and len(self._kept) > 1):
            oldest = next(each for each in self._kept if each != key)
            rows -= self._kept.pop(oldest).rows
        return kept

    def _make(
        self,
        connection: Connection,
        kept: _Kept,
        source: Sum,
        pool: str,
        at: int | datetime | None,
    ) -> Made:
        began = self._clock()
        newest = head(connection, pool)
        if source.is_of_clock:
            made = _of_clock(connection, source, pool, at, newest)
        else:
            made = _of_event(connection, source, pool, at, newest, kept.made)
        now = self._clock()
        kept.made, kept.stale_at = made, now + KEPT_TIMES * (now - began)
        return made


def _ended(found: Future[Made]) -> asyncio.Event:
    """Tells whoever waits, in its event loop; the work itself is bound to none who may go."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: Future[Made]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(ended.set)

    found.add_done_callback(tell)
    return ended


def _of_event(
    connection: Connection,
    source: Sum,
    pool: str,
    at: int | datetime | None,
    newest: int,
    known: Made | None,
) -> Made:
    """As of an event; the one that is known where that is of the same."""
    then = None if at is None else sequence_at(connection, pool, at, newest)
    sequence = newest if then is None else then
    if known is not None and known.sequence == sequence:
        return known
    return Made(_sorted(source, whole(connection, source, pool, then, {})), sequence)


def _of_clock(
    connection: Connection,
    source: Sum,
    pool: str,
    at: int | datetime | None,
    newest: int,
) -> Made:
    assert not isinstance(at, int), "work on breaks has no events"
    found = read(connection, pool, at)
    return Made(_sorted(source, whole(connection, source, pool, at, {})), newest, found)


def _sorted(source: Sum, rows: Rows) -> Rows:
    place = _placing(source, rows)
    return Rows(rows.columns, sorted(rows.rows, key=lambda row: _order(place(row))))
