"""Tokens of the API in `back_office`: made, listed, taken back, and the live ones read.

Only hashes come here. Making and taking back act as clearing_tokens, which may append, and change
nothing; who works on breaks is another role, and makes himself no token.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from ledger.errors import ConfigurationError
from ledger.store.connecting import connected
from ledger.store.faults import translated

Scope = Literal["reporting", "back_office", "auditor"]

_SESSION = """
    SET ROLE clearing_tokens;
    SET search_path = pg_catalog;
    SET timezone = 'UTC';
    SET statement_timeout = '10s'"""
_ASKING = """
    SET ROLE clearing_auditor;
    SET search_path = pg_catalog;
    SET default_transaction_read_only = on;
    SET statement_timeout = '10s'"""
_LIVE = "SELECT token, name, scopes, token_hash, expires_at FROM back_office.live_tokens"
_MADE = """
    INSERT INTO back_office.token (name, scopes, token_hash, made_by, expires_at)
    VALUES (%s, %s, %s, %s, %s) RETURNING token"""
_NAMED = "SELECT token FROM back_office.live_tokens WHERE name = %s"
_KEPT = """
    SELECT (SELECT count(*) FROM back_office.token) AS ever,
           (SELECT count(*) FROM back_office.live_tokens) AS live"""
_LISTED = """
    SELECT t.token, t.name, t.scopes, t.made_by, t.made_at, t.expires_at,
           CASE WHEN v.token IS NOT NULL THEN 'revoked'
                WHEN t.expires_at <= clock_timestamp() THEN 'expired' ELSE 'live' END AS state
      FROM back_office.token t LEFT JOIN back_office.token_revocation v USING (token)
     ORDER BY t.token"""
_REVOKED = """
    INSERT INTO back_office.token_revocation (token, made_by, reason) VALUES (%s, %s, %s)"""


class LiveToken(NamedTuple):
    """A token that opens something."""

    token: int
    name: str
    scopes: Sequence[str]
    token_hash: bytes
    expires_at: datetime

    def has_expired(self) -> bool:
        """It did since it was read."""
        return datetime.now(UTC) >= self.expires_at


class ListedToken(NamedTuple):
    """A token as it is listed: live, expired or revoked."""

    token: int
    name: str
    scopes: Sequence[str]
    made_by: str
    made_at: datetime
    expires_at: datetime
    state: str


class Kept(NamedTuple):
    """How many tokens the books keep.

    Attributes:
        ever: That were ever made; expired and revoked ones are among them.
        live: That open something.
    """

    ever: int
    live: int


def kept(url: str) -> Kept:
    """How many tokens there are; asked as clearing_auditor."""
    with (
        translated(),
        connected(url, "clearing serve", _ASKING) as connection,
        connection.cursor(row_factory=class_row(Kept)) as cursor,
    ):
        found = cursor.execute(_KEPT).fetchone()
        assert found is not None, "a question without a table has one row"
        return found


def live(connection: psycopg.Connection) -> list[LiveToken]:
    """All live tokens."""
    with connection.cursor(binary=True, row_factory=class_row(LiveToken)) as cursor:
        return cursor.execute(_LIVE).fetchall()


@contextmanager
def _making(url: str) -> Iterator[psycopg.Connection]:
    with translated(), connected(url, "clearing token", _SESSION) as connection:
        yield connection


def create(
    url: str,
    name: str,
    scopes: Sequence[Scope],
    token_hash: bytes,
    made_by: str,
    expires_at: datetime,
) -> int:
    """Keep a new token; its number.

    Raises:
        ConfigurationError: A live one has this name.
    """
    with _making(url) as connection:
        if connection.execute(_NAMED, (name,)).fetchone() is not None:
            raise ConfigurationError(
                f"there is a live token named {name}: revoke it first, or choose another name"
            )
        values = (name, list(scopes), token_hash, made_by, expires_at)
        row = connection.execute(_MADE, values).fetchone()
        assert row is not None, "an insert returns its row"
        return int(row[0])


def listed(url: str) -> list[ListedToken]:
    """All tokens there ever were, in the order they were made."""
    with (
        _making(url) as connection,
        connection.cursor(row_factory=class_row(ListedToken)) as cursor,
    ):
        return cursor.execute(_LISTED).fetchall()


def revoke(url: str, name: str, made_by: str, reason: str) -> int:
    """Take back the live token of a name; its number.

    Raises:
        ConfigurationError: No live token has this name.
    """
    with _making(url) as connection:
        row = connection.execute(_NAMED, (name,)).fetchone()
        if row is None:
            raise ConfigurationError(f"no live token is named {name}: see `clearing token list`")
        try:
            connection.execute(_REVOKED, (row[0], made_by, reason))
        except errors.UniqueViolation:
            raise ConfigurationError(
                f"token {name} was revoked by somebody else just now"
            ) from None
        return int(row[0])
