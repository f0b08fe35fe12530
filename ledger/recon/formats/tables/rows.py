"""Rows of any table to what they say: fields by a mapping, in order, faults with their place.

A source of rows (`csv_rows`, `json_rows`, `parquet_rows`) yields a line's number and what stands in
the fields asked for, in their order, empty (None or "") where nothing does.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from ledger.errors import ImportFailed
from ledger.importers.reading import failure
from ledger.recon.formats.fields import Convert, Field, Unreadable
from ledger.recon.formats.tables.mapping import SourceMapping

Rows = Iterator[tuple[int, Sequence[Any]]]
RowSource = Callable[[Path, SourceMapping, Sequence[Field]], Rows]


def records(
    source: RowSource, path: Path, mapping: SourceMapping, fields: Sequence[Field]
) -> Iterator[tuple[int, list[Any]]]:
    """Line and what each field says, None where an optional one is empty.

    Raises:
        ImportFailed: While iterating; names file, line and column.
    """
    converters = [_converter(field, mapping) for field in fields]
    for line, values in source(path, mapping, fields):
        try:
            read = [convert(value) for convert, value in zip(converters, values, strict=True)]
        except Unreadable:
            raise _fault(path, line, mapping, fields, values) from None
        yield line, read


def _converter(field: Field, mapping: SourceMapping) -> Convert:
    convert = field.convert
    constant = mapping.constants.get(field.name)
    if constant == "" and field.may_lack:
        return lambda _: None
    if constant is not None:
        return lambda _: convert(constant)
    if field.required:
        return convert
    return lambda raw: None if raw is None or raw == "" else convert(raw)


def _fault(
    path: Path,
    line: int,
    mapping: SourceMapping,
    fields: Sequence[Field],
    values: Sequence[Any],
) -> ImportFailed:
    """The fault of the first field of the row that does not read."""
    for field, value in zip(fields, values, strict=True):
        try:
            _converter(field, mapping)(value)
        except Unreadable as error:
            return failure(path, line, f"{column_of(field, mapping)} {error}")
    raise AssertionError(f"{path}, line {line}: a row that did not read, reads")


def column_of(field: Field, mapping: SourceMapping) -> str:
    """The field in the words of a message."""
    if field.name in mapping.constants:
        return f"the constant {field.name}"
    column = mapping.columns.get(field.name, field.name)
    same = column == field.name
    return f"column {column}" if same else f"column {column} ({field.name})"


def columns_of(mapping: SourceMapping, fields: Sequence[Field]) -> dict[str, str]:
    """The column of each field, by the field's name."""
    return {field.name: mapping.columns.get(field.name, field.name) for field in fields}


def is_alone(field: Field, mapping: SourceMapping, there: Collection[str]) -> bool:
    """Whether the field lacks the one that it needs beside it, and nobody named its column."""
    if not field.beside or field.name in mapping.columns:
        return False
    return field.beside not in there and field.beside not in mapping.constants


def places(
    path: Path, header: Sequence[str], mapping: SourceMapping, fields: Sequence[Field]
) -> list[int | None]:
    """Where each field stands in rows that have this header; None where it does not.

    Raises:
        ImportFailed: A column that the mapping names or that is needed is missing or there twice.
    """
    found: list[int | None] = []
    there = {name for name, column in columns_of(mapping, fields).items() if column in header}
    for field in fields:
        column = mapping.columns.get(field.name, field.name)
        is_named = field.name in mapping.columns
        is_left = field.name in mapping.constants or is_alone(field, mapping, there)
        count = 0 if is_left else header.count(column)
        if count > 1:
            raise failure(path, 1, f"{count} columns {column}, expected one")
        if count == 0 and (is_named or field.required) and field.name not in mapping.constants:
            columns = ", ".join(header) or "nothing"
            raise failure(path, 1, f"no {column_of(field, mapping)}; found {columns}")
        found.append(header.index(column) if count else None)
    return found
