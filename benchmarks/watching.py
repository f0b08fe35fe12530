"""`python -m benchmarks.watching`: what watching a run costs a batch, and a look."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from consumers.lag import Lag
from consumers.telemetry import Telemetry
from consumers.telemetry_look import excesses
from ledger.batch import Refused
from ledger.core.state import State
from ledger.ports import Shard

PHASES = ("poll", "merge", "confirm", "decode", "look_up", "decide", "write", "commit")
AFTER = ("commit", "keep", "dead_letters")
ROUNDS = 20_000
ACCOUNTS = 300_000
LAGS = {(f"topic-{number}", 0): Lag(0, None) for number in range(5)}


class Taken(NamedTuple):
    """A batch of a thousand trades."""

    applied: int = 1_000
    duplicates: int = 0
    rejected: int = 0
    refused: Sequence[Refused] = ()


class Books:
    """A writer of one pool."""

    def __init__(self) -> None:
        """Own it."""
        self.shards = {"main": Shard(1, "main", 0, 1, 1_000, 1, 0, 0, b"", b"")}
        self.one = State("main")
        self.halted: dict[str, object] = {}

    def offsets(self) -> dict[object, int]:
        """None."""
        return {}

    def state(self, _pool: str) -> State:
        """The same, always."""
        return self.one


def measured() -> dict[str, float]:
    """Microseconds."""
    telemetry = Telemetry()
    books = Books()
    telemetry.attached(books, 0)  # type: ignore[arg-type]
    taken = Taken()

    def batch() -> None:
        for phase in PHASES:
            telemetry.lap(phase)
        for phase in AFTER:
            telemetry.lap(phase)
        telemetry.taken(taken)

    def turn() -> None:
        telemetry.turned(lambda: LAGS)

    def look() -> None:
        telemetry._looked_at = 0.0  # noqa: SLF001 - a look each time, not once a second
        telemetry.turned(lambda: LAGS)

    journal = books.one.journal
    journal.balances = [0] * ACCOUNTS
    journal.commodity_of = [0] * ACCOUNTS
    return {
        "batch_us": microseconds(batch, ROUNDS),
        "turn_us": microseconds(turn, ROUNDS),
        "look_us": microseconds(look, 200),
        "scrape_us": microseconds(telemetry.metrics.exposition, 200),
        "sums_of_300000_us": microseconds(lambda: excesses(books.one), 10),
    }


def microseconds(work: Callable[[], object], rounds: int) -> float:
    """Of one round, the best of five lots."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(rounds // 5 or 1):
            work()
        best = min(best, (time.perf_counter() - began) / (rounds // 5 or 1))
    return round(best * 1e6, 1)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured()) + "\n")
