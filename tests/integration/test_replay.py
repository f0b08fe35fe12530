"""Replay: the books come out of their raw events again, byte for byte, however it is driven."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.audit.proofs.sealing import append_copies
from ledger.audit.replay.replay import Replayed, replay
from ledger.audit.verification.verify import Scope, verify
from ledger.cli import app
from ledger.codec.states import encode_state
from ledger.errors import ConfigurationError, StoreError
from ledger.store import embedded
from ledger.store.audit.archive import StoredBooks
from ledger.store.log.postgres import PostgresLog
from ledger.writer import Writer
from tests.integration.varied_books import fresh, live

TABLES = {
    "event": "to_jsonb(t) - 'shard' - 'source', (SELECT (cluster, topic_id, topic)::text"
    " FROM ledger.source s WHERE s.source = t.source)",
    "posting": "to_jsonb(t) - 'shard'",
    "record": "to_jsonb(t) - 'shard'",
    "account": "to_jsonb(t) - 'shard'",
    "commodity": "to_jsonb(t) - 'shard'",
    "event_identity": "to_jsonb(t) - 'shard'",
    "source_offset": "next_offset, t.partition, (SELECT (cluster, topic_id, topic)::text"
    " FROM ledger.source s WHERE s.source = t.source)",
    "checkpoint": "to_jsonb(t) - 'shard'",
    "shard": "to_jsonb(t) - 'shard' - 'epoch' - 'leaves_end'",
}


@pytest.fixture(scope="module")
def books(postgres: embedded.Embedded) -> Iterator[str]:
    """A database with the whole history; tests only read it."""
    with fresh(postgres, "books_to_replay") as url:
        live(url)
        yield url


def rows(url: str) -> dict[str, list[object]]:
    """Every row of every table, without the numbers that belong to one database."""
    found: dict[str, list[object]] = {}
    with psycopg.connect(url) as connection:
        for table, columns in TABLES.items():
            named = (
                "ledger.shard t"
                if table == "shard"
                else (f"ledger.{table} t JOIN ledger.shard n USING (shard)")
            )
            query = f"SELECT name, {columns} FROM {named}".encode()
            found[table] = sorted(connection.execute(query).fetchall(), key=repr)
    return found


def replayed(books: str, into: str, **how: int | str | None) -> list[Replayed]:
    source = StoredBooks.connect(books, "test")
    try:
        return replay(
            source,
            lambda: PostgresLog.connect(into, "test"),
            **how,  # type: ignore[arg-type]
        )
    finally:
        source.close()


def tampered(url: str, statement: str) -> None:
    """A change as a superuser makes it."""
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("event", "posting", "record", "account"):
            connection.execute(f"ALTER TABLE ledger.{table} DISABLE TRIGGER ALL")
        assert connection.execute(statement.encode()).rowcount == 1


@pytest.mark.parametrize("restart_every", [None, 1, 13, 50])
@pytest.mark.parametrize("batch", [1, 7, 500, 10_000])
def test_the_rebuilt_rows_are_the_stored_ones(
    books: str, database_url: str, batch: int, restart_every: int | None
) -> None:
    if (batch, restart_every) == (10_000, 1):
        pytest.skip("every batch is of one event, as with batches of 500")
    found = replayed(books, database_url, batch=batch, restart_every=restart_every)
    assert [one.difference for one in found] == [None] * len(found)
    assert all(one.is_equal and one.chain_equal for one in found)
    assert {one.pool for one in found if one.states_equal} == {"main", "late"}
    assert rows(database_url) == rows(books)


def test_the_history_has_what_replay_must_bear(books: str) -> None:
    with psycopg.connect(books) as connection:
        codes = {
            row[0] for row in connection.execute("SELECT DISTINCT rejection FROM ledger.event")
        }
        kinds = {row[0] for row in connection.execute("SELECT DISTINCT kind FROM ledger.record")}
        counted = connection.execute(
            "SELECT count(DISTINCT rules), count(redrive_shard), max(octet_length(raw))"
            " FROM ledger.event"
        ).fetchone()
        busted = connection.execute(
            "SELECT count(*) FROM ledger.event WHERE kind = 'trade_bust' AND rejection IS NULL"
        ).fetchone()
        duplicates = connection.execute(
            "SELECT duplicates FROM ledger.shard WHERE name = 'main'"
        ).fetchone()
    assert codes >= {
        *("missing_key", "key_mismatch", "unknown_pool", "wrong_partition", "wrong_topic"),
        *("invalid_utf8", "malformed_json", "message_too_large", "event_id_conflict"),
        *("unknown_account", "unknown_kind"),
    }
    assert kinds >= {"takeover", "deleveraged", "socialized_loss", "made_whole", "trade_bust"}
    assert counted is not None
    assert counted[0] == 2
    assert counted[1] > 20
    assert counted[2] == 1024 * 1024
    assert busted == (1,)
    assert duplicates is not None
    assert duplicates[0] > 1


def test_an_interrupted_replay_goes_on(books: str, database_url: str) -> None:
    class Away(Exception):
        pass

    def stop(pool: str, done: int, _: int) -> None:
        if pool == "main" and done > 100:
            raise Away

    source = StoredBooks.connect(books, "test")
    with pytest.raises(Away):
        replay(source, lambda: PostgresLog.connect(database_url, "a"), batch=9, on_events=stop)
    source.close()
    assert all(one.is_equal for one in replayed(books, database_url))
    assert all(one.is_equal for one in replayed(books, database_url)), "nothing left to do"
    assert rows(database_url) == rows(books)


def test_books_that_hold_something_else_are_refused(books: str, database_url: str) -> None:
    live(database_url, batches=2)
    with pytest.raises(ConfigurationError, match="replay into a fresh database"):
        replayed(books, database_url, pool="main")


def test_the_rebuilt_books_verify_with_the_checkpoints_of_the_old_ones(
    books: str, database_url: str, tmp_path: Path
) -> None:
    replayed(books, database_url, restart_every=70)
    log = PostgresLog.connect(books, "test")
    keys = log.signing_keys()
    assert append_copies(log, tmp_path / "anchors.jsonl", None) > 4
    log.close()
    found = verify(database_url, Scope(anchors=tmp_path / "anchors.jsonl")).found
    assert found == verify(books, Scope(anchors=tmp_path / "anchors.jsonl")).found == []
    log = PostgresLog.connect(database_url, "test")
    assert log.signing_keys() == keys
    log.close()


def test_writing_goes_on_from_the_rebuilt_books(books: str, database_url: str) -> None:
    replayed(books, database_url)
    log = PostgresLog.connect(database_url, "test")
    writer = Writer(log)
    offsets = {
        (offset.source.topic, offset.partition): offset.next_offset for offset in log.offsets()
    }
    assert offsets["clearing.transfers", 0] == 7 + 13
    kept = log.latest_snapshot(writer._owned.shard("main", None).shard)
    assert kept is not None
    assert kept.body == encode_state(writer.state("main"))
    writer.close()


@pytest.mark.parametrize(
    ("change", "sequence", "field"),
    [
        ("UPDATE ledger.event SET leaf = sha256('x') WHERE {main} 40", 40, "leaf"),
        ("UPDATE ledger.event SET chain = sha256('x') WHERE {main} 40", 40, "chain"),
        ("UPDATE ledger.event SET pool_time = pool_time + '1s' WHERE {main} 40", 40, "pool_time"),
        ("UPDATE ledger.event SET event_id = 'other' WHERE {main} 40", 40, "event_id"),
        ("UPDATE ledger.posting SET amount = amount + 1 WHERE {main} {posted} AND line = 2",
         None, "posting 2"),
        ("UPDATE ledger.record SET body = '{}' WHERE {main} {recorded} AND line = 1",
         None, "record 1"),
        ("DELETE FROM ledger.posting WHERE {main} {posted} AND line = 2", None, "posting 2"),
        ("UPDATE ledger.account SET owner = 'zed' WHERE shard = {number} AND account = 3",
         0, "account 3"),
        ("DELETE FROM ledger.event WHERE {main} 40", 40, "event"),
    ],
)  # fmt: skip
def test_a_difference_is_named(
    postgres: embedded.Embedded, database_url: str, change: str, sequence: int | None, field: str
) -> None:
    with fresh(postgres, "books_changed") as url:
        live(url, batches=3)
        with psycopg.connect(url) as connection:
            (number,) = connection.execute(
                "SELECT shard FROM ledger.shard WHERE name = 'main'"
            ).fetchone() or (0,)
            found = {
                name: connection.execute(
                    f"SELECT min(sequence) FROM ledger.{table} WHERE shard = %s AND line = 2",
                    (number,),
                ).fetchone()
                for name, table in (("posted", "posting"), ("recorded", "record"))
            }
        at = {name: row[0] for name, row in found.items() if row is not None}
        main = f"shard = {number} AND sequence ="
        tampered(url, change.replace("'{}'", "'{{}}'").format(main=main, number=number, **at))
        results = {one.pool: one for one in replayed(url, database_url, batch=50)}
    main_one = results["main"]
    assert not main_one.is_equal
    assert main_one.difference is not None
    expected = (
        sequence if sequence is not None else at["recorded" if "record" in field else "posted"]
    )
    assert (main_one.difference.sequence, main_one.difference.field) == (expected, field)
    assert all(one.is_equal for name, one in results.items() if name != "main")


def test_the_command_compares_and_says_so(books: str, postgres: embedded.Embedded) -> None:
    with fresh(postgres, "books_again") as into:
        words = ["replay", "--from-database", books, "--into", into, "--restart-every", "60"]
        done = CliRunner().invoke(app, [*words, "--json"])
        assert done.exit_code == 0, (done.output, done.exception)
        answer = json.loads(done.stdout)
        assert answer["equal"] is True
        assert {pool["pool"] for pool in answer["pools"]} >= {"main", "late", "@unrouted/0"}
        plain = CliRunner().invoke(app, words)
        assert "events rebuilt, chain equal, states equal" in plain.stdout
        tampered(into, "UPDATE ledger.event SET detail = 'x' WHERE event_id = 'k-4'"
                 " AND redrive_shard IS NULL")  # fmt: skip
        with fresh(postgres, "books_third") as third:
            again = ["replay", "--from-database", into, "--into", third]
            different = CliRunner().invoke(app, again)
            assert different.exit_code == 1
            assert "first difference: event" in different.stdout
            assert "detail: stored x, rebuilt account zoe" in different.stdout
    wrong = CliRunner().invoke(app, ["replay", "--into", books])
    assert isinstance(wrong.exception, ConfigurationError)
    same = CliRunner().invoke(app, ["replay", "--from-database", books, "--into", books])
    assert isinstance(same.exception, ConfigurationError)


def test_the_books_replayed_are_only_read(books: str) -> None:
    source = StoredBooks.connect(books, "test")
    with pytest.raises(psycopg.Error):
        source.connection.execute("UPDATE ledger.shard SET duplicates = 0")
    source.close()
    with pytest.raises(StoreError):
        StoredBooks.connect("postgresql://nobody@/none?host=/nowhere", "test")
