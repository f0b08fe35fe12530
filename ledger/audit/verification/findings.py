"""What a verification found wrong: where, what was expected, what stands there."""

from typing import NamedTuple

SHOWN_MAX = 200
"""Characters of a value that a finding shows."""

FINDINGS_MAX = 100
"""Of one check of one pool; what is beyond is counted no more."""


class Finding(NamedTuple):
    """One thing that is not as it must be.

    Attributes:
        pool: Name of the shard; empty for what belongs to none.
        sequence: Of the event; 0 for what belongs to none.
        rank: Among those of one event, the more exact first: 0 a field of a row, 1 the hash over
            an event's rows, 2 what was said of all rows so far.
        table, field: What differs; `line 3 amount` names the line too.
        expected, found: As text; bytes in hex.
        says: In words, and what to do.
    """

    pool: str
    sequence: int
    rank: int
    table: str
    field: str
    expected: str
    found: str
    says: str

    def as_json(self) -> dict[str, object]:
        """For programs."""
        shown = self._asdict()
        del shown["rank"]
        return shown

    def line(self) -> str:
        """For people."""
        where = f"pool {self.pool}, event {self.sequence}, " if self.pool else ""
        return (
            f"{where}table {self.table}, {self.field}: expected {self.expected},"
            f" found {self.found} ({self.says})"
        )


class Findings:
    """Collects what a check of one pool finds, up to a bound."""

    def __init__(self, pool: str) -> None:
        """Start with none."""
        self.pool = pool
        self.all: list[Finding] = []

    @property
    def full(self) -> bool:
        """There is no room for more, so looking on is of no use."""
        return len(self.all) >= FINDINGS_MAX

    def add(
        self,
        sequence: int,
        table: str,
        field: str,
        expected: object,
        found: object,
        says: str,
        rank: int = 0,
    ) -> None:
        """Add one."""
        if not self.full:
            values = (shown(expected), shown(found))
            self.all.append(Finding(self.pool, sequence, rank, table, field, *values, says))

    def differ(
        self,
        sequence: int,
        table: str,
        field: str,
        expected: object,
        found: object,
        says: str,
        rank: int = 0,
    ) -> bool:
        """Add one where the two differ; tells whether they do."""
        if expected == found:
            return False
        self.add(sequence, table, field, expected, found, says, rank)
        return True


def shown(value: object) -> str:
    """A value as text, bounded."""
    if value is None:
        return "nothing"
    if isinstance(value, bytes | memoryview):
        value = bytes(value).hex()
    text = str(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}... ({len(text)} characters)"
