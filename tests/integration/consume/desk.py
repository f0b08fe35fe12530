"""A test's own topics, a producer for them, and the books that they end in."""

import json
from collections.abc import Iterable
from types import TracebackType
from typing import NamedTuple, Self

from kafka import KafkaConsumer, TopicPartition

from consumers import admin, clients
from consumers.run import Progress, run
from consumers.settings import RunSettings
from consumers.topics import DEAD_LETTERS, name, role_of
from ledger.ports import StoredEvent
from ledger.store.log.memory import MemoryLog

Event = dict[str, object]

START_MS = 1_704_067_200_000
"""2024-01-01T00:00:00Z."""

_POOL: Event = {
    "kind": "pool",
    "settlement_asset": "USDT",
    "scale": 6,
    "liquidation": "off",
    "penalty_rate": "0",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "pro_rata",
    "loss_policy": "open",
}
_INSTRUMENT: Event = {
    "kind": "instrument",
    "instrument": "BTC-PERP",
    "type": "linear",
    "multiplier": "1",
    "price_scale": 2,
    "quantity_scale": 3,
    "expiry": None,
    "tiers": [
        {
            "notional_cap": None,
            "initial_rate": "0.1",
            "maintenance_rate": "0.05",
            "maintenance_amount": "0",
        }
    ],
}


class Broker(NamedTuple):
    """A running broker; `name` is `embedded` or `apache`."""

    name: str
    bootstrap_servers: str


class Letter(NamedTuple):
    """A dead letter as it was read back."""

    key: bytes
    value: bytes
    headers: dict[str, str]


def event(event_id: str, kind: str, *, pool: str = "main", **fields: object) -> Event:
    """A wire event at the start of 2024."""
    common = {"event_id": event_id, "pool": pool, "occurred_at": "2024-01-01T00:00:00Z"}
    return {"kind": kind, **common, **fields}


def trade(event_id: str, *, pool: str = "main", **changes: object) -> Event:
    """Alice buys one contract at 100 from Bob, without fees."""
    fields: Event = {
        "instrument": "BTC-PERP",
        "price": "100",
        "quantity": "1",
        "buyer": "alice",
        "seller": "bob",
        "buyer_fee": "0",
        "seller_fee": "0",
    }
    return event(event_id, "trade", pool=pool, **(fields | changes))


def opening(pool: str = "main") -> list[Event]:
    """A pool, an instrument, Alice and Bob with 1000 each."""
    events = [event("pool", pool=pool, **_POOL), event("btc", pool=pool, **_INSTRUMENT)]  # type: ignore[arg-type]
    for account in ("alice", "bob"):
        events.append(
            event(f"a-{account}", "account", pool=pool, account=account, margin_mode="cross")
        )
        money = {"account": account, "asset": "USDT", "amount": "1000"}
        events.append(event(f"d-{account}", "deposit", pool=pool, **money))
    return events


class Desk:
    """What a test works with.

    Attributes:
        settings: Of a run that ends when the topics are drained.
        log: The books; they outlive a run.
    """

    def __init__(self, broker: Broker, prefix: str, partitions: int) -> None:
        """Make the topics."""
        self.broker = broker
        self.log = MemoryLog()
        self.settings = RunSettings(
            broker.bootstrap_servers,
            prefix=prefix,
            drain=True,
            request_timeout_ms=10_000,
            sources_check_ms=300,
        )
        admin.create_topics(self.settings, partitions)
        self._producer = clients.producer(self.settings)

    def send(self, *events: Event, at_ms: int = START_MS, partition: int | None = None) -> None:
        """Produce events to the topics of their kinds, keyed by pool."""
        for each in events:
            role = role_of(str(each["kind"])) or "trades"
            value = json.dumps(each).encode()
            self.put(role, value, key=str(each["pool"]), at_ms=at_ms, partition=partition)

    def send_soon(self, each: Event) -> None:
        """Produce an event without waiting for the broker."""
        self._producer.send(
            name(self.settings.prefix, role_of(str(each["kind"])) or "trades"),
            key=str(each["pool"]).encode(),
            value=json.dumps(each).encode(),
            timestamp_ms=START_MS,
        )

    def wait_sent(self) -> None:
        """Wait until the broker has all that was sent."""
        self._producer.flush(10)

    def put(
        self,
        role: str,
        value: bytes,
        *,
        key: str | None = "main",
        at_ms: int = START_MS,
        partition: int | None = None,
    ) -> None:
        """Produce any bytes."""
        self._producer.send(
            name(self.settings.prefix, role),
            key=None if key is None else key.encode(),
            value=value,
            timestamp_ms=at_ms,
            partition=partition,
        ).get(10)

    def run(self, **changes: object) -> Progress:
        """Consume until everything is applied."""
        return run(self.settings._replace(**changes), self.log.reopen)  # type: ignore[arg-type]

    def rows(self, shard: str = "main") -> list[StoredEvent]:
        """All events of a shard."""
        for known in self.log.shards():
            if known.name == shard:
                return list(self.log.events(known.shard, 1))
        return []

    def refusals(self, shard: str = "main") -> list[str | None]:
        """Codes of the refused events of a shard, in order."""
        return [row.rejection for row in self.rows(shard) if row.rejection is not None]

    def balance(self, owner: str, kind: str, pool: str = "main") -> int:
        """Of the owner's accounts of a kind together, in smallest units."""
        (shard,) = [known for known in self.log.shards() if known.name == pool]
        numbers = [
            opened.account
            for opened in self.log.accounts(shard.shard)
            if opened.owner == owner and opened.kind == kind
        ]
        postings = self.log.postings(shard.shard, 1, shard.next_sequence)
        return sum(posting[4] for _, _, posting in postings if posting[0] in numbers)

    def letters(self) -> list[Letter]:
        """All dead letters."""
        place = TopicPartition(name(self.settings.prefix, DEAD_LETTERS), 0)
        reader = clients.consumer(self.settings)
        try:
            reader.assign([place])
            reader.seek(place, 0)
            return list(_read(reader, place))
        finally:
            reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        clients.retire(self._producer, 10)


def _read(reader: KafkaConsumer, place: TopicPartition) -> Iterable[Letter]:
    while records := reader.poll(1000).get(place):
        for record in records:
            headers = {key: text.decode() for key, text in record.headers}
            yield Letter(record.key, record.value, headers)
