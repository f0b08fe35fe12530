"""Price paths of the simulated exchange: quiet hours, and a crash with part of a recovery.

A path is a walk of whole numbers, in parts per million of the price. Its variance is that of the
stretch of time between two looks, so that more events a day do not make the day wilder. News moves
all paths at once, each by its own multiple (`beta_percent`).
"""

from math import isqrt
from random import Random
from typing import NamedTuple

from ledger.demo.wire import DAY_MS

MILLION = 1_000_000
DAILY_MOVE_PPM = 25_000
"""Standard deviation of one quiet day."""
CALM_PPM = 20_000
"""Up to this stress the exchange pays out and takes its time."""
_MINUTE_MS = 60_000
_FALL_MINUTES = 11
_REBOUND_END = 100


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
    """Days 0, 3, 6, ... crash by 12% and recover a third; others move by at most 4%.

    Figures are those of a path with `beta_percent` 100; the crash of day 0 begins at 13:07.
    """
    if day == 0:
        begin, crash = 13 * 60 + 7, -125_000
    elif crashes(day):
        begin = 60 * (4 + int(random.random() * 14))
        crash = -100_000 - int(random.random() * 50_000)
    else:
        begin = 60 * (4 + int(random.random() * 14))
        crash = int(random.random() * 80_000) - 40_000
    fall_end, rebound_end = begin + _FALL_MINUTES, begin + _REBOUND_END
    return (
        Spell(begin * _MINUTE_MS, fall_end * _MINUTE_MS, crash),
        Spell(fall_end * _MINUTE_MS, rebound_end * _MINUTE_MS, -crash // 3),
    )


def crashes(day: int) -> bool:
    """Whether the day has a crash."""
    return day % 3 == 0


class Path:
    """One asset's price in millionths of a dollar, and how it has moved lately.

    Attributes:
        price: Now.
        before: A smoothed past price; above it the price has risen.
    """

    __slots__ = ("_beta_percent", "_random", "before", "price")

    def __init__(self, random: Random, price: int, beta_percent: int = 100) -> None:
        self._random = random
        self._beta_percent = beta_percent
        self.price = price
        self.before = price

    def step(self, begin_ms: int, end_ms: int, pull_ppm: int) -> None:
        """Moves on from one moment to the next; `pull_ppm` is what news adds to the noise.

        The sum of two even draws on (-1, 1) has variance 2/3.
        """
        deviation = isqrt(DAILY_MOVE_PPM**2 * (end_ms - begin_ms) * 3 // (2 * DAY_MS))
        draw = self._random.random() + self._random.random() - 1.0
        noise = int(draw * 2 * deviation) // 2
        self.price += self.price * (noise + pull_ppm * self._beta_percent // 100) // MILLION
        self.before += (self.price - self.before) // 8

    @property
    def stress_ppm(self) -> int:
        """How far the price has run from where it lately was, whichever way."""
        return abs(self.price - self.before) * MILLION // self.before
