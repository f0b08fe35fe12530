"""What a partition of the topic of records tells about itself: how much of each pool stands there.

The first message of each chunk that a publisher sends carries a header `progress`,

    {"topic_id": "...", "end": 4711, "pools": {"main": [812, 3], "coin": [78, 0]}}

All records of `main` up to line 3 of sequence 812, and of `coin` all before sequence 78, stand on
this partition of this topic, before offset 4711, acknowledged. It is believed only where it stands:
on the topic that it names, not before that offset. What it vouches for has smaller offsets on the
same partition, so whatever cut the partition took the header before it took any of that.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import NamedTuple

from consumers.records import Kept, Topic

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
    """

    vouched: Mapping[str, Place]
    seen: Mapping[str, set[Place]]

    def header(self, topic_id: str, end: int) -> bytes:
        """What the next message, at offset `end` or later, may say of what is vouched for."""
        told = {"topic_id": topic_id, "end": end, "pools": self.vouched}
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
    if pools:
        for kept in topic.backwards(partition, end):
            with suppress(KeyError, ValueError):
                pool = kept.headers["pool"].decode()
                if pool in pools:
                    place = (int(kept.headers["sequence"]), int(kept.headers["line"]))
                    seen.setdefault(pool, set()).add(place)
            told = _told(kept, topic.topic_id)
            if told.keys() & pools:
                beyond = {
                    pool: {place for place in places if place > told.get(pool, START)}
                    for pool, places in seen.items()
                }
                return Standing(told, beyond)
    return Standing({}, {})


def _told(kept: Kept, topic_id: str) -> Mapping[str, Place]:
    """What a message vouches for; nothing where it does not stand where it says."""
    with suppress(KeyError, TypeError, ValueError):
        told = json.loads(kept.headers[PROGRESS])
        if told["topic_id"] == topic_id and told["end"] <= kept.offset:
            return {
                str(pool): (int(sequence), int(line))
                for pool, (sequence, line) in told["pools"].items()
            }
    return {}
