"""Binance perpetual trade tapes to wire events, with mark prices from best bids and asks.

Rules of this file:

* One file holds one symbol: `...USDT` and `...USDC` are linear (a contract is one coin, paid in the
  quote asset), `...USD_PERP` inverse (a contract is 100 US dollars of BTC, 10 of any other coin,
  paid in the coin).
* Trade numbers count up by one. A jump is a gap in the report; nothing is made up for it, as a
  tape has no positions that could show what was missed.
* With `prices`, the middle of each best bid and ask becomes a `price` event, before the trades
  of the same millisecond or later. A middle may need one more decimal than the prices have.
* Buyers and sellers are drawn (`tape`). Fees are zero: they are not on the tape.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from ledger.errors import ConfigurationError
from ledger.importers.reading import Row, instant, plain, table_rows
from ledger.importers.run import Gap, ImportOptions, ImportReport, WireEvent
from ledger.importers.tape import Contract, Draw, TapeSurvey, reference
from ledger.importers.wire import Wire, event_id, identifier

TRADE_COLUMNS = ("trade_ms", "symbol", "trade_id", "price", "qty")
PRICE_COLUMNS = ("time_ms", "symbol", "bid", "ask")

_LINEAR_QUOTES = ("USDT", "USDC")
_INVERSE_SUFFIX = "USD_PERP"


class _Trade(NamedTuple):
    row: Row
    time_ms: int
    trade_id: int
    price: Decimal
    quantity: Decimal


class _Mark(NamedTuple):
    time_ms: int
    middle: Decimal


def contract(row: Row, symbol: str) -> Contract:
    """What the symbol trades.

    Raises:
        ImportFailed: No perpetual of a kind known here.
    """
    coin = symbol.removesuffix(_INVERSE_SUFFIX)
    if coin not in (symbol, ""):
        return Contract("inverse", "100" if coin == "BTC" else "10", coin)
    for quote in _LINEAR_QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return Contract("linear", "1", quote)
    raise row.failure(f"symbol {symbol!r}, expected ...USDT, ...USDC or ...USD_PERP")


def binance(path: Path, options: ImportOptions, report: ImportReport) -> Iterator[WireEvent]:
    """The importer; see the rules above.

    Raises:
        ConfigurationError: Fewer than two accounts.
        ImportFailed: A line does not read as its format says, or a gap with `on_gap="stop"`.
    """
    draw = Draw(options)
    survey = _survey(path, options)
    if survey is None:
        report.warnings.append("the file has no trades: no events")
        return
    pool = options.pool or survey.contract.settlement_asset.lower()
    since = survey.since
    wire = Wire("bn", pool, instant(since * 1000), since // 1000)
    yield from reference(wire, survey, draw, "binance")
    yield from _Tape(wire, survey, draw, options, report).events(path)


def _survey(path: Path, options: ImportOptions) -> TapeSurvey | None:
    survey: TapeSurvey | None = None
    for trade in _trades(path):
        symbol = identifier(trade.row.text("symbol"))
        if survey is None:
            survey = TapeSurvey(symbol, contract(trade.row, symbol), trade.time_ms)
        elif symbol != survey.symbol:
            raise trade.row.failure(f"symbol {symbol}, expected {survey.symbol} as above")
        survey.see(trade.price, trade.quantity)
    if survey is not None and options.prices is not None:
        for mark in _marks(options.prices, survey.symbol):
            survey.see(mark.middle)
            survey.since = min(survey.since, mark.time_ms)
    return survey


def _trades(path: Path) -> Iterator[_Trade]:
    for line, fields in table_rows(path, TRADE_COLUMNS):
        row = Row(path, line, fields)
        when = row.moment(row.whole("trade_ms") * 1000) // 1000
        yield _Trade(row, when, row.whole("trade_id"), row.positive("price"), row.positive("qty"))


def _marks(path: Path, symbol: str) -> Iterator[_Mark]:
    for line, fields in table_rows(path, PRICE_COLUMNS):
        row = Row(path, line, fields)
        if row.text("symbol") != symbol:
            message = f"{path} has prices of {row.text('symbol')}, expected {symbol}"
            raise ConfigurationError(message)
        when = row.moment(row.whole("time_ms") * 1000) // 1000
        yield _Mark(when, (row.positive("bid") + row.positive("ask")) / 2)


class _Tape:
    """The second reading: trades and prices by time, trade numbers watched."""

    def __init__(
        self,
        wire: Wire,
        survey: TapeSurvey,
        draw: Draw,
        options: ImportOptions,
        report: ImportReport,
    ) -> None:
        self._wire = wire
        self._symbol = survey.symbol
        self._draw = draw
        self._options = options
        self._report = report
        self._next_id: int | None = None

    def events(self, path: Path) -> Iterator[WireEvent]:
        """Prices and trades."""
        prices = self._options.prices
        marks = iter(()) if prices is None else _marks(prices, self._symbol)
        mark = next(marks, None)
        for trade in _trades(path):
            while mark is not None and mark.time_ms <= trade.time_ms:
                yield self._price(mark)
                mark = next(marks, None)
            yield self._trade(trade)
        while mark is not None:
            yield self._price(mark)
            mark = next(marks, None)

    def _price(self, mark: _Mark) -> WireEvent:
        identity = event_id("bn", self._symbol, "price", mark.time_ms)
        return self._wire.price(
            identity, instant(mark.time_ms * 1000), self._symbol, plain(mark.middle)
        )

    def _trade(self, trade: _Trade) -> WireEvent:
        self._report.rows += 1
        when = instant(trade.time_ms * 1000)
        expected = trade.trade_id if self._next_id is None else self._next_id
        self._next_id = trade.trade_id + 1
        if trade.trade_id != expected:
            missing = trade.trade_id - expected
            numbers = str(expected), str(trade.trade_id), str(missing)
            gap = Gap(trade.row.line, when, None, self._symbol, *numbers)
            self._report.note_gap(gap, self._options)
        return self._wire.trade(
            event_id("bn", self._symbol, trade.trade_id),
            when,
            self._symbol,
            plain(trade.price),
            plain(trade.quantity),
            self._draw.pair(),
            trade_id=str(trade.trade_id),
        )
