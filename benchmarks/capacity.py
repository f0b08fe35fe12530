"""`python -m benchmarks.capacity BENCH.json GROWTH.json`: what venues of three sizes need.

Nothing is measured here: the figures of `python -m benchmarks` and of `python -m benchmarks.growth`
(its largest size) are multiplied out, and the table of docs/operating/capacity.md is printed. Put
in what a machine of your own measured. What is assumed stands in `VENUES` and `PEAK`.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PEAK = 20
"""The busiest second of a day over its mean second."""

_DAY_S = 86_400
_LEAF_EVENTS = 1_000_000
_GB, _MB = 1e9, 1e6


class Venue(NamedTuple):
    """A venue: trades a day, accounts with money, open positions."""

    name: str
    trades_a_day: int
    accounts: int
    positions: int


VENUES = (
    Venue("small", 1_000_000, 10_000, 20_000),
    Venue("middle", 20_000_000, 200_000, 400_000),
    Venue("large", 200_000_000, 2_000_000, 4_000_000),
)


class Costs(NamedTuple):
    """What was measured: of a trade, of an account, of a position, and of one pool.

    Attributes:
        writer_us, postgres_us: Seconds of the processor, in microseconds, a trade.
        wal_bytes, disk_bytes: A trade.
        account_bytes, position_bytes: Of the writer's memory.
        pool_rate: Trades a second that a writer's core is fully taken by: the most of one pool.
    """

    writer_us: float
    postgres_us: float
    wal_bytes: float
    disk_bytes: float
    account_bytes: float
    position_bytes: float
    pool_rate: float


def costs(bench: dict[str, Any], growth: dict[str, Any]) -> Costs:
    """Those of two results."""
    last, memory = growth["sizes"][-1], bench["figures"]["memory"]
    return Costs(
        last["writer_cpu_us_a_trade"],
        last["postgres_cpu_us_a_trade"],
        last["wal_bytes_a_trade"],
        last["disk_bytes_a_trade"],
        memory["bytes_per_account"],
        max(memory["bytes_first_position"], memory["bytes_further_position"]),
        1e6 / last["writer_cpu_us_a_trade"],
    )


def needs(venue: Venue, cost: Costs) -> dict[str, str]:
    """What a venue needs, by name, as people read it."""
    mean = venue.trades_a_day / _DAY_S
    peak = mean * PEAK
    memory = venue.accounts * cost.account_bytes + venue.positions * cost.position_bytes
    return {
        "trades a day": f"{venue.trades_a_day:,}",
        "accounts, open positions": f"{venue.accounts:,}, {venue.positions:,}",
        "trades a second, mean and peak": f"{mean:,.0f}, {peak:,.0f}",
        "pools that share the peak, at least": f"{math.ceil(peak / cost.pool_rate)}",
        "writers' cores at the peak": f"{peak * cost.writer_us / 1e6:.1f}",
        "PostgreSQL's cores at the peak": f"{peak * cost.postgres_us / 1e6:.1f}",
        "writers' memory for books, GB": f"{memory / _GB:.1f}",
        "WAL at the peak, MB/s": f"{peak * cost.wal_bytes / _MB:,.1f}",
        "WAL a day, GB": f"{venue.trades_a_day * cost.wal_bytes / _GB:,.0f}",
        "disk a day, GB": f"{venue.trades_a_day * cost.disk_bytes / _GB:,.0f}",
        "disk a year, TB": f"{365 * venue.trades_a_day * cost.disk_bytes / 1e12:,.1f}",
        "partitions of each table a day, at least": f"{venue.trades_a_day / _LEAF_EVENTS:,.0f}",
    }


def table(cost: Costs) -> Iterator[str]:
    """The venues side by side, as Markdown."""
    found = [needs(venue, cost) for venue in VENUES]
    yield "| | " + " | ".join(venue.name for venue in VENUES) + " |"
    yield "|---|" + "---:|" * len(VENUES)
    for name in found[0]:
        yield f"| {name} | " + " | ".join(one[name] for one in found) + " |"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.capacity", description=__doc__)
    parser.add_argument("bench", type=Path, help="a result of `python -m benchmarks`")
    parser.add_argument("growth", type=Path, help="`--out` of `python -m benchmarks.growth`")
    asked = parser.parse_args()
    found = costs(json.loads(asked.bench.read_text()), json.loads(asked.growth.read_text()))
    sys.stdout.write("\n".join(table(found)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
