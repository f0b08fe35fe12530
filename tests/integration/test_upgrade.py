"""An older and a newer program work in the same books while the schema of the older is expanded."""

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from alembic import command

from ledger.audit.archive.detach import detach_archived
from ledger.audit.verification.verify import Scope, verify
from ledger.errors import SchemaMismatch, StoreError, StoreUnavailable
from ledger.store import embedded, migrate
from ledger.store.log.postgres import PostgresLog
from ledger.store.schema import OLDEST, REVISION, MadeBy, fingerprint
from ledger.writer import Writer
from tests.conftest import url_of
from tests.integration.older_program import BATCH, TAKEN_OVER, batch, older
from tests.integration.pages import difference, steps
from tests.integration.test_auditors_day import prepared
from tests.integration.test_detaching import archived, asked, balances, deposits, live
from tests.unit.desk import BEGINNING, said

ROOT = Path(__file__).parents[2]
RELEASED = {"0001": "11d37a720fe4e53e"}
"""Revisions that were released, and what their SQL hashes to."""
_OPEN_TO_THE_WRITER = """
    SELECT relname FROM pg_class
     WHERE relispartition AND has_table_privilege('clearing_writer', oid, 'INSERT') ORDER BY 1"""


@pytest.fixture
def released(postgres: embedded.Embedded) -> Iterator[str]:
    """An empty database of the first released schema."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE released")
        url = url_of(postgres, "released")
        command.upgrade(migrate._config(url), "0001")
        yield url
        connection.execute("DROP DATABASE released WITH (FORCE)")


def _brought_to(url: str, revision: str) -> None:
    command.upgrade(migrate._config(url), revision)


def test_what_was_released_is_never_changed() -> None:
    assert {revision: fingerprint(revision) for revision in RELEASED} == RELEASED


def test_an_older_writer_goes_on_through_an_expansion_until_a_newer_one_takes_over(
    released: str,
) -> None:
    with _older_writer(released) as written:
        _until(lambda: len(written) > 20)
        began = time.monotonic()
        assert migrate.migrate(released) == REVISION
        ended = time.monotonic()
        _until(lambda: sum(at > ended for at, _ in written) > 20)
        writer = Writer(PostgresLog.connect(released, "newer"))
        writer.assign([0])
        writer.take(batch(0))
        _until(lambda: written[-1][1] == TAKEN_OVER)
    batches = written[:-1]
    gaps = [after - before for (before, _), (after, _) in itertools.pairwise(batches)]
    assert max(gaps) < 5, "no batch waited for the migration"
    assert any(began < at < ended for at, _ in batches), "it wrote while the schema was expanded"

    last = len(batches) + 3
    for number in range(last):
        writer.take(batch(number))
    writer.close()
    assert asked(released, "SELECT count(*) FROM ledger.event_identity") == [(4 + last * BATCH,)]
    (held,) = asked(released, "SELECT balance FROM reporting.balances WHERE account = 'anna'")
    assert held == (100 * last * BATCH,)
    assert verify(released, Scope()).found == []


@contextmanager
def _older_writer(url: str) -> Iterator[list[tuple[float, str]]]:
    """A process that writes under revision 0001; when it said what, so far."""
    words = [sys.executable, "-m", "tests.integration.older_program", url, "0001"]
    written: list[tuple[float, str]] = []
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:

        def read() -> None:
            assert process.stdout is not None
            written.extend((time.monotonic(), line.strip()) for line in process.stdout)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield written
        finally:
            process.kill()
            reader.join()


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_books_of_the_released_schema_are_brought_over_with_what_was_detached(
    released: str, tmp_path: Path
) -> None:
    cora = said("account", "r5", account="cora")
    with older("0001"):
        live(released, [*BEGINNING, *deposits(1, "anna", "ben", "ben"), cora])
        live(released, deposits(5, "cora", *["ben"] * 3, "anna", *["ben"] * 3), 9)
        archived(released, tmp_path)
        with psycopg.connect(released, autocommit=True) as connection:
            connection.execute("SELECT ledger.detach_leaf(1, 1)")
            connection.execute("SELECT ledger.detach_leaf(1, 5)")
        before = balances(released)
    migrate.migrate(released)
    assert balances(released) == before
    assert asked(released, _OPEN_TO_THE_WRITER) == [
        ("posting_1_13",),
        ("posting_1_17",),
        ("posting_1_9",),
    ]
    (anna,) = asked(released, "SELECT balance FROM reporting.balances_at('main', 8, 'anna')")
    assert anna == (100,), "anna moved at event 5, and not again until event 13"
    with pytest.raises(psycopg.Error, match="events up to 8 of shard 1 were detached"):
        asked(released, "SELECT * FROM reporting.balances_at('main', 7)")
    assert verify(released, Scope()).found == []
    detach_archived(released, "main", 9, tmp_path)
    assert balances(released) == before
    assert verify(released, Scope()).found == []
    live(released, deposits(13, "cora"), 17)


@pytest.mark.parametrize(
    ("dropped", "named"),
    [
        (("event_1_1", "record_1_1"), "pool main, events 1 to 4"),
        (("record_1_5",), "pool main, events 5 to 8"),
        (("event_1_1", "event_1_5"), "pool main, events 1 to 8"),
    ],
)
def test_a_migration_is_refused_where_tables_are_gone_that_alone_tell_the_terms(
    released: str, tmp_path: Path, dropped: tuple[str, ...], named: str
) -> None:
    with older("0001"):
        live(released, [*BEGINNING, *deposits(1, "anna", "ben", "ben"), *deposits(4, "anna")])
        live(released, deposits(5, "anna", *["ben"] * 7), 9)
        archived(released, tmp_path)
        with psycopg.connect(released, autocommit=True) as connection:
            for first in (1, 5):
                connection.execute("SELECT ledger.detach_leaf(1, %s)", [first])
            for table in dropped:
                connection.execute(f"DROP TABLE ledger.{table}".encode())
    for _ in range(2):
        with pytest.raises(StoreError, match=f"would carry terms .* from them: {named}. Put"):
            migrate.migrate(released)
        assert migrate.current(released) == "0001"
    with psycopg.connect(
        released, autocommit=True
    ) as connection:  # one is no use without the other
        connection.execute("DROP TABLE IF EXISTS ledger.event_1_5, ledger.record_1_5")
    assert migrate.migrate(released, without_dropped=True) == REVISION
    assert migrate.migrate(released) == REVISION, "it has run, and asks no more"
    found = [finding.line() for finding in verify(released, Scope()).found]
    assert len(found) == (0 if "event_1_1" not in dropped else 4), "no terms are in the other"
    assert all("dropped before revision 0002" in line for line in found)
    told_again = [said("pool", "n1"), said("instrument", "n2")]
    told_again += [said("account", f"n-{name}", account=name) for name in ("anna", "ben")]
    live(released, told_again, 17)
    assert verify(released, Scope()).found == []
    detach_archived_again(released, tmp_path)


def detach_archived_again(url: str, directory: Path) -> None:
    """The partition at hand that is the oldest now."""
    archived(url, directory)
    detach_archived(url, "main", 9, directory)
    assert verify(url, Scope()).found == []


def test_a_migration_waits_for_nobody_long_and_is_tried_again(
    released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(migrate, "PAUSES_S", (0.01,))
    with psycopg.connect(released) as reader:
        reader.execute("SELECT * FROM reporting.balances")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            migrate.migrate(released)
        assert migrate.current(released) == "0001", "nothing of it was left"
        monkeypatch.setattr(migrate, "PAUSES_S", (0.5,) * 10)
        threading.Timer(1, reader.rollback).start()
        assert migrate.migrate(released) == REVISION


def test_a_program_and_a_schema_tell_each_other_apart(released: str) -> None:
    with pytest.raises(SchemaMismatch, match=f"at revision 0001, expected {REVISION} or a newer"):
        PostgresLog.connect(released, "newer")
    migrate.migrate(released)
    with older("0001"):
        PostgresLog.connect(released, "older").close()
        assert migrate.migrate(released) == REVISION, "an older program leaves it as it is"
    contracted = MadeBy(REVISION, fingerprint(REVISION), "0002").statement()
    with psycopg.connect(released, autocommit=True) as connection:
        connection.execute(contracted.encode())
    PostgresLog.connect(released, "newer").close()
    with older("0001"), pytest.raises(SchemaMismatch, match="for programs of revision 0002 or"):
        PostgresLog.connect(released, "older")


def test_the_schema_names_the_programs_that_may_work_with_it(database_url: str) -> None:
    (comment,) = asked(database_url, "SELECT obj_description('ledger'::regnamespace)")[0]
    assert MadeBy.read(comment) == MadeBy(REVISION, fingerprint(), OLDEST)


def test_every_command_of_the_page_prints_what_it_shows(
    postgres: embedded.Embedded, tmp_path: Path
) -> None:
    told = steps((ROOT / "docs/operating/upgrade.md").read_text(encoding="utf-8"))
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE books")
        try:
            _brought_to(url_of(postgres, "books"), "0001")
            with older("0001"):
                live(url_of(postgres, "books"), [*BEGINNING, *deposits(1, "anna", "ben")])
            with prepared(tmp_path, postgres) as shell:
                for step in told:
                    differs = difference(step.output, shell.run(step.command))
                    assert differs is None, f"$ {step.command}\n{differs}"
        finally:
            connection.execute("DROP DATABASE books WITH (FORCE)")
