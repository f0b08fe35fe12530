"""A broker in memory: topics with ids, partitions with gaps, and the coordinator of one group.

A topic that is made again has another id and begins at offset 0; what the old one held is kept for
the model. Gaps are what markers of transactions and compaction leave: an offset without a message.

The coordinator follows the eager protocol with the Range assignor: when members come or go, all of
them give everything up, and only then are partitions given out anew. Who has not been heard of for
`SESSION_US` is out; if it wakes, it does not know that yet.
"""

from collections.abc import Sequence
from typing import NamedTuple

from kafka.consumer.fetcher import ConsumerRecord
from kafka.partitioner.default import murmur2

from consumers.simulation.world import Member

SESSION_US = 3_000_000
CLUSTER = "simulated"


class Partition:
    """Records by offset; None where an offset has none."""

    def __init__(self) -> None:
        self.records: list[ConsumerRecord | None] = []

    @property
    def end(self) -> int:
        return len(self.records)

    @property
    def last(self) -> int:
        """The offset after the last message; gaps at the end bring no offset into the books."""
        found = (record.offset + 1 for record in reversed(self.records) if record is not None)
        return next(found, 0)


class Topic(NamedTuple):
    """A topic as long as it has one id."""

    name: str
    topic_id: str
    partitions: Sequence[Partition]


class Broker:
    """The topics that are, and those that were.

    Attributes:
        topics: By name.
        incarnations: All that there ever were, by id.
    """

    def __init__(self, partitions: int) -> None:
        """Without topics; `partitions` are those of each source topic."""
        self.topics: dict[str, Topic] = {}
        self.incarnations: dict[str, Topic] = {}
        self.group = Group(partitions)

    def create(self, name: str, partitions: int) -> Topic:
        """Make a topic."""
        topic_id = f"{name}#{len(self.incarnations) + 1}"
        topic = Topic(name, topic_id, [Partition() for _ in range(partitions)])
        self.topics[name] = self.incarnations[topic_id] = topic
        return topic

    def delete(self, name: str) -> None:
        """Delete a topic."""
        del self.topics[name]

    def append(
        self,
        name: str,
        partition: int,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Keep a record."""
        records = self.topics[name].partitions[partition].records
        place = (name, partition, 0, len(records), timestamp_ms, 0)
        records.append(ConsumerRecord(*place, key, value, list(headers), None, 0, 0, 0))

    def skip(self, name: str, partition: int) -> None:
        """Use an offset up."""
        self.topics[name].partitions[partition].records.append(None)


class Group:
    """Who reads which partition numbers.

    Attributes:
        committed: Offsets that the broker keeps for the group, which the ledger must never trust.
        generation: Counts the times that partitions had to be given out anew.
    """

    def __init__(self, partitions: int) -> None:
        """Without members."""
        self.committed: dict[tuple[str, int], int] = {}
        self.generation = 0
        self._partitions = partitions
        self._members: dict[int, Member] = {}
        self._joined: set[int] = set()
        self._next_id = 1
        self._shares: dict[int, list[int]] | None = None

    def enter(self, member: Member) -> int:
        """A new member, which everybody makes room for; returns its id."""
        member_id = self._next_id
        self._next_id += 1
        self._members[member_id] = member
        self._begin()
        return member_id

    def leave(self, member_id: int) -> None:
        """Give a place in the group back."""
        if self._members.pop(member_id, None) is not None:
            self._begin()

    def expire(self, now_us: int) -> None:
        """Put out whoever has not been heard of."""
        for member_id, member in list(self._members.items()):
            silent = member.ended or member.killed or member.paused_until_us > now_us
            if silent and now_us - member.seen_us > SESSION_US:
                self.leave(member_id)

    def knows(self, member_id: int) -> bool:
        """Whether the member is still one."""
        return member_id in self._members

    def give_up(self, member_id: int) -> None:
        """The member has let go of what it had; when all have, partitions are given out."""
        self._joined.add(member_id)
        self._share_out()

    def share(self, member_id: int) -> list[int] | None:
        """Partition numbers of a member; None while they are being given out anew."""
        return None if self._shares is None else self._shares.get(member_id)

    def _begin(self) -> None:
        self.generation += 1
        self._joined.clear()
        self._shares = None

    def _share_out(self) -> None:
        if self._shares is None and self._joined >= set(self._members):
            ids = sorted(self._members)
            each, more = divmod(self._partitions, len(ids))
            self._shares, start = {}, 0
            for place, member_id in enumerate(ids):
                end = start + each + (place < more)
                self._shares[member_id] = list(range(start, end))
                start = end


def partition_of(key: bytes, partitions: int) -> int:
    """Where a producer that keeps to the contract sends a key."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions
