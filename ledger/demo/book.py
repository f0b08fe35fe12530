"""How much a market takes from the liquidation desk at once, and how far from the mark.

The book is made of the market makers' orders. In calm hours it has four levels close to the mark;
the more the price has run lately (`Path.stress_ppm`), the less stands on each level and the further
away. Where the price has run by more than `EMPTY_PPM`, nobody bids: the book is empty.
"""

from random import Random
from typing import NamedTuple

from ledger.demo.listings import MILLION
from ledger.demo.market import Market

EMPTY_PPM = 150_000
_LEVELS = 4
_LEVEL_PPM = 6_000
"""What one level holds in calm hours, as a part of the market makers' capital."""
_STEP_PPM = 200
"""Between two levels in calm hours."""


class Level(NamedTuple):
    """`quantity` (positive, smallest units) can be had or left at `price`."""

    price: int
    quantity: int


def levels(market: Market, side: int, random: Random) -> list[Level]:
    """The levels that a taker meets, nearest first; none when the book is empty.

    Args:
        market: Whose book.
        side: 1: the taker buys, at or above the mark; -1: it sells.
        random: Sizes vary by half.
    """
    stress = market.path.stress_ppm
    if stress >= EMPTY_PPM:
        return []
    calm = EMPTY_PPM - stress
    capital = sum(maker.capital for maker in market.makers)
    dollars = capital * _LEVEL_PPM // MILLION * calm**2 // EMPTY_PPM**2
    full = market.contract.units(dollars, market.mark)
    step = _STEP_PPM + stress // 8
    found = []
    for number in range(_LEVELS):
        away = market.mark * step * (2 * number + 1) // (2 * MILLION)
        price = market.mark + side * away
        price -= price % market.contract.tick
        quantity = full * (50 + int(random.random() * 100)) // 100
        found.append(Level(max(price, market.contract.tick), quantity + 1))
    return found
