"""The loop: poll, merge by time, one batch, one transaction, again.

The database owns the offsets. Where reading begins is asked of the writer when partitions are
assigned; what was polled but not committed there is simply read again by whoever comes next. A
batch may still be on its way to the database while the next one is read; nobody is told of it
before it is there.

Group assignment: Kafka's client calls the listener inside `poll`, on its own thread, while this
thread waits there; a batch may be on its way to the database then. The listener only notes what
happened and keeps newly assigned partitions paused; after `poll` the loop drops the buffers of what
was revoked, gives its shards up, takes the new ones, seeks to where the books stopped, and lets
them run. So records of an earlier assignment never mix with those of a later one.

Back pressure: nothing (in a group, next to nothing: its members would wait for this one) is polled
while a buffer is long and its merge can go on. (Pausing the one
partition would be finer, but kafka-python 3.0.12 can lose track of what it parked for a paused
partition, and then never fetches it again.) Where polling must go on for the sake of one topic, the
buffer of another whose time is far ahead would grow without end: its tail is dropped, and read
again later. So memory is bounded by three times `buffer_messages_max`, or `BUFFER_BYTES_MAX`, a
topic and partition, one poll, and what the client has fetched.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from consumers.faults import translated
from consumers.lag import Lag, LoopObserver, Place, Unwatched
from consumers.merge import Merge
from consumers.rebalancing import Listener, fences_of_the_group, require_all_topics
from consumers.settings import RunSettings
from consumers.sources import Sources
from ledger.batch import Refused
from ledger.errors import SourceChanged
from ledger.ports import Message, Source

_IDLE_MS = 100
"""Longest poll while nothing happens: how late a request to stop may be heard."""

_TRIM_AT = 3
"""A buffer of so many times its bound loses what is beyond the bound."""

_GROUP_COMMIT_S = 1.0
"""How often the group's offsets follow those of the database, for lag tools."""

logger = logging.getLogger(__name__)


class Outcome(Protocol):
    """What became of a batch."""

    @property
    def applied(self) -> int: ...
    @property
    def duplicates(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def refused(self) -> Sequence[Refused]: ...


class Writer(Protocol):
    """What the loop needs of the single writer; `ledger.writer.Writer` is one."""

    def assign(self, partitions: Iterable[int]) -> None: ...
    def revoke(self, partitions: Iterable[int]) -> None: ...
    def begin(self, starts: Mapping[tuple[Source, int], int]) -> None: ...
    def offsets(self) -> Mapping[tuple[Source, int], int]: ...
    def take(self, messages: Sequence[Message]) -> Outcome: ...
    def settle(self) -> None: ...


class _Reading:
    """How far one topic's partition has been read."""

    __slots__ = ("next_offset",)

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset


class Loop:
    """One consumer, one writer, until told to stop."""

    def __init__(
        self,
        settings: RunSettings,
        consumer: KafkaConsumer,
        sources: Sources,
        writer: Writer,
        *,
        on_assigned: Callable[[Iterable[int]], object] = lambda _: None,
        on_taken: Callable[[Outcome], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        observer: LoopObserver | None = None,
    ) -> None:
        """Set up, and assign or subscribe; nothing is read yet.

        Args:
            settings: Bounds and waits.
            consumer: Of this loop alone.
            sources: Already checked.
            writer: Thrown away after any exception from here.
            on_assigned: Called with partitions once they are owned, before any batch of theirs.
            on_taken: Called with each batch once it is committed, in order.
            clock: Seconds, never going back.
            observer: Told how the work goes.
        """
        self._settings = settings
        self._consumer = consumer
        self._sources = sources
        self._writer = writer
        self._on_assigned = on_assigned
        self._on_taken = on_taken
        self._clock = clock
        self._observer: LoopObserver = observer or Unwatched()
        self._merges: dict[int, Merge] = {}
        self._readings: dict[TopicPartition, _Reading] = {}
        self._rank = {source.topic: rank for rank, source in enumerate(sources.by_rank)}
        self._batch: list[Message] = []
        self._batch_began = 0.0
        self._taken: Outcome | None = None
        self._confirmed = True
        self._committed = self._clock()
        self._listener = Listener(consumer)
        sources.watch(consumer)
        self._begin()

    def run(self, stopping: Callable[[], bool]) -> None:
        """Read and apply until `stopping`; a batch is either committed or left for the next start.

        Raises:
            SourceChanged: A topic is not the one that was being read.
            LedgerError: Of broker or store; this loop and its writer are finished then.
        """
        while not stopping():
            with translated(f"reading from {self._settings.bootstrap_servers}"):
                polled = self._poll()
                self._observer.lap("poll")
                if not self._listener.notices:
                    self._absorb(polled)
            if self._listener.notices:
                with fences_of_the_group(self._listener.notices):
                    self._settle()
                self._rebalance()
            if not self._write():
                self._settle()
            self._look_after()
            self._observer.turned(self.lags)
            if self._settings.drain and self._drained():
                break
        self._settle()

    def lags(self) -> dict[Place, Lag]:
        """What the topics hold that the books do not; asked between turns."""
        begun: dict[Place, list[int]] = {}
        for message in self._batch:
            place = (message.source.topic, message.partition)
            begun.setdefault(place, []).append(message.timestamp_ms)
        found = {}
        for (topic, number), reading in self._readings.items():
            rank, merge = self._rank[topic], self._merges[number]
            drafted = begun.get((topic, number), [])
            end = self._consumer.highwater(TopicPartition(topic, number))
            held = len(drafted) + merge.buffered(rank)
            messages = None if end is None else held + max(0, end - reading.next_offset)
            oldest = drafted[0] if drafted else merge.oldest_ms(rank)
            found[topic, number] = Lag(messages, oldest)
        return found

    def _begin(self) -> None:
        topics = [source.topic for source in self._sources.by_rank]
        if self._settings.group is not None:
            self._consumer.subscribe(topics, listener=self._listener)
            return
        numbers = self._sources.chosen(self._settings.partitions)
        places = [TopicPartition(topic, number) for number in numbers for topic in topics]
        self._consumer.assign(places)
        self._listener.on_partitions_assigned(places)
        self._rebalance()

    def _rebalance(self) -> None:
        for notice in self._listener.take():
            numbers = sorted(notice.partitions)
            if notice.assigned:
                self._acquire(numbers)
            else:
                self._release(numbers)

    def _acquire(self, numbers: Sequence[int]) -> None:
        require_all_topics(numbers, self._rank, self._consumer.assignment())
        self._writer.assign(numbers)
        starts = self._sources.starts(self._consumer, numbers, self._writer.offsets())
        if self._settings.accept_changed_topics:  # once: the books know the topics from now on
            self._writer.begin({(self._sources.by_rank[r], n): at for (r, n), at in starts.items()})
        self._on_assigned(numbers)
        for (rank, number), start in starts.items():
            place = TopicPartition(self._sources.by_rank[rank].topic, number)
            merge = self._merges.setdefault(
                number, Merge(len(self._sources.by_rank), self._settings.merge_wait_ms)
            )
            self._readings[place] = _Reading(start)
            merge.know(rank, behind=True)  # until its first fetch tells
            self._consumer.seek(place, start)
            self._consumer.resume(place)
        by_rank = self._sources.by_rank
        self._observer.assigned({(by_rank[r].topic, n): at for (r, n), at in starts.items()})

    def _release(self, numbers: Sequence[int]) -> None:
        self._batch = [message for message in self._batch if message.partition not in numbers]
        for number in numbers:
            self._merges.pop(number, None)
        for place in [place for place in self._readings if place.partition in numbers]:
            del self._readings[place]
        self._writer.revoke(numbers)
        self._observer.released(numbers)

    def _poll(self) -> Mapping[TopicPartition, Sequence[tuple[object, ...]]]:
        """More messages; where there are enough, one at most: polls are where a group is heard."""
        if not self._full():
            return self._consumer.poll(self._poll_ms())  # type: ignore[no-any-return]
        if self._settings.group is None:
            return {}
        return self._consumer.poll(0, max_records=1)  # type: ignore[no-any-return]

    def _poll_ms(self) -> int:
        """How long to wait for messages: until something else is to be done."""
        if self._taken is not None:
            return 0
        if self._batch:
            age = (self._clock() - self._batch_began) * 1000
            return max(0, int(self._settings.batch_age_max_ms - age))
        now = self._clock() * 1000
        wait = _IDLE_MS
        for merge in self._merges.values():
            left = merge.wait_left_ms(now)
            if left:
                wait = min(wait, int(left) + 1)
            elif merge.any_buffered():
                return 0
        return wait

    def _full(self) -> bool:
        """Whether a buffer is long, and need not wait for another topic to get shorter."""
        now = self._clock() * 1000
        return any(
            not merge.wait_left_ms(now)
            and any(
                merge.fullness(rank, self._settings.buffer_messages_max) > 1
                for rank in self._rank.values()
            )
            for merge in self._merges.values()
        )

    def _absorb(self, polled: Mapping[TopicPartition, Sequence[tuple[object, ...]]]) -> None:
        for place, records in polled.items():
            reading = self._readings.get(place)
            if reading is None:
                continue
            self._confirmed = False
            rank = self._rank[place.topic]
            source = self._sources.by_rank[rank]
            merge = self._merges[place.partition]
            merge.add(rank, _messages(source, records))
            reading.next_offset = records[-1][3] + 1  # type: ignore[operator]
            if merge.fullness(rank, self._settings.buffer_messages_max) > _TRIM_AT:
                again = merge.trim(rank, self._settings.buffer_messages_max)
                if again is not None:
                    reading.next_offset = again
                    self._consumer.seek(place, again)
        for place, reading in self._readings.items():
            self._measure(place, reading)

    def _measure(self, place: TopicPartition, reading: _Reading) -> None:
        """Tell the merge whether the topic has more."""
        rank = self._rank[place.topic]
        merge = self._merges[place.partition]
        end = self._consumer.highwater(place)
        behind = end is None or reading.next_offset < end
        if behind and end is not None and not merge.buffered(rank):
            # Markers of transactions and gaps of compaction have offsets, but are no messages.
            position = self._consumer.position(place, timeout_ms=0)
            reading.next_offset = max(reading.next_offset, position or 0)
            behind = reading.next_offset < end
        if end is not None and end < reading.next_offset:
            self._sources.confirm()  # a topic made again is the likelier reason
            # The answer to a fetch of before a rebalance tells an end that is long past.
            end = max(end, self._consumer.end_offsets([place])[place])
            if end < reading.next_offset:
                _refuse_truncated(place, reading.next_offset, end)
        merge.know(rank, behind=behind)

    def _write(self) -> bool:
        """Fill the batch, and hand it over if it is full, old, or all there is."""
        now = self._clock()
        limit = self._settings.batch_events_max
        if not self._batch:
            self._batch_began = now
        self._fill(limit, now * 1000)
        if not self._batch:
            return False
        old = (now - self._batch_began) * 1000 >= self._settings.batch_age_max_ms
        more = any(merge.behind() for merge in self._merges.values())
        if more and not old and len(self._batch) < limit:
            return False
        self._observer.lap("merge")
        if not self._confirmed:
            self._sources.confirm()
            self._confirmed = True
        self._observer.lap("confirm")
        batch, self._batch = self._batch, []
        taken = self._writer.take(batch)
        self._tell()  # of the batch before: the writer committed it first
        self._taken = taken
        return True

    def _settle(self) -> None:
        """Wait for the commit of what was handed over, and tell of it."""
        if self._taken is not None:
            self._writer.settle()
            self._observer.lap("settle")
            self._tell()

    def _tell(self) -> None:
        if self._taken is not None:
            self._on_taken(self._taken)
            self._taken = None
            self._observer.lap("dead_letters")

    def _fill(self, limit: int, now_ms: float) -> None:
        """Take as much of each partition; what one leaves over goes to the others.

        So a partition that is far behind, or flooded, takes no more than its share of a batch. Who
        is asked first is asked last the next time: a batch may have no room for all.
        """
        share = max(1, (limit - len(self._batch)) // max(1, len(self._merges)))
        for most in (share, limit):
            for merge in self._merges.values():
                room = limit - len(self._batch)
                if room > 0:
                    self._batch += merge.take(min(room, most), now_ms)
        for number in list(self._merges)[:1]:
            self._merges[number] = self._merges.pop(number)

    def _look_after(self) -> None:
        now = self._clock()
        self._sources.check()
        if self._settings.group is not None and now - self._committed >= _GROUP_COMMIT_S:
            self._committed = now
            self._follow()

    def _follow(self) -> None:
        """Let the group's offsets follow the database's; nothing ever reads them back."""
        offsets = {
            TopicPartition(source.topic, number): OffsetAndMetadata(offset, "", -1)
            for (source, number), offset in self._writer.offsets().items()
            if source in self._sources.by_rank
            and TopicPartition(source.topic, number) in self._readings
        }
        if offsets:
            self._consumer.commit_async(offsets, callback=_note_commit)

    def _drained(self) -> bool:
        return (
            bool(self._merges)
            and not self._batch
            and not any(merge.behind() or merge.any_buffered() for merge in self._merges.values())
        )


def _messages(source: Source, records: Sequence[tuple[object, ...]]) -> list[Message]:
    """Kafka's records as messages; a record without a value is an empty message.

    Fields by position, as attributes cost twice as much.
    """
    make = Message._make
    return [
        make((source, partition, offset, timestamp, key, value or b""))
        for _, partition, _, offset, timestamp, _, key, value, *_ in records
    ]


def _refuse_truncated(place: TopicPartition, next_offset: int, end: int) -> None:
    """A broker may say nothing to a fetch past the end, but each fetch tells the end."""
    raise SourceChanged(
        f"topic {place.topic}, partition {place.partition} was truncated while it was being read:"
        f" we had read up to offset {next_offset}, it ends at {end}. Its newest messages may be in"
        " the books and gone from Kafka; start again to see what is stored, and check the topic's"
        " replicas"
    )


def _note_commit(offsets: object, response: object) -> None:
    if isinstance(response, Exception):
        logger.warning("the group's offsets were not updated: %s, %s", response, offsets)
