"""Messages on their way to a shard, and why one may not go where its key or pool points."""

from collections.abc import Mapping
from typing import NamedTuple

from ledger.codec.decoding import Decoded, Undecodable
from ledger.codec.wire import ROLE_OF_KIND
from ledger.core.events import Pool
from ledger.core.outcome import Rejection
from ledger.core.rejections import Code
from ledger.ports import Message, Shard

POOLS_MAX = 200
"""Pools of one database; more belong into a database of their own."""

FILE_CLUSTER = "file"
"""Cluster of a source that is no Kafka topic: no key, no partition, no offsets to keep."""

UNROUTED = "@unrouted/"
"""What the shards of messages without a pool are called; the partition number follows."""


class Arrival(NamedTuple):
    """A message with what it says.

    Attributes:
        message: As it was delivered.
        decoded: The event, or why it is none.
        redrive_of: Shard and sequence of the refused event that is driven again.
    """

    message: Message
    decoded: Decoded | Undecodable
    redrive_of: tuple[str, int] | None = None

    @property
    def pool(self) -> str | None:
        """The pool that the message names, where that can be read."""
        if isinstance(self.decoded, Decoded):
            return self.decoded.event.pool
        return self.decoded.pool

    @property
    def from_kafka(self) -> bool:
        """It came from a topic just now: key, partition, topic and offset mean something."""
        return self.message.source.cluster != FILE_CLUSTER and self.redrive_of is None

    @property
    def declares_pool(self) -> bool:
        """It is a `pool` event."""
        return isinstance(self.decoded, Decoded) and isinstance(self.decoded.event.fact, Pool)


def wrong_key(arrival: Arrival, pool: str) -> Rejection | None:
    """`missing_key` or `key_mismatch`: the Kafka key must be the pool."""
    key = arrival.message.key
    if not arrival.from_kafka or key == pool.encode():
        return None
    if key is None:
        return Rejection(Code.MISSING_KEY.value, f"no message key, expected the pool, {pool}")
    return Rejection(Code.KEY_MISMATCH.value, f"message key {key!r} differs from pool {pool}")


def wrong_partition(arrival: Arrival, shard: Shard) -> Rejection | None:
    """`wrong_partition`: a pool stays on the partition that its first message came from."""
    partition = arrival.message.partition
    if not arrival.from_kafka or shard.partition in (None, partition):
        return None
    return Rejection(
        Code.WRONG_PARTITION.value,
        f"pool {shard.name} lives on partition {shard.partition}, this message came from "
        f"{partition}: producers must partition by murmur2 of the key, and the number of "
        "partitions must never change",
    )


def wrong_topic(arrival: Arrival, roles: Mapping[str, str]) -> Rejection | None:
    """`wrong_topic`: each kind has its topic; topics without a known role are not checked."""
    role = roles.get(arrival.message.source.topic)
    if role is None or not arrival.from_kafka or isinstance(arrival.decoded, Undecodable):
        return None
    kind = arrival.decoded.event.kind
    if ROLE_OF_KIND[kind] == role:
        return None
    return Rejection(
        Code.WRONG_TOPIC.value,
        f"kind {kind} belongs on the topic of {ROLE_OF_KIND[kind]}, found on "
        f"{arrival.message.source.topic}",
    )


def unknown_pool(pool: str) -> Rejection:
    """The pool was not declared."""
    return Rejection(Code.UNKNOWN_POOL.value, f"pool {pool} has no `pool` event yet")


def trade_archived(name: str, sequence: int) -> Rejection:
    """Retention detached the event that a bust names, so what there is to undo is not at hand."""
    return Rejection(
        Code.TRADE_ARCHIVED.value,
        f"event_id {name} was taken by event {sequence}, which was detached into an archive:"
        " only an adjustment can mend this",
    )


def pool_limit() -> Rejection:
    """The database takes no further pool."""
    return Rejection(
        Code.POOL_LIMIT.value, f"this database has {POOLS_MAX} pools, the most it takes"
    )
