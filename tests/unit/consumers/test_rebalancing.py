"""What the loop does with the decisions of its group, in the order that they came."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from kafka import TopicPartition, errors

from consumers.loop import Loop
from consumers.rebalancing import Listener, Notice
from consumers.settings import RunSettings
from ledger.batch import Refused
from ledger.errors import BrokerUnavailable, FenceLost, StoreUnavailable
from ledger.ports import Message, Source
from ledger.writer import Taken

TOPICS = tuple(Source("kafka-1", "t", f"clearing.{role}") for role in ("reference", "trades"))


class Group:
    """A consumer whose group decides all this in its first poll; its broker answers no question."""

    def __init__(self, *decided: Notice, lacking: str = "") -> None:
        self.decided = decided
        self.lacking = lacking
        self.assigned: set[TopicPartition] = set()
        self.ends: dict[TopicPartition, int] = {}
        self.listener: Any = None

    def subscribe(self, _topics: Sequence[str], listener: Listener) -> None:
        self.listener = listener

    def poll(self, _timeout_ms: int) -> Mapping[TopicPartition, Sequence[tuple[object, ...]]]:
        for notice in self.decided:
            places = {TopicPartition(s.topic, n) for s in TOPICS for n in notice.partitions}
            self.assigned = {at for at in places if at.topic != self.lacking and notice.assigned}
            self.listener.notices.append(notice)
        self.decided = ()
        return {}

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def highwater(self, place: TopicPartition) -> int | None:
        if place not in self.assigned:
            raise errors.IllegalStateError("Partition is not assigned")
        return self.ends.get(place)

    def end_offsets(self, _places: object) -> Mapping[TopicPartition, int]:
        raise errors.KafkaTimeoutError("no answer")

    def seek(self, _place: TopicPartition, offset: int) -> None:
        self.ends = dict.fromkeys(self.assigned, offset - 1)

    def resume(self, _place: TopicPartition) -> None:
        """Nothing is paused here."""


class Topics:
    """Two topics, read from offset 7."""

    by_rank = TOPICS

    def starts(
        self, _consumer: object, numbers: Sequence[int], _stored: object
    ) -> Mapping[tuple[int, int], int]:
        return {(rank, number): 7 for number in numbers for rank in range(len(TOPICS))}

    def watch(self, _consumer: object) -> None: ...
    def confirm(self) -> None: ...
    def check(self) -> None: ...


class Books:
    """A writer that notes what it is given, and may have been fenced off meanwhile."""

    def __init__(self, *, fenced: bool = False) -> None:
        self.acquired: list[int] = []
        self._fenced = fenced

    def assign(self, partitions: Sequence[int]) -> None:
        self.acquired += partitions

    def revoke(self, _partitions: Sequence[int]) -> None: ...
    def begin(self, _starts: object) -> None: ...

    def offsets(self) -> Mapping[tuple[Source, int], int]:
        return {}

    def take(self, _messages: Sequence[Message]) -> Taken:
        return Taken(0, 0, 0, list[Refused]())

    def settle(self) -> None:
        if self._fenced:
            raise FenceLost("another writer has it")


def given(numbers: frozenset[int]) -> Notice:
    return Notice(assigned=True, partitions=numbers)


def taken(numbers: frozenset[int]) -> Notice:
    return Notice(assigned=False, partitions=numbers)


def turned(group: Group, books: Books, turns: int = 1, *, in_flight: bool = False) -> None:
    """So many turns of a loop, maybe with a batch on its way to the database."""
    stopping = iter([False] * turns + [True])
    parts: tuple[Any, Any, Any] = (group, Topics(), books)
    loop = Loop(RunSettings("broker:9092", group="clearing"), *parts)
    loop._taken = Taken(0, 0, 0, []) if in_flight else None
    loop.run(lambda: next(stopping))


def test_what_was_taken_away_again_in_the_same_poll_is_not_acquired() -> None:
    books = Books()
    both, one = frozenset({0, 1}), frozenset({1})
    turned(Group(given(both), taken(both), given(one)), books)
    assert books.acquired == [1]


def test_a_partition_number_without_all_of_its_topics_is_not_read() -> None:
    group, books = Group(given(frozenset({0})), lacking="clearing.trades"), Books()
    with pytest.raises(BrokerUnavailable, match=r"partition 0 of .*trades.* was not given out"):
        turned(group, books)
    assert books.acquired == []


def test_a_member_whose_batch_comes_after_its_heir_starts_over() -> None:
    group = Group(taken(frozenset({0})))
    with pytest.raises(StoreUnavailable, match="another writer has it"):
        turned(group, Books(fenced=True), in_flight=True)


def test_a_member_that_is_fenced_off_without_its_group_s_doing_stops() -> None:
    with pytest.raises(FenceLost):
        turned(Group(), Books(fenced=True), in_flight=True)


def test_a_broker_that_does_not_tell_the_end_of_a_topic_is_tried_again() -> None:
    with pytest.raises(BrokerUnavailable, match="no answer"):
        turned(Group(given(frozenset({0}))), Books(), turns=2)
