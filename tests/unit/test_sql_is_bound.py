"""No value ever becomes a part of a statement: SQL is constant, and values are bound to it.

Rules of this file:

* A statement is constant when it is a literal, a constant of a module (a name in capitals), an
  f-string of nothing but these, or `.encode()` of one.
* Every call that hands a statement on is looked at, also those of functions that only pass it on
  (`PASSED_ON`): their callers are looked at in their stead.
* What is put together from something else stands in `PUT_TOGETHER`, with the reason why no value
  can get in.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("ledger", "consumers", "migrations")
TAKE_STATEMENTS = dict.fromkeys(
    ("execute", "executemany", "exec_driver_sql", "stream", "copy", "send_query"), 0
)
"""What takes a statement, and as which argument."""

CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")

PASSED_ON = {
    "ledger/store/audit/archive.py StoredBooks._rows": ("_rows", 0),
    "ledger/store/audit/books.py Audited._rows": ("_rows", 0),
    "ledger/store/back_office/runs.py _copied": ("_copied", 1),
    "ledger/store/audit/carried.py _streamed": ("_streamed", 1),
    "ledger/store/audit/condition.py Condition._rows": ("_rows", 0),
    "ledger/store/connecting.py connected": ("connected", 2),
    "ledger/store/console/participants.py _rows": ("_rows", 1),
    "ledger/store/audit/copied.py _begun": ("_begun", 1),
    "ledger/store/audit/copied.py _chunks": ("_chunks", 1),
    "ledger/store/audit/lookups.py Lookups._all": ("_all", 0),
    "ledger/store/audit/lookups.py Lookups._one": ("_one", 0),
    "ledger/store/schema.py _run": ("_run", 1),
}
"""Functions that hand a statement of their caller's on: by which name they are called, and as which
argument they take it."""

PUT_TOGETHER = {
    "ledger/store/audit/archive.py StoredBooks.table": "columns and table from an archive's layout",
    "ledger/store/audit/books.py Audited.unowned": "the name of a table, from a constant",
    "ledger/store/audit/books.py Audited.beyond": "the name of a table, which callers write out",
    "ledger/store/audit/carried.py newest_terms": "a constant, and another or a literal in it",
    "ledger/store/audit/carried.py is_retold": "a constant in another",
    "ledger/store/audit/condition.py Condition.act_as": "the name of a role, which callers write",
    "ledger/store/audit/copied.py events": "a constant with three numbers in it, as `%d`",
    "ledger/store/audit/copied.py postings": "a constant with three numbers in it, as `%d`",
    "ledger/store/audit/copied.py records": "a constant with three numbers in it, as `%d`",
    "ledger/store/log/copying.py _copy": "what packing names: constants, or a leaf's two numbers",
    "ledger/store/dropped.py _last": "the name of a table, quoted, of two numbers of the catalog",
    "ledger/store/audit/indexes.py _answer": "constants, or names and keys of the catalog",
    "ledger/store/audit/liabilities.py owed": "a constant, or that and another",
    "ledger/store/log/ownership.py raise_epoch": "columns, which the one caller has as a constant",
    "ledger/store/reports/account_statement.py statement": "a loop over four constants",
    "ledger/store/schema.py create": "the schema's own files, and a hash of them",
    "ledger/store/schema.py prepare": "the schema's own file",
    "migrations/released.py run": "the revision's own files, and a hash of them",
    "migrations/env.py _run": "a literal within SQLAlchemy's `text`",
    "ledger/store/web/connections.py Readers._begun": "one of two roles, and a number of seconds",
    "ledger/store/web/rows.py fetched": "made by psycopg.sql: names as identifiers, values bound",
}
"""Statements that are put together, and why no value gets in."""


class Statement(NamedTuple):
    """A statement that is handed on: where, by which function, and how it is written."""

    place: str
    function: str
    text: ast.expr

    @property
    def name(self) -> str:
        return f"{self.place} {self.function}"


def is_constant(text: ast.expr) -> bool:
    match text:
        case ast.Constant(value=str() | bytes() | int()):
            return True
        case ast.Name(id=name):
            return CONSTANT.fullmatch(name) is not None
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return is_constant(left) and is_constant(right)
        case ast.JoinedStr(values=values):
            return all(is_constant(value) for value in values)
        case ast.FormattedValue(value=value):
            return is_constant(value)
        case ast.Call(func=ast.Attribute(value=value, attr="encode"), args=[]):
            return is_constant(value)
        case _:
            return False


def statements(source: str, path: str) -> Iterator[Statement]:
    """All statements that a module hands on."""
    takers = TAKE_STATEMENTS | {
        called: at for name, (called, at) in PASSED_ON.items() if _is_called_in(name, path)
    }

    def walk(node: ast.AST, function: str) -> Iterator[Statement]:
        for child in ast.iter_child_nodes(node):
            inside = function
            match child:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    inside = f"{function}.{name}" if function else name
                case ast.Call(func=func, args=given):
                    called = func.attr if isinstance(func, ast.Attribute) else ast.unparse(func)
                    at = takers.get(called, len(given))
                    if at < len(given):
                        yield Statement(path, function, given[at])
                case _:
                    pass
            yield from walk(child, inside)

    yield from walk(ast.parse(source), "")


def _is_called_in(name: str, path: str) -> bool:
    """A function of one module is called there; `connected` by all."""
    return name.startswith(f"{path} ") or name.endswith(" connected")


def faults(source: str, path: str) -> list[str]:
    """Statements that are neither constant nor accounted for."""
    return [
        f"{each.name}: {ast.unparse(each.text)}"
        for each in statements(source, path)
        if not is_constant(each.text) and each.name not in {*PASSED_ON, *PUT_TOGETHER}
    ]


def _sources() -> Iterator[tuple[str, str]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def test_every_statement_is_constant_or_accounted_for() -> None:
    found = [fault for path, source in _sources() for fault in faults(source, path)]
    assert not found, "\n".join(found)


def test_every_account_is_still_of_use() -> None:
    written = {
        each.name
        for path, source in _sources()
        for each in statements(source, path)
        if not is_constant(each.text)
    }
    assert {*PASSED_ON, *PUT_TOGETHER} <= written


@pytest.mark.parametrize(
    "text",
    [
        "f'SELECT 1 FROM {table}'",
        "'SELECT %s' % value",
        "'SELECT ' + value",
        "'SELECT {}'.format(value)",
        "_QUERY.format(value)",
        "query",
        "query.encode()",
        "f'{_QUERY} WHERE name = {name!r}'",
        "text(f'SELECT {value}')",
    ],
)
@pytest.mark.parametrize("call", ["connection.execute", "cursor.stream", "cursor.copy"])
def test_a_statement_with_a_value_in_it_is_found(call: str, text: str) -> None:
    source = f"def asked(connection, cursor):\n    return {call}({text}, values)\n"
    assert faults(source, "ledger/store/example.py")


def test_constants_put_together_are_left_alone() -> None:
    source = "connection.execute(f'{_QUERY} LIMIT {ROWS_MAX}'.encode(), (shard,))\n"
    assert not faults(source, "ledger/store/example.py")
