"""A base backup under a running writer: restored, it verifies and reads on to the same books."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from consumers import admin
from consumers.embedded import EmbeddedBroker
from consumers.produce import Addressed, send
from consumers.settings import RunSettings
from ledger.ports import Shard
from ledger.store.embedded import Embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate
from tests.integration.consume.desk import START_MS, event, opening
from tests.integration.security.own_postgres import OwnPostgres
from tests.integration.test_commands import ROOT, clearing, written

ADMITTED = ["local all all trust", "local replication all trust"]


@pytest.fixture
def server(postgres: Embedded, tmp_path: Path) -> Iterator[OwnPostgres]:
    """A server of its own with books, that admits who takes a backup."""
    made = OwnPostgres(postgres, tmp_path / "server")
    made.make()
    made.admit(ADMITTED)
    made.start()
    migrate(made.socket_url)
    yield made
    made.stop()


@pytest.fixture
def broker() -> Iterator[RunSettings]:
    """Topics of one partition."""
    with EmbeddedBroker() as running:
        settings = RunSettings(running.bootstrap_servers)
        admin.create_topics(settings, 1)
        yield settings


def head(url: str) -> Shard:
    with closing(PostgresLog.connect(url, "test")) as log:
        return next(shard for shard in log.shards() if shard.name == "main")


def until_it_is_past(url: str, sequence: int) -> int:
    last = time.monotonic() + 20
    while (found := head(url).next_sequence) <= sequence:
        assert time.monotonic() < last, f"the books stay at {found}"
        time.sleep(0.05)
    return found


@contextmanager
def prices(settings: RunSettings) -> Iterator[None]:
    """Prices that come all the time."""
    stop = threading.Event()
    acknowledged = []

    def messages() -> Iterator[Addressed]:
        for number in count():
            if stop.wait(0.002):
                return
            price = f"{100 + number % 50}.{number % 89 + 10}"
            said = event(f"p-{number}", "price", instrument="BTC-PERP", mark_price=price)
            yield Addressed("prices", b"main", START_MS + number, json.dumps(said).encode())

    def run() -> None:
        acknowledged.append(send(settings, messages(), "sending prices", lambda _: None))

    sending = threading.Thread(target=run)
    sending.start()
    try:
        yield
    finally:
        stop.set()
        sending.join()
    assert acknowledged, "the prices did not come to an end"


@contextmanager
def clearing_run(settings: RunSettings, url: str, log: Path) -> Iterator[None]:
    """The command, until it is told to stop."""
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "run", "--quiet"]
    command += ["--kafka", settings.bootstrap_servers, "--database-url", url]
    with log.open("ab") as output:
        running = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
    try:
        yield
        assert running.poll() is None, log.read_text()
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0, log.read_text()
    finally:
        running.kill()
        running.wait()


def test_a_base_backup_under_a_running_writer_verifies_and_reads_on(
    server: OwnPostgres, postgres: Embedded, broker: RunSettings, tmp_path: Path
) -> None:
    url = server.socket_url
    drain = ["run", "--drain", "--quiet", "--kafka", broker.bootstrap_servers]
    clearing("ingest", written(tmp_path / "opening.jsonl", *opening()), database_url=url)
    anchors = tmp_path / "anchors.jsonl"
    restored = OwnPostgres(postgres, tmp_path / "restored")
    with prices(broker), clearing_run(broker, url, tmp_path / "run.log"):
        until_it_is_past(url, 100)
        clearing("checkpoint", "--out", str(anchors), database_url=url)
        before = head(url).next_sequence
        restored.own(restored.directory)
        server.run(
            *("pg_basebackup", "--host", str(server.directory), "--port", str(server.port)),
            *("--username", "postgres", "--pgdata", str(restored.directory)),
            *("--checkpoint", "fast", "--wal-method", "stream"),
        )
        after = until_it_is_past(url, head(url).next_sequence)
    server.run("pg_verifybackup", str(restored.directory))
    restored.start()
    verify = ["verify", "--quiet", "--anchors", str(anchors)]
    try:
        backed_up = head(restored.socket_url).next_sequence
        assert before <= backed_up < after
        told = clearing(*verify, database_url=restored.socket_url).stdout
        assert "pool main" in told
        assert "good: nothing is wrong" in told
        for books in (url, restored.socket_url):
            clearing(*drain, database_url=books)
        assert head(restored.socket_url).next_sequence > backed_up
        assert head(restored.socket_url).chain == head(url).chain, (
            "it decides what was lost as it was"
        )
        assert (
            "good: nothing is wrong" in clearing(*verify, database_url=restored.socket_url).stdout
        )
    finally:
        restored.stop()
