"""`python -m benchmarks.growth`: what a trade costs with 1, 10, 30 million postings in the ledger.

Trades go through the writer and the overlapped log, as in `clearing run` without the broker, among
`--participants` (each has three accounts, so the index of postings by account is as wide as a
venue's). At each size the last `WINDOW` trades are looked at: time, seconds of the processor of
the writer and of PostgreSQL (its processes, from /proc), WAL and disk; then the books are closed
and opened again from the kept state. The run goes on after each size; figures are printed, and
written to `--out`, as soon as they are there.
"""

import argparse
import gc
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
from benchmarks.machine import surroundings
from ledger.assembly import overlapping
from ledger.ports import Message, Source
from ledger.store import embedded
from ledger.store.log.overlapping import SWITCH_S
from ledger.store.migrate import migrate
from ledger.writer import Writer

SIZES = (1_000_000, 10_000_000, 30_000_000)
PARTICIPANTS = 10_000
POSTINGS_OF_A_TRADE = 9
WINDOW = 50_000
BATCH = 1_000
SOURCE = Source("growth", "trades", "trades")
OPENINGS = Source("file", "openings", "openings")
_YOUNG_OBJECTS = 200_000
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_SIZES = """
SELECT parent.relname, sum(pg_total_relation_size(part.relid))::int8
  FROM pg_class parent JOIN pg_namespace n ON n.oid = parent.relnamespace
 CROSS JOIN LATERAL pg_partition_tree(parent.oid) part
 WHERE n.nspname = 'ledger' AND NOT parent.relispartition AND parent.relkind = 'p'
 GROUP BY 1 ORDER BY 2 DESC"""

Figures = dict[str, float]


class Meter:
    """What was spent so far: time, processor, WAL, disk."""

    def __init__(self, connection: psycopg.Connection, postmaster: int) -> None:
        """Read from this connection and the processes of this server."""
        self._connection = connection
        self._postmaster = postmaster

    def read(self) -> Figures:
        """Totals; of interest is the difference of two."""
        row = self._connection.execute(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8,"
            " pg_database_size(current_database())::float8"
        ).fetchone()
        assert row is not None
        return {
            "us": time.monotonic() * 1e6,
            "writer_cpu_us": time.process_time() * 1e6,
            "postgres_cpu_us": _processor_s(self._postmaster) * 1e6,
            "wal_bytes": row[0],
            "disk_bytes": row[1],
        }


def measured(
    sizes: tuple[int, ...], participants: int, url: str, meter: Meter
) -> Iterator[Figures]:
    """At each size: what a trade costs, and a start from the kept state.

    Args:
        sizes: Postings, rising.
        participants: Who trade.
        url: Of a migrated database, empty.
        meter: Of the same.
    """
    trades_of = [size // POSTINGS_OF_A_TRADE for size in sizes]
    lines = traffic.trades(trades_of[-1], participants)
    done = 0
    writer = _opened(url)
    _open_books(writer, participants)
    for trades in trades_of:
        done = _taken(writer, lines, done, max(done, trades - WINDOW))
        window = trades - done
        before = meter.read()
        done = _taken(writer, lines, done, trades)
        writer.settle()
        after = meter.read()
        writer.close()
        began = time.perf_counter()
        writer = _opened(url)
        writer.state(traffic.POOL)
        yield {
            "trades": trades,
            "postings": _postings(url),
            **{
                f"{name}_a_trade": round((after[name] - before[name]) / window, 1) for name in after
            },
            "start_s": round(time.perf_counter() - began, 2),
        }
    writer.close()


def table_sizes(connection: psycopg.Connection) -> Figures:
    """Bytes of each partitioned table, its indexes included."""
    return {name: float(size) for name, size in connection.execute(_SIZES).fetchall()}


def _opened(url: str) -> Writer:
    return Writer(overlapping(url, "growth"))


def _open_books(writer: Writer, participants: int) -> None:
    messages = (
        Message(OPENINGS, 0, at, 0, None, line)
        for at, line in enumerate(traffic.openings(participants))
    )
    while batch := list(islice(messages, BATCH)):
        assert writer.take(batch).applied == len(batch)


def _taken(writer: Writer, lines: Iterator[bytes], done: int, until: int) -> int:
    """Take trades up to this number of them; how many are done now."""
    key = traffic.POOL.encode()
    while done < until:
        part = list(islice(lines, min(BATCH, until - done)))
        batch = [Message(SOURCE, 0, done + at, 0, key, line) for at, line in enumerate(part)]
        assert writer.take(batch).applied == len(batch)
        done += len(batch)
    return done


def _postings(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.posting").fetchone()
    assert row is not None
    return int(row[0])


def _processor_s(postmaster: int) -> float:
    """Of the server's processes that run now."""
    ticks = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if postmaster in (int(fields[1]), int(folder.name)):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_A_SECOND


def _line(found: Mapping[str, float]) -> str:
    return (
        f"{found['postings']:>12,.0f} postings: {found['us_a_trade']:.0f} us a trade"
        f" (processor: writer {found['writer_cpu_us_a_trade']:.0f},"
        f" PostgreSQL {found['postgres_cpu_us_a_trade']:.0f}),"
        f" WAL {found['wal_bytes_a_trade']:,.0f} B, disk {found['disk_bytes_a_trade']:,.0f} B;"
        f" started from its kept state in {found['start_s']:.2f} s"
    )


def main() -> int:
    """Measure size after size."""
    parser = argparse.ArgumentParser(prog="benchmarks.growth", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="postings, rising")
    parser.add_argument("--participants", type=int, default=PARTICIPANTS)
    parser.add_argument("--out", type=Path, help="a file for the figures as JSON")
    asked = parser.parse_args()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)
    sys.setswitchinterval(SWITCH_S)
    result: dict[str, object] = {**surroundings(), "participants": asked.participants}
    with tempfile.TemporaryDirectory(prefix="clearing-growth-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            migrate(server.url)
            postmaster = server.server.get_pid()
            assert postmaster is not None
            with psycopg.connect(server.url, autocommit=True) as connection:
                meter = Meter(connection, postmaster)
                found: list[Figures] = []
                for figures in measured(tuple(asked.sizes), asked.participants, server.url, meter):
                    found.append(figures)
                    sys.stderr.write(_line(figures) + "\n")
                    result |= {"sizes": found, "table_bytes": table_sizes(connection)}
                    if asked.out is not None:
                        asked.out.write_text(json.dumps(result, indent=2) + "\n")
        finally:
            server.stop()
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
