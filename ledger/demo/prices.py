"""Price paths of the simulated exchange: quiet hours, and a crash with half a recovery.

A path is a walk of whole numbers, in parts per million of the price. Its variance is that of the
stretch of time between two looks, so that more events a day do not make the day wilder.
"""

from math import isqrt
from random import Random
from typing import NamedTuple

from ledger.demo.wire import DAY_MS

MILLION = 1_000_000
DAILY_MOVE_PPM = 25_000
"""Standard deviation of one quiet day."""
_MINUTE_MS = 60_000


class Spell(NamedTuple):
    """A stretch of the day that moves the price by `move_ppm` in all, beside its noise."""

    begin_ms: int
    end_ms: int
    move_ppm: int

    def move(self, begin_ms: int, end_ms: int) -> int:
        """The part of the move that falls between two moments, in ppm."""
        shared = min(end_ms, self.end_ms) - max(begin_ms, self.begin_ms)
        return self.move_ppm * shared // (self.end_ms - self.begin_ms) if shared > 0 else 0


def weather(random: Random, day: int) -> tuple[Spell, ...]:
    """Day 0 crashes by 18% at 13:07 and recovers two fifths; of later days each third does."""
    if day == 0:
        begin, crash = 13 * 60 + 7, -200_000
    elif day % 3 == 0:
        begin, crash = (
            60 * (4 + int(random.random() * 14)),
            -150_000 - int(random.random() * 80_000),
        )
    else:
        begin, crash = 60 * (4 + int(random.random() * 14)), int(random.random() * 80_000) - 40_000
    fall_end, rebound_end = begin + 11, begin + 100
    return (
        Spell(begin * _MINUTE_MS, fall_end * _MINUTE_MS, crash),
        Spell(fall_end * _MINUTE_MS, rebound_end * _MINUTE_MS, -crash * 2 // 5),
    )


class Path:
    """One asset's price in millionths of a dollar, and how it has moved lately.

    Attributes:
        price: Now.
        before: A smoothed past price; above it the price has risen.
    """

    __slots__ = ("_random", "before", "price")

    def __init__(self, random: Random, price: int) -> None:
        self._random = random
        self.price = price
        self.before = price

    def step(self, begin_ms: int, end_ms: int, pull_ppm: int) -> None:
        """Moves on from one moment to the next; `pull_ppm` is what news adds to the noise.

        The sum of two even draws on (-1, 1) has variance 2/3.
        """
        deviation = isqrt(DAILY_MOVE_PPM**2 * (end_ms - begin_ms) * 3 // (2 * DAY_MS))
        draw = self._random.random() + self._random.random() - 1.0
        self.price += self.price * (int(draw * 2 * deviation) // 2 + pull_ppm) // MILLION
        self.before += (self.price - self.before) // 8
