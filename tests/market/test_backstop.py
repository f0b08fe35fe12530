"""Hyperliquid's backstop takeovers: the core takes over at the venue's price and realizes its P&L.

Two isolated shorts were taken over by the backstop at their bankruptcy price (0.000255 while the
mark stood at 0.000231), and the first was closed in the market later. The venue's fills show
neither the leverage nor the entry: 3x, the most that these coins allow (maintenance 1/6), put in at
the price from which 3x goes bankrupt at the venue's takeover price. At the marks of the file these
accounts keep 62% of their maintenance margin; the venue's backstop steps in under two thirds.

A pool with `penalty_rate` 1 takes over at the bankruptcy price; so does the venue.
"""

import gzip
import json
from fractions import Fraction
from typing import Any, NamedTuple

import pytest

from tests.importers.venue import venue_file
from tests.market.books import Books, single_tier, written

FILLS = "hyperliquid-market-context/backstop-liquidation-fills.jsonl.gz"
PRICE_SCALE = 8
LEVERAGE = 3


class Takeover(NamedTuple):
    coin: str
    size: Fraction
    price: Fraction
    mark: Fraction

    @property
    def entry(self) -> Fraction:
        """From which a short of 3x goes bankrupt at `price`: entry * (1 + 1/3) = price."""
        return self.price * LEVERAGE / (LEVERAGE + 1)


class Closing(NamedTuple):
    coin: str
    start: Fraction
    size: Fraction
    price: Fraction
    pnl: Fraction
    fee: Fraction


@pytest.fixture(scope="module")
def takeovers() -> list[Takeover]:
    """HMSTR, then PURR."""
    return [
        Takeover(
            row["coin"],
            Fraction(row["sz"]),
            Fraction(row["px"]),
            Fraction(row["liquidation"]["markPx"]),
        )
        for row in _rows()
        if "liquidation" in row
    ]


@pytest.fixture(scope="module")
def closings() -> list[Closing]:
    """Three, all of HMSTR, in order."""
    return [
        Closing(
            row["coin"],
            Fraction(row["startPosition"]),
            Fraction(row["sz"]),
            Fraction(row["px"]),
            Fraction(row["closedPnl"]),
            Fraction(row["fee"]),
        )
        for row in _rows()
        if "liquidation" not in row
    ]


def _rows() -> list[dict[str, Any]]:
    with gzip.open(venue_file(FILLS), "rt") as text:
        return [json.loads(line) for line in text]


def entered(takeover: Takeover) -> Books:
    """A pool where `short` holds the position at 3x and `long` the other side."""
    books = Books(liquidation="full", penalty_rate="1")
    books.list_linear(
        takeover.coin,
        single_tier(Fraction(1, 2 * LEVERAGE), Fraction(3, 10)),
        price_scale=PRICE_SCALE,
        quantity_scale=0,
    )
    books.admit("short", "long", "maker")
    for account in ("short", "long", "maker"):
        books.send("deposit", account=account, asset="USD", amount="100000")
    books.send("insurance_deposit", asset="USD", amount="10000")
    books.send(
        "position_mode",
        account="short",
        instrument=takeover.coin,
        mode="isolated",
        leverage=str(LEVERAGE),
    )
    _trade(books, takeover.coin, "long", "short", takeover.size, takeover.entry)
    return books


def _trade(
    books: Books,
    coin: str,
    buyer: str,
    seller: str,
    size: Fraction,
    price: Fraction,
    fee: Fraction = Fraction(0),
    **more: str,
) -> None:
    books.send(
        "trade",
        instrument=coin,
        price=written(price),
        quantity=written(size),
        buyer=buyer,
        seller=seller,
        buyer_fee=written(fee),
        seller_fee="0",
        **more,
    )


def taken_over(takeover: Takeover) -> Books:
    """The same pool after the mark of the file."""
    books = entered(takeover)
    books.send("price", instrument=takeover.coin, mark_price=written(takeover.mark))
    return books


def test_the_account_would_have_been_under_two_thirds_of_its_maintenance(
    takeovers: list[Takeover],
) -> None:
    assert [takeover.coin for takeover in takeovers] == ["HMSTR", "PURR"]
    for takeover in takeovers:
        equity = takeover.size * (takeover.price - takeover.mark)
        maintenance = takeover.size * takeover.mark / (2 * LEVERAGE)
        assert Fraction(6, 10) < equity / maintenance < Fraction(2, 3)


def test_the_takeover_is_at_the_venues_price(takeovers: list[Takeover]) -> None:
    for takeover in takeovers:
        books = taken_over(takeover)
        (body,) = books.bodies("takeover")
        assert body["account"] == "short"
        assert body["margin_instrument"] == takeover.coin
        assert body["position"] == -takeover.size
        assert body["quantity"] == -takeover.size
        assert body["mark_price"] == takeover.mark
        assert body["takeover_price"] == takeover.price
        assert body["bankruptcy_price"] == takeover.price
        assert body["takeover_value"] == -takeover.size * takeover.price
        assert body["equity"] == takeover.size * (takeover.price - takeover.mark)
        assert body["penalty"] == body["share"] == body["equity"]


def test_the_inventory_stands_at_the_venues_size_and_price(takeovers: list[Takeover]) -> None:
    for takeover in takeovers:
        books = taken_over(takeover)
        assert books.contracts("@liquidation", takeover.coin) == -takeover.size
        cost = books.balance("@liquidation", "variation", takeover.coin)
        assert cost == takeover.size * takeover.price
        assert books.contracts("short", takeover.coin) == 0
        assert books.balance("short", "isolated", takeover.coin) == 0
        assert books.balance("@house", "insurance") == 10_000


def test_the_wallet_beside_an_isolated_position_is_left_alone(takeovers: list[Takeover]) -> None:
    for takeover in takeovers:
        margin = takeover.size * takeover.entry / LEVERAGE
        assert taken_over(takeover).balance("short", "wallet") == 100_000 - margin


def test_closings_realize_the_venues_pnl_exactly(
    takeovers: list[Takeover], closings: list[Closing]
) -> None:
    """The fills between takeover and the first closing are not in the file: closed at cost here."""
    takeover = takeovers[0]
    books = taken_over(takeover)
    before = takeover.size + closings[0].start
    _trade(books, "HMSTR", "@liquidation", "maker", before, takeover.price)
    assert books.balance("@house", "insurance") == 10_000, "closed at cost: nothing realized"
    for closing in closings:
        assert books.contracts("@liquidation", "HMSTR") == closing.start
        fund = books.balance("@house", "insurance")
        _trade(
            books,
            "HMSTR",
            "@liquidation",
            "maker",
            closing.size,
            closing.price,
            closing.fee,
            liquidation_id="L-1",
        )
        *_, body = books.bodies("close_out")
        assert body["realized_pnl"] == closing.pnl
        assert body["fee"] == closing.fee
        assert books.balance("@house", "insurance") - fund == closing.pnl - closing.fee
    assert len(closings) == 3
    assert books.contracts("@liquidation", "HMSTR") == 0
    assert books.balance("@liquidation", "variation", "HMSTR") == 0
