"""Books with every way that a message can end, for tests of replays and archives.

A leveraged pool with defaults, from a file and from topics; refusals of every layer, duplicates,
conflicts, redrives, busts, a message too large, a second pool declared late, two versions of rules.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from ledger.audit.proofs.sealing import Sealer
from ledger.audit.proofs.signing import signer
from ledger.core.machine import RULES_VERSION
from ledger.ports import Message, Source
from ledger.store import embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.log.refusals import refusals
from ledger.writer import Writer
from tests.conftest import url_of
from tests.integration.leveraged_books import Books
from tests.integration.test_margin_views import inventory

LEAF_EVENTS = 100
"""Events of a partition: the history has several."""

SEED = 204
"""Of a pool that liquidates, deleverages and socializes."""

ROLES = {f"clearing.{role}": role for role in ("reference", "transfers", "trades", "prices")}
TRANSFERS = Source("kafka-1", "id-transfers", "clearing.transfers")
TRADES = Source("kafka-1", "id-trades", "clearing.trades")
LATE = {
    "kind": "pool",
    "settlement_asset": "USD",
    "scale": 2,
    "liquidation": "off",
    "penalty_rate": "0",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "bitmex",
    "loss_policy": "open",
}
DEPOSIT = {"kind": "deposit", "account": "ada", "asset": "USD", "amount": "12.5"}

TRADE = {
    "kind": "trade",
    "instrument": "LIN-B",
    "price": "25000",
    "quantity": "0.01",
    "buyer": "fay",
    "seller": "gus",
    "buyer_fee": "0",
    "seller_fee": "0",
}
BUST = {"kind": "trade_bust", "reason": "error"}


@contextmanager
def fresh(server: embedded.Embedded, name: str) -> Iterator[str]:
    """A migrated database of this name, empty."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template")
        yield url_of(server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Topics:
    """Counts offsets as producers do."""

    def __init__(self) -> None:
        self._ends: dict[tuple[Source, int], int] = {}

    def message(
        self, content: Mapping[str, object] | bytes, key: bytes | None = b"main", **where: object
    ) -> Message:
        """The next message of a partition."""
        source, partition = where.get("source", TRANSFERS), where.get("partition", 0)
        assert isinstance(source, Source)
        assert isinstance(partition, int)
        offset = self._ends.get((source, partition), 7)
        self._ends[source, partition] = offset + 1
        value = content if isinstance(content, bytes) else json.dumps(content).encode()
        return Message(source, partition, offset, 1_767_225_600_000 + offset, key, value)


def said(event_id: str, content: Mapping[str, object], **fields: object) -> dict[str, object]:
    """A wire event."""
    return {"event_id": event_id, "occurred_at": "2026-01-01T00:10:00Z", **content, **fields}


def live(url: str, *, batches: int = 8) -> None:
    """Write the whole history."""
    log = PostgresLog.connect(url, "test", leaf_events=LEAF_EVENTS)
    books, topics = Books(SEED), Topics()
    writer = Writer(log, roles=ROLES, rules=1, seal=Sealer(signer()))
    writer.take(books.beginning())
    writer.take([topics.message(said("traded", TRADE), source=TRADES)])
    writer.take([topics.message(said("undone", BUST, trade_event_id="traded"), source=TRADES)])
    for number in range(batches):
        books.inventory = inventory(writer.state("main"))
        writer.take(books.messages(30))
        if number == batches // 2:
            writer.keep_states()
            writer.take(refused_messages(topics))
            writer = Writer(log, roles=ROLES, rules=RULES_VERSION, seal=Sealer(signer()))
    writer.take(
        [
            topics.message(said("late-pool", LATE, pool="late"), b"late", partition=1),
            topics.message(said("x-1", DEPOSIT, pool="late"), b"late", partition=1),
            topics.message(said("k-2", DEPOSIT), b"main", partition=3),
            topics.message(said("undone-late", BUST, trade_event_id="event-97"), source=TRADES),
        ]
    )
    writer.redrive(list(refusals(log, None, [], [])))
    writer.take(topics_after(topics))
    writer.close()


def refused_messages(topics: Topics) -> list[Message]:
    """Messages that end otherwise than by moving money, and some that move it."""
    account = {"kind": "account", "margin_mode": "cross"}
    return [
        topics.message(said("k-1", DEPOSIT)),
        topics.message(said("k-1", DEPOSIT)),
        topics.message(said("k-1", DEPOSIT, amount="13")),
        topics.message(said("k-2", DEPOSIT), None),
        topics.message(said("k-2", DEPOSIT), b"other"),
        topics.message(said("k-3", DEPOSIT, pool="late"), b"late", partition=1),
        topics.message(said("k-4", DEPOSIT, account="zoe")),
        topics.message(said("k-5", DEPOSIT), source=TRADES),
        topics.message(said("k-6", {"kind": "za\x00p"})),
        topics.message(b"\xff\xfe"),
        topics.message(b'{"kind":"deposit","event_id":"\\ud800","pool":"main"}'),
        topics.message(b"[" + b"1," * 600_000 + b"1]"),
        topics.message(said("bad-pool", LATE, pool="worse", scale=99), b"worse", partition=1),
        topics.message(said("zoe", account, account="zoe"), source=TRANSFERS),
        Message(Source("file", "f.jsonl", "f.jsonl"), 0, 1, 0, None, b"no json"),
        Message(
            *(Source("file", "f.jsonl", "f.jsonl"), 0, 2, 0, None),
            json.dumps(said("zoe-2", account, account="zoe")).encode(),
        ),
    ]


def topics_after(topics: Topics) -> list[Message]:
    """A last few, with a duplicate at the end of its partition."""
    return [
        topics.message(said("end-1", DEPOSIT)),
        topics.message(said("end-1", DEPOSIT)),
    ]
