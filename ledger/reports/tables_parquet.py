"""Tables as Parquet: exact columns, and what the report was taken at in the file's own metadata.

The one place of reports that knows pyarrow. An amount is decimal128(38, 18), which holds 20 digits
before the point and which every reader knows; a column with a larger one is decimal256(76, 18).
Moments are microseconds in UTC, counts 64 bits, a cell without a value is null.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from ledger.errors import ConfigurationError
from ledger.reports.model import Table
from ledger.reports.rows import Kind

DECIMALS = 18
"""Those of every amount: assets have 18 at the most, and so have prices and rates."""

FITS = Decimal(10) ** 20
GROUP_ROWS = 10_000
METADATA = "clearing.report"


def require_parquet() -> None:
    """Refuse where pyarrow is not installed.

    Raises:
        ConfigurationError: It is not; the message says how.
    """
    _arrow()


def write_parquet(table: Table, taken_at: Mapping[str, str], path: Path) -> None:
    """Write a table's rows; totals are not among them."""
    arrow, parquet = _arrow()
    words = json.dumps({"title": table.title, **taken_at}, ensure_ascii=False)
    large = _large(table)
    schema = arrow.schema(
        [
            (column.name, _type(arrow, column.kind, is_large=place in large))
            for place, column in enumerate(table.columns)
        ],
        metadata={METADATA: words},
    )
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        rows = iter(table.rows)
        while group := list(islice(rows, GROUP_ROWS)):
            columns = zip(*group, strict=True)
            arrays = [
                arrow.array(column, field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def _type(arrow: Any, kind: Kind, *, is_large: bool) -> Any:  # noqa: ANN401 - pyarrow ships no types
    match kind:
        case "text":
            return arrow.string()
        case "count":
            return arrow.int64()
        case "moment":
            return arrow.timestamp("us", tz="UTC")
        case "amount":
            return arrow.decimal256(76, DECIMALS) if is_large else arrow.decimal128(38, DECIMALS)


def _large(table: Table) -> set[int]:
    """Places of columns with an amount that 128 bits do not hold; one walk over the rows."""
    amounts = [place for place, column in enumerate(table.columns) if column.kind == "amount"]
    found: set[int] = set()
    if amounts:
        for row in table.rows:
            for place in amounts:
                cell = row[place]
                if isinstance(cell, Decimal) and not -FITS < cell < FITS:
                    found.add(place)
    return found


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        from pyarrow import parquet  # noqa: PLC0415 - as above
    except ImportError as missing:
        raise ConfigurationError(
            "Parquet needs pyarrow, which is not installed: `pip install clearing-ledger[reports]`"
        ) from missing
    return pa, parquet
