"""A consumer that always has more, the sources it reads, and a writer that only counts.

What the loop does with a broker far ahead of it, without the broker: five topics of one partition,
each with a fifth of the messages; the topic of prices runs an hour ahead of the others, so that its
buffer is always as long as the loop lets it be.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kafka import TopicPartition

from consumers.loop import Loop
from consumers.settings import RunSettings
from consumers.topics import roles
from ledger.ports import Message, Source
from ledger.writer import Taken

POLLED = 4_000
"""Messages of each topic in one poll."""

_AHEAD_MS = 3_600_000
_VALUE = b'{"kind":"none"}' + b" " * 200


class EndlessConsumer:
    """What the loop asks of a consumer; every poll brings more, until the messages run out."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._next: dict[TopicPartition, int] = {}
        self.polls = 0

    def assign(self, places: Iterable[TopicPartition]) -> None:
        self._next = dict.fromkeys(places, 0)

    def assignment(self) -> set[TopicPartition]:
        return set(self._next)

    def pause(self, place: TopicPartition) -> None:
        """Nothing is parked here."""

    def resume(self, place: TopicPartition) -> None:
        """As `pause`."""

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._next[place] = offset

    def highwater(self, place: TopicPartition) -> int:  # noqa: ARG002 - the same for all
        return self._each

    def position(self, place: TopicPartition, timeout_ms: int) -> int:  # noqa: ARG002 - known
        return self._next[place]

    def poll(self, timeout_ms: int) -> Mapping[TopicPartition, Sequence[tuple[object, ...]]]:  # noqa: ARG002 - there is more
        self.polls += 1
        found = {}
        for place, start in self._next.items():
            end = min(start + POLLED, self._each)
            ahead = _AHEAD_MS if place.topic.endswith("prices") else 0
            found[place] = [
                (place.topic, 0, 0, offset, offset + ahead, 0, b"main", bytes(_VALUE), None)
                for offset in range(start, end)
            ]
            self._next[place] = end
        return {place: records for place, records in found.items() if records}


class KnownSources:
    """Five topics that never change."""

    def __init__(self) -> None:
        self.by_rank = tuple(Source("endless", topic, topic) for topic in roles("endless"))

    def chosen(self, partitions: object) -> tuple[int, ...]:  # noqa: ARG002 - there is one
        return (0,)

    def starts(self, *_: object) -> dict[tuple[int, int], int]:
        return {(rank, 0): 0 for rank in range(len(self.by_rank))}

    def watch(self, consumer: object) -> None:
        """Nothing to watch."""

    def confirm(self) -> None:
        """They are what they were."""

    def check(self) -> None:
        """As `confirm`."""


class CountingWriter:
    """Counts what it is given, and looks at the loop's buffers each time."""

    def __init__(self) -> None:
        self.taken = 0

    def assign(self, partitions: Iterable[int]) -> None:
        """Nothing to own."""

    def revoke(self, partitions: Iterable[int]) -> None:
        """Nothing to give up."""

    def begin(self, starts: Mapping[tuple[Source, int], int]) -> None:
        """Nothing is stored."""

    def offsets(self) -> Mapping[tuple[Source, int], int]:
        return {}

    def take(self, messages: Sequence[Message]) -> Taken:
        self.taken += len(messages)
        return Taken(len(messages), 0, 0, [])

    def settle(self) -> None:
        """Nothing is kept."""


def read_through(messages: int) -> tuple[int, int]:
    """Messages taken, and the longest that all buffers together were."""
    settings = RunSettings("nowhere", drain=True)
    consumer: Any = EndlessConsumer(messages // len(roles("endless")))
    sources: Any = KnownSources()
    writer = CountingWriter()
    longest = 0

    def look(_: object) -> None:
        nonlocal longest
        merges = loop._merges.values()  # noqa: SLF001 - a look inside
        longest = max(longest, sum(m.buffered(r) for m in merges for r in range(5)))

    loop = Loop(settings, consumer, sources, writer, on_taken=look)
    loop.run(lambda: False)
    return writer.taken, longest
