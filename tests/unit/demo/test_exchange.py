"""The simulated exchange: same seed, same bytes; every message meets the fate it was made for."""

import json
from collections import Counter

import pytest

from ledger.demo.exchange import Exchange
from ledger.demo.records import Published
from ledger.demo.wire import WireMessage
from tests.unit.demo.books import Books, played

EVENTS = 12_000


@pytest.fixture(scope="module")
def day() -> tuple[Exchange, Books, list[WireMessage]]:
    exchange, books = Exchange(1, 60), Books()
    return exchange, books, played(exchange, EVENTS, books)


Day = tuple[Exchange, Books, list[WireMessage]]


def test_the_same_seed_gives_the_same_bytes_answers_included(day: Day) -> None:
    assert played(Exchange(1, 60), EVENTS, Books()) == day[2]


def test_another_seed_gives_another_day(day: Day) -> None:
    exchange = Exchange(8, 60)
    exchange.begin_day(EVENTS)
    assert list(exchange.slot()) != day[2][: len(exchange.slot())]


def test_messages_are_in_order_of_time(day: Day) -> None:
    times = [message.timestamp_ms for message in day[2]]
    assert times == sorted(times)
    assert len(set(times)) == len(times), "each has a moment of its own"


def test_every_message_meets_its_expected_fate_on_two_days() -> None:
    exchange, books = Exchange(3, 60), Books()
    for _ in range(2):
        sent = played(exchange, EVENTS, books)
        tally = exchange.take_tally()
        assert (books.applied, books.duplicates) == (tally.applied.total(), tally.duplicates)
        assert books.refused == tally.rejected
        assert tally.sent == len(sent)
        assert len(tally.rejected) >= 20, "a day has mistakes of many kinds"
        assert tally.rejected["insufficient_margin"], "and one asks for money that must stay"
        books.applied = books.duplicates = 0
        books.refused.clear()


def test_one_day_shows_the_whole_waterfall(day: Day) -> None:
    totals: Counter[str] = Counter()
    for pool in day[0].chronicle.pools.values():
        totals += pool.counts
        assert pool.is_conserved
        assert pool.counts["liquidation"]
        assert pool.counts["deleveraged"]
    shown = {"margin_call", "takeover", "close_out", "gain", "draw", "deleveraging"}
    assert all(totals[kind] for kind in shown), totals


def test_the_desk_answers_and_sometimes_finds_an_empty_book(day: Day) -> None:
    exchange, _, sent = day
    closing = [json.loads(each.value) for each in sent if b'"liquidation_id"' in each.value]
    assert closing
    assert all("@liquidation" in (trade["buyer"], trade["seller"]) for trade in closing)
    assert exchange.empty_books > 0


def test_an_answer_is_a_function_of_the_records() -> None:
    exchange = Exchange(1, 60)
    exchange.begin_day(EVENTS)
    exchange.slot()
    assert exchange.answer([]) == []
    body = {
        "account": "nobody",
        "margin_instrument": None,
        "instrument": "BTC-PERP",
        "value_at_mark": "97400.000000",
        "inventory_quantity": "1.000",
    }
    (answer,) = exchange.answer([Published("usdt", 9, 1, "takeover", "L-3", "e-9", body)])
    trade = json.loads(answer.value)
    assert (trade["seller"], trade["quantity"]) == ("@liquidation", "1.000")
    assert trade["liquidation_id"] == "L-3"
    assert answer.role == "trades"


def test_only_perpetuals_pay_funding_three_times_a_day(day: Day) -> None:
    good = [json.loads(message.value) for message in day[2] if message.role == "funding"]
    wild = [each for each in good if each["instrument"] == "ETH-PERP"][3:]
    counts = Counter(each["instrument"] for each in good)
    counts["ETH-PERP"] -= len(wild)
    assert counts == {"BTC-PERP": 3, "ETH-PERP": 3, "SOL-PERP": 3, "BTCUSD-PERP": 3}


def test_money_sent_before_its_account_is_opened_comes_in_when_it_is_sent_again(day: Day) -> None:
    _, books, sent = day
    early = [each for each in sent if b'"account":"sandpiper-capital-1"' in each.value]
    early = [each for each in early if each.role == "transfers"][:1]
    applied = books.applied
    books.take(early)
    assert books.applied == applied + 1
