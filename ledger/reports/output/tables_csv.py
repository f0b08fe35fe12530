"""Tables as CSV: UTF-8, a line of names, exact figures, moments as RFC 3339, nothing for none.

Words that a spreadsheet would work out as a formula have an apostrophe before them, for some are
written by outsiders; names such as @house have none.
"""

import csv
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from ledger.reports.model import Table
from ledger.reports.output.shown import plain
from ledger.reports.rows import Cell
from ledger.reports.taken import moment

_END = "\r\n"
_FORMULA = re.compile(r"[=\t\r\n]|[+@-](?!\Z|[A-Za-z_][\w./:@ -]*\Z)")
"""A name after `@`, `+` or `-` is none."""


class _Rows:
    """Takes lines of a writer that quotes whatever breaks a line, and ends them with a newline."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(f"{line.removesuffix(_END)}\n")


def write_rows(file: TextIO, rows: Iterable[Iterable[str]]) -> None:
    """Write rows of words as CSV; a carriage return within a word is quoted as a newline is."""
    csv.writer(_Rows(file), lineterminator=_END).writerows(rows)


def write_csv(table: Table, path: Path) -> None:
    """Write a table's rows; totals are not among them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        write_rows(file, [[column.name for column in table.columns]])
        write_rows(file, (map(_words, row) for row in table.rows))


def _words(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case Decimal():
            return plain(cell)
        case datetime():
            return moment(cell)
        case int():
            return str(cell)
        case str():
            return unworked(cell)


def unworked(words: str) -> str:
    """Words as no spreadsheet works them out: an apostrophe before what it took for a formula."""
    return f"'{words}" if _FORMULA.match(words) else words
