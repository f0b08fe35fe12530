"""One embedded PostgreSQL a session; a database of its own for each test that asks for one."""

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from ledger.core import machine
from ledger.store import embedded
from ledger.store.migrate import migrate

_NUMBER = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what cannot work where the product is compiled (`make test-compiled`)."""
    if not machine.__file__.endswith(".py"):
        left_out = pytest.mark.skip(reason="compiled code does not see replaced functions")
        for item in items:
            if item.get_closest_marker("interpreted"):
                item.add_marker(left_out)


@pytest.fixture(scope="session", autouse=True)
def signing_key() -> Iterator[None]:
    """A key that signs in tests, so that none is made in anybody's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLEARING_SIGNING_KEY", "17" * 32)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[embedded.Embedded]:
    """A running server with a migrated database `template` that nobody writes to."""
    with tempfile.TemporaryDirectory(prefix="clearing-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        with psycopg.connect(server.url, autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE DATABASE template")
        migrate(url_of(server, "template"))
        yield server
        server.stop()


@pytest.fixture
def database_url(postgres: embedded.Embedded) -> Iterator[str]:
    """A migrated database, empty, for one test."""
    name = f"test_{next(_NUMBER)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template")
        yield url_of(postgres, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(postgres: embedded.Embedded) -> str:
    """A database that nobody migrated."""
    return postgres.url


def url_of(server: embedded.Embedded, database: str) -> str:
    """The URL of another database of the same server."""
    return server.url.replace("/postgres?", f"/{database}?")
