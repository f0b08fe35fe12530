"""What a run survives, what stops it, and how it shares work with others."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaProducer

from consumers.run import Progress, run
from consumers.topics import name
from ledger.errors import ConfigurationError, FenceLost, StoreUnavailable
from ledger.ports import ShardBatch
from ledger.store.log.memory import MemoryLog
from ledger.store.log.postgres import PostgresLog
from tests.integration.consume.desk import START_MS, Desk, opening, trade

APACHE_ONLY = pytest.mark.parametrize(
    "broker",
    [pytest.param("apache", marks=[pytest.mark.kafka, pytest.mark.timeout(600)])],
    indirect=True,
)


class Outage:
    """Books whose database is away for some of the commits."""

    def __init__(self, log: MemoryLog, failing: Sequence[int], *, lost_answer: bool) -> None:
        """Fail the commits of these numbers, from 1.

        Args:
            log: The books.
            failing: Numbers of commits.
            lost_answer: The commit happens, only its answer is lost.
        """
        self._log = log
        self._failing = failing
        self._lost_answer = lost_answer
        self.commits = 0

    def open(self) -> MemoryLog:
        outage = self
        handle = self._log.reopen()
        append = handle.append

        def failing_append(batch: Sequence[ShardBatch]) -> None:
            outage.commits += 1
            if outage.commits not in outage._failing:
                append(batch)
                return
            if outage._lost_answer:
                append(batch)
            raise StoreUnavailable("the server closed the connection")

        handle.append = failing_append  # type: ignore[method-assign]
        return handle


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("lost_answer", [False, True])
def test_a_run_goes_on_after_the_database_was_away(desk: Desk, *, lost_answer: bool) -> None:
    desk.send(*opening(), *(trade(f"t{number}") for number in range(40)))
    outage = Outage(desk.log, [2, 4], lost_answer=lost_answer)
    run(desk.settings._replace(batch_events_max=10), outage.open)
    assert len(desk.rows()) == 46
    assert desk.balance("alice", "position") == 40_000


def test_a_run_gives_up_when_the_database_stays_away(desk: Desk) -> None:
    desk.send(*opening())
    outage = Outage(desk.log, range(1000), lost_answer=False)
    with pytest.raises(StoreUnavailable):
        run(desk.settings._replace(retries_max=2), outage.open)
    assert outage.commits == 3


def test_a_run_stops_when_another_writer_took_its_shard(desk: Desk) -> None:
    desk.send(*opening(), *(trade(f"t{number}") for number in range(20)))
    settings = desk.settings._replace(batch_events_max=10)

    def take_over(_: Progress) -> None:
        other = desk.log.reopen()
        for shard in other.shards():
            other.acquire(shard.shard)

    with pytest.raises(FenceLost):
        run(settings, desk.log.reopen, on_batch=take_over)
    assert len(desk.rows()) == 20, "the next batch was on its way when the first was told of"


def test_a_group_and_partitions_together_are_refused(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match="both a group"):
        desk.run(group="g", partitions=(0,))


@APACHE_ONLY
def test_records_of_an_aborted_transaction_are_not_applied(desk: Desk) -> None:
    desk.send(*opening())
    topic = name(desk.settings.prefix, "trades")
    producer = KafkaProducer(
        bootstrap_servers=desk.broker.bootstrap_servers, transactional_id=desk.settings.prefix
    )
    producer.init_transactions()
    for event_id, commit in (("aborted", False), ("committed", True)):
        producer.begin_transaction()
        value = str(trade(event_id)).replace("'", '"').encode()
        producer.send(topic, key=b"main", value=value, timestamp_ms=START_MS).get(10)
        if commit:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    producer.close()
    desk.send(trade("after"))
    began = time.monotonic()
    desk.run()
    assert [row.event_id for row in desk.rows()][-2:] == ["committed", "after"]
    assert time.monotonic() - began < 5, "markers of transactions are not waited for"


@APACHE_ONLY
def test_members_of_a_group_share_the_partitions_and_hand_them_over(wide_desk: Desk) -> None:
    desk = wide_desk
    desk.send(*opening("main"), partition=0)
    desk.send(*opening("coin"), partition=1)
    settings = desk.settings._replace(drain=False, group=desk.settings.prefix)
    stops = [threading.Event(), threading.Event()]
    done: list[Progress] = []

    def member(stop: threading.Event) -> None:
        done.append(run(settings, desk.log.reopen, stop=stop))

    members = [threading.Thread(target=member, args=(stop,)) for stop in stops]
    members[0].start()
    wait_for(lambda: len(desk.rows("main")) + len(desk.rows("coin")) == 12)
    epochs = sum(shard.epoch for shard in desk.log.shards())
    members[1].start()
    wait_for(lambda: sum(shard.epoch for shard in desk.log.shards()) > epochs + 3)
    desk.send(trade("t1", pool="main"), partition=0)
    desk.send(trade("t1", pool="coin"), partition=1)
    wait_for(lambda: len(desk.rows("main")) + len(desk.rows("coin")) == 14)
    stops[0].set()
    members[0].join(30)
    desk.send(trade("t2", pool="main"), partition=0)
    desk.send(trade("t2", pool="coin"), partition=1)
    wait_for(lambda: len(desk.rows("main")) + len(desk.rows("coin")) == 16)
    stops[1].set()
    members[1].join(30)
    assert sum(each.applied for each in done) == 16
    assert {each.failures for each in done} == {0}


@contextmanager
def clearing_run(desk: Desk, database_url: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "run"]
    command += ["--kafka", desk.broker.bootstrap_servers, "--database-url", database_url]
    command += ["--topic-prefix", desk.settings.prefix, "--batch-events", "10"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_ended_midway_leaves_nothing_half_done(
    desk: Desk, database_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    pool = f"{desk.settings.prefix}-{number}"
    trades = [trade(f"t{each}", pool=pool) for each in range(1500)]
    for each in [*opening(pool), *trades]:
        desk.send_soon(each)
    books = PostgresLog.connect(database_url, "test")

    def head() -> int:
        return max((each.next_sequence for each in books.shards() if each.name == pool), default=0)

    with clearing_run(desk, database_url, tmp_path / "first.log") as first:
        wait_for(lambda: head() > 100)
        first.send_signal(number)
        assert first.wait(30) == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    assert head() < 1507, "ended midway"
    with clearing_run(desk, database_url, tmp_path / "second.log") as second:
        wait_for(lambda: head() == 1507)
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0, (tmp_path / "second.log").read_text()
    (shard,) = [each for each in books.shards() if each.name == pool]
    ids = [row.event_id for row in books.events(shard.shard, 1)]
    assert len(ids) == len(set(ids)) == 1506
    assert shard.duplicates == 0
    books.close()
