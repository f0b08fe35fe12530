"""Bring a database to the schema of this version, and tell whether it is there.

A migration runs as a superuser, or as a role with CREATEROLE that may create in the database; what
it makes belongs to `clearing_owner`. Alembic keeps its place in `ledger.alembic_version`.
"""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

import migrations
from ledger.errors import SchemaMismatch
from ledger.store.faults import translated
from ledger.store.schema import MADE_BY, fingerprint


def migrate(url: str) -> str:
    """Bring the database to the newest revision, which is returned; nothing to do is fine.

    Raises:
        StoreError: The database is not reachable, or the role may not migrate it.
        SchemaMismatch: It holds the schema of another unreleased version.
    """
    with translated():
        command.upgrade(_config(url), "head")
        with psycopg.connect(url) as connection:
            require_current(connection)
    return newest()


def newest() -> str:
    """The revision that this version of the ledger works with."""
    revision = ScriptDirectory.from_config(_config("")).get_current_head()
    assert revision is not None, "the migrations folder is empty"
    return revision


def current(url: str) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    with translated(), psycopg.connect(url) as connection:
        return _revision(connection)


def require_current(connection: psycopg.Connection) -> None:
    """Refuse to work on a database of another version.

    Raises:
        SchemaMismatch: Naming both revisions.
    """
    found = _revision(connection)
    if found != newest():
        raise SchemaMismatch(
            f"the database is at revision {found or 'none'}, expected {newest()}:"
            " run `clearing migrate`, or use the version of the ledger that belongs to it"
        )
    row = connection.execute(
        "SELECT obj_description(to_regnamespace('ledger'), 'pg_namespace')"
    ).fetchone()
    made_by = str(row[0] if row else None).removeprefix(MADE_BY)
    if made_by != fingerprint():
        raise SchemaMismatch(
            f"the database has the schema {made_by}, expected {fingerprint()}: it was made by"
            " another version before the first release, from which nothing migrates; use that"
            " version, or make a new database and take the same messages again"
        )


def _revision(connection: psycopg.Connection) -> str | None:
    held = connection.execute("SELECT to_regclass('ledger.alembic_version')").fetchone()
    if held is None or held[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM ledger.alembic_version").fetchone()
    return None if row is None else str(row[0])


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["url"] = url
    return config
