"""Rate limits: a bucket of requests for each caller, refilled steadily.

A caller may spend what its bucket holds at once, and after that as much as flows in. Buckets are
kept in memory and forgotten when they are full again, so there are never more of them than callers
of the last while; several servers each count for themselves.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

_SWEPT_EVERY = 1_000
"""Requests after which full buckets are forgotten."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Limits:
    """All buckets; used by one thread.

    Args:
        per_minute: Requests that flow into each.
        burst: Requests that a full one holds.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, per_minute: int, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s = per_minute / 60
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._taken = 0

    def wait_s(self, caller: str) -> int:
        """Take one request from a caller's bucket; 0, or after how many seconds to come again."""
        now = self._clock()
        self._taken += 1
        if self._taken % _SWEPT_EVERY == 0:
            self._sweep(now)
        bucket = self._buckets.setdefault(caller, _Bucket(self._burst, now))
        bucket.left = self._left(bucket, now)
        bucket.at = now
        if bucket.left < 1:
            return math.ceil((1 - bucket.left) / self._per_s)
        bucket.left -= 1
        return 0

    def __len__(self) -> int:
        """Buckets that are kept."""
        return len(self._buckets)

    def _left(self, bucket: _Bucket, now: float) -> float:
        return min(self._burst, bucket.left + (now - bucket.at) * self._per_s)

    def _sweep(self, now: float) -> None:
        self._buckets = {
            caller: bucket
            for caller, bucket in self._buckets.items()
            if self._left(bucket, now) < self._burst
        }
