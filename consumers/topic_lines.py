"""Messages of any topic as lines of files, a file a partition: for the reconciliation.

Rules of this file:

* A partition is read from one offset up to another, which are known before the first message is
  read; what is sent meanwhile is left for the next time. The offsets and a hash over all bytes are
  handed back, so that the same can be read again.
* Nothing is skipped: offsets that retention deleted, or that are not there yet, are refused.
* No group is joined and nothing is committed.
"""

import hashlib
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from consumers import clients
from consumers.admin import describe
from consumers.ends import ends_of
from consumers.faults import translated
from consumers.settings import RunSettings
from ledger.errors import BrokerUnavailable, ConfigurationError, ImportFailed, TopicMissing
from ledger.recon.fetched import Fetched

_POLL_MS = 200
_NEWLINES = bytes.maketrans(b"\r\n", b"  ")
"""In JSON they stand between its parts alone."""

OnMessage = Callable[[int], object]
"""Is told how many messages were read so far."""


class Span(NamedTuple):
    """Offsets of a partition; the end is not within."""

    first: int
    end: int


def fetch(
    settings: RunSettings,
    topic: str,
    folder: Path,
    spans: Mapping[int, Span] | None = None,
    *,
    since: datetime | None = None,
    key: str | None = None,
    on_message: OnMessage = lambda _: None,
) -> list[Fetched]:
    """Read a topic up to where it ends now.

    Args:
        settings: The broker.
        topic: Its full name.
        folder: For the files; whoever gives it takes it away.
        spans: Exactly these partitions and offsets; None: all that there are.
        since: From the first message on that Kafka stamped so, or later.
        key: Only messages that have this one.
        on_message: For progress.

    Raises:
        TopicMissing: It does not exist.
        ConfigurationError: The broker does not have those offsets.
        ImportFailed: A message has no value.
        BrokerError: The broker did not answer.
    """
    count = describe(settings, [topic]).partitions.get(topic)
    if count is None:
        raise TopicMissing(f"topic {topic} does not exist at {settings.bootstrap_servers}")
    reader = clients.consumer(settings._replace(group=None))
    try:
        with translated(f"reading {topic}"):
            since_ms = None if since is None else int(since.timestamp() * 1000)
            chosen = _chosen(reader, topic, count, spans, since_ms)
            reading = _Reading(reader, settings, folder, key, on_message)
            return [reading.read(place, span, since_ms) for place, span in sorted(chosen.items())]
    finally:
        reader.close(timeout_ms=1_000)


def _chosen(
    reader: KafkaConsumer,
    topic: str,
    count: int,
    spans: Mapping[int, Span] | None,
    since_ms: int | None,
) -> dict[TopicPartition, Span]:
    """What is to be read; a broker may tell too early a place for `since_ms`, never too late."""
    unknown = [number for number in spans or () if number >= count]
    if unknown:
        raise ConfigurationError(f"topic {topic} has {count} partitions, there is no {unknown[0]}")
    places = [TopicPartition(topic, number) for number in spans or range(count)]
    firsts, ends = reader.beginning_offsets(places), ends_of(reader, places)
    if spans is not None:
        for place in places:
            asked, there = spans[place.partition], Span(firsts[place], ends[place])
            if not there.first <= asked.first <= asked.end <= there.end:
                raise ConfigurationError(
                    f"{topic}, partition {place.partition}: offsets {asked.first} to before"
                    f" {asked.end} were asked for, the broker has {there.first} to before"
                    f" {there.end}"
                )
        return {place: spans[place.partition] for place in places}
    if since_ms is not None:
        found = reader.offsets_for_times(dict.fromkeys(places, since_ms))
        firsts = {
            place: ends[place] if found[place] is None else max(first, found[place].offset)
            for place, first in firsts.items()
        }
    return {place: Span(min(firsts[place], ends[place]), ends[place]) for place in places}


class _Reading:
    """Reads partitions one after another."""

    def __init__(
        self,
        reader: KafkaConsumer,
        settings: RunSettings,
        folder: Path,
        key: str | None,
        on_message: OnMessage,
    ) -> None:
        self._reader = reader
        self._patience_s = settings.request_timeout_ms / 1000
        self._folder = folder
        self._key = None if key is None else key.encode()
        self._on_message = on_message
        self._count = 0

    def read(self, place: TopicPartition, span: Span, since_ms: int | None) -> Fetched:
        """A partition into a file, from the first message on that was stamped so or later."""
        path = self._folder / f"{place.topic}@{place.partition}.jsonl"
        digest, offsets = hashlib.sha256(), array("q")
        first = span.first if since_ms is None else span.end
        with path.open("wb") as file:
            for record in self._records(place, span):
                if first == span.end and since_ms is not None and record.timestamp >= since_ms:
                    first = record.offset
                if record.offset < first or self._key not in {None, record.key}:
                    continue
                if record.value is None:
                    where = f"{place.topic}@{place.partition} offset {record.offset}"
                    raise ImportFailed(f"{where}: the message has no value")
                digest.update(b"%s\n" % record.value)
                file.write(b"%s\n" % record.value.translate(_NEWLINES))
                offsets.append(record.offset)
        name = f"{place.topic}@{place.partition}:{first}-{span.end}"
        return Fetched(path, name, digest.hexdigest(), offsets)

    def _records(self, place: TopicPartition, span: Span) -> Iterator[Any]:
        if span.first == span.end:
            return
        self._reader.assign([place])
        self._reader.seek(place, span.first)
        position, heard = span.first, time.monotonic()
        while position < span.end:
            polled: Sequence[Any] = self._reader.poll(_POLL_MS).get(place, ())
            yield from (record for record in polled if record.offset < span.end)
            self._count += len(polled)
            self._on_message(self._count)
            before, position = position, self._reader.position(place)
            if position > before:
                heard = time.monotonic()
            elif time.monotonic() - heard > self._patience_s:
                raise BrokerUnavailable(
                    f"{place.topic}, partition {place.partition}: nothing came from offset"
                    f" {position} on in {self._patience_s:g} s"
                )
