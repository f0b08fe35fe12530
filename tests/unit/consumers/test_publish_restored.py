"""Books that were restored to an older state and outgrew the topic are seen by their chain."""

import json

import pytest

from consumers import publisher
from consumers.publisher import Publisher
from consumers.records import Outgoing
from consumers.standing import PROGRESS
from ledger.core.outcome import Record
from ledger.errors import BrokerUnavailable, StoreError
from ledger.store.log.memory import MemoryLog
from tests.contract.entries import accepted, batch, head, owned
from tests.unit.consumers.feeds import LogFeed, MemoryTopic
from tests.unit.consumers.test_publisher import drain


def grow(log: MemoryLog, history: str, *lines: int, pool: str = "main") -> None:
    """Append an event for each number, with so many records; its chain tells the history."""
    shard = head(log, owned(log, pool))
    part = batch(shard, len(lines))
    events = [
        accepted(event.sequence, f"{history}-{pool}-{event.sequence}") for event in part.events
    ]
    records = [
        (event.sequence, line, Record("mark", f"I{line}", {"mark_price": "1.50"}))
        for event, count in zip(events, lines, strict=True)
        for line in range(1, count + 1)
    ]
    log.append([part._replace(events=events, records=records)])


def books(*parts: tuple[str, int]) -> MemoryLog:
    """So many events with one record of each history, one after the other."""
    log = MemoryLog()
    for history, count in parts:
        grow(log, history, *[1] * count)
    return log


def chain(history: str, sequence: int) -> str:
    return accepted(sequence, f"{history}-main-{sequence}").chain.hex()


@pytest.fixture
def topic() -> MemoryTopic:
    return MemoryTopic(1)


@pytest.mark.parametrize("length", [5, 6, 20])
def test_restored_books_that_are_as_long_as_the_topic_or_longer_are_refused(
    topic: MemoryTopic, length: int
) -> None:
    drain(books(("lost", 5)), topic)
    restored = books(("lost", 3), ("new", length - 3))
    with pytest.raises(StoreError) as refused:
        drain(restored, topic)
    told = str(refused.value)
    assert "pool main, sequence 5:" in told
    assert f"has chain {chain('lost', 5)} (found)" in told
    assert f"have {chain('new', 5)} (expected)" in told
    assert "`clearing publish --pool main --from N`" in told
    assert len(topic.logs[0]) == 5, "nothing is sent"


def test_publishing_anew_from_the_first_lost_sequence_mends_it(topic: MemoryTopic) -> None:
    drain(books(("lost", 5)), topic)
    restored = books(("lost", 3), ("new", 4))
    assert drain(restored, topic, only="main", start=4).records == 4
    assert drain(restored, topic).records == 0
    grow(restored, "new", 1)
    assert drain(restored, topic).records == 1
    sent = [dict(each.headers)["chain"].decode() for each in topic.logs[0]]
    lost = [chain("lost", sequence) for sequence in range(1, 6)]
    assert sent == lost + [chain("new", sequence) for sequence in range(4, 9)]


def test_restored_books_that_go_on_as_before_are_published_on(topic: MemoryTopic) -> None:
    drain(books(("same", 5)), topic)
    assert drain(books(("same", 8)), topic).records == 3


def test_a_history_that_parts_at_an_event_without_records_is_seen(topic: MemoryTopic) -> None:
    log = books(("lost", 3))
    grow(log, "lost", 0, 0)
    drain(log, topic)
    grow(log, "other", 1, pool="coin")
    drain(log, topic)  # coin's chunk tells how far main is followed
    restored = books(("lost", 4), ("new", 5))
    with pytest.raises(StoreError, match="pool main, sequence 5:"):
        drain(restored, topic)


def test_a_chunk_that_was_sent_in_part_is_held_against_the_books(
    topic: MemoryTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = books(("lost", 3))
    drain(log, topic)
    grow(log, "lost", 1, 1, 1)
    topic.fail_after = 2
    life = Publisher(LogFeed(log), topic)
    life.look()
    with pytest.raises(BrokerUnavailable):
        life.send_chunk()
    monkeypatch.setattr(publisher, "CHUNK_RECORDS", 1)
    with pytest.raises(StoreError, match="pool main, sequence 5:"):
        drain(books(("lost", 3), ("new", 9)), topic)
    drain(log, topic)
    assert topic.places("main") == [(sequence, 1) for sequence in range(1, 7)]


def test_what_another_pool_tells_of_a_pool_that_was_not_asked_for_stays(
    topic: MemoryTopic,
) -> None:
    log = books(("lost", 3))
    grow(log, "other", 1, pool="coin")
    drain(log, topic)
    restored = books(("lost", 1), ("new", 6))
    grow(restored, "other", 1, 1, pool="coin")
    assert drain(restored, topic, only="coin").records == 1
    with pytest.raises(StoreError, match="pool main, sequence 3:"):
        drain(restored, topic)


def test_records_of_older_publishers_are_believed(topic: MemoryTopic) -> None:
    drain(books(("lost", 5)), topic)
    topic.logs[0] = [without_chain(each) for each in topic.logs[0]]
    restored = books(("lost", 3), ("new", 4))
    assert drain(restored, topic).records == 2
    assert drain(restored, topic).records == 0


def test_an_event_that_was_detached_since_is_believed(topic: MemoryTopic) -> None:
    log = books(("same", 5))
    drain(log, topic)
    feed = LogFeed(log)
    feed.held_from = 6
    Publisher(feed, topic).look()
    grow(log, "same", 1)
    life = Publisher(feed, topic)
    life.look()
    assert life.send_chunk() == 1


def without_chain(sent: Outgoing) -> Outgoing:
    """As a publisher sent it that knew of no chains."""
    headers = dict(sent.headers)
    del headers["chain"]
    if PROGRESS in headers:
        told = json.loads(headers[PROGRESS])
        del told["chains"]
        headers[PROGRESS] = json.dumps(told).encode()
    return sent._replace(headers=list(headers.items()))
