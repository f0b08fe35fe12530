"""What every log promises (`ledger.ports.Log`), held against PostgreSQL and memory alike."""

from collections.abc import Callable, Iterator

import pytest

from ledger.core.outcome import Posting
from ledger.errors import FenceLost, ShardBusy, StoreError
from ledger.ports import Log, SignedCheckpoint, SigningKey, Snapshot, Source
from ledger.store.log.memory import MemoryLog
from ledger.store.log.overlapping import OverlappingLog
from ledger.store.log.postgres import PostgresLog
from tests.contract.entries import OPENED, SOURCE, accepted, batch, commit, head, owned, refused

Open = Callable[[], Log]


@pytest.fixture(params=["postgres", "overlapping", "memory"])
def open_log(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Another handle on the same books each time."""
    if request.param == "memory":
        yield MemoryLog().reopen().reopen
        return
    url: str = request.getfixturevalue("database_url")
    opened: list[Log] = []

    def connection() -> PostgresLog:
        return PostgresLog.connect(url, f"handle {len(opened)}", leaf_events=10)

    def open_one() -> Log:
        overlaps = request.param == "overlapping"
        opened.append(OverlappingLog(connection(), connection()) if overlaps else connection())
        return opened[-1]

    yield open_one
    for log in opened:
        log.close()


@pytest.fixture
def log(open_log: Open) -> Log:
    """The first handle."""
    return open_log()


def test_a_shard_is_declared_once_and_numbered_from_one(log: Log) -> None:
    first = log.declare("main", None)
    assert log.declare("main", None) == first
    assert log.declare("@unrouted/0", 0).shard == 2
    assert (first.shard, first.epoch, first.next_sequence, first.pool_time) == (1, 0, 1, None)


def test_what_is_appended_reads_back_as_it_was(log: Log) -> None:
    shard = owned(log)
    given = batch(shard, 25)
    log.append([given])
    assert list(log.events(1, 1)) == list(given.events)
    assert list(log.postings(1, 1, 25)) == list(given.lines())
    assert list(log.records(1, 1, 25)) == list(given.records)
    assert list(log.accounts(1)) == list(OPENED)
    assert log.event(1, 7) == given.events[6]
    assert log.event(1, 26) is None
    assert [event.sequence for event in log.events(1, 3, 5)] == [3, 4, 5]
    moved = head(log, shard)
    assert (moved.next_sequence, moved.next_account, moved.pool_time, moved.partition) == (
        *(26, 3, given.pool_time, 0),
    )


def test_a_refused_message_keeps_its_bytes_and_leaves_the_id_free(log: Log) -> None:
    shard = owned(log)
    events = [accepted(1), refused(2)]
    log.append([batch(shard, 2)._replace(events=events, postings=(), records=())])
    kept = log.event(1, 2)
    assert kept is not None
    assert (kept.raw, kept.redrive_of, kept.timestamp_ms) == (b"\xff\x00", ("main", 1), -1)
    assert list(log.identities(1, ["d-1", "d-2"])) == ["d-1"]


def test_identities_name_content_and_sequence(log: Log) -> None:
    shard = owned(log)
    given = batch(shard, 3)
    log.append([given])
    found = log.identities(1, ["d-2", "unknown"])
    assert {k: tuple(v) for k, v in found.items()} == {"d-2": (given.events[1].content_hash, 2)}
    assert log.identities(1, []) == {}


def test_an_older_epoch_writes_nothing(open_log: Open) -> None:
    old, new = open_log(), open_log()
    fenced_off = owned(old)
    owner = new.acquire(1)
    assert owner.epoch == fenced_off.epoch + 1
    with pytest.raises(FenceLost):
        commit(old, [batch(fenced_off)])
    assert list(new.events(1, 1)) == []
    assert new.offsets() == []
    new.append([batch(owner)])


def test_a_sequence_that_is_not_next_writes_nothing(log: Log) -> None:
    shard = owned(log)
    log.append([batch(shard)])
    with pytest.raises(FenceLost):
        commit(log, [batch(shard)])
    assert head(log, shard).next_sequence == 2


def test_a_batch_is_written_whole_or_not_at_all(log: Log) -> None:
    good, other = owned(log), owned(log, "other")
    with pytest.raises(FenceLost):
        commit(log, [batch(good), batch(other)._replace(epoch=9)])
    assert list(log.events(1, 1)) == []
    log.append([batch(good), batch(other)])
    assert [known.next_sequence for known in log.shards()] == [2, 2]


def test_an_unbalanced_entry_is_refused(log: Log) -> None:
    shard = owned(log)
    given = batch(shard)
    ((sequence, entry),) = given.postings
    lines = [(sequence, [*entry, Posting(1, 2, 1, 1, 1, 101)])]
    with pytest.raises(StoreError, match="unbalanced"):
        commit(log, [given._replace(postings=lines)])
    assert list(log.events(1, 1)) == []


def test_a_gap_in_the_sequence_is_refused(log: Log) -> None:
    shard = owned(log)
    given = batch(shard, 2)
    with pytest.raises(StoreError):
        commit(log, [given._replace(events=[accepted(1), accepted(3)])])
    assert head(log, shard).next_sequence == 1


def test_an_event_id_is_taken_once(log: Log) -> None:
    shard = owned(log)
    log.append([batch(shard)])
    again = batch(head(log, shard))
    with pytest.raises(StoreError):
        commit(log, [again._replace(events=[accepted(2, "d-1")])])
    assert head(log, shard).next_sequence == 2


def test_offsets_move_forward_only(log: Log) -> None:
    shard = owned(log)
    log.append([batch(shard, 5)])
    other = Source("cluster", "topic-2", "clearing.trades")
    log.append([batch(head(log, shard))._replace(offsets=[(SOURCE, 0, 3), (other, 1, 9)])])
    kept = {(o.source, o.partition): o.next_offset for o in log.offsets()}
    assert kept == {(SOURCE, 0): 5, (other, 1): 9}


def test_a_batch_without_events_stores_where_a_source_begins(log: Log) -> None:
    shard = owned(log)
    log.append([batch(shard)])
    begun = SOURCE._replace(topic_id="topic-2")
    known = head(log, shard)
    only = batch(known, 0)._replace(pool_time=known.pool_time, offsets=[(begun, 0, 0)])
    commit(log, [only])
    assert {o.source: o.next_offset for o in log.offsets()} == {SOURCE: 1, begun: 0}
    assert head(log, shard).next_sequence == 2


def test_the_partition_is_set_once(log: Log) -> None:
    shard = owned(log)
    log.append([batch(shard)._replace(partition=4)])
    log.append([batch(head(log, shard))._replace(partition=5)])
    assert head(log, shard).partition == 4


def test_a_held_shard_is_busy_unless_taken_over(open_log: Open) -> None:
    first, second = open_log(), open_log()
    owned(first)
    with pytest.raises(ShardBusy, match="handle"):
        second.acquire(1, take_over=False)
    assert second.acquire(1).epoch == 2


def test_a_closed_writer_leaves_the_shard_free(open_log: Open) -> None:
    first, second = open_log(), open_log()
    owned(first)
    first.close()
    assert second.acquire(1, take_over=False).epoch == 2


def test_an_undeclared_shard_cannot_be_acquired(log: Log) -> None:
    with pytest.raises(StoreError, match="not declared"):
        log.acquire(7)


def test_the_newest_snapshot_is_found_again(log: Log) -> None:
    owned(log)
    assert log.latest_snapshot(1) is None
    for sequence in (1, 5, 3, 9, 7):
        log.save_snapshot(1, Snapshot(sequence, 1, b"state %d" % sequence))
    log.save_snapshot(1, Snapshot(9, 1, b"another"))
    assert log.latest_snapshot(1) == Snapshot(9, 1, b"state 9")


def signed(sequence: int) -> SignedCheckpoint:
    return SignedCheckpoint(sequence, b"body %d" % sequence, b"k" * 32, b"s" * 64)


def test_a_checkpoint_follows_the_one_before_it(log: Log) -> None:
    owned(log)
    assert log.latest_checkpoint(1) is None
    assert log.save_checkpoint(1, signed(3), 0)
    assert not log.save_checkpoint(1, signed(5), 0), "another came first"
    assert not log.save_checkpoint(1, signed(3), 3), "it is there"
    assert log.save_checkpoint(1, signed(5), 3)
    assert log.latest_checkpoint(1) == signed(5)


def test_a_key_is_known_once_and_only_the_first_needs_nobody_to_vouch(log: Log) -> None:
    first = SigningKey(b"1" * 32, None, None)
    second = SigningKey(b"2" * 32, first.key, b"s" * 64)
    third = SigningKey(b"3" * 32, None, None)
    assert log.signing_keys() == []
    assert log.add_signing_key(first)
    assert not log.add_signing_key(first)
    assert not log.add_signing_key(third)
    assert log.add_signing_key(second)
    assert log.add_signing_key(third, lost=True)
    assert log.signing_keys() == [first, second, third]
