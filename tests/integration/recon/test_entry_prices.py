"""Average entry prices of a venue's positions against what ours cost, exact, to a tick."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ledger.errors import ConfigurationError
from ledger.recon.breaks import Break
from ledger.recon.casework.adjusting import Broken, suggested
from ledger.recon.lines import Holding
from ledger.recon.rules import parse_rules
from ledger.recon.run import reconcile_lines
from ledger.store.recon.books import our_books
from ledger.store.recon.entries import entries
from tests.integration.recon.test_statements_of_books import LISTING, POOL
from tests.market.reconciled import add

START = datetime(2026, 1, 1, tzinfo=UTC)
INVERSE = {**LISTING, "instrument": "COIN", "type": "inverse", "multiplier": "100"}
Facts = list[tuple[str, dict[str, object]]]
RULES = """
version = 1
[sources.venue]
kind = "holdings"
format = "holdings-csv"
{extra}
"""
ASKED = 'entry_prices = true\nnot_theirs = ["USDT"]'


def trade(
    number: int, price: str, quantity: str, instrument: str = "BTC-PERP"
) -> dict[str, object]:
    return {
        "kind": "trade",
        "event_id": f"t{number}",
        "occurred_at": f"{START + timedelta(hours=number):%Y-%m-%dT%H:%M:%S}Z",
        "instrument": instrument,
        "price": price,
        "quantity": quantity,
        "buyer": "ada",
        "seller": "ben",
        "buyer_fee": "0",
        "seller_fee": "0",
    }


@pytest.fixture
def books(database_url: str) -> str:
    """Ada long and ben short 3 at 1000, 1000 and 1001; of an inverse one 10 at 20000."""
    people: Facts = [("account", {"account": name}) for name in ("ada", "ben")]
    money: Facts = [
        ("deposit", {"account": n, "asset": "USDT", "amount": "9000"}) for n in ("ada", "ben")
    ]
    terms: Facts = [("pool", POOL), ("instrument", LISTING), ("instrument", INVERSE)]
    begun: list[dict[str, object]] = [
        {"kind": kind, "event_id": f"e{n}", "occurred_at": "2026-01-01T00:00:00Z", **fields}
        for n, (kind, fields) in enumerate([*terms, *people, *money])
    ]
    trades = [
        trade(1, "1000", "1"),
        trade(2, "1000", "1"),
        trade(3, "1001", "1"),
        trade(4, "20000", "10", "COIN"),
    ]
    add(database_url, "books", [*begun, *trades])
    return database_url


def breaks(
    url: str, *lines: tuple[str, str, str, str | None], extra: str = ASKED, hour: int | None = None
) -> list[Break]:
    """What differs of the prices: account, instrument, contracts, entry price."""
    at = None if hour is None else START + timedelta(hours=hour)
    read = [
        (
            f"line {n}",
            Holding(n, at, account, instrument, Decimal(size), price and Decimal(price)),  # type: ignore[arg-type]
        )
        for n, (account, instrument, size, price) in enumerate(lines, start=1)
    ]
    rules = parse_rules(RULES.format(extra=extra))
    found = reconcile_lines(url, rules, {"venue": read}, "main")
    return [each for each in found.breaks if each.subject.startswith("entry price")]


def test_our_entry_price_is_what_a_position_cost_by_what_it_holds(books: str) -> None:
    with our_books(books, "main", None) as ours:
        found = entries(ours, ours.sequence)
    assert found.keys() == {(name, of) for name in ("ada", "ben") for of in ("BTC-PERP", "COIN")}
    for name in ("ada", "ben"):
        linear, inverse = found[name, "BTC-PERP"], found[name, "COIN"]
        assert linear.price is not None
        assert linear.price * 3 == 3001
        assert linear.tick == Decimal("0.1")
        assert inverse.price == 20_000
    assert found["ben", "BTC-PERP"].quantity == -3


@pytest.mark.parametrize(("price", "differs"), [("1000.3", 0), ("1000.4", 0), ("1000.5", 1)])
def test_a_price_within_a_tick_of_ours_is_the_same(books: str, price: str, differs: int) -> None:
    found = breaks(books, ("ada", "BTC-PERP", "3", price), ("ada", "COIN", "10", "20000"))
    assert len(found) == differs


def test_another_price_is_a_break_of_both(books: str) -> None:
    (each,) = breaks(books, ("ben", "BTC-PERP", "-3", "990"), ("ben", "COIN", "-10", "20000.05"))
    assert (each.type, each.subject, each.account) == (
        "amount",
        "entry price of ben/BTC-PERP",
        "ben",
    )
    assert (each.ours, each.theirs) == (Decimal("1000.333333333333333333"), Decimal(990))
    assert each.their_references == ("line 1",)
    assert "entered BTC-PERP at 1000.333333333333333333 here and at 990 at venue" in each.says


def test_no_adjustment_is_suggested_for_a_price(books: str) -> None:
    (each,) = breaks(books, ("ben", "BTC-PERP", "-3", "990"))
    of = Broken(
        *(each.key, each.type, "main", each.subject, each.account, each.commodity),
        *(each.ours, each.theirs, each.our_references, each.at),
    )
    with pytest.raises(ConfigurationError, match="write the lines of its correction"):
        suggested(of)


def test_a_larger_tolerance_of_the_rules_holds(books: str) -> None:
    told = ("ada", "BTC-PERP", "3", "1001.3")
    assert len(breaks(books, told)) == 1
    wider = ASKED + "\n[sources.venue.price_tolerance]\nBTC-PERP = '1'"
    assert breaks(books, told, extra=wider) == []


def test_prices_are_compared_only_where_the_rules_ask_and_the_contracts_are_the_same(
    books: str,
) -> None:
    wrong = ("ada", "BTC-PERP", "3", "7")
    assert breaks(books, wrong, extra="") == []
    assert breaks(books, ("ada", "BTC-PERP", "2", "7")) == []
    assert breaks(books, ("ada", "BTC-PERP", "3", None)) == []
    assert breaks(books, ("ada", "BTC-PERP", "1", "7"), ("ada", "BTC-PERP", "2", "7")) == []
    assert len(breaks(books, wrong, wrong)) == 1, "a copy is one"


def test_prices_of_a_moment_are_held_against_the_books_of_then(books: str) -> None:
    assert breaks(books, ("ada", "BTC-PERP", "2", "1000"), hour=2) == []
    (each,) = breaks(books, ("ada", "BTC-PERP", "2", "1000.3"), hour=2)
    assert (each.ours, each.theirs) == (Decimal(1000), Decimal("1000.3"))
