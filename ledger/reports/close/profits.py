"""Profit, loss and fees of a day, by instrument and by holder, held against the balances."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from ledger.core.outcome import Purpose
from ledger.reports.close.balances import Balances
from ledger.reports.model import ZERO, Column, Section, Table, Tie, plus, table
from ledger.store.reports import close as books_of
from ledger.store.reports.books import Period, ReportBooks

FIGURES = (
    Column("realized_pnl", "Realized P&L", "amount", summed=True),
    Column("settled", "Settled variation", "amount", summed=True),
    Column("funding", "Funding", "amount", summed=True),
    Column("fees", "Fees", "amount", summed=True),
    Column("covered", "Made whole less shared", "amount", summed=True),
    Column("net", "Net", "amount", summed=True),
)
INSTRUMENT = Column("instrument", "Instrument", absent="none: the account")
NOTE = (
    "Positive: earned; fees are positive where paid. Realized P&L is without fees; variation that"
    " periodic settlements paid out stands apart. @liquidation is paid by the insurance fund,"
    " @house by suspense. Net is realized, settled, funding and covered, less fees."
)


class Profits(NamedTuple):
    """The tables, and what they must agree with."""

    section: Section
    ties: Sequence[Tie]


class _ByInstrument:
    """Sums on the way through."""

    def __init__(self) -> None:
        self.sums: dict[str | None, list[Decimal]] = {}
        self.participants = ZERO

    def through(self, rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """Hand rows on, and add them up."""
        for row in rows:
            found = self.sums.setdefault(row[1], [ZERO] * len(FIGURES))
            for place, figure in enumerate(row[2:]):
                found[place] = plus(found[place], figure)
            if not row[0].startswith("@"):
                self.participants = plus(self.participants, row[-1])
            yield row

    def rows(self, volume: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """A row an instrument: trades and contracts, then the figures."""
        traded = {instrument: (trades, contracts) for instrument, trades, contracts in volume}
        names = sorted(self.sums.keys() | traded.keys(), key=lambda name: (name is None, name))
        for name in names:
            figures = self.sums.get(name, [ZERO] * len(FIGURES))
            yield (name, *traded.get(name, (0, ZERO)), *figures)


def read(books: ReportBooks, period: Period, balances: Balances) -> Profits:
    """Read them."""
    tally = _ByInstrument()
    held = table(
        "profit_by_participant",
        f"By participant and instrument, {period.settlement}, the largest net first",
        (Column("account", "Account"), INSTRUMENT, *FIGURES),
        tally.through(books_of.profits(books)),
        note=NOTE,
    )
    by_instrument = table(
        "profit_by_instrument",
        f"By instrument, {period.settlement}",
        (
            INSTRUMENT,
            Column("trades", "Trades", "count", summed=True),
            Column("contracts", "Contracts", "amount"),
            *FIGURES,
        ),
        tally.rows(books_of.volume(books)),
        note="Trades that were busted are counted; the busts are not.",
    )
    section = Section("Profit, loss and fees", [by_instrument, held])
    unit = period.settlement
    ties = [*_ties(held, unit, balances), _participants(tally.participants, unit, balances)]
    return Profits(section, ties)


def _ties(held: Table, unit: str, balances: Balances) -> Iterator[Tie]:
    """What left variation is what came to cash: the other side of the same entries."""
    for column, purpose, says in (
        ("realized_pnl", Purpose.REALIZED, "Realized P&L"),
        ("settled", Purpose.SETTLEMENT, "Settled variation"),
    ):
        came = balances.net(
            lambda each, purpose=purpose: (  # type: ignore[misc]
                each.purpose == purpose and each.kind != "variation"
            )
        )
        yield Tie(
            f"{says} of all holders against what came to cash", unit, held.total(column), came
        )
    earned = balances.net(lambda each: each.purpose == Purpose.FEE and each.kind == "fees")
    yield Tie("Fees of all sides against the fees of the house", unit, held.total("fees"), earned)


def _participants(net: Decimal, unit: str, balances: Balances) -> Tie:
    """Their net result is what it moved in their cash."""
    earning = {
        Purpose.REALIZED,
        Purpose.SETTLEMENT,
        Purpose.FUNDING,
        Purpose.FEE,
        Purpose.MADE_WHOLE,
        Purpose.SOCIALIZED,
    }
    moved = balances.net(
        lambda each: (
            each.holder == "participants"
            and each.kind in {"wallet", "isolated"}
            and each.commodity == unit
            and each.purpose in earning
        )
    )
    return Tie("Net result of participants against their wallets and margins", unit, net, moved)
