"""Books rebuilt from the bytes that Kafka still holds, in the order of the log."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from kafka import TopicPartition
from typer.testing import CliRunner

from consumers import admin, clients
from consumers.history import KafkaHistory
from consumers.run import run
from consumers.sources import Sources
from consumers.topics import name
from ledger.audit.replay.comparison import Place
from ledger.audit.replay.replay import Replayed, replay
from ledger.cli import app
from ledger.errors import ConfigurationError
from ledger.ports import Message, Source
from ledger.store import embedded
from ledger.store.audit.archive import StoredBooks
from ledger.store.log.postgres import PostgresLog
from ledger.store.log.refusals import refusals
from ledger.writer import Writer
from tests.integration.consume.desk import START_MS, Desk, event, opening, trade
from tests.integration.varied_books import fresh

APACHE_ONLY = pytest.mark.parametrize(
    "broker",
    [pytest.param("apache", marks=[pytest.mark.kafka, pytest.mark.timeout(600)])],
    indirect=True,
)

FROM_TOPICS = {"main": 23, "coin": 13, "@unrouted/0": 4}
"""Messages of each shard that came from topics and were not duplicates."""

NEVER_IN_TOPICS = {"main": 2, "coin": 0, "@unrouted/0": 0}
"""From a file, and driven again."""


def consume(desk: Desk, url: str) -> None:
    run(desk.settings, lambda: PostgresLog.connect(url, "test"))


def live(desk: Desk, url: str) -> None:
    """Two pools on one partition, refusals of all layers, a duplicate, a file, a redrive."""
    price = {"instrument": "BTC-PERP", "mark_price": "101"}
    desk.send(*opening(), *opening("coin"))
    for number in range(14):
        desk.send(trade(f"t{number}"), at_ms=START_MS + number)
        if number % 2:
            desk.send(trade(f"t{number}", pool="coin"), at_ms=START_MS + number)
    desk.send(trade("t3"), trade("t4", quantity="2"), trade("wrong", price="1.001"))
    desk.send(event("p1", "price", **price), at_ms=START_MS + 5)
    desk.put("trades", b"\xff\xfe")
    desk.put("trades", b"")
    desk.put("trades", json.dumps(trade("keyless")).encode(), key=None)
    desk.send(trade("large") | {"padding": "x" * (1024 * 1024)})
    consume(desk, url)
    log = PostgresLog.connect(url, "test")
    writer = Writer(log)
    file = Source("file", "f.jsonl", "f.jsonl")
    writer.take([Message(file, 0, 1, 0, None, json.dumps(trade("filed")).encode())])
    writer.redrive(list(refusals(log, "main", ["too_many_decimals"], [])))
    writer.close()


@pytest.fixture
def books(desk: Desk, database_url: str) -> str:
    """A database whose events stand in the topics of the desk."""
    live(desk, database_url)
    return database_url


@pytest.fixture
def rebuilt(
    desk: Desk, books: str, postgres: embedded.Embedded
) -> Callable[..., dict[str, Replayed]]:
    """Replays the books from Kafka into a database of their own; the outcome by shard."""

    def replayed(**how: int | str | bool) -> dict[str, Replayed]:
        source = StoredBooks.connect(books, "test")
        with fresh(postgres, "from_kafka") as into, KafkaHistory(desk.settings) as history:
            found = replay(
                source,
                lambda: PostgresLog.connect(into, "test"),
                history=history,
                **how,  # type: ignore[arg-type]
            )
            if all(one.is_equal for one in found):
                assert bytes_of(into) == bytes_of(books)
        source.close()
        return {one.pool: one for one in found}

    return replayed


def bytes_of(url: str) -> list[tuple[object, ...]]:
    """What the chain of each shard ends with, and the bytes of its events."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT name, n.chain, e.sequence, e.raw, e.leaf FROM ledger.shard n"
            " JOIN ledger.event e USING (shard) ORDER BY name, e.sequence"
        ).fetchall()


def change(url: str, statement: str) -> int:
    """A change as a superuser makes it; the sequence of the row."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE ledger.event DISABLE TRIGGER ALL")
        row = connection.execute(f"{statement} RETURNING sequence".encode()).fetchone()
        assert row is not None
        return int(row[0])


def test_the_topics_lead_to_the_same_books_for_any_batch(
    rebuilt: Callable[..., dict[str, Replayed]],
) -> None:
    hashes = set()
    for batch in (1, 7, 500, 10_000):
        found = rebuilt(batch=batch, restart_every=5 if batch == 7 else None)
        assert {pool: one.difference for pool, one in found.items()} == dict.fromkeys(found)
        assert all(one.is_equal for one in found.values())
        origins = {pool: one.origins for pool, one in found.items() if one.origins is not None}
        assert {pool: one.history for pool, one in origins.items()} == FROM_TOPICS
        assert {pool: one.log for pool, one in origins.items()} == NEVER_IN_TOPICS
        assert {one.replayable_from for one in origins.values()} == {1}
        hashes.add(tuple((pool, one.state_hash) for pool, one in found.items()))
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("column", "value", "field", "found"),
    [
        ("raw", "overlay(raw PLACING '9' FROM 30)", "raw from byte 17", None),
        ("raw", "raw || ' '", "raw from byte", None),
        ("message_key", "'coin'", "key", b"main"),
        ("timestamp_ms", "timestamp_ms + 1", "timestamp_ms", START_MS + 3),
    ],
)
def test_what_the_log_has_otherwise_than_kafka_is_named_with_its_place(
    desk: Desk,
    books: str,
    rebuilt: Callable[..., dict[str, Replayed]],
    column: str,
    value: str,
    field: str,
    found: object,
) -> None:
    topic = name(desk.settings.prefix, "trades")
    at = change(
        books,
        f"UPDATE ledger.event SET {column} = {value} WHERE event_id = 't3'"
        " AND shard = (SELECT shard FROM ledger.shard WHERE name = 'main')",
    )
    for batch in (1, 500):
        outcome = rebuilt(batch=batch)
        different = outcome["main"].difference
        assert different is not None
        assert (different.sequence, different.place) == (at, Place(topic, 0, 4))
        assert different.field.startswith(field)
        assert different.stored != different.rebuilt
        if found is not None:
            assert different.rebuilt == found
        assert not outcome["main"].is_equal
        assert outcome["main"].events == at - 1
        assert outcome["coin"].is_equal


def test_a_topic_that_was_cut_is_named_and_the_log_can_stand_in(
    desk: Desk, books: str, rebuilt: Callable[..., dict[str, Replayed]]
) -> None:
    prices = Sources(desk.settings).by_rank[2]
    event_of_none = event("p2", "price", instrument="BTC-PERP", mark_price="102")
    value = json.dumps(event_of_none).encode()
    writer = Writer(PostgresLog.connect(books, "test"))
    writer.take([Message(prices, 0, 1, START_MS, b"main", value)])
    writer.close()
    found = rebuilt()["main"]
    assert found.difference is not None
    last = FROM_TOPICS["main"] + NEVER_IN_TOPICS["main"] + 1
    assert (found.difference.sequence, found.difference.field) == (last, "message")
    assert found.difference.place == Place(prices.topic, 0, 1)
    assert "nothing; it holds 0 to 0" in str(found.difference)
    assert found.events == last - 1
    assert found.origins is not None
    assert found.origins.replayable_from is None
    found = rebuilt(stored_where_missing=True)["main"]
    assert found.is_equal
    assert found.origins is not None
    assert found.origins.history == FROM_TOPICS["main"]
    (absent,) = found.origins.absent
    assert (absent.events, absent.first_offset, absent.first_event) == (1, 1, last)


def test_a_topic_that_was_made_again_is_another_one(
    desk: Desk, rebuilt: Callable[..., dict[str, Replayed]]
) -> None:
    client = clients.admin(desk.settings)
    client.delete_topics([name(desk.settings.prefix, "prices")])
    until = time.monotonic() + 10
    while len(admin.describe(desk.settings).partitions) > 5:
        assert time.monotonic() < until
        time.sleep(0.05)
    client.close()
    found = rebuilt()["main"]
    assert "has no topic" in str(found.difference)
    admin.create_topics(desk.settings, 1)
    desk.send(event("p1", "price", instrument="BTC-PERP", mark_price="101"), at_ms=START_MS + 5)
    found = rebuilt()["main"]
    assert "made again" in str(found.difference)
    assert found.origins is not None
    (absent,) = found.origins.absent
    assert (absent.events, absent.first_event) == (1, absent.last_event)
    assert found.origins.replayable_from == absent.last_event + 1
    assert all(one.is_equal for one in rebuilt(stored_where_missing=True).values())


@APACHE_ONLY
def test_retention_is_told_with_where_kafka_goes_on(
    desk: Desk, books: str, rebuilt: Callable[..., dict[str, Replayed]]
) -> None:
    topic = name(desk.settings.prefix, "trades")
    client = clients.admin(desk.settings)
    client.delete_records({TopicPartition(topic, 0): 7})
    client.close()
    with psycopg.connect(books) as connection:
        gone = connection.execute(
            "SELECT min(sequence), max(sequence), count(*) FROM ledger.event"
            " JOIN ledger.source USING (source) JOIN ledger.shard USING (shard)"
            ' WHERE topic = %s AND "offset" < 7 AND name = %s',
            (topic, "main"),
        ).fetchone()
    assert gone is not None
    first, last, count = gone
    found = rebuilt()["main"]
    assert found.difference is not None
    assert (found.difference.sequence, found.difference.place) == (first, Place(topic, 0, 0))
    assert found.origins is not None
    assert [absent[2:7] for absent in found.origins.absent] == [(count, first, last, 0, 6)]
    assert found.origins.replayable_from == last + 1
    outcome = rebuilt(stored_where_missing=True, batch=3)
    assert all(one.is_equal for one in outcome.values())
    origins = outcome["main"].origins
    assert origins is not None
    assert (origins.history, origins.absent[0].events) == (FROM_TOPICS["main"] - count, count)


@APACHE_ONLY
def test_what_is_deleted_while_it_is_read_is_not_there(desk: Desk) -> None:
    desk.send(*(trade(f"t{number}") for number in range(10)))
    source = next(one for one in Sources(desk.settings).by_rank if one.topic.endswith("trades"))
    with KafkaHistory(desk.settings) as history:
        assert (history.held(source, 0).first, history.held(source, 0).end) == (0, 10)
        client = clients.admin(desk.settings)
        client.delete_records({TopicPartition(source.topic, 0): 4})
        client.close()
        assert [one.offset for one in history.messages(source, 0, [1, 2, 6])] == [6]
        assert history.held(source, 0).first == 4


def test_a_history_answers_in_any_order_of_questions(desk: Desk) -> None:
    desk.send(*(trade(f"t{number}") for number in range(10)))
    source = next(one for one in Sources(desk.settings).by_rank if one.topic.endswith("trades"))
    with KafkaHistory(desk.settings) as history:
        for wanted in ([3, 4, 9], [0, 9], [5], [5], [9, 10, 99]):
            found = list(history.messages(source, 0, wanted))
            assert [one.offset for one in found] == [each for each in wanted if each < 10]
            said = [json.loads(one.value)["event_id"] for one in found]
            assert said == [f"t{one.offset}" for one in found]
        assert list(history.messages(source._replace(cluster="other"), 0, [1])) == []
        assert "other" in str(history.held(source._replace(cluster="other"), 0))
        assert "has 1 partitions" in str(history.held(source, 3))


def test_the_command_replays_from_kafka(
    desk: Desk, books: str, postgres: embedded.Embedded, tmp_path: Path
) -> None:
    servers = desk.settings.bootstrap_servers
    words = ["replay", "--from-kafka", "--kafka", servers, "--from-database", books, "--into"]
    with fresh(postgres, "kafka_again") as into:
        done = CliRunner().invoke(app, [*words, into])
        assert done.exit_code == 0, (done.output, done.exception)
        assert "  23 messages from Kafka, as they are stored; 2 that" in done.stdout
    at = change(
        books, "UPDATE ledger.event SET raw = 'x' WHERE event_id = 'p1' AND rejection IS NULL"
    )
    with fresh(postgres, "kafka_again") as into:
        told = CliRunner().invoke(app, [*words, into, "--json"])
        assert told.exit_code == 1
        pools = {pool["pool"]: pool for pool in json.loads(told.stdout)["pools"]}
        different = pools["main"]["difference"]
        topic = name(desk.settings.prefix, "prices")
        assert different["sequence"] == at
        assert different["place"] == {"topic": topic, "partition": 0, "offset": 0}
        assert different["stored"] == b"x".hex()
        assert pools["coin"]["messages"]["from_kafka"] == FROM_TOPICS["coin"]
    alone = ["replay", "--from-database", books, "--into", str(tmp_path), "--stored-where-missing"]
    assert isinstance(CliRunner().invoke(app, alone).exception, ConfigurationError)
