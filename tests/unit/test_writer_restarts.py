"""I8: any batching and any restarts, with and without snapshots, give the same rows."""

from typing import NamedTuple

import pytest

from ledger.codec.states import encode_state
from ledger.core.machine import decide
from ledger.core.outcome import Outcome
from ledger.core.state import State
from ledger.errors import PoolHalted
from ledger.recovery import event_of, original_of
from tests.property.histories import Speller, beginning, new_model
from tests.property.model import Refused
from tests.property.test_histories import spelled_by
from tests.unit.desk import FILE, TRANSFERS, Desk, said, wire


class Rows(NamedTuple):
    """All that a log holds of a pool, and the state that the writer ended with."""

    events: list[object]
    postings: list[object]
    records: list[object]
    accounts: list[object]
    state: bytes


def told(seed: int) -> list[bytes]:
    """A random history as messages, some of them twice."""
    scale, spelled = spelled_by(seed)
    model = new_model(scale)
    speller = Speller(model)
    messages = [wire(event) for event in beginning(scale)]
    for letters in spelled:
        event, original = speller.event(letters)
        try:
            model.apply(event, original)
        except Refused:
            pass
        else:
            if event.kind == "trade":
                speller.trades.append(event)
        messages += [wire(event)] * (2 if letters[13] < 25 else 1)
    return messages


def lived(seed: int, size: int, *, snapshot_events: int, restarts: bool, kafka: bool) -> Rows:
    desk = Desk(snapshot_events=snapshot_events)
    source = TRANSFERS._replace(topic="clearing.other") if kafka else FILE
    messages = [desk.message(value, source) for value in told(seed)]
    for start in range(0, len(messages), size):
        desk.writer.take(messages[start : start + size])
        if restarts:
            desk.restart()
    shard = desk.shard().shard
    return Rows(
        list(desk.log.events(shard, 1)),
        list(desk.log.postings(shard, 1, 10**9)),
        list(desk.log.records(shard, 1, 10**9)),
        list(desk.log.accounts(shard)),
        encode_state(desk.writer.state("main")),
    )


@pytest.mark.parametrize("kafka", [False, True], ids=["file", "kafka"])
@pytest.mark.parametrize("seed", range(6))
def test_batching_and_restarts_change_no_row(seed: int, kafka: bool) -> None:  # noqa: FBT001
    expected = lived(seed, 1, snapshot_events=10**9, restarts=False, kafka=kafka)
    assert len(expected.events) > 10
    for size in (1, 7, 500):
        for snapshot_events in (3, 10**9):
            for restarts in (False, True):
                found = lived(
                    seed, size, snapshot_events=snapshot_events, restarts=restarts, kafka=kafka
                )
                assert found == expected, (size, snapshot_events, restarts)


@pytest.mark.parametrize("seed", range(6))
def test_a_file_and_a_topic_lead_to_the_same_books(seed: int) -> None:
    rows = [
        lived(seed, 7, snapshot_events=10**9, restarts=False, kafka=kafka)
        for kafka in (False, True)
    ]
    assert rows[0][1:] == rows[1][1:]


@pytest.mark.parametrize("seed", range(6))
def test_the_stored_events_decided_again_give_the_stored_rows(seed: int) -> None:
    desk = Desk()
    desk.take(*told(seed))
    shard = desk.shard()
    state = State("main")
    for row in desk.rows():
        if row.rejection is None:
            event = event_of(row)
            outcome = decide(state, event, original_of(desk.log, shard, event), row.sequence)
            assert isinstance(outcome, Outcome)
            kept = desk.log.postings(shard.shard, row.sequence, row.sequence)
            assert [posting for _, _, posting in kept] == outcome.postings
            assert row.pool_time == state.pool_time
    assert encode_state(state) == encode_state(desk.writer.state("main"))


def test_a_snapshot_of_newer_rules_is_passed_over() -> None:
    desk = Desk(snapshot_events=1)
    desk.take(*told(0))
    kept = encode_state(desk.writer.state("main"))
    shard = desk.shard().shard
    snapshot = desk.log.latest_snapshot(shard)
    assert snapshot is not None
    desk.log._books.snapshots[shard] = [snapshot._replace(rules=99, body=b"not even JSON")]
    desk.restart()
    assert encode_state(desk.writer.state("main")) == kept


def test_a_snapshot_of_another_format_is_passed_over() -> None:
    desk = Desk(snapshot_events=1)
    desk.take(*told(0))
    kept = encode_state(desk.writer.state("main"))
    shard = desk.shard().shard
    snapshot = desk.log.latest_snapshot(shard)
    assert snapshot is not None
    desk.log._books.snapshots[shard] = [snapshot._replace(body=b'{"format":0}')]
    desk.restart()
    assert encode_state(desk.writer.state("main")) == kept


def test_a_pool_whose_log_replays_to_another_head_is_halted() -> None:
    desk = Desk()
    desk.take(*told(0))
    shard = desk.shard()
    desk.log._books.shards[shard.shard] = shard._replace(next_account=shard.next_account + 1)
    writer = desk.another()
    with pytest.raises(PoolHalted, match=r"its log cannot be decided again.*opened accounts"):
        writer.state("main")
    assert desk.shard().next_sequence == shard.next_sequence
    taken = writer.take([desk.message(said("deposit", "late")), desk.message(b"{}")])
    assert (taken.applied, taken.waiting) == (0, 2)
