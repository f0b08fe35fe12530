"""`python -m benchmarks.bounds CASE`: time and memory where something is far too large.

| case | what |
|---|---|
| `backlog` | a broker that always has more: `--messages` through the real loop and merge |
| `slow` | a database that takes a second a commit, behind the embedded broker, `--messages` ahead |
| `funding` | `--rates` funding events in a batch, over `--holders` positions, into PostgreSQL |
| `positions` | one account with `--positions`: a trade, a tick, its liquidation, the explanation |

Each prints JSON. Memory is that of this process: before, and the most that it ever was.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import psycopg

from benchmarks import flood, traffic
from benchmarks.endless import read_through
from benchmarks.large import POOL, Teller, holders, spread
from consumers.admin import create_topics
from consumers.embedded import EmbeddedBroker
from consumers.run import run
from consumers.settings import RunSettings
from ledger.audit.explanation.explain import explained
from ledger.ports import Message
from ledger.store import embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate
from ledger.writer import Writer

BATCH = 1000
SLOW_S = 1.0
_SLOW_COMMITS = f"""
    CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_sleep({SLOW_S}); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT OR UPDATE ON ledger.source_offset
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.shard = 1)
        EXECUTE FUNCTION public.dawdle()"""

Figures = dict[str, float]


def backlog(messages: int) -> Figures:
    """Through loop and merge, with a writer that only counts."""
    before, began = _most_mb(), time.perf_counter()
    taken, longest = read_through(messages)
    return {
        "messages": taken,
        "seconds": round(time.perf_counter() - began, 1),
        "buffered_most": longest,
        "mb_before": before,
        "mb_most": _most_mb(),
    }


def slow(url: str, kafka: str, messages: int) -> Figures:
    """Every commit takes a second longer, at its very end."""
    settings = RunSettings(kafka, prefix="slow", drain=True)
    create_topics(settings, 1)
    with flood.Sending(settings) as sending:
        for line in traffic.openings():
            sending.send(json.loads(line)["kind"], line, 0)
        for line in traffic.trades(messages):
            sending.send("trade", line, 0)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_SLOW_COMMITS.encode())
    commits: list[float] = []
    before = _most_mb()
    done = run(
        settings,
        lambda: PostgresLog.connect(url, "slow"),
        on_batch=lambda _: commits.append(time.perf_counter()),
    )
    assert (done.applied, done.failures) == (messages + len(traffic.openings()), 0), vars(done)
    took = commits[-1] - commits[0]
    return {
        "messages": done.applied,
        "commits": len(commits),
        "seconds_a_commit": round(took / (len(commits) - 1), 2),
        "mb_before": before,
        "mb_most": _most_mb(),
    }


def funding(url: str, count: int, rates: int = 1) -> Figures:
    """One rate is so many payments in one transaction; of a batch of rates each ends one."""
    teller = Teller()
    log = PostgresLog.connect(url, "funding")
    writer = Writer(log)
    tell(writer, holders(teller, count))
    before = _most_mb()
    batch = [
        teller.message("funding_rate", instrument="BTC-PERP", rate="0.001", mark_price="100")
        for _ in range(rates)
    ]
    took = _seconds(lambda: tell(writer, batch))
    restart = _seconds(lambda: Writer(log).state(POOL))
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*), sum(amount), count(DISTINCT xmin::text) FROM ledger.posting"
            " WHERE sequence > (SELECT max(sequence) - %s FROM ledger.event)",
            (rates,),
        ).fetchone()
    log.close()
    assert found is not None
    assert found[:2] == (count * rates, 0), f"{found}: each holder pays or receives"
    return {
        "holders": count,
        "rates": rates,
        "seconds": round(took, 2),
        "postings": found[0],
        "transactions": found[2],
        "restart_seconds": round(restart, 1),
        "mb_before": before,
        "mb_most": _most_mb(),
    }


def positions(url: str, count: int) -> Figures:
    """Each step through the writer into PostgreSQL, in a transaction of its own."""
    teller = Teller()
    log = PostgresLog.connect(url, "positions")
    writer = Writer(log)
    tell(writer, spread(teller, count))
    another = teller.trade("I0", "wide", "other", "0.001")
    calm = teller.message("price", instrument="I1", mark_price="100.01")
    figures: Figures = {"positions": count}
    for name, message in (("trade", another), ("calm_tick", calm)):
        figures[f"{name}_ms"] = round(1000 * _seconds(partial(tell, writer, [message])), 1)
    down = [
        teller.message("price", instrument=f"I{number}", mark_price="98") for number in range(count)
    ]
    took = (0.0, 0.0)
    held = writer.state(POOL).journal.positions_of["wide"]
    for message in down:
        took = _both(partial(tell, writer, [message]))
        if not held:
            break
    log.close()
    figures |= _told("liquidating_tick", took)
    with psycopg.connect(url) as connection:
        taken = connection.execute("SELECT count(*) FROM reporting.liquidations").fetchone()
    assert taken == (count,), f"{taken} takeovers"
    figures |= _told("explain", _both(lambda: explained(url, POOL, "L-1", None)))
    figures["mb_most"] = _most_mb()
    return figures


def tell(writer: Writer, messages: Iterable[Message]) -> None:
    """All of them, a thousand at a time; none may be refused."""
    stream = iter(messages)
    while batch := list(islice(stream, BATCH)):
        taken = writer.take(batch)
        assert taken.applied == len(batch), taken.refused[:1]


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _both(act: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and of them those of this process's processor: the machine may be shared."""
    before = time.process_time()
    took = _seconds(act)
    return took, time.process_time() - before


def _told(name: str, seconds: tuple[float, float]) -> Figures:
    whole, own = seconds
    return {f"{name}_ms": round(1000 * whole, 1), f"{name}_cpu_ms": round(1000 * own, 1)}


def _most_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


@contextmanager
def _database() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="clearing-bounds-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            migrate(server.url)
            yield server.url
        finally:
            server.stop()


def main() -> int:
    """Measure one case, print it."""
    parser = argparse.ArgumentParser(prog="benchmarks.bounds", description=__doc__)
    parser.add_argument("case", choices=("backlog", "slow", "funding", "positions"))
    parser.add_argument("--messages", type=int, help="10,000,000; slow: 30,000")
    parser.add_argument("--holders", type=int, default=100_000)
    parser.add_argument("--rates", type=int, default=1)
    parser.add_argument("--positions", type=int, default=1_000)
    asked = parser.parse_args()
    if asked.case == "backlog":
        print(json.dumps(backlog(asked.messages or 10_000_000)))
        return 0
    with _database() as url:
        if asked.case == "slow":
            with EmbeddedBroker() as kafka:
                found = slow(url, kafka.bootstrap_servers, asked.messages or 30_000)
        elif asked.case == "funding":
            found = funding(url, asked.holders, asked.rates)
        else:
            found = positions(url, asked.positions)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
