"""The ends of the ranges that exposures have in one price, in the order in which it reaches them.

Two heaps with lazy deletion: an end that no longer holds stays until it surfaces, or until such
ends are more than the live ones and `weed` throws them out. A price that reaches no end costs two
comparisons.
"""

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, final

from ledger.core.margin.statements import MarginAccount

if TYPE_CHECKING:  # an exposure knows where its ends are
    from ledger.core.watch.exposures import Exposure

_STALE_SPARED: Final = 1000
"""Ends that no longer hold and are not worth throwing out."""


@final
class RangeEnds:
    """Range ends of one price.

    Attributes:
        name: Of the price: an instrument, or an asset by `asset_name`.
        live: Exposures that have their ends here.
        restless: Accounts to be examined at any price.
    """

    __slots__ = ("_highs", "_lows", "live", "name", "restless")

    def __init__(self, name: str) -> None:
        """No ends yet."""
        self.name = name
        self._lows: list[tuple[int, int, Exposure]] = []
        self._highs: list[tuple[int, int, Exposure]] = []
        self.live = 0
        self.restless: set[MarginAccount] = set()

    def keep(self, exposure: "Exposure", serial: int) -> None:
        """Add the ends of a live exposure's range; what ends it had under another serial is stale.

        Args:
            exposure: With ends here, or none of them yet.
            serial: Given to nobody else, and not 0.
        """
        if not exposure.serial:
            self.live += 1
        exposure.serial = serial
        low, high = exposure.low, exposure.high
        if low is not None:
            heappush(self._lows, (-low, serial, exposure))
        if high is not None:
            heappush(self._highs, (high, serial, exposure))
        most = 2 * self.live + _STALE_SPARED
        if len(self._lows) > most or len(self._highs) > most:
            self._lows = _weeded(self._lows)
            self._highs = _weeded(self._highs)

    def let_go(self, exposure: "Exposure") -> None:
        """Its ends no longer hold, and no price of its own has it examined."""
        if self.restless:
            self.restless.discard(exposure.guarded.account)
        if exposure.serial:
            exposure.serial = 0
            self.live -= 1

    def crossed(self, price: int) -> list["Exposure"]:
        """Take out the ends that the price has left behind; the exposures that they still hold."""
        found: list[Exposure] = []
        lows, highs = self._lows, self._highs
        while lows and -lows[0][0] > price:
            _, serial, exposure = heappop(lows)
            if exposure.serial == serial:
                found.append(exposure)
        while highs and highs[0][0] < price:
            _, serial, exposure = heappop(highs)
            if exposure.serial == serial:
                found.append(exposure)
        return found


def _weeded(heap: list[tuple[int, int, "Exposure"]]) -> list[tuple[int, int, "Exposure"]]:
    """The ends that still hold."""
    left = [end for end in heap if end[2].serial == end[1]]
    heapify(left)
    return left
