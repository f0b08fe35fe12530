"""Rows of one side of a comparison, divided by key, in memory while they are few, else in files.

Both sides are divided alike, so that rows with the same key meet in the division of the same
number. No more rows are held than `held_max` and those of one division: a million trades of 64
divisions take 16,000 rows a side at a time. Rows are tuples of text, whole numbers and None.
"""

import json
from collections.abc import Iterator
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Self

DIVISIONS = 64
HELD_MAX = 100_000

Row = tuple[Any, ...]


class Spool:
    """Rows by the division of their key.

    Attributes:
        rows: How many there are.
    """

    def __init__(self, held_max: int | None = None) -> None:
        """Hold up to so many rows before any go to files; None: `HELD_MAX`."""
        held_max = HELD_MAX if held_max is None else held_max
        self.rows = 0
        self._held: list[list[Row]] = [[] for _ in range(DIVISIONS)]
        self._files: list[IO[str] | None] = [None] * DIVISIONS
        self._held_max = held_max
        self._until_spill = held_max

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for file in self._files:
            if file is not None:
                file.close()

    def add(self, key: str, row: Row) -> None:
        """Keep a row."""
        self._held[hash(key) % DIVISIONS].append(row)
        self.rows += 1
        if self.rows == self._until_spill:
            self._spill()

    def division(self, number: int) -> Iterator[Row]:
        """The rows of one division, in no order that means anything."""
        file = self._files[number]
        if file is not None:
            file.seek(0)
            for line in file:
                yield from map(tuple, json.loads(line))
        yield from self._held[number]

    def _spill(self) -> None:
        self._until_spill += self._held_max
        for number, held in enumerate(self._held):
            file = self._files[number]
            if file is None:
                file = self._files[number] = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
            file.write(json.dumps(held, separators=(",", ":")) + "\n")
        self._held = [[] for _ in range(DIVISIONS)]
