"""The writer: duplicates, conflicts, redrives and busts, within a batch and across batches."""

import pytest

from ledger.batch import RAW_KEPT_MAX
from ledger.errors import FenceLost, ShardBusy
from ledger.writer import Taken, Writer
from tests.unit.desk import BEGINNING, Desk, said

APART = [False, True]
"""Whether the messages of a test come in one batch or each in its own."""


def ready() -> Desk:
    desk = Desk()
    taken = desk.take(*BEGINNING)
    assert (taken.applied, taken.duplicates, taken.rejected) == (4, 0, 0)
    return desk


def take(desk: Desk, apart: bool, *values: bytes) -> Taken:  # noqa: FBT001 - a parameter of tests
    if not apart:
        return desk.take(*values)
    parts = [desk.take(value) for value in values]
    return Taken(
        sum(part.applied for part in parts),
        sum(part.duplicates for part in parts),
        sum(part.rejected for part in parts),
        [refused for part in parts for refused in part.refused],
    )


@pytest.mark.parametrize("apart", APART)
def test_the_same_event_again_is_counted_and_leaves_no_row(apart: bool) -> None:  # noqa: FBT001
    desk = ready()
    spelled_else = said("deposit", "d1", amount="100.00", pool="main", version=1)
    taken = take(desk, apart, said("deposit", "d1"), spelled_else, said("deposit", "d1"))
    assert taken[:3] == (1, 2, 0)
    assert desk.fates()[4:] == [("d1", None)]
    assert desk.shard().duplicates == 2
    assert desk.writer.state("main").journal.balance("anna", "wallet", None, "USD") == 100_00


@pytest.mark.parametrize("apart", APART)
def test_an_id_with_other_content_is_a_conflict(apart: bool) -> None:  # noqa: FBT001
    desk = ready()
    taken = take(desk, apart, said("deposit", "d1"), said("deposit", "d1", amount="101"))
    assert taken[:3] == (1, 0, 1)
    assert desk.fates()[4:] == [("d1", None), ("d1", "event_id_conflict")]
    assert "event 5" in (desk.rows()[5].detail or "")


@pytest.mark.parametrize("apart", APART)
def test_a_refused_id_stays_free_for_the_corrected_event(apart: bool) -> None:  # noqa: FBT001
    desk = ready()
    taken = take(
        desk,
        apart,
        said("deposit", "d1", amount="1.001"),
        said("deposit", "d1", amount="1.001"),
        said("deposit", "d1", amount="1.01"),
        said("deposit", "d1", amount="1.01"),
        said("deposit", "d1", amount="1.001"),
    )
    assert taken[:3] == (1, 1, 3)
    assert desk.fates()[4:] == [
        ("d1", "too_many_decimals"),
        ("d1", "too_many_decimals"),
        ("d1", None),
        ("d1", "event_id_conflict"),
    ]


@pytest.mark.parametrize("apart", APART)
def test_a_trade_is_busted_once(apart: bool) -> None:  # noqa: FBT001
    desk = ready()
    taken = take(
        desk,
        apart,
        said("trade_bust", "b0", trade_event_id="t1"),
        said("trade", "t1"),
        said("trade_bust", "b1", trade_event_id="t1"),
        said("trade_bust", "b2", trade_event_id="t1"),
        said("trade_bust", "b3", trade_event_id="r3"),
    )
    assert taken[:3] == (2, 0, 3)
    assert desk.fates()[4:] == [
        ("b0", "unknown_trade"),
        ("t1", None),
        ("b1", None),
        ("b2", "already_busted"),
        ("b3", "unknown_trade"),
    ]
    assert desk.posted(6) == [10, -1000_00, -10, 1000_00]
    assert desk.posted(7) == [10, -1000_00, -10, 1000_00]
    assert not any(desk.writer.state("main").journal.balances)


def test_a_bust_after_a_restart_finds_its_trade() -> None:
    desk = ready()
    desk.take(said("trade", "t1"))
    desk.restart()
    assert desk.take(said("trade_bust", "b1", trade_event_id="t1")).applied == 1
    desk.restart()
    assert not any(desk.writer.state("main").journal.balances)


def test_a_refused_event_leaves_the_state_and_keeps_its_bytes() -> None:
    desk = ready()
    raw = said("withdrawal", "w1")
    taken = desk.take(raw)
    (row,) = desk.rows()[4:]
    assert (row.raw, row.rejection) == (raw, "insufficient_balance")
    assert row.pool_time == desk.rows()[3].pool_time
    assert desk.posted(5) == []
    (refused,) = taken.refused
    assert (refused.shard, refused.sequence, refused.code) == ("main", 5, "insufficient_balance")
    assert refused.message.value == raw


def test_a_redrive_names_the_refused_event_and_is_decided_anew() -> None:
    desk = ready()
    desk.take(said("withdrawal", "w1"))
    refused = desk.rows()[4]
    assert desk.writer.redrive([("main", refused)])[:3] == (0, 0, 1)
    desk.take(said("deposit", "d1"))
    assert desk.writer.redrive([("main", refused)])[:3] == (1, 0, 0)
    assert desk.writer.redrive([("main", refused)])[:3] == (0, 1, 0)
    assert desk.fates()[4:] == [
        ("w1", "insufficient_balance"),
        ("w1", "insufficient_balance"),
        ("d1", None),
        ("w1", None),
    ]
    assert [row.redrive_of for row in desk.rows()[4:]] == [None, ("main", 5), None, ("main", 5)]


def test_a_message_without_a_pool_is_redriven_into_its_pool() -> None:
    desk = Desk()
    desk.take(said("account", "r3", account="anna"))
    assert desk.fates("@unrouted/0") == [("r3", "unknown_pool")]
    (refused,) = desk.rows("@unrouted/0")
    desk.take(*BEGINNING[:2])
    assert desk.writer.redrive([("@unrouted/0", refused)])[:3] == (1, 0, 0)
    assert desk.rows()[2].redrive_of == ("@unrouted/0", 1)
    assert desk.rows()[2].raw == refused.raw


def test_of_a_message_too_large_the_beginning_is_kept() -> None:
    desk = ready()
    raw = said("deposit", "d1") + b" " * RAW_KEPT_MAX
    assert desk.take(raw).rejected == 1
    (row,) = desk.rows("@unrouted/0")
    assert row.rejection == "message_too_large"
    assert row.raw == raw[:RAW_KEPT_MAX]


def test_an_empty_batch_changes_nothing() -> None:
    desk = ready()
    assert desk.writer.take([]) == Taken(0, 0, 0, [])
    assert len(desk.rows()) == 4


def test_a_fenced_writer_writes_nothing() -> None:
    desk = ready()
    old, new = desk.writer, desk.another()
    new.state("main")
    with pytest.raises(FenceLost):
        old.take([desk.message(said("deposit", "d1"))])
    assert len(desk.rows()) == 4
    assert new.take([desk.message(said("deposit", "d1"))]).applied == 1
    assert desk.fates()[4:] == [("d1", None)]


def test_a_fence_lost_on_one_shard_holds_all_of_the_batch_back() -> None:
    desk = ready()
    desk.take(said("pool", "p2", pool="other"))
    thief = Writer(desk.log.reopen())
    thief.state("other")
    with pytest.raises(FenceLost):
        desk.take(said("deposit", "d1"), said("pool", "p3", pool="other"))
    assert len(desk.rows()) == 4
    assert len(desk.rows("other")) == 1


def test_a_polite_writer_leaves_a_held_shard_alone() -> None:
    desk = ready()
    with pytest.raises(ShardBusy):
        Writer(desk.log.reopen(), take_over=False).state("main")
    assert desk.take(said("deposit", "d1")).applied == 1
