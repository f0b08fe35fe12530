"""`clearing doctor` finds what is broken in a real database, and calls nothing else broken."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.audit.doctor.examination import Check, Verdict, examined
from ledger.audit.proofs.sealing import Sealer, endorsed
from ledger.audit.proofs.signing import Signer
from ledger.cli import app
from ledger.store.embedded import Embedded
from ledger.store.log.postgres import PostgresLog
from tests.contract.entries import batch, owned

OWN_SEED = bytes.fromhex("17" * 32)
OF_THE_TEST_SERVER = {
    *("setting fsync", "setting synchronous_commit", "setting full_page_writes"),
}
"""Switched off for speed in tests: found, and rightly so."""


@pytest.fixture
def books(database_url: str) -> str:
    """Books with three events of one pool."""
    log = PostgresLog.connect(database_url, "test")
    log.append([batch(owned(log), 3)])
    log.close()
    return database_url


def found(url: str) -> dict[str, Check]:
    return {check.name: check for check in examined(url)}


def bad(url: str) -> set[str]:
    """Names of what is bad, beyond what the test server is."""
    return {
        name for name, check in found(url).items() if check.verdict is Verdict.BAD
    } - OF_THE_TEST_SERVER


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextmanager
def altered(url: str, statement: str, back: str) -> Iterator[None]:
    """Something that belongs to the whole server, for a moment."""
    execute(url, statement)
    try:
        yield
    finally:
        execute(url, back)


def test_sound_books_have_nothing_bad(books: str) -> None:
    assert bad(books) == set()
    sound = {name for name, check in found(books).items() if check.verdict is Verdict.OK}
    assert sound >= {
        *("PostgreSQL", "schema", "roles", "owners", "grants", "grants beyond", "triggers"),
        *("functions", "partitions", "checkpoints", "rejections", "endorsements", "signing key"),
        *("clock", "encryption"),
    }


def test_settings_that_lose_data_are_bad(books: str) -> None:
    checks = found(books)
    assert {checks[name].verdict for name in OF_THE_TEST_SERVER} == {Verdict.BAD}
    assert checks["setting fsync"].found == "off: a power cut corrupts the books"


def test_a_guard_that_is_off_is_found_on_every_table_and_partition(books: str) -> None:
    execute(
        books,
        "ALTER TABLE ledger.posting DISABLE TRIGGER always_balanced",
        "ALTER TABLE ledger.event_1_1 DISABLE TRIGGER never_changed",
        "ALTER TABLE ledger.event_1_1 ENABLE TRIGGER never_emptied",
        "DROP TRIGGER never_emptied ON ledger.record_1",
        "ALTER TABLE ledger.event_identity_3 DISABLE TRIGGER never_emptied",
    )
    assert bad(books) == {"triggers"}
    said = found(books)["triggers"].found.split(", ")
    assert sorted(said) == [
        "always_balanced of posting is not enabled ALWAYS (D)",
        "never_changed of event_1_1 is not enabled ALWAYS (D)",
        "never_emptied of event_1_1 is not enabled ALWAYS (O)",
        "never_emptied of event_identity_3 is not enabled ALWAYS (D)",
        "record_1 has no never_emptied",
    ]


def test_a_guard_that_calls_something_else_is_found(books: str) -> None:
    execute(
        books,
        "CREATE FUNCTION public.nod() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DROP TRIGGER never_emptied ON ledger.account",
        "CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.account"
        " FOR EACH STATEMENT EXECUTE FUNCTION public.nod()",
        "ALTER TABLE ledger.account ENABLE ALWAYS TRIGGER never_emptied",
    )
    assert found(books)["triggers"].found == "never_emptied of account calls public.nod"


def test_a_guard_whose_function_was_replaced_is_found(books: str) -> None:
    execute(
        books,
        "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'",
    )
    assert bad(books) == {"functions"}
    assert "ledger.refuse_change" in found(books)["functions"].found


def test_revoked_grants_are_found(books: str) -> None:
    execute(
        books,
        "REVOKE INSERT ON ledger.posting FROM clearing_writer",
        "REVOKE UPDATE (epoch) ON ledger.shard FROM clearing_writer",
        "REVOKE EXECUTE ON FUNCTION ledger.open_leaf(integer, bigint) FROM clearing_writer",
        "REVOKE SELECT ON reporting.balances FROM clearing_reader",
        "REVOKE USAGE ON SCHEMA reporting FROM clearing_reader",
    )
    assert bad(books) == {"grants"}
    assert found(books)["grants"].found.removeprefix("missing: ").split(", ") == [
        "EXECUTE on ledger.open_leaf for clearing_writer",
        "INSERT on ledger.posting for clearing_writer",
        "SELECT on reporting.balances for clearing_reader",
        "UPDATE on ledger.shard.epoch for clearing_writer",
        "USAGE on reporting for clearing_reader",
    ]


def test_a_leaf_of_postings_that_is_closed_to_the_writer_is_found(books: str) -> None:
    execute(books, "REVOKE INSERT ON ledger.posting_1_1 FROM clearing_writer")
    assert bad(books) == {"grants"}
    assert "INSERT on ledger.posting_1_1 for clearing_writer" in found(books)["grants"].found


def test_grants_to_change_something_are_bad_and_to_read_are_a_warning(books: str) -> None:
    execute(books, "GRANT SELECT ON ledger.event TO clearing_reader")
    check = found(books)["grants beyond"]
    assert (check.verdict, check.found) == (
        Verdict.WARN,
        "SELECT on ledger.event for clearing_reader",
    )
    execute(
        books,
        "GRANT DELETE ON ledger.event TO clearing_writer",
        "GRANT UPDATE (amount) ON ledger.posting TO clearing_auditor",
        "GRANT INSERT ON ledger.posting_1_1 TO PUBLIC",
    )
    assert bad(books) == {"grants beyond"}
    assert found(books)["grants beyond"].found.split(", ") == [
        "DELETE on ledger.event for clearing_writer",
        "INSERT on ledger.posting_1_1 for PUBLIC",
        "UPDATE on ledger.posting.amount for clearing_auditor",
    ]


def test_a_table_of_another_owner_is_found(books: str) -> None:
    execute(books, "ALTER TABLE ledger.checkpoint OWNER TO clearing_writer")
    assert "owners" in bad(books)
    assert found(books)["owners"].found == "belongs: ledger.checkpoint to clearing_writer"


def test_a_role_that_can_log_in_is_found(books: str) -> None:
    with altered(books, "ALTER ROLE clearing_reader LOGIN", "ALTER ROLE clearing_reader NOLOGIN"):
        assert bad(books) == {"roles"}


def test_a_setting_of_the_database_alone_is_found(books: str) -> None:
    name = books.partition("?")[0].rpartition("/")[2]
    execute(books, f"ALTER DATABASE {name} SET session_replication_role = replica")
    assert bad(books) == {"setting session_replication_role"}


def test_a_partition_that_was_detached_by_hand_is_found(books: str) -> None:
    execute(books, "ALTER TABLE ledger.posting_1 DETACH PARTITION ledger.posting_1_1")
    assert bad(books) == {"partitions", "triggers", "grants beyond"}, "it may be changed"


def test_a_writer_that_may_open_no_partitions_shows_before_it_stops(books: str) -> None:
    execute(books, "UPDATE ledger.shard SET next_sequence = leaves_end - 1000")
    check = found(books)["partitions"]
    assert check.verdict is Verdict.WARN
    assert "has 1000" in check.found


def test_a_shard_without_a_writer_is_found_and_one_with_a_writer_is_not(books: str) -> None:
    assert found(books)["writers"].verdict is Verdict.WARN
    log = PostgresLog.connect(books, "clearing run")
    for shard in log.shards():
        log.acquire(shard.shard)
    assert found(books)["writers"].verdict is Verdict.OK
    log.close()


def test_a_schema_of_another_version_is_found(books: str) -> None:
    execute(books, "COMMENT ON SCHEMA ledger IS 'The books of the clearing ledger, schema 0000'")
    checks = found(books)
    assert bad(books) == {"schema"}
    assert checks["books"].verdict is Verdict.SKIPPED


def test_a_database_that_was_never_migrated_is_found(postgres: Embedded) -> None:
    execute(postgres.url, "CREATE DATABASE blank")
    url = postgres.url.replace("/postgres?", "/blank?")
    checks = found(url)
    execute(postgres.url, "DROP DATABASE blank WITH (FORCE)")
    assert (checks["schema"].verdict, checks["schema"].todo) == (Verdict.BAD, "clearing migrate")


def test_a_database_that_is_away_is_one_finding(books: str) -> None:
    checks = found(books.partition("?")[0] + "?host=/nowhere")
    assert checks["database"].verdict is Verdict.BAD
    assert "schema" not in checks


@pytest.fixture
def limited(books: str) -> Iterator[str]:
    """The books, through a login that was granted nothing but to write."""
    execute(books, "CREATE ROLE doctor_login LOGIN", "GRANT clearing_writer TO doctor_login")
    yield books.replace("postgres:@", "doctor_login:@")
    execute(books, "DROP ROLE doctor_login")


def test_an_ordinary_login_sees_what_matters(limited: str) -> None:
    checks = found(limited)
    assert checks["login"].verdict is Verdict.OK
    assert checks["triggers"].verdict is Verdict.OK
    assert checks["grants"].verdict is Verdict.OK
    assert checks["partitions"].verdict is Verdict.OK
    assert checks["disk"].verdict is Verdict.SKIPPED
    assert bad(limited) == set()


def test_a_login_without_rights_is_told_what_to_grant(limited: str) -> None:
    superuser = limited.replace("doctor_login:@", "postgres:@")
    execute(superuser, "REVOKE clearing_writer FROM doctor_login")
    checks = found(limited)
    assert checks["login"].verdict is Verdict.WARN
    assert checks["shards"].todo == "GRANT clearing_auditor TO doctor_login"


def test_nothing_is_written(books: str) -> None:
    def counted() -> object:
        with psycopg.connect(books, autocommit=True) as connection:
            return connection.execute(
                "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del), sum(n_live_tup)"
                " FROM pg_stat_user_tables"
            ).fetchone()

    def written() -> object:
        """What is counted once nothing is added: sessions that ended hand their counts in late."""
        now = counted()
        while True:
            time.sleep(1.5)
            before, now = now, counted()
            if now == before:
                return now

    before = written()
    assert found(books)
    assert written() == before


def rotate(url: str, key: bytes, endorsement: bytes | None = None) -> None:
    log = PostgresLog.connect(url, "test")
    old = Signer(OWN_SEED)
    Sealer(old).prepare(log)
    vouched = endorsed(old, Signer(key))
    if endorsement is not None:
        vouched = vouched._replace(signature=endorsement)
    assert log.add_signing_key(vouched)
    log.close()


def test_a_signing_key_that_these_books_do_not_know_is_found(
    books: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PostgresLog.connect(books, "test")
    Sealer(Signer(OWN_SEED)).prepare(log)
    log.close()
    assert found(books)["signing key"].verdict is Verdict.OK
    monkeypatch.setenv("CLEARING_SIGNING_KEY", "18" * 32)
    assert bad(books) == {"signing key"}


def test_a_signing_key_that_was_followed_by_another_is_found(books: str) -> None:
    rotate(books, bytes(32))
    assert found(books)["endorsements"].verdict is Verdict.OK
    assert found(books)["signing key"].verdict is Verdict.WARN


def test_a_forged_endorsement_is_found(books: str) -> None:
    rotate(books, bytes(32), bytes(64))
    assert bad(books) == {"endorsements"}


def test_a_key_file_that_others_can_read_is_found(
    books: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "signing.key"
    key.write_text("17" * 32)
    monkeypatch.delenv("CLEARING_SIGNING_KEY")
    monkeypatch.setenv("CLEARING_SIGNING_KEY_FILE", str(key))
    key.chmod(0o600)
    assert bad(books) == set()
    key.chmod(0o640)
    assert bad(books) == {"signing key file", "signing key"}


def test_no_key_is_made_by_looking(
    books: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEARING_SIGNING_KEY")
    monkeypatch.setenv("CLEARING_HOME", str(tmp_path / "home"))
    assert found(books)["signing key"].verdict is Verdict.SKIPPED
    assert not (tmp_path / "home").exists()


def test_the_command_ends_with_one_when_something_is_bad(
    books: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEARING_KAFKA", raising=False)
    result = CliRunner().invoke(app, ["doctor", "--database-url", books])
    assert result.exit_code == 1
    assert "bad     setting fsync: off" in result.output
    assert "skipped Kafka: none was named" in result.output
