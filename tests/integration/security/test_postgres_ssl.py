"""A PostgreSQL with `ssl = on` itself: whom a command trusts, whom the server lets in.

What a terminator cannot show: the server's own refusal of who comes in the open, passwords bound to
the channel, certificates of clients, and what the server knows of the connection.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.audit.doctor.examination import Verdict, examined
from ledger.errors import StoreError, StoreUnavailable
from ledger.store.embedded import Embedded
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate
from tests.integration.security.own_postgres import OwnPostgres
from tests.integration.security.secured import Authority
from tests.integration.security.tls_postgres import NoTlsError, TlsPostgres
from tests.integration.test_commands import FIRST, clearing

PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ssl")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "authority")


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("server", ["127.0.0.1"])


@pytest.fixture(scope="module")
def cluster(
    postgres: Embedded, folder: Path, authority: Authority, certificate: tuple[Path, Path]
) -> Iterator[TlsPostgres]:
    try:
        server = TlsPostgres(postgres, folder / "cluster", authority)
    except NoTlsError as why:
        pytest.skip(str(why))
    server.make()
    server.start_with(*certificate)
    migrate(server.socket_url)
    with psycopg.connect(server.socket_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE service LOGIN PASSWORD '{PASSWORD}'")
        connection.execute("CREATE ROLE certified LOGIN")
        connection.execute(f"CREATE ROLE idle NOLOGIN PASSWORD '{PASSWORD}'")
        connection.execute(
            "GRANT clearing_writer TO service, certified WITH INHERIT FALSE, SET TRUE"
        )
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)


def _url(cluster: OwnPostgres, authority: Authority, login: str = "service", **said: str) -> str:
    trusting = {"sslmode": "verify-full", "sslrootcert": str(authority.certificate)}
    return cluster.database("postgres", login, **{"host": "127.0.0.1"} | trusting | said).replace(
        ":@", "@"
    )


@pytest.mark.parametrize(
    "said", [{}, {"channel_binding": "require"}, {"sslnegotiation": "direct"}], ids=str
)
def test_a_command_works_over_tls_that_the_server_itself_speaks(
    cluster: TlsPostgres, authority: Authority, said: dict[str, str]
) -> None:
    url = _url(cluster, authority, **said)
    clearing("ingest", str(FIRST), "--json", database_url=url)
    log = PostgresLog.connect(url, "test")
    with psycopg.connect(cluster.socket_url) as administrator:
        seen = administrator.execute(
            "SELECT ssl, version FROM pg_stat_ssl WHERE pid = %s", [log.connection.info.backend_pid]
        ).fetchone()
    log.close()
    assert seen == (True, "TLSv1.3")
    (encryption,) = (check for check in examined(url) if check.name == "encryption")
    assert (encryption.verdict, encryption.found) == (Verdict.OK, "TLS")


def test_a_client_may_show_a_certificate_in_place_of_a_password(
    cluster: TlsPostgres, authority: Authority
) -> None:
    key, shown = authority.issue("certified", [])
    url = _url(cluster, authority, "certified", sslkey=str(key), sslcert=str(shown))
    PostgresLog.connect(url, "test").close()
    key.chmod(0o644)
    with pytest.raises(StoreError, match="has group or world access") as refused:
        PostgresLog.connect(url, "test")
    assert not isinstance(refused.value, StoreUnavailable), "waiting does not mend it"


@pytest.mark.parametrize(
    ("login", "said", "reason"),
    [
        ("service", {"sslrootcert": "other"}, "certificate verify failed"),
        ("service", {"sslrootcert": "/nowhere"}, "root certificate file"),
        ("service", {"host": "localhost"}, 'does not match host name "localhost"'),
        ("service", {"sslmode": "disable"}, "no encryption"),
        ("certified", {}, "requires a valid client certificate"),
        ("idle", {}, "is not permitted to log in"),
        ("nobody", {}, "password authentication failed"),
        ("nobody", {"host": "socket"}, 'role "nobody" does not exist'),
    ],
)
def test_who_does_not_trust_or_is_not_trusted_is_refused_for_good(
    cluster: TlsPostgres,
    authority: Authority,
    folder: Path,
    login: str,
    said: dict[str, str],
    reason: str,
) -> None:
    other = str(Authority(folder, "other").certificate)
    words = {"other": other, "socket": str(cluster.directory)}
    chosen = {name: words.get(word, word) for name, word in said.items()}
    with pytest.raises(StoreError, match=reason) as refused:
        PostgresLog.connect(_url(cluster, authority, login, **chosen), "test")
    assert not isinstance(refused.value, StoreUnavailable), "waiting does not mend it"
    assert PASSWORD not in str(refused.value)


def test_a_server_whose_certificate_is_over_is_refused(
    cluster: TlsPostgres, authority: Authority, certificate: tuple[Path, Path]
) -> None:
    cluster.stop()
    cluster.start_with(*authority.issue("over", ["127.0.0.1"], days=-1))
    with pytest.raises(StoreError, match="certificate verify failed"):
        PostgresLog.connect(_url(cluster, authority), "test")
    cluster.stop()
    cluster.start_with(*certificate)
    PostgresLog.connect(_url(cluster, authority), "test").close()


def test_a_server_without_tls_is_refused_by_who_asks_for_it(
    cluster: TlsPostgres, authority: Authority, certificate: tuple[Path, Path]
) -> None:
    cluster.stop()
    cluster.start({"ssl": "off"})
    with pytest.raises(StoreError, match="does not support SSL") as refused:
        PostgresLog.connect(_url(cluster, authority), "test")
    assert not isinstance(refused.value, StoreUnavailable), "waiting does not mend it"
    cluster.stop()
    cluster.start_with(*certificate)
