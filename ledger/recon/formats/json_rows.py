"""Rows of JSON lines: one object a line."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ledger.importers.reading import json_rows as objects
from ledger.recon.formats.fields import Field
from ledger.recon.formats.mapping import SourceMapping
from ledger.recon.formats.tables import Rows


def json_rows(path: Path, mapping: SourceMapping, fields: Sequence[Field]) -> Rows:
    """The fields of each object; `a.b` is `b` of the object `a`, unless there is a field `a.b`.

    Numbers with a fraction are exact decimals.

    Raises:
        ImportFailed: No JSON, or no object.
    """
    columns = [mapping.columns.get(field.name, field.name) for field in fields]
    for line, row in objects(path):
        yield line, list(_values(row, columns))


def _values(row: dict[str, object], columns: Sequence[str]) -> Iterator[Any]:
    for column in columns:
        value = row.get(column)
        if value is None and "." in column:
            value = row
            for part in column.split("."):
                value = value.get(part) if isinstance(value, dict) else None
        yield value
