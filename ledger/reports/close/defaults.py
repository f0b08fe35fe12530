"""Funding, the fund, liquidations and deleveragings of a day, held against the balances."""

from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from ledger.core.accounts import HOUSE, LIQUIDATION
from ledger.core.outcome import Purpose
from ledger.reports.close.balances import Balances, Movement
from ledger.reports.model import ZERO, Column, Section, Table, Tie, minus, plus, table
from ledger.store.reports import defaults as books_of
from ledger.store.reports.books import Period, ReportBooks

WHEN = (
    Column("sequence", "Sequence", "count", is_name=True),
    Column("occurred_at", "Occurred at", "moment"),
)


class Defaults(NamedTuple):
    """The tables, and what they must agree with."""

    sections: Sequence[Section]
    ties: Sequence[Tie]


def read(books: ReportBooks, period: Period, balances: Balances) -> Defaults:
    """Read them."""
    unit = period.settlement
    funding, fund = _funding(books, unit), _fund(books, unit)
    takeovers, deleveraged = _takeovers(books, unit), _deleveraged(books, unit)
    causes = _causes(fund, unit)
    sections = (
        Section("Funding", [funding]),
        Section("Insurance fund", [_summary(balances, unit), causes, fund]),
        Section("Liquidations and deleveragings", [takeovers, deleveraged]),
    )
    ties = [
        *_funding_ties(funding, unit, balances),
        *_fund_ties(fund, unit, balances),
        *_contract_ties(takeovers, deleveraged, balances),
    ]
    return Defaults(sections, ties)


def _funding(books: ReportBooks, unit: str) -> Table:
    return table(
        "funding",
        f"Funding payments by event, {unit}",
        (
            *WHEN,
            Column("event_id", "Event"),
            Column("instrument", "Instrument"),
            Column("rate", "Rate", "amount"),
            Column("mark_price", "Mark", "amount"),
            Column("holders", "Holders", "count"),
            Column("paid", "Paid", "amount", summed=True),
            Column("received", "Received", "amount", summed=True),
            Column("rounding", "Rounding", "amount", summed=True),
        ),
        books_of.funding(books),
        note="Paid less received is what rounding left over, which the house keeps apart.",
    )


def _funding_ties(funding: Table, unit: str, balances: Balances) -> Iterator[Tie]:
    paid, received = funding.total("paid"), funding.total("received")
    yield Tie(
        "Funding paid less received against rounding",
        unit,
        minus(paid, received),
        funding.total("rounding"),
    )
    moved = balances.net(lambda each: each.purpose == Purpose.FUNDING)
    yield Tie("Funding by event against funding by holder", unit, minus(received, paid), moved)


def _fund(books: ReportBooks, unit: str) -> Table:
    return table(
        "fund_movements",
        f"Every movement of the fund, {unit}",
        (
            *WHEN,
            Column("movement", "Id"),
            Column("cause", "Cause"),
            Column("liquidation", "Liquidation"),
            Column("instrument", "Instrument"),
            Column("insurance", "Insurance", "amount", summed=True),
            Column("insurance_balance", "Balance", "amount"),
            Column("deficit", "Deficit", "amount", summed=True),
            Column("deficit_balance", "Balance of deficits", "amount"),
        ),
        books_of.fund(books),
        note="clearing explain ID shows how each came to be.",
    )


def _causes(fund: Table, unit: str) -> Table:
    sums: dict[str, list[Decimal]] = {}
    for row in fund.rows:
        cause, insurance, deficit = str(row[3]), row[6], row[8]
        found = sums.setdefault(cause, [ZERO] * 4)
        assert isinstance(insurance, Decimal)
        assert isinstance(deficit, Decimal)
        for place, figure in enumerate(
            (Decimal(1), max(insurance, ZERO), min(insurance, ZERO), deficit)
        ):
            found[place] = plus(found[place], figure)
    return table(
        "fund_by_cause",
        f"Movements of the fund by cause, {unit}",
        (
            Column("cause", "Cause"),
            Column("movements", "Movements", "count", summed=True),
            Column("received", "Received", "amount", summed=True),
            Column("paid", "Paid", "amount", summed=True),
            Column("deficit", "Change of deficits", "amount", summed=True),
        ),
        (
            (cause, int(count), received, minus(ZERO, paid), deficit)
            for cause, (count, received, paid, deficit) in sorted(sums.items())
        ),
    )


def _summary(balances: Balances, unit: str) -> Table:
    def row(kind: str) -> tuple[str, Decimal, Decimal, Decimal]:
        line = (unit, "asset", HOUSE, kind)
        before, after = balances.opening(line), balances.closing(line)
        return kind, before, minus(after, before), after

    return table(
        "fund",
        f"The fund, {unit}",
        (
            Column("account", "Account"),
            Column("opening", "Opening", "amount", summed=True),
            Column("change", "Change", "amount", summed=True),
            Column("closing", "Closing", "amount", summed=True),
        ),
        map(row, ("insurance", "deficit")),
        note="Insurance is never negative; deficit, which nothing covered yet, never positive.",
    )


def _fund_ties(fund: Table, unit: str, balances: Balances) -> Iterator[Tie]:
    last = next(iter(deque(fund.rows, maxlen=1)), None)
    for kind, place in (("insurance", 7), ("deficit", 9)):
        line = (unit, "asset", HOUSE, kind)
        after = plus(balances.opening(line), fund.total(kind))
        yield Tie(
            f"Opening and recorded movements against closing: {kind}",
            unit,
            after,
            balances.closing(line),
        )
        if last is not None:
            told = last[place]
            assert isinstance(told, Decimal)
            yield Tie(
                f"Balance of the last record against closing: {kind}",
                unit,
                told,
                balances.closing(line),
            )


def _takeovers(books: ReportBooks, unit: str) -> Table:
    return table(
        "liquidations",
        f"Positions taken over from liquidated accounts, {unit}",
        (
            *WHEN,
            Column("liquidation", "Id"),
            Column("account", "Account"),
            Column("instrument", "Instrument"),
            Column("contracts", "Contracts", "amount"),
            Column("mark_price", "Mark", "amount"),
            Column("takeover_price", "Taken at", "amount"),
            Column("equity", "Equity before", "amount"),
            Column("maintenance_margin", "Maintenance", "amount"),
            Column("takeover_value", "Value", "amount"),
            Column("share", "Share", "amount", summed=True),
            Column("penalty", "Penalty", "amount", summed=True),
        ),
        books_of.takeovers(books),
        note="Share is the equity that went with the position, penalty what the fund keeps of it.",
    )


def _deleveraged(books: ReportBooks, unit: str) -> Table:
    return table(
        "deleveragings",
        f"Positions closed by auto-deleveraging, {unit}",
        (
            *WHEN,
            Column("deleveraging", "Id"),
            Column("liquidation", "Liquidation"),
            Column("account", "Account"),
            Column("instrument", "Instrument"),
            Column("rank", "Rank", "count"),
            Column("contracts", "Contracts", "amount"),
            Column("price", "Price", "amount"),
            Column("realized_pnl", "Realized P&L", "amount", summed=True),
        ),
        books_of.deleveraged(books),
    )


def _contract_ties(takeovers: Table, deleveraged: Table, balances: Balances) -> Iterator[Tie]:
    """Contracts of the records are those that the postings moved, where there are either."""

    def taken_over(each: Movement) -> bool:
        by_liquidation = each.holder == LIQUIDATION and each.unit == "contracts"
        return by_liquidation and each.purpose == Purpose.TAKEOVER

    def was_deleveraged(each: Movement) -> bool:
        of_participants = each.holder == "participants" and each.unit == "contracts"
        return of_participants and each.purpose == Purpose.DELEVERAGING

    for says, told, moved, chosen in (
        (
            "Contracts taken over against postings of @liquidation",
            *(_contracts(takeovers, 4, 5), balances.net, taken_over),
        ),
        (
            "Contracts deleveraged against postings",
            *(_contracts(deleveraged, 5, 7), balances.gross, was_deleveraged),
        ),
    ):
        posted = {each.commodity for each in balances.moved if chosen(each)}
        for instrument in sorted(told.keys() | posted):
            figure = moved(lambda each, of=instrument, so=chosen: each.commodity == of and so(each))  # type: ignore[misc]
            yield Tie(says, instrument, told.get(instrument, ZERO), figure)


def _contracts(found: Table, name: int, contracts: int) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in found.rows:
        figure = row[contracts]
        assert isinstance(figure, Decimal)
        sums[str(row[name])] = plus(sums.get(str(row[name]), ZERO), figure)
    return sums
