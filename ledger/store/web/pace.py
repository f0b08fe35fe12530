"""How wide a window of the log may be: learned from what the windows before it cost.

A window costs something to begin with and something for each event in it, and brings so many rows
for each event. Both differ by view, pool and filter by four orders of magnitude, so they are
learned, for each kind of question, from its smallest and its widest window of late. What is learned
decides how soon a page ends and never what is in it, so threads may overwrite each other's.
"""

from collections.abc import Hashable
from dataclasses import dataclass

FIRST_EVENTS = 256
"""Of the first window of a kind of question."""

GROWS = 8
"""A window is at most so many times as wide as the widest before it."""

KINDS_MAX = 10_000
"""Kinds of questions remembered; then all is learned anew."""


@dataclass(slots=True)
class _Learned:
    small: tuple[int, float]
    wide: tuple[int, float]
    density: float

    def of_event_s(self) -> float:
        """Seconds of one more event."""
        apart = self.wide[0] - self.small[0]
        if apart <= 0:
            return self.wide[1] / self.wide[0]
        return max((self.wide[1] - self.small[1]) / apart, 1e-9)

    def to_begin_s(self) -> float:
        """Seconds of a window with nothing in it."""
        return max(0.0, self.small[1] - self.of_event_s() * self.small[0])


class Pace:
    """What was learned of all kinds of questions."""

    def __init__(self) -> None:
        self._learned: dict[Hashable, _Learned] = {}

    def width(self, kind: Hashable, rows: int, left_s: float) -> int:
        """Events of the next window.

        Wide enough for the rows that are missing, and no wider than the time that is left allows;
        but at least so wide that its events cost what beginning it costs.
        """
        known = self._learned.get(kind)
        if known is None:
            return FIRST_EVENTS
        event_s, begin_s = known.of_event_s(), known.to_begin_s()
        affordable = max(left_s - begin_s, begin_s) / event_s
        needed = 1.5 * rows / max(known.density, 1e-9)
        return max(1, int(min(affordable, needed, GROWS * known.wide[0])))

    def learn(self, kind: Hashable, events: int, took_s: float, rows: int, among: int) -> None:
        """What a window cost, and how many rows there were among so many of its events."""
        seen = (events, took_s)
        density = rows / max(1, among)
        known = self._learned.get(kind)
        if known is None:
            if len(self._learned) >= KINDS_MAX:
                self._learned.clear()
            self._learned[kind] = _Learned(seen, seen, density)
            return
        known.density = (known.density + density) / 2
        if events <= 2 * known.small[0]:
            known.small = _mean(known.small, seen)
        if 2 * events >= known.wide[0]:
            known.wide = _mean(known.wide, seen) if events < 2 * known.wide[0] else seen


def _mean(one: tuple[int, float], other: tuple[int, float]) -> tuple[int, float]:
    return max(1, (one[0] + other[0]) // 2), (one[1] + other[1]) / 2
