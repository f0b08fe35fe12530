"""Which shard a message goes to, and how the offsets of a partition move together."""

import pytest

from ledger.arrivals import POOLS_MAX
from tests.unit.desk import BEGINNING, REFERENCE, TRADES, TRANSFERS, Desk, said, topic

DEPOSIT = said("deposit", "d1")


def ready() -> Desk:
    desk = Desk(partitions=(0, 1))
    assert desk.take(*BEGINNING, source=REFERENCE).applied == 4
    return desk


@pytest.mark.parametrize(
    ("value", "key", "partition", "code"),
    [
        (DEPOSIT, None, 0, "missing_key"),
        (DEPOSIT, b"other", 0, "key_mismatch"),
        (DEPOSIT, b"", 0, "key_mismatch"),
        (said("deposit", "d1", pool="nil"), b"nil", 0, "unknown_pool"),
        (DEPOSIT, b"main", 1, "wrong_partition"),
        (said("pool", "p2"), b"main", 1, "wrong_partition"),
        (b"\xff", b"main", 1, "invalid_utf8"),
        (b"[]", b"main", 0, "malformed_json"),
        (b"", None, 0, "malformed_json"),
        (said("zap", "z1"), None, 0, "unknown_kind"),
        (said("zap", "z1", pool="nil"), b"nil", 0, "unknown_kind"),
        (said("deposit", "d1", pool="@unrouted/0"), b"@unrouted/0", 0, "invalid_field"),
        (said("deposit", "d1", pool=None), b"main", 0, "invalid_field"),
    ],
    ids=str,
)
def test_what_belongs_to_no_pool_goes_to_unrouted_of_its_partition(
    value: bytes, key: bytes | None, partition: int, code: str
) -> None:
    desk = ready()
    taken = desk.take(value, source=TRANSFERS, key=key, partition=partition)
    assert taken.rejected == 1
    (row,) = desk.rows(f"@unrouted/{partition}")
    assert (row.rejection, row.raw, row.key) == (code, value, key)
    assert (row.source, row.partition, row.offset) == (TRANSFERS, partition, 0)
    assert len(desk.rows()) == 4


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (said("zap", "z1"), "unknown_kind"),
        (said("deposit", "d1", amount=5), "invalid_field"),
        (said("deposit", "d1", account="zoe"), "unknown_account"),
        (said("trade", "t1"), "wrong_topic"),
    ],
    ids=["kind", "field", "account", "topic"],
)
def test_what_names_a_declared_pool_is_refused_in_its_shard(value: bytes, code: str) -> None:
    desk = ready()
    assert desk.take(value, source=TRANSFERS).rejected == 1
    assert desk.rows()[4].rejection == code
    assert desk.rows("@unrouted/0") == []


def test_a_topic_without_a_role_takes_any_kind() -> None:
    desk = ready()
    assert desk.take(DEPOSIT, said("trade", "t1"), source=topic("other")).applied == 2


def test_a_file_needs_no_key_and_no_topic() -> None:
    desk = ready()
    assert desk.take(DEPOSIT, said("trade", "t1")).applied == 2
    assert desk.shard().partition == 0


def test_a_pool_is_declared_in_the_middle_of_a_batch() -> None:
    desk = Desk()
    taken = desk.take(BEGINNING[2], *BEGINNING, BEGINNING[0], source=REFERENCE)
    assert taken[:3] == (4, 1, 1)
    assert desk.fates("@unrouted/0") == [("r3", "unknown_pool")]
    assert [event_id for event_id, _ in desk.fates()] == ["r1", "r2", "r3", "r4"]
    assert desk.shard().partition == 0


def test_a_refused_pool_event_declares_nothing() -> None:
    desk = Desk()
    bad = said("pool", "r1", insurance_floor="0.001")
    taken = desk.take(bad, BEGINNING[2], *BEGINNING, source=REFERENCE)
    assert taken[:3] == (4, 0, 2)
    assert desk.fates("@unrouted/0") == [("r1", "too_many_decimals"), ("r3", "unknown_pool")]
    assert [event_id for event_id, _ in desk.fates()] == ["r1", "r2", "r3", "r4"]


def test_a_pool_from_a_file_settles_on_the_partition_of_its_first_message() -> None:
    desk = Desk(partitions=(0, 1))
    desk.take(*BEGINNING)
    assert desk.shard().partition is None
    assert desk.take(DEPOSIT, source=TRANSFERS, partition=1).applied == 1
    assert desk.shard().partition == 1
    assert desk.take(said("deposit", "d2"), source=TRANSFERS, partition=0).rejected == 1
    assert desk.fates("@unrouted/0") == [("d2", "wrong_partition")]


def test_pools_are_limited() -> None:
    desk = Desk()
    pools = [said("pool", "p", pool=f"pool-{number}") for number in range(POOLS_MAX + 1)]
    taken = desk.take(*pools)
    assert (taken.applied, taken.rejected) == (POOLS_MAX, 1)
    assert desk.fates("@unrouted/0") == [("p", "pool_limit")]
    assert desk.take(said("pool", "q", pool="pool-7")).applied == 1


def test_pools_keep_their_books_and_ids_apart() -> None:
    desk = ready()
    other = said("pool", "r1", pool="other")
    assert desk.take(other, source=REFERENCE, key=b"other").applied == 1
    assert desk.fates("other") == [("r1", None)]
    assert len(desk.rows()) == 4


def test_a_message_below_the_stored_offset_is_passed_over() -> None:
    desk = ready()
    messages = [desk.message(DEPOSIT, TRANSFERS), desk.message(said("zap", "z1"), TRANSFERS)]
    assert desk.writer.take(messages)[:3] == (1, 0, 1)
    assert desk.writer.take(messages)[:3] == (0, 0, 0)
    desk.restart()
    newer = desk.message(said("deposit", "d2"), TRANSFERS)
    assert desk.writer.take([*messages, newer])[:3] == (1, 0, 0)
    assert desk.shard().duplicates == 0


def test_a_message_refused_before_its_pool_was_declared_is_passed_over_too() -> None:
    desk = Desk()
    early = desk.message(BEGINNING[2], REFERENCE)
    messages = [early, *(desk.message(value, REFERENCE) for value in BEGINNING)]
    desk.writer.take(messages)
    desk.restart()
    assert desk.writer.take(messages)[:3] == (0, 0, 0)
    assert len(desk.rows("@unrouted/0")) == 1


def test_all_shards_of_a_partition_move_their_offsets_together() -> None:
    desk = ready()
    desk.take(said("pool", "p", pool="other"), source=REFERENCE, key=b"other")
    desk.take(DEPOSIT, said("deposit", "d2"), source=TRANSFERS)
    desk.take(b"[]", source=TRADES, partition=1)
    moved = {
        (offset.shard, offset.source, offset.partition): offset.next_offset
        for offset in desk.log.offsets()
    }
    for name in ("main", "other", "@unrouted/0"):
        shard = desk.shard(name).shard
        assert moved[shard, REFERENCE, 0] == 5
        assert moved[shard, TRANSFERS, 0] == 2
        assert (shard, TRADES, 1) not in moved
    assert moved[desk.shard("@unrouted/1").shard, TRADES, 1] == 1
    expected = {(REFERENCE, 0): 5, (TRANSFERS, 0): 2, (TRADES, 1): 1}
    assert desk.writer.offsets() == expected
    desk.restart()
    assert desk.writer.offsets() == expected


def test_a_redrive_and_a_file_move_no_offsets() -> None:
    desk = ready()
    desk.take(said("withdrawal", "w1"), source=TRANSFERS)
    before = desk.writer.offsets()
    desk.writer.redrive([("main", desk.rows()[4])])
    desk.take(DEPOSIT)
    assert desk.writer.offsets() == before


def test_a_revoked_partition_is_given_up_and_its_state_kept() -> None:
    desk = ready()
    desk.writer.revoke([0])
    assert desk.writer.offsets() == {}
    snapshot = desk.log.latest_snapshot(desk.shard().shard)
    assert snapshot is not None
    assert snapshot.sequence == 4


def test_a_pool_keeps_to_the_partition_of_its_first_message_within_a_batch_too() -> None:
    desk = Desk(partitions=(0, 1))
    first = desk.message(BEGINNING[0], REFERENCE)
    elsewhere = desk.message(BEGINNING[1], REFERENCE, partition=1)
    desk.writer.take([first, elsewhere])
    assert desk.fates("main") == [("r1", None)]
    assert desk.fates("@unrouted/1") == [("r2", "wrong_partition")]
