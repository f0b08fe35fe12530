"""A report as a plain value: what it was taken at, sections of tables, and the sums that tie them.

Rules of this file:

* A report is made once and rendered many ways; a renderer reads, and computes nothing but layout.
* A table has typed columns: `text`; `amount`, an exact decimal in natural units; `moment`, UTC;
  `count`, a whole number. A cell may be None: there is none.
* A column that is summed is summed here, exactly, over all rows, for each value of the columns that
  the table is totalled by: contracts and assets are never added up together.
* A report whose parts do not tie is refused (`DoesNotTie`): nobody is handed one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import NamedTuple

from ledger.errors import LedgerError
from ledger.reports.rows import Cell, Kind, Row, Rows, keep

EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])
"""Sums that would lose a digit fail; an amount has 57 digits at the most."""

ZERO = Decimal(0)


class DoesNotTie(LedgerError):
    """Two figures of a report that must be equal are not."""


class Column(NamedTuple):
    """A column.

    Attributes:
        name: In files, snake_case.
        title: For people.
        kind: Of its cells.
        summed: Shown in totals.
        absent: What people read where a cell of a row is None.
        is_name: A count that something is called by, a sequence: never grouped by thousands.
    """

    name: str
    title: str
    kind: Kind = "text"
    summed: bool = False
    absent: str = ""
    is_name: bool = False


class Table(NamedTuple):
    """Rows under columns.

    Attributes:
        name: In files, snake_case, unique in its report.
        title: For people.
        columns: Of every row.
        rows: In their order.
        totals: Rows of totals, in the order in which their groups first came; cells of columns that
            are neither summed nor grouped by are None.
        note: What a reader needs to know of it; empty where nothing.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Rows
    totals: Sequence[Row]
    note: str

    def total(self, column: str, *group: Cell) -> Decimal:
        """A sum over a column, in one group or, with none named, in all; nothing sums to zero."""
        place = [each.name for each in self.columns].index(column)
        found = ZERO
        for total in self.totals:
            if not group or group == tuple(cell for cell in total if isinstance(cell, str)):
                figure = total[place]
                assert isinstance(figure, Decimal | int)
                found = plus(found, figure)
        return found


class Section(NamedTuple):
    """Tables that belong together, under a heading."""

    title: str
    tables: Sequence[Table]


class Tie(NamedTuple):
    """Two figures of different origin that must be equal.

    Attributes:
        says: What is held against what.
        commodity: Of both.
        figure, against: The two.
    """

    says: str
    commodity: str
    figure: Decimal
    against: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """All of it.

    Attributes:
        name: In files: `close`, `statement`.
        title: For people.
        subtitle: What of, and of when.
        sequence: The last event that it knows.
        made_of: Pool time after it.
        taken_at: Names and words of what it was taken at, enough to make it again.
        sections: In their order; the last shows how the parts tie.
        remarks: For whoever makes it; in no rendering.
    """

    name: str
    title: str
    subtitle: str
    sequence: int
    made_of: datetime
    taken_at: Mapping[str, str]
    sections: Sequence[Section]
    remarks: Sequence[str] = ()

    def tables(self) -> Iterator[Table]:
        """All tables, the one on what it was taken at first; names are unique."""
        columns = (Column("item", "Item"), Column("words", "What it is"))
        yield table("about", "Taken at", columns, self.taken_at.items())
        for section in self.sections:
            yield from section.tables


def table(
    name: str,
    title: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    by: Sequence[str] = (),
    note: str = "",
) -> Table:
    """Take rows as they come, once, and sum what is to be summed.

    Args:
        name, title, columns, note: As in `Table`.
        rows: Of cells, one a column.
        by: Names of the columns that totals are apart by.
    """
    kept = keep([column.kind for column in columns], rows)
    summed = [place for place, column in enumerate(columns) if column.summed]
    groups = [place for place, column in enumerate(columns) if column.name in by]
    sums: dict[tuple[Cell, ...], list[Decimal]] = {}
    if summed:
        for row in kept:
            key = tuple(row[place] for place in groups)
            found = sums.setdefault(key, [ZERO] * len(summed))
            for number, place in enumerate(summed):
                cell = row[place]
                if isinstance(cell, Decimal | int):
                    found[number] = plus(found[number], cell)
    totals = []
    for key, figures in sums.items():
        total: list[Cell] = [None] * len(columns)
        for place, cell in zip(groups, key, strict=True):
            total[place] = cell
        for place, figure in zip(summed, figures, strict=True):
            total[place] = int(figure) if columns[place].kind == "count" else figure
        totals.append(tuple(total))
    return Table(name, title, tuple(columns), kept, tuple(totals), note)


def plus(one: Decimal, other: Decimal | int) -> Decimal:
    """An exact sum; a digit that would be lost is an error."""
    return EXACT.add(one, Decimal(other))


def minus(one: Decimal, other: Decimal | int) -> Decimal:
    """An exact difference."""
    return EXACT.subtract(one, Decimal(other))


def total_of(figures: Iterable[Decimal | int]) -> Decimal:
    """An exact sum of many."""
    found = ZERO
    for figure in figures:
        found = plus(found, figure)
    return found


def tied(ties: Iterable[Tie]) -> Section:
    """How the parts tie, as a section.

    Raises:
        DoesNotTie: They do not; every tie that is broken is named.
    """
    held = list(ties)
    broken = [tie for tie in held if tie.figure != tie.against]
    if broken:
        words = "; ".join(
            f"{tie.says} ({tie.commodity}): {tie.figure:f} against {tie.against:f}"
            for tie in broken
        )
        raise DoesNotTie(
            f"{len(broken)} of {len(held)} sums do not tie, so no report is made: {words}. Run"
            " `clearing verify --mode all`"
        )
    columns = (
        Column("held", "What is held against what"),
        Column("commodity", "Commodity"),
        Column("figure", "Figure", "amount"),
        Column("against", "Against", "amount"),
    )
    return Section(
        "How the parts tie",
        [table("ties", "Sums held against each other", columns, held)],
    )
