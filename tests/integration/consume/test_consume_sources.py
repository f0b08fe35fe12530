"""Topics that are not what the books know: refused, with what was found and what to do."""

import threading
import time

import pytest

from consumers import admin, clients
from consumers.run import run
from consumers.sources import Sources
from consumers.topics import name
from ledger.errors import ConfigurationError, SourceChanged
from ledger.ports import Shard, ShardBatch, Source
from ledger.store.log.memory import MemoryLog
from tests.integration.consume.desk import START_MS, Desk, opening, trade


def delete(desk: Desk, *wanted: str) -> None:
    client = clients.admin(desk.settings)
    try:
        client.delete_topics([name(desk.settings.prefix, role) for role in wanted])
        until = time.monotonic() + 10
        while len(admin.describe(desk.settings).partitions) > 6 - len(wanted):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        client.close()


def test_a_missing_topic_is_named_with_what_to_do(desk: Desk) -> None:
    delete(desk, "funding")
    with pytest.raises(ConfigurationError, match=r"funding: does not exist.*trades: 1.*[Cc]reate"):
        desk.run()


def test_unequal_partition_counts_are_listed(desk: Desk) -> None:
    delete(desk, "prices")
    admin.create_topics(desk.settings, 3)
    with pytest.raises(ConfigurationError, match=r"prices: 3, .*funding: 1, .*trades: 1"):
        desk.run()


def test_a_partition_that_does_not_exist_is_refused(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match=r"partitions \[3\].*have 1"):
        desk.run(partitions=(0, 3))


def test_a_recreated_topic_is_refused_at_the_start(desk: Desk) -> None:
    desk.send(*opening(), trade("t1"))
    desk.run()
    delete(desk, "trades")
    admin.create_topics(desk.settings, 1)
    with pytest.raises(SourceChanged, match=r"trades, partition 0.*stopped at offset 1.*recreated"):
        desk.run()


def test_an_accepted_recreated_topic_is_read_from_its_beginning_and_books_nothing_twice(
    desk: Desk,
) -> None:
    desk.send(*opening(), trade("t1"))
    desk.run()
    delete(desk, "trades")
    admin.create_topics(desk.settings, 1)
    desk.send(trade("t1"), trade("t2"))
    progress = desk.run(accept_changed_topics=True)
    assert (progress.applied, progress.duplicates) == (1, 1)
    assert desk.balance("alice", "position") == 2_000


def test_changed_topics_are_accepted_once_though_they_bring_nothing_yet(desk: Desk) -> None:
    desk.send(*opening(), trade("t1"))
    desk.run()
    delete(desk, "trades", "prices")
    admin.create_topics(desk.settings, 1)
    desk.run(accept_changed_topics=True)
    desk.send(trade("t2"))
    assert desk.run().applied == 1


def test_a_topic_recreated_during_a_run_stops_it(desk: Desk) -> None:
    desk.send(*opening(), trade("t1"), trade("t2"))
    faults: list[Exception] = []
    stop = threading.Event()

    def consume() -> None:
        try:
            run(desk.settings._replace(drain=False), desk.log.reopen, stop=stop)
        except SourceChanged as fault:
            faults.append(fault)

    running = threading.Thread(target=consume)
    running.start()
    until = time.monotonic() + 20
    while len(desk.rows()) < 8 and time.monotonic() < until:
        time.sleep(0.02)
    delete(desk, "trades")
    admin.create_topics(desk.settings, 1)
    desk.send(trade("t3"), trade("t4"), trade("t5"), at_ms=START_MS + 1)
    running.join(20)
    stop.set()
    running.join()
    assert faults
    assert "recreated" in str(faults[0])
    assert len(desk.rows()) == 8


def test_offsets_of_another_cluster_are_refused(desk: Desk) -> None:
    desk.send(*opening())
    desk.run()
    elsewhere = MemoryLog()
    (unrouted, *_) = [elsewhere.declare(shard.name, 0) for shard in desk.log.shards()]
    owned = elsewhere.acquire(unrouted.shard)
    offset = next(each for each in desk.log.offsets() if each.source.topic.endswith("transfers"))
    moved = offset.source._replace(cluster="old-cluster")
    elsewhere.append([_offset_only(owned, moved, offset.next_offset)])
    elsewhere.close()
    desk.log = elsewhere
    with pytest.raises(SourceChanged, match=r"transfers.*in cluster old-cluster.*another cluster"):
        desk.run()


def test_a_topic_that_ends_before_the_stored_offset_is_refused(desk: Desk) -> None:
    desk.send(*opening())
    source = Sources(desk.settings).by_rank[1]
    owned = desk.log.acquire(desk.log.declare("@unrouted/0", 0).shard)
    desk.log.append([_offset_only(owned, source, 7)])
    with pytest.raises(SourceChanged, match=r"transfers.*expect offset 7.*ends at 2.*truncated"):
        desk.run(accept_changed_topics=True)


def _offset_only(owned: Shard, source: Source, next_offset: int) -> ShardBatch:
    return ShardBatch(
        shard=owned.shard,
        epoch=owned.epoch,
        expected_sequence=owned.next_sequence,
        next_sequence=owned.next_sequence,
        next_account=owned.next_account,
        pool_time=None,
        duplicates=0,
        chain=owned.chain,
        frontier=owned.frontier,
        partition=None,
        events=[],
        opened=[],
        commodities=[],
        postings=[],
        records=[],
        offsets=[(source, 0, next_offset)],
    )
