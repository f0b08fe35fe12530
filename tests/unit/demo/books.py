"""The other side of the simulated exchange in memory: a writer, its log, its records as read."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import count

from ledger.codec.records import encode_body
from ledger.demo.exchange import Exchange
from ledger.demo.records import Published
from ledger.demo.wire import WireMessage
from ledger.ports import Message, Source
from ledger.store.log.memory import MemoryLog
from ledger.writer import Writer

ROLES = ("reference", "transfers", "trades", "funding", "prices")
BATCH = 1_000
_CLUSTERS = count()
"""As with the embedded broker, every start is another one."""


class Books:
    """Keeps what `ledger.demo.play.Ledger` asks for; counts what became of messages.

    Args:
        log: Books to go on with; None: empty ones.
    """

    def __init__(self, log: MemoryLog | None = None) -> None:
        self.log = log or MemoryLog()
        self.writer = Writer(self.log, roles={f"demo.{role}": role for role in ROLES})
        self.applied = 0
        self.duplicates = 0
        self.refused: Counter[str] = Counter()
        self._cluster = f"cluster-{next(_CLUSTERS)}"
        self._offsets: Counter[str] = Counter()
        self._read: Counter[str] = Counter()

    def clear(self, messages: Sequence[WireMessage]) -> list[Published]:
        self.take(messages)
        return self.new_records()

    def take(self, messages: Sequence[WireMessage]) -> None:
        delivered = [self._delivered(message) for message in messages]
        for start in range(0, len(delivered), BATCH):
            taken = self.writer.take(delivered[start : start + BATCH])
            self.applied += taken.applied
            self.duplicates += taken.duplicates
            self.refused.update(each.code for each in taken.refused)

    def new_records(self) -> list[Published]:
        """Those that were not asked for before, pool by pool."""
        found = []
        for shard in sorted(self.log.shards(), key=lambda each: each.name):
            if shard.name.startswith("@"):
                continue
            last = shard.next_sequence - 1
            first = self._read[shard.name] + 1
            ids = {each.sequence: each.event_id for each in self.log.events(shard.shard, first)}
            for sequence, line, record in self.log.records(shard.shard, first, last):
                body = json.loads(encode_body(record.body))
                found.append(
                    Published(
                        shard.name,
                        sequence,
                        line,
                        record.kind,
                        record.subject,
                        ids[sequence] or "",
                        body,
                    )
                )
            self._read[shard.name] = last
        return found

    def known(self, pool: str, event_ids: Sequence[str]) -> set[str]:
        return {
            event_id
            for shard in self.log.shards()
            if shard.name == pool
            for event_id in self.log.identities(shard.shard, event_ids)
        }

    def _delivered(self, message: WireMessage) -> Message:
        role = message.role
        offset = self._offsets[role]
        self._offsets[role] += 1
        source = Source(self._cluster, role, f"demo.{role}")
        return Message(source, 0, offset, message.timestamp_ms, message.key, message.value)


def played(exchange: Exchange, events: int, books: Books) -> list[WireMessage]:
    """A whole day, answers included; returns all messages."""
    sent: list[WireMessage] = []
    exchange.begin_day(events)
    answers: Sequence[WireMessage] = ()
    while slot := exchange.slot():
        messages = [*answers, *slot]
        sent += messages
        answers = exchange.answer(books.clear(messages))
    return sent
