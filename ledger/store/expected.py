"""What the schema's own SQL says of grants, guards and functions, to hold a database against it.

Nothing is said twice: the statements that a migration runs are read here, so a grant that is added
there is expected from then on. The reader knows the forms of GRANT that those files use, and
refuses any other.
"""

import re
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

from ledger.store.back_office.tables import back_office
from ledger.store.tables import metadata

GRANT_FILES = (("sql", "grants.sql"), ("views", "access.sql"), ("sql", "back_office_grants.sql"))
PROGRAM_FILES = (("sql", "guards.sql"), ("sql", "partitions.sql"), ("sql", "back_office.sql"))

_BESIDE = (
    "GRANT SELECT ON ledger.alembic_version"
    " TO clearing_writer, clearing_auditor, clearing_back_office, clearing_tokens"
)
"""Granted by every migration (`migrations/env.py`), to those who ask which revision it is."""

CHANGING = {"shard", "source_offset", "snapshot"}
"""Tables whose rows may change; all others are append-only."""

_COMMENT = re.compile(r"--[^\n]*")
_GRANT = re.compile(
    r"GRANT (?P<rights>.+?) ON (?P<objects>.+?) TO (?P<roles>[a-z_, \n]+)", re.DOTALL
)
_RIGHT = re.compile(r"([A-Z]+)(?:\s*\(([^)]*)\))?")
_BODY = re.compile(
    r"CREATE FUNCTION (?P<name>[a-z_]+\.[a-z_]+)\s*\(.*?AS \$\$(?P<body>.*?)\$\$;", re.DOTALL
)


class Privilege(NamedTuple):
    """A right that a role has.

    Attributes:
        role: Who.
        right: `SELECT`, `INSERT`, `UPDATE`, `EXECUTE`, `USAGE`, ...
        target: Schema, `schema.table`, `schema.table.column` or `schema.function`. Functions of
            one name share their rights.
    """

    role: str
    right: str
    target: str


def guarded_tables() -> list[str]:
    """The append-only tables: of the books without schema, of the back office with it."""
    books = (name for table in metadata.tables.values() if (name := table.name) not in CHANGING)
    return sorted([*books, *back_office.tables])


def function_bodies() -> dict[str, str]:
    """Body of each function that guards the books or makes their partitions, by name."""
    return {
        found["name"]: found["body"]
        for file in PROGRAM_FILES
        for found in _BODY.finditer(_text(*file))
    }


def privileges(tables: list[str], functions: list[str], leaves: list[str]) -> set[Privilege]:
    """What the roles are granted.

    Args:
        tables: All tables and views, `schema.name`: what ALL TABLES stands for.
        functions: All functions, `schema.name`.
        leaves: Of postings, those that are attached; `ledger.open_leaf` grants INSERT on them.
    """
    granted = set(_granted(_BESIDE, tables, functions))
    granted |= {Privilege("clearing_writer", "INSERT", leaf) for leaf in leaves}
    for file in GRANT_FILES:
        for statement in _COMMENT.sub("", _text(*file)).split(";"):
            if statement.strip().startswith("GRANT"):
                granted |= set(_granted(statement.strip(), tables, functions))
    return granted


def _granted(statement: str, tables: list[str], functions: list[str]) -> Iterator[Privilege]:
    found = _GRANT.fullmatch(statement)
    assert found is not None, f"a form of GRANT that is not known here: {statement}"
    roles = _split(found["roles"])
    targets = _targets(" ".join(found["objects"].split()), tables, functions)
    for right, columns in _RIGHT.findall(found["rights"]):
        for target in targets:
            for role in roles:
                if columns:
                    for column in _split(columns):
                        yield Privilege(role, right, f"{target}.{column}")
                else:
                    yield Privilege(role, right, target)


def _targets(objects: str, tables: list[str], functions: list[str]) -> list[str]:
    for words, all_of_them in (("ALL TABLES", tables), ("ALL FUNCTIONS", functions)):
        if objects.startswith(f"{words} IN SCHEMA "):
            schemas = _split(objects.removeprefix(f"{words} IN SCHEMA "))
            return [name for name in all_of_them if name.partition(".")[0] in schemas]
    if objects.startswith("SCHEMA "):
        return _split(objects.removeprefix("SCHEMA "))
    if objects.startswith("FUNCTION "):
        return re.findall(r"([a-z_]+\.[a-z_]+)\(", objects)
    return _split(objects)


def _split(listed: str) -> list[str]:
    return [word.strip() for word in listed.split(",")]


def _text(folder: str, name: str) -> str:
    return resources.files("ledger.store").joinpath(folder, name).read_text("utf-8")
