"""The publisher on a topic that fails, is cut, is made anew: nothing skipped, first seen in order.

Further down: what topics and feeds promise, held against memory and PostgreSQL.
"""

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from kafka.partitioner.default import DefaultPartitioner

from consumers import publisher
from consumers.publisher import Published, Publisher, publish
from consumers.records import partition_of
from consumers.settings import RunSettings
from consumers.standing import PROGRESS
from ledger.core.outcome import Record
from ledger.errors import (
    BrokerUnavailable,
    ConfigurationError,
    SourceChanged,
    StoreError,
    TopicMissing,
)
from ledger.ports import Log
from ledger.store.log.feed import Feed, PostgresFeed
from ledger.store.log.memory import MemoryLog
from ledger.store.log.postgres import PostgresLog
from tests.contract.entries import accepted, batch, head, owned
from tests.unit.consumers.feeds import LogFeed, MemoryTopic

SETTINGS = RunSettings("nowhere:0", drain=True)


def grow(log: Log, pool: str, *lines: int) -> None:
    """Append an event for each number, with so many records."""
    shard = head(log, owned(log, pool))
    part = batch(shard, len(lines))
    records = [
        (shard.next_sequence + index, line, Record("mark", f"I{line}", {"mark_price": "1.50"}))
        for index, count in enumerate(lines)
        for line in range(1, count + 1)
    ]
    log.append([part._replace(records=records)])


def places(log: Log, pool: str) -> list[tuple[int, int]]:
    (shard,) = [known for known in log.shards() if known.name == pool]
    return [(s, line) for s, line, _ in log.records(shard.shard, 1, shard.next_sequence)]


def drain(log: Log, topic: MemoryTopic, **options: object) -> Published:
    return publish(
        SETTINGS,
        lambda: LogFeed(log),
        open_topic=lambda _: topic.reopen(),
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def topic() -> MemoryTopic:
    return MemoryTopic(2)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "CHUNK_RECORDS", 3)
    monkeypatch.setattr(publisher, "backoff_s", lambda _: 0)


def test_a_message_has_pool_place_and_body_and_goes_to_the_partition_of_its_pool(
    log: MemoryLog, topic: MemoryTopic
) -> None:
    grow(log, "main", 1)
    assert drain(log, topic).records == 1
    (sent,) = topic.logs[partition_of("main", 2)]
    assert sent.key == b"main"
    # The batch of the contract tests: event 1 is d-1, one second into 2024.
    assert json.loads(sent.value) == {
        "pool": "main",
        "sequence": 1,
        "line": 1,
        "kind": "mark",
        "subject": "I1",
        "event_id": "d-1",
        "occurred_at": "2024-01-01T00:00:01Z",
        "body": {"mark_price": "1.50"},
    }
    assert sent.value.endswith(b',"body":{"mark_price":"1.50"}}')
    headers = {key: text for key, text in sent.headers if key != PROGRESS}
    place = {"pool": b"main", "sequence": b"1", "line": b"1", "kind": b"mark"}
    assert headers == {**place, "chain": accepted(1).chain.hex().encode()}


@pytest.mark.parametrize("pool", ["main", "coin", "a", "usdt-margined:2026"])
def test_the_partition_is_that_of_the_producers_of_the_source_topics(pool: str) -> None:
    class Cluster:
        def topics(self) -> set[str]:
            return {"t"}

        def partitions_for_topic(self, _: str) -> set[int]:
            return set(range(7))

        available_partitions_for_topic = partitions_for_topic

    key = pool.encode()
    theirs = DefaultPartitioner().partition("t", key, key, None, None, Cluster())
    assert partition_of(pool, 7) == theirs


@pytest.mark.usefixtures("small_chunks")
def test_a_second_publisher_goes_on_where_the_first_stopped(
    log: MemoryLog, topic: MemoryTopic
) -> None:
    grow(log, "main", 2, 0, 3, 0)
    assert drain(log, topic).records == 5
    assert drain(log, topic).records == 0
    grow(log, "main", 1)
    assert drain(log, topic).records == 1
    assert topic.places("main") == places(log, "main")


@pytest.mark.usefixtures("small_chunks")
def test_an_event_with_more_records_than_a_chunk_is_published_whole(
    log: MemoryLog, topic: MemoryTopic
) -> None:
    grow(log, "main", 1, 10, 1)
    assert drain(log, topic).records == 12
    assert topic.places("main") == places(log, "main")


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("seed", range(20))
def test_failures_at_any_place_skip_nothing_and_keep_the_order_of_first_appearance(
    log: MemoryLog, topic: MemoryTopic, seed: int
) -> None:
    chance = random.Random(seed)
    pools = ["main", "coin", "third"]
    for _ in range(60):
        for pool in pools:
            if chance.random() < 0.4:
                grow(log, pool, *(chance.choice([0, 0, 1, 2, 7]) for _ in range(3)))
        topic.fail_after = chance.choice([None, 0, 1, 2, 3])
        with suppress(BrokerUnavailable):
            Publisher(LogFeed(log), topic.reopen()).look()
            life = Publisher(LogFeed(log), topic.reopen())
            life.look()
            for _ in range(chance.randrange(4)):
                life.send_chunk()
    topic.fail_after = None
    drain(log, topic)
    for pool in pools:
        assert topic.places(pool) == places(log, pool), pool


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("seed", range(10))
def test_two_publishers_at_once_skip_nothing(log: MemoryLog, topic: MemoryTopic, seed: int) -> None:
    chance = random.Random(seed)
    grow(log, "main", 1)
    lives = [Publisher(LogFeed(log), topic) for _ in range(2)]
    for _ in range(50):
        grow(log, "main", chance.choice([0, 1, 5]))
        which = chance.randrange(2)
        if chance.random() < 0.2:
            lives[which] = Publisher(LogFeed(log), topic)
        lives[which].look()
        lives[which].send_chunk()
    drain(log, topic)
    assert topic.places("main") == places(log, "main")


def test_a_quiet_pool_is_found_within_a_chunk_of_the_end(
    log: MemoryLog, topic: MemoryTopic
) -> None:
    topic = MemoryTopic(1)
    grow(log, "quiet", 1)
    for _ in range(50):
        grow(log, "busy", *[1] * 10)
        drain(log, topic)
    topic.looked_at = 0
    assert drain(log, topic).records == 0
    assert topic.looked_at == 10


@pytest.mark.usefixtures("small_chunks")
def test_a_topic_that_was_made_anew_gets_everything(log: MemoryLog, topic: MemoryTopic) -> None:
    grow(log, "main", *[1] * 10)
    drain(log, topic)
    topic.make_anew()
    drain(log, topic)
    assert topic.places("main") == places(log, "main")


def test_a_topic_that_is_made_anew_meanwhile_is_noticed(log: MemoryLog, topic: MemoryTopic) -> None:
    grow(log, "main", *[1] * 10)
    life = Publisher(LogFeed(log), topic)
    life.look()
    life.send_chunk()
    topic.make_anew()
    with pytest.raises(SourceChanged):
        life.check()
    grow(log, "main", 1)
    life.look()
    with pytest.raises(SourceChanged, match="had 10 messages and goes on at offset 0"):
        life.send_chunk()
    drain(log, topic)
    every = [dict(each.headers) for each in topic.logs[partition_of("main", 2)]]
    assert {int(headers["sequence"]) for headers in every} == set(range(1, 12))


@pytest.mark.usefixtures("small_chunks")
def test_between_deletion_and_making_anew_a_running_publisher_waits(
    log: MemoryLog, topic: MemoryTopic
) -> None:
    grow(log, "main", *[1] * 4)
    stop = threading.Event()
    looks = iter([True, False, False, True])

    def opened(_: RunSettings) -> MemoryTopic:
        vars(topic).pop("check", None)
        if next(looks):
            return topic.reopen()
        raise TopicMissing("deleted")

    def missing() -> None:
        raise TopicMissing("deleted")

    def note(done: Published) -> None:
        if done.records == 4:
            topic.make_anew()
            vars(topic)["check"] = missing
        if done.records == 8:
            stop.set()

    settings = SETTINGS._replace(drain=False, sources_check_ms=0)
    publish(settings, lambda: LogFeed(log), open_topic=opened, stop=stop, on_chunk=note)
    assert topic.places("main") == places(log, "main")
    assert next(looks, None) is None
    looks = iter([False])
    with pytest.raises(TopicMissing):  # at a start nobody waits
        publish(settings, lambda: LogFeed(log), open_topic=opened)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("lost", range(1, 12))
def test_what_a_cut_topic_lost_is_published_again(
    log: MemoryLog, topic: MemoryTopic, lost: int
) -> None:
    grow(log, "main", *[1] * 11)
    drain(log, topic)
    del topic.logs[partition_of("main", 2)][-lost:]
    drain(log, topic)
    assert topic.places("main") == places(log, "main")


def test_progress_that_stands_where_it_cannot_is_not_believed(
    log: MemoryLog, topic: MemoryTopic
) -> None:
    grow(log, "main", 1)
    drain(log, topic)
    grow(log, "main", 1)
    drain(log, topic)
    (partition,) = [part for part in topic.logs if part]
    del partition[:-1]  # the newest speaks of offset 1, and stands at 0
    drain(log, topic)
    assert [dict(each.headers)["sequence"] for each in partition] == [b"2", b"1", b"2"]
    drain(log, topic)
    assert len(partition) == 3


def test_a_pool_that_comes_later_is_published_from_its_first_record(
    log: MemoryLog, topic: MemoryTopic
) -> None:
    grow(log, "main", 1)
    life = Publisher(LogFeed(log), topic)
    grow(log, "late", 1, 1)
    life.look()
    assert life.behind == 3
    life.send_chunk()
    assert (life.behind, topic.places("late")) == (0, [(1, 1), (2, 1)])


def test_a_start_publishes_again_and_one_pool_alone(log: MemoryLog, topic: MemoryTopic) -> None:
    grow(log, "main", *[1] * 10)
    grow(log, "coin", 1)
    drain(log, topic)
    assert drain(log, topic, only="main", start=8).records == 3
    grow(log, "coin", 1)
    assert drain(log, topic, only="coin").records == 1


@pytest.mark.usefixtures("small_chunks")
def test_a_start_that_would_skip_records_is_refused(log: MemoryLog, topic: MemoryTopic) -> None:
    grow(log, "main", *[1] * 10)
    drain(log, topic)
    with pytest.raises(ConfigurationError, match="ends at sequence 10"):
        drain(log, topic, only="main", start=12)
    del topic.logs[partition_of("main", 2)][:]
    with pytest.raises(ConfigurationError, match="Start from 1 at most"):
        drain(log, topic, only="main", start=5)
    with pytest.raises(ConfigurationError, match="needs a pool"):
        drain(log, topic, start=5)
    with pytest.raises(ConfigurationError, match="not in the books; they have main"):
        drain(log, topic, only="other")


def test_books_that_end_before_the_topic_are_refused_until_told_where_to_go_on(
    log: MemoryLog, topic: MemoryTopic
) -> None:
    grow(log, "main", 1, 1, 1)
    drain(log, topic)
    restored = MemoryLog()
    grow(restored, "main", 1, 1)
    with pytest.raises(StoreError, match="published up to sequence 3, and these books end at 2"):
        drain(restored, topic)
    assert drain(restored, topic, only="main", start=2).records == 1
    grow(restored, "main", 1, 1)
    drain(restored, topic)
    sent = [int(dict(m.headers)["sequence"]) for m in topic.logs[partition_of("main", 2)]]
    assert sent == [1, 2, 3, 2, 3, 4], "the lost 2 and 3, then those that came instead"


def test_events_that_were_detached_unpublished_are_named(
    log: MemoryLog, topic: MemoryTopic
) -> None:
    grow(log, "main", *[1] * 10)
    feed = LogFeed(log)
    feed.held_from = 5

    def follow(**options: object) -> Published:
        return publish(
            SETTINGS,
            lambda: feed,
            open_topic=lambda _: topic,
            **options,  # type: ignore[arg-type]
        )

    with pytest.raises(StoreError, match="up to sequence 0, and the books go on at 5"):
        follow()
    assert follow(only="main", start=5).records == 6


def test_it_follows_the_log_until_stopped(log: MemoryLog, topic: MemoryTopic) -> None:
    grow(log, "main", 1)
    stop = threading.Event()

    def note(done: Published) -> None:
        if done.records >= 5:
            stop.set()
        else:
            grow(log, "main", 1)

    settings = SETTINGS._replace(drain=False)
    publish(settings, lambda: LogFeed(log), open_topic=lambda _: topic, stop=stop, on_chunk=note)
    assert topic.places("main") == places(log, "main")


@pytest.fixture(params=["memory", "postgres"])
def books(request: pytest.FixtureRequest) -> Iterator[tuple[Log, Callable[[], Feed]]]:
    if request.param == "memory":
        log = MemoryLog()
        yield log, lambda: LogFeed(log)
        return
    url: str = request.getfixturevalue("database_url")
    stored = PostgresLog.connect(url, "test", leaf_events=10)
    feed = PostgresFeed.connect(url, "test")
    yield stored, lambda: feed
    feed.close()
    stored.close()


def test_a_feed_tells_heads_of_pools_by_name(books: tuple[Log, Callable[[], Feed]]) -> None:
    log, feed = books
    for name in ("second", "@unrouted/0", "first"):
        log.declare(name, None)
    grow(log, "second", 1, 0)
    assert [(head.pool, head.last) for head in feed().heads()] == [("first", 0), ("second", 2)]


def test_a_feed_pages_through_all_records(books: tuple[Log, Callable[[], Feed]]) -> None:
    log, feed = books
    grow(log, "other", 3)
    grow(log, "main", *[0, 2, 1, 0, 7] * 8)  # over several leaves of ten events
    (at,) = [head for head in feed().heads() if head.pool == "main"]
    for count in (1, 3, 1000):
        found: list[tuple[int, int]] = []
        place = (1, 0)
        while page := feed().records(at.shard, place, at.last, count, 1_000_000):
            found += [record[:2] for record in page]
            place = found[-1]
        assert found == places(log, "main")
    whole = feed().records(at.shard, (1, 0), at.last, 1000, 1_000_000)
    event = ("mark", "I1", "d-2", 1_704_067_202_000_000)
    assert whole[0][2:] == (*event, b'{"mark_price":"1.50"}', accepted(2).chain)
    assert feed().records(at.shard, (1, 0), 2, 1000, 1_000_000) == whole[:2]


def test_a_page_ends_at_the_record_that_reaches_the_bytes(
    books: tuple[Log, Callable[[], Feed]],
) -> None:
    log, feed = books
    grow(log, "main", *[1] * 100)
    (at,) = feed().heads()
    body = len(b'{"mark_price":"1.50"}')
    for size, expected in ((1, 1), (body, 1), (body + 1, 2), (60 * body, 60), (200 * body, 100)):
        assert len(feed().records(at.shard, (1, 0), at.last, 1000, size)) == expected
    assert feed().heads() == [at], "the connection is free again"


def test_a_feed_tells_the_first_event_that_is_held(books: tuple[Log, Callable[[], Feed]]) -> None:
    log, feed = books
    grow(log, "main", 0, 0, 0)
    (at,) = feed().heads()
    assert [feed().first_held(at.shard, s) for s in (1, 3, 4)] == [1, 3, None]


def test_a_feed_tells_the_chain_of_an_event(books: tuple[Log, Callable[[], Feed]]) -> None:
    log, feed = books
    grow(log, "main", 0, 1)
    (at,) = feed().heads()
    assert [feed().chain(at.shard, s) for s in (1, 2, 3)] == [
        *(accepted(1).chain, accepted(2).chain),
        None,
    ]
