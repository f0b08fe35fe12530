"""Messages that Kafka still holds, by their places: what a replay from Kafka takes its bytes from.

Rules of this file:

* A message is asked for by (cluster id, topic id, topic, partition, offset). A topic that was made
  again under its name, or another cluster, has nothing of it, and says so.
* Nothing is skipped quietly: an offset that is not handed out is not there, be it that retention or
  an administrator deleted it, that the topic was truncated, or that it never was a message.

How it works. One consumer, one partition at a time. What a fetch brings beyond the messages asked
for is kept for the next question, so that small questions in the log's order cost no fetch each.

Cost: a shard reads its partitions once; pools that share a partition read it once each. Bounded:
one fetch a partition, of at most `_PARTITIONS_MAX` partitions.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from kafka import TopicPartition, errors

from consumers import clients
from consumers.admin import Described, describe
from consumers.faults import translated
from consumers.settings import RunSettings
from ledger.audit.replay.messages import Held
from ledger.errors import BrokerUnavailable
from ledger.ports import Message, Source

_POLL_MS = 50
_PARTITIONS_MAX = 8


class _Ahead(NamedTuple):
    """Records read and not asked for yet: all that there are from one offset to another."""

    first: int
    end: int
    records: deque[Any]


class KafkaHistory:
    """A history as `ledger.audit.replay.messages` wants it; a context manager."""

    def __init__(self, settings: RunSettings) -> None:
        """Connect.

        Raises:
            BrokerUnavailable: Nobody answers.
        """
        self._settings = settings._replace(group=None)
        self._reader = clients.consumer(self._settings)
        self._described: dict[str, Described] = {}
        self._held: dict[tuple[Source, int], Held] = {}
        self._ahead: dict[TopicPartition, _Ahead] = {}
        self._assigned: TopicPartition | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.close(timeout_ms=1_000)

    def held(self, source: Source, partition: int) -> Held:
        """What the broker has of a partition; asked once, and again when something was deleted."""
        known = self._held.get((source, partition))
        if known is None:
            known = self._held[source, partition] = self._ask(source, partition)
        return known

    def messages(self, source: Source, partition: int, offsets: Sequence[int]) -> Iterator[Message]:
        """Those of the offsets, which ascend, that the broker has.

        Raises:
            BrokerUnavailable: It did not answer in time.
        """
        place = TopicPartition(source.topic, partition)
        for offset in offsets:
            held = self.held(source, partition)
            if held.first <= offset < held.end:
                record = self._record(source, place, offset)
                if record is not None:
                    timestamp, key, value = record.timestamp, record.key, record.value or b""
                    yield Message(source, partition, offset, timestamp, key, value)

    def _ask(self, source: Source, partition: int) -> Held:
        instead = self._other(source, partition)
        if instead is not None:
            return Held(0, 0, instead)
        place = TopicPartition(source.topic, partition)
        with translated(f"asking for the ends of {source.topic}"):
            first = self._reader.beginning_offsets([place])[place]
            listed = self._reader.end_offsets([place])[place]
            return Held(first, max(listed, self._end_by_fetch(place, listed)))

    def _other(self, source: Source, partition: int) -> str | None:
        """What the broker has under the name of a source that it does not have."""
        found = self._described.get(source.topic)
        if found is None:
            found = self._described[source.topic] = describe(self._settings, [source.topic])
        topic_id, count = found.topic_ids.get(source.topic), found.partitions.get(source.topic, 0)
        if topic_id is None:
            return f"cluster {found.cluster} has no topic {source.topic}"
        if (found.cluster, topic_id) != (source.cluster, source.topic_id):
            return (
                f"the log read topic id {source.topic_id} of cluster {source.cluster}, the broker"
                f" has topic id {topic_id} in cluster {found.cluster}: the topic was made again, or"
                " this is another cluster"
            )
        return None if partition < count else f"{source.topic} has {count} partitions now"

    def _end_by_fetch(self, place: TopicPartition, listed: int) -> int:
        """The end as a fetch tells it: the embedded broker's list may name an earlier one."""
        self._go(place, listed)
        until = self._deadline()
        while (end := self._reader.highwater(place)) is None and time.monotonic() < until:
            self._reader.poll(_POLL_MS)
        self._assigned = None  # what was polled here is read again when it is asked for
        return int(end or 0)

    def _record(self, source: Source, place: TopicPartition, offset: int) -> Any | None:  # noqa: ANN401 - kafka ships no types
        ahead = self._ahead.get(place)
        if ahead is None or not ahead.first <= offset < ahead.end:
            ahead = self._read(source, place, offset)
            if ahead is None:
                return None
        records = ahead.records
        while records and records[0].offset < offset:
            records.popleft()
        self._ahead[place] = ahead._replace(first=offset + 1)
        return records.popleft() if records and records[0].offset == offset else None

    def _read(self, source: Source, place: TopicPartition, offset: int) -> _Ahead | None:
        """One fetch from an offset on; None where it was deleted meanwhile."""
        self._go(place, offset)
        until = self._deadline()
        doing = f"reading {place.topic}, partition {place.partition} from offset {offset}"
        while time.monotonic() < until:
            with translated(doing):
                try:
                    records = self._reader.poll(_POLL_MS).get(place, ())
                except errors.OffsetOutOfRangeError:
                    self._assigned = None
                    self._held.pop((source, place.partition), None)
                    return None
                end = self._reader.position(place, timeout_ms=0)
            if records or (end is not None and end > offset):
                end = records[-1].offset + 1 if records else end
                return self._keep(place, _Ahead(offset, end, deque(records)))
        raise BrokerUnavailable(f"{doing}: nothing came in {self._settings.request_timeout_ms} ms")

    def _go(self, place: TopicPartition, offset: int) -> None:
        """Read on here; where the reader already stands, what it fetched ahead is kept."""
        ahead = self._ahead.get(place)
        if self._assigned == place and ahead is not None and ahead.end == offset:
            return
        if self._assigned != place:
            self._reader.assign([place])
            self._assigned = place
        self._reader.seek(place, offset)

    def _keep(self, place: TopicPartition, ahead: _Ahead) -> _Ahead:
        self._ahead.pop(place, None)
        self._ahead[place] = ahead
        if len(self._ahead) > _PARTITIONS_MAX:
            del self._ahead[next(iter(self._ahead))]
        return ahead

    def _deadline(self) -> float:
        return time.monotonic() + self._settings.request_timeout_ms / 1000
