"""Telemetry counts batches, looks once a second, and tells refusals by the lot."""

import json
import logging
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from consumers import telemetry_metrics as shown
from consumers.lag import Lag, Lags
from consumers.settings import RunSettings
from consumers.telemetry import Telemetry
from consumers.telemetry_gauges import of_pools
from consumers.telemetry_look import Behind, excesses, figures
from ledger.batch import Refused
from ledger.errors import FenceLost, StoreUnavailable
from ledger.halts import Halt
from ledger.ports import Message, Shard, Source
from ledger.store.log.memory import MemoryLog
from ledger.writer import Writer
from tests.integration.consume.desk import opening, trade

TRADES = Source("cluster", "id", "clearing.trades")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Batch(NamedTuple):
    applied: int = 0
    duplicates: int = 0
    refused: Sequence[Refused] = ()

    @property
    def rejected(self) -> int:
        return len(self.refused)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def telemetry(clock: Clock) -> Telemetry:
    return Telemetry(clock=clock, now=clock)


def value(telemetry: Telemetry, line: str) -> float:
    for each in telemetry.metrics.exposition().decode().splitlines():
        name, _, figure = each.rpartition(" ")
        if name == line:
            return float(figure)
    raise AssertionError(f"{line} is not shown")


def refusal(sequence: int, code: str = "unknown_account", pool: str = "main") -> Refused:
    return Refused(pool, sequence, code, "", Message(TRADES, 0, sequence + 10, 0, None, b""))


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, object]]:
    return [vars(record) for record in caplog.records if record.getMessage() == name]


def test_all_time_goes_to_the_phase_that_ends(telemetry: Telemetry, clock: Clock) -> None:
    spent = [("poll", 1), ("decode", 2), ("decide", 4), ("commit", 8), ("keep", 0)]
    for phase, seconds in spent:
        clock.now += seconds
        telemetry.lap(phase)
    telemetry.taken(Batch(applied=3))
    for phase, seconds in spent:
        assert value(telemetry, f'clearing_phase_seconds_total{{phase="{phase}"}}') == seconds
    assert value(telemetry, "clearing_batch_seconds_sum") == 14
    assert value(telemetry, "clearing_commit_seconds_sum") == 8


def test_a_batch_is_told_with_its_own_time_once_the_next_is_on_its_way(
    telemetry: Telemetry, clock: Clock
) -> None:
    for seconds in (1, 10):
        for phase in ("decode", "keep"):
            clock.now += seconds
            telemetry.lap(phase)
    telemetry.taken(Batch(applied=3))
    assert value(telemetry, "clearing_batch_seconds_sum") == 2
    telemetry.taken(Batch(applied=3))
    assert value(telemetry, "clearing_batch_seconds_sum") == 22


def test_a_batch_is_counted(telemetry: Telemetry) -> None:
    telemetry.taken(Batch(5, 2, [refusal(1), refusal(2), refusal(3, "wrong_topic")]))
    telemetry.taken(Batch(1))
    assert value(telemetry, "clearing_applied_total") == 6
    assert value(telemetry, "clearing_duplicates_total") == 2
    refused = 'clearing_rejected_total{code="unknown_account",pool="main"}'
    assert value(telemetry, refused) == 2
    assert value(telemetry, "clearing_batch_messages_sum") == 11
    assert value(telemetry, "clearing_batch_messages_count") == 2


def test_a_flood_of_refusals_is_a_line_in_ten_seconds(
    telemetry: Telemetry, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        telemetry.taken(Batch(refused=[refusal(2 * number), refusal(2 * number + 1, "no")]))
        clock.now += 0.1
        telemetry.turned(dict)
    clock.now += 1
    telemetry.turned(dict)
    told = events(caplog, "messages refused")
    assert [line["count"] for line in told] == [2, 198]
    assert told[1]["codes"] == {"unknown_account": 99, "no": 99}
    assert (told[1]["sequence"], told[1]["topic"], told[1]["offset"]) == (
        199,
        "clearing.trades",
        209,
    )


def test_the_last_refusals_are_told_at_the_end(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    telemetry.taken(Batch(refused=[refusal(1)]))
    telemetry.taken(Batch(refused=[refusal(2)]))
    telemetry.stopped(0, 0, 2)
    assert [line["count"] for line in events(caplog, "messages refused")] == [1, 1]
    (stopped,) = events(caplog, "stopped")
    assert (stopped["applied"], stopped["duplicates"], stopped["rejected"]) == (0, 0, 2)


def test_settings_are_told_without_their_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    security = {"security_protocol": "SASL_SSL", "sasl_plain_password": "hunter2"}
    told = Telemetry(books="postgresql://clearing:hunter2@db/books")
    told.started(RunSettings("kafka:9092", security=security))
    (started,) = events(caplog, "started")
    assert started["security"] == {"security_protocol": "SASL_SSL", "sasl_plain_password": "set"}
    assert started["books"] == "postgresql://clearing:***@db/books"
    assert started["bootstrap_servers"] == "kafka:9092"


def test_a_retry_is_counted_told_and_not_ready(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    telemetry.assigned({("clearing.trades", 0): 7})
    assert telemetry.health.ready()[0]
    telemetry.retrying(StoreUnavailable("server closed the connection"), 3, 10, 0.5)
    assert not telemetry.health.ready()[0]
    assert value(telemetry, 'clearing_retries_total{cause="StoreUnavailable"}') == 1
    assert value(telemetry, "clearing_failures_in_a_row") == 3
    assert value(telemetry, "clearing_partitions_assigned") == 0
    (told,) = events(caplog, "starting over")
    assert (told["attempt"], told["attempts"], told["pause"]) == (3, 10, 0.5)
    telemetry.assigned({("clearing.trades", 0): 7})
    assert telemetry.health.ready()[0]


def test_a_lost_fence_is_counted_and_told(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    telemetry.failed(FenceLost("shard 1"))
    assert value(telemetry, "clearing_fence_refusals_total") == 1
    assert events(caplog, "fence lost")[0]["fault"] == "shard 1"


def test_a_shard_taken_over_is_told_with_how_it_was_recovered(
    telemetry: Telemetry, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    telemetry.owning("main", 4)
    assert "the state of main is being rebuilt" in str(telemetry.health.ready()[1])
    clock.now += 1.5
    telemetry.owned("main", 120, 100)
    assert "rebuilt" not in str(telemetry.health.ready()[1])
    (told,) = events(caplog, "shard taken over")
    assert [told[key] for key in ("epoch", "sequence", "snapshot", "decided_again", "seconds")] == [
        4,
        120,
        100,
        20,
        1.5,
    ]
    assert value(telemetry, "clearing_takeover_seconds_sum") == 1.5


def test_revoked_partitions_are_no_longer_read(telemetry: Telemetry) -> None:
    telemetry.assigned({("t", 0): 0, ("t", 1): 0})
    telemetry.released([0])
    assert telemetry.health.partitions == (1,)


def test_a_look_is_taken_once_a_second(telemetry: Telemetry, clock: Clock) -> None:
    looks = []

    def look() -> Lags:
        looks.append(clock.now)
        return {}

    for _ in range(30):
        telemetry.turned(look)
        clock.now += 0.1
    assert len(looks) == 3


def test_lags_are_shown_by_place(telemetry: Telemetry, clock: Clock) -> None:
    lags = {
        ("clearing.trades", 0): Lag(7, int((clock.now - 90) * 1000)),
        ("clearing.prices", 0): Lag(0, None),
        ("clearing.funding", 0): Lag(None, None),
    }
    telemetry.turned(lambda: lags)
    assert value(telemetry, 'clearing_lag_messages{partition="0",topic="clearing.trades"}') == 7
    assert value(telemetry, 'clearing_lag_seconds{partition="0",topic="clearing.trades"}') == 90
    assert value(telemetry, 'clearing_lag_seconds{partition="0",topic="clearing.prices"}') == 0
    assert b'clearing_lag_messages{partition="0",topic="clearing.funding"' not in (
        telemetry.metrics.exposition()
    )
    assert telemetry.health.unknown == ("clearing.funding/0",)
    assert telemetry.health.lag_s == 90


def test_what_was_not_fetched_yet_is_as_old_as_it_is_known() -> None:
    behind = Behind()
    place = ("clearing.trades", 0)
    assert behind.seconds({place: Lag(5, None)}, 100.0) == {place: 0}
    assert behind.seconds({place: Lag(5, None)}, 107.0) == {place: 7}
    assert behind.seconds({place: Lag(5, 105_000)}, 107.0) == {place: 2}
    assert behind.seconds({place: Lag(0, None)}, 108.0) == {place: 0}
    assert behind.seconds({place: Lag(1, None)}, 109.0) == {place: 0}


def test_a_timestamp_of_the_future_is_no_negative_lag() -> None:
    assert Behind().seconds({("t", 0): Lag(1, 200_000)}, 100.0) == {("t", 0): 0}


def written() -> Writer:
    writer = Writer(MemoryLog())
    writer.assign([0])
    sent = [json.dumps(each).encode() for each in [*opening(), trade("t1")]]
    writer.take([Message(TRADES, 0, at, 0, b"main", each) for at, each in enumerate(sent)])
    return writer


def test_a_look_shows_heads_funds_and_sums(telemetry: Telemetry) -> None:
    telemetry.attached(written(), 0)
    telemetry.turned(dict)
    assert value(telemetry, 'clearing_newest_sequence{pool="main"}') == 7
    assert value(telemetry, 'clearing_epoch{pool="main"}') == 1
    assert value(telemetry, 'clearing_insurance_fund_balance{asset="USDT",pool="main"}') == 0
    assert value(telemetry, 'clearing_zero_sum_excess{commodity="USDT",pool="main"}') == 0
    assert value(telemetry, 'clearing_zero_sum_excess{commodity="BTC-PERP",pool="main"}') == 0


def test_a_halted_pool_is_shown(telemetry: Telemetry, clock: Clock) -> None:
    writer = written()
    telemetry.attached(writer, 0)
    telemetry.turned(dict)
    assert value(telemetry, 'clearing_pool_halted{pool="main"}') == 0
    writer._owned.halts["main"] = Halt("main", 8, None, None, None, "AssertionError")
    clock.now += 1
    telemetry.turned(dict)
    assert value(telemetry, 'clearing_pool_halted{pool="main"}') == 1


def test_books_that_do_not_balance_are_told(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    writer = written()
    writer.state("main").journal.balances[1] += 5
    telemetry.attached(writer, 0)
    telemetry.turned(dict)
    (told,) = events(caplog, "books do not balance")
    assert (told["pool"], told["excess"]) == ("main", 5)
    assert 5 in excesses(writer.state("main")).values()


def test_figures_are_in_natural_units() -> None:
    state = written().state("main")
    state.journal.balances.append(2_500_000)
    state.journal._numbers["@house", "insurance", None, "USDT"] = len(state.journal.balances) - 1
    found = figures(state)
    assert found is not None
    assert (found.asset, found.insurance, found.deficit, found.deficits) == ("USDT", 2.5, 0, 0)


def test_balances_are_summed_up_once_a_minute(telemetry: Telemetry, clock: Clock) -> None:
    writer = written()
    telemetry.attached(writer, 0)
    telemetry.turned(dict)
    writer.state("main").journal.balances[1] += 5
    clock.now += 59
    telemetry.turned(dict)
    excess = 'clearing_zero_sum_excess{commodity="USDT",pool="main"}'
    assert value(telemetry, excess) == 0
    clock.now += 1
    telemetry.turned(dict)
    assert value(telemetry, excess) == 5


def test_a_checkpoint_is_counted_once(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    telemetry.note_checkpoint("main", 5, None)
    for sequence in (5, 7, 7):
        telemetry.sealed("main", sequence, 1_000_000)
    assert value(telemetry, 'clearing_checkpoints_signed_total{pool="main"}') == 1
    assert [line["sequence"] for line in events(caplog, "checkpoint signed")] == [7]


def test_a_batch_is_told_with_its_offsets_when_debugging(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "consumers.telemetry")
    writer = written()
    telemetry.attached(writer, 0)
    telemetry.taken(Batch(applied=7))
    (told,) = events(caplog, "batch")
    assert (told["pool"], told["first"], told["sequence"]) == ("main", 1, 7)
    assert told["offsets"]


def test_gauges_of_what_is_gone_are_not_shown(telemetry: Telemetry) -> None:
    telemetry.metrics.see({shown.EPOCH: {("main",): 1.0}})
    telemetry.metrics.see({shown.EPOCH: {("coin",): 1.0}})
    text = telemetry.metrics.exposition()
    assert b'clearing_epoch{pool="coin"} 1.0' in text
    assert b'clearing_epoch{pool="main"}' not in text


def test_pools_of_one_partition_share_its_lag() -> None:
    def shard(partition: int) -> Shard:
        return Shard(1, "", partition, 1, 5, 1, None, 0, b"", b"")

    lags = {("trades", 0): Lag(7, 0), ("prices", 0): Lag(2, 0), ("trades", 1): Lag(None, None)}
    ages = {("trades", 0): 3.0, ("prices", 0): 5.0, ("trades", 1): 0.0}
    found = of_pools({"main": shard(0), "other": shard(0), "coin": shard(1)}, lags, ages)
    assert found == {
        shown.POOL_LAG_MESSAGES: {("main",): 9, ("other",): 9, ("coin",): 0},
        shown.POOL_LAG_SECONDS: {("main",): 5, ("other",): 5, ("coin",): 0},
    }
