"""Positions of BitMEX, Binance and Bybit with the venues' own margins and liquidation prices.

* Binance: everything agrees to the last of eight decimals.
* BitMEX rounds the value of *one contract* to a satoshi and multiplies; the ledger rounds the whole
  value once. So values of its 500 contracts differ by up to 250 satoshi, and what is worked out of
  them follows. A position opened contract by contract has BitMEX's cost exactly.
* Bybit: unrealized P&L agrees exactly. Its margins hold a reserve for the closing fee, and its
  liquidation price depends on the rest of the account: both are only bounded here.
"""

import gzip
import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.importers.venue import venue_file
from tests.market.books import Books, down, rounded, single_tier, up, written

VECTORS = "exchange-position-vectors/vectors.jsonl.gz"
SATOSHI = 10**8
CONTRACTS = 500
ROUNDING = Fraction(CONTRACTS, 2)
"""Satoshi by which BitMEX's rounding of a contract may move a value of 500 contracts."""


@pytest.fixture(scope="module")
def vectors() -> dict[str, dict[str, Any]]:
    """By venue; numbers as written."""
    with gzip.open(venue_file(VECTORS), "rt") as text:
        rows = [json.loads(line, parse_float=Decimal) for line in text]
    return {row["id"].partition("-")[0]: row for row in rows}


# ------------------------------------------------------------------------------------------ Binance


@pytest.fixture
def binance(vectors: dict[str, dict[str, Any]]) -> tuple[dict[str, str], Books]:
    """The isolated long of the file, at its mark, with its isolated wallet."""
    position = vectors["binance"]["position"]
    books = Books(scale=8)
    books.list_linear(
        "BTCUSDT",
        single_tier(Fraction(1, 100), Fraction(1, 50)),
        price_scale=8,
        quantity_scale=3,
    )
    _isolated(books, "BTCUSDT", position["leverage"], "1000")
    books.send(
        "opening_position",
        account="other",
        instrument="BTCUSDT",
        quantity="-" + position["positionAmt"],
        entry_price=position["entryPrice"],
    )
    books.send(
        "opening_position",
        account="me",
        instrument="BTCUSDT",
        quantity=position["positionAmt"],
        entry_price=position["entryPrice"],
    )
    books.send("price", instrument="BTCUSDT", mark_price=position["markPrice"])
    _set_isolated(books, "BTCUSDT", Fraction(position["isolatedWallet"]))
    return position, books


def test_binance_liquidation_price_agrees_in_eight_decimals(
    binance: tuple[dict[str, str], Books],
) -> None:
    position, books = binance
    found = books.liquidation_price("me", "BTCUSDT")
    assert found == Fraction(position["liquidationPrice"])
    wallet, size = Fraction(position["isolatedWallet"]), Fraction(position["positionAmt"])
    by_hand = (wallet - size * Fraction(position["entryPrice"])) / (size / 100 - size)
    assert found == rounded(by_hand, 8)


def test_binance_notional_pnl_and_margin_agree(binance: tuple[dict[str, str], Books]) -> None:
    position, books = binance
    statement = books.statement("me", "BTCUSDT")
    (line,) = statement.positions
    assert books.money(line.value) == Fraction(position["notional"])
    assert books.money(line.cost + line.value) == Fraction(position["unRealizedProfit"])
    assert books.money(statement.equity) == Fraction(position["isolatedMargin"])
    notional = Fraction(position["positionAmt"]) * Fraction(position["markPrice"])
    assert books.money(statement.maintenance) == up(notional / 100, 8)
    assert books.money(statement.initial) == up(notional / 20, 8)


# ------------------------------------------------------------------------------------------- BitMEX


@pytest.fixture
def bitmex(vectors: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], Books]:
    """The isolated short of 500, opened one contract at a time, with BitMEX's position margin.

    BitMEX's margin holds a reserve for the closing fee (`posComm`); the ledger knows none.
    """
    vector = vectors["bitmex"]
    position = vector["position"]
    books = Books(settlement_asset="XBT", scale=8, is_checked=False)
    books.send(
        "instrument",
        instrument="XBTUSD",
        type="inverse",
        multiplier="1",
        price_scale=2,
        quantity_scale=0,
        expiry=None,
        tiers=single_tier(Fraction(1, 200), Fraction(1, 100)),
    )
    _isolated(books, "XBTUSD", "25", "10", asset="XBT")
    for _ in range(CONTRACTS):
        for account, quantity in (("other", "1"), ("me", "-1")):
            books.send(
                "opening_position",
                account=account,
                instrument="XBTUSD",
                quantity=quantity,
                entry_price=str(position["avgEntryPrice"]),
            )
    books.send("price", instrument="XBTUSD", mark_price=position["markPrice"])
    _set_isolated(books, "XBTUSD", Fraction(position["posMargin"], SATOSHI))
    return vector, books


def test_bitmex_cost_of_single_contracts_is_exactly_the_venues(
    bitmex: tuple[dict[str, Any], Books],
) -> None:
    vector, books = bitmex
    (line,) = books.statement("me", "XBTUSD").positions
    assert line.cost == -vector["position"]["posCost"] == -7_435_000
    assert line.cost == -CONTRACTS * round(Fraction(SATOSHI, 6725))


def test_bitmex_values_differ_by_its_rounding_of_one_contract(
    bitmex: tuple[dict[str, Any], Books],
) -> None:
    vector, books = bitmex
    seen = []
    for marked in [vector["position"], *vector["later"]]:
        price = Fraction(marked["markPrice"])
        books.send("price", instrument="XBTUSD", mark_price=marked["markPrice"])
        statement = books.statement("me", "XBTUSD")
        (line,) = statement.positions
        assert line.value == down(CONTRACTS * SATOSHI / price, 0)
        assert marked["markValue"] == CONTRACTS * round(SATOSHI / price)
        assert abs(line.value - marked["markValue"]) <= ROUNDING
        assert abs(line.cost + line.value - marked["unrealisedPnl"]) <= ROUNDING
        assert abs(statement.equity - marked["maintMargin"]) <= ROUNDING
        assert statement.equity - marked["maintMargin"] == line.value - marked["markValue"]
        seen.append(line.value - marked["markValue"])
    assert seen == [-46, -175, -206]


def test_bitmex_liquidation_price_differs_by_its_older_rule(
    bitmex: tuple[dict[str, Any], Books],
) -> None:
    """BitMEX takes maintenance of the *entry* value and keeps the fee reserve out of reach.

    Allowed loss = posMargin - posMaint = 260,225 satoshi, and the price is rounded to its tick of
    0.5 towards safety. With the same loss allowed in the ledger's rule, maintenance of the value at
    the mark, the price lies 1.7 higher.
    """
    vector, books = bitmex
    position = vector["position"]
    assert position["posMargin"] == position["posInit"] + position["posComm"]
    assert position["posInit"] == position["posCost"] // 25
    assert position["posMaint"] == position["posCost"] // 200 + position["posComm"]
    allowed = position["posMargin"] - position["posMaint"]
    exact = Fraction(CONTRACTS * SATOSHI, position["posCost"] - allowed)
    assert 0 <= exact - Fraction(position["liquidationPrice"]) < Fraction(1, 2)
    _set_isolated(books, "XBTUSD", Fraction(position["posInit"], SATOSHI))
    found = books.liquidation_price("me", "XBTUSD")
    assert found is not None
    value = (position["posCost"] - position["posInit"]) / (1 - Fraction(1, 200))
    assert found == rounded(CONTRACTS * SATOSHI / value, 2)
    assert Fraction(1) < found - Fraction(position["liquidationPrice"]) < Fraction(2)


def test_bitmex_bankruptcy_price_agrees_within_two_ticks(
    bitmex: tuple[dict[str, Any], Books],
) -> None:
    """The value at which the account has nothing left is its cost less its margin."""
    vector, books = bitmex
    position = vector["position"]
    _set_isolated(books, "XBTUSD", Fraction(position["posInit"], SATOSHI))
    books.change_pool(liquidation="full")
    books.send("price", instrument="XBTUSD", mark_price="6985")
    (body,) = books.bodies("takeover")
    exact = Fraction(CONTRACTS * SATOSHI, position["posCost"] - position["posInit"])
    found = body["bankruptcy_price"]
    assert found == body["takeover_price"] == rounded(exact, 2)
    assert 0 < found - Fraction(position["bankruptPrice"]) < 1


# -------------------------------------------------------------------------------------------- Bybit


def test_bybit_pnl_agrees_and_margins_differ_by_its_fee_reserve(
    vectors: dict[str, dict[str, Any]],
) -> None:
    position = vectors["bybit"]["position"]
    size, mark = Fraction(position["size"]), Fraction(position["markPrice"])
    books = Books(scale=8)
    books.list_linear(
        "ETHUSDT",
        single_tier(Fraction(1, 200), Fraction(1, 100)),
        price_scale=8,
        quantity_scale=2,
    )
    books.admit("me", "other")
    books.send("position_mode", account="me", instrument="ETHUSDT", mode="cross", leverage="30")
    for account, quantity in (("me", -size), ("other", size)):
        books.send("opening_balance", account=account, asset="USD", amount="1000")
        books.send(
            "opening_position",
            account=account,
            instrument="ETHUSDT",
            quantity=written(quantity),
            entry_price=position["entryPrice"],
        )
    books.send("price", instrument="ETHUSDT", mark_price=position["markPrice"])
    statement = books.statement("me")
    assert books.money(statement.unrealized_pnl) == Fraction(position["unrealisedPnl"])
    closing_fee = size * mark * Fraction(6, 10_000)
    for ours, theirs in (
        (statement.maintenance, position["positionMM"]),
        (statement.initial, position["positionIM"]),
    ):
        assert 0 < Fraction(theirs) - books.money(ours) < closing_fee


# ------------------------------------------------------------------------------------------- common


def _isolated(books: Books, instrument: str, leverage: str, money: str, asset: str = "USD") -> None:
    """`me` with this isolated leverage; both sides with money."""
    books.admit("me", "other")
    books.send(
        "position_mode",
        account="me",
        instrument=instrument,
        mode="isolated",
        leverage=leverage,
    )
    for account in ("me", "other"):
        books.send("opening_balance", account=account, asset=asset, amount=money)


def _set_isolated(books: Books, instrument: str, wanted: Fraction) -> None:
    """Move margin in or out until the isolated account holds this much."""
    moved = wanted - books.balance("me", "isolated", instrument)
    if moved:
        books.send("isolated_transfer", account="me", instrument=instrument, amount=written(moved))
