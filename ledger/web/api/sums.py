"""Sums over a whole pool, kept for a while: they cost as much as the pool has accounts.

A sum is kept for ten times as long as it took, and as long as no event came; each says of which
event it is, so that nobody takes an old one for a new one. One is made once for all who ask. Who
asks first waits for it a while, and is then told to come again: it goes on being made.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ledger.store.web_connections import Readers
from ledger.store.web_pools import head, sequence_at
from ledger.store.web_rows import Rows
from ledger.store.web_sums import Sum, whole
from ledger.web.problems import Problem

KEPT_TIMES = 10
KEPT_MAX = 32
"""Sums kept at once; the one that was first asked for is forgotten first."""

MAKERS = 2
"""Sums made at once."""

RETRY_S = 5


class Made(NamedTuple):
    """A sum: its rows, and of which event they are."""

    rows: Rows
    sequence: int


@dataclass(slots=True)
class _Kept:
    future: Future[Made] | None = None
    made: Made | None = None
    stale_at: float = 0


class KeptSums:
    """Sums by pool, moment and filters; safe for many threads.

    Args:
        readers: Connections of its own, whose statements may take long.
        wait_s: Who asks waits so long.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, readers: Readers, wait_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._readers = readers
        self._wait_s = wait_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[object, ...], _Kept] = {}
        self._makers = ThreadPoolExecutor(MAKERS, "sums")

    def rows(
        self, source: Sum, pool: str, at: int | datetime | None, filters: Mapping[str, str]
    ) -> Made:
        """All rows of a sum, and of which event they are.

        Raises:
            Problem: It is being made, and will take longer.
            UnknownPool: There is no such pool.
            StoreUnavailable: The database does not answer, or gave it up.
        """
        with self._lock:
            kept = self._of((source.view, pool, at, *sorted(filters.items())))
            if kept.made is not None and self._clock() < kept.stale_at:
                return kept.made
            if kept.future is None or kept.future.done():
                kept.future = self._makers.submit(self._make, kept, source, pool, at, filters)
            future = kept.future
        try:
            return future.result(self._wait_s)
        except TimeoutError:
            raise Problem(
                "being_made",
                f"{source.view} of pool {pool} has to look at every account, and is being made",
                headers={"Retry-After": str(RETRY_S)},
            ) from None

    def close(self) -> None:
        """Make no more."""
        self._makers.shutdown(wait=False, cancel_futures=True)
        self._readers.close()

    def _of(self, key: tuple[object, ...]) -> _Kept:
        kept = self._kept.setdefault(key, _Kept())
        if len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return kept

    def _make(
        self,
        kept: _Kept,
        source: Sum,
        pool: str,
        at: int | datetime | None,
        filters: Mapping[str, str],
    ) -> Made:
        began = self._clock()
        with self._readers.lent() as connection:
            newest = head(connection, pool)
            then = None if at is None else sequence_at(connection, pool, at, newest)
            sequence = newest if then is None else then
            made = kept.made
            if made is None or made.sequence != sequence or source.schema != "reporting":
                made = Made(whole(connection, source, pool, then, filters), sequence)
        now = self._clock()
        kept.made, kept.stale_at = made, now + KEPT_TIMES * (now - began)
        return made
