"""Large books: funding over all holders, keeping their state, and starting from it after a million.

Holders with a position each go through the writer (`large.holders`), then one funding rate over
all of them; the state is kept. The history is then made a million events long inside the database:
rows of events alone, which a start counts on but does not read. `clean_s` is a start right there,
as after a stop; then so many trades follow that no state was kept of, and `crash_s` is a start
that decides them again. A run keeps a state every 100,000 events, so half of that lies behind a
crash in the middle. Both are of a process of its own, from its creation to a loaded pool.
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from benchmarks.bounds import tell
from benchmarks.large import POOL, Teller, holders
from ledger.assembly import overlapping
from ledger.ports import Snapshot
from ledger.store import embedded
from ledger.store.log.postgres import LEAF_EVENTS, PostgresLog
from ledger.store.migrate import migrate
from ledger.writer import Writer

HOLDERS = 100_000
HISTORY = 1_000_000
TAIL = 50_000
_NEVER = 10**12
_YOUNG_OBJECTS = 200_000
_EVENTS = """
INSERT INTO ledger.event (shard, source, sequence, "offset", timestamp_ms, occurred_at, pool_time,
                          partition, rules, kind, event_id, content_hash, leaf, chain, raw)
SELECT shard, source, n, n, 0, occurred_at, pool_time, partition, rules, kind, 'past-' || n,
       content_hash, leaf, chain, raw
  FROM ledger.event, generate_series(%(first)s::bigint, %(last)s::bigint) n
 WHERE shard = %(shard)s AND sequence = %(first)s - 1"""

Figures = dict[str, float]


def measured(count: int = HOLDERS, history: int = HISTORY, tail: int = TAIL) -> Figures:
    """Seconds of funding, of keeping the state, and of both starts.

    Args:
        count: Holders.
        history: Events that the books hold at the clean start.
        tail: Events after the kept state, for the other one.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)  # as a run does
    with tempfile.TemporaryDirectory(prefix="clearing-starting-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            migrate(server.url)
            return _measured(server.url, count, history, tail)
        finally:
            gc.set_threshold(*thresholds)
            server.stop()


def table(figures: Mapping[str, float]) -> Iterator[str]:
    """The figures as lines for people."""
    yield (
        f"funding over {figures['holders']:,.0f} holders: {figures['funding_s']:.2f} s with its"
        f" transaction; their state kept in {figures['keep_s']:.2f} s,"
        f" {figures['state_mb']:.1f} MB"
    )
    yield (
        f"start with {figures['history']:,.0f} events: {figures['clean_s']:.2f} s after a stop,"
        f" {figures['crash_s']:.2f} s with {figures['tail']:,.0f} events to decide again"
        f" ({figures['clean_cpu_s']:.2f}, {figures['crash_cpu_s']:.2f} s of the processor)"
    )


def _measured(url: str, count: int, history: int, tail: int) -> Figures:
    teller = Teller()
    log = PostgresLog.connect(url, "starting")
    writer = Writer(log, snapshot_events=_NEVER)
    tell(writer, holders(teller, count))
    rate = teller.message("funding_rate", instrument="BTC-PERP", rate="0.001", mark_price="100")
    began = time.perf_counter()
    tell(writer, [rate])
    funding = time.perf_counter() - began
    began, worked = time.perf_counter(), time.process_time()
    writer.keep_states()
    keep, keep_cpu = time.perf_counter() - began, time.process_time() - worked
    kept = log.latest_snapshot(writer.shards[POOL].shard)
    log.close()
    assert kept is not None
    _lengthen(url, kept, history)
    clean = _start(url, "clean")
    log = PostgresLog.connect(url, "starting")
    writer = Writer(log, snapshot_events=_NEVER)
    pairs = ((f"holder-{at % count}", f"holder-{(at * 7 + 1) % count}") for at in range(tail * 2))
    apart = [pair for pair in pairs if pair[0] != pair[1]][:tail]
    tell(writer, (teller.trade("BTC-PERP", *pair, quantity="0.001") for pair in apart))
    log.close()
    return {
        "holders": float(count),
        "funding_s": round(funding, 2),
        "keep_s": round(keep, 2),
        "keep_cpu_s": round(keep_cpu, 2),
        "state_mb": round(len(kept.body) / 1e6, 1),
        "history": float(history),
        **clean,
        "tail": float(len(apart)),
        **_start(url, "crash"),
    }


def _lengthen(url: str, kept: Snapshot, history: int) -> None:
    """Rows of events up to so many, and the kept state at the last of them."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT shard, next_sequence, leaves_end FROM ledger.shard WHERE name = %s", (POOL,)
        ).fetchone()
        assert row is not None
        shard, first, leaves_end = row
        while leaves_end <= history:
            connection.execute("SELECT ledger.open_leaf(%s, %s)", (shard, LEAF_EVENTS))
            leaves_end += LEAF_EVENTS
        connection.execute(_EVENTS.encode(), {"shard": shard, "first": first, "last": history})
        connection.execute(
            "UPDATE ledger.shard SET next_sequence = %s WHERE shard = %s", (history + 1, shard)
        )
    log = PostgresLog.connect(url, "starting")
    log.save_snapshot(shard, kept._replace(sequence=history))
    log.close()


def _start(url: str, name: str) -> Figures:
    """Seconds from the creation of a process until it has the pool; of them, of its processor."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.starting", "--one", url],
        check=True,
        capture_output=True,
        text=True,
    )
    ready, worked = (float(word) for word in done.stdout.split())
    return {f"{name}_s": round(ready - began, 2), f"{name}_cpu_s": round(worked, 2)}


def _one(url: str) -> None:
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)
    log = overlapping(url, "starting")
    state = Writer(log).state(POOL)
    sys.stdout.write(f"{time.monotonic()} {time.process_time()}\n")
    assert state.pool is not None
    log.close()


def main() -> int:
    """`python -m benchmarks.starting`: these figures alone, as lines and as JSON."""
    parser = argparse.ArgumentParser(prog="benchmarks.starting", description=__doc__)
    parser.add_argument("--holders", type=int, default=HOLDERS)
    parser.add_argument("--history", type=int, default=HISTORY, help="events")
    parser.add_argument("--tail", type=int, default=TAIL, help="events to decide again")
    parser.add_argument("--one", metavar="URL", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        _one(asked.one)
        return 0
    figures = measured(asked.holders, asked.history, asked.tail)
    sys.stderr.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
