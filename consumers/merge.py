"""The merge by time of the topics of one partition number; pure, no Kafka and no clock.

Kafka orders one partition of one topic only. Here the next message is the one with the smallest
(timestamp, rank of its topic) among the heads of all topics. Within a topic, offsets never change
places, even where timestamps go back: a late head goes at once.

A topic that has nothing buffered, but is known to have more (*behind*), may still bring the
smallest, so the merge waits for it, at most `wait_ms` from the moment it was missed. A topic that
is drained delays nobody. The bound holds per stall: once it has run out, the merge goes on without
that topic until it has delivered again or is found drained.

Cost: about 0.05 us a message while one topic has messages; 1 to 2 us where two alternate.
Bounded: by the caller, who stops adding to a lane that is long or heavy (`fullness`).
"""

from collections.abc import Sequence
from operator import itemgetter

from ledger.ports import Message

_VALUE = itemgetter(Message._fields.index("value"))

BUFFER_BYTES_MAX = 16 * 1024 * 1024
"""Of the messages of one topic and partition that wait here; 20,000 of usual size have half."""

_COMPACT_AFTER = 4096


class Merge:
    """The buffers of the topics of one partition number."""

    def __init__(self, topics: int, wait_ms: int) -> None:
        """Start with empty buffers.

        Args:
            topics: How many; a topic's number is its rank, from 0.
            wait_ms: Longest wait for a topic that is behind; 0 waits for none.
        """
        self._lanes = [_Lane() for _ in range(topics)]
        self._wait_ms = wait_ms

    def add(self, rank: int, messages: Sequence[Message]) -> None:
        """Buffer messages of a topic, in the order of their offsets."""
        lane = self._lanes[rank]
        lane.messages += messages
        lane.held_bytes += _bytes_of(messages)
        if messages:
            lane.missed_at = None

    def know(self, rank: int, *, behind: bool) -> None:
        """Note whether a topic has more than what was added so far."""
        lane = self._lanes[rank]
        lane.behind = behind
        if not behind:
            lane.missed_at = None

    def buffered(self, rank: int) -> int:
        """How many messages of a topic wait here."""
        lane = self._lanes[rank]
        return len(lane.messages) - lane.head

    def fullness(self, rank: int, messages_max: int) -> float:
        """How full the buffer of a topic is: 1 at its bound, in messages or in bytes."""
        lane = self._lanes[rank]
        return max(self.buffered(rank) / messages_max, lane.held_bytes / BUFFER_BYTES_MAX)

    def oldest_ms(self, rank: int) -> int | None:
        """Timestamp of the first message of a topic that waits here; None: none does."""
        lane = self._lanes[rank]
        return lane.messages[lane.head].timestamp_ms if lane.rest else None

    def trim(self, rank: int, keep: int) -> int | None:
        """Drop what a topic has beyond so many messages or the bound in bytes, but for the first.

        Returns:
            The offset of the first one dropped.
        """
        lane = self._lanes[rank]
        end, kept = lane.head, 0
        while end < min(lane.head + keep, len(lane.messages)):
            kept += len(lane.messages[end].value)
            if kept > BUFFER_BYTES_MAX and end > lane.head:
                break
            end += 1
        if end >= len(lane.messages):
            return None
        first = lane.messages[end].offset
        lane.held_bytes -= _bytes_of(lane.messages[end:])
        del lane.messages[end:]
        return first

    def any_buffered(self) -> bool:
        """Whether any topic has messages here."""
        return any(lane.rest for lane in self._lanes)

    def behind(self) -> bool:
        """Whether any topic is known to have more than what was added."""
        return any(lane.behind for lane in self._lanes)

    def wait_left_ms(self, now_ms: float) -> float:
        """How long `take` would still give nothing if nothing comes; 0 when it need not wait."""
        waits = [
            self._wait_ms - (now_ms - lane.missed_at)
            for lane in self._lanes
            if lane.missed_at is not None
        ]
        return max(0, *waits) if waits and self.any_buffered() else 0

    def take(self, limit: int, now_ms: float) -> list[Message]:
        """The next messages in order, at most `limit`.

        Args:
            limit: Not negative.
            now_ms: Of a clock that never goes back.
        """
        taken: list[Message] = []
        while len(taken) < limit:
            full = [(lane, rank) for rank, lane in enumerate(self._lanes) if lane.rest]
            if not full or self._must_wait(now_ms):
                break
            room = limit - len(taken)
            if len(full) == 1:
                taken += full[0][0].cut(room)
                continue
            (_, rank, lane), (next_time, next_rank, _) = sorted(
                (lane.messages[lane.head].timestamp_ms, rank, lane) for lane, rank in full
            )[:2]
            last = next_time if rank < next_rank else next_time - 1
            taken += lane.cut_until(last, room)
        return taken

    def _must_wait(self, now_ms: float) -> bool:
        must = False
        for lane in self._lanes:
            if lane.behind and not lane.rest:
                if lane.missed_at is None:
                    lane.missed_at = now_ms
                must |= now_ms - lane.missed_at < self._wait_ms
        return must


def _bytes_of(messages: Sequence[Message]) -> int:
    return sum(map(len, map(_VALUE, messages)))


class _Lane:
    """What is buffered of one topic: `messages` from `head` on."""

    __slots__ = ("behind", "head", "held_bytes", "messages", "missed_at")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.head = 0
        self.held_bytes = 0
        self.behind = False
        self.missed_at: float | None = None

    @property
    def rest(self) -> bool:
        return self.head < len(self.messages)

    def cut(self, limit: int) -> list[Message]:
        """Take up to `limit` messages off the front."""
        end = self.head + limit
        cut = self.messages[self.head : end]
        if end >= len(self.messages):
            self.messages = []
            self.head = self.held_bytes = 0
            return cut
        self.held_bytes -= _bytes_of(cut)
        if end > _COMPACT_AFTER:
            del self.messages[:end]
            self.head = 0
        else:
            self.head = end
        return cut

    def cut_until(self, last_ms: int, limit: int) -> list[Message]:
        """Take messages off the front while they are not later than `last_ms`, up to `limit`."""
        messages = self.messages
        end = self.head
        stop = min(len(messages), end + limit)
        while end < stop and messages[end].timestamp_ms <= last_ms:
            end += 1
        return self.cut(end - self.head)
