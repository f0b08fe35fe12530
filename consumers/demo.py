"""A simulated day through the real topics and the real loop: first all of it is sent, then cleared.

Sending ends before clearing begins, so that what becomes of every message is known beforehand and
can be held against what did.
"""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from consumers import produce
from consumers.admin import create_topics
from consumers.produce import Sendable
from consumers.run import Progress, run
from consumers.settings import RunSettings
from ledger.ports import Log


class Cleared(NamedTuple):
    """What a day came to. `seconds`: from the first message polled to the last commit."""

    sent: int
    applied: int
    duplicates: int
    rejected: int
    seconds: float


def send(
    settings: RunSettings, messages: Iterable[Sendable], on_progress: Callable[[int], object]
) -> int:
    """Make the topics where they are missing, and send; returns how many were acknowledged.

    Raises:
        BrokerError: Not all of them were.
    """
    create_topics(settings, 1)
    return produce.send(settings, messages, "sending the simulated day", on_progress)


def clear(
    settings: RunSettings,
    open_log: Callable[[], Log],
    sent: int,
    on_progress: Callable[[int], object],
) -> Cleared:
    """Run the loop until all that the topics hold is in the books."""

    def note(progress: Progress) -> None:
        on_progress(progress.applied + progress.duplicates + progress.rejected)

    started = time.perf_counter()
    done = run(settings._replace(drain=True), open_log, on_batch=note)
    seconds = time.perf_counter() - started
    return Cleared(sent, done.applied, done.duplicates, done.rejected, seconds)
