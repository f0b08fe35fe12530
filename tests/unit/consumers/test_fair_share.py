"""How the loop fills a batch from several partitions."""

from typing import Any

from consumers.loop import Loop
from consumers.merge import Merge
from ledger.ports import Message, Source

SOURCE = Source("kafka-1", "t", "clearing.trades")


def looped(*buffered: int) -> Loop:
    """A loop without a broker, and so many messages of each partition at hand."""
    loop: Any = object.__new__(Loop)
    loop._batch = []
    loop._merges = {}
    for number, count in enumerate(buffered):
        merge = loop._merges[number] = Merge(1, 0)
        merge.add(0, [Message(SOURCE, number, at, 0, None, b"") for at in range(count)])
    return loop  # type: ignore[no-any-return]


def filled(*buffered: int, limit: int = 12) -> list[int]:
    """Messages of each partition in a batch of at most `limit`."""
    loop = looped(*buffered)
    loop._fill(limit, 0.0)
    partitions = [message.partition for message in loop._batch]
    assert len(partitions) <= limit
    return [partitions.count(number) for number in range(len(buffered))]


def test_a_flooded_partition_takes_no_more_than_its_share() -> None:
    assert filled(1000, 1000) == [6, 6]
    assert filled(1000, 5) == [7, 5]
    assert filled(5, 1000) == [5, 7]
    assert filled(1000, 0, 1000) == [8, 0, 4]


def test_one_partition_alone_fills_the_batch() -> None:
    assert filled(1000) == [12]
    assert filled(3) == [3]


def test_offsets_of_a_partition_stay_in_order() -> None:
    loop = looped(1000, 3)
    loop._fill(12, 0.0)
    offsets = [message.offset for message in loop._batch if message.partition == 0]
    assert offsets == list(range(9))
