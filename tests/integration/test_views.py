"""Reports over books written by hand; every figure is worked out beside it."""

import json
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest

from ledger.core.outcome import Commodity, OpenedAccount, Posting, Purpose, Record
from ledger.store.log.postgres import PostgresLog
from tests.contract.entries import SOURCE, accepted, batch, owned, refused

Row = tuple[object, ...]
Content = dict[str, object]
_POOL: Content = {"kind": "pool", "settlement_asset": "USD", "scale": 2}
_INSTRUMENT: Content = {
    "kind": "instrument",
    "instrument": "BTC",
    "type": "linear",
    "multiplier": "0.5",
    "price_scale": 2,
    "tiers": [
        {
            "notional_cap": None,
            "initial_rate": "0.1",
            "maintenance_rate": "0.05",
            "maintenance_amount": "0",
        }
    ],
}
_TRADE: Content = {
    "kind": "trade",
    "trade_id": None,
    "instrument": "BTC",
    "price": "10.50",
    "quantity": "2",
    "buyer": "alice",
    "seller": "bob",
    "buyer_fee": "0.03",
    "seller_fee": "0",
}
_CLOSE: Content = {**_TRADE, "price": "12", "quantity": "1", "buyer": "bob", "seller": "alice"}
_FUNDING: Content = {
    "kind": "funding_rate",
    "instrument": "BTC",
    "rate": "0.01",
    "mark_price": "12",
}
OWNERS = ("alice", "bob")


@pytest.fixture
def reports(database_url: str) -> Iterator[psycopg.Connection]:
    """Two contracts of half a BTC bought at 10.5, one sold at 12, then funding at 1%.

    alice buys 2 at 10.5: cost 10.50. She sells 1 at 12: cash 6.00, half the cost 5.25 is released,
    realized 0.75. Funding: 1 x 0.5 x 12 x 1% = 0.06 from long to short.
    """
    accounts = [
        OpenedAccount(3 * place + 1, owner, "position", "BTC", None)
        for place, owner in enumerate(OWNERS)
    ]
    accounts += [
        OpenedAccount(3 * place + 2, owner, "variation", "BTC", "USD")
        for place, owner in enumerate(OWNERS)
    ]
    accounts += [
        OpenedAccount(3 * place + 3, owner, "wallet", None, "USD")
        for place, owner in enumerate(OWNERS)
    ]
    fees = OpenedAccount(7, "@house", "fees", None, "USD")
    contents = [_POOL, _INSTRUMENT, _TRADE, _CLOSE, _FUNDING]
    events = [
        accepted(n, raw=json.dumps(content).encode())._replace(kind=str(content["kind"]))
        for n, content in enumerate(contents, start=1)
    ]
    trade, realized, fee, funding = (
        Purpose.TRADE,
        Purpose.REALIZED,
        Purpose.FEE,
        Purpose.FUNDING,
    )
    legs: list[tuple[int, int, int, Purpose, int]] = [
        *((3, 1, 2, trade, 20), (3, 4, 2, trade, -20)),
        *((3, 2, 1, trade, -1050), (3, 5, 1, trade, 1050)),
        *((3, 3, 1, fee, -3), (3, 7, 1, fee, 3)),
        *((4, 1, 2, trade, -10), (4, 4, 2, trade, 10)),
        *((4, 2, 1, trade, 600), (4, 5, 1, trade, -600)),
        *((4, 2, 1, realized, -75), (4, 3, 1, realized, 75)),
        *((4, 5, 1, realized, 75), (4, 6, 1, realized, -75)),
        *((5, 3, 1, funding, -6), (5, 6, 1, funding, 6)),
    ]
    log = PostgresLog.connect(database_url, "test")
    log.append(
        [
            batch(owned(log), 6)._replace(
                events=[*events, refused(6)],
                opened=[*accounts, fees],
                commodities=[Commodity(1, "USD", None, 2), Commodity(2, None, "BTC", 1)],
                postings=_postings(legs),
                records=[
                    (3, 1, Record("mark", "BTC", {"mark_price": "10.5"})),
                    (5, 1, Record("mark", "BTC", {"mark_price": "12.0"})),
                ],
                offsets=[(SOURCE, 0, 6)],
            )
        ]
    )
    log.close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE clearing_reader")
        connection.execute("SET timezone = 'UTC'")
        yield connection


def _postings(legs: list[tuple[int, int, int, Purpose, int]]) -> list[tuple[int, list[Posting]]]:
    balances: dict[int, int] = {}
    counts: dict[int, int] = {}
    entries: dict[int, list[Posting]] = {}
    for sequence, account, commodity, purpose, amount in legs:
        balances[account] = balances.get(account, 0) + amount
        counts[account] = counts.get(account, 0) + 1
        moved = Posting(account, counts[account], commodity, purpose, amount, balances[account])
        entries.setdefault(sequence, []).append(moved)
    return list(entries.items())


def _rows(reports: psycopg.Connection, query: str) -> list[Row]:
    return reports.execute(query.encode()).fetchall()


def test_balances_are_in_natural_units(reports: psycopg.Connection) -> None:
    assert _rows(
        reports, "SELECT * FROM reporting.balances WHERE account = 'alice' ORDER BY kind"
    ) == [
        ("main", "alice", "position", "BTC", None, Decimal(1), 4),
        ("main", "alice", "variation", "BTC", "USD", Decimal("-5.25"), 4),
        ("main", "alice", "wallet", None, "USD", Decimal("0.66"), 5),
    ]


def test_positions_derive_entry_price_and_value(reports: psycopg.Connection) -> None:
    # At p the equity is 0.66 - 5.25 + p/2, the maintenance margin 0.05 * p/2: p = 4.59 / 0.475.
    figures = (
        Decimal("10.5"),
        Decimal("-5.25"),
        Decimal(12),
        Decimal(6),
        Decimal("0.75"),
        Decimal("0.3"),
        Decimal("9.66"),
    )
    assert _rows(reports, "SELECT * FROM reporting.positions WHERE account = 'alice'") == [
        ("main", "alice", "BTC", "cross", Decimal(1), *figures)
    ]


def test_entry_prices_are_rounded_once_and_half_even(database_url: str) -> None:
    prices = {
        "'linear', 1, 2e18, -5": "2e-18",  # a tie goes to the even digit
        "'linear', 1, -2e18, 3": "2e-18",
        "'linear', 1, -3, 2": "0.666666666666666667",
        "'linear', 1, 3, -1e20": "33333333333333333333.333333333333333333",
        "'inverse', 1, 3, 7": "0.428571428571428571",
        "'inverse', 1, -5, -2e18": "2e-18",
        "'linear', 1, 3, 1": None,
    }
    with psycopg.connect(database_url) as connection:
        for given, price in prices.items():
            found = _rows(connection, f"SELECT ledger.entry_price({given})")
            assert found == [(None if price is None else Decimal(price),)], given


def test_balances_at_an_event_are_those_of_that_time(reports: psycopg.Connection) -> None:
    query = "SELECT kind, balance, sequence FROM reporting.balances_at('main', {}) WHERE account ="
    expected = [
        ("position", Decimal(2), 3),
        ("variation", Decimal("-10.5"), 3),
        ("wallet", Decimal("-0.03"), 3),
    ]
    assert _rows(reports, query.format(3) + " 'alice' ORDER BY kind") == expected
    moment = "timestamptz '2024-01-01 00:00:03.5Z'"
    assert _rows(reports, query.format(moment) + " 'alice' ORDER BY kind") == expected
    assert _rows(reports, query.format(2) + " 'alice'") == []


def test_positions_at_use_the_mark_of_that_time(reports: psycopg.Connection) -> None:
    for moment in ("3", "timestamptz '2024-01-01 00:00:03Z'"):
        assert _rows(
            reports,
            "SELECT quantity, cost, mark_price, notional, unrealized_pnl"
            f" FROM reporting.positions_at('main', {moment}) WHERE account = 'alice'",
        ) == [(Decimal(2), Decimal("-10.5"), Decimal("10.5"), Decimal("10.5"), Decimal(0))]


def test_margin_sums_what_stands_behind_positions(reports: psycopg.Connection) -> None:
    # alice: 0.66 + 0.75 against a notional of 6; bob: -0.69 - 0.75, so that nothing can be divided.
    query = "SELECT * FROM reporting.margin ORDER BY account"
    alice = (
        *(Decimal("0.66"), Decimal("0.75"), Decimal("1.41"), Decimal("0.6"), Decimal("0.3")),
        *(Decimal("0.81"), Decimal("0.212765957446808511"), Decimal("4.255319148936170213")),
    )
    bob = (
        *(Decimal("-0.69"), Decimal("-0.75"), Decimal("-1.44"), Decimal("0.6"), Decimal("0.3")),
        *(Decimal("-2.04"), None, None),
    )
    rows: list[tuple[object, ...]] = [
        ("main", "alice", None, "cross", *alice, []),
        ("main", "bob", None, "cross", *bob, []),
    ]
    assert _rows(reports, query) == rows
    assert _rows(reports, query.replace("margin ", "margin_at('main', 6) ")) == rows
    for moment in ("3", "timestamptz '2024-01-01 00:00:03Z'"):
        assert _rows(
            reports,
            f"SELECT equity, initial_margin FROM reporting.margin_at('main', {moment}, 'alice')",
        ) == [(Decimal("-0.03"), Decimal("1.05"))]


def test_trades_show_what_was_agreed(reports: psycopg.Connection) -> None:
    assert _rows(
        reports,
        "SELECT sequence, price, quantity, buyer, busted_by FROM reporting.trades ORDER BY 1",
    ) == [
        (3, Decimal("10.5"), Decimal(2), "alice", None),
        (4, Decimal(12), Decimal(1), "bob", None),
    ]


def test_funding_fees_and_realized_pnl(reports: psycopg.Connection) -> None:
    assert _rows(
        reports,
        "SELECT account, instrument, rate, mark_price, position, payment"
        " FROM reporting.funding_payments ORDER BY account",
    ) == [
        ("alice", "BTC", Decimal("0.01"), Decimal(12), Decimal(1), Decimal("-0.06")),
        ("bob", "BTC", Decimal("0.01"), Decimal(12), Decimal(-1), Decimal("0.06")),
    ]
    assert _rows(reports, "SELECT account, instrument, asset, fee FROM reporting.fees") == [
        ("alice", "BTC", "USD", Decimal("0.03"))
    ]
    assert _rows(
        reports, "SELECT sequence, account, realized_pnl FROM reporting.realized_pnl ORDER BY 2"
    ) == [(4, "alice", Decimal("0.75")), (4, "bob", Decimal("-0.75"))]


def test_debits_equal_credits(reports: psycopg.Connection) -> None:
    # Credits: alice's wallet 0.66, bob's variation 5.25, fees 0.03.
    assert _rows(reports, "SELECT * FROM reporting.trial_balance ORDER BY commodity") == [
        ("main", "BTC", Decimal(1), Decimal(1)),
        ("main", "USD", Decimal("5.94"), Decimal("5.94")),
    ]


def test_refused_bytes_are_one_row_and_break_no_view(reports: psycopg.Connection) -> None:
    assert _rows(
        reports, "SELECT pool, sequence, event_id, kind, code FROM reporting.rejections"
    ) == [("main", 6, None, None, "invalid_utf8")]
    for view in _rows(reports, "SELECT viewname FROM pg_views WHERE schemaname = 'reporting'"):
        reports.execute(f"SELECT * FROM reporting.{view[0]}".encode())


def test_postings_and_open_interest(reports: psycopg.Connection) -> None:
    assert _rows(
        reports,
        "SELECT sequence, line, kind, account_kind, amount FROM reporting.postings"
        " WHERE account = '@house'",
    ) == [(3, 6, "trade", "fees", Decimal("0.03"))]
    assert _rows(reports, "SELECT * FROM reporting.open_interest") == [
        ("main", "BTC", Decimal(1), Decimal(12), Decimal(6))
    ]
