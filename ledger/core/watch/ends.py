"""The ends of the ranges that exposures have in one price, in the order in which it reaches them.

Two heaps with lazy deletion: an end that no longer holds stays until it surfaces, or until such
ends are more than the live ones and `weed` throws them out. A price that reaches no end costs two
comparisons.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from ledger.core.margin.statements import MarginAccount

_STALE_SPARED = 1000
"""Ends that no longer hold and are not worth throwing out."""


class RangeEnds:
    """Range ends of one price.

    Attributes:
        live: Exposures that have their ends here.
        restless: Accounts to be examined at any price.
    """

    __slots__ = ("_highs", "_lows", "live", "restless")

    def __init__(self) -> None:
        """No ends yet."""
        self._lows: list[tuple[int, int, MarginAccount]] = []
        self._highs: list[tuple[int, int, MarginAccount]] = []
        self.live = 0
        self.restless: set[MarginAccount] = set()

    def keep(self, low: int | None, high: int | None, serial: int, account: MarginAccount) -> None:
        """Add the ends of a live exposure's range; None: it has none on that side."""
        self.live += 1
        if low is not None:
            heappush(self._lows, (-low, serial, account))
        if high is not None:
            heappush(self._highs, (high, serial, account))

    def crossed(self, price: int) -> list[tuple[int, MarginAccount]]:
        """Take out the ends that the price has left behind: serial and account of each."""
        found: list[tuple[int, MarginAccount]] = []
        lows, highs = self._lows, self._highs
        while lows and -lows[0][0] > price:
            found.append(heappop(lows)[1:])
        while highs and highs[0][0] < price:
            found.append(heappop(highs)[1:])
        return found

    @property
    def is_crowded(self) -> bool:
        """Most ends no longer hold."""
        most = 2 * self.live + _STALE_SPARED
        return len(self._lows) > most or len(self._highs) > most

    def weed(self, is_live: Callable[[int, MarginAccount], bool]) -> None:
        """Throw the ends out that no longer hold."""
        for heap in (self._lows, self._highs):
            heap[:] = [end for end in heap if is_live(end[1], end[2])]
            heapify(heap)
