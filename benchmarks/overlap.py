"""`python -m benchmarks.overlap`: the pipeline with batches one after the other, and overlapped."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import pipeline
from consumers.embedded import EmbeddedBroker
from ledger.assembly import overlapping
from ledger.ports import Log
from ledger.store import embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate

KINDS: dict[str, Callable[[str, str], Log]] = {
    "one after the other": PostgresLog.connect,
    "overlapped": overlapping,
}


def main() -> None:
    """Measure both in turn, with servers of their own each time."""
    parser = argparse.ArgumentParser(prog="benchmarks.overlap", description=__doc__)
    parser.add_argument("--trades", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    for _ in range(asked.rounds):
        for kind, opened in KINDS.items():
            rate = _rate(asked.trades, opened)
            sys.stdout.write(f"{kind:20} {rate:8,.0f} trades a second\n")
            sys.stdout.flush()


def _rate(trades: int, opened: Callable[[str, str], Log]) -> float:
    with tempfile.TemporaryDirectory(prefix="clearing-bench-") as name:
        folder = Path(name)
        server, broker = embedded.start(folder / "postgres"), EmbeddedBroker()
        try:
            migrate(server.url)
            kafka = broker.bootstrap_servers
            found = pipeline.measured(server.url, kafka, trades, folder, opened)
        finally:
            broker.stop()
            server.stop()
        return found["trades_per_second"]


if __name__ == "__main__":
    main()
