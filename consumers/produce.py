"""Wire events from a file to the topics, streamed.

Each line goes to the topic of its kind, with its pool as key, the partition by murmur2 of that key
(Java's default, and this client's), and `occurred_at` as timestamp, rounded down to milliseconds.
The bytes of a line are sent as they stand in the file. Lines of one partition keep their order.
"""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from consumers import clients
from consumers.faults import translated
from consumers.settings import RunSettings
from consumers.topics import name, role_of
from ledger.errors import ImportFailed

_PROGRESS_LINES = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEFAULT_POOL = "main"


class Sendable(Protocol):
    """A message with where it goes; `timestamp_ms` since 1970-01-01T00:00:00Z."""

    @property
    def role(self) -> str: ...
    @property
    def key(self) -> bytes: ...
    @property
    def timestamp_ms(self) -> int: ...
    @property
    def value(self) -> bytes: ...


class Addressed(NamedTuple):
    """A line with where it goes; `timestamp_ms` since 1970-01-01T00:00:00Z."""

    role: str
    key: bytes
    timestamp_ms: int
    value: bytes


def produce(
    settings: RunSettings, path: Path, *, on_progress: Callable[[int], object] = lambda _: None
) -> int:
    """Send a `.jsonl` or `.jsonl.gz` file; returns the number of messages, all acknowledged.

    Args:
        settings: Broker, prefix, security.
        path: Of the file.
        on_progress: Called with the number of lines handed over so far, now and then.

    Raises:
        ImportFailed: A line does not say where it belongs; those before it were sent.
        BrokerError: Some were not acknowledged. Sending the file again does no harm.
    """
    return send(settings, addressed(path), f"producing {path}", on_progress)


def send(
    settings: RunSettings,
    messages: Iterable[Sendable],
    doing: str,
    on_progress: Callable[[int], object],
) -> int:
    """Send messages; returns how many, all acknowledged.

    Args:
        settings: Broker, prefix, security.
        messages: In order.
        doing: What this is, for the words of a fault.
        on_progress: Called with the number handed over so far, now and then.

    Raises:
        BrokerError: Some were not acknowledged.
    """
    count = 0
    failures: list[Exception] = []
    with ExitStack() as stack, translated(doing):
        producer = clients.producer(settings)
        stack.callback(clients.retire, producer, 2)
        for message in messages:
            producer.send(
                name(settings.prefix, message.role),
                key=message.key,
                value=message.value,
                timestamp_ms=message.timestamp_ms,
            ).add_errback(failures.append)
            count += 1
            if count % _PROGRESS_LINES == 0:
                on_progress(count)
        producer.flush()
        if failures:
            raise failures[0]
    on_progress(count)
    return count


def addressed(path: Path) -> Iterator[Addressed]:
    """The lines of a file with topic, key and timestamp; empty lines are passed over."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            value = line.rstrip(b"\r\n")
            if value:
                yield _address(value, f"{path}, line {number}")


def _address(value: bytes, place: str) -> Addressed:
    try:
        event = json.loads(value)
        kind, occurred_at = event["kind"], event["occurred_at"]
        pool = event.get("pool", _DEFAULT_POOL)
        elapsed = datetime.fromisoformat(occurred_at) - _EPOCH
        key = pool.encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise ImportFailed(
            f"{place}: expected a JSON object with `kind`, `occurred_at` (RFC 3339) and maybe"
            f" `pool`; {type(fault).__name__}: {fault}"
        ) from fault
    role = role_of(kind)
    if role is None:
        raise ImportFailed(f"{place}: no topic carries events of kind {kind!r}")
    milliseconds = (elapsed.days * 86_400 + elapsed.seconds) * 1000 + elapsed.microseconds // 1000
    return Addressed(role, key, milliseconds, value)
