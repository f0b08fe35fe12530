"""What records tell the exchange of accounts, worked by hand on one seat."""

import pytest

from ledger.demo.exchange import Exchange
from ledger.demo.notices import note
from ledger.demo.participants import Seat, Style
from ledger.demo.records import Published
from ledger.demo.venue import Venue

NAME = "ETH-PERP"


@pytest.fixture
def venue() -> Venue:
    exchange = Exchange(7, 60)
    exchange.begin_day(10_000)
    exchange.slot()
    return exchange._venue


@pytest.fixture
def seat(venue: Venue) -> Seat:
    """Long 2 ETH at 3,000, with 1,000 USDT."""
    seat = next(each for each in venue.seats["usdt"].values() if each.style is Style.PRIVATE)
    seat.cash = 1_000_000_000
    seat.trade(NAME, 200, 6_000_000_000, 0)
    return seat


def told(kind: str, seat: Seat, subject: str = "L-1", **body: object) -> Published:
    fields = {"account": seat.account, "margin_instrument": None, "instrument": NAME, **body}
    return Published("usdt", 1, 1, kind, subject, "e-1", fields)


def test_a_takeover_moves_contracts_and_the_account_realizes(venue: Venue, seat: Seat) -> None:
    """1 ETH taken at 2,700: 3,000 of cost released, 300 lost."""
    note(venue, told("takeover", seat, quantity="1.00", takeover_value="2700.000000"))
    assert seat.holdings[NAME].quantity == 100
    assert seat.holdings[NAME].variation == -3_000_000_000
    assert seat.cash == 700_000_000
    assert seat.is_touched


def test_a_deleveraged_long_sells_at_the_inventory_s_cost(venue: Venue, seat: Seat) -> None:
    """1 ETH at 3,400: the variation receives 3,400, and 400 are realized."""
    note(venue, told("deleveraged", seat, "D-1", quantity="1.00", amount="3400.000000"))
    assert seat.holdings[NAME].quantity == 100
    assert seat.cash == 1_400_000_000


def test_a_liquidated_account_is_off_every_book(venue: Venue, seat: Seat) -> None:
    note(venue, told("liquidation", seat))
    assert all(seat not in market._takers for market in venue.markets.values())
    assert seat in venue.markets[NAME].seats, "but it pays funding on what it may still hold"


def test_seized_coins_pay_into_the_wallet(venue: Venue, seat: Seat) -> None:
    seat.coins["ETH"] = 3 * 10**8
    note(venue, told("seizure", seat, asset="ETH", quantity="0.50000000", value="1350.000000"))
    assert seat.coins["ETH"] == 250_000_000
    assert seat.cash == 2_350_000_000


def test_a_margin_call_stops_payouts_until_it_ends(venue: Venue, seat: Seat) -> None:
    note(venue, told("margin_call", seat, "C-1"))
    assert seat.is_called
    note(venue, told("margin_call_end", seat, "C-1"))
    assert not seat.is_called


def test_what_an_isolated_position_did_not_get_is_still_in_the_wallet(
    venue: Venue, seat: Seat
) -> None:
    seat.holdings[NAME].is_isolated = True
    seat.holdings[NAME].margin = 100_000_000
    body = {"instrument": NAME, "missing": "40.000000"}
    note(venue, Published("usdt", 1, 1, "isolated_shortfall", seat.account, "e-1", body))
    assert seat.holdings[NAME].margin == 60_000_000
    assert seat.cash == 1_040_000_000


def test_records_of_an_expired_contract_or_of_nobody_are_passed_over(
    venue: Venue, seat: Seat
) -> None:
    gone = {"instrument": "BTC-05JAN25", "quantity": "1", "takeover_value": "1"}
    note(venue, told("takeover", seat, **gone))
    note(venue, Published("usdt", 1, 1, "mark", NAME, "e-1", {"mark_price": "1"}))
    assert seat.cash == 1_000_000_000
