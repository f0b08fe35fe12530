"""Rows of a view as the API hands them on: typed columns, and values as the driver made them."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import sql

from ledger.errors import LedgerError

Type = Literal["text", "integer", "numeric", "moment", "boolean", "texts", "json"]

_TYPES: Mapping[int, Type] = {
    16: "boolean",
    20: "integer",
    23: "integer",
    25: "text",
    114: "json",
    1009: "texts",
    1184: "moment",
    1700: "numeric",
    3802: "json",
}
"""By the number that PostgreSQL gives its own types; every other one is shown as its text."""


class UnknownPool(LedgerError):
    """The books have no such pool."""


class NotThere(LedgerError):
    """A moment or a sequence that the books do not reach, in either direction."""


class Detached(LedgerError):
    """What only partitions could tell that were detached from the database."""


class Column(NamedTuple):
    """Name and type of a column."""

    name: str
    type: Type


class Rows(NamedTuple):
    """Rows in their order, all of the same columns."""

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]


def fetched(
    connection: psycopg.Connection, query: sql.SQL | sql.Composed, values: Mapping[str, Any]
) -> Rows:
    """All rows of a query.

    Raises:
        Detached: They would be made of partitions that are not in the database any more.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(query, values)
            described = cursor.description or ()
            columns = tuple(
                Column(each.name, _TYPES.get(each.type_code, "text")) for each in described
            )
            return Rows(columns, cursor.fetchall())
    except psycopg.errors.NoDataFound as fault:
        said = (fault.diag.message_primary, fault.diag.message_hint)
        raise Detached(". ".join(word for word in said if word)) from fault


def filtering(filters: Mapping[str, Sequence[str]]) -> sql.Composed:
    """` AND (column = %(column)s OR ...)` for each filter: its value in any of its columns."""
    parts = [
        sql.SQL(" AND ({})").format(
            sql.SQL(" OR ").join(
                sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(name))
                for column in columns
            )
        )
        for name, columns in filters.items()
    ]
    return sql.Composed(parts)
