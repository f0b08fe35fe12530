"""Rows of JSON lines: one object a line."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ledger.importers.reading import json_rows as objects
from ledger.recon.formats.fields import Field
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.formats.tables.rows import Rows, columns_of, is_alone


def json_rows(path: Path, mapping: SourceMapping, fields: Sequence[Field]) -> Rows:
    """The fields of each object; `a.b` is `b` of the object `a`, unless there is a field `a.b`.

    Numbers with a fraction are exact decimals.

    Raises:
        ImportFailed: No JSON, or no object.
    """
    columns = columns_of(mapping, fields)
    dependent = [(place, field) for place, field in enumerate(fields) if field.beside]
    for line, row in objects(path):
        values = list(_values(row, columns.values()))
        there = [name for name, value in zip(columns, values, strict=True) if value is not None]
        for place, field in dependent:
            if is_alone(field, mapping, there):
                values[place] = None
        yield line, values


def _values(row: dict[str, object], columns: Iterable[str]) -> Iterator[Any]:
    for column in columns:
        value = row.get(column)
        if value is None and "." in column:
            value = row
            for part in column.split("."):
                value = value.get(part) if isinstance(value, dict) else None
        yield value
