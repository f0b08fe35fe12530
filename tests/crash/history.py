"""The histories of the rounds: leveraged books with defaults, refusals of many kinds, duplicates.

Rules of this file:

* Same seed, same messages. Timestamps rise strictly over all topics, and everything is produced
  before the first reader starts, so there is one order that a right merge can choose.
* Each pool is declared by its first message, so that its shard sees every topic from the start.
"""

import json
import random
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

from kafka import KafkaProducer

from consumers.admin import describe
from consumers.settings import RunSettings
from consumers.topics import name, role_of, roles
from ledger.ports import Message, Source
from ledger.store.log.memory import MemoryLog
from ledger.writer import Writer
from tests.integration.leveraged_books import Books
from tests.integration.test_margin_views import inventory

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

_CHUNK = 40
_ODD_EVERY = 12

Content = dict[str, object]


class Sent(NamedTuple):
    """A message to be produced; the partition is murmur2 of the key."""

    role: str
    key: bytes
    timestamp_ms: int
    value: bytes


def history(seed: int, pools: Sequence[str], events: int) -> list[Sent]:
    """The messages of a round, in the order of their time.

    Args:
        seed: Of everything.
        pools: Their names.
        events: Of each pool, after its beginning.
    """
    chance = random.Random(seed)
    lanes = [_pool_history(chance.randrange(1_000_000), pool, events) for pool in pools]
    moments = count(START_MS)
    sent = []
    while lanes:
        lane = chance.choice(lanes)
        message = next(lane, None)
        if message is None:
            lanes.remove(lane)
        else:
            sent.append(message._replace(timestamp_ms=next(moments)))
    return sent


def trades(pools: Sequence[str], events: int, start_ms: int) -> list[Sent]:
    """Plain trades to and fro, so many of each pool, after `history` has listed who trades what.

    Args:
        pools: Taken in turn.
        events: Of each pool.
        start_ms: Time of the first; each has a millisecond of its own.
    """
    sent = []
    for number in range(events * len(pools)):
        pool, turn = pools[number % len(pools)], number // len(pools)
        buyer, seller = ("ada", "ben") if turn % 2 else ("ben", "ada")
        content: Content = {
            "kind": "trade",
            "event_id": f"trade-{start_ms}-{number}",
            "pool": pool,
            "occurred_at": "2026-01-03T00:00:00Z",
            "instrument": "LIN-A",
            "price": "100",
            "quantity": "1",
            "buyer": buyer,
            "seller": seller,
            "buyer_fee": "0.01",
            "seller_fee": "0",
        }
        value = json.dumps(content).encode()
        sent.append(Sent("trades", pool.encode(), start_ms + number, value))
    return sent


def produce(producer: KafkaProducer, settings: RunSettings, sent: Sequence[Sent]) -> list[Message]:
    """Send all of it; returns the messages as a reader will find them, in the order of time."""
    found = describe(settings)
    sources = {
        role: Source(found.cluster, found.topic_ids[topic], topic)
        for topic, role in roles(settings.prefix).items()
    }
    acknowledged = [
        producer.send(
            name(settings.prefix, each.role),
            key=each.key,
            value=each.value,
            timestamp_ms=each.timestamp_ms,
        )
        for each in sent
    ]
    producer.flush(60)
    messages = []
    for each, future in zip(sent, acknowledged, strict=True):
        placed = future.get(60)
        where = (sources[each.role], placed.partition, placed.offset, each.timestamp_ms)
        messages.append(Message(*where, each.key, each.value))
    return messages


def _pool_history(seed: int, pool: str, events: int) -> Iterator[Sent]:
    """A pool's beginning and its events, with something odd now and then."""
    chance = random.Random(seed)
    books, writer = Books(seed), Writer(MemoryLog())
    first = books.beginning()
    for message in first:
        yield _sent(pool, message)
    writer.take(first)
    known = [*first]
    for number in range(0, events, _CHUNK):
        books.inventory = inventory(writer.state("main"))
        chunk = books.messages(min(_CHUNK, events - number))
        writer.take(chunk)
        for message in chunk:
            known.append(message)
            yield _sent(pool, message)
            if chance.random() < 1 / _ODD_EVERY:
                yield _odd(chance, pool, chance.choice(known))


def _sent(pool: str, message: Message, **changes: object) -> Sent:
    content = json.loads(message.value) | {"pool": pool} | changes
    role = role_of(str(content["kind"])) or "trades"
    return Sent(role, pool.encode(), 0, json.dumps(content).encode())


def _odd(chance: random.Random, pool: str, known: Message) -> Sent:
    """A message that is passed over, counted or refused."""
    again = _sent(pool, known)
    astray = _sent(f"not-{pool}", known, event_id=f"astray-{chance.random()}")
    return chance.choice(
        (
            again,
            _sent(pool, known, occurred_at="2026-01-02T00:00:00Z"),
            again._replace(value=b"{no json"),
            again._replace(role="funding" if again.role != "funding" else "trades"),
            _sent(pool, known, event_id=f"unknown-{chance.random()}", kind="zap"),
            astray._replace(key=pool.encode()),
        )
    )
