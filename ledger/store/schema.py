"""The newest schema in one order: tables from metadata, the rest from the SQL files beside it.

Databases are not made by this but by the revisions in `migrations`, released ones being SQL that
never changes. A test makes both and compares them by `pg_dump`, so whoever changes a definition
adds a revision that changes the databases.
"""

import hashlib
import re
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple, Self, cast

import psycopg
from sqlalchemy import Connection

from ledger.store.back_office.tables import back_office
from ledger.store.tables import metadata

OWNER = "clearing_owner"

REVISION = "0003"
"""Of the migrations that lead to these definitions."""

OLDEST = "0001"
"""Programs of this revision and later ones may work with these definitions."""

_MADE_BY = "The books of the clearing ledger, schema {} ({}), for programs of {} or later"
_READ = re.compile(_MADE_BY.replace("(", r"\(").replace(")", r"\)").format(*["([0-9a-f]+)"] * 3))

_BEFORE_TABLES = ("subjects.sql",)
_PROGRAM = ("guards.sql", "partitions.sql", "back_office.sql")
_VIEWS = (
    "figures.sql",
    "balances.sql",
    "margin.sql",
    "queue.sql",
    "journal.sql",
    "defaults.sql",
    "reading.sql",
    "comments.sql",
    "back_office.sql",
)
_GRANTS = (("sql", "grants.sql"), ("views", "access.sql"), ("sql", "back_office_grants.sql"))


class MadeBy(NamedTuple):
    """What the comment on the schema says.

    Attributes:
        revision: That the database is at.
        fingerprint: Of the SQL that led there.
        oldest: The first revision whose programs may read and write it.
    """

    revision: str
    fingerprint: str
    oldest: str

    @classmethod
    def of(cls, revision: str, oldest: str) -> Self:
        """Of a revision that this program has."""
        return cls(revision, fingerprint(revision), oldest)

    @classmethod
    def read(cls, comment: object) -> Self | None:
        """From the comment; None where it is another one, or none."""
        found = _READ.fullmatch(str(comment))
        return None if found is None else cls(*found.groups())

    def statement(self) -> str:
        """The statement that writes the comment."""
        return f"COMMENT ON SCHEMA ledger IS '{_MADE_BY.format(*self)}'"


def prepare(connection: Connection) -> None:
    """Make the roles and the schemas where they are missing, and act as their owner from now on.

    The connected role is a superuser, or has CREATEROLE and may create in the database.
    """
    _run(connection, _text("sql", "roles.sql"))
    _run(connection, f"SET ROLE {OWNER}")


def create(connection: Connection) -> None:
    """Make everything in the three schemas; `prepare` came first, and they are empty."""
    for name in _BEFORE_TABLES:
        _run(connection, _text("views", name))
    metadata.create_all(connection, checkfirst=False)
    back_office.create_all(connection, checkfirst=False)
    for name in _PROGRAM:
        _run(connection, _text("sql", name))
    for name in _VIEWS:
        _run(connection, _text("views", name))
    for folder, name in _GRANTS:
        _run(connection, _text(folder, name))
    _run(connection, MadeBy.of(REVISION, OLDEST).statement())


def fingerprint(revision: str = REVISION) -> str:
    """Tells a schema from any other of the same number: a hash of all SQL that leads to it."""
    made = hashlib.sha256()
    for folder in _by_name(resources.files("migrations.versions")):
        if folder.is_dir() and folder.name[:1].isdigit() and folder.name[:4] <= revision:
            for file in _by_name(folder):
                made.update(file.read_bytes() + b"\0")
    return made.hexdigest()[:16]


def _by_name(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda one: one.name)


def _text(folder: str, name: str) -> str:
    return resources.files("ledger.store").joinpath(folder, name).read_text("utf-8")


def _run(connection: Connection, statements: str) -> None:
    """Statements as they are, `%` included, in the connection's transaction."""
    driver = cast("psycopg.Connection", connection.connection.driver_connection)
    driver.execute(statements.encode())
