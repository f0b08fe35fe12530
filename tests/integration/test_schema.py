"""The migrated schema is the one of `ledger.store.tables` and the SQL beside it, and no other."""

import subprocess

import psycopg
import pytest
from sqlalchemy import create_engine

from ledger.errors import SchemaMismatch, StoreError
from ledger.store import schema
from ledger.store.embedded import Embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import current, migrate, newest
from tests.conftest import url_of
from tests.contract.entries import batch, head, owned


def _dumped(server: Embedded, database: str) -> list[str]:
    found = subprocess.run(
        [
            *(server.binaries / "pg_dump", "--schema-only", "--exclude-table=*.alembic_version"),
            url_of(server, database),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return [line for line in found.stdout.splitlines() if not line.startswith("\\")]


def test_a_migrated_database_equals_the_tables(postgres: Embedded) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE from_tables")
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url_of(postgres, "from_tables"))
    )
    with engine.connect() as made, made.begin():
        schema.prepare(made)
        schema.create(made)
    engine.dispose()
    assert _dumped(postgres, "template") == _dumped(postgres, "from_tables")


def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert migrate(database_url) == newest() == current(database_url)


def test_a_database_that_was_never_migrated_is_refused(postgres: Embedded) -> None:
    assert current(postgres.url) is None
    with pytest.raises(SchemaMismatch, match="clearing migrate"):
        PostgresLog.connect(postgres.url, "test")


def test_a_role_that_may_create_roles_can_migrate(postgres: Embedded) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain_owner LOGIN CREATEROLE")
        connection.execute("GRANT clearing_owner TO plain_owner")
        connection.execute("CREATE DATABASE owned_plainly OWNER plain_owner")
    url = url_of(postgres, "owned_plainly").replace("postgres:@", "plain_owner:@")
    assert migrate(url) == newest()


def test_every_table_view_and_column_is_explained(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        silent = connection.execute(
            "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a"
            " ON a.attrelid = c.oid AND a.attnum > 0"
            " WHERE c.relnamespace::regnamespace::text IN ('ledger', 'reporting', 'back_office')"
            " AND c.relname <> 'alembic_version' AND NOT c.relispartition"
            " AND (c.relkind IN ('r', 'p') OR c.relkind = 'v'"
            "      AND c.relnamespace <> 'ledger'::regnamespace)"
            " AND (col_description(c.oid, a.attnum) IS NULL"
            "      OR obj_description(c.oid, 'pg_class') IS NULL)"
        ).fetchall()
    assert silent == []


def test_functions_with_owner_rights_are_closed_and_pin_their_search_path(
    database_url: str,
) -> None:
    with psycopg.connect(database_url) as connection:
        open_ones = connection.execute(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE prosecdef"
            " AND pronamespace::regnamespace::text IN ('ledger', 'reporting', 'back_office')"
            " AND (NOT 'search_path=pg_catalog, pg_temp' = ANY(proconfig)"
            "      OR proacl IS NULL OR proacl::text ~ '[{,]=X')"
        ).fetchall()
    assert open_ones == []


def test_partitions_are_opened_before_they_are_needed(database_url: str) -> None:
    log = PostgresLog.connect(database_url, "test", leaf_events=4)
    shard = owned(log)
    for _ in range(5):
        log.append([batch(head(log, shard), 3)])
    assert head(log, shard).next_sequence == 16
    with psycopg.connect(database_url) as connection:
        end = connection.execute("SELECT leaves_end FROM ledger.shard").fetchone()
    assert end is not None
    assert end[0] > 16
    log.close()


def test_retention_detaches_the_oldest_leaf_and_keeps_its_guard(database_url: str) -> None:
    log = PostgresLog.connect(database_url, "test", leaf_events=4)
    log.append([batch(owned(log), 10)])
    log.close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE clearing_retention")
        with pytest.raises(psycopg.Error, match="oldest leaf begins at 1"):
            connection.execute("SELECT ledger.detach_leaf(1, 5)")
        with pytest.raises(psycopg.Error, match="not carried yet"):
            connection.execute("SELECT ledger.detach_leaf(1, 1)")
        for first in (1, 5):
            connection.execute("SELECT ledger.carry_leaf(1, %s)", (first,))
            connection.execute("SELECT ledger.detach_leaf(1, %s)", (first,))
        with pytest.raises(psycopg.Error, match="in use: it ends at 12, the books at 10"):
            connection.execute("SELECT ledger.carry_leaf(1, 9)")
        connection.execute("RESET ROLE")
        with pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute("DELETE FROM ledger.posting_1_1")


def test_the_pool_after_the_two_hundredth_is_refused(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO ledger.shard SELECT n, 'pool-' || n, NULL, 0, 1, 1, NULL, 0, 1, '', ''"
            " FROM generate_series(1, 200) n"
        )
    log = PostgresLog.connect(database_url, "test")
    with pytest.raises(StoreError, match="up to 200"):
        log.declare("one-more", None)
    log.close()


def test_books_of_another_unreleased_schema_are_refused_with_words(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("COMMENT ON SCHEMA ledger IS 'something else'")
    for touch in (migrate, lambda url: PostgresLog.connect(url, "test")):
        with pytest.raises(SchemaMismatch, match=r"something else.*another version before"):
            touch(database_url)
