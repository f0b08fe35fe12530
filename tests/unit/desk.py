"""A desk of writers over books in memory, and messages as Kafka or a file delivers them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.arrivals import FILE_CLUSTER
from ledger.codec.decoding import decimal_text
from ledger.core.events import Event
from ledger.core.units import Fixed
from ledger.ports import Message, Shard, Source, StoredEvent
from ledger.store.log.memory import MemoryLog
from ledger.writer import Taken, Writer
from tests.unit.core.building import LINEAR, POOL, TRADE

ROLES = {f"clearing.{role}": role for role in ("reference", "transfers", "trades", "prices")}
"""Topics of the desk; `clearing.other` has no role."""


def topic(role: str) -> Source:
    return Source("kafka-1", f"id-of-{role}", f"clearing.{role}")


REFERENCE, TRANSFERS, TRADES = topic("reference"), topic("transfers"), topic("trades")
FILE = Source(FILE_CLUSTER, "events.jsonl", "events.jsonl")


def said(kind: str, event_id: str, **fields: object) -> bytes:
    """A message as bytes; fields of a pool, an instrument or a trade are filled in."""
    common: dict[str, dict[str, Any]] = {
        "pool": POOL,
        "instrument": {"instrument": "LIN", **LINEAR},
        "trade": TRADE,
        "deposit": {"account": "anna", "asset": "USD", "amount": "100"},
        "withdrawal": {"account": "anna", "asset": "USD", "amount": "100"},
        "trade_bust": {"reason": "error"},
    }
    message = {"kind": kind, "event_id": event_id, "occurred_at": "2026-01-01T00:00:00Z"}
    return json.dumps({**message, **common.get(kind, {}), **fields}).encode()


def wire(event: Event) -> bytes:
    """An event of the core as a message."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event.occurred_at)
    fields = {name: plain(value) for name, value in event.fact._asdict().items()}
    when = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(
        {"kind": event.kind, "event_id": event.event_id, "occurred_at": when, **fields}
    ).encode()


def plain(value: object) -> object:
    if isinstance(value, Fixed):
        return decimal_text(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return value


BEGINNING = [
    said("pool", "r1"),
    said("instrument", "r2"),
    said("account", "r3", account="anna"),
    said("account", "r4", account="ben"),
]


class Desk:
    """Counts offsets like a producer, and hands messages to its writer."""

    def __init__(self, *, partitions: Sequence[int] = (0,), snapshot_events: int = 100_000) -> None:
        self.log = MemoryLog()
        self.partitions = partitions
        self.snapshot_events = snapshot_events
        self.ends: dict[tuple[Source, int], int] = {}
        self.restart()

    def restart(self) -> None:
        """Throw the writer away and start another on the same books."""
        self.writer = self.another()

    def another(self) -> Writer:
        """One more writer that takes the shards over."""
        writer = Writer(self.log.reopen(), roles=ROLES, snapshot_events=self.snapshot_events)
        writer.assign(self.partitions)
        return writer

    def message(
        self,
        value: bytes,
        source: Source = FILE,
        *,
        key: bytes | None = b"main",
        partition: int = 0,
    ) -> Message:
        """The next message of a source."""
        offset = self.ends.get((source, partition), 0)
        self.ends[source, partition] = offset + 1
        return Message(source, partition, offset, 0, None if source == FILE else key, value)

    def take(self, *values: bytes, source: Source = FILE, **how: Any) -> Taken:  # noqa: ANN401 - as `message` takes them
        """One batch."""
        return self.writer.take([self.message(value, source, **how) for value in values])

    def shard(self, name: str = "main") -> Shard:
        return next(shard for shard in self.log.shards() if shard.name == name)

    def rows(self, name: str = "main") -> list[StoredEvent]:
        return list(self.log.events(self.shard(name).shard, 1))

    def fates(self, name: str = "main") -> list[tuple[str | None, str | None]]:
        """Event id and code of refusal of each row."""
        return [(row.event_id, row.rejection) for row in self.rows(name)]

    def posted(self, sequence: int, name: str = "main") -> list[int]:
        shard = self.shard(name).shard
        return [posting[4] for _, _, posting in self.log.postings(shard, sequence, sequence)]
