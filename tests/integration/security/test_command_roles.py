"""Each command does its work with a login that was granted its roles alone, and with no other.

The logins inherit nothing: a command must take the role that it names, or it is refused.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ledger.cli import app
from ledger.errors import LedgerError, SchemaMismatch, StoreError
from ledger.store.embedded import Embedded
from ledger.store.log.feed import PostgresFeed
from ledger.store.log.postgres import PostgresLog
from tests.conftest import url_of
from tests.integration.test_detaching import archived, deposits, live
from tests.unit.desk import BEGINNING, said

WRITER, READER = "clearing_writer", "clearing_reader"
AUDITOR, RETENTION = "clearing_auditor", "clearing_retention"
BACK_OFFICE, TOKENS = "clearing_back_office", "clearing_tokens"
ROLES = (WRITER, READER, AUDITOR, RETENTION, BACK_OFFICE, TOKENS)


class Use(NamedTuple):
    """A command as it is called, and the roles that it needs, all of them."""

    words: str
    roles: tuple[str, ...]


USES = (
    Use("ingest {folder}/late.jsonl", (WRITER,)),
    Use("redrive --all", (WRITER,)),
    Use("checkpoint", (WRITER,)),
    Use("key rotate --out {folder}/new.key", (WRITER,)),
    Use("key show", (AUDITOR,)),
    Use("statement ben", (AUDITOR,)),
    Use("explain 17.1", (AUDITOR,)),
    Use("report close --at 16 --out {folder}/close --format csv", (AUDITOR,)),
    Use("report statement ben --from 12 --out {folder}/ben --format csv", (AUDITOR,)),
    Use("export --out {folder}/export", (AUDITOR,)),
    Use("verify --quiet", (AUDITOR,)),
    Use("prove event d1 --out {folder}/event.json", (AUDITOR,)),
    Use("prove posting 5.1 --out {folder}/posting.json", (AUDITOR,)),
    Use("prove liabilities --at 8 --out {folder}/liabilities", (AUDITOR,)),
    Use("reconcile run {folder}/rules.toml --by maria", (AUDITOR, BACK_OFFICE)),
    Use("reconcile controls", (AUDITOR,)),
    Use("reconcile controls --rules {folder}/rules.toml --keep --by maria", (AUDITOR, BACK_OFFICE)),
    Use("reconcile breaks", (BACK_OFFICE,)),
    Use("token create desk --scope reporting", (TOKENS,)),
    Use("archive detach --pool main --first 1 --archive {folder}/kept", (AUDITOR, RETENTION)),
)
ELSEWHERE = {
    "migrate": "test_first_migration.py",
    "replay": "test_first_migration.py",
    "demo": "migrates, then does what `run` and `publish` do",
    "doctor": "looks with the rights that the login has, and says which are missing",
    "quarantine": "as `run`",
    "run": "speaks to the database as `PostgresLog`, below",
    "serve": "reads as the roles of its tokens' scopes: tests/integration/web",
    "publish": "speaks to the database as `PostgresFeed`, below",
}
WITHOUT_DATABASE = {"import", "produce", "simulate", "topics", "schemas"}


@pytest.fixture(scope="module")
def server(postgres: Embedded) -> Iterator[Embedded]:
    """The server with a login for each set of roles that the commands need."""
    logins = {(): "only_nobody"} | {roles: _login(roles) for roles in _sets()}
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for roles, login in logins.items():
            connection.execute(f"CREATE ROLE {login} LOGIN NOINHERIT")
            for role in roles:
                connection.execute(f"GRANT {role} TO {login} WITH INHERIT FALSE, SET TRUE")
        yield postgres
        for login in logins.values():
            connection.execute(f"DROP ROLE {login}")


def _sets() -> list[tuple[str, ...]]:
    return sorted({(role,) for role in ROLES} | {use.roles for use in USES})


def _login(roles: tuple[str, ...]) -> str:
    return "only_" + "_".join(role.removeprefix("clearing_") for role in roles)


def _as(url: str, login: str) -> str:
    return url.replace("postgres:@", f"{login}:@")


@pytest.fixture
def books(database_url: str, tmp_path: Path) -> str:
    """Partitions of four events, an archive of them, and a refused message."""
    cora = said("account", "r5", account="cora")
    live(database_url, [*BEGINNING, *deposits(1, "anna", "ben", "ben"), cora])
    later = deposits(5, "cora", "ben", "ben", "ben", "anna", "ben", "ben", "ben")
    price = said("price", "p1", instrument="LIN", mark_price="100")
    live(database_url, [*later, price], 9)
    archived(database_url, tmp_path / "kept")
    late = [json.loads(said("deposit", "late", account="ben"))]
    (tmp_path / "rules.toml").write_text(
        'version = 1\n[sources.venue]\nkind = "trades"\nformat = "trades-csv"\n'
    )
    (tmp_path / "late.jsonl").write_text("\n".join(map(json.dumps, late)) + "\n")
    return database_url


def _fault(use: Use, url: str, folder: Path) -> BaseException | None:
    """What a command was refused with; None when it did its work."""
    words = use.words.format(folder=folder).split()
    done = CliRunner().invoke(app, [*words, "--database-url", url])
    if isinstance(done.exception, LedgerError):
        return done.exception
    assert isinstance(done.exception, SystemExit | None), done.exception
    return None


@pytest.mark.parametrize("use", USES, ids=lambda use: use.words.partition(" {")[0])
def test_a_command_needs_its_roles_and_no_more(
    server: Embedded, books: str, tmp_path: Path, use: Use
) -> None:
    assert server.url
    for roles in [(), *_sets()]:
        if set(use.roles) <= set(roles):
            continue
        login = _login(roles) if roles else "only_nobody"
        refused = _fault(use, _as(books, login), tmp_path)
        assert isinstance(refused, StoreError), (login, refused)
        assert "permission denied" in str(refused), login
    assert _fault(use, _as(books, _login(use.roles)), tmp_path) is None


def test_every_command_that_knows_the_database_is_held_to_its_roles() -> None:
    known = {use.words.split()[0] for use in USES} | ELSEWHERE.keys() | WITHOUT_DATABASE
    commands = getattr(get_command(app), "commands", {})
    assert known == set(commands)


def test_the_writer_of_run_and_the_feed_of_publish_need_one_role_each(
    server: Embedded, books: str
) -> None:
    assert server.url
    PostgresLog.connect(_as(books, "only_writer"), "test").close()
    PostgresFeed.connect(_as(books, "only_auditor"), "test").close()
    for connect, login in (
        (PostgresLog.connect, "only_auditor"),
        (PostgresFeed.connect, "only_writer"),
        (PostgresFeed.connect, "only_reader"),
    ):
        with pytest.raises(StoreError, match="permission denied to set role"):
            connect(_as(books, login), "test")


def test_a_reader_reads_the_reports_and_nothing_beneath(server: Embedded, books: str) -> None:
    assert server.url
    with psycopg.connect(_as(books, "only_reader"), autocommit=True) as connection:
        connection.execute("SET ROLE clearing_reader")
        found = connection.execute("SELECT sum(balance) FROM reporting.balances").fetchone()
        assert found == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT raw FROM ledger.event")


def test_an_unmigrated_database_is_named_to_any_login(server: Embedded) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE never_migrated")
        with pytest.raises(SchemaMismatch, match="clearing migrate"):
            PostgresLog.connect(_as(url_of(server, "never_migrated"), "only_writer"), "test")
        connection.execute("DROP DATABASE never_migrated WITH (FORCE)")
