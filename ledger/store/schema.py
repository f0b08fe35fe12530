"""The whole schema in one order: tables from metadata, the rest from the SQL files beside it.

Everything is said once: the migration calls `create`, and so does the test that compares a migrated
database with it by `pg_dump`.
"""

import hashlib
from importlib import resources
from typing import cast

import psycopg
from sqlalchemy import Connection

from ledger.store.tables import metadata

OWNER = "clearing_owner"

MADE_BY = "The books of the clearing ledger, schema "
"""How the comment on the schema begins; its fingerprint follows."""

_BEFORE_TABLES = ("subjects.sql",)
_PROGRAM = ("guards.sql", "partitions.sql")
_VIEWS = (
    "figures.sql",
    "balances.sql",
    "margin.sql",
    "queue.sql",
    "journal.sql",
    "defaults.sql",
    "comments.sql",
)
_GRANTS = (("sql", "grants.sql"), ("views", "access.sql"))


def prepare(connection: Connection) -> None:
    """Make the roles and the schemas where they are missing, and act as their owner from now on.

    The connected role is a superuser, or has CREATEROLE and may create in the database.
    """
    _run(connection, _text("sql", "roles.sql"))
    _run(connection, f"SET ROLE {OWNER}")


def create(connection: Connection) -> None:
    """Make everything in the two schemas; `prepare` came first, and they are empty."""
    for name in _BEFORE_TABLES:
        _run(connection, _text("views", name))
    metadata.create_all(connection, checkfirst=False)
    for name in _PROGRAM:
        _run(connection, _text("sql", name))
    for name in _VIEWS:
        _run(connection, _text("views", name))
    for folder, name in _GRANTS:
        _run(connection, _text(folder, name))
    _run(connection, f"COMMENT ON SCHEMA ledger IS '{MADE_BY}{fingerprint()}'")


def fingerprint() -> str:
    """Tells this schema from any other: a hash of all that `create` is made of."""
    whole = [resources.files("ledger.store").joinpath("tables.py").read_text("utf-8")]
    whole += [_text("views", name) for name in (*_BEFORE_TABLES, *_VIEWS)]
    whole += [_text("sql", name) for name in ("roles.sql", *_PROGRAM)]
    whole += [_text(folder, name) for folder, name in _GRANTS]
    return hashlib.sha256("\0".join(whole).encode()).hexdigest()[:16]


def _text(folder: str, name: str) -> str:
    return resources.files("ledger.store").joinpath(folder, name).read_text("utf-8")


def _run(connection: Connection, statements: str) -> None:
    """Statements as they are, `%` included, in the connection's transaction."""
    driver = cast("psycopg.Connection", connection.connection.driver_connection)
    driver.execute(statements.encode())
