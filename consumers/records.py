"""The topic of records: its messages, and Kafka's side of publishing to it.

A message has the pool as its key, on the partition that murmur2 of the key gives, and as its value

    {"pool", "sequence", "line", "kind", "subject", "event_id", "occurred_at", "body": {...}}

with headers `pool`, `sequence`, `line`, `kind`, `chain`, as text; `chain` is the hash of all events
of the pool up to this one, hex. Now and then one has a header `progress` too, which is the
publisher's own (`consumers.publisher`).
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from kafka import KafkaConsumer, TopicPartition, errors
from kafka.future import Future
from kafka.partitioner.default import murmur2

from consumers import clients
from consumers.admin import describe
from consumers.faults import translated
from consumers.settings import RunSettings
from consumers.topics import RECORDS, name
from ledger.errors import BrokerError, BrokerUnavailable, SourceChanged, TopicMissing
from ledger.store.log.feed import Recorded

CHAIN = "chain"
"""The header by which a publisher finds that its books are those that were published from."""

_LOOK_FIRST = 16
_LOOK_MAX = 10_000
_POLL_MS = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Outgoing(NamedTuple):
    """A message to be sent."""

    partition: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class Kept(NamedTuple):
    """A message of the topic as far as the publisher needs it."""

    offset: int
    headers: Mapping[str, bytes]


class Topic(Protocol):
    """What the publisher needs of the topic; `RecordsTopic` is one.

    Attributes:
        topic_id: Its identity: a topic made anew has another one.
        partitions: How many it has.
    """

    @property
    def topic_id(self) -> str: ...
    @property
    def partitions(self) -> int: ...

    def ends(self) -> Sequence[int]:
        """The offset that the next message of each partition will have, at least."""

    def backwards(self, partition: int, end: int) -> Iterator[Kept]:
        """All messages of a partition in front of the offset `end`, the newest first."""

    def send(self, messages: Sequence[Outgoing]) -> Mapping[int, tuple[int, int]]:
        """Append in order, acknowledged by all replicas.

        Returns:
            By partition, the offsets of the first and of the last message.

        Raises:
            BrokerError: Some are not acknowledged. Of each partition a first part may be there.
        """

    def check(self) -> None:
        """Raise `SourceChanged` when the topic is another one now, or has other partitions."""

    def close(self) -> None:
        """Stop sending, and give the connections back."""


def partition_of(pool: str, partitions: int) -> int:
    """Murmur2 of the key, as Java's default partitioner and the source topics have it."""
    hashed: int = murmur2(pool.encode())
    return (hashed & 0x7FFFFFFF) % partitions


def message(
    pool: str, record: Recorded, partition: int, extra: Sequence[tuple[str, bytes]] = ()
) -> Outgoing:
    """The message of a record; its body goes out byte for byte as it is stored."""
    moment = (_EPOCH + timedelta(microseconds=record.occurred_at)).replace(tzinfo=None)
    head = _encode(
        {
            "pool": pool,
            "sequence": record.sequence,
            "line": record.line,
            "kind": record.kind,
            "subject": record.subject,
            "event_id": record.event_id,
            "occurred_at": moment.isoformat() + "Z",
        }
    )
    return Outgoing(
        partition,
        pool.encode(),
        head[:-1].encode() + b',"body":' + record.body + b"}",
        [
            ("pool", pool.encode()),
            ("sequence", b"%d" % record.sequence),
            ("line", b"%d" % record.line),
            ("kind", record.kind.encode()),
            (CHAIN, record.chain.hex().encode()),
            *extra,
        ],
    )


class RecordsTopic:
    """The topic on a broker, or another of its kind, with a producer of its own.

    The producer is idempotent, waits for all replicas and has one batch a partition on its way, so
    what reaches a partition is always a first part of what was sent to it.
    """

    def __init__(self, settings: RunSettings, role: str = RECORDS) -> None:
        """Look at the topic, and connect.

        Args:
            settings: The broker.
            role: Last part of the topic's name.

        Raises:
            TopicMissing: It does not exist.
        """
        self._settings = settings
        self.name = name(settings.prefix, role)
        self.topic_id, self.partitions = self._described()
        self._producer = clients.producer(settings)
        self._reader: KafkaConsumer | None = None

    def ends(self) -> Sequence[int]:
        """Asked by a fetch: the embedded broker lists other ends than its fetches tell."""
        places = [TopicPartition(self.name, number) for number in range(self.partitions)]
        with self._reading(places) as reader:
            firsts = reader.beginning_offsets(places)
            listed = reader.end_offsets(places)
            for place in places:
                reader.seek(place, max(firsts[place], listed[place] - 1))
            until = self._deadline()
            while any(reader.highwater(place) is None for place in places):
                if time.monotonic() > until:
                    raise BrokerUnavailable(f"nobody tells where {self.name} ends")
                reader.poll(_POLL_MS)
            return [max(listed[place], reader.highwater(place)) for place in places]

    def backwards(self, partition: int, end: int) -> Iterator[Kept]:
        """In stretches that get longer, each read forward; only headers are kept of it."""
        place = TopicPartition(self.name, partition)
        with self._reading([place]) as reader:
            first = reader.beginning_offsets([place])[place]
            stretch = _LOOK_FIRST
            while end > first:
                begin = max(first, end - stretch)
                yield from reversed(self._stretch(reader, place, begin, end))
                end = begin
                stretch = min(stretch * 8, _LOOK_MAX)

    def send(self, messages: Sequence[Outgoing]) -> Mapping[int, tuple[int, int]]:
        """Send, and wait for all acknowledgements."""
        timeout = self._settings.request_timeout_ms / 1000
        with translated(f"publishing to {self.name}"):
            sent = [self._sent(each) for each in messages]
            self._producer.flush(timeout)
            offsets: dict[int, tuple[int, int]] = {}
            for each, acknowledged in zip(messages, sent, strict=True):
                with self._naming(each):
                    offset = acknowledged.get(timeout).offset
                first, _ = offsets.get(each.partition, (offset, offset))
                offsets[each.partition] = (first, offset)
            return offsets

    def check(self) -> None:
        """Ask for the topic's id."""
        topic_id, partitions = self._described()
        if (topic_id, partitions) != (self.topic_id, self.partitions):
            raise SourceChanged(
                f"topic {self.name} had id {self.topic_id} and {self.partitions} partitions, now"
                f" {topic_id} and {partitions}: what it holds is looked up anew"
            )

    def close(self) -> None:
        """Stop at once: what is not acknowledged by now is sent again by whoever comes next."""
        if self._reader is not None:
            self._reader.close(timeout_ms=1_000)
        clients.retire(self._producer, 0)

    def _described(self) -> tuple[str, int]:
        found = describe(self._settings, [self.name])
        if self.name not in found.partitions:
            raise TopicMissing(
                f"topic {self.name} does not exist at {self._settings.bootstrap_servers}: make it"
                " with `clearing topics --create N`, N being the number of partitions of the"
                " source topics"
            )
        return found.topic_ids[self.name], found.partitions[self.name]

    @contextmanager
    def _reading(self, places: Sequence[TopicPartition]) -> Iterator[KafkaConsumer]:
        if self._reader is None:
            self._reader = clients.consumer(self._settings._replace(group=None))
        with translated(f"reading {self.name}"):
            self._reader.assign(list(places))
            yield self._reader
            self._reader.unsubscribe()

    def _deadline(self) -> float:
        return time.monotonic() + self._settings.request_timeout_ms / 1000

    def _stretch(
        self, reader: KafkaConsumer, place: TopicPartition, begin: int, end: int
    ) -> list[Kept]:
        """The messages from offset `begin` to before `end`."""
        found: list[Kept] = []
        reader.seek(place, begin)
        position = begin
        until = self._deadline()
        while position < end:
            polled = reader.poll(_POLL_MS).get(place, ())
            found += [
                Kept(record.offset, dict(record.headers))
                for record in polled
                if record.offset < end
            ]
            before, position = position, reader.position(place)
            if position > before:
                until = self._deadline()
            elif time.monotonic() > until:
                raise BrokerUnavailable(
                    f"{self.name}, partition {place.partition}: nothing comes from offset"
                    f" {position} on, expected messages up to {end - 1}"
                )
        return found

    def _sent(self, each: Outgoing) -> Future:
        with self._naming(each):
            return self._producer.send(
                self.name,
                key=each.key,
                value=each.value,
                headers=list(each.headers),
                partition=each.partition,
            )

    @contextmanager
    def _naming(self, sent: Outgoing) -> Iterator[None]:
        """Say which record was too large."""
        try:
            yield
        except errors.MessageSizeTooLargeError as fault:
            where = {key: text.decode() for key, text in sent.headers}
            raise BrokerError(
                f"record {where.get('kind')} of pool {where['pool']}, sequence {where['sequence']},"
                f" line {where.get('line')} has {len(sent.value)} bytes, more than {self.name} or"
                " its"
                f" client takes: nothing of the pool after it is published. Raise"
                " `max.message.bytes` of the topic, up to 16 MiB, and start again"
            ) from fault
