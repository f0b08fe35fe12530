"""PostgreSQL over TLS, the server's certificate verified, the password from a file.

The embedded PostgreSQL is built without TLS, so a terminator stands before it, which does what the
server would: answers the client's request for TLS, shakes hands, and refuses who asks for none.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.errors import LedgerError, StoreError, StoreUnavailable
from ledger.store.embedded import Embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate
from tests.integration.security.own_postgres import OwnPostgres
from tests.integration.security.secured import Authority
from tests.integration.security.terminator import Terminator
from tests.integration.test_commands import FIRST, clearing

PASSWORD = "correct-horse-battery"
WRONG = "wr0ng-pa55word"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "authority")


@pytest.fixture(scope="module")
def cluster(postgres: Embedded, folder: Path, authority: Authority) -> Iterator[Terminator]:
    """A server that asks for a password on TCP, behind TLS."""
    server = OwnPostgres(postgres, folder / "cluster")
    server.make()
    server.start()
    migrate(server.socket_url)
    with psycopg.connect(server.socket_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE service LOGIN PASSWORD '{PASSWORD}'")
        connection.execute("GRANT clearing_writer TO service WITH INHERIT FALSE, SET TRUE")
    with Terminator(*authority.issue("database", ["127.0.0.1"]), server.port) as before_it:
        yield before_it
    server.stop()


def _url(cluster: Terminator, authority: Path, **changes: str) -> str:
    said = {"sslmode": "verify-full", "sslrootcert": str(authority)} | changes
    host = said.pop("host", "127.0.0.1")
    words = "&".join(f"{key}={value}" for key, value in said.items())
    return f"postgresql://service@{host}:{cluster.port}/postgres?{words}"


def _password_file(folder: Path, password: str) -> Path:
    file = folder / "pgpass"
    file.touch(0o600)
    file.write_text(f"*:*:*:service:{password}\n")
    return file


def test_a_command_works_over_verified_tls_with_its_password_from_a_file(
    cluster: Terminator, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(_password_file(tmp_path, PASSWORD)))
    clearing("ingest", str(FIRST), "--json", database_url=_url(cluster, authority.certificate))
    log = PostgresLog.connect(_url(cluster, authority.certificate), "test")
    assert log.connection.pgconn.ssl_in_use
    assert [shard.name for shard in log.shards()] == ["main"]
    log.close()


@pytest.mark.parametrize(
    ("changes", "password", "reason"),
    [
        ({"sslrootcert": "other"}, PASSWORD, "certificate verify failed"),
        ({"host": "localhost"}, PASSWORD, 'does not match host name "localhost"'),
        ({"sslmode": "disable", "sslrootcert": ""}, PASSWORD, "closed the connection"),
        ({}, WRONG, "password authentication failed"),
    ],
)
def test_a_connection_that_cannot_be_trusted_is_refused_with_the_reason_and_without_the_password(
    cluster: Terminator,
    authority: Authority,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    password: str,
    reason: str,
) -> None:
    other = Authority(folder, "other")
    monkeypatch.setenv("PGPASSFILE", str(_password_file(tmp_path, password)))
    chosen = {k: str(other.certificate) if v == "other" else v for k, v in changes.items()}
    with pytest.raises(StoreError, match=reason) as refused:
        PostgresLog.connect(_url(cluster, authority.certificate, **chosen), "test")
    waits = "closed the connection" in reason
    assert isinstance(refused.value, StoreUnavailable) == waits, "what waiting mends is tried again"
    assert password not in f"{refused.value!r}{refused.getrepr(showlocals=False)}"


def test_a_password_in_the_url_is_not_shown_when_it_is_wrong(
    cluster: Terminator, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = _url(cluster, authority.certificate).replace("service@", f"service:{WRONG}@")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with pytest.raises(LedgerError, match="password authentication failed") as refused:
        PostgresLog.connect(url, "test")
    assert WRONG not in str(refused.value)
