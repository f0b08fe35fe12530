"""Refused messages in the log: told by the lot, however many come."""

from collections import Counter
from collections.abc import Callable, Sequence

from consumers.telemetry_logs import logger
from ledger.batch import Refused

REFUSALS_S = 10.0
"""Refusals are told at most this often."""

_log = logger(__name__)


class Refusals:
    """Collects them between two lines."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Tell the first at once."""
        self._clock = clock
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last: dict[str, Refused] = {}
        self._told_at = -REFUSALS_S

    def add(self, refused: Sequence[Refused]) -> None:
        """Those of a batch."""
        self._counts.update((one.shard, one.code) for one in refused)
        self._last.update({one.shard: one for one in refused})
        self.tell()

    def tell(self, *, at_once: bool = False) -> None:
        """One line a pool, at most every few seconds."""
        now = self._clock()
        if not self._counts or (not at_once and now - self._told_at < REFUSALS_S):
            return
        self._told_at = now
        for pool, last in self._last.items():
            codes = {code: n for (name, code), n in self._counts.items() if name == pool}
            message = last.message
            _log.warning(
                "messages refused",
                pool=pool,
                count=sum(codes.values()),
                codes=codes,
                sequence=last.sequence,
                topic=message.source.topic,
                partition=message.partition,
                offset=message.offset,
            )
        self._counts.clear()
        self._last.clear()
