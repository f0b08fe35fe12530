"""Refused messages, published for those who can correct them.

A dead letter has the shard as its key, the bytes of the refused message as its value, and headers
`pool`, `sequence`, `code`, `detail`, `topic`, `partition`, `offset`.

At least once: they are sent after the commit of their batch, and acknowledged before another batch
is told of. So a crash can only lose those of the last two batches of a shard (one committed, one on
its way), and at every start the refused messages among its last `2 * batch_events_max` events are
held against the end of the topic, and those missing are sent again. Readers tell repetitions by
(`pool`, `sequence`). The ledger's own rows remain the truth.

A message that the dead-letter topic finds too large is sent as its beginning, with a header
`truncated` that has its full length.
"""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress

from kafka import KafkaConsumer, KafkaProducer, TopicPartition, errors
from kafka.future import Future

from consumers import clients
from consumers.faults import translated
from consumers.settings import RunSettings
from consumers.topics import DEAD_LETTERS, name
from ledger.batch import Refused
from ledger.ports import Log, Message, Shard

_BEGINNING_BYTES = 512 * 1024
_LOOK_MS = 1_000

logger = logging.getLogger(__name__)


class DeadLetters:
    """The publisher of refused messages."""

    def __init__(self, settings: RunSettings, producer: KafkaProducer) -> None:
        """Publish with this producer, which is closed with it."""
        self.topic = name(settings.prefix, DEAD_LETTERS)
        self._settings = settings
        self._producer = producer

    def publish(self, refused: Sequence[Refused]) -> None:
        """Send, and wait until the broker has acknowledged all of them.

        Raises:
            BrokerError: Some are not acknowledged; the next start finds and sends them.
        """
        with translated(f"publishing to {self.topic}"):
            sent = [(letter, self._send(letter, letter.message.value)) for letter in refused]
            for letter, acknowledged in sent:
                try:
                    acknowledged.get(self._settings.request_timeout_ms / 1000)
                except errors.MessageSizeTooLargeError:
                    beginning = letter.message.value[:_BEGINNING_BYTES]
                    self._send(letter, beginning).get(self._settings.request_timeout_ms / 1000)

    def catch_up(self, log: Log, partitions: Iterable[int], consumer: KafkaConsumer) -> int:
        """Send what a crash kept from being published; returns how many.

        Args:
            log: The books.
            partitions: Those whose shards are owned now. Shards that have none yet, for they began
                with a file, are everybody's.
            consumer: A consumer of its own, whose assignment is changed.
        """
        wanted = {None, *partitions}
        tail = 2 * self._settings.batch_events_max  # a batch committed, and one on its way
        refused: list[Refused] = []
        for shard in log.shards():
            if shard.partition in wanted:
                refused += _refused(log, shard, max(1, shard.next_sequence - tail))
        published = self._published(consumer, 2 * tail) if refused else set()
        missing = [letter for letter in refused if (letter.shard, letter.sequence) not in published]
        if missing:
            logger.info("publishing %d dead letters of before the last stop", len(missing))
            self.publish(missing)
        return len(missing)

    def close(self) -> None:
        """Give the connection back."""
        clients.retire(self._producer, 1)

    def _send(self, letter: Refused, value: bytes) -> Future:
        message = letter.message
        headers = {
            "pool": letter.shard,
            "sequence": letter.sequence,
            "code": letter.code,
            "detail": letter.detail,
            "topic": message.source.topic,
            "partition": message.partition,
            "offset": message.offset,
        }
        if len(value) < len(message.value):
            headers["truncated"] = len(message.value)
        return self._producer.send(
            self.topic,
            key=letter.shard.encode(),
            value=value,
            headers=[(key, str(text).encode()) for key, text in headers.items()],
        )

    def _published(self, consumer: KafkaConsumer, tail: int) -> set[tuple[str, int]]:
        """Shard and sequence of the last letters of each partition of the topic."""
        with translated(f"reading the end of {self.topic}"):
            places = [
                TopicPartition(self.topic, number)
                for number in consumer.partitions_for_topic(self.topic) or ()
            ]
            ends = consumer.end_offsets(places)
            firsts = consumer.beginning_offsets(places)
            found: set[tuple[str, int]] = set()
            for place in places:
                start = max(firsts[place], ends[place] - tail)
                consumer.assign([place])
                consumer.seek(place, start)
                found |= _letters(consumer, place)
            return found


def _letters(consumer: KafkaConsumer, place: TopicPartition) -> set[tuple[str, int]]:
    """All from the position to the end as fetches tell it, which listed offsets may not.

    What others put there without a letter's headers is passed over.
    """
    found = set()
    while records := consumer.poll(_LOOK_MS).get(place):
        for record in records:
            headers = dict(record.headers)
            with suppress(KeyError, ValueError):
                found.add((headers["pool"].decode(), int(headers["sequence"])))
        if consumer.position(place) >= (consumer.highwater(place) or 0):
            break
    return found


def _refused(log: Log, shard: Shard, first: int) -> list[Refused]:
    return [
        Refused(
            shard.name,
            row.sequence,
            row.rejection,
            row.detail or "",
            Message(row.source, row.partition, row.offset, row.timestamp_ms, row.key, row.raw),
        )
        for row in log.events(shard.shard, first)
        if row.rejection is not None
    ]


def open_letters(settings: RunSettings, *, exists: bool) -> DeadLetters | None:
    """The publisher; None when it is switched off, or when nobody made the topic."""
    topic = name(settings.prefix, DEAD_LETTERS)
    if settings.dead_letters and not exists:
        logger.warning(
            "topic %s does not exist: refused messages are kept in the ledger only", topic
        )
    if not settings.dead_letters or not exists:
        return None
    return DeadLetters(settings, clients.producer(settings))
