"""From produce to committed at fixed rates: what one message waits, at 500, 2,000, 4,000 trades/s.

Four kinds of programs share the machine, as in production on one server: the broker, PostgreSQL, a
producer that keeps a pace (`--role produce`), and the run (`--role run`): `consumers.run.run` with
what `clearing run` gives it (overlapped batches, sealer, telemetry). What is added to the run is
one clock: it is read when `append` of the writing connection returns, that is when PostgreSQL has
acknowledged the commit, fsync included. Each process notes moments of the machine's one monotonic
clock; a trade's latency is the commit of the batch that holds its offset, less the moment at which
`send` was called with it. A rate begins when all of the one before is committed. The producer
lingers for nothing (`linger_ms=0`, other settings as in `clearing produce`); whether it kept its
pace stands beside the figures as `late_p99_ms`.
"""

import argparse
import gc
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import psycopg
from kafka import KafkaProducer

from benchmarks import brokers, traffic, wal
from consumers import clients
from consumers.admin import create_topics
from consumers.produce import Addressed, send
from consumers.run import run
from consumers.settings import RunSettings
from consumers.telemetry import Telemetry
from consumers.topics import role_of
from ledger.assembly import sealer_of
from ledger.ports import ShardBatch
from ledger.store import embedded
from ledger.store.log.overlapping import OverlappingLog
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate

RATES = (500, 2_000, 4_000)
SECONDS = 10.0
WARM_TRADES = 2_000
PAUSE_S = 1.0
_PACE_S = 0.0005
_PATIENCE_S = 60.0

Figures = dict[str, float]


class Commit(NamedTuple):
    """A commit: trades up to this offset, how many, when it was begun and acknowledged.

    `processor`: seconds that the run has worked by then, all its threads together.
    """

    last_offset: int
    trades: int
    began: float
    ended: float
    processor: float


class NotedLog(PostgresLog):
    """The books, with the moment of each commit of trades."""

    commits: list[Commit]

    @classmethod
    def noting(cls, url: str, commits: list[Commit]) -> Self:
        """Connect as a run does; commits are added to the list."""
        log = cls.connect(url, "latency")
        log.commits = commits
        return log

    def prepared(self, batch: Sequence[ShardBatch]) -> Callable[[], None]:
        """The append of a batch, with a look at the clock."""
        return partial(self._timed, super().prepared(batch), batch)

    def _timed(self, append: Callable[[], None], batch: Sequence[ShardBatch]) -> None:
        began = time.monotonic()
        append()
        ended = time.monotonic()
        offsets = [one.offset for part in batch for one in part.events if one.kind == "trade"]
        if offsets:
            worked = time.process_time()
            self.commits.append(Commit(max(offsets), len(offsets), began, ended, worked))


def measured(
    rates: Sequence[int] = RATES,
    seconds: float = SECONDS,
    settings: RunSettings | None = None,
    broker: str | None = None,
    *,
    run_in: bool = True,
) -> Figures:
    """Milliseconds at each rate: median, p99, most; and what the batches were like.

    Args:
        rates: Trades a second, one after the other, over the same books.
        seconds: Of each rate.
        settings: Of the run, its broker left out; None: the defaults.
        broker: As in `brokers.started`.
        run_in: Have files of WAL ready, as a server has that is not new.
    """
    with (
        tempfile.TemporaryDirectory(prefix="clearing-latency-") as name,
        brokers.started(broker) as kafka,
    ):
        folder = Path(name)
        server = embedded.start(folder / "postgres")
        try:
            migrate(server.url)
            asked = (settings or RunSettings(""))._replace(
                bootstrap_servers=kafka.bootstrap_servers
            )
            create_topics(asked, 1)
            openings = [
                Addressed(_role(line), traffic.POOL.encode(), 1_767_225_600_000, line)
                for line in traffic.openings()
            ]
            send(asked, openings, "openings", lambda _: None)
            if run_in:
                wal.run_in(server.url)
            sent, commits = _played(asked, server.url, folder, rates, seconds)
        finally:
            server.stop()
    apache = float(kafka.name == "apache")
    return {"apache_kafka": apache, **_figures(rates, seconds, sent, commits)}


def table(figures: Mapping[str, float]) -> Iterator[str]:
    """The figures as lines for people."""
    yield (
        f"{'trades/s':>10} {'p50, ms':>9} {'p99, ms':>9} {'most, ms':>9}"
        f" {'a batch':>9} {'commit, ms':>11} {'run, us each':>13} {'producer late p99, ms':>22}"
    )
    for rate in (int(name.rpartition("_")[2]) for name in figures if name.startswith("p99_ms_")):
        found = [figures[f"{name}_{rate}"] for name in ("p50_ms", "p99_ms", "max_ms")]
        yield (
            f"{rate:>10,} {found[0]:>9.1f} {found[1]:>9.1f} {found[2]:>9.1f}"
            f" {figures[f'batch_trades_{rate}']:>9.1f} {figures[f'append_p50_ms_{rate}']:>11.1f}"
            f" {figures[f'run_cpu_us_{rate}']:>13.0f} {figures[f'late_p99_ms_{rate}']:>22.1f}"
        )


def _played(
    settings: RunSettings, url: str, folder: Path, rates: Sequence[int], seconds: float
) -> tuple[list[list[float]], list[Commit]]:
    """Run and producer as programs of their own: when each trade was due and sent, all commits."""
    environment = {**os.environ, "CLEARING_HOME": str(folder / "home")}
    asked = {"settings": settings._asdict(), "url": url, "rates": rates, "seconds": seconds}
    (folder / "asked.json").write_text(json.dumps(asked))
    running, producing = (
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.latency", "--role", role, str(folder)],
            env=environment,
        )
        for role in ("run", "produce")
    )
    try:
        assert producing.wait((1 + len(rates)) * (_PATIENCE_S + seconds + PAUSE_S)) == 0
        sent = json.loads((folder / "produce.json").read_text())
        _await_committed(url, len(sent[0]) + len(traffic.openings()))
        running.send_signal(signal.SIGTERM)
        assert running.wait(_PATIENCE_S) == 0
    finally:
        producing.kill()
        running.kill()
        running.wait()
    noted = json.loads((folder / "run.json").read_text())
    return sent, [Commit(*one) for one in noted]


def _role(line: bytes) -> str:
    role = role_of(json.loads(line)["kind"])
    assert role is not None, line
    return role


def _await_committed(url: str, events: int) -> None:
    until = time.monotonic() + _PATIENCE_S
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < until:
            row = connection.execute(
                "SELECT next_sequence - 1 FROM ledger.shard WHERE name = %s", (traffic.POOL,)
            ).fetchone()
            if row is not None and row[0] >= events:
                return
            time.sleep(0.1)
    raise AssertionError(f"{events} events were not committed within {_PATIENCE_S:.0f} s")


def _figures(
    rates: Sequence[int], seconds: float, sent: list[list[float]], commits: list[Commit]
) -> Figures:
    due, began = sent
    ends = [commit.last_offset for commit in commits]
    figures: Figures = {}
    first = WARM_TRADES
    for rate in rates:
        last = first + int(rate * seconds)
        taken = sorted(
            (commits[bisect_left(ends, at)].ended - began[at]) * 1000 for at in range(first, last)
        )
        late = sorted((began[at] - due[at]) * 1000 for at in range(first, last))
        batches = [commit for commit in commits if first <= commit.last_offset < last]
        writing = [(commit.ended - commit.began) * 1000 for commit in batches]
        found = {
            "p50_ms": statistics.median(taken),
            "p99_ms": taken[int(len(taken) * 0.99)],
            "max_ms": taken[-1],
            "late_p99_ms": late[int(len(late) * 0.99)],
            "batch_trades": statistics.fmean(commit.trades for commit in batches),
            "append_p50_ms": statistics.median(writing),
            "append_max_ms": max(writing),
            "run_cpu_us": (batches[-1].processor - batches[0].processor)
            / max(1, batches[-1].last_offset - batches[0].last_offset)
            * 1e6,
        }
        figures |= {f"{name}_{rate}": round(value, 2) for name, value in found.items()}
        first = last
    return figures


def _run(folder: Path) -> None:
    """As `clearing run`, with the clock."""
    asked = json.loads((folder / "asked.json").read_text())
    url, commits = asked["url"], list[Commit]()

    def opened() -> OverlappingLog:
        return OverlappingLog(
            NotedLog.noting(url, commits), PostgresLog.connect(url, "latency, look-ups")
        )

    run(
        RunSettings(**asked["settings"]),
        opened,
        seal=sealer_of(url),
        telemetry=Telemetry(books=url),
    )
    (folder / "run.json").write_text(json.dumps(commits))


def _produce(folder: Path) -> None:
    """Keep the pace, rate after rate; note when each trade was due, and sent."""
    asked = json.loads((folder / "asked.json").read_text())
    settings = RunSettings(**asked["settings"])
    rates, seconds = asked["rates"], asked["seconds"]
    counts = [WARM_TRADES, *(int(rate * seconds) for rate in rates)]
    trades = traffic.trades(sum(counts))
    lines = [list(islice(trades, count)) for count in counts]
    _await_committed(asked["url"], len(traffic.openings()))
    producer = KafkaProducer(
        bootstrap_servers=settings.bootstrap_servers,
        enable_idempotence=True,
        acks="all",
        linger_ms=0,
        metrics_enabled=False,
    )
    gc.freeze()
    gc.disable()
    due: list[float] = []
    began: list[float] = []
    for rate, batch in zip([min(1_000, *rates), *rates], lines, strict=True):
        _pace(producer, f"{settings.prefix}.trades", rate, batch, (due, began))
        producer.flush()
        _await_committed(asked["url"], len(traffic.openings()) + len(due))
        time.sleep(PAUSE_S)
    clients.retire(producer, 2)
    (folder / "produce.json").write_text(json.dumps([due, began]))


def _pace(
    producer: KafkaProducer,
    topic: str,
    rate: int,
    lines: Sequence[bytes],
    noted: tuple[list[float], list[float]],
) -> None:
    due, began = noted
    key = traffic.POOL.encode()
    start = time.monotonic()
    for number, line in enumerate(lines):
        at = start + number / rate
        while (left := at - time.monotonic()) > 0:
            time.sleep(min(left, _PACE_S))
        due.append(at)
        began.append(time.monotonic())
        producer.send(topic, key=key, value=line, partition=0)


def main() -> int:
    """`python -m benchmarks.latency`: these figures alone, as a table and as JSON."""
    parser = argparse.ArgumentParser(prog="benchmarks.latency", description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=RATES)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each rate")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=NUMBER", help="settings of the run"
    )
    parser.add_argument("--broker", choices=("apache", "embedded"))
    parser.add_argument("--new-server", action="store_true", help="that has to make files of WAL")
    parser.add_argument("--role", choices=("run", "produce"), help=argparse.SUPPRESS)
    parser.add_argument("folder", type=Path, nargs="?", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.role is not None:
        {"run": _run, "produce": _produce}[asked.role](asked.folder)
        return 0
    chosen: dict[str, Any] = {}
    for name, number in (one.split("=") for one in asked.set):
        chosen[name] = int(number)
    settings = RunSettings("", **chosen)
    run_in = not asked.new_server
    figures = measured(asked.rates, asked.seconds, settings, asked.broker, run_in=run_in)
    sys.stderr.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
