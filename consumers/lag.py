"""How far reading is behind, and what a loop tells of itself to whoever watches."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from ledger.observing import Observer, Unobserved

Place = tuple[str, int]
"""Name of a topic, and a partition."""


class Lag(NamedTuple):
    """What one partition of a topic holds that the books do not.

    Attributes:
        messages: By offsets, so markers of transactions count as well; None before the first fetch
            has told where the topic ends.
        oldest_ms: Timestamp of the first of them; None where it was not fetched yet, or is none.
    """

    messages: int | None
    oldest_ms: int | None


Lags = Mapping[Place, Lag]


class LoopObserver(Observer, Protocol):
    """Who watches a loop.

    Phases besides the writer's: `poll` (waiting included), `merge`, `confirm` (that the topics are
    what they were), `settle` (waiting for the last batch's commit with nothing else to do),
    `dead_letters`, and `between` for the rest of a turn.
    """

    def assigned(self, starts: Mapping[Place, int]) -> None:
        """Partitions were assigned; their shards are loaded, and reading goes on at these."""

    def released(self, partitions: Iterable[int]) -> None:
        """Partitions were revoked, and their shards given up."""

    def turned(self, lags: Callable[[], Lags]) -> None:
        """The loop went round once; the lags may be asked for now, and at no other time."""


class Unwatched(Unobserved):
    """Nobody watches the loop."""

    def assigned(self, starts: Mapping[Place, int]) -> None:
        """Pass over it."""

    def released(self, partitions: Iterable[int]) -> None:
        """Pass over it."""

    def turned(self, lags: Callable[[], Lags]) -> None:
        """Pass over it."""
