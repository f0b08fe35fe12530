"""Tables as CSV: UTF-8, a line of names, exact figures, moments as RFC 3339, nothing for none."""

import csv
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from ledger.reports.model import Table
from ledger.reports.rows import Cell
from ledger.reports.shown import plain
from ledger.reports.taken import moment


def write_csv(table: Table, path: Path) -> None:
    """Write a table's rows; totals are not among them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in table.columns])
        writer.writerows(map(_words, row) for row in table.rows)


def _words(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case Decimal():
            return plain(cell)
        case datetime():
            return moment(cell)
        case int() | str():
            return str(cell)
