"""Rows as a stream of Apache Arrow: exact decimals, moments in UTC; alone here to know pyarrow.

Figures are decimal128(38, 18), which every reader of Arrow knows: 20 digits before the point. What
does not fit is refused, and can be had as JSON or CSV.
"""

import json
from decimal import Decimal
from typing import Any

from ledger.store.web.rows import Rows, Type
from ledger.web.api.formats import plain
from ledger.web.problems import Problem

DECIMALS = 18
_BOUND = Decimal(10) ** (38 - DECIMALS)


def as_arrow(rows: Rows) -> bytes:
    """A stream with one batch of all rows.

    Raises:
        Problem: A figure does not fit.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes a third of a second, and few ask for it

    types: dict[Type, pa.DataType] = {
        "text": pa.string(),
        "integer": pa.int64(),
        "numeric": pa.decimal128(38, DECIMALS),
        "moment": pa.timestamp("us", tz="UTC"),
        "boolean": pa.bool_(),
        "texts": pa.list_(pa.string()),
        "json": pa.string(),
    }
    schema = pa.schema([(column.name, types[column.type]) for column in rows.columns])
    arrays = [
        pa.array([_cell(column.name, column.type, row[place]) for row in rows.rows], field.type)
        for place, (column, field) in enumerate(zip(rows.columns, schema, strict=True))
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return bytes(sink.getvalue().to_pybytes())


def _cell(name: str, type_: Type, value: Any) -> Any:  # noqa: ANN401 - whatever a row holds
    if value is None:
        return None
    if type_ == "json":
        return json.dumps(value, ensure_ascii=False)
    if type_ == "text":
        return str(plain(value))
    if type_ == "numeric" and (abs(value) >= _BOUND or value.as_tuple().exponent < -DECIMALS):
        raise Problem(
            "not_acceptable",
            f"{name} {value:f} does not fit decimal128(38, {DECIMALS}): ask for JSON or CSV",
        )
    return value
