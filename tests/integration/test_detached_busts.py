"""A bust whose trade was detached is refused by a code of its own, and replays alike."""

from pathlib import Path

import psycopg
import pytest

from ledger.audit.archive.archived import Archive
from ledger.audit.archive.detach import detach_archived
from ledger.audit.replay.replay import replay
from ledger.audit.verification.verify import Scope, verify
from ledger.errors import StoreError
from ledger.ports import Message
from ledger.store import embedded
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration.test_detaching import archived, balances, deposits, live
from tests.integration.varied_books import fresh
from tests.unit.desk import BEGINNING, FILE, said

TRADES = [
    *(said("trade", f"t{n}", seller_fee="0", buyer_fee="0.5") for n in (1, 2)),
    *deposits(1, "anna", "ben"),
]


def bust(event_id: str, trade: str) -> bytes:
    return said("trade_bust", event_id, trade_event_id=trade)


def take(url: str, start: int, *messages: bytes, keeps_state: bool = True) -> list[str | None]:
    """Write messages; the codes of refusal, None where there was none."""
    log = PostgresLog.connect(url, "test", leaf_events=4)
    writer = Writer(log)
    writer.take([Message(FILE, 0, n, 0, None, value) for n, value in enumerate(messages, start)])
    codes = [row.rejection for row in log.events(1, start)]
    writer.close() if keeps_state else log.close()
    return codes


@pytest.fixture
def books(database_url: str) -> str:
    """Partitions of four events: terms; two trades and two deposits; the first trade's bust."""
    live(database_url, [*BEGINNING, *TRADES])
    return database_url


def test_a_bust_of_a_detached_trade_is_refused_and_replays_alike(
    books: str, tmp_path: Path, postgres: embedded.Embedded
) -> None:
    assert take(books, 9, bust("b1", "t1"), *deposits(3, "ben", "ben", "ben")) == [None] * 4
    archived(books, tmp_path)
    for first in (1, 5):
        detach_archived(books, "main", first, tmp_path)
    codes = take(books, 13, bust("b2", "t2"), bust("b3", "t1"), bust("b4", "never"))
    assert codes == ["trade_archived", "trade_archived", "unknown_trade"]
    assert verify(books, Scope()).found == []
    archived(books, tmp_path)
    with fresh(postgres, "books_with_busts") as whole:
        found = replay(Archive.open(tmp_path), lambda: PostgresLog.connect(whole, "test"))
        assert [(one.events, one.difference) for one in found] == [(15, None)]
        assert balances(whole) == balances(books)
        assert verify(whole, Scope()).found == []


def test_a_trade_that_a_start_would_need_stays(books: str, tmp_path: Path) -> None:
    busts = [bust("b1", "t1"), *deposits(3, "ben", "ben", "ben")]
    assert take(books, 9, *busts, keeps_state=False) == [None] * 4
    archived(books, tmp_path)
    detach_archived(books, "main", 1, tmp_path)
    with pytest.raises(StoreError, match="trade t1, in the leaf from 5, was busted since"):
        detach_archived(books, "main", 5, tmp_path)
    assert take(books, 13, *deposits(6, "anna")) == [None]
    detach_archived(books, "main", 5, tmp_path)
    with psycopg.connect(books) as connection:
        kept = connection.execute("SELECT array_agg(sequence) FROM ledger.snapshot").fetchone()
    assert kept == ([8, 13],)
    assert take(books, 14, *deposits(7, "anna")) == [None]
    verdict = verify(books, Scope("rederive"))
    assert verdict.found == []
    (done,) = verdict.pools[0]["passes"]
    assert (done["first"], done["last"]) == (14, 14), "deciding begins behind the bust"
