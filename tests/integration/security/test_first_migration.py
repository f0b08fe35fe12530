"""The first migration of a cluster, by a login that is no superuser."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.errors import SchemaMismatch, StoreError
from ledger.store import embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate, newest
from tests.conftest import url_of
from tests.integration.test_commands import FIRST, clearing


@pytest.fixture(scope="module")
def cluster() -> Iterator[embedded.Embedded]:
    """A server on which no role of the ledger was ever made."""
    with tempfile.TemporaryDirectory(prefix="clearing-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        with psycopg.connect(server.url, autocommit=True) as connection:
            for login in ("deployer", "second"):
                connection.execute(f"CREATE ROLE {login} LOGIN CREATEROLE")
                connection.execute(f"CREATE DATABASE of_{login} OWNER {login}")
        yield server
        server.stop()


def _url(server: embedded.Embedded, login: str) -> str:
    return url_of(server, f"of_{login}").replace("postgres:@", f"{login}:@")


def test_a_login_with_createrole_makes_the_roles_and_a_second_one_is_told_what_it_lacks(
    cluster: embedded.Embedded,
) -> None:
    url, second = _url(cluster, "deployer"), _url(cluster, "second")
    with pytest.raises(SchemaMismatch, match="clearing migrate"):
        PostgresLog.connect(url, "test")
    assert migrate(url) == newest()
    assert migrate(url) == newest(), "nothing to do is fine"
    with psycopg.connect(url, autocommit=True) as connection:
        owners = connection.execute(
            "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace"
            " IN ('ledger'::regnamespace, 'reporting'::regnamespace)"
        ).fetchall()
        assert owners == [("clearing_owner",)]
        with pytest.raises(StoreError, match="permission denied to set role"):
            PostgresLog.connect(url, "test")
        connection.execute("CREATE ROLE service LOGIN")
        connection.execute("GRANT clearing_writer TO service WITH INHERIT FALSE, SET TRUE")
    service = url.replace("deployer:@", "service:@")
    clearing("ingest", str(FIRST), "--json", database_url=service)
    with pytest.raises(StoreError, match="GRANT clearing_owner TO second"):
        migrate(second)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("GRANT clearing_owner TO second WITH INHERIT TRUE, SET TRUE")
    assert migrate(second) == newest()


def test_a_login_that_may_not_make_roles_migrates_nothing(cluster: embedded.Embedded) -> None:
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        connection.execute("CREATE DATABASE of_plain OWNER plain")
    with pytest.raises(StoreError, match=r"permission denied|may not act as clearing_owner"):
        migrate(_url(cluster, "plain"))
