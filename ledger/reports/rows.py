"""Rows of a table, of which there may be many: in memory up to a bound, then in a temporary file.

They are written once and read as often as renderers like, always in the same order. In the file a
row is a line of JSON, figures as decimal strings; it has no name and is gone with its last reader.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from typing import IO, Literal, Protocol

ROWS_IN_MEMORY = 10_000
"""Some 10 MB at ten cells a row."""

Kind = Literal["text", "amount", "moment", "count"]
Cell = str | int | Decimal | datetime | None
Row = tuple[Cell, ...]


class Rows(Protocol):
    """May be walked again and again; how many is known."""

    def __iter__(self) -> Iterator[Row]:
        """Walk them from the first."""
        ...

    def __len__(self) -> int:
        """Count them."""
        ...


class _Spooled:
    """Rows in a temporary file; each walk finds its own place, so that walks may cross."""

    def __init__(self, kinds: Sequence[Kind], rows: Iterable[Row]) -> None:
        self._kinds = tuple(kinds)
        self._count = 0
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with its owner
        for row in rows:
            self._file.write(json.dumps([_written(cell) for cell in row]).encode() + b"\n")
            self._count += 1

    def __del__(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        at = 0
        while True:
            self._file.seek(at)
            lines = self._file.readlines(1 << 18)
            if not lines:
                return
            at = self._file.tell()
            for line in lines:
                yield tuple(map(_read, self._kinds, json.loads(line)))


def keep(kinds: Sequence[Kind], rows: Iterable[Sequence[Cell]]) -> Rows:
    """Take all rows from where they come, once.

    Args:
        kinds: Of each cell.
        rows: Consumed to their end.
    """
    source = map(tuple, rows)
    held = tuple(islice(source, ROWS_IN_MEMORY + 1))
    if len(held) <= ROWS_IN_MEMORY:
        return held
    return _Spooled(kinds, chain(held, source))


def _written(cell: Cell) -> str | int | None:
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return cell.isoformat() if isinstance(cell, datetime) else cell


def _read(kind: Kind, written: str | int | None) -> Cell:
    if written is None or kind in {"text", "count"}:
        return written
    assert isinstance(written, str)
    return Decimal(written) if kind == "amount" else datetime.fromisoformat(written)
