"""The database itself refuses to change the books, whoever asks."""

import psycopg
import pytest
from psycopg import errors

from ledger.ports import SignedCheckpoint, SigningKey
from ledger.store.log.postgres import PostgresLog
from tests.contract.entries import batch, owned

KEPT = (
    *("event", "posting", "record", "event_identity", "account", "commodity", "source"),
    *("checkpoint", "signing_key"),
    *("carried_leaf", "carried_balance", "carried_fact"),
)
LEAVES = ("event_1_1", "posting_1_1", "record_1_1", "event_identity_0")
ROLES = ("clearing_writer", "clearing_reader", "clearing_auditor", "clearing_retention")
Connection = psycopg.Connection


@pytest.fixture
def books(database_url: str) -> str:
    """A database with three deposits and a checkpoint."""
    log = PostgresLog.connect(database_url, "test")
    log.append([batch(owned(log), 3)])
    log.add_signing_key(SigningKey(b"k" * 32, None, None))
    log.save_checkpoint(1, SignedCheckpoint(3, b"body", b"k" * 32, b"s" * 64), 0)
    log.close()
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO ledger.carried_leaf VALUES (1, 1, 2, NULL, sha256(''), sha256(''));"
            "INSERT INTO ledger.carried_balance VALUES (1, 1, 1, 1, 1, 7);"
            "INSERT INTO ledger.carried_fact VALUES (1, 1, now(), 'mark', 'LIN', '{}')"
        )
    return database_url


def _refused(url: str, role: str | None, *statements: str) -> psycopg.Error:
    with psycopg.connect(url, autocommit=True) as connection:
        if role:
            connection.execute(f"SET ROLE {role}")
        for statement in statements[:-1]:
            connection.execute(statement)
        with pytest.raises(psycopg.Error) as refusal:
            connection.execute(statements[-1])
        return refusal.value


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_change_or_empty_the_books(books: str, role: str) -> None:
    for table in (*KEPT, *LEAVES):
        for statement in (
            f"UPDATE ledger.{table} SET shard = 2",
            f"DELETE FROM ledger.{table}",
            f"TRUNCATE ledger.{table}",
            f"ALTER TABLE ledger.{table} DISABLE TRIGGER ALL",
            f"DROP TABLE ledger.{table}",
        ):
            found = _refused(books, role, statement)
            assert isinstance(found, errors.InsufficientPrivilege | errors.UndefinedColumn)


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_walk_past_the_triggers(books: str, role: str) -> None:
    found = _refused(books, role, "SET session_replication_role = replica")
    assert isinstance(found, errors.InsufficientPrivilege)


@pytest.mark.parametrize("before", ["SELECT 1", "SET session_replication_role = replica"])
def test_even_a_superuser_meets_the_triggers(books: str, before: str) -> None:
    for table in KEPT:
        changes = {"source": "topic = 'x'", "signing_key": "made_at = made_at"}
        change = changes.get(table, "shard = shard")
        for statement in (
            f"UPDATE ledger.{table} SET {change}",
            f"DELETE FROM ledger.{table}",
            f"TRUNCATE ledger.{table} CASCADE",
        ):
            found = _refused(books, None, before, statement)
            assert isinstance(found, errors.RestrictViolation), statement
    for leaf in ("event_1_1", "posting_1_1", "record_1_1"):
        for statement in (
            f"UPDATE ledger.{leaf} SET shard = shard",
            f"DELETE FROM ledger.{leaf}",
            f"TRUNCATE ledger.{leaf}",
        ):
            found = _refused(books, None, before, statement)
            assert isinstance(found, errors.RestrictViolation), statement


@pytest.mark.parametrize("table", ["posting", "posting_1", "posting_1_1"])
@pytest.mark.parametrize("before", ["SELECT 1", "SET session_replication_role = replica"])
def test_unbalanced_rows_are_refused_at_every_level(books: str, table: str, before: str) -> None:
    found = _refused(
        books,
        None,
        before,
        f"INSERT INTO ledger.{table}"
        " VALUES (1, 1, 4, 4, 1, 1, 1, 5, 5), (1, 2, 4, 4, 2, 1, 1, 4, 4)",
    )
    assert isinstance(found, errors.CheckViolation)
    assert "unbalanced" in str(found)


@pytest.mark.parametrize(
    ("role", "table"),
    [
        ("clearing_writer", "posting"),
        ("clearing_writer", "posting_1_1"),
        ("clearing_reader", "posting"),
        ("clearing_reader", "posting_1_1"),
    ],
)
def test_a_copy_of_unbalanced_rows_is_refused(books: str, role: str, table: str) -> None:
    with psycopg.connect(books, autocommit=True) as connection:
        connection.execute(f"SET ROLE {role}")
        with (
            pytest.raises((errors.CheckViolation, errors.InsufficientPrivilege)),
            connection.cursor() as cursor,
            cursor.copy(f"COPY ledger.{table} FROM STDIN") as copy,
        ):
            copy.write_row((1, 1, 4, 4, 1, 1, 1, 5, 5))


def test_the_writer_may_not_move_partitions_or_reach_around_functions(books: str) -> None:
    for statement in (
        "UPDATE ledger.shard SET leaves_end = 1",
        "DELETE FROM ledger.shard",
        "SELECT ledger.detach_leaf(1, 1)",
        "ALTER TABLE ledger.posting DETACH PARTITION ledger.posting_1",
        "SET ROLE clearing_owner",
    ):
        with psycopg.connect(books, autocommit=True) as connection:
            connection.execute("CREATE ROLE plain_writer LOGIN IN ROLE clearing_writer")
            try:
                connection.execute("SET SESSION AUTHORIZATION plain_writer")
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement)
            finally:
                connection.execute("RESET SESSION AUTHORIZATION")
                connection.execute("DROP ROLE plain_writer")


def test_the_reader_sees_reports_and_no_books(books: str) -> None:
    with psycopg.connect(books, autocommit=True) as connection:
        connection.execute("SET ROLE clearing_reader")
        connection.execute("SELECT * FROM reporting.balances")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM ledger.posting")
