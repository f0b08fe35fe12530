"""What a consumer group decides, noted while the client polls, for the loop to act on after it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition

from ledger.errors import BrokerUnavailable, FenceLost, StoreUnavailable


class Notice(NamedTuple):
    assigned: bool
    partitions: frozenset[int]


class Listener(ConsumerRebalanceListener):  # type: ignore[misc] # kafka ships no types
    """Notes what the group decides; the loop acts on it after `poll`."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self.notices: list[Notice] = []

    def take(self) -> Sequence[Notice]:
        """What was decided since, in order; nothing is assigned that was taken away again.

        To acquire that would take it from whoever has it by now.
        """
        notices, self.notices = self.notices, []
        gone: frozenset[int] = frozenset()
        left = []
        for notice in reversed(notices):
            if notice.assigned:
                left.append(notice._replace(partitions=notice.partitions - gone))
            else:
                gone |= notice.partitions
                left.append(notice)
        return [notice for notice in reversed(left) if notice.partitions]

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._note(revoked, assigned=False)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for place in assigned:
            self._consumer.pause(place)
            self._consumer.seek(place, 0)  # a position at all, or the client asks for one
        self._note(assigned, assigned=True)

    def _note(self, places: Iterable[TopicPartition], *, assigned: bool) -> None:
        numbers = frozenset(place.partition for place in places)
        if numbers:
            self.notices.append(Notice(assigned, numbers))


def require_all_topics(
    numbers: Iterable[int], topics: Iterable[str], assigned: Collection[TopicPartition]
) -> None:
    """A partition number is read with all of its topics, or their order is not that of time.

    Raises:
        BrokerUnavailable: The group's leader did not see a topic, which may be in the making.
    """
    names = list(topics)
    for number in numbers:
        missing = [topic for topic in names if TopicPartition(topic, number) not in assigned]
        if missing:
            raise BrokerUnavailable(
                f"partition {number} of {', '.join(missing)} was not given out by the group, and"
                " that of the other topics was: look whether all topics are there"
            )


@contextmanager
def fences_of_the_group(notices: Iterable[Notice]) -> Iterator[None]:
    """Start over, and do not stop, where the group gave away what a batch was on its way for.

    Raises:
        StoreUnavailable: Instead of `FenceLost`, when anything was revoked.
    """
    try:
        yield
    except FenceLost as lost:
        if all(notice.assigned for notice in notices):
            raise
        raise StoreUnavailable(
            f"the group gave a shard away before its last batch was there: {lost}"
        ) from lost
