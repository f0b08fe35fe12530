"""Books to report on: two days worked by hand, and a history full of defaults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.ports import Message
from ledger.store import embedded
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration.varied_books import fresh, live
from tests.unit.desk import FILE

TWO_DAYS = Path(__file__).resolve().parents[3] / "docs" / "examples" / "reports" / "two-days.jsonl"


def messages(lines: list[bytes], first: int = 1) -> list[Message]:
    """Wire events of a file, as they are delivered."""
    return [Message(FILE, 0, first + at, 0, None, line) for at, line in enumerate(lines)]


@pytest.fixture(scope="package")
def varied(postgres: embedded.Embedded) -> Iterator[str]:
    """Refusals, busts, liquidations, deleveragings, socialized losses; checkpoints. Only read."""
    with fresh(postgres, "reported") as url:
        live(url)
        yield url


@pytest.fixture
def two_days(database_url: str) -> str:
    """The example's books, without a checkpoint."""
    log = PostgresLog.connect(database_url, "test")
    taken = Writer(log).take(messages(TWO_DAYS.read_bytes().splitlines()))
    assert (taken.applied, taken.rejected) == (17, 1)
    log.close()
    return database_url
