"""`python -m tests.browser.measure`: how long the console's pages take on large books.

Books are those of `benchmarks.as_of`, or with `--database-url` such as were made before. Each page
is asked for several times, now and as of events drawn at random; told are the first, the median of
the others and the slowest of them, in milliseconds from the request to the last byte.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg

from benchmarks import as_of, traffic
from ledger.store import embedded
from ledger.store.migrate import migrate
from tests.browser.served import serving

POSTINGS = 5_000_000
ASKED = 6
REST_S = 0.3
PAGES = (
    "",
    "/participants",
    "/participants/participant-007",
    "/postings",
    "/postings?account=participant-007",
    "/postings?account=@house&kind=fees",
    "/postings?kind=position&instrument=BTC-PERP",
    "/postings?kind=hold",
    "/events/{middle}",
    "/liquidations",
    "/fund",
    "/adl?instrument=BTC-PERP",
    "/instruments",
    "/instruments/BTC-PERP",
    "/instruments/BTC-PERP/marks.json",
    "/pace.json",
    "/refused",
    "/breaks",
    "/audit",
)


@contextmanager
def large_books(postings: int) -> Iterator[str]:
    """Books of so many postings, made in some minutes."""
    with tempfile.TemporaryDirectory(prefix="clearing-large-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            migrate(server.url)
            as_of._open(server.url)
            with psycopg.connect(server.url, autocommit=True) as connection:
                as_of._fill(connection, postings // as_of.POSTINGS_OF_A_TRADE)
            yield server.url
        finally:
            server.stop()


def measured(url: str) -> Iterator[str]:
    """A line a page."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT next_sequence - 1 FROM ledger.shard WHERE name = %s", (traffic.POOL,)
        ).fetchone()
    assert row is not None
    head: int = row[0]
    draw = random.Random(1)
    yield f"{'milliseconds':<46}{'':>6}{'first':>8}{'median':>8}{'slowest':>8}"
    with serving(url) as served, httpx.Client(base_url=served.address, timeout=60) as client:
        for page in PAGES:
            path = f"/pools/{quote(traffic.POOL)}{page.format(middle=head // 2)}"
            for when in ("now", "past"):
                taken = []
                for _ in range(ASKED):
                    first_at = head // 2 if "{middle}" in page else head // 10
                    at = f"at={draw.randint(first_at, head)}" if when == "past" else ""
                    joined = f"{path}{'&' if '?' in path else '?'}{at}"
                    began = time.perf_counter()
                    client.get(joined).raise_for_status()
                    taken.append((time.perf_counter() - began) * 1000)
                    time.sleep(REST_S)
                first, *others = taken
                figures = (first, statistics.median(others), max(others))
                shown = "".join(f"{figure:8.0f}" for figure in figures)
                yield f"{page or 'the pool':<46}{when:>6}{shown}"


def main() -> int:
    """Print the figures. Exit code 0."""
    parser = argparse.ArgumentParser(prog="tests.browser.measure", description=__doc__)
    parser.add_argument("--postings", type=int, default=POSTINGS)
    parser.add_argument("--database-url")
    asked = parser.parse_args()
    if asked.database_url is not None:
        for line in measured(asked.database_url):
            sys.stdout.write(line + "\n")
        return 0
    with large_books(asked.postings) as url:
        for line in measured(url):
            sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
