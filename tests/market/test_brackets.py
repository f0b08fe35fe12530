"""Binance's leverage brackets (349 symbols, 2,805 tiers) as margin schedules of the core.

The venue says: maintenance margin = notional * rate - amount. Worked out here in fractions from its
file, one account a symbol: a long of one contract, so that the mark is the notional.
"""

import csv
import gzip
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import pytest

from tests.importers.venue import venue_file
from tests.market.books import Books, up, written

BRACKETS = "leverage-brackets/binance-usdm-brackets-2024-10.csv.gz"
SCALE = 6
UNIT = Fraction(1, 10**SCALE)
COLLATERAL = 10**15
INSTRUMENT = "X"


class Bracket(NamedTuple):
    """A row of the file; the last `cap` of a symbol is a limit of the venue, not of a tier."""

    floor: Fraction
    cap: Fraction
    leverage: Fraction
    rate: Fraction
    amount: Fraction

    def margin(self, notional: Fraction) -> Fraction:
        """Maintenance margin inside this bracket, unrounded."""
        return notional * self.rate - self.amount


@pytest.fixture(scope="module")
def symbols() -> dict[str, list[Bracket]]:
    """Brackets by symbol, as the file has them."""
    found: dict[str, list[Bracket]] = {}
    with gzip.open(venue_file(BRACKETS), "rt") as text:
        for row in csv.DictReader(text):
            found.setdefault(row["symbol"], []).append(
                Bracket(
                    Fraction(row["notional_floor"]),
                    Fraction(row["notional_cap"]),
                    Fraction(row["max_leverage"]),
                    Fraction(row["maint_margin_rate"]),
                    Fraction(row["maint_amount_cum"]),
                )
            )
    return found


def tiers(brackets: list[Bracket]) -> list[dict[str, str | None]]:
    """The margin schedule of the wire; 1/leverage is rounded up at 12 decimals."""
    last = len(brackets) - 1
    return [
        {
            "notional_cap": None if number == last else written(bracket.cap),
            "initial_rate": written(up(1 / bracket.leverage, 12)),
            "maintenance_rate": written(bracket.rate),
            "maintenance_amount": written(bracket.amount),
        }
        for number, bracket in enumerate(brackets)
    ]


def listed(brackets: list[Bracket]) -> Books:
    """A pool with the symbol and an account that is long one contract of it, far from trouble."""
    books = Books(is_checked=False, scale=SCALE)
    books.list_linear(INSTRUMENT, tiers(brackets), price_scale=SCALE, quantity_scale=0)
    books.admit("anna", "ben")
    for account in ("anna", "ben"):
        books.send("deposit", account=account, asset="USD", amount=str(COLLATERAL))
    books.send(
        "trade",
        instrument=INSTRUMENT,
        price="1",
        quantity="1",
        buyer="anna",
        seller="ben",
        buyer_fee="0",
        seller_fee="0",
    )
    return books


def margins_at(books: Books, notional: Fraction) -> tuple[Fraction, Fraction]:
    """Maintenance and initial margin of one contract at this mark, a long's and a short's alike."""
    books.send("price", instrument=INSTRUMENT, mark_price=written(notional))
    long, short = books.statement("anna"), books.statement("ben")
    assert (long.maintenance, long.initial) == (short.maintenance, short.initial)
    return books.money(long.maintenance), books.money(long.initial)


def borders(brackets: list[Bracket]) -> Iterator[tuple[Bracket, Bracket]]:
    return pairwise(brackets)


def test_the_file_is_the_whole_file(symbols: dict[str, list[Bracket]]) -> None:
    assert len(symbols) == 349
    assert sum(len(brackets) for brackets in symbols.values()) == 2805


def test_amounts_obey_the_recurrence(symbols: dict[str, list[Bracket]]) -> None:
    for symbol, brackets in symbols.items():
        assert brackets[0].amount == brackets[0].floor == 0, symbol
        for low, high in borders(brackets):
            assert low.cap == high.floor, symbol
            assert high.amount == low.amount + high.floor * (high.rate - low.rate), symbol


def test_margins_are_the_same_from_both_sides_of_every_border(
    symbols: dict[str, list[Bracket]],
) -> None:
    compared = 0
    for symbol, brackets in symbols.items():
        books = listed(brackets)
        for low, high in borders(brackets):
            border = high.floor
            assert low.margin(border) == high.margin(border), symbol
            below, initial_below = margins_at(books, border - UNIT)
            at, initial_at = margins_at(books, border)
            above, initial_above = margins_at(books, border + UNIT)
            assert below == up(low.margin(border - UNIT), SCALE), (symbol, border)
            assert at == up(high.margin(border), SCALE) == up(low.margin(border), SCALE)
            assert above == up(high.margin(border + UNIT), SCALE), (symbol, border)
            assert 0 <= at - below <= UNIT
            assert 0 <= above - at <= UNIT
            assert initial_below == up((border - UNIT) * up(1 / low.leverage, 12), SCALE)
            assert initial_at == up(border * up(1 / high.leverage, 12), SCALE), (symbol, border)
            assert initial_above == up((border + UNIT) * up(1 / high.leverage, 12), SCALE)
            compared += 1
    assert compared == 2805 - 349


def test_margins_are_notional_times_rate_less_amount_inside_every_bracket(
    symbols: dict[str, list[Bracket]],
) -> None:
    for symbol, brackets in symbols.items():
        books = listed(brackets)
        for bracket in brackets:
            inside = (
                bracket.floor + (min(bracket.cap, 2 * bracket.floor + 1000) - bracket.floor) / 3
            )
            inside = up(inside, SCALE)
            maintenance, _ = margins_at(books, inside)
            assert maintenance == up(inside * bracket.rate - bracket.amount, SCALE), symbol


def test_liquidation_prices_follow_the_tiers_into_every_bracket(
    symbols: dict[str, list[Bracket]],
) -> None:
    """A long of one contract whose cash puts its liquidation price at a chosen notional.

    equity(n) = cash + n - entry equals rate * n - amount; the cash is chosen for n, the mark stands
    in another bracket.
    """
    for symbol, brackets in symbols.items():
        books = listed(brackets)
        books.admit("carl")
        entry = brackets[-1].floor * 2
        books.send("price", instrument=INSTRUMENT, mark_price=written(entry))
        books.send(
            "opening_position",
            account="carl",
            instrument=INSTRUMENT,
            quantity="1",
            entry_price=written(entry),
        )
        cash = Fraction(0)
        for bracket in brackets:
            target = up(bracket.floor + (min(bracket.cap, entry) - bracket.floor) / 3 + 1, 2)
            wanted = entry - target + bracket.margin(target)
            assert wanted == up(wanted, SCALE), "rates have four decimals: the cash is whole units"
            books.send(
                "opening_balance", account="carl", asset="USD", amount=written(wanted - cash)
            )
            cash = wanted
            assert books.liquidation_price("carl", INSTRUMENT) == target, (symbol, target)
