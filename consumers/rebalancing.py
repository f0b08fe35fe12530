"""What a consumer group decides, noted while the client polls, for the loop to act on after it."""

from collections.abc import Iterable
from typing import NamedTuple

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition


class Notice(NamedTuple):
    assigned: bool
    partitions: frozenset[int]


class Listener(ConsumerRebalanceListener):  # type: ignore[misc] # kafka ships no types
    """Notes what the group decides; the loop acts on it after `poll`."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self.notices: list[Notice] = []

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
