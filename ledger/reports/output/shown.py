"""Tables as people see them: figures grouped by thousands and aligned on their point.

Rules of this file:

* Every figure is shown whole. What aligns it, zeros beyond its own digits, is handed apart (`pad`),
  for a renderer to draw invisibly, so that what is copied is the figure.
* A column that has any decimals shows two at least.
* Of many rows the first are shown; how many are left out is said, and totals are over all.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from ledger.reports.model import Column, Table
from ledger.reports.rows import Cell, Kind, Row
from ledger.reports.taken import moment

LEAST_DECIMALS = 2


class Shown(NamedTuple):
    """A cell.

    Attributes:
        text: What it says; empty where there is nothing.
        pad: Zeros, and their point, that would fill it up to its column's decimals.
    """

    text: str
    pad: str = ""


class ShownColumn(NamedTuple):
    """The head of a column; `width` is that of its widest cell, in characters, pad included."""

    title: str
    kind: Kind
    width: int

    @property
    def is_figure(self) -> bool:
        """Aligned on the right, never wrapped."""
        return self.kind in {"amount", "count"}


class ShownTable(NamedTuple):
    """A table, laid out.

    Attributes:
        left_out: Rows that are not shown.
        total_rows: How many there are in all.
    """

    name: str
    title: str
    note: str
    columns: Sequence[ShownColumn]
    rows: Sequence[Sequence[Shown]]
    totals: Sequence[Sequence[Shown]]
    left_out: int
    total_rows: int


def shown(table: Table, rows_max: int) -> ShownTable:
    """Lay out the first rows of a table."""
    rows = list(islice(table.rows, rows_max))
    decimals = list(_decimals(table.columns, [*rows, *table.totals]))
    body = [_cells(row, table.columns, decimals) for row in rows]
    unnamed = [column._replace(absent="") for column in table.columns]
    totals = [_cells(row, unnamed, decimals) for row in table.totals]
    for total in totals:
        first = next((place for place, cell in enumerate(total) if not cell.text), None)
        if first == 0 or (first is not None and not total[first].text and len(totals) > 1):
            total[first] = Shown("Total")
    heads = [
        ShownColumn(
            column.title,
            column.kind,
            max((len(row[place].text + row[place].pad) for row in [*body, *totals]), default=0),
        )
        for place, column in enumerate(table.columns)
    ]
    return ShownTable(
        *(table.name, table.title, table.note, heads, body, totals),
        *(len(table.rows) - len(rows), len(table.rows)),
    )


def _decimals(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[int]:
    """Of each column: the most that any figure has."""
    for place, column in enumerate(columns):
        most = 0
        if column.kind == "amount":
            for row in rows:
                cell = row[place]
                if isinstance(cell, Decimal):
                    _, _, part = plain(cell).partition(".")
                    most = max(most, len(part))
        yield max(most, LEAST_DECIMALS) if most else 0


def _cells(row: Row, columns: Sequence[Column], decimals: Sequence[int]) -> list[Shown]:
    return [
        _cell(cell, column, most) for cell, column, most in zip(row, columns, decimals, strict=True)
    ]


def _cell(cell: Cell, column: Column, decimals: int) -> Shown:
    match cell:
        case None:
            return Shown(column.absent)
        case Decimal():
            whole, _, part = plain(cell).partition(".")
            part = part.ljust(min(LEAST_DECIMALS, decimals), "0")
            sign = "-" if whole.startswith("-") else ""
            text = f"{sign}{int(whole.removeprefix('-')):,}" + (f".{part}" if part else "")
            return Shown(text, "0" * (decimals - len(part)))
        case datetime():
            return Shown(moment(cell).replace("T", " "))
        case int():
            return Shown(f"{cell}" if column.is_name else f"{cell:,}")
        case str():
            return Shown(cell)


def plain(figure: Decimal) -> str:
    """A figure in full, without an exponent and without zeros at its end."""
    words = f"{figure:f}"
    words = words.rstrip("0").rstrip(".") if "." in words else words
    return "0" if words == "-0" else words
