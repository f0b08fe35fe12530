"""Consumer, producer and admin client of the simulated broker, as far as ours are used.

They take the place of `consumers.clients`. What they do is what kafka-python 3 does: a fetch names
its topic by name alone, the end of a topic is known from the last fetch only, metadata is as old as
its last refresh, and a group's decisions arrive inside `poll`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import TopicPartition, errors
from kafka.consumer.fetcher import ConsumerRecord

from consumers.faults import translated
from consumers.settings import RunSettings
from consumers.simulation.broker import CLUSTER, Broker, Topic
from consumers.simulation.storm import Seam

_FETCH_MAX = 50
_POLL_MAX = 20_000
_DELAY_US = (1_000, 5_000_000)
_METADATA_US = 5_000_000


class SimulatedClients:
    """Makes the clients of one member."""

    def __init__(self, broker: Broker, seam: Seam) -> None:
        self._broker = broker
        self._seam = seam

    def consumer(self, settings: RunSettings) -> "SimulatedConsumer":
        """A consumer."""
        with translated("connecting"):
            _request(self._seam, "consumer")
        return SimulatedConsumer(self._broker, self._seam, grouped=settings.group is not None)

    def producer(self, _settings: RunSettings) -> "SimulatedProducer":
        """A producer."""
        with translated("connecting"):
            _request(self._seam, "producer")
        return SimulatedProducer(self._broker, self._seam)

    def admin(self, _settings: RunSettings) -> "SimulatedAdmin":
        """A client for topics and cluster."""
        return SimulatedAdmin(self._broker, self._seam)


class SimulatedConsumer:
    """Fetches from the topics that are there now, by name.

    Attributes:
        delivered: In which poll each (topic, partition, offset) came last.
        polls: How many there were.
    """

    def __init__(self, broker: Broker, seam: Seam, *, grouped: bool) -> None:
        self.delivered: dict[tuple[str, int, int], int] = {}
        self.polls = 0
        self._broker = broker
        self._seam = seam
        self._grouped = grouped
        self._topics: Sequence[str] = ()
        self._listener: Any = None
        self._member_id = 0
        self._generation = 0
        self._given_up = True
        self._positions: dict[TopicPartition, int | None] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._paused: dict[TopicPartition, bool] = {}
        self._late_until_us: dict[TopicPartition, int] = {}
        self._cluster = SimulatedMetadata(broker, seam)
        self.__dict__["_manager"] = SimulatedConnections()  # kafka-python's word, not ours

    def assign(self, places: Iterable[TopicPartition]) -> None:
        """Read these, from nowhere yet."""
        self._positions = dict.fromkeys(places)
        self._ends.clear()

    def subscribe(self, topics: Sequence[str], listener: object) -> None:
        """Join the group at the next poll."""
        self._topics, self._listener = topics, listener

    def assignment(self) -> set[TopicPartition]:
        """What is read."""
        return set(self._positions)

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go on from there."""
        self._positions[place] = offset

    def pause(self, place: TopicPartition) -> None:
        """Bring nothing of it."""
        self._paused[place] = True

    def resume(self, place: TopicPartition) -> None:
        """Bring it again."""
        self._paused.pop(place, None)

    def position(self, place: TopicPartition, timeout_ms: int = 0) -> int | None:  # noqa: ARG002
        """The next offset."""
        return self._positions[place]

    def highwater(self, place: TopicPartition) -> int | None:
        """The end, as the last fetch told it."""
        return self._ends.get(place)

    def partitions_for_topic(self, topic: str) -> list[int]:
        """Numbers of a topic's partitions."""
        _request(self._seam, "partitions")
        return list(range(len(_topic(self._broker, topic).partitions)))

    def end_offsets(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The ends now."""
        _request(self._seam, "ends")
        return {at: _topic(self._broker, at.topic).partitions[at.partition].end for at in places}

    def beginning_offsets(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The first offsets; nothing is deleted here."""
        _request(self._seam, "beginnings")
        return dict.fromkeys(places, 0)

    def commit_async(self, offsets: Mapping[TopicPartition, Any], callback: object) -> None:  # noqa: ARG002
        """Keep the group's offsets; whether that worked is nobody's business."""
        kept = self._broker.group.committed
        kept.update({(at.topic, at.partition): one.offset for at, one in offsets.items()})

    def close(self, timeout_ms: int = 0) -> None:  # noqa: ARG002
        """Leave."""
        self._seam.turn("consumer.close")
        if self._grouped:
            self._broker.group.leave(self._member_id)

    def poll(
        self, timeout_ms: int = 0, max_records: int = _POLL_MAX
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """What a fetch brings, or what the group decided; waits when there is nothing.

        Raises:
            KafkaError: The request failed, or there is no such offset.
        """
        _request(self._seam, "poll")
        if self._cluster.age_us > _METADATA_US:
            self._cluster.look()
        if self._listener is not None and self._follow_group():
            return {}
        found = self._fetch(max_records)
        if not found:
            self._seam.turn("poll.wait", timeout_ms * 1000)
            found = self._fetch(max_records)
        self._seam.turn("poll.answer")
        return found

    def _follow_group(self) -> bool:
        """Act on what the coordinator says; True while there is nothing to fetch."""
        group = self._broker.group
        if not group.knows(self._member_id):
            self._member_id = group.enter(self._seam.member)
        if self._generation != group.generation:
            self._generation = group.generation
            self._listener.on_partitions_revoked(list(self._positions))
            self.assign([])
            self._given_up = True
            group.give_up(self._member_id)
        share = group.share(self._member_id)
        if share is None:
            self._seam.turn("poll.join", 100_000)
            return True
        if self._given_up:
            self._given_up = False
            places = [TopicPartition(topic, number) for number in share for topic in self._topics]
            kept = group.committed
            self._positions = {at: kept.get((at.topic, at.partition)) for at in places}
            self._listener.on_partitions_assigned(places)
            return True
        return False

    def _fetch(self, left: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        self.polls += 1
        chance, storm = self._seam.world.chance, self._seam.storm
        places = list(self._positions)
        if storm.strikes("reorder"):
            chance.shuffle(places)
            places = places[: chance.randint(0, len(places))]
        found = {}
        for place in places:
            topic = self._broker.topics.get(place.topic)
            if topic is None or place in self._paused:
                continue
            if storm.strikes("delay"):
                late_us = storm.spread(*_DELAY_US)
                self._late_until_us[place] = self._seam.world.now_us + late_us
            if left and (
                self._late_until_us.get(place, 0) <= self._seam.world.now_us or storm.calm
            ):
                records = self._fetch_one(place, topic, left)
                if records:
                    found[place] = records
                    left -= len(records)
        return found

    def _fetch_one(self, place: TopicPartition, topic: Topic, left: int) -> list[ConsumerRecord]:
        chance, storm = self._seam.world.chance, self._seam.storm
        kept, position = topic.partitions[place.partition], self._positions[place]
        if position is None:
            raise errors.NoOffsetForPartitionError(str(place))
        if position > kept.end:
            self._ends[place] = kept.end
            if not storm.plan.silent:
                raise errors.OffsetOutOfRangeError(str(place))
            return []
        count = chance.randint(1, _FETCH_MAX) if storm.strikes("reorder") else _FETCH_MAX
        stop = min(kept.end, position + min(count, left))
        self._positions[place] = stop
        late = storm.strikes("stale-end")
        self._ends[place] = chance.randint(stop, kept.end) if late else kept.end
        found = [record for record in kept.records[position:stop] if record is not None]
        for record in found:
            self.delivered[place.topic, place.partition, record.offset] = self.polls
        return found


class SimulatedMetadata:
    """What a client knows of the cluster: as old as its last answer."""

    def __init__(self, broker: Broker, seam: Seam) -> None:
        self._broker = broker
        self._seam = seam
        self._known: dict[str, Topic] = {}
        self._known_us = 0
        self._asked: dict[str, Topic] | None = None
        self.look()

    @property
    def cluster_id(self) -> str:
        return CLUSTER

    @property
    def age_us(self) -> int:
        return self._seam.world.now_us - self._known_us

    @property
    def metadata_refresh_in_progress(self) -> bool:
        """Now and then a question of the client's own is on its way; its answer is from now."""
        if self._seam.storm.strikes("stale-end"):
            self._asked = dict(self._broker.topics)
        return self._asked is not None

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Numbers, or None for a topic that is not there."""
        known = self._known.get(topic)
        return None if known is None else set(range(len(known.partitions)))

    def topic_id(self, topic: str) -> str | None:
        """The id of a topic that is there."""
        known = self._known.get(topic)
        return None if known is None else known.topic_id

    def look(self) -> None:
        """Know what is there now."""
        self._known = dict(self._broker.topics)
        self._known_us = self._seam.world.now_us

    def refresh_metadata(self) -> None:
        """Ask; who asks while a question is on its way is given the answer to that one."""
        _request(self._seam, "metadata")
        asked, self._asked = self._asked, None
        self.look()
        if asked is not None:
            self._known = asked


class SimulatedConnections:
    """Runs what the client is asked to run."""

    def run(self, act: Callable[[], None]) -> None:
        """Run it, and wait for it."""
        act()


class SimulatedProducer:
    """Keeps letters at once, and acknowledges them when asked."""

    def __init__(self, broker: Broker, seam: Seam) -> None:
        self._broker = broker
        self._seam = seam
        self._sender = SimulatedSender()

    def send(
        self, topic: str, *, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> "Acknowledgement":
        """Send one."""
        self._seam.turn("send")
        lost = self._seam.storm.strikes("lost-fetch")
        if not lost:
            self._broker.append(topic, 0, self._seam.world.now_us // 1000, key, value, headers)
        return Acknowledgement(self._seam, lost=lost or self._seam.storm.strikes("lost-answer"))

    def close(self, timeout: float = 0) -> None:  # noqa: ARG002
        """Done."""
        self._seam.turn("producer.close")


class SimulatedSender:
    """What a producer does in the background: nothing here."""

    def force_close(self) -> None:
        """Done."""

    def join(self, timeout: float) -> None:
        """Done."""


class Acknowledgement:
    """Of one letter."""

    def __init__(self, seam: Seam, *, lost: bool) -> None:
        self._seam = seam
        self._lost = lost

    def get(self, timeout: float) -> None:
        """Wait for it.

        Raises:
            KafkaTimeoutError: It did not come; the letter may have been kept all the same.
        """
        if self._lost:
            self._seam.turn("acknowledgement.lost", int(timeout * 1_000_000))
            raise errors.KafkaTimeoutError("no acknowledgement")
        self._seam.turn("acknowledgement")


class SimulatedAdmin:
    """Describes what is there."""

    def __init__(self, broker: Broker, seam: Seam) -> None:
        self._broker = broker
        self._seam = seam

    def describe_cluster(self) -> dict[str, str]:
        """The cluster."""
        _request(self._seam, "cluster")
        return {"cluster_id": CLUSTER}

    def describe_topics(self, names: Sequence[str]) -> list[dict[str, object]]:
        """The topics of these names; an error code for those that are not there."""
        _request(self._seam, "topics")
        found: list[dict[str, object]] = []
        for name in names:
            topic = self._broker.topics.get(name)
            if topic is None:
                found.append({"name": name, "error_code": 3})
            else:
                there = {"topic_id": topic.topic_id, "partitions": topic.partitions}
                found.append({"name": name, "error_code": 0} | there)
        return found

    def close(self) -> None:
        """Done."""


def _request(seam: Seam, call: str) -> None:
    """A request to the broker, which may fail."""
    seam.turn(call)
    if seam.storm.strikes("lost-fetch"):
        seam.world.trace(f"{seam.member.name} {call} fails")
        raise errors.KafkaConnectionError(f"{call}: the connection broke")


def _topic(broker: Broker, name: str) -> Topic:
    if name not in broker.topics:
        raise errors.UnknownTopicOrPartitionError(name)
    return broker.topics[name]
