"""What the core keeps in memory: bytes an account with money, and bytes each open position of it.

Each case runs in a process of its own; counted is what the process grew by (resident pages), books,
watch and Python's own rounding up included, after the first price has set the bounds.
"""

import argparse
import gc
import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.ticks import Pool

ACCOUNTS = 100_000
POSITIONS = 5
_TENTHS = 600_000


def grown(accounts: int, positions: int) -> float:
    """Bytes an account that holds so many positions, each in another instrument."""
    pool = Pool()
    names = [f"C{number}-PERP" for number in range(max(1, positions))]
    for name in names:
        pool.list_perpetual(name)
    holders = [f"participant-{number}" for number in range(accounts)]
    gc.collect()
    before = _resident()
    pool.admit(holders)
    for number, holder in enumerate(holders):
        side = 1 if number % 2 else -1
        pool.open(holder, 100_000, [(name, side * 100) for name in names[:positions]])
    for name in names:
        pool.price(name, _TENTHS)
    gc.collect()
    return (_resident() - before) / accounts


def measured(accounts: int = ACCOUNTS) -> dict[str, float]:
    """Bytes of each kind."""
    none, one, several = (_apart(accounts, count) for count in (0, 1, POSITIONS))
    return {
        "accounts": float(accounts),
        "bytes_per_account": round(none),
        "bytes_first_position": round(one - none),
        "bytes_further_position": round((several - one) / (POSITIONS - 1)),
    }


def table(figures: Mapping[str, float]) -> Iterator[str]:
    """The figures as a line for people."""
    yield (
        f"memory: {figures['bytes_per_account']:,.0f} bytes an account with money,"
        f" {figures['bytes_first_position']:,.0f} its first open position,"
        f" {figures['bytes_further_position']:,.0f} each further one"
    )


def _apart(accounts: int, positions: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", "--one", str(accounts), str(positions)],
        capture_output=True,
        check=True,
        text=True,
    )
    return float(done.stdout)


def _resident() -> float:
    """Bytes of this process in memory now."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return float(pages) * resource.getpagesize()


def main() -> int:
    """`python -m benchmarks.memory`: these figures alone."""
    parser = argparse.ArgumentParser(prog="benchmarks.memory", description=__doc__)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--one", nargs=2, type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        sys.stdout.write(f"{grown(*asked.one)}\n")
        return 0
    figures = measured(asked.accounts)
    sys.stderr.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
