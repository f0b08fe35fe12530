"""`python -m benchmarks.flood`: good traffic beside a flood of messages that are refused.

Through the embedded broker, the real loop and writer, into PostgreSQL with every constraint on,
dead letters published. Trades are sent alone, then mixed evenly with refused messages: in the
trades' own partition, and in another partition of the same process. Each case has a database and
topics of its own; all is produced before the clock starts. Rate: trades, over the time from the
first commit to the one that holds the last trade. `share_by_cpu` compares the seconds that the
writer's process worked for a trade: on a machine with other work it is the steadier figure.

`--only N` sends N refused messages and nothing else, and holds every stored byte against what
was sent. Exit code 1 when something was lost, or when trades beside a flood come at less than half
their rate; 10:1 in one partition is shown and not judged, for order is order there.
"""

import argparse
import hashlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

import psycopg

from benchmarks import traffic
from consumers import clients
from consumers.admin import create_topics
from consumers.embedded import EmbeddedBroker
from consumers.run import run
from consumers.settings import RunSettings
from ledger.store import embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate

SHARE_BAR = 0.5
_IN_FLIGHT = 5_000


class Case(NamedTuple):
    """What is measured: refused messages a trade, and where they go."""

    name: str
    bad_per_trade: int
    apart: bool


CASES = (
    Case("alone", 0, apart=False),
    Case("1:1", 1, apart=False),
    Case("10:1", 10, apart=False),
    Case("1:1 in another partition", 1, apart=True),
    Case("10:1 in another partition", 10, apart=True),
)


def refused(pool: str = traffic.POOL) -> Iterator[bytes]:
    """Messages that are refused, each with bytes of its own: of every layer, in turn."""
    trade = {
        "kind": "trade",
        "pool": pool,
        "occurred_at": "2026-01-01T00:00:00Z",
        "instrument": "BTC-PERP",
        "price": "60000.5",
        "quantity": "0.5",
        "buyer": "nobody",
        "seller": "participant-001",
        "buyer_fee": "0",
        "seller_fee": "0",
    }
    number = 0
    while True:
        named = {**trade, "event_id": f"bad-{number}"}
        yield b"\xff\xfe%d" % number
        yield b'{"kind":"trade","pool":"%s",%d' % (pool.encode(), number)
        yield json.dumps({**named, "kind": "zap"}).encode()
        yield json.dumps({**named, "price": None}).encode()
        yield json.dumps({**named, "colour": number}).encode()
        yield json.dumps({name: value for name, value in named.items() if name != "buyer"}).encode()
        yield json.dumps(named).encode()
        yield json.dumps({**named, "event_id": f"far-{number}", "pool": "elsewhere"}).encode()
        number += 1


def measured(case: Case, kafka: str, url: str, trades: int) -> dict[str, float]:
    """Trades a second of one case."""
    settings = RunSettings(kafka, prefix=_prefix(case), drain=True)
    create_topics(settings, 2 if case.apart else 1)
    with Sending(settings) as sending:
        for line in traffic.openings():
            sending.send(json.loads(line)["kind"], line, 0)
    run(settings, lambda: PostgresLog.connect(url, "flood"))
    bad = refused()
    with Sending(settings) as sending:
        for line in traffic.trades(trades):
            sending.send("trade", line, 0)
            for flood in islice(bad, case.bad_per_trade):
                sending.send("trade", flood, 1 if case.apart else 0)
    commits: list[tuple[int, float, float]] = []
    done = run(
        settings,
        lambda: PostgresLog.connect(url, "flood"),
        on_batch=lambda progress: commits.append(
            (progress.applied, time.perf_counter(), time.process_time())
        ),
    )
    assert (done.applied, done.rejected) == (trades, trades * case.bad_per_trade), vars(done)
    first, began, busy = commits[0]
    last, ended, busy_then = next(commit for commit in commits if commit[0] == trades)
    return {
        "trades_per_second": round((last - first) / (ended - began), 1),
        "writer_cpu_us_a_trade": round((busy_then - busy) / (last - first) * 1e6, 1),
    }


def only_refused(kafka: str, url: str, count: int) -> dict[str, float]:
    """Refused messages a second, after every one of them was found in the books."""
    settings = RunSettings(kafka, prefix="only", drain=True)
    create_topics(settings, 1)
    sent = hashlib.sha256()
    with Sending(settings) as sending:
        for line in islice(refused(), count):
            sending.send("trade", line, 0)
            sent.update(line + b"\n")
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    done = run(settings, lambda: PostgresLog.connect(url, "flood"))
    took = time.perf_counter() - began
    kept, found = hashlib.sha256(), 0
    with psycopg.connect(url) as connection, connection.cursor("rows") as cursor:
        for offset, raw in cursor.execute(
            'SELECT "offset", raw FROM ledger.event WHERE rejection IS NOT NULL ORDER BY "offset"'
        ):
            assert offset == found, f"offset {offset} is stored after {found - 1}"
            kept.update(raw + b"\n")
            found += 1
    assert (done.applied, done.rejected, found) == (0, count, count), (vars(done), found)
    assert kept.digest() == sent.digest(), "other bytes are stored than were sent"
    return {
        "messages": float(count),
        "refused_per_second": round(count / took, 1),
        "mb_before": round(before_mb, 1),
        "mb_most": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


class Sending:
    """Sends to one topic a kind, all with one timestamp, and waits for all at the end."""

    def __init__(self, settings: RunSettings) -> None:
        self._prefix = settings.prefix
        self._producer = clients.producer(settings)
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.flush()
        self._producer.close()

    def send(self, kind: str, value: bytes, partition: int) -> None:
        role = {"trade": "trades", "price": "prices", "deposit": "transfers"}.get(kind, "reference")
        self._producer.send(
            f"{self._prefix}.{role}",
            key=traffic.POOL.encode(),
            value=value,
            partition=partition,
            timestamp_ms=1_767_225_600_000 + (role == "trades"),
        )
        self._count += 1
        if self._count % _IN_FLIGHT == 0:
            self._producer.flush()


def _prefix(case: Case) -> str:
    return f"flood{CASES.index(case)}"


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(prog="benchmarks.flood", description=__doc__)
    parser.add_argument("--trades", type=int, default=10_000, help="good messages of each case")
    parser.add_argument("--only", type=int, metavar="N", help="N refused messages and no others")
    asked = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="clearing-flood-") as folder:
        server, broker = embedded.start(Path(folder) / "postgres"), EmbeddedBroker()
        try:
            for case in (None,) if asked.only else CASES:
                name = "flood_only" if case is None else _prefix(case)
                with psycopg.connect(server.url, autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {name}")
                url = server.url.replace("/postgres?", f"/{name}?")
                migrate(url)
                if case is None:
                    figures["only"] = only_refused(broker.bootstrap_servers, url, asked.only)
                else:
                    found = measured(case, broker.bootstrap_servers, url, asked.trades)
                    figures[case.name] = found
                print(case and case.name, figures, file=sys.stderr, flush=True)
        finally:
            broker.stop()
            server.stop()
    alone = figures.get("alone")
    if alone is not None:
        rate, cost = alone["trades_per_second"], alone["writer_cpu_us_a_trade"]
        for found in figures.values():
            found["share_of_alone"] = round(found["trades_per_second"] / rate, 2)
            found["share_by_cpu"] = round(cost / found["writer_cpu_us_a_trade"], 2)
    print(json.dumps(figures, indent=2))
    judged = [found for name, found in figures.items() if name != "10:1"]
    return int(any(found.get("share_of_alone", 1) < SHARE_BAR for found in judged))


if __name__ == "__main__":
    sys.exit(main())
