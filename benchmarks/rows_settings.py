"""`python -m benchmarks.rows_settings`: what settings of PostgreSQL do for postings as books grow.

Two servers take the same binary rows in turn: one as it comes, one with the settings given. The
postings of some trades among many participants are sent again and again, each time with their
sequences moved on, so that all accounts go on and the index by account is as wide as a venue's.
"""

import argparse
import struct
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks import raw_copy, rows, traffic
from ledger.store import embedded

SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}
HEADER = 19
SEQUENCE_AT = 22
"""In a row of `posting`: behind the count of fields, shard, account, and its own length."""


class Server:
    """A server of its own, with books that nobody wrote to yet."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        """Start it with these settings."""
        server = embedded.start(folder)
        with psycopg.connect(server.url, autocommit=True) as connection:
            for name, value in settings.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        server.stop()
        self._server = embedded.start(folder)
        self.url = self._server.url
        self.connection = psycopg.connect(rows.database(self.url, "grown"), autocommit=True)

    def took(self, batches: list[bytes]) -> tuple[float, float, float]:
        """Send; microseconds of the server, of the wall, and bytes of WAL, of all of it."""
        written, spent, began = (
            rows.wal(self.connection),
            rows.served(self.connection),
            time.monotonic(),
        )
        for batch in batches:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                raw_copy.send(cursor, rows.LEAF, batch)
        wall = (time.monotonic() - began) * 1e6
        return rows.served(self.connection) - spent, wall, rows.wal(self.connection) - written

    def stop(self) -> None:
        """Stop it."""
        self.connection.close()
        self._server.stop()


def main() -> None:
    """Measure, and print a line a round."""
    parser = argparse.ArgumentParser(prog="benchmarks.rows_settings", description=__doc__)
    parser.add_argument("--trades", type=int, default=40_000, help="sent a round")
    parser.add_argument("--participants", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--setting", action="append", metavar="NAME=VALUE")
    asked = parser.parse_args()
    chosen = dict(one.split("=", 1) for one in asked.setting) if asked.setting else SETTINGS
    with tempfile.TemporaryDirectory(prefix="clearing-rows-") as name:
        servers = [Server(Path(name) / "plain", {}), Server(Path(name) / "set", chosen)]
        try:
            _measure(servers, asked.trades, asked.participants, asked.rounds)
        finally:
            for server in servers:
                server.stop()


def _measure(servers: list[Server], trades: int, participants: int, rounds: int) -> None:
    books = rows.database(servers[0].url, "books")
    rows.fill(books, trades, participants)
    known = raw_copy.read(books, traffic.POOL)
    for server in servers:
        last = known.last + rounds * trades
        raw_copy.prepare(server.connection, traffic.POOL, known._replace(last=last))
    sys.stdout.write("| postings | us | wall | WAL | us, set | wall, set | WAL, set |\n")
    sys.stdout.write("|---:|---:|---:|---:|---:|---:|---:|\n")
    for number in range(rounds):
        batches = [_moved(batch["posting"], number * trades) for batch in known.batches]
        figures = [figure / trades for server in servers for figure in server.took(batches)]
        said = " | ".join(f"{figure:,.0f}" for figure in figures)
        sys.stdout.write(f"| {known.postings * (number + 1):,} | {said} |\n")
        sys.stdout.flush()


def _moved(content: bytes, by: int) -> bytes:
    """The rows with all sequences moved on."""
    moved, at = bytearray(content), HEADER
    while (fields := struct.unpack_from(">h", moved, at)[0]) > 0:
        (sequence,) = struct.unpack_from(">q", moved, at + SEQUENCE_AT)
        struct.pack_into(">q", moved, at + SEQUENCE_AT, sequence + by)
        at += 2
        for _ in range(fields):
            at += 4 + max(struct.unpack_from(">i", moved, at)[0], 0)
    return bytes(moved)


if __name__ == "__main__":
    main()
