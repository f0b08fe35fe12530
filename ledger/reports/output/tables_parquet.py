"""Tables as Parquet: exact columns, and what the report was taken at in the file's own metadata.

The one place of reports that knows pyarrow. An amount is decimal128(38, 18), which holds 20 digits
before the point and which every reader knows. A column with a larger one is decimal256(76, 18); one
with more decimals, as outsiders may write them, decimal256 with so many; one with figures that are
too far apart for 76 digits is text.
Moments are microseconds in UTC, counts 64 bits, a cell without a value is null.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ledger.errors import ConfigurationError
from ledger.reports.model import Column, Table
from ledger.reports.output.shown import plain
from ledger.reports.rows import Cell, Kind

DECIMALS = 18
"""Those of every amount of ours: assets have 18 at the most, and so have prices and rates."""

DIGITS_MAX = 76
"""Of decimal256."""

WHOLE_DIGITS = 20
"""Before the point of an amount in decimal128."""

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
    types = [_type(arrow, column.kind, of) for column, of in zip(*_measured(table), strict=True)]
    schema = arrow.schema(
        [(column.name, kind) for column, kind in zip(table.columns, types, strict=True)],
        metadata={METADATA: words},
    )
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        rows = iter(table.rows)
        while group := list(islice(rows, GROUP_ROWS)):
            columns = zip(*group, strict=True)
            arrays = [
                arrow.array(_cells(arrow, column, field.type), field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


class _Digits(NamedTuple):
    """The most that a figure of a column has, before its point and behind it."""

    whole: int
    decimals: int


def _type(arrow: Any, kind: Kind, digits: _Digits) -> Any:  # noqa: ANN401 - pyarrow ships no types
    match kind:
        case "text":
            return arrow.string()
        case "count":
            return arrow.int64()
        case "moment":
            return arrow.timestamp("us", tz="UTC")
        case "amount":
            if digits.whole + digits.decimals > DIGITS_MAX:
                return arrow.string()
            if digits.whole <= WHOLE_DIGITS and digits.decimals == DECIMALS:
                return arrow.decimal128(WHOLE_DIGITS + DECIMALS, DECIMALS)
            return arrow.decimal256(DIGITS_MAX, digits.decimals)


def _cells(arrow: Any, cells: Sequence[Cell], kind: Any) -> Sequence[Cell]:  # noqa: ANN401 - as above
    """Figures as texts where the column is one of texts."""
    if not arrow.types.is_string(kind):
        return cells
    return [plain(cell) if isinstance(cell, Decimal) else cell for cell in cells]


def _measured(table: Table) -> tuple[Sequence[Column], Sequence[_Digits]]:
    """Columns and the digits of their amounts; one walk over the rows."""
    amounts = [place for place, column in enumerate(table.columns) if column.kind == "amount"]
    found = [_Digits(0, DECIMALS) for _ in table.columns]
    for row in table.rows if amounts else ():
        for place in amounts:
            cell = row[place]
            if isinstance(cell, Decimal) and cell:
                whole, decimals = found[place]
                found[place] = _Digits(
                    max(whole, cell.adjusted() + 1), max(decimals, _decimals(cell, decimals))
                )
    return table.columns, found


def _decimals(figure: Decimal, least: int) -> int:
    """Behind the point, zeros at the end left out; where there are no more than these, these."""
    exponent = figure.as_tuple().exponent
    assert isinstance(exponent, int), "an amount that is no number"
    return len(plain(figure).partition(".")[2]) if exponent < -least else least


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        from pyarrow import parquet  # noqa: PLC0415 - as above
    except ImportError as missing:
        raise ConfigurationError(
            "Parquet needs pyarrow, which is not installed: `pip install clearing-ledger[reports]`"
        ) from missing
    return pa, parquet
