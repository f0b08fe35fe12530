"""How the loop fills a batch from several partitions, and polls when it has enough of them."""

from typing import Any

from consumers.loop import Loop
from consumers.merge import Merge
from consumers.settings import RunSettings
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


def test_no_partition_starves_where_a_batch_is_smaller_than_the_partitions_are_many() -> None:
    loop: Any = looped(1000, 1000, 1000)
    taken = []
    for _ in range(6):
        loop._fill(1, 0.0)
        taken += [message.partition for message in loop._batch]
        loop._batch = []
    assert sorted(taken) == [0, 0, 1, 1, 2, 2]


class Polled:
    """A consumer that notes how it is polled."""

    def __init__(self) -> None:
        self.polls: list[int | None] = []

    def poll(self, _timeout_ms: int, max_records: int | None = None) -> dict[object, object]:
        self.polls.append(max_records)
        return {}


def polls(group: str | None, buffered: int) -> list[int | None]:
    loop: Any = looped(buffered)
    loop._rank = {SOURCE.topic: 0}
    loop._settings = RunSettings("broker:9092", group=group, buffer_messages_max=10)
    loop._clock, loop._taken, loop._consumer = (lambda: 0.0), None, Polled()
    loop._poll()
    return loop._consumer.polls  # type: ignore[no-any-return]


def test_a_member_of_a_group_hears_of_it_while_it_has_more_than_enough_to_do() -> None:
    assert polls("clearing", 11) == [1]
    assert polls(None, 11) == []
    assert polls("clearing", 10) == polls(None, 10) == [None]
