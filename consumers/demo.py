"""The ledger's side of `clearing demo`: topics, loop, writer and publisher, one slot at a time.

How it works. The messages of a slot are sent and acknowledged; the loop books all of them; the
publisher publishes what the ledger decided; the records are read from their topic. Only then does
the next slot begin, so that what the exchange knows when it makes a message never depends on speed.

It is the real loop and the real publisher, but both take their turns in this thread, one step at a
time: waiting for each other would cost more than the work. Between loop and broker stands
`_WholeSlots`, which hands a slot over in one piece: half of one, merged by time before the other
half is there, would be booked in another order.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NamedTuple, Self

from kafka import KafkaConsumer, TopicPartition

from consumers import clients
from consumers.admin import create_topics, describe
from consumers.dead_letters import open_letters
from consumers.faults import translated
from consumers.loop import Loop, Outcome
from consumers.produce import Sendable
from consumers.publisher import Publisher
from consumers.records import Outgoing, RecordsTopic
from consumers.settings import RunSettings
from consumers.sources import Sources
from consumers.topics import DEAD_LETTERS, name, roles
from ledger.demo.records import Published
from ledger.errors import BrokerUnavailable
from ledger.ports import Log, Seal
from ledger.store.log.feed import Feed
from ledger.writer import Writer

_WAIT_S = 30.0
_POLL_MS = 20


class Cleared(NamedTuple):
    """What was done so far. `seconds`: from the first message sent to the last record read."""

    sent: int = 0
    applied: int = 0
    duplicates: int = 0
    rejected: int = 0
    seconds: float = 0.0


class Clearing:
    """A ledger at work; use it as a context manager.

    Attributes:
        cleared: Of the slots so far; what was found at the start is not in it.
    """

    def __init__(
        self,
        settings: RunSettings,
        open_log: Callable[[], Log],
        open_feed: Callable[[], Feed],
        seal: Seal | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            settings: Of the broker; topics that are missing are made.
            open_log: Makes the writer's connection to the books.
            open_feed: Makes the publisher's.
            seal: Makes a checkpoint of the books that a day ends with; None: none is made.
        """
        self._settings = settings._replace(drain=True)
        self._open_log = open_log
        self._open_feed = open_feed
        self._seal = seal
        self._stack = ExitStack()
        self.cleared = Cleared()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._connect(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._writer.keep_states()
        self._stack.close()

    def settle(self) -> list[Published]:
        """Book what the topics hold already; returns all records there are, of all days."""
        self._loop.run(lambda: False)
        self.cleared = Cleared()
        self._publish()
        return self._records.new()

    def clear(self, messages: Sequence[Sendable]) -> list[Published]:
        """Send a slot, book it, publish; returns its records, pool by pool, in order of sequence.

        Args:
            messages: In order of time.
        """
        started = time.perf_counter()
        self._consumer.announce(self._send(messages))
        self._loop.run(lambda: False)
        self._publish()
        records = self._records.new()
        self.cleared = self.cleared._replace(
            sent=self.cleared.sent + len(messages),
            seconds=self.cleared.seconds + time.perf_counter() - started,
        )
        return records

    def known(self, pool: str, event_ids: Sequence[str]) -> set[str]:
        """Those of the ids that events in the books have taken."""
        for shard in self._log.shards():
            if shard.name == pool:
                return set(self._log.identities(shard.shard, event_ids))
        return set()

    def _connect(self, stack: ExitStack) -> None:
        settings = self._settings
        create_topics(settings, 1)
        dead_letters = name(settings.prefix, DEAD_LETTERS) in describe(settings).partitions
        self._producer = clients.producer(settings)
        stack.callback(clients.retire, self._producer, 2)
        consumer = clients.consumer(settings)
        stack.callback(consumer.close, timeout_ms=2_000)
        self._consumer = _WholeSlots(consumer)
        self._letters = open_letters(settings, exists=dead_letters)
        if self._letters is not None:
            stack.callback(self._letters.close)
        self._log = self._open_log()
        stack.callback(self._log.close)
        known = roles(settings.prefix)
        self._writer = Writer(self._log, roles=known, take_over=True, seal=self._seal)
        self._loop = Loop(
            settings, self._consumer, Sources(settings), self._writer, on_taken=self._taken
        )
        feed = self._open_feed()
        stack.callback(feed.close)
        topic = _NotedTopic(settings)
        stack.callback(topic.close)
        self._publisher = Publisher(feed, topic)
        reader = clients.consumer(settings)
        stack.callback(reader.close, timeout_ms=2_000)
        self._records = _Records(reader, topic)

    def _taken(self, outcome: Outcome) -> None:
        done = self.cleared
        self.cleared = done._replace(
            applied=done.applied + outcome.applied,
            duplicates=done.duplicates + outcome.duplicates,
            rejected=done.rejected + outcome.rejected,
        )
        if self._letters is not None and outcome.refused:
            self._letters.publish(outcome.refused)

    def _send(self, messages: Iterable[Sendable]) -> dict[TopicPartition, int]:
        """Send, all acknowledged; returns the offset behind the last of each partition."""
        with translated("sending the simulated day"):
            sent = [
                self._producer.send(
                    name(self._settings.prefix, message.role),
                    key=message.key,
                    value=message.value,
                    timestamp_ms=message.timestamp_ms,
                )
                for message in messages
            ]
            self._producer.flush()
            ends: dict[TopicPartition, int] = {}
            for each in sent:
                where = each.get(_WAIT_S)
                place = TopicPartition(where.topic, where.partition)
                ends[place] = max(ends.get(place, 0), where.offset + 1)
            return ends

    def _publish(self) -> None:
        self._publisher.look()
        while self._publisher.behind:
            self._publisher.send_chunk()


class _WholeSlots:
    """A consumer that hands out what was announced in one piece, and else is itself."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._ends: dict[TopicPartition, int] = {}

    def announce(self, ends: Mapping[TopicPartition, int]) -> None:
        """The offsets up to which the next poll has to wait and read."""
        self._ends = dict(ends)

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        if not self._ends:
            found: dict[TopicPartition, list[Any]] = self._consumer.poll(timeout_ms)
            return found
        found = {}
        until = time.monotonic() + _WAIT_S
        while self._ends:
            if time.monotonic() > until:
                raise BrokerUnavailable(f"what was sent does not come back: {self._ends}")
            for place, records in self._consumer.poll(_POLL_MS).items():
                found.setdefault(place, []).extend(records)
                if records[-1].offset + 1 >= self._ends.get(place, 0):
                    self._ends.pop(place, None)
        return found

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401 - whatever the consumer has
        return getattr(self._consumer, attribute)


class _NotedTopic(RecordsTopic):
    """The topic of records, with a note of where each partition ends."""

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.noted = list(self.ends())

    def send(self, messages: Sequence[Outgoing]) -> Mapping[int, tuple[int, int]]:
        sent = super().send(messages)
        for partition, (_, last) in sent.items():
            self.noted[partition] = last + 1
        return sent


class _Records:
    """The topic of records, read from its beginning; repetitions are passed over."""

    def __init__(self, reader: KafkaConsumer, topic: _NotedTopic) -> None:
        self._reader = reader
        self._topic = topic
        self._places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        self._newest: dict[str, tuple[int, int]] = {}
        with translated(f"reading {topic.name}"):
            reader.assign(self._places)
            reader.seek_to_beginning(*self._places)

    def new(self) -> list[Published]:
        """All that the topic holds and that was not read before, up to its noted end.

        Pool by pool, each in order of its sequence: of two pools on one topic, either may be ahead.
        """
        found: list[Published] = []
        until = time.monotonic() + _WAIT_S
        with translated(f"reading {self._topic.name}"):
            while any(map(self._is_behind, self._places, self._topic.noted)):
                if time.monotonic() > until:
                    raise BrokerUnavailable(f"{self._topic.name} has more, but nothing comes")
                for records in self._reader.poll(_POLL_MS).values():
                    until = time.monotonic() + _WAIT_S
                    found += [self._published(record.value) for record in records]
        fresh = [record for record in found if self._is_fresh(record)]
        return sorted(fresh, key=lambda record: (record.pool, record.sequence, record.line))

    def _is_behind(self, place: TopicPartition, end: int) -> bool:
        position: int = self._reader.position(place)
        return position < end

    def _published(self, value: bytes) -> Published:
        told = json.loads(value)
        del told["occurred_at"]
        return Published(**told)

    def _is_fresh(self, record: Published) -> bool:
        place = (record.sequence, record.line)
        if place <= self._newest.get(record.pool, (0, 0)):
            return False
        self._newest[record.pool] = place
        return True
