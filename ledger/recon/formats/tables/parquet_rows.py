"""Rows of Parquet files; the one place of the reconciliation that knows pyarrow.

A row's line is its number in the file, from 1. Amounts are decimals, whole numbers or texts: a
column of binary doubles is refused before any row is read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.errors import ConfigurationError, ImportFailed
from ledger.importers.reading import failure
from ledger.recon.formats.fields import Field
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.formats.tables.rows import Rows, column_of, places

READ_ROWS = 10_000
"""Rows made into Python at once."""


def parquet_rows(path: Path, mapping: SourceMapping, fields: Sequence[Field]) -> Rows:
    """The fields of each row.

    Raises:
        ConfigurationError: pyarrow is not installed.
        ImportFailed: No Parquet, a column missing, or one of binary doubles.
    """
    arrow, parquet = _arrow()
    try:
        with parquet.ParquetFile(path) as opened:
            schema = opened.schema_arrow
            where = places(path, schema.names, mapping, fields)
            for field, at in zip(fields, where, strict=True):
                _require_exact(arrow, path, column_of(field, mapping), schema, at)
            wanted = sorted({schema.names[at] for at in where if at is not None})
            line = 0
            for batch in opened.iter_batches(READ_ROWS, columns=wanted):
                columns = [_values(arrow, batch, schema, at) for at in where]
                for values in zip(*columns, strict=True):
                    line += 1
                    yield line, values
    except (OSError, arrow.ArrowException) as error:
        message = f"{path}: cannot be read ({error}); expected a Parquet file"
        raise ImportFailed(message) from error


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        from pyarrow import parquet  # noqa: PLC0415 - as above
    except ImportError as missing:
        raise ConfigurationError(
            "Parquet needs pyarrow, which is not installed: `pip install clearing-ledger[recon]`"
        ) from missing
    return pa, parquet


def _require_exact(arrow: Any, path: Path, column: str, schema: Any, at: int | None) -> None:  # noqa: ANN401 - pyarrow ships no types
    if at is not None and arrow.types.is_floating(schema.types[at]):
        message = f"{column} has the type {schema.types[at]}, expected decimal, integer or text"
        raise failure(path, 1, f"{message}: binary doubles are not exact")


def _values(arrow: Any, batch: Any, schema: Any, at: int | None) -> Sequence[Any]:  # noqa: ANN401 - as above
    """A column as Python has it; times of nanoseconds are cut to microseconds."""
    if at is None:
        return [None] * batch.num_rows
    column = batch.column(batch.schema.get_field_index(schema.names[at]))
    kind = column.type
    if arrow.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    elif arrow.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(arrow.timestamp("us", tz=kind.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values
