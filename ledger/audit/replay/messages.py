"""Where a replay takes its messages from: the log itself, or a history apart from it.

A history is what still holds the messages as they were delivered: `consumers.history` asks Kafka.
The log says which messages, and in what order; key, timestamp and bytes of each are the history's,
and are held against the stored ones before anything is decided. What never came from a topic
(files, what was driven again) is taken from the log, and counted.

Bounded: the messages of one batch; of one over the limit only its beginning is kept.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from ledger.audit.replay.comparison import Difference, Place, different_message
from ledger.audit.replay.decisions import Submitted, arrival_of, moves_offset
from ledger.ports import Message, Source, StoredEvent

ABSENT = "message"
"""The field of a difference that is a message which the history does not have."""

Partition = tuple[Source, int]


class Held(NamedTuple):
    """What a history has of one partition of a source.

    Attributes:
        first, end: Offsets from `first` up to `end`, which is not one of them.
        instead: Why it has none at all: what stands there under the name of the source; or None.
    """

    first: int
    end: int
    instead: str | None = None

    def __str__(self) -> str:
        """For people."""
        if self.instead is not None:
            return self.instead
        return (
            f"it holds {self.first} to {self.end - 1}" if self.end > self.first else "it is empty"
        )


class History(Protocol):
    """Messages as they were delivered, by their places."""

    def held(self, source: Source, partition: int) -> Held: ...

    def messages(self, source: Source, partition: int, offsets: Sequence[int]) -> Iterator[Message]:
        """Those of the offsets, which ascend, that there are."""


class Absent(NamedTuple):
    """Messages of one partition that a history does not have.

    Attributes:
        events: How many.
        first_event, last_event: Their sequences in the shard.
        first_offset, last_offset: Their places.
        held: What the history has instead.
    """

    source: Source
    partition: int
    events: int
    first_event: int
    last_event: int
    first_offset: int
    last_offset: int
    held: Held

    def __str__(self) -> str:
        """For people."""
        return (
            f"{self.events} of {self.source.topic}/{self.partition}, offsets {self.first_offset} to"
            f" {self.last_offset}, events {self.first_event} to {self.last_event}; {self.held}"
        )


class Origins(NamedTuple):
    """Where the messages of a shard came from.

    Attributes:
        history: How many from the history, equal to the stored ones.
        log: How many from the log, because they never were in a topic, or were driven again.
        absent: What the history does not have, by partition.
        replayable_from: The first event that this run looked at from which on the history has
            everything; None where it lacks the last one, or not all were looked at.
    """

    history: int
    log: int
    absent: Sequence[Absent]
    replayable_from: int | None


class Messages:
    """The messages of one shard, for a replay."""

    def __init__(self, history: History | None, *, stored_where_missing: bool) -> None:
        """Count from nothing.

        Args:
            history: None: the log alone.
            stored_where_missing: Take the log's bytes for what the history does not have.
        """
        self._history = history
        self._stored_where_missing = stored_where_missing
        self._from_history = 0
        self._from_log = 0
        self._absent: dict[Partition, Absent] = {}
        self._first: int | None = None
        self._last = 0

    def submitted(self, events: Sequence[StoredEvent]) -> tuple[list[Submitted], Difference | None]:
        """The messages of a batch, up to the first that is another or missing; and that one."""
        if self._history is None:
            return [(stored, arrival_of(stored)) for stored in events], None
        found = self._asked(self._history, events)
        submitted: list[Submitted] = []
        for stored in events:
            self._saw(stored)
            if not moves_offset(stored):
                self._from_log += 1
                submitted.append((stored, arrival_of(stored)))
                continue
            delivered, different = found.get(stored.sequence, (None, None))
            if different is not None:
                self._last = 0
                return submitted, different
            if delivered is None:
                absent = self._note(self._history, stored)
                if not self._stored_where_missing:
                    return submitted, absent
                delivered = stored, arrival_of(stored)
            else:
                self._from_history += 1
            submitted.append(delivered)
        return submitted, None

    def look_over(self, events: Iterable[StoredEvent]) -> None:
        """Note which of these events the history does not have, by the ends of its partitions."""
        history = self._history
        if history is None:
            return
        for stored in events:
            self._saw(stored)
            if moves_offset(stored):
                held = history.held(stored.source, stored.partition)
                if not held.first <= stored.offset < held.end:
                    self._note(history, stored)

    def origins(self, last: int) -> Origins | None:
        """What was counted; None without a history. `last` is the shard's last event."""
        if self._history is None:
            return None
        absent = sorted(self._absent.values(), key=lambda one: one.first_event)
        begin = max([one.last_event + 1 for one in absent], default=self._first)
        if begin is None or begin > last or self._last != last:
            begin = None
        return Origins(self._from_history, self._from_log, absent, begin)

    def _saw(self, stored: StoredEvent) -> None:
        if self._first is None:
            self._first = stored.sequence
        self._last = stored.sequence

    def _asked(
        self, history: History, events: Sequence[StoredEvent]
    ) -> Mapping[int, tuple[Submitted | None, Difference | None]]:
        """By sequence: what the history has for it, and how that differs."""
        wanted: dict[Partition, dict[int, StoredEvent]] = defaultdict(dict)
        for stored in events:
            if moves_offset(stored):
                wanted[stored.source, stored.partition][stored.offset] = stored
        found: dict[int, tuple[Submitted | None, Difference | None]] = {}
        for (source, partition), by_offset in wanted.items():
            for message in history.messages(source, partition, sorted(by_offset)):
                stored = by_offset[message.offset]
                different = different_message(stored, message)
                submitted = None if different else (stored, arrival_of(stored, message))
                found[stored.sequence] = submitted, different
        return found

    def _note(self, history: History, stored: StoredEvent) -> Difference:
        place = (stored.source, stored.partition)
        held = history.held(*place)
        at, offset = stored.sequence, stored.offset
        known = self._absent.get(place)
        if known is None:
            known = Absent(*place, 0, at, at, offset, offset, held)
        self._absent[place] = known._replace(
            events=known.events + 1, last_event=at, last_offset=offset
        )
        found = f"nothing; {held}"
        where = Place(stored.source.topic, stored.partition, offset)
        return Difference(at, ABSENT, f"{len(stored.raw)} bytes", found, place=where)
