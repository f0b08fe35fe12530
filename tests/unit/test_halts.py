"""A broken invariant halts one pool at one event: nothing is lost, nothing comes twice."""

import pytest

from ledger.core.rejections import Code
from ledger.core.rules import listing
from ledger.errors import ConfigurationError, FenceLost, PoolHalted, ShardBusy
from ledger.ports import StoredEvent
from ledger.quarantine import Order, examine, quarantine, shard_of
from ledger.writer import Writer
from tests.unit.desk import BEGINNING, FILE, ROLES, TRADES, TRANSFERS, Desk, said
from tests.unit.halting import (
    BROKEN,
    ORDER,
    UNLUCKY,
    UNLUCKY_AT,
    history,
    unlucky_rules,
    unread,
)

pytestmark = pytest.mark.interpreted

HISTORY = history()
UNLUCKY_MESSAGE = HISTORY[UNLUCKY_AT]
SIZES = [1, 2, 3, 5, 8, len(HISTORY)]


def told(desk: Desk, size: int) -> None:
    """What Kafka holds beyond the books, in batches."""
    messages = unread(HISTORY, desk.writer.offsets())
    for start in range(0, len(messages), size):
        desk.writer.take(messages[start : start + size])


def halted(size: int = len(HISTORY)) -> Desk:
    """A desk whose pool `main` stands still."""
    desk = Desk()
    with unlucky_rules():
        told(desk, size)
    assert set(desk.writer.halted) == {"main"}
    return desk


def content(rows: list[StoredEvent]) -> list[tuple[object, ...]]:
    """Rows without what counting differently changes."""
    return [(row.sequence, row.event_id, row.rejection, row.offset, row.raw) for row in rows]


def untroubled() -> Desk:
    desk = Desk()
    told(desk, 4)
    return desk


@pytest.mark.parametrize("size", SIZES)
def test_only_the_pool_of_the_broken_event_stands_still(size: int) -> None:
    desk, whole = halted(size), untroubled()
    assert [row.event_id for row in desk.rows()][-2:] == ["d1", "d2"]
    assert desk.rows() == whole.rows()[: len(desk.rows())]
    assert desk.rows("other") == whole.rows("other")


def test_a_halt_says_which_event_it_is_and_what_is_broken() -> None:
    halt = halted().writer.halted["main"]
    assert (halt.sequence, halt.event_id, halt.message) == (7, "d3", UNLUCKY_MESSAGE)
    assert "topic clearing.transfers, partition 0, offset 3" in str(halt)
    assert f"AssertionError: {BROKEN}" in str(halt)


def test_messages_of_a_halted_pool_are_counted_as_waiting() -> None:
    desk = Desk()
    with unlucky_rules():
        taken = desk.writer.take(HISTORY)
    assert (taken.applied, taken.rejected, taken.waiting) == (11, 0, 5)


@pytest.mark.parametrize("size", SIZES)
def test_a_restart_halts_at_the_same_event_again(size: int) -> None:
    desk = halted(size)
    before = (desk.rows(), desk.rows("other"), desk.rows("@unrouted/0"))
    desk.restart()
    with unlucky_rules():
        told(desk, size)
    assert desk.writer.halted["main"].message == UNLUCKY_MESSAGE
    assert (desk.rows(), desk.rows("other"), desk.rows("@unrouted/0")) == before


@pytest.mark.parametrize("size", SIZES)
def test_once_the_rules_are_mended_the_books_are_as_if_nothing_had_been(size: int) -> None:
    desk, whole = halted(size), untroubled()
    desk.restart()
    told(desk, size)
    assert not desk.writer.halted
    for pool in ("main", "other", "@unrouted/0"):
        assert content(desk.rows(pool)) == content(whole.rows(pool))


def test_offsets_of_the_other_pools_go_on() -> None:
    desk = halted(3)
    by_shard: dict[int, dict[str, int]] = {}
    for shard, source, _, offset in desk.log.offsets():
        by_shard.setdefault(shard, {})[source.topic] = offset
    at_end = {"clearing.reference": 7, "clearing.transfers": 8, "clearing.trades": 2}
    assert by_shard[desk.shard("other").shard] == at_end
    assert by_shard[desk.shard("main").shard] == {
        "clearing.reference": 6,
        "clearing.transfers": 3,
        "clearing.trades": 0,
    }


def test_a_halted_pool_keeps_no_state_and_gives_none() -> None:
    desk = halted()
    desk.writer.keep_states()
    assert desk.log.latest_snapshot(desk.shard().shard) is None
    with pytest.raises(PoolHalted, match="offset 3"):
        desk.writer.state("main")


def test_a_pool_whose_own_terms_break_the_rules_is_halted_from_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    with monkeypatch.context() as patch:
        patch.setattr(listing, "pool", lambda _state, _fact: 1 // 0)
        told(desk, 4)
        assert set(desk.writer.halted) == {"main", "other"}
        assert desk.rows() == desk.rows("other") == []
    desk.restart()
    told(desk, 4)
    assert content(desk.rows()) == content(untroubled().rows())


@pytest.mark.parametrize("size", SIZES)
def test_a_quarantined_message_has_its_row_and_the_pool_goes_on(size: int) -> None:
    desk = halted(size)
    with unlucky_rules():
        parked = quarantine(desk.log.reopen(), "main", UNLUCKY_MESSAGE, ORDER)
        desk.restart()
        told(desk, size)
    assert not desk.writer.halted
    row = desk.rows()[parked.sequence - 1]
    assert (row.sequence, row.rejection, row.raw) == (7, "quarantined", UNLUCKY_MESSAGE.value)
    assert row.detail == (
        f"made by maria, checked by noor: incident 7: deposits of 13 [AssertionError: {BROKEN}]"
    )
    assert desk.fates()[6:] == [
        ("d3", "quarantined"),
        (None, "unknown_kind"),
        ("t1", None),
        ("r5", None),
        ("d4", None),
        ("t2", None),
    ]
    assert desk.rows("other") == untroubled().rows("other")


def test_a_quarantined_message_is_passed_over_until_it_is_driven_again() -> None:
    desk = halted()
    again = said("deposit", "d3", amount="13.0")
    with unlucky_rules():
        quarantine(desk.log.reopen(), "main", UNLUCKY_MESSAGE, ORDER)
        desk.restart()
        told(desk, 3)
        assert desk.take(again, source=FILE).duplicates == 1
    parked = next(row for row in desk.rows() if row.rejection == Code.QUARANTINED)
    assert desk.writer.redrive([("main", parked)]).applied == 1
    assert desk.rows()[-1].redrive_of == ("main", parked.sequence)
    assert desk.take(again, source=FILE).duplicates == 1
    assert not desk.log.quarantined(desk.shard().shard)


def test_what_still_breaks_when_driven_again_halts_without_a_trace() -> None:
    desk = halted()
    with unlucky_rules():
        quarantine(desk.log.reopen(), "main", UNLUCKY_MESSAGE, ORDER)
        desk.restart()
        rows = desk.rows()
        assert desk.writer.redrive([("main", rows[-1])]).waiting == 0
        assert set(desk.writer.halted) == {"main"}
    assert desk.rows() == rows


def test_a_file_halts_at_its_line_and_goes_on_behind_it_once_parked() -> None:
    desk = Desk()
    lines = [*BEGINNING, said("deposit", "d1", amount=UNLUCKY), said("deposit", "d2")]
    messages = [desk.message(line) for line in lines]
    with unlucky_rules():
        assert desk.writer.take(messages).waiting == 1
        assert "line 4 of events.jsonl" in str(desk.writer.halted["main"])
        quarantine(desk.log.reopen(), "main", messages[4], ORDER)
        desk.restart()
        taken = desk.writer.take(messages)
    assert (taken.applied, taken.duplicates, taken.waiting) == (1, 5, 0)
    assert desk.fates()[4:] == [("d1", "quarantined"), ("d2", None)]


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (Order("maria", "maria", "x"), "two different people"),
        (Order("maria", "no one", "x"), "no id of a person"),
        (Order("maria", "noor", ""), "a reason is"),
        (Order("maria", "noor", "two\nlines"), "a reason is"),
    ],
)
def test_two_people_and_a_reason_are_needed(order: Order, why: str) -> None:
    desk = halted()
    with unlucky_rules(), pytest.raises(ConfigurationError, match=why):
        quarantine(desk.log.reopen(), "main", UNLUCKY_MESSAGE, order)
    assert len(desk.rows()) == 6


def test_only_the_message_that_halts_the_pool_can_be_parked() -> None:
    desk = halted()
    log = desk.log.reopen()
    rows = desk.rows()
    later = UNLUCKY_MESSAGE._replace(offset=9)
    refused = [
        (UNLUCKY_MESSAGE._replace(value=b"{"), "refused as malformed_json"),
        (UNLUCKY_MESSAGE._replace(key=b"other"), "refused as key_mismatch"),
        (UNLUCKY_MESSAGE._replace(partition=1), "refused as wrong_partition"),
        (HISTORY[7], "of pool other"),
        (later, "expects offset 3"),
        (HISTORY[12], r"refuse it \(insufficient|accept it"),
        (UNLUCKY_MESSAGE._replace(value=said("deposit", "d2", amount="1")), "d2 is taken"),
    ]
    with unlucky_rules():
        for message, why in refused:
            with pytest.raises(ConfigurationError, match=why):
                quarantine(log, "main", message, ORDER)
    with pytest.raises(ConfigurationError, match="the rules can accept it"):
        quarantine(log, "main", UNLUCKY_MESSAGE, ORDER)
    assert desk.rows() == rows


def test_a_look_beforehand_writes_nothing_and_takes_nothing() -> None:
    desk = halted()
    before = desk.log.shards()
    with unlucky_rules():
        found = examine(desk.log, shard_of(desk.log, "main"), UNLUCKY_MESSAGE)
    assert found == desk.writer.halted["main"]
    assert desk.log.shards() == before


def test_parking_takes_the_pool_from_whoever_wrote_it() -> None:
    desk = Desk()
    with unlucky_rules():
        busy = desk.writer
        busy.take(HISTORY[:UNLUCKY_AT])
        other = Writer(desk.log.reopen(), roles=ROLES)
        with pytest.raises(ShardBusy):
            quarantine(desk.log.reopen(), "main", UNLUCKY_MESSAGE, ORDER)
        quarantine(desk.log.reopen(), "main", UNLUCKY_MESSAGE, ORDER, take_over=True)
        with pytest.raises(FenceLost):
            busy.take([HISTORY[15]])
        other.assign([0])
        assert other.offsets()[TRANSFERS, 0] == 3
    assert (TRADES, 0) not in other.offsets()
