"""The daily close of a pool: what its books were in the morning, what happened, what they are now.

Everything is read as of one event, and held together by sums of different origin: a close whose
parts do not tie is refused.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

from ledger.reports.close import breaks as close_breaks
from ledger.reports.close import defaults as close_defaults
from ledger.reports.close import profits as close_profits
from ledger.reports.close.balances import Balances
from ledger.reports.model import Column, Report, Section, Table, Tie, plus, table, tied
from ledger.reports.taken import period_words, remarks
from ledger.store.reports import close as books_of
from ledger.store.reports import positions
from ledger.store.reports.books import Period, ReportBooks, day_of, report_books

LARGEST_ACCOUNTS = 20

OnStep = Callable[[str], object]


def close(
    url: str,
    pool: str | None,
    day: date | None = None,
    at: int | None = None,
    breaks_at: datetime | None = None,
    on_step: OnStep = lambda _: None,
) -> Report:
    """The close of a pool.

    Args:
        url: Of the database.
        pool: None takes the only one there is.
        day: UTC, of pool time; None for the day of the last event.
        at: The last event that counts; None for the last of the day.
        breaks_at: Breaks as they stood at this moment of the clock; None for now.
        on_step: Is told what is read next.

    Raises:
        ConfigurationError: There is no such pool, event or day, or the moment is to come.
        DoesNotTie: The books do not add up.
        StoreError: A part of the day was detached.
    """
    with report_books(url, pool) as books:
        return _close(books, day_of(books, day, at), breaks_at, on_step)


def _close(
    books: ReportBooks, period: Period, breaks_at: datetime | None, on_step: OnStep
) -> Report:
    on_step("balances")
    balances = Balances.read(books, period)
    on_step("profits and fees")
    profits = close_profits.read(books, period, balances)
    on_step("funding and defaults")
    defaults = close_defaults.read(books, period, balances)
    on_step("open interest")
    interest = list(_open_interest(books, period))
    on_step("margin")
    largest = list(_largest(books, period))
    on_step("messages and breaks")
    breaks = close_breaks.read(books, breaks_at, period.pool_time)
    ties = [
        *balances.ties(),
        *profits.ties,
        *defaults.ties,
        *_interest_ties(interest, balances),
    ]
    messages = _messages(books)
    ties.append(_every_event(messages, period))
    sections = (
        balances.section(),
        profits.section,
        *defaults.sections,
        Section("Open interest", [_interest_table(interest, period)]),
        Section("Largest accounts", largest),
        Section("Messages", [messages, _refused(books)]),
        breaks.section,
        tied(ties),
    )
    words = {"Day": f"{period.begins:%Y-%m-%d}, pool time, UTC", **period_words(period)}
    words |= breaks.words
    words["Sums held"] = f"{len(ties)} pairs of figures of different origin, all equal"
    words["Made again by"] = (
        f"clearing report close --pool {period.pool} --day {period.begins:%Y-%m-%d}"
        f" --at {period.closing}{breaks.option} --out DIR"
    )
    return Report(
        name="close",
        title="Daily close",
        subtitle=f"{period.pool}, {period.begins:%Y-%m-%d}",
        sequence=period.closing,
        made_of=period.pool_time,
        taken_at=words,
        sections=sections,
        remarks=remarks(period),
    )


def _open_interest(books: ReportBooks, period: Period) -> Iterator[Sequence[object]]:
    """Rows of the close, each with the contracts of the opening last."""
    opened = (
        {row[0]: row[3] for row in positions.open_interest(books, period.opening)}
        if period.opening
        else {}
    )
    closed = {row[0]: row for row in positions.open_interest(books, period.closing)}
    for instrument in sorted(opened.keys() | closed.keys()):
        row = closed.get(instrument, (instrument, 0, 0, Decimal(0), Decimal(0), None, None))
        yield (*row, opened.get(instrument, Decimal(0)))


def _interest_table(rows: Sequence[Sequence[object]], period: Period) -> Table:
    columns = (
        Column("instrument", "Instrument"),
        Column("longs", "Holders long", "count"),
        Column("shorts", "Holders short", "count"),
        Column("opening", "Open at opening", "amount"),
        Column("long", "Open at close", "amount"),
        Column("short", "Of it short", "amount"),
        Column("mark_price", "Mark", "amount", absent="none yet"),
        Column("notional", f"Notional, {period.settlement}", "amount", summed=True),
    )
    shown = ((row[0], row[1], row[2], row[7], *row[3:7]) for row in rows)
    return table(
        "open_interest",
        "Open contracts by instrument",
        columns,
        shown,  # type: ignore[arg-type] # cells, as the store's docstring says
        note="Contracts held long, as the view open_interest counts them, @liquidation included."
        " Notional is theirs at the mark, each position rounded half-even.",
    )


def _interest_ties(rows: Sequence[Sequence[object]], balances: Balances) -> Iterator[Tie]:
    for row in rows:
        name, long, short = str(row[0]), row[3], row[4]
        assert isinstance(long, Decimal)
        assert isinstance(short, Decimal)
        yield Tie("Contracts held long against contracts held short", name, long, short)
        credit = balances.contracts(name)
        yield Tie("Open interest against the trial balance", name, long, credit)


def _largest(books: ReportBooks, period: Period) -> Iterator[Table]:
    rows = positions.largest(books, LARGEST_ACCOUNTS)
    unit = period.settlement
    figures = (
        Column("collateral", f"Collateral, {unit}", "amount"),
        Column("unrealized_pnl", "Unrealized P&L", "amount"),
        Column("equity", "Equity", "amount"),
        Column("initial_margin", "Initial margin", "amount"),
        Column("maintenance_margin", "Maintenance margin", "amount"),
    )
    yield table(
        "margin",
        "All margin accounts together",
        (
            Column("accounts", "Margin accounts", "count"),
            *figures,
            Column("negative", "Of negative equity", "count"),
            Column("under_initial", "Under initial", "count"),
            Column("under_maintenance", "Under maintenance", "count"),
        ),
        [row[8:] for row in rows[:1]],
        note="At the marks of the close; participants only.",
    )
    yield table(
        "largest_accounts",
        f"The {LARGEST_ACCOUNTS} margin accounts of the most equity",
        (
            Column("account", "Account"),
            Column("instrument", "Isolated in", absent="cross"),
            *figures,
            Column("free_collateral", "Free collateral", "amount"),
        ),
        [row[:8] for row in rows],
    )


def _messages(books: ReportBooks) -> Table:
    return table(
        "messages",
        "Messages by kind",
        (
            Column("kind", "Kind"),
            Column("accepted", "Accepted", "count", summed=True),
            Column("refused", "Refused", "count", summed=True),
        ),
        books_of.events(books),
    )


def _refused(books: ReportBooks) -> Table:
    return table(
        "refusals",
        "Refused messages by reason",
        (
            Column("code", "Code"),
            Column("messages", "Messages", "count", summed=True),
            Column("first", "First sequence", "count", is_name=True),
            Column("last", "Last sequence", "count", is_name=True),
        ),
        books_of.refused(books),
    )


def _every_event(messages: Table, period: Period) -> Tie:
    return Tie(
        "Messages accepted and refused against sequences of the day",
        "messages",
        plus(messages.total("accepted"), messages.total("refused")),
        Decimal(period.closing - period.opening),
    )
