"""A report of everything that is hard to lay out: long names, 18 decimals, many rows, none."""

from datetime import UTC, datetime
from decimal import Decimal

from ledger.reports.model import Column, Report, Section, Tie, table, tied
from ledger.reports.rows import Row

AT = datetime(2026, 3, 2, 15, 0, 0, 250000, tzinfo=UTC)
LONG = "participant.with-a-name:of_sixty-four.characters-that-never-end"
LARGE = Decimal("12345678901234567.123456789012345678")

COLUMNS = (
    Column("account", "Account"),
    Column("instrument", "Instrument", absent="whole account"),
    Column("sequence", "Sequence", "count", is_name=True),
    Column("trades", "Trades", "count", summed=True),
    Column("at", "Occurred at", "moment"),
    Column("opening", "Opening", "amount", summed=True),
    Column("movement", "Movement", "amount", summed=True),
    Column("closing", "Closing", "amount", summed=True),
)


def row(number: int, account: str = "alice", amount: Decimal = Decimal("1.5")) -> Row:
    return (account, None, 1_000_000 + number, 1_234, AT, amount, amount.copy_negate(), Decimal(0))


def hard() -> Report:
    """Long, wide, empty."""
    wide = [row(1, LONG, LARGE), row(2, "bob", Decimal("-0.000000000000000001"))]
    return Report(
        name="hard",
        title="Hard <to> lay out & print",
        subtitle=f"{LONG}, 2026-03-02",
        sequence=1_000_001,
        made_of=AT,
        taken_at={"Account": LONG, "Hash chain": "ab" * 32, "Says": "<script>alert(1)</script>"},
        sections=(
            Section("Wide", [table("wide", "Long names and large figures", COLUMNS, wide)]),
            Section("Many", [table("many", "Many", COLUMNS, map(row, range(12_000)))]),
            Section("None", [table("empty", "Nothing at all", COLUMNS, [], note="A quiet day.")]),
            tied([Tie("one against one", "USDT", Decimal(1), Decimal("1.00"))]),
        ),
    )
