"""What a partition of the topic of records tells about itself: how much of each pool stands there.

The first message of each chunk that a publisher sends carries a header `progress`,

    {"topic_id": "...", "end": 4711, "pools": {"main": [812, 3], "coin": [78, 0]},
     "chains": {"main": "52b5...", "coin": "66cf..."}}

All records of `main` up to line 3 of sequence 812, and of `coin` all before sequence 78, stand on
this partition of this topic, before offset 4711, acknowledged. It is believed only where it stands:
on the topic that it names, not before that offset. What it vouches for has smaller offsets on the
same partition, so whatever cut the partition took the header before it took any of that.

`chains` has the chain hash of the newest event of which something stands there: of `main` that of
812, of `coin` that of 77. Each record has that of its own event too. By the newest of them books
are held against the topic: the hash is of all events up to there, so if it is met, all are.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import NamedTuple

from consumers.records import CHAIN, Kept, Topic

PROGRESS = "progress"
"""The header by which a publisher finds where to go on."""

Place = tuple[int, int]
"""Of a record in the log of its pool: (sequence, line)."""

START: Place = (1, 0)
"""Before the first."""


class Standing(NamedTuple):
    """What a partition tells.

    Attributes:
        vouched: Up to which place each pool stands there as a whole.
        seen: What else stands there of each pool, sent since.
        chains: By pool and sequence, what chain hashes, hex, are told of either.
    """

    vouched: Mapping[str, Place]
    seen: Mapping[str, set[Place]]
    chains: Mapping[str, Mapping[int, str]]

    def header(self, topic_id: str, end: int) -> bytes:
        """What the next message, at offset `end` or later, may say of what is vouched for."""
        chains = {
            pool: self.chains[pool][reached(place)]
            for pool, place in self.vouched.items()
            if reached(place) in self.chains.get(pool, {})
        }
        told = {"topic_id": topic_id, "end": end, "pools": self.vouched, "chains": chains}
        return json.dumps(told, separators=(",", ":")).encode()


def standing(topic: Topic, partition: int, end: int, pools: Collection[str]) -> Standing:
    """What stands on a partition of these pools.

    Args:
        topic: The topic.
        partition: Number of the partition.
        end: Where to look backwards from.
        pools: Of our books. What others who publish here tell of theirs is passed over.
    """
    seen: dict[str, set[Place]] = {}
    chains: dict[str, dict[int, str]] = {}
    if pools:
        for kept in topic.backwards(partition, end):
            with suppress(KeyError, ValueError):
                pool = kept.headers["pool"].decode()
                if pool in pools:
                    place = (int(kept.headers["sequence"]), int(kept.headers["line"]))
                    seen.setdefault(pool, set()).add(place)
                    chain = kept.headers[CHAIN].decode()
                    chains.setdefault(pool, {}).setdefault(place[0], chain)
            told = _told(kept, topic.topic_id)
            if told.vouched.keys() & pools:
                beyond = {
                    pool: {place for place in places if place > told.vouched.get(pool, START)}
                    for pool, places in seen.items()
                }
                for pool, of_place in told.chains.items():
                    chains[pool] = {**of_place, **chains.get(pool, {})}
                return Standing(told.vouched, beyond, chains)
    return Standing({}, {}, chains)


def reached(place: Place) -> int:
    """The newest sequence of which something stands up to this place."""
    sequence, line = place
    return sequence if line else sequence - 1


def _told(kept: Kept, topic_id: str) -> Standing:
    """What a message vouches for; nothing where it does not stand where it says."""
    with suppress(KeyError, TypeError, ValueError):
        told = json.loads(kept.headers[PROGRESS])
        if told["topic_id"] == topic_id and told["end"] <= kept.offset:
            vouched = {
                str(pool): (int(sequence), int(line))
                for pool, (sequence, line) in told["pools"].items()
            }
            chains = {
                pool: {reached(vouched[pool]): str(chain)}
                for pool, chain in told.get("chains", {}).items()
            }
            return Standing(vouched, {}, chains)
    return Standing({}, {}, {})
