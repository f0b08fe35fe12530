"""A simulated day through the real topics and the real loop: first all of it is sent, then cleared.

Sending ends before clearing begins, so that what becomes of every message is known beforehand and
can be held against what did.
"""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from consumers import clients
from consumers.admin import create_topics
from consumers.faults import translated
from consumers.run import Progress, run
from consumers.settings import RunSettings
from consumers.topics import name
from ledger.ports import Log

PROGRESS_MESSAGES = 2_000


class Sendable(Protocol):
    """A message of the simulated exchange."""

    @property
    def role(self) -> str: ...
    @property
    def key(self) -> bytes: ...
    @property
    def timestamp_ms(self) -> int: ...
    @property
    def value(self) -> bytes: ...


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
    sent = 0
    failures: list[Exception] = []
    producer = clients.producer(settings)
    try:
        with translated("sending the simulated day"):
            for message in messages:
                producer.send(
                    name(settings.prefix, message.role),
                    key=message.key,
                    value=message.value,
                    timestamp_ms=message.timestamp_ms,
                ).add_errback(failures.append)
                sent += 1
                if sent % PROGRESS_MESSAGES == 0:
                    on_progress(sent)
            producer.flush()
            if failures:
                raise failures[0]
    finally:
        producer.close(timeout=2)
    on_progress(sent)
    return sent


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
