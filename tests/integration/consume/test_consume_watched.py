"""A run is watched while it works: what it serves and logs is what it does."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.health import HealthServer
from consumers.run import Progress, run
from consumers.telemetry import Telemetry
from ledger.errors import FenceLost
from tests.integration.consume.desk import Desk, opening, trade
from tests.integration.consume.test_consume_running import Outage, wait_for


@pytest.fixture
def watched() -> Iterator[tuple[Telemetry, HealthServer]]:
    telemetry = Telemetry(lag_max_s=1e9)
    with HealthServer("127.0.0.1", 0, telemetry.pages()) as server:
        yield telemetry, server


def page(server: HealthServer, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.read().decode()


def figures(server: HealthServer) -> dict[str, float]:
    lines = [line for line in page(server, "/metrics").splitlines() if line[:1] != "#"]
    return {name: float(figure) for name, _, figure in (line.rpartition(" ") for line in lines)}


def test_a_run_shows_where_it_stands_while_it_goes_on(
    desk: Desk, watched: tuple[Telemetry, HealthServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    telemetry, server = watched
    desk.send(*opening(), *(trade(f"t{number}") for number in range(20)))
    desk.send(trade("t0"), trade("low", price="-1"))
    stop = threading.Event()
    settings = desk.settings._replace(drain=False)
    running = threading.Thread(
        target=run,
        args=(settings, desk.log.reopen),
        kwargs={"stop": stop, "telemetry": telemetry},
    )
    running.start()
    sequence = 'clearing_newest_sequence{pool="main"}'
    wait_for(lambda: figures(server).get(sequence) == 27)
    wait_for(lambda: json.loads(page(server, "/readyz"))["ready"])
    shown = figures(server)
    stop.set()
    running.join(30)
    trades = f'{{partition="0",topic="{settings.prefix}.trades"}}'
    assert shown[f"clearing_lag_messages{trades}"] == 0
    assert shown[f"clearing_lag_seconds{trades}"] == 0
    assert shown["clearing_partitions_assigned"] == 1
    assert shown["clearing_applied_total"] == 26
    assert shown["clearing_duplicates_total"] == 1
    assert shown['clearing_rejected_total{code="invalid_field",pool="main"}'] == 1
    assert shown['clearing_zero_sum_excess{commodity="USDT",pool="main"}'] == 0
    told = [record.getMessage() for record in caplog.records]
    assert told.index("started") < told.index("partitions assigned") < told.index("stopped")


def test_time_goes_to_phases_that_add_up(
    desk: Desk, watched: tuple[Telemetry, HealthServer]
) -> None:
    desk.send(*opening(), *(trade(f"t{number}") for number in range(50)))
    run(desk.settings, desk.log.reopen, telemetry=watched[0])
    shown = figures(watched[1])
    spent = {name: s for name, s in shown.items() if name.startswith("clearing_phase_seconds")}
    phases = ("decode", "look_up", "decide", "commit", "keep")
    in_batches = sum(spent[f'clearing_phase_seconds_total{{phase="{name}"}}'] for name in phases)
    assert in_batches == pytest.approx(shown["clearing_batch_seconds_sum"])
    assert all(seconds > 0 for seconds in spent.values())


def test_an_outage_is_seen_as_retries_and_ends_ready(
    desk: Desk, watched: tuple[Telemetry, HealthServer], caplog: pytest.LogCaptureFixture
) -> None:
    desk.send(*opening(), *(trade(f"t{number}") for number in range(20)))
    outage = Outage(desk.log, [2], lost_answer=False)
    settings = desk.settings._replace(batch_events_max=10)
    run(settings, outage.open, telemetry=watched[0])
    assert figures(watched[1])['clearing_retries_total{cause="StoreUnavailable"}'] == 1
    assert watched[0].health.fault is None
    (told,) = [vars(line) for line in caplog.records if line.getMessage() == "starting over"]
    assert (told["attempt"], told["cause"]) == (1, "StoreUnavailable")


def test_a_fence_refused_is_counted_and_the_run_ends(
    desk: Desk, watched: tuple[Telemetry, HealthServer], caplog: pytest.LogCaptureFixture
) -> None:
    desk.send(*opening(), *(trade(f"t{number}") for number in range(20)))

    def take_over(_: Progress) -> None:
        other = desk.log.reopen()
        for shard in other.shards():
            other.acquire(shard.shard)

    settings = desk.settings._replace(batch_events_max=10)
    with pytest.raises(FenceLost):
        run(settings, desk.log.reopen, on_batch=take_over, telemetry=watched[0])
    assert figures(watched[1])["clearing_fence_refusals_total"] == 1
    assert "fence lost" in [record.getMessage() for record in caplog.records]
    assert not json.loads(page(watched[1], "/readyz"))["ready"]


def test_the_command_serves_where_it_says_and_logs_objects_alone(
    desk: Desk, database_url: str, tmp_path: Path
) -> None:
    pool = f"{desk.settings.prefix}-told"
    desk.send(*opening(pool), trade("t", pool=pool))
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "run"]
    command += ["--kafka", desk.broker.bootstrap_servers, "--database-url", database_url]
    command += ["--topic-prefix", desk.settings.prefix, "--metrics-port", "0"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    log = tmp_path / "run.log"

    def told(event: str) -> list[dict[str, object]]:
        lines = log.read_text("utf-8").split("\n")[:-1]  # the last may be half written
        return [line for line in map(json.loads, lines) if line["event"] == event]

    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        wait_for(lambda: bool(told("watched at")))
        port = told("watched at")[0]["port"]
        sequence = f'clearing_newest_sequence{{pool="{pool}"}} 7.0'
        wait_for(lambda: sequence in served(port))
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    finally:
        running.kill()
        running.wait()
    (checkpoint,) = told("checkpoint signed")
    assert (checkpoint["pool"], checkpoint["sequence"]) == (pool, 7)
    (stopped,) = told("stopped")
    assert stopped["applied"] == 7
    assert [line["pool"] for line in told("shard taken over")] == ["@unrouted/0", pool]


def served(port: object) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())
