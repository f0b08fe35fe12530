"""BitMEX XBTUSD trades to wire events: inverse contracts of one US dollar, paid in XBT.

Rules of this file:

* One file holds one symbol, XBTUSD. Identity is the venue's match id (a UUID).
* The file has no running number, so a missing trade does not show; a repeated match id would, as a
  duplicate in the ledger.
* Buyers and sellers are drawn (`tape`). Fees are zero: they are not in the file.

The venue rounds the value of *one* contract (`round(1e8 / price)` satoshi, from 2022 on to two more
decimals) and multiplies; the ledger rounds the value of the whole trade once. For `n` contracts
the two differ by at most `n/2 + 1/2` satoshi (2022: `n/200 + 1/2`).
"""

from collections.abc import Iterator
from pathlib import Path

from ledger.importers.reading import Row, instant, moment, plain, table_rows
from ledger.importers.run import ImportOptions, ImportReport, WireEvent
from ledger.importers.tape import Contract, Draw, TapeSurvey, reference
from ledger.importers.wire import Wire, event_id

COLUMNS = ("timestamp", "symbol", "size", "price", "trade_id")
SYMBOL = "XBTUSD"
CONTRACT = Contract("inverse", "1", "XBT")


def bitmex(path: Path, options: ImportOptions, report: ImportReport) -> Iterator[WireEvent]:
    """The importer; see the rules above.

    Raises:
        ConfigurationError: Fewer than two accounts.
        ImportFailed: A line does not read as its format says.
    """
    draw = Draw(options)
    survey = _survey(path)
    if survey is None:
        report.warnings.append("the file has no trades: no events")
        return
    pool = options.pool or CONTRACT.settlement_asset.lower()
    wire = Wire("bx", pool, instant(survey.since), survey.since // 1_000_000)
    yield from reference(wire, survey, draw, "bitmex")
    for row in _rows(path):
        report.rows += 1
        yield wire.trade(
            event_id("bx", row.text("trade_id")),
            instant(moment(row, "timestamp")),
            SYMBOL,
            plain(row.positive("price")),
            plain(row.positive("size")),
            draw.pair(),
            trade_id=row.text("trade_id"),
        )


def _rows(path: Path) -> Iterator[Row]:
    for line, fields in table_rows(path, COLUMNS):
        row = Row(path, line, fields)
        row.choice("symbol", (SYMBOL,))
        yield row


def _survey(path: Path) -> TapeSurvey | None:
    survey: TapeSurvey | None = None
    for row in _rows(path):
        if survey is None:
            survey = TapeSurvey(SYMBOL, CONTRACT, moment(row, "timestamp"))
        survey.see(row.positive("price"), row.positive("size"))
    return survey
