"""Binance and BitMEX tapes through the importer, the codec and the core, against their own figures.

Values are worked out here from the files with fractions; BitMEX publishes its own in satoshi.
"""

import csv
import gzip
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from ledger.errors import ConfigurationError, ImportFailed
from ledger.importers import ImportOptions, WireEvent, import_events
from tests.importers.books import Books
from tests.importers.venue import venue_file

TAPE = "binance-perp-tape-2024-08/{}_20240808.trades.csv.gz"
BOOK = "binance-perp-tape-2024-08/{}_20240808.book1s.csv.gz"
XBTUSD = "bitmex-xbtusd-trades/trades-{}.part1.csv.gz"
SATOSHI = 10**8


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as text:
        return list(csv.DictReader(text))


def _trades(events: list[WireEvent]) -> list[WireEvent]:
    return [event for event in events if event["kind"] == "trade"]


@pytest.mark.parametrize(
    ("symbol", "rows", "inverse_multiplier", "asset"),
    [
        ("btcusdt", 21313, None, "USDT"),
        ("btcusd_perp", 2286, 100, "BTC"),
        ("ethusd_perp", 1732, 10, "ETH"),
    ],
)
def test_every_binance_trade_is_booked_at_its_value(
    symbol: str, rows: int, inverse_multiplier: int | None, asset: str
) -> None:
    path = venue_file(TAPE.format(symbol))
    run = import_events("binance", path)
    books = Books(run)
    assert run.report.events["trade"] == run.report.rows == rows
    assert run.report.gaps == []
    assert books.state.pool is not None
    assert (books.state.pool.settlement_asset, books.state.pool.scale) == (asset, 8)
    assert books.state.name == asset.lower()
    for row in _rows(path):
        price, quantity = Fraction(row["price"]), Fraction(row["qty"])
        if inverse_multiplier is None:
            value = quantity * price
        else:
            value = -quantity * inverse_multiplier / price
        identity = f"bn:{row['symbol']}:{row['trade_id']}"
        assert books.costs[identity] == round(value * SATOSHI)  # of a Fraction: half-even


@pytest.mark.parametrize(
    ("day", "rows", "steps"), [("2019-05-03", 3228, 1), ("2022-09-25", 600, 100)]
)
def test_every_xbtusd_value_differs_from_bitmex_by_its_rounding_a_contract(
    day: str, rows: int, steps: int
) -> None:
    """BitMEX rounds one contract to 1/steps satoshi; the ledger rounds the whole trade once."""
    path = venue_file(XBTUSD.format(day))
    run = import_events("bitmex", path)
    books = Books(run)
    assert run.report.rows == rows
    differ = 0
    for row in _rows(path):
        size, gross = int(row["size"]), Decimal(row["gross_value_sat"])
        ours = books.costs[f"bx:{row['trade_id']}"]
        assert ours == round(Fraction(-size * SATOSHI) / Fraction(row["price"]))
        bound = Fraction(size, 2 * steps) + Fraction(1, 2)
        assert abs(Fraction(gross) + ours) <= bound, row
        differ += gross != -ours
    assert differ > 0, "the two rules are told apart by this file"


def test_trade_numbers_that_jump_are_a_gap(tmp_path: Path) -> None:
    packed = venue_file(TAPE.format("ethusd_perp")).read_bytes()
    lines = gzip.decompress(packed).decode().splitlines()
    short = tmp_path / "short.csv"
    short.write_text("\n".join(lines[:10] + lines[12:]) + "\n")
    run = import_events("binance", short)
    list(run)
    (gap,) = run.report.gaps
    assert (gap.line, gap.account, gap.missing) == (11, None, "2")
    assert int(gap.found) - int(gap.expected) == 2
    with pytest.raises(ImportFailed, match=r"line 11 .* missing 2"):
        list(import_events("binance", short, ImportOptions(on_gap="stop")))


@pytest.mark.parametrize("symbol", ["btcusdt", "btcusd_perp", "ethusd_perp"])
def test_marks_are_the_middle_of_the_book_in_order_of_time(symbol: str) -> None:
    prices = venue_file(BOOK.format(symbol))
    run = import_events("binance", venue_file(TAPE.format(symbol)), ImportOptions(prices=prices))
    events = list(run)
    Books(events)
    quotes = _rows(prices)
    marks = [str(event["mark_price"]) for event in events if event["kind"] == "price"]
    middles = [(Decimal(row["bid"]) + Decimal(row["ask"])) / 2 for row in quotes]
    assert [Decimal(mark) for mark in marks] == middles
    times = [str(event["occurred_at"]) for event in events]
    assert times == sorted(times)


def test_a_seed_gives_the_same_accounts_again_and_another_seed_others() -> None:
    path = venue_file(XBTUSD.format("2022-09-25"))
    options = ImportOptions(seed=7, accounts=5)
    first, again = (_trades(list(import_events("bitmex", path, options))) for _ in range(2))
    other = _trades(list(import_events("bitmex", path, ImportOptions(seed=8, accounts=5))))
    assert first == again
    assert first != other
    sides = {str(event[side]) for event in first for side in ("buyer", "seller")}
    assert sides == {f"account-{number}" for number in range(1, 6)}
    assert all(event["buyer"] != event["seller"] for event in first)


def test_one_account_cannot_trade_with_itself() -> None:
    path = venue_file(XBTUSD.format("2022-09-25"))
    with pytest.raises(ConfigurationError, match="1 accounts, expected at least 2"):
        list(import_events("bitmex", path, ImportOptions(accounts=1)))


def test_prices_of_another_symbol_are_refused() -> None:
    options = ImportOptions(prices=venue_file(BOOK.format("btcusdt")))
    with pytest.raises(ConfigurationError, match="prices of BTCUSDT, expected ETHUSD_PERP"):
        list(import_events("binance", venue_file(TAPE.format("ethusd_perp")), options))


def test_prices_for_an_importer_that_takes_none_are_refused() -> None:
    options = ImportOptions(prices=venue_file(BOOK.format("btcusdt")))
    with pytest.raises(ConfigurationError, match="bitmex takes no file of prices"):
        import_events("bitmex", venue_file(XBTUSD.format("2022-09-25")), options)


def test_a_mark_comes_before_the_trades_of_its_millisecond(tmp_path: Path) -> None:
    tape, book = tmp_path / "tape.csv", tmp_path / "book.csv"
    tape.write_text(
        "trade_ms,symbol,trade_id,price,qty\n999,BTCUSDT,1,100.5,1\n1000,BTCUSDT,2,100.5,1\n"
    )
    book.write_text("time_ms,symbol,bid,ask\n1000,BTCUSDT,100,101.1\n2000,BTCUSDT,100,102\n")
    events = list(import_events("binance", tape, ImportOptions(prices=book, accounts=2)))
    assert [event["event_id"] for event in events[-4:]] == [
        "bn:BTCUSDT:1",
        "bn:BTCUSDT:price:1000",
        "bn:BTCUSDT:2",
        "bn:BTCUSDT:price:2000",
    ]
    assert [event["mark_price"] for event in events if event["kind"] == "price"] == [
        "100.55",
        "101",
    ]
    assert events[1]["price_scale"] == 2
    Books(events)
