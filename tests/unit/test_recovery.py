"""A shard that is taken over while it is being loaded is lost to the slower writer, not broken."""

import pytest

from ledger.codec.states import encode_state
from ledger.errors import FenceLost
from ledger.recovery import restore
from tests.unit.desk import BEGINNING, Desk, said

MORE = [said("account", "r5", account="cleo"), said("deposit", "d1"), said("trade", "t1")]


def test_what_another_writer_adds_meanwhile_is_no_part_of_the_state_loaded() -> None:
    desk = Desk()
    desk.take(*BEGINNING)
    acquired = desk.log.reopen().acquire(desk.shard().shard)
    expected, _ = restore(desk.log, acquired)
    desk.restart()
    desk.take(*MORE)
    state, _ = restore(desk.log, acquired)
    assert encode_state(state) == encode_state(expected)


def test_a_state_that_another_writer_kept_meanwhile_loses_the_shard() -> None:
    desk = Desk(snapshot_events=1)
    desk.take(*BEGINNING)
    acquired = desk.log.reopen().acquire(desk.shard().shard)
    desk.restart()
    desk.take(*MORE)
    with pytest.raises(FenceLost, match="another writer took it over"):
        restore(desk.log, acquired)
