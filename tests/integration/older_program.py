"""A writer that knows the schema of an older revision and no other, in a process of its own.

`python -m tests.integration.older_program URL REVISION`: it begins a pool and deposits, one batch
after the other, and prints the last event of each, until another writer takes the pool over.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from unittest.mock import patch

from ledger.errors import FenceLost
from ledger.ports import Message
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.unit.desk import BEGINNING, FILE, said

LEAF_EVENTS = 50
SNAPSHOT_EVENTS = 40
BATCH = 5
TAKEN_OVER = "taken over"


@contextmanager
def older(revision: str) -> Iterator[None]:
    """The program in this process knows the schema of a revision and none after it."""
    with patch("ledger.store.migrate.REVISION", revision):
        yield


def batch(number: int) -> list[Message]:
    """The messages of a batch; the first begins the pool."""
    last = (number + 1) * BATCH
    values = [said("deposit", f"d{n}") for n in range(last - BATCH, last)]
    beginning = BEGINNING if number == 0 else []
    first = 0 if number == 0 else number * BATCH + len(BEGINNING)
    return [
        Message(FILE, 0, n, 0, None, value) for n, value in enumerate([*beginning, *values], first)
    ]


def main() -> None:
    """Write until fenced off."""
    url, revision = sys.argv[1:]
    with older(revision):
        log = PostgresLog.connect(url, "older", leaf_events=LEAF_EVENTS)
    writer = Writer(log, snapshot_events=SNAPSHOT_EVENTS)
    try:
        for number in count():
            writer.take(batch(number))
            _say(f"{len(BEGINNING) + (number + 1) * BATCH}")
    except FenceLost:
        _say(TAKEN_OVER)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
