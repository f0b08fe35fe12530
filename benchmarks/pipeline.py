"""From Kafka to committed books: the real broker protocol, loop, writer and database.

Everything is produced before the clock starts. The rate is taken between the first and the last
commit of trades, so that connecting and listing accounts are not in it.
"""

import gzip
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import traffic
from consumers.admin import create_topics
from consumers.produce import produce
from consumers.run import Progress, run
from consumers.settings import RunSettings
from ledger.assembly import overlapping
from ledger.ports import Log


def measured(
    url: str, kafka: str, trades: int, folder: Path, opened: Callable[[str, str], Log] = overlapping
) -> dict[str, float]:
    """Trades a second from Kafka to committed, one pool, one partition.

    Args:
        url: Of a migrated database, empty.
        kafka: Bootstrap servers of a broker without topics.
        trades: How many.
        folder: For files.
        opened: Connects to the books; as `clearing run` does unless told otherwise.
    """
    settings = RunSettings(bootstrap_servers=kafka, drain=True)
    create_topics(settings, 1)
    _send(settings, folder / "openings.jsonl.gz", traffic.openings())
    openings = run(settings, lambda: opened(url, "benchmark")).applied
    _send(settings, folder / "trades.jsonl.gz", list(traffic.trades(trades)))
    commits: list[tuple[float, int]] = []

    def note(progress: Progress) -> None:
        commits.append((time.perf_counter(), progress.applied))

    done = run(settings, lambda: opened(url, "benchmark"), on_batch=note)
    assert done.applied == trades, f"{done.applied} of {trades} applied after {openings} openings"
    (first_at, first), (last_at, last) = commits[0], commits[-1]
    return {
        "trades_per_second": round((last - first) / (last_at - first_at), 1),
        "batches": float(len(commits)),
    }


def _send(settings: RunSettings, path: Path, lines: list[bytes]) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"\n".join(lines) + b"\n")
    produce(settings, path)
