"""Sums over a whole pool, kept for a while: they cost as much as the pool has accounts.

A sum is kept for ten times as long as it took, and while no event came; each says of which event it
is, so that nobody takes an old one for a new one. Who asks while one is made waits for that one.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ledger.store.web_connections import Readers
from ledger.store.web_pools import head, sequence_at
from ledger.store.web_rows import Rows
from ledger.store.web_sums import Sum, whole

KEPT_TIMES = 10
KEPT_MAX = 32
"""Answers kept at once; the one that was made first is forgotten first."""


@dataclass(slots=True)
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    rows: Rows | None = None
    sequence: int = 0
    made_at: float = 0
    took: float = 0


class KeptSums:
    """Sums by pool, moment and filters; safe for many threads."""

    def __init__(self, readers: Readers, clock: Callable[[], float] = time.monotonic) -> None:
        """Read over these connections."""
        self._readers = readers
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[object, ...], _Kept] = {}

    def rows(
        self, source: Sum, pool: str, at: int | datetime | None, filters: Mapping[str, str]
    ) -> tuple[Rows, int]:
        """All rows of a sum, and of which event they are."""
        kept = self._of((source.view, pool, at, *sorted(filters.items())))
        with kept.lock:
            if kept.rows is None or self._clock() - kept.made_at > KEPT_TIMES * kept.took:
                self._make(kept, source, pool, at, filters)
            assert kept.rows is not None, "it was just made"
            return kept.rows, kept.sequence

    def _of(self, key: tuple[object, ...]) -> _Kept:
        with self._lock:
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
    ) -> None:
        began = self._clock()
        with self._readers.lent() as connection:
            newest = head(connection, pool)
            then = None if at is None else sequence_at(connection, pool, at, newest)
            sequence = newest if then is None else then
            if kept.rows is None or kept.sequence != sequence or source.schema != "reporting":
                kept.rows = whole(connection, source, pool, then, filters)
            kept.sequence = sequence
        kept.made_at = self._clock()
        kept.took = kept.made_at - began
