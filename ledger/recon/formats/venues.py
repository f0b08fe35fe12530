"""The files of venues that the importers read, as the venue's own word on its trades.

| format | what comes out |
|---|---|
| `hyperliquid` | perpetual trades between two accounts: what the importer puts into the books |
| `hyperliquid-all` | spot ones and those of an account with itself as well |
| `binance`, `bitmex` | the tape: trades without accounts and fees |

Hyperliquid's four formats are told by their first line. Instruments and accounts have the names
that the importer gives them, unless the mapping says others. A side that a file does not have, and
a fee in another token than USDC, are not told. The venue prints binary doubles: sizes and fees of
more than 15 digits are read as the numbers that were meant.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from ledger.importers.deals import COUNTERPARTY, Deal, Side, deals
from ledger.importers.hyperliquid import SETTLEMENT_ASSET, instrument_id
from ledger.importers.run import ImportOptions
from ledger.recon.formats.tables.csv_rows import csv_rows
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.formats.tables.trades import trades_of
from ledger.recon.lines import Trade

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BINANCE = {
    "trade_id": "trade_id",
    "at": "trade_ms",
    "instrument": "symbol",
    "price": "price",
    "quantity": "qty",
}
_BITMEX = {
    "trade_id": "trade_id",
    "at": "timestamp",
    "instrument": "symbol",
    "price": "price",
    "quantity": "size",
}


def hyperliquid(path: Path, mapping: SourceMapping) -> Iterator[Trade]:
    """Perpetual trades between two accounts.

    Raises:
        ImportFailed: While iterating; names file and line.
    """
    for deal in deals(path, ImportOptions()):
        if deal.is_perpetual and deal.buyer.account != deal.seller.account:
            yield _trade(deal, mapping)


def hyperliquid_all(path: Path, mapping: SourceMapping) -> Iterator[Trade]:
    """Every trade of the file; a spot one has its coin as instrument.

    Raises:
        ImportFailed: While iterating; names file and line.
    """
    for deal in deals(path, ImportOptions()):
        yield _trade(deal, mapping)


def binance(path: Path, mapping: SourceMapping) -> Iterator[Trade]:
    """The trades of a tape; no accounts, no fees."""
    return trades_of(csv_rows, path, replace(mapping, columns=_BINANCE, time="epoch_ms"))


def bitmex(path: Path, mapping: SourceMapping) -> Iterator[Trade]:
    """The trades of a tape; no accounts, no fees."""
    return trades_of(csv_rows, path, replace(mapping, columns=_BITMEX, time="iso"))


def _trade(deal: Deal, mapping: SourceMapping) -> Trade:
    instrument = instrument_id(deal.coin) if deal.is_perpetual else deal.coin
    return Trade(
        line=deal.line,
        trade_id=deal.trade_id or deal.identity,
        at=_EPOCH + timedelta(microseconds=deal.occurred_at),
        instrument=mapping.commodities.get(instrument, instrument),
        price=deal.price,
        quantity=deal.quantity,
        buyer=_account(deal.buyer, mapping),
        seller=_account(deal.seller, mapping),
        buyer_fee=_fee(deal.buyer),
        seller_fee=_fee(deal.seller),
    )


def _account(side: Side, mapping: SourceMapping) -> str | None:
    if side.account == COUNTERPARTY:
        return None
    return mapping.accounts.get(side.account, side.account)


def _fee(side: Side) -> Decimal | None:
    is_told = side.account != COUNTERPARTY and side.fee_token == SETTLEMENT_ASSET
    return side.fee if is_told else None
