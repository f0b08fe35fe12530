"""`clearing verify` of the books that the pipeline wrote: decided again, folded, by hashes alone.

One worker, so one core of this side; PostgreSQL reads the rows out beside it. The rate is of the
pass over the rows (read, decoded, checked), from its own clock in the report: connecting and what
`quick` looks at are not in it. Beside it stands the rate by the CPU time that this side spent, all
in: what a core does when PostgreSQL and its neighbours take none of it. Nothing may be found wrong.

What reading alone takes, of both sides, is the least that any check costs: the rows of the same
events by the same statements, and nothing done with them.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import psycopg

from benchmarks import traffic
from ledger.audit.verification.verify import Scope, verify
from ledger.ports import Message, Source
from ledger.store import embedded
from ledger.store.audit import copied
from ledger.store.audit.books import WITHOUT_SORTS
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate
from ledger.writer import Writer

MODES = ("rederive", "fold", "chain")
TRADES = 100_000
_BATCH = 1_000


def measured(url: str) -> dict[str, float]:
    """Events a second of each mode, over the pool of the traffic."""
    figures: dict[str, float] = {}
    for mode in MODES:
        began = time.process_time()
        verdict = verify(url, Scope(mode, pool=traffic.POOL))
        spent = time.process_time() - began
        assert verdict.is_good, verdict.found[0]
        passes = verdict.pools[0]["passes"]
        events = passes[0]["last"] - passes[0]["first"] + 1
        seconds = sum(one["seconds"] for one in passes)
        figures |= {
            "events": float(events),
            f"{mode}_events_per_second": round(events / seconds, 1),
            f"{mode}_events_per_cpu_second": round(events / spent, 1),
        }
    return figures | reading(url)


def reading(url: str) -> dict[str, float]:
    """Microseconds of a processor an event, of the server's backend and of this process."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(WITHOUT_SORTS)
        pool = (traffic.POOL,)
        row = connection.execute(
            "SELECT shard, next_sequence - 1 FROM ledger.shard WHERE name = %s", pool
        ).fetchone()
        assert row is not None
        shard, events = row
        server, own = _seconds_of(connection.info.backend_pid), time.process_time()
        for statement in (copied.EVENTS, copied.POSTINGS, copied.RECORDS):
            with connection.cursor().copy((statement % (shard, 1, events)).encode()) as rows:
                for _ in rows:
                    pass
        own = time.process_time() - own
        server = _seconds_of(connection.info.backend_pid) - server
    return {
        "read_server_us": round(1e6 * server / events, 2),
        "read_own_us": round(1e6 * own / events, 2),
    }


def _seconds_of(process: int) -> float:
    """Of a processor, as Linux tells them."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(figures: Mapping[str, float]) -> Iterator[str]:
    """The figures as lines for people."""
    for unit, called in (("second", "second"), ("cpu_second", "second of our CPU")):
        rates = ", ".join(f"{mode} {figures[f'{mode}_events_per_{unit}']:,.0f}" for mode in MODES)
        yield f"verification of {figures['events']:,.0f} events, one worker, a {called}: {rates}"
    yield (
        f"their rows read, and nothing done: {figures['read_server_us']} us of PostgreSQL's"
        f" processor an event, {figures['read_own_us']} of ours"
    )


def filled(url: str, trades: int) -> None:
    """Openings and trades through the writer, into an empty database."""
    log = PostgresLog.connect(url, "benchmark")
    writer = Writer(log)
    for role, lines in (("openings", iter(traffic.openings())), ("trades", traffic.trades(trades))):
        source = Source("file", role, role)
        numbered = enumerate(lines)
        while part := list(islice(numbered, _BATCH)):
            batch = [Message(source, 0, at, 0, None, line) for at, line in part]
            assert writer.take(batch).applied == len(batch)
    writer.close()


def main() -> int:
    """`python -m benchmarks.verifying`: these figures alone, over books of their own."""
    parser = argparse.ArgumentParser(prog="benchmarks.verifying", description=__doc__)
    parser.add_argument("--trades", type=int, default=TRADES)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clearing-verifying-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            migrate(server.url)
            filled(server.url, asked.trades)
            figures = measured(server.url)
        finally:
            server.stop()
    sys.stderr.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
