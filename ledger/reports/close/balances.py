"""Balances of a day: the trial balance, every line of the chart of accounts, what moved and why."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Self

from ledger.core.outcome import Purpose
from ledger.reports.model import (
    ZERO,
    Column,
    Section,
    Table,
    Tie,
    minus,
    plus,
    table,
    total_of,
)
from ledger.reports.rows import Row
from ledger.store.reports import close as books_of
from ledger.store.reports.books import Period, ReportBooks

Line = tuple[str, str, str, str]
"""Commodity, unit, holder, kind: a line of the chart."""

COMMODITY = (Column("commodity", "Commodity"), Column("unit", "Unit"))


class Balance(NamedTuple):
    """A line of the chart after an event.

    Attributes:
        accounts: With a balance other than zero.
        balance: Of all of them; credit less debit.
        debit, credit: Of their negative and of their positive balances, both positive.
    """

    commodity: str
    unit: str
    holder: str
    kind: str
    accounts: int
    balance: Decimal
    debit: Decimal
    credit: Decimal

    @property
    def line(self) -> Line:
        """Its line of the chart."""
        return self[:4]


class Movement(NamedTuple):
    """What moved on a line of the chart for one purpose; both sides positive."""

    commodity: str
    unit: str
    holder: str
    kind: str
    purpose: int
    postings: int
    debit: Decimal
    credit: Decimal

    @property
    def line(self) -> Line:
        """Its line of the chart."""
        return self[:4]


class Balances:
    """Opening, movements and closing of every line of the chart of accounts."""

    def __init__(
        self,
        opening: Sequence[Balance],
        moved: Sequence[Movement],
        closing: Sequence[Balance],
    ) -> None:
        """Take what the store found."""
        self._opening = {each.line: each for each in opening}
        self._closing = {each.line: each for each in closing}
        self.moved = moved
        lines = self._opening.keys() | self._closing.keys() | {each.line for each in moved}
        self.lines: list[Line] = sorted(lines, key=lambda line: (line[1], line[0], *line[2:]))

    @classmethod
    def read(cls, books: ReportBooks, period: Period) -> Self:
        """Read them."""
        opening, closing = (
            [Balance._make(row) for row in books_of.balances(books, at)] if at else []
            for at in (period.opening, period.closing)
        )
        return cls(opening, [Movement._make(row) for row in books_of.movements(books)], closing)

    def opening(self, line: Line) -> Decimal:
        """The balance of a line before the first event."""
        return self._opening[line].balance if line in self._opening else ZERO

    def closing(self, line: Line) -> Decimal:
        """The balance of a line after the last event."""
        return self._closing[line].balance if line in self._closing else ZERO

    def contracts(self, instrument: str) -> Decimal:
        """Credits of an instrument at the close: contracts held long."""
        return _side(self._closing, instrument, "contracts", _credit)

    def net(self, chosen: Callable[[Movement], bool]) -> Decimal:
        """Credit less debit of movements."""
        return total_of(minus(each.credit, each.debit) for each in self.moved if chosen(each))

    def gross(self, chosen: Callable[[Movement], bool]) -> Decimal:
        """Credit and debit of movements."""
        return total_of(plus(each.credit, each.debit) for each in self.moved if chosen(each))

    def section(self) -> Section:
        """The tables."""
        return Section("Balances", [self._trial(), self._chart(), self._purposes()])

    def ties(self) -> Iterator[Tie]:
        """Debits are credits, and what was there and moved is what is there."""
        for commodity, unit in self._commodities():
            for name, at in (("Opening", self._opening), ("Closing", self._closing)):
                debit, credit = (_side(at, commodity, unit, side) for side in (_debit, _credit))
                yield Tie(f"{name} debits against credits", commodity, debit, credit)
            debit = total_of(each.debit for each in self.moved if each[:2] == (commodity, unit))
            credit = total_of(each.credit for each in self.moved if each[:2] == (commodity, unit))
            yield Tie("Debits of the day against its credits", commodity, debit, credit)
        for line in self.lines:
            moved = self.net(lambda each, line=line: each.line == line)  # type: ignore[misc]
            yield Tie(
                f"Opening and movements against closing: {line[2]} {line[3]}",
                line[0],
                plus(self.opening(line), moved),
                self.closing(line),
            )

    def _commodities(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys((line[0], line[1]) for line in self.lines))

    def _trial(self) -> Table:
        columns = (
            *COMMODITY,
            Column("opening_debit", "Opening debit", "amount"),
            Column("opening_credit", "Opening credit", "amount"),
            Column("closing_debit", "Closing debit", "amount"),
            Column("closing_credit", "Closing credit", "amount"),
        )
        rows: Iterator[Row] = (
            (
                *key,
                *(
                    _side(at, *key, side)
                    for at in (self._opening, self._closing)
                    for side in (_debit, _credit)
                ),
            )
            for key in self._commodities()
        )
        return table(
            "trial_balance",
            "Trial balance",
            columns,
            rows,
            note="Account by account, as the view trial_balance: liabilities to participants are"
            " credits. Contracts held long are credits, held short debits.",
        )

    def _chart(self) -> Table:
        columns = (
            *COMMODITY,
            Column("holder", "Holder"),
            Column("kind", "Line"),
            Column("accounts", "With a balance", "count", summed=True),
            Column("opening", "Opening", "amount", summed=True),
            Column("debit", "Debit", "amount", summed=True),
            Column("credit", "Credit", "amount", summed=True),
            Column("closing", "Closing", "amount", summed=True),
        )
        rows: Iterator[Row] = (
            (
                *line,
                self._closing[line].accounts if line in self._closing else 0,
                self.opening(line),
                total_of(each.debit for each in self.moved if each.line == line),
                total_of(each.credit for each in self.moved if each.line == line),
                self.closing(line),
            )
            for line in self.lines
        )
        return table(
            "chart_of_accounts",
            "Opening, movements and closing by line of the chart of accounts",
            columns,
            rows,
            by=("commodity", "unit"),
            note="Opening less debit plus credit is closing; a commodity sums to zero.",
        )

    def _purposes(self) -> Table:
        columns = (
            *COMMODITY,
            Column("purpose", "Purpose"),
            Column("postings", "Postings", "count", summed=True),
            Column("debit", "Debit", "amount", summed=True),
            Column("credit", "Credit", "amount", summed=True),
        )
        sums: dict[tuple[str, str, int], list[Decimal]] = {}
        for each in self.moved:
            found = sums.setdefault((*each[:2], each.purpose), [ZERO, ZERO, ZERO])
            for place, figure in enumerate((Decimal(each.postings), each.debit, each.credit)):
                found[place] = plus(found[place], figure)
        keys = sorted(sums, key=lambda key: (key[1], key[0], key[2]))
        rows = (
            (commodity, unit, Purpose(purpose).name.lower(), int(postings), debit, credit)
            for commodity, unit, purpose in keys
            for postings, debit, credit in [sums[commodity, unit, purpose]]
        )
        return table(
            "movements",
            "Movements of the day by purpose",
            columns,
            rows,
            by=("commodity", "unit"),
        )


def _side(
    at: Mapping[Line, Balance], commodity: str, unit: str, side: Callable[[Balance], Decimal]
) -> Decimal:
    """Over a commodity's lines."""
    return total_of(side(each) for each in at.values() if each[:2] == (commodity, unit))


def _debit(each: Balance) -> Decimal:
    return each.debit


def _credit(each: Balance) -> Decimal:
    return each.credit
