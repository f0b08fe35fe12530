"""What producers and fate do to the house, and how far it has come with it."""

from collections.abc import Iterator, Sequence

from consumers.settings import RunSettings
from consumers.simulation.broker import partition_of
from consumers.simulation.members import House, Place
from consumers.simulation.mending import park
from consumers.simulation.traffic import Sent, Traffic
from consumers.simulation.world import MICROSECONDS, Member
from consumers.topics import DEAD_LETTERS, name, roles

PREFIX = "clearing"
LETTERS = name(PREFIX, DEAD_LETTERS)

_RECREATIONS_MAX = 3
_BURST_GAP_US = 1_000
_ORDERLY_GAP_MS = 7
_MOMENT_GAP_US = (50_000, 500_000)
_GAP_RATE = 0.02
_RIVALS_MAX = 3
_TAKE_OVER_RATE = 0.7


class Director:
    """Producers, fate, and the operator's places.

    Attributes:
        places: Those of the members that belong here.
    """

    def __init__(self, house: House) -> None:
        """Make the topics, fill the places, and begin."""
        self._house = house
        self._world, self._storm, self._broker = house.world, house.storm, house.broker
        self._plan = plan = house.storm.plan
        self._traffic = Traffic(plan, self._storm.strikes)
        self._topics = list(roles(PREFIX))
        self._deleted = 0
        self._attempts = 0
        self._mending = False
        for topic in self._topics:
            self._broker.create(topic, plan.partitions)
        self._broker.create(LETTERS, 1)
        self._settings = RunSettings(
            "simulated",
            prefix=PREFIX,
            group="house" if plan.group else None,
            batch_events_max=plan.batch_events_max,
            batch_age_max_ms=plan.batch_age_max_ms,
            merge_wait_ms=plan.merge_wait_ms,
            buffer_messages_max=plan.buffer_messages_max,
            request_timeout_ms=1_000,
        )
        if plan.orderly:
            for number in range(plan.messages_max):
                self._send(self._traffic.next(number * _ORDERLY_GAP_MS))
        self.places = [self._place(f"member{number}") for number in range(plan.members)]
        self._rivals: list[Place] = []
        self._world.after(0, self._produce)
        self._world.after(0, self._befall)

    def calm(self) -> None:
        """Nothing befalls anybody any more; everybody is awake, and all topics are there."""
        self._storm.calm = True
        self._world.trace("calm")
        for rival in self._rivals:
            rival.stop()
        for member in self._world.members:
            member.paused_until_us = 0
        for topic in self._topics:
            self._create(topic)

    def lag(self) -> int:
        """Messages that are not in the books."""
        return self._house.model.lag(
            {
                topic.topic_id: [partition.last for partition in topic.partitions]
                for topic in self._broker.topics.values()
                if topic.name != LETTERS
            }
        )

    def messages(self) -> int:
        """Messages that ever stood on a source topic."""
        return sum(
            record is not None
            for topic in self._broker.incarnations.values()
            if topic.name != LETTERS
            for partition in topic.partitions
            for record in partition.records
        )

    def letters(self) -> Iterator[tuple[str, int, bytes]]:
        """Shard, sequence and value of each dead letter."""
        for record in self._broker.topics[LETTERS].partitions[0].records:
            assert record is not None
            headers = dict(record.headers)
            yield headers["pool"].decode(), int(headers["sequence"]), record.value

    def missing_letters(self) -> Sequence[tuple[str, int]]:
        """Shard and sequence of each refused message without a letter."""
        written = {(pool, sequence) for pool, sequence, _ in self.letters()}
        books = self._house.books
        return [
            (shard.name, row.sequence)
            for shard in books.shards()
            for row in books.events(shard.shard, 1)
            if row.rejection is not None and (shard.name, row.sequence) not in written
        ]

    def _place(self, label: str, *, take_over: bool = True) -> Place:
        return Place(self._house, label, self._settings, take_over=take_over)

    def _produce(self) -> None:
        """A burst of messages, and the next one after a while."""
        chance = self._world.chance
        if self._storm.calm or len(self._traffic.sent) >= self._plan.messages_max:
            return
        for _ in range(chance.randint(1, self._plan.burst_max)):
            self._send(self._traffic.next(self._world.now_us // 1000))
        wait_us = chance.randint(_BURST_GAP_US, self._plan.gap_max_us)
        self._world.after(wait_us, self._produce)

    def _send(self, message: Sent) -> None:
        topic, partition = name(PREFIX, message.role), message.partition
        if topic not in self._broker.topics:
            return  # sent again when it is there
        if partition is None:
            count = self._plan.partitions
            partition = 0 if message.key is None else partition_of(message.key, count)
        if self._world.chance.random() < _GAP_RATE:
            self._broker.skip(topic, partition)
        now_ms = self._world.now_us // 1000 + self._traffic.skew_ms - message.lag_ms
        self._broker.append(topic, partition, now_ms, message.key, message.value or None)

    def _befall(self) -> None:
        """What may happen to the house at any moment, a few times a second."""
        chance, storm, now_us = self._world.chance, self._storm, self._world.now_us
        self._broker.group.expire(now_us)
        self._mend()
        if storm.strikes("offsets-reset"):
            kept = self._broker.group.committed
            for where in list(kept):
                kept[where] = chance.choice((0, chance.randrange(1_000)))
            self._world.trace("the offsets of the group are lost")
        if storm.strikes("clock"):
            self._traffic.skew_ms += chance.choice((-1, 1)) * storm.spread(1, 3_600_000)
        if storm.strikes("disk-full"):
            storm.disk_full_until_us = now_us + storm.spread(10_000, 10 * MICROSECONDS)
            self._world.trace("the disk is full")
        if storm.strikes("stop"):
            chance.choice(self.places).stop()
        if storm.strikes("rivals"):
            for _ in range(chance.randint(1, _RIVALS_MAX)):
                self._add_rival()
        if storm.strikes("recreate") and self._deleted < _RECREATIONS_MAX:
            self._delete(chance.choice(self._topics))
        self._world.after(chance.randrange(*_MOMENT_GAP_US), self._befall)

    def _mend(self) -> None:
        """Send two people to a halted pool, if none are on their way."""
        halted, world = self._house.halted, self._world
        if halted and not self._mending:
            pool = min(halted)
            message = halted[pool]
            self._mending = True
            self._attempts += 1

            def done() -> None:
                halted.pop(pool, None)
                for place in self.places:
                    place.stop()

            def attempt(member: Member) -> None:
                park(self._house, member, pool, message, done)
                self._mending = False

            world.start(f"operator{self._attempts}", attempt)

    def _add_rival(self) -> None:
        """Somebody starts one member more, for a while."""
        take_over = self._world.chance.random() < _TAKE_OVER_RATE
        rival = self._place(f"rival{len(self._rivals) + 1}", take_over=take_over)
        rival.open = False
        self._rivals.append(rival)
        self._world.after(self._storm.spread(100_000, 10 * MICROSECONDS), rival.stop)

    def _delete(self, topic: str) -> None:
        if topic in self._broker.topics:
            self._deleted += 1
            self._house.changed += 1
            self._broker.delete(topic)
            self._world.trace(f"{topic} is deleted")
            wait_us = self._world.chance.randrange(3 * MICROSECONDS)
            self._world.after(wait_us, lambda: self._create(topic))

    def _create(self, topic: str) -> None:
        if topic not in self._broker.topics:
            self._house.changed += 1
            self._broker.create(topic, self._plan.partitions)
            self._world.trace(f"{topic} is made again")
            for message in self._traffic.sent:
                if name(PREFIX, message.role) == topic:
                    self._send(message)
