"""What the books know of their sources, held against what the broker has now.

A topic that was deleted and made again has the old name, and offsets that mean something else. So
the stored offsets belong to (cluster id, topic id, partition), and every start compares, and during
a run every poll that brought messages: its messages are applied only once metadata asked for after
them still shows the same ids (a fetch names its topic by name alone). No broker's error is waited
for: some give none. Cost: one small request a poll, half a millisecond on the same machine.

A broker that gives no topic ids (Kafka before 2.8) is followed by names: a recreated topic is then
only seen by its end offset.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from consumers import clients
from consumers.admin import Described, describe
from consumers.faults import translated
from consumers.settings import RunSettings
from consumers.topics import roles
from ledger.errors import ConfigurationError, SourceChanged
from ledger.ports import Source

_MISSING_S = 30.0
"""A topic may be missing from metadata this long, while brokers restart."""

_LOOK_MS = 1_000

_ACCEPT = (
    "If that is intended, start once with `clearing run --accept-changed-topics`: the topic is then"
    " read from its beginning, and events already in the books are recognized by their ids"
)

logger = logging.getLogger(__name__)


class Broker(Protocol):
    """Makes clients of a broker; the module `consumers.clients` does, and so does a simulation."""

    def consumer(self, settings: RunSettings) -> KafkaConsumer: ...

    def admin(self, settings: RunSettings) -> KafkaAdminClient: ...


class Sources:
    """The five topics of a cluster, by identity.

    Attributes:
        by_rank: A `Source` a topic, in order of rank.
        partitions: How many each of them has.
    """

    def __init__(
        self,
        settings: RunSettings,
        broker: Broker = clients,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask the broker.

        Args:
            settings: Where it is, and the names of the topics.
            broker: Makes the clients.
            clock: Seconds, never going back.

        Raises:
            ConfigurationError: A topic is missing, or the counts of partitions differ.
        """
        found = describe(settings, connect=broker.admin)
        self.partitions = _partitions(settings, found)
        self.by_rank = tuple(
            Source(found.cluster, found.topic_ids[topic], topic) for topic in roles(settings.prefix)
        )
        self._settings = settings
        self._broker = broker
        self._clock = clock
        self._accept = settings.accept_changed_topics
        self._cluster: Any = None
        self._connections: Any = None
        self._missing_since: dict[str, float] = {}

    def chosen(self, partitions: Collection[int] | None) -> tuple[int, ...]:
        """These partitions, or all of them when None.

        Raises:
            ConfigurationError: The topics have no such partition.
        """
        unknown = [number for number in partitions or () if not 0 <= number < self.partitions]
        if unknown:
            raise ConfigurationError(
                f"partitions {unknown} were asked for; the topics have {self.partitions}, numbered"
                " from 0"
            )
        return tuple(range(self.partitions) if partitions is None else sorted(set(partitions)))

    def starts(
        self,
        consumer: KafkaConsumer,
        partitions: Collection[int],
        stored: Mapping[tuple[Source, int], int],
    ) -> dict[tuple[int, int], int]:
        """Where to read on, by (rank, partition); from the first message where nothing is kept.

        Raises:
            SourceChanged: The broker cannot continue where the books stopped.
        """
        places = {
            (rank, partition): TopicPartition(source.topic, partition)
            for partition in partitions
            for rank, source in enumerate(self.by_rank)
        }
        with translated("asking for the ends of the topics"):
            ends = consumer.end_offsets(list(places.values()))
            firsts = consumer.beginning_offsets(list(places.values()))
        found = {}
        for (rank, partition), place in places.items():
            source = self.by_rank[rank]
            next_offset = stored.get((source, partition))
            if next_offset is None and not self._accept:
                _refuse_other_identity(source, partition, stored)
            if next_offset is not None:
                deleted = next_offset < firsts[place] and not self._accept
                end = ends[place]
                if next_offset > end:
                    end = self._end_by_fetch(place, end)
                if deleted or next_offset > end:
                    _refuse_offset(source, partition, next_offset, firsts[place], end)
            found[rank, partition] = max(firsts[place], next_offset or 0)
        return found

    def _end_by_fetch(self, place: TopicPartition, listed: int) -> int:
        """The end as a fetch tells it.

        The embedded broker lists the first offset of the last batch as the end; its fetches know
        better. Apache Kafka says the same twice.
        """
        reader = self._broker.consumer(self._settings._replace(group=None))
        try:
            with translated(f"looking for the end of {place.topic}"):
                reader.assign([place])
                reader.seek(place, listed)
                reader.poll(_LOOK_MS)
                return max(listed, reader.highwater(place) or 0)
        finally:
            reader.close(timeout_ms=1_000)

    def watch(self, consumer: KafkaConsumer) -> None:
        """Look at the metadata of this consumer from now on, which it refreshes by itself."""
        self._cluster = consumer._cluster  # noqa: SLF001 - no public way to topic ids
        self._connections = consumer._manager  # noqa: SLF001 - nor to ask for metadata at once

    def confirm(self) -> None:
        """Ask for metadata now, and check it: what was polled before this call is of our topics.

        Raises:
            SourceChanged: As `check`.
            BrokerUnavailable: Nobody answered.
        """
        with translated("asking for the ids of the topics"):
            asked_before = self._cluster.metadata_refresh_in_progress
            self._connections.run(self._cluster.refresh_metadata)
            if asked_before:  # we were given the answer to an older question
                self._connections.run(self._cluster.refresh_metadata)
        self.check()

    def check(self) -> None:
        """Hold the consumer's newest metadata against the identities at the start.

        Cheap: no request is made.

        Raises:
            SourceChanged: A topic is another one now, is gone, or has another partition count.
        """
        cluster = self._cluster.cluster_id
        for source in self.by_rank:
            count = self._cluster.partitions_for_topic(source.topic)
            if not count:
                self._note_missing(source)
                continue
            self._missing_since.pop(source.topic, None)
            topic_id = str(self._cluster.topic_id(source.topic) or source.topic)
            if topic_id != source.topic_id or str(cluster or "unknown") != source.cluster:
                raise SourceChanged(
                    f"topic {source.topic} was recreated while it was being read: it had id"
                    f" {source.topic_id} in cluster {source.cluster}, now {topic_id} in {cluster}."
                    f" {_ACCEPT}"
                )
            if len(count) != self.partitions:
                raise SourceChanged(
                    f"topic {source.topic} has {len(count)} partitions now, {self.partitions} at"
                    " the start. The number is fixed for the life of a topic: keys have moved"
                    " between partitions. Make the topics anew and have the producers send again"
                )

    def _note_missing(self, source: Source) -> None:
        now = self._clock()
        since = self._missing_since.setdefault(source.topic, now)
        if since == now:
            logger.warning("topic %s is missing from the broker's metadata", source.topic)
        if now - since > _MISSING_S:
            raise SourceChanged(
                f"topic {source.topic} (id {source.topic_id}) is gone from cluster"
                f" {source.cluster} since {_MISSING_S:.0f} s; it was being read. Restore it, or"
                f" create it anew. {_ACCEPT}"
            )


def _partitions(settings: RunSettings, found: Described) -> int:
    counts = {topic: found.partitions.get(topic, 0) for topic in roles(settings.prefix)}
    if len(set(counts.values())) == 1 and 0 not in counts.values():
        return next(iter(counts.values()))
    listed = ", ".join(f"{topic}: {count or 'does not exist'}" for topic, count in counts.items())
    raise ConfigurationError(
        f"the source topics at {settings.bootstrap_servers} must all exist with the same number of"
        f" partitions; found {listed}. Create the missing ones (`clearing produce FILE"
        " --create-topics N` does); a topic with a wrong count must be made anew, for adding"
        " partitions moves pools between them"
    )


def _refuse_other_identity(
    source: Source, partition: int, stored: Mapping[tuple[Source, int], int]
) -> None:
    for (other, number), offset in stored.items():
        if other.topic == source.topic and number == partition:
            raise SourceChanged(
                f"topic {source.topic}, partition {partition}: the books stopped at offset {offset}"
                f" of topic id {other.topic_id} in cluster {other.cluster}, the broker has topic id"
                f" {source.topic_id} in cluster {source.cluster}. The topic was recreated, or this"
                f" is another cluster. {_ACCEPT}"
            )


def _refuse_offset(source: Source, partition: int, stored: int, first: int, end: int) -> None:
    if stored > end:
        cause = (
            "The topic was truncated: its newest messages are in the books, but gone from Kafka,"
            " and their offsets would be given out again. Make the topic anew and have its"
            " producer send again"
        )
    else:
        cause = (
            f"Messages {stored} to {first - 1} were deleted before they were read. Check the"
            " topic's retention; to go on without them, start once with"
            " `clearing run --accept-changed-topics`"
        )
    raise SourceChanged(
        f"topic {source.topic} (id {source.topic_id}), partition {partition}: the books expect"
        f" offset {stored} next, the broker begins at {first} and ends at {end}. {cause}"
    )
