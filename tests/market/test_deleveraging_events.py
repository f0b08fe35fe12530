"""Hyperliquid's auto-deleveraging of 2025-10-10, event by event: 297 of them, in 118 waves.

A wave is one liquidated account, one coin, one moment, one price. The core gets the same: an
account that is bankrupt at the venue's price, and those who were deleveraged against it, with the
venue's size, equity and realized P&L (which gives their entry price away). One tick further the
inventory shows a loss that nothing covers, and is closed against them at its cost.

Only those who were taken are in the file, not those who were spared; so what can be checked is who
is paid what, and that the ranking follows its formula, not whether the venue's order was the same.
"""

import csv
import gzip
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

import pytest

from tests.importers.venue import venue_file
from tests.market.books import Books, rounded, single_tier, written

EVENTS = "hyperliquid-adl-2025-10-10/adl_events_high_leverage.part1.csv.gz"
MONEY = 6
PRICE = 15
TICK = Fraction(1, 10**9)
COIN, BANKRUPT, SPARED = "COIN", "bankrupt", "spared"


class Taken(NamedTuple):
    """One account deleveraged; `size` and `held` signed, a short negative."""

    wave: tuple[str, ...]
    account: str
    size: Fraction
    held: Fraction
    price: Fraction
    pnl: Fraction
    equity: Fraction

    @property
    def entry(self) -> Fraction:
        """From `pnl = size * (price - entry)`."""
        return self.price - self.pnl / self.size


@pytest.fixture(scope="module")
def waves() -> list[list[Taken]]:
    """Each with its accounts, by account."""
    with gzip.open(venue_file(EVENTS), "rt") as text:
        taken = sorted(_taken(row) for row in csv.DictReader(text))
    return [list(found) for _, found in groupby(taken, key=lambda one: one.wave)]


def _taken(row: dict[str, str]) -> Taken:
    held = _rounded(row["position_size"])
    size = _rounded(row["adl_size"]) * (1 if held > 0 else -1)
    wave = (row["liquidated_user"], row["coin"], row["time"], row["adl_price"])
    return Taken(
        (*wave, "long" if held > 0 else "short"),
        row["user"],
        size,
        held,
        Fraction(row["adl_price"]),
        _rounded(row["closed_pnl"]),
        _rounded(row["total_equity"]),
    )


def _rounded(text: str) -> Fraction:
    """The source has noise of binary floats past its sixth decimal."""
    return rounded(Fraction(text), MONEY)


def replayed(wave: list[Taken]) -> Books:
    """The wave in a pool with an empty fund; a partial taking keeps its rest where it is alone."""
    books = Books(scale=MONEY, adl_policy="hyperliquid", is_checked=False)
    books.list_linear(
        COIN,
        single_tier(Fraction(1, 10**6), Fraction(1, 1000)),
        price_scale=PRICE,
        quantity_scale=6,
    )
    books.admit(BANKRUPT, SPARED, *(one.account for one in wave))
    price = wave[0].price
    books.send("opening_balance", account=SPARED, asset="USD", amount="1000000000")
    for one in wave:
        held = held_in(one, wave)
        _hold(books, one.account, held, one.entry)
        equity = one.equity - held * (price - one.entry)
        books.send(
            "opening_balance",
            account=one.account,
            asset="USD",
            amount=written(rounded(equity, MONEY)),
        )
    total = sum((one.size for one in wave), Fraction(0))
    _hold(books, BANKRUPT, -total, price)
    rest = total - sum(held_in(one, wave) for one in wave)
    if rest:
        _hold(books, SPARED, rest, price)
    books.change_pool(liquidation="full")
    books.send("price", instrument=COIN, mark_price=written(price))
    assert books.contracts("@liquidation", COIN) == -total
    worse = TICK if total > 0 else -TICK
    books.send("price", instrument=COIN, mark_price=written(price + worse))
    return books


def held_in(one: Taken, wave: list[Taken]) -> Fraction:
    """The position of an account in the replay."""
    return one.held if len(wave) == 1 else one.size


def _hold(books: Books, account: str, quantity: Fraction, price: Fraction) -> None:
    books.send(
        "opening_position",
        account=account,
        instrument=COIN,
        quantity=written(quantity),
        entry_price=written(rounded(price, PRICE)),
    )


def test_the_file_is_the_whole_file(waves: list[list[Taken]]) -> None:
    assert sum(len(wave) for wave in waves) == 297
    assert len(waves) == 118
    assert sum(one.held != one.size for wave in waves for one in wave) == 17


def test_everybody_is_paid_the_venues_price_and_realizes_its_pnl(waves: list[list[Taken]]) -> None:
    compared = 0
    for wave in waves:
        books = replayed(wave)
        fills = {body["account"]: body for body in books.bodies("deleveraged")}
        assert fills.keys() == {one.account for one in wave}
        for one in wave:
            body = fills[one.account]
            assert body["quantity"] == abs(one.size), one
            assert abs(body["price"] - one.price) < Fraction(1, 10**6) / abs(one.size), one
            assert abs(body["realized_pnl"] - one.pnl) <= Fraction(1, 10**6), one
            assert body["in_profit"] == (one.pnl > 0), one
            compared += 1
        assert books.contracts("@liquidation", COIN) == 0
        assert books.balance("@house", "insurance") == books.balance("@house", "deficit") == 0
    assert compared == 297


def test_the_ranking_follows_its_formula(waves: list[list[Taken]]) -> None:
    """(1 + upnl/|cost|) * notional/equity, the highest first, ties by account."""
    ranked = 0
    for wave in waves:
        books = replayed(wave)
        (body,) = books.bodies("deleveraging")
        scores = {}
        for one in wave:
            size = held_in(one, wave)
            cost = rounded(size * rounded(one.entry, PRICE), MONEY)
            upnl = size * body["mark_price"] - cost
            line = next(each for each in body["candidates"] if each["account"] == one.account)
            notional = abs(size) * body["mark_price"]
            scores[one.account] = (1 + upnl / abs(cost)) * notional / line["equity"]
            assert line["score"] == rounded(scores[one.account], 18), one
            moved = abs(size) * TICK + Fraction(2, 10**MONEY)
            assert abs(line["equity"] - one.equity) <= moved, one
        order = sorted(scores, key=lambda account: (-scores[account], account.encode()))
        found = [line["account"] for line in body["candidates"] if line["taken"]]
        assert found == order
        ranked += len(order) > 1
    assert ranked == 37, "waves of more than one account"


def test_the_venue_deleveraged_out_of_profit_too(waves: list[list[Taken]]) -> None:
    """Three of them: allowed, and flagged on the record."""
    assert sum(one.pnl <= 0 for wave in waves for one in wave) == 3
