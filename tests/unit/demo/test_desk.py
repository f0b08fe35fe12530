"""The liquidation desk: what it knows of inventories, and how far the market lets it close them."""

import json
from random import Random

import pytest

from ledger.demo.book import EMPTY_PPM, levels
from ledger.demo.desk import Desk
from ledger.demo.exchange import Exchange
from ledger.demo.market import Market
from ledger.demo.records import Published
from ledger.demo.venue import Venue

POOL, NAME = "usdt", "ETH-PERP"


@pytest.fixture
def venue() -> Venue:
    """An exchange after its opening, prices at rest."""
    exchange = Exchange(7, 60)
    exchange.begin_day(10_000)
    exchange.slot()
    return exchange._venue


def record(kind: str, subject: str = "L-1", **body: object) -> Published:
    return Published(POOL, 1, 1, kind, subject, "e-1", {"instrument": NAME, **body})


def closed(desk: Desk, venue: Venue) -> list[dict[str, str]]:
    return [json.loads(order.value) for order in desk.orders(venue)]


def fall(market: Market, ppm: int) -> None:
    """Let the price stand so far under its recent past."""
    market.path.before = market.path.price * 1_000_000 // (1_000_000 - ppm)


def test_a_small_long_inventory_is_sold_in_one_trade_that_names_its_liquidation(
    venue: Venue,
) -> None:
    desk = Desk()
    desk.note(record("takeover", "L-7", inventory_quantity="0.50"), venue.contracts)
    (trade,) = closed(desk, venue)
    assert (trade["kind"], trade["instrument"], trade["quantity"]) == ("trade", NAME, "0.50")
    assert trade["seller"] == "@liquidation"
    assert trade["liquidation_id"] == "L-7"
    assert float(trade["seller_fee"]) > 0 > float(trade["buyer_fee"]), "the desk takes"


def test_a_short_inventory_is_bought_back_above_the_mark(venue: Venue) -> None:
    desk = Desk()
    desk.note(record("takeover", inventory_quantity="-0.50"), venue.contracts)
    (trade,) = closed(desk, venue)
    assert trade["buyer"] == "@liquidation"
    market = venue.markets[NAME]
    assert float(trade["price"]) > float(market.text.price(market.mark))


def test_a_large_inventory_walks_down_the_book_and_stays_in_part(venue: Venue) -> None:
    desk = Desk()
    desk.note(record("takeover", inventory_quantity="1000000.00"), venue.contracts)
    trades = closed(desk, venue)
    prices = [float(trade["price"]) for trade in trades]
    assert len(trades) == 4
    assert prices == sorted(prices, reverse=True)
    assert len(set(prices)) == 4
    assert sum(float(trade["quantity"]) for trade in trades) < 1_000_000


def test_after_a_fall_the_book_is_thinner_and_further_away(venue: Venue) -> None:
    market = venue.markets[NAME]
    calm = levels(market, -1, Random(1))
    fall(market, EMPTY_PPM // 2)
    thin = levels(market, -1, Random(1))
    assert sum(level.quantity for level in thin) * 3 < sum(level.quantity for level in calm)
    for one, other in zip(thin, calm, strict=True):
        assert one.price < other.price < market.mark


def test_in_a_crash_the_book_is_empty_and_the_desk_cannot_answer(venue: Venue) -> None:
    desk = Desk()
    desk.note(record("takeover", inventory_quantity="0.50"), venue.contracts)
    fall(venue.markets[NAME], EMPTY_PPM + 1)
    assert closed(desk, venue) == []
    assert desk.empty_books == 1
    fall(venue.markets[NAME], 0)
    assert len(closed(desk, venue)) == 1, "it tries again at its next turn"


def test_records_alone_say_what_is_left(venue: Venue) -> None:
    desk = Desk()
    desk.note(record("takeover", inventory_quantity="-3.00"), venue.contracts)
    desk.note(record("deleveraging", "D-1", quantity="-3.00", left="1.25"), venue.contracts)
    assert desk.inventories[POOL, NAME].quantity == -125
    desk.note(record("unclosed", ended_by="deleveraging"), venue.contracts)
    assert desk.inventories[POOL, NAME].quantity == -125
    desk.note(record("close_out", inventory_quantity="0.00"), venue.contracts)
    assert closed(desk, venue) == []


def test_an_expiry_ends_an_inventory(venue: Venue) -> None:
    desk = Desk()
    desk.note(record("takeover", inventory_quantity="-3.00"), venue.contracts)
    desk.note(record("unclosed", ended_by="expiry"), venue.contracts)
    assert closed(desk, venue) == []


def test_other_records_say_nothing_of_inventories(venue: Venue) -> None:
    desk = Desk()
    desk.note(record("mark", NAME, mark_price="1", source="price"), venue.contracts)
    assert not desk.inventories
