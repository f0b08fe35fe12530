"""A participant's statement over a period: what was there, what moved and why, what is there."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from ledger.core.outcome import Purpose
from ledger.reports.close.profits import FIGURES, INSTRUMENT, NOTE
from ledger.reports.model import ZERO, Column, Report, Section, Table, Tie, minus, plus, table, tied
from ledger.reports.taken import moment, period_words, remarks
from ledger.store.reports import statement as books_of
from ledger.store.reports.books import Period, ReportBooks, report_books, span_of

WHEN = (
    Column("sequence", "Sequence", "count", is_name=True),
    Column("occurred_at", "Occurred at", "moment"),
)
CASH = ("wallet", "isolated", "hold")

OnStep = Callable[[str], object]


def statement(
    url: str,
    pool: str | None,
    account: str,
    begins: str | None = None,
    ends: str | None = None,
    on_step: OnStep = lambda _: None,
) -> Report:
    """The statement of an account.

    Args:
        url: Of the database.
        pool: None takes the only one there is.
        account: A participant.
        begins: A day, a moment or a sequence, the first that counts; None for the first day of the
            month of the end.
        ends: A day or a sequence, the last that counts, or a moment, which no longer does; None for
            the last event.
        on_step: Is told what is read next.

    Raises:
        ConfigurationError: There is no such pool, account or period.
        DoesNotTie: The books do not add up.
        StoreError: A part of the period was detached.
    """
    with report_books(url, pool) as books:
        period = span_of(books, begins, ends)
        books_of.find(books, account)
        return _statement(books, period, account, on_step)


def _statement(books: ReportBooks, period: Period, account: str, on_step: OnStep) -> Report:
    unit = period.settlement
    on_step("balances")
    balances = _balances(books)
    on_step("movements")
    movements = _movements(books)
    on_step("trades and funding")
    trades, funding = _trades(books, unit), _funding(books, unit)
    profits = _profits(books, unit)
    defaults = _defaults(books, unit)
    on_step("positions and margin")
    positions, margin = _positions(books, unit), _margin(books, unit)
    ties = [
        *_balance_ties(balances, movements),
        *_profit_ties(profits, trades, funding, movements, unit),
        *_position_ties(positions, margin, balances, unit),
    ]
    words = {
        "Account": account,
        "Period": f"{moment(period.begins)} to {moment(period.ends)}, pool time after its first and"
        " its last event",
        **period_words(period),
    }
    words["Sums held"] = f"{len(ties)} pairs of figures of different origin, all equal"
    words["Made again by"] = (
        f"clearing report statement {account} --pool {period.pool} --from {period.opening + 1}"
        f" --to {period.closing} --out DIR"
    )
    return Report(
        name="statement",
        title="Statement of account",
        subtitle=f"{account} in {period.pool}, {_days(period)}",
        sequence=period.closing,
        made_of=period.pool_time,
        taken_at=words,
        sections=(
            Section("Balances", [balances]),
            Section("Result", [profits]),
            Section("Positions and margin at the end", [positions, margin]),
            Section("Trades", [trades]),
            Section("Funding", [funding]),
            Section("Liquidations and deleveragings", [defaults]),
            Section("Movements", [movements]),
            tied(ties),
        ),
        remarks=remarks(period),
    )


def _days(period: Period) -> str:
    first, last = f"{period.begins:%Y-%m-%d}", f"{period.ends:%Y-%m-%d}"
    return first if first == last else f"{first} to {last}"


def _balances(books: ReportBooks) -> Table:
    return table(
        "balances",
        "Opening, movements and closing",
        (
            Column("kind", "Line"),
            Column("instrument", "Instrument"),
            Column("commodity", "Commodity"),
            Column("unit", "Unit"),
            Column("opening", "Opening", "amount"),
            Column("debit", "Out", "amount"),
            Column("credit", "In", "amount"),
            Column("closing", "Closing", "amount"),
        ),
        books_of.balances(books),
        note="Wallet, isolated margin and holds are money of the participant. Variation is the cost"
        " of open positions: minus the signed value at which they were entered.",
    )


def _movements(books: ReportBooks) -> Table:
    named = (
        (*row[:4], Purpose(row[4]).name.lower(), *row[5:]) for row in books_of.movements(books)
    )
    return table(
        "movements",
        "Every movement of money",
        (
            *WHEN,
            Column("event", "Event"),
            Column("event_id", "Event id"),
            Column("purpose", "Purpose"),
            Column("kind", "Line"),
            Column("instrument", "Instrument"),
            Column("asset", "Asset"),
            Column("amount", "Amount", "amount"),
            Column("balance", "Balance", "amount"),
        ),
        named,
        note="Balance is that of the line after the movement.",
    )


def _trades(books: ReportBooks, unit: str) -> Table:
    return table(
        "trades",
        "Trades",
        (
            *WHEN,
            Column("event", "Event"),
            Column("event_id", "Event id"),
            Column("trade_id", "Trade id"),
            Column("instrument", "Instrument"),
            Column("contracts", "Contracts", "amount"),
            Column("price", "Price", "amount"),
            Column("fee", f"Fee, {unit}", "amount", summed=True),
        ),
        books_of.trades(books),
        note="Contracts bought are positive, sold negative; a fee is positive where paid. A bust"
        " undoes a trade, and gives its fee back.",
    )


def _funding(books: ReportBooks, unit: str) -> Table:
    return table(
        "funding",
        "Funding",
        (
            *WHEN,
            Column("event_id", "Event id"),
            Column("instrument", "Instrument"),
            Column("rate", "Rate", "amount"),
            Column("mark_price", "Mark", "amount"),
            Column("received", f"Received, {unit}", "amount", summed=True),
        ),
        books_of.funding(books),
        note="Negative where paid.",
    )


def _profits(books: ReportBooks, unit: str) -> Table:
    return table(
        "profit_by_instrument",
        f"Profit, loss and fees by instrument, {unit}",
        (INSTRUMENT, *FIGURES),
        (row[1:] for row in books_of.profits(books)),
        note=NOTE,
    )


def _defaults(books: ReportBooks, unit: str) -> Table:
    return table(
        "defaults",
        f"Positions taken over or deleveraged, {unit}",
        (
            *WHEN,
            Column("event", "What"),
            Column("id", "Id"),
            Column("instrument", "Instrument"),
            Column("contracts", "Contracts", "amount"),
            Column("price", "Price", "amount"),
            Column("realized_pnl", "Realized P&L", "amount"),
            Column("penalty", "Penalty", "amount"),
        ),
        books_of.defaults(books),
        note="clearing explain ID shows how each came to be.",
    )


def _positions(books: ReportBooks, unit: str) -> Table:
    return table(
        "positions",
        f"Open positions, {unit}",
        (
            Column("instrument", "Instrument"),
            Column("margin_mode", "Margin"),
            Column("quantity", "Contracts", "amount"),
            Column("entry_price", "Entry", "amount"),
            Column("cost", "Cost", "amount"),
            Column("mark_price", "Mark", "amount", absent="none yet"),
            Column("notional", "Notional", "amount"),
            Column("unrealized_pnl", "Unrealized P&L", "amount", summed=True),
            Column("maintenance_margin", "Maintenance margin", "amount", summed=True),
            Column("liquidation_price", "Liquidation price", "amount", absent="none"),
        ),
        books_of.positions(books),
    )


def _margin(books: ReportBooks, unit: str) -> Table:
    return table(
        "margin",
        f"Margin, {unit}",
        (
            Column("instrument", "Isolated in", absent="cross"),
            Column("margin_mode", "Margin"),
            Column("collateral", "Collateral", "amount"),
            Column("unrealized_pnl", "Unrealized P&L", "amount", summed=True),
            Column("equity", "Equity", "amount", summed=True),
            Column("initial_margin", "Initial margin", "amount", summed=True),
            Column("maintenance_margin", "Maintenance margin", "amount", summed=True),
            Column("free_collateral", "Free collateral", "amount"),
        ),
        books_of.margin(books),
    )


def _balance_ties(balances: Table, movements: Table) -> Iterator[Tie]:
    moved = _sums(movements, lambda row: (row[5], row[6], row[7]), 8)
    for kind, instrument, commodity, _, opening, debit, credit, closing in balances.rows:
        assert isinstance(opening, Decimal)
        assert isinstance(closing, Decimal)
        assert isinstance(debit, Decimal)
        assert isinstance(credit, Decimal)
        name = f"{kind} {instrument}" if instrument else f"{kind}"
        after = minus(plus(opening, credit), debit)
        yield Tie(f"Opening, in and out against closing: {name}", f"{commodity}", after, closing)
        if kind in CASH:
            listed = plus(opening, moved.get((kind, instrument, commodity), ZERO))
            yield Tie(f"Opening and every movement: {name}", f"{commodity}", listed, closing)


def _profit_ties(
    profits: Table, trades: Table, funding: Table, movements: Table, unit: str
) -> Iterator[Tie]:
    moved = _sums(movements, lambda row: (row[4], row[7]), 8)

    def cash(*purposes: Purpose) -> Decimal:
        found = ZERO
        for purpose in purposes:
            found = plus(found, moved.get((purpose.name.lower(), unit), ZERO))
        return found

    fees, received = profits.total("fees"), profits.total("funding")
    yield Tie("Fees by trade against fees by instrument", unit, trades.total("fee"), fees)
    yield Tie("Funding by payment against by instrument", unit, funding.total("received"), received)
    yield Tie(
        "Realized P&L against money moved",
        unit,
        profits.total("realized_pnl"),
        cash(Purpose.REALIZED),
    )
    net = cash(
        Purpose.REALIZED,
        Purpose.SETTLEMENT,
        Purpose.FUNDING,
        Purpose.FEE,
        Purpose.MADE_WHOLE,
        Purpose.SOCIALIZED,
    )
    yield Tie("Net result against money moved", unit, profits.total("net"), net)


def _position_ties(positions: Table, margin: Table, balances: Table, unit: str) -> Iterator[Tie]:
    held = _sums(balances, lambda row: (row[0], row[2]), 7)
    for row in positions.rows:
        quantity = row[2]
        assert isinstance(quantity, Decimal)
        balance = held.get(("position", row[0]), ZERO)
        yield Tie("Position against its balance", f"{row[0]}", quantity, balance)
    yield Tie(
        "Unrealized P&L of positions against that of margin",
        unit,
        positions.total("unrealized_pnl"),
        margin.total("unrealized_pnl"),
    )


def _sums(
    of: Table, key: Callable[[Sequence[object]], tuple[object, ...]], place: int
) -> dict[tuple[object, ...], Decimal]:
    found: dict[tuple[object, ...], Decimal] = {}
    for row in of.rows:
        figure = row[place]
        assert isinstance(figure, Decimal)
        found[key(row)] = plus(found.get(key(row), ZERO), figure)
    return found
