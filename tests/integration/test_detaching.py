"""A partition leaves the books only when a verified archive holds it; what is left still holds."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.audit.archive.archived import Archive
from ledger.audit.archive.check import verify_archive
from ledger.audit.archive.detach import NotArchived, detach_archived
from ledger.audit.archive.export import export
from ledger.audit.proofs.sealing import Sealer
from ledger.audit.proofs.signing import signer
from ledger.audit.replay.replay import replay
from ledger.audit.verification.verify import MODES, Scope, verify
from ledger.cli import app
from ledger.errors import ConfigurationError, LedgerError, StoreError
from ledger.ports import Message
from ledger.store import embedded
from ledger.store.audit.archive import StoredBooks
from ledger.store.audit.liabilities import owed
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration.sealed_books import write
from tests.integration.varied_books import fresh
from tests.unit.desk import BEGINNING, FILE, said

LEAF = 4


def deposits(first: int, *owners: str) -> list[bytes]:
    return [said("deposit", f"d{n}", account=owner) for n, owner in enumerate(owners, start=first)]


def live(url: str, messages: list[bytes], start: int = 1) -> None:
    """Write messages, and keep a state at the end."""
    log = PostgresLog.connect(url, "test", leaf_events=LEAF)
    writer = Writer(log, seal=Sealer(signer()))
    taken = writer.take(
        [Message(FILE, 0, n, 0, None, value) for n, value in enumerate(messages, start=start)]
    )
    assert taken.applied == len(messages)
    writer.close()


@pytest.fixture
def books(database_url: str) -> str:
    """Partitions of four events: terms; deposits of anna and ben; of cora and ben; of both."""
    cora = said("account", "r5", account="cora")
    live(database_url, [*BEGINNING, *deposits(1, "anna", "ben", "ben"), cora])
    live(database_url, deposits(5, "cora", "ben", "ben", "ben", "anna", "ben", "ben", "ben"), 9)
    return database_url


def archived(url: str, directory: Path, last: int | None = None, first: int | None = None) -> None:
    stored = StoredBooks.connect(url, "test")
    try:
        export(stored, directory, first=first, last=last, rows_per_file=3)
    finally:
        stored.close()


def balances(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT account, kind, balance FROM reporting.balances ORDER BY 1, 2"
        ).fetchall()


def held(url: str) -> tuple[object, ...] | None:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT min(sequence), max(sequence) FROM ledger.event WHERE shard = 1"
        ).fetchone()


def test_partitions_go_one_by_one_and_the_books_still_hold(
    books: str, tmp_path: Path, postgres: embedded.Embedded
) -> None:
    before = balances(books)
    kept = tmp_path / "kept"
    archived(books, kept)
    done = detach_archived(books, "main", 1, kept)
    assert (done.first, done.last) == (1, 4)
    assert done.tables == ["ledger.event_1_1", "ledger.posting_1_1", "ledger.record_1_1"]
    with pytest.raises(ConfigurationError, match="export into the archive that holds it"):
        archived(books, tmp_path / "rest")
    words = ["archive", "detach", "--pool", "main", "--first", "5", "--archive", str(kept)]
    ran = CliRunner().invoke(app, [*words, "--database-url", books])
    assert ran.exit_code == 0, (ran.output, ran.exception)
    assert ran.stdout.startswith("main: events 5 to 8 detached; left: ledger.event_1_5, ")
    assert held(books) == (9, 16)
    assert balances(books) == before

    for mode in ("quick", "chain", "fold"):
        assert verify(books, Scope(mode=mode)).found == []
    for first in (9, 10):
        archived(books, tmp_path / f"from {first}", first=first)
        assert verify_archive(tmp_path / f"from {first}") == [], "from a checkpoint, from a chain"
    live(books, deposits(13, "anna", "cora"), 17)
    archived(books, kept)
    assert verify_archive(kept) == [], "the archive goes on over the seam"
    with fresh(postgres, "books_whole") as whole:
        found = replay(Archive.open(kept), lambda: PostgresLog.connect(whole, "test"))
        assert [(one.events, one.is_equal) for one in found] == [(18, True)]
        assert balances(whole) == balances(books)


def asked(url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode(), values).fetchall()


NOW = ("balances", "margin", "positions", "trial_balance", "adl_queue", "open_interest")
PAST = ("balances_at", "margin_at", "positions_at")


def told(url: str, at: int) -> dict[str, list[tuple[Any, ...]]]:
    """What readers are told of pool main, now and as of an event."""
    told = {name: sorted(asked(url, f"SELECT * FROM reporting.{name}"), key=repr) for name in NOW}
    for name in PAST:
        query = f"SELECT * FROM reporting.{name}('main', %s)"
        told[name] = sorted(asked(url, query, at), key=repr)
    told["owed"] = held_by_all(url, at)
    return told


def held_by_all(url: str, at: int) -> list[tuple[Any, ...]]:
    """Of each participant, as proofs of liabilities read it."""
    with owed(url, "main", at) as books:
        return sorted((one for _, page in books.held() for one in page), key=str)


def test_what_was_detached_is_refused_in_words_that_tell_where_it_is(
    books: str, tmp_path: Path
) -> None:
    archived(books, tmp_path)
    detach_archived(books, "main", 1, tmp_path)
    with (
        pytest.raises(LedgerError, match="took away is in the archive"),
        owed(books, None, 3) as at,
    ):
        at.anchor()
    words = ["statement", "anna", "--at", "3", "--database-url", books]
    refused = str(CliRunner().invoke(app, words).exception)
    assert "events up to 4 of shard 1 were detached" in refused
    assert "or replay the archive up to the event asked for." in refused
    assert "CONTEXT" not in refused


def test_idle_accounts_terms_and_prices_outlive_their_partition(
    database_url: str, tmp_path: Path
) -> None:
    write(database_url)
    archived(database_url, tmp_path)
    before = [told(database_url, at) for at in (120, 121, 190)]
    for first in (1, 61):
        detach_archived(database_url, "main", first, tmp_path)
    assert held(database_url) == (121, 207)
    assert [told(database_url, at) for at in (120, 121, 190)] == before
    idle = asked(
        database_url,
        "SELECT count(DISTINCT account) FROM ledger.carried_balance WHERE shard = 1"
        " AND account <> ALL (SELECT account FROM ledger.posting WHERE shard = 1)",
    )
    assert idle[0][0] > 5, "accounts that have not moved since"
    for scope in (Scope(mode) for mode in MODES):
        assert verify(database_url, scope).found == []
    assert verify(database_url, Scope(pool="main", from_snapshot=True)).found == []


def test_what_was_before_is_refused_and_not_guessed(database_url: str, tmp_path: Path) -> None:
    write(database_url)
    archived(database_url, tmp_path)
    moment = "SELECT pool_time FROM ledger.event WHERE shard = 1 AND sequence = %s"
    ((early,), (end,)) = [asked(database_url, moment, at)[0] for at in (30, 120)]
    as_of = "SELECT * FROM reporting.balances_at('main', %s) ORDER BY account, kind, 4, 5"
    at_end = asked(database_url, as_of, end)
    for first in (1, 61):
        detach_archived(database_url, "main", first, tmp_path)
    assert asked(database_url, as_of, end) == at_end
    for at in (1, 60, 119, early):
        for name in PAST:
            with pytest.raises(psycopg.Error, match="events up to 120 of shard 1 were detached"):
                asked(database_url, f"SELECT * FROM reporting.{name}('main', %s)", at)
    with pytest.raises(StoreError, match="were detached"):
        held_by_all(database_url, 119)


def test_only_rows_that_were_hashed_are_carried(books: str, tmp_path: Path) -> None:
    archived(books, tmp_path)
    with psycopg.connect(books, autocommit=True) as connection:
        connection.execute("ALTER TABLE ledger.posting_1_5 DISABLE TRIGGER ALL")
        connection.execute("UPDATE ledger.posting_1_5 SET balance = 1 WHERE sequence = 6")
    detach_archived(books, "main", 1, tmp_path)
    with pytest.raises(NotArchived, match="the books do not verify, nothing was detached"):
        detach_archived(books, "main", 5, tmp_path)
    assert held(books) == (5, 16)


def test_what_the_archive_does_not_hold_stays(books: str, tmp_path: Path) -> None:
    archived(books, tmp_path, last=3)
    with pytest.raises(NotArchived, match="holds events 1 to 3 of main"):
        detach_archived(books, "main", 1, tmp_path)
    archived(books, tmp_path)
    with pytest.raises(ConfigurationError, match="begins at event 1, not at 5"):
        detach_archived(books, "main", 5, tmp_path)
    with pytest.raises(ConfigurationError, match="pool other is not in these books"):
        detach_archived(books, "other", 1, tmp_path)
    (file,) = tmp_path.rglob("event-000000000001-*.parquet")
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(NotArchived, match="does not verify, nothing was detached"):
        detach_archived(books, "main", 1, tmp_path)
    assert held(books) == (1, 16)


def test_a_partition_in_use_and_one_without_a_later_state_stay(
    database_url: str, tmp_path: Path
) -> None:
    live(database_url, BEGINNING[:3])
    archived(database_url, tmp_path)
    with pytest.raises(ConfigurationError, match="is not full: it ends at 4, the books at 3"):
        detach_archived(database_url, "main", 1, tmp_path)
    log = PostgresLog.connect(database_url, "test", leaf_events=LEAF)
    Writer(log).take([Message(FILE, 0, 4, 0, None, BEGINNING[3])])
    log.close()
    archived(database_url, tmp_path)
    with pytest.raises(NotArchived, match="no state of main was kept at event 4"):
        detach_archived(database_url, "main", 1, tmp_path)


def test_an_archive_of_other_books_does_not_count(
    books: str, tmp_path: Path, postgres: embedded.Embedded
) -> None:
    swapped = [
        *BEGINNING[:2],
        BEGINNING[3],
        BEGINNING[2],
        *deposits(1, "ben", "ben", "anna", "ben"),
    ]
    with fresh(postgres, "books_alike") as alike:
        live(alike, swapped)
        archived(alike, tmp_path)
    with pytest.raises(NotArchived, match="holds other books: the chain after event 4"):
        detach_archived(books, "main", 1, tmp_path)
