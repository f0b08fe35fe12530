"""A feed and a topic in memory, for tests of the publisher; both keep the contracts of the real."""

from collections.abc import Iterator, Mapping, Sequence

from consumers.records import Kept, Outgoing
from ledger.codec.records import encode_body
from ledger.errors import BrokerUnavailable, SourceChanged
from ledger.ports import Log
from ledger.store.log.feed import Head, Recorded


class LogFeed:
    """Records of any log.

    Attributes:
        held_from: Events before this sequence count as detached.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self.held_from = 1

    def heads(self) -> Sequence[Head]:
        found = [Head(s.shard, s.name, s.next_sequence - 1) for s in self._log.shards()]
        return sorted((h for h in found if not h.pool.startswith("@")), key=lambda h: h.pool)

    def first_held(self, shard: int, sequence: int) -> int | None:
        events = self._log.events(shard, max(sequence, self.held_from))
        return next((event.sequence for event in events), None)

    def chain(self, shard: int, sequence: int) -> bytes | None:
        event = self._log.event(shard, sequence)
        return None if event is None or sequence < self.held_from else event.chain

    def records(
        self, shard: int, after: tuple[int, int], last: int, count_max: int, bytes_max: int
    ) -> list[Recorded]:
        page: list[Recorded] = []
        size = 0
        for sequence, line, record in self._log.records(shard, after[0], last):
            if (sequence, line) <= after:
                continue
            event = self._log.event(shard, sequence)
            assert event is not None
            assert event.event_id is not None
            assert event.occurred_at is not None
            body = encode_body(record.body)
            cause = (event.event_id, event.occurred_at)
            kind = (record.kind, record.subject)
            page.append(Recorded(sequence, line, *kind, *cause, body, event.chain))
            size += len(body)
            if len(page) >= count_max or size >= bytes_max:
                break
        return page

    def close(self) -> None:
        pass


class MemoryTopic:
    """A topic that fails when it is told to.

    Attributes:
        logs: Messages by partition, the oldest first.
        fail_after: Of the next `send`, keep this many messages of each partition, then fail.
    """

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.topic_id = "topic-1"
        self.current_id = "topic-1"
        self.logs: list[list[Outgoing]] = [[] for _ in range(partitions)]
        self.fail_after: int | None = None
        self.looked_at = 0

    def ends(self) -> Sequence[int]:
        return [len(log) for log in self.logs]

    def backwards(self, partition: int, end: int) -> Iterator[Kept]:
        for offset in reversed(range(end)):
            self.looked_at += 1
            yield Kept(offset, dict(self.logs[partition][offset].headers))

    def send(self, messages: Sequence[Outgoing]) -> Mapping[int, tuple[int, int]]:
        kept, self.fail_after = self.fail_after, None
        offsets: dict[int, tuple[int, int]] = {}
        sent = dict.fromkeys(range(self.partitions), 0)
        for each in messages:
            if kept is not None and sent[each.partition] >= kept:
                continue
            sent[each.partition] += 1
            self.logs[each.partition].append(each)
            offset = len(self.logs[each.partition]) - 1
            offsets[each.partition] = (offsets.get(each.partition, (offset, 0))[0], offset)
        if kept is not None:
            raise BrokerUnavailable("the connection broke")
        return offsets

    def check(self) -> None:
        if self.topic_id != self.current_id:
            raise SourceChanged("the topic was made anew")

    def make_anew(self) -> None:
        """As a broker does: another id, and nothing in it."""
        self.current_id = f"topic-{int(self.current_id[6:]) + 1}"
        self.logs = [[] for _ in range(self.partitions)]

    def reopen(self) -> "MemoryTopic":
        """What the next publisher finds."""
        self.topic_id = self.current_id
        return self

    def close(self) -> None:
        pass

    def places(self, pool: str) -> list[tuple[int, int]]:
        """(sequence, line) of the pool's messages, in the order of their first appearance."""
        found: dict[tuple[int, int], None] = {}
        for log in self.logs:
            for each in log:
                headers = dict(each.headers)
                if headers["pool"] == pool.encode():
                    found[int(headers["sequence"]), int(headers["line"])] = None
        return list(found)
