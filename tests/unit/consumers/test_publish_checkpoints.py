"""Checkpoints on their topic: all of them, in order, once after a start that finds where it was."""

from collections.abc import Sequence

import pytest

from consumers.checkpoints import CheckpointPublisher
from consumers.records import Outgoing
from ledger.codec.checkpoints import (
    FIRST,
    NO_STATE,
    Checkpoint,
    decode_checkpoint,
    encode_checkpoint,
    read_line,
)
from ledger.errors import BrokerUnavailable
from ledger.ports import SignedCheckpoint
from tests.unit.consumers.feeds import MemoryTopic


class Sealed:
    """Books with checkpoints; `lore` tells one history from another."""

    def __init__(self, lore: bytes = b"a", **pools: int) -> None:
        self.made = {
            pool: [self._signed(pool, at, lore) for at in range(10, 10 * count + 1, 10)]
            for pool, count in pools.items()
        }

    def _signed(self, pool: str, at: int, lore: bytes) -> SignedCheckpoint:
        body = encode_checkpoint(
            Checkpoint(pool, at, lore * 32, FIRST, NO_STATE, None, 1, (), FIRST, b"k" * 32)
        )
        return SignedCheckpoint(at, body, b"k" * 32, b"s" * 64)

    def sealed(self) -> Sequence[tuple[int, str, int]]:
        return [(n, pool, made[-1].sequence) for n, (pool, made) in enumerate(self.made.items())]

    def checkpoint(self, shard: int, sequence: int) -> SignedCheckpoint | None:
        return next((one for one in self._of(shard) if one.sequence == sequence), None)

    def checkpoints(self, shard: int, after: int, count_max: int) -> Sequence[SignedCheckpoint]:
        return [one for one in self._of(shard) if one.sequence > after][:count_max]

    def scales(self, _shard: int) -> dict[str, int]:
        return {}

    def _of(self, shard: int) -> list[SignedCheckpoint]:
        return list(self.made.values())[shard]


def places(messages: Sequence[Outgoing]) -> list[tuple[str, int]]:
    found = [decode_checkpoint(read_line(message.value)[0]) for message in messages]
    assert [message.key.decode() for message in messages] == [one.pool for one in found]
    return [(one.pool, one.sequence) for one in found]


def test_all_are_sent_once_and_a_start_goes_on_there() -> None:
    topic = MemoryTopic(1)
    assert CheckpointPublisher(Sealed(main=2, other=1), topic).send_new() == 3
    assert CheckpointPublisher(Sealed(main=2, other=1), topic).send_new() == 0
    grown = CheckpointPublisher(Sealed(main=4, other=1, third=1), topic)
    assert grown.send_new() == 3
    assert grown.send_new() == 0
    assert places(topic.logs[0]) == [
        *(("main", 10), ("main", 20), ("other", 10)),
        *(("main", 30), ("main", 40), ("third", 10)),
    ]


def test_only_one_pool_is_sent_where_that_was_asked() -> None:
    topic = MemoryTopic(1)
    CheckpointPublisher(Sealed(main=2, other=1), topic, "other").send_new()
    assert places(topic.logs[0]) == [("other", 10)]


def test_what_was_not_acknowledged_is_sent_again() -> None:
    topic = MemoryTopic(1)
    topic.fail_after = 2
    with pytest.raises(BrokerUnavailable):
        CheckpointPublisher(Sealed(main=5), topic).send_new()
    CheckpointPublisher(Sealed(main=5), topic).send_new()
    assert places(topic.logs[0]) == [("main", at) for at in (10, 20, 30, 40, 50)]


def test_a_start_looks_no_further_back_than_it_must() -> None:
    topic = MemoryTopic(1)
    CheckpointPublisher(Sealed(main=50), topic).send_new()
    CheckpointPublisher(Sealed(main=50), topic)
    assert topic.looked_at == 1


def test_another_history_of_a_pool_is_published_beside_the_first() -> None:
    topic = MemoryTopic(1)
    CheckpointPublisher(Sealed(b"a", main=2), topic).send_new()
    CheckpointPublisher(Sealed(b"b", main=3), topic).send_new()
    assert places(topic.logs[0]) == [("main", at) for at in (10, 20, 10, 20, 30)]
