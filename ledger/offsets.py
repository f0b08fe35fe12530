"""How far a batch moves the source offsets of a shard.

Rules of this file:

* All shards of a partition move together, so an idle pool never holds a restart back.
* A halted pool stays where it halted, and so a restart reads on from there: it never loses what it
  has not applied. Others pass over what they have.
* A shard that has no offset of a source yet is where the others were before the batch: what came
  earlier was none of its own, or was refused elsewhere. Without others the batch begins the source.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from ledger.arrivals import Arrival
from ledger.ports import Message, Source

Where = tuple[Source, int]
"""A partition of a source."""

Reached = Mapping[Where, int]
"""The next offset of each."""


def ends_of(arrivals: Iterable[Arrival]) -> dict[Where, int]:
    """The offsets behind the messages from Kafka."""
    ends: dict[Where, int] = {}
    for arrival in arrivals:
        if arrival.from_kafka:
            message = arrival.message
            where = (message.source, message.partition)
            ends[where] = max(message.offset + 1, ends.get(where, 0))
    return ends


def begins_of(arrivals: Iterable[Arrival]) -> dict[Where, int]:
    """The smallest offset of the messages from Kafka."""
    begins: dict[Where, int] = {}
    for arrival in arrivals:
        if arrival.from_kafka:
            message = arrival.message
            where = (message.source, message.partition)
            begins[where] = min(message.offset, begins.get(where, message.offset))
    return begins


def front_of(shards: Iterable[Reached], partition: int) -> dict[Where, int]:
    """The furthest of several shards, in one partition of each source."""
    front: dict[Where, int] = {}
    for known in shards:
        for where, offset in known.items():
            if where[1] == partition:
                front[where] = max(offset, front.get(where, 0))
    return front


def moved(known: Reached, ends: Reached, front: Reached) -> dict[Where, int]:
    """The offsets that change for a shard that took the whole batch, or had no part in it.

    Args:
        known: Its own before the batch.
        ends: Behind the batch, of its partition.
        front: The furthest of its partition before the batch.
    """
    changes = {where: end for where, end in ends.items() if known.get(where, 0) < end}
    if not known:
        changes = {**front, **changes}
    return changes


def held(
    known: Reached, arrivals: Sequence[Arrival], front: Reached, halting: Message | None
) -> dict[Where, int]:
    """The offsets that change for a halted pool: up to where it halted, and no further.

    Args:
        known: Its own before the batch.
        arrivals: Messages of its partition, in order.
        front: The furthest of its partition before the batch.
        halting: The message that it halted at, in this batch or before; None: no message.
    """
    changes: dict[Where, int] = {}
    before = list(takewhile(lambda arrival: arrival.message is not halting, arrivals))
    if halting is not None and len(before) < len(arrivals):
        changes = moved(known, ends_of(before), front)
        changes[halting.source, halting.partition] = halting.offset
    begins = begins_of(arrivals)
    for where in front.keys() | begins.keys():
        if where not in known and where not in changes:
            changes[where] = front[where] if where in front else begins[where]
    return changes
