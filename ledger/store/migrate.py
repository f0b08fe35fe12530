"""Bring a database to the schema of this version, and tell whether this version may work with it.

A database is migrated first, and its programs are replaced after that, one by one: a revision only
adds (it *expands* the schema), and says so in the comment on the schema, which names the oldest
revision whose programs may go on. Taking away (to *contract*) is a later revision, for when none of
those programs is left.

A migration runs as a superuser, or as a role with CREATEROLE that may create in the database; what
it makes belongs to `clearing_owner`. Alembic keeps its place in `ledger.alembic_version`.
"""

import random
import time
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import errors
from sqlalchemy.exc import DBAPIError

import migrations
from ledger.errors import SchemaMismatch, StoreUnavailable
from ledger.store.faults import translated
from ledger.store.schema import REVISION, MadeBy, fingerprint

LOCK_TIMEOUT = "2s"
"""That a revision waits for a lock, and that whoever comes behind it waits at most."""

PAUSES_S = (0.5, 1, 2, 4, 8, 8)
"""Between tries of a migration that met a lock; up to twice as long, by chance."""


def migrate(url: str, *, without_dropped: bool = False) -> str:
    """Bring the database to the newest revision, which is returned; nothing to do is fine.

    Writers and readers may go on meanwhile. A revision waits for a lock no longer than they would
    notice, gives all back, and is tried again.

    Args:
        url: The database.
        without_dropped: Go on where tables of detached partitions are gone that it would read.

    Raises:
        StoreError: The database is not reachable, the role may not migrate it, or such tables are
            gone.
        StoreUnavailable: Somebody held on to what has to be changed, every time.
        SchemaMismatch: It holds the schema of another unreleased version.
    """
    for pause_s in (*PAUSES_S, None):
        try:
            return _migrated(url, without_dropped=without_dropped)
        except StoreUnavailable as fault:
            if pause_s is None or not _is_locked(fault):
                raise
            time.sleep(pause_s * (1 + random.random()))  # noqa: S311 - no secret
    raise AssertionError("the last try returns or raises")


def _migrated(url: str, *, without_dropped: bool) -> str:
    with translated():
        if (current(url) or "") <= newest():
            config = _config(url)
            config.attributes["without_dropped"] = without_dropped
            command.upgrade(config, "head")
        with psycopg.connect(url) as connection:
            require_current(connection)
            return _revision(connection) or newest()


def _is_locked(fault: StoreUnavailable) -> bool:
    cause: BaseException | None = fault.__cause__
    if isinstance(cause, DBAPIError):
        cause = cause.orig
    return isinstance(cause, errors.LockNotAvailable)


def newest() -> str:
    """The revision that this version of the ledger works with."""
    return REVISION


def current(url: str) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    with translated(), psycopg.connect(url) as connection:
        return _revision(connection)


def require_current(connection: psycopg.Connection) -> None:
    """Refuse to work on a database that this program does not know.

    Its own revision is fine, and so is a newer one that says that programs of this one may go on.

    Raises:
        SchemaMismatch: Naming both revisions.
    """
    found, mine = _revision(connection), newest()
    row = connection.execute(
        "SELECT obj_description(to_regnamespace('ledger'), 'pg_namespace')"
    ).fetchone()
    comment = row[0] if row else None
    made_by = MadeBy.read(comment)
    if found is None or found < mine:
        raise SchemaMismatch(
            f"the database is at revision {found or 'none'}, expected {mine} or a newer one that"
            " still admits it: run `clearing migrate`, then start programs of this version"
        )
    if made_by is None or (found == mine and made_by.fingerprint != fingerprint(mine)):
        raise SchemaMismatch(
            f"the database has the schema {comment}, expected {mine} ({fingerprint(mine)}): it was"
            " made by another version before its release, from which nothing migrates; use that"
            " version, or make a new database and take the same messages again"
        )
    if mine < made_by.oldest:
        raise SchemaMismatch(
            f"the database is at revision {found}, for programs of revision {made_by.oldest} or"
            f" later; this one is of {mine}: use a newer version of the ledger"
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
    config.attributes["lock_timeout"] = LOCK_TIMEOUT
    return config
