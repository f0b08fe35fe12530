"""What `make bench` measures, section after section, each with its size.

A section that fails does not take the others with it: its fault is shown, and the exit code is 1.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks import (
    as_of,
    core,
    hashing,
    latency,
    liabilities,
    memory,
    pipeline,
    raw_copy,
    starting,
    ticks,
    traffic,
    verifying,
    wal,
)
from consumers.embedded import EmbeddedBroker
from ledger.store import embedded
from ledger.store.migrate import migrate

Figures = dict[str, float]
Say = Callable[[str], object]


class Sizes(NamedTuple):
    """How much of each.

    Attributes:
        trades: Through the pipeline, and verified.
        positions: Open ones that ticks go over.
        rates, seconds: Of latency: trades a second, and how long each.
        liquidations, border: Accounts of the cascade; 0: none.
        postings: That questions of the past are asked over.
        participants: Of the proof of liabilities.
        holders, history, tail: Of funding and starts.
        accounts: That memory is counted over.
    """

    trades: int
    positions: tuple[int, ...]
    rates: tuple[int, ...]
    seconds: float
    liquidations: int
    border: int
    postings: int
    participants: int
    holders: int
    history: int
    tail: int
    accounts: int


FULL = Sizes(
    *(100_000, ticks.POSITIONS, latency.RATES, 8, 10_000, 20_000, as_of.POSTINGS, 100_000),
    *(starting.HOLDERS, starting.HISTORY, starting.TAIL, memory.ACCOUNTS),
)
QUICK = Sizes(
    *(20_000, ticks.POSITIONS[:-1], (2_000,), 4, 1_000, 2_000, 100_000, 5_000),
    *(5_000, 100_000, 5_000, 20_000),
)
LONG = FULL._replace(postings=10_000_000)


def measured(sizes: Sizes, wanted: Iterable[str], say: Say) -> tuple[dict[str, Figures], list[str]]:
    """The figures by section, and the sections that failed.

    Args:
        sizes: How much of each.
        wanted: Sections; none: all.
        say: Takes lines for people, as they come.
    """
    figures: dict[str, Figures] = {}
    failed: list[str] = []
    chosen = set(wanted) or set(SECTIONS)
    for name, measure in SECTIONS.items():
        if name not in chosen:
            continue
        say(f"== {name}")
        try:
            for part, found, lines in measure(sizes):
                figures[part] = found
                for line in lines:
                    say(line)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the other figures are kept
            failed.append(name)
            say(traceback.format_exc() + str(getattr(fault, "stderr", "")))
    return figures, failed


Parts = Iterator[tuple[str, Figures, Iterable[str]]]


def _pipeline(sizes: Sizes) -> Parts:
    """Kafka to committed, raw COPY of the same rows, verification of the same books."""
    with tempfile.TemporaryDirectory(prefix="clearing-bench-") as name:
        folder = Path(name)
        server = embedded.start(folder / "postgres")
        try:
            target = _database(server.url, "raw_copy")
            migrate(server.url)
            migrate(target)
            wal.run_in(server.url)
            with EmbeddedBroker() as kafka:
                whole = pipeline.measured(server.url, kafka.bootstrap_servers, sizes.trades, folder)
            raw = raw_copy.measured(server.url, target, traffic.POOL)
            rate = whole["trades_per_second"]
            whole["postings_per_second"] = round(rate * raw["postings_per_trade"], 1)
            whole["share_of_raw_copy"] = round(rate / raw["trades_per_second"], 3)
            yield "pipeline", whole, _pipeline_lines(whole, raw)
            yield "raw_copy", raw, ()
            checked = verifying.measured(server.url)
            yield "verifying", checked, verifying.table(checked)
        finally:
            server.stop()


def _pipeline_lines(whole: Mapping[str, float], raw: Mapping[str, float]) -> Iterator[str]:
    yield (
        f"Kafka to committed: {whole['trades_per_second']:,.0f} trades/s,"
        f" {whole['postings_per_second']:,.0f} postings/s"
    )
    yield (
        f"raw COPY of the same rows: {raw['trades_per_second']:,.0f} trades/s,"
        f" {raw['postings_per_second']:,.0f} postings/s; share {whole['share_of_raw_copy']:.0%}"
    )


def _core(sizes: Sizes) -> Parts:
    found = core.measured(min(sizes.trades, 50_000))
    told = ", ".join(f"{name} {value:,.1f}" for name, value in found.items())
    yield "core", found, [f"one thread: {told}"]


def _ticks(sizes: Sizes) -> Parts:
    found = ticks.measured(sizes.positions)
    yield "ticks", found, ticks.table(found)


def _cascade(sizes: Sizes) -> Parts:
    """Liquidations with deleveraging in one event, and accounts at their border."""
    if importlib.util.find_spec("benchmarks.cascade") is None:
        return
    fall = _case("bitmex", sizes.liquidations)
    border = _case("border", sizes.border)
    found = {f"bitmex_{name}_{sizes.liquidations}": value for name, value in fall.items()}
    found |= {f"border_{name}_{sizes.border}": value for name, value in border.items()}
    at_border = ", ".join(f"{name} {value:,.2f}" for name, value in border.items())
    lines = [
        f"{sizes.liquidations:,} liquidations with ADL in one event: {fall['seconds']:.2f} s",
        f"{sizes.border:,} accounts at their border: {at_border}",
    ]
    yield "cascade", found, lines


def _case(case: str, size: int) -> Figures:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cascade", "--one", case, str(size)],
        capture_output=True,
        check=True,
        text=True,
    )
    found: Figures = json.loads(done.stdout)
    return found


def _hashing(_: Sizes) -> Parts:
    found = hashing.measured()
    yield "hashing", found, hashing.table(found)


def _memory(sizes: Sizes) -> Parts:
    found = memory.measured(sizes.accounts)
    yield "memory", found, memory.table(found)


def _latency(sizes: Sizes) -> Parts:
    found = latency.measured(sizes.rates, sizes.seconds)
    yield "latency", found, latency.table(found)


def _starting(sizes: Sizes) -> Parts:
    found = starting.measured(sizes.holders, sizes.history, sizes.tail)
    yield "starting", found, starting.table(found)


def _as_of(sizes: Sizes) -> Parts:
    found = as_of.measured(sizes.postings)
    yield "as_of", found, as_of.table(found)


def _liabilities(sizes: Sizes) -> Parts:
    found = liabilities.measured(sizes.participants)
    yield "liabilities", found, liabilities.table(found)


SECTIONS: dict[str, Callable[[Sizes], Parts]] = {
    "core": _core,
    "hashing": _hashing,
    "pipeline": _pipeline,
    "latency": _latency,
    "ticks": _ticks,
    "cascade": _cascade,
    "memory": _memory,
    "starting": _starting,
    "as_of": _as_of,
    "liabilities": _liabilities,
}


def _database(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return url.replace("/postgres?", f"/{name}?")
