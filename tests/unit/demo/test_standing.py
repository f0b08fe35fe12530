"""What is surely granted and surely refused, worked by hand on one account."""

import pytest

from ledger.demo.exchange import Exchange
from ledger.demo.participants import Seat, Style
from ledger.demo.standing import standing, surely_free, surely_refused
from ledger.demo.venue import Venue

NAME = "ETH-PERP"
USDT = 10**6


@pytest.fixture
def venue() -> Venue:
    exchange = Exchange(7, 60)
    exchange.begin_day(10_000)
    exchange.slot()
    return exchange._venue


@pytest.fixture
def seat(venue: Venue) -> Seat:
    """10,000 USDT, no coins, no leverage chosen."""
    seat = next(each for each in venue.seats["usdt"].values() if each.style is Style.PRIVATE)
    seat.cash = 10_000 * USDT
    seat.coins.clear()
    seat.holdings[NAME].leverage = None
    return seat


def hold(venue: Venue, seat: Seat, quantity: int, profit: int = 0) -> int:
    """Let it hold so much at the mark, and `profit` beside; returns the notional."""
    market = venue.markets[NAME]
    value = market.contract.value(quantity, market.mark)
    seat.trade(NAME, quantity, value - profit, 0)
    return abs(value)


def test_without_positions_all_cash_is_free(venue: Venue, seat: Seat) -> None:
    assert surely_free(venue, "usdt", seat) == seat.cash


def test_margin_and_a_twentieth_of_the_position_stay(venue: Venue, seat: Seat) -> None:
    """The first tier asks 0.8%."""
    notional = hold(venue, seat, 1_000)
    assert standing(venue, "usdt", seat).initial == -(-notional * 8 // 1_000)
    free = seat.cash + -(notional * 8 // -1_000) * -1 - notional // 20
    assert surely_free(venue, "usdt", seat) == free


def test_gains_do_not_count_and_losses_do(venue: Venue, seat: Seat) -> None:
    hold(venue, seat, 1_000, profit=500 * USDT)
    without = surely_free(venue, "usdt", seat)
    hold(venue, seat, -1_000)
    seat.cash = 10_000 * USDT
    hold(venue, seat, 1_000, profit=-500 * USDT)
    assert surely_free(venue, "usdt", seat) == without - 500 * USDT


@pytest.mark.parametrize("mark", ["is_touched", "is_called"])
def test_an_account_in_trouble_asks_for_nothing(venue: Venue, seat: Seat, mark: str) -> None:
    hold(venue, seat, 10_000)
    setattr(seat, mark, True)
    assert surely_free(venue, "usdt", seat) == 0
    assert surely_refused(venue, "usdt", seat) == 0


def test_while_prices_run_nobody_asks(venue: Venue, seat: Seat) -> None:
    venue.paths["SOL"].before = venue.paths["SOL"].price * 11 // 10
    assert surely_free(venue, "usdt", seat) == 0


def test_all_of_the_cash_is_surely_refused_beside_a_large_position(
    venue: Venue, seat: Seat
) -> None:
    hold(venue, seat, 10_000)
    amount = surely_refused(venue, "usdt", seat)
    assert amount == seat.cash * 98 // 100
    assert seat.cash - amount < standing(venue, "usdt", seat).initial


def test_beside_a_small_position_nothing_is_surely_refused(venue: Venue, seat: Seat) -> None:
    hold(venue, seat, 100)
    assert surely_refused(venue, "usdt", seat) == 0
