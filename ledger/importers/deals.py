"""The four file formats of Hyperliquid fills, read as one stream of deals.

How it works: the first line tells the format.

| first line | format | sides |
|---|---|---|
| CSV with `buyer`, `seller` | node trades, one row a trade | both |
| JSON with `events` | node blocks as written (`node_fills_by_block`), one block a line | both |
| CSV with `account`, `side` | history of accounts | one |
| JSON with `startPosition` | `userFills` objects, one a line | one |

The venue prints binary doubles: sizes, positions and amounts are read with `double`.
Where a file has one side only, `counterparty` is the other; it has no start position and no fee.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple

from ledger.importers.reading import (
    Row,
    doubled,
    failure,
    first_line,
    json_rows,
    moment,
    table_rows,
)
from ledger.importers.run import ImportOptions
from ledger.importers.wire import event_id, identifier

COUNTERPARTY = "counterparty"

Format = Literal["trades", "blocks", "history", "fills"]

TRADE_COLUMNS = (
    *("time_ms", "coin", "is_spot", "tid", "px", "sz", "buyer", "seller", "liquidated_user"),
    *("buyer_start_position", "buyer_closed_pnl", "buyer_fee", "buyer_fee_token"),
    *("seller_start_position", "seller_closed_pnl", "seller_fee", "seller_fee_token"),
)
HISTORY_COLUMNS = (
    *("seq", "account", "coin", "is_spot", "time_utc_minute", "px", "sz", "side"),
    *("start_position", "closed_pnl", "fee"),
)


class Side(NamedTuple):
    """One participant's half of a deal.

    Attributes:
        account: An id of the wire.
        start: Signed position before the deal; None where the file does not have this side.
        closed_pnl: The venue's realized P&L, without fees.
        fee: Paid, in `fee_token`; negative for a rebate. A builder's fee is part of it.
    """

    account: str
    start: Decimal | None
    closed_pnl: Decimal
    fee: Decimal
    fee_token: str


class Deal(NamedTuple):
    """One trade between two accounts.

    Attributes:
        line: Of the file, from 1.
        identity: Deterministic event id of the trade.
        trade_id: The venue's number, or None.
        occurred_at: Microseconds since 1970.
    """

    line: int
    identity: str
    trade_id: str | None
    occurred_at: int
    coin: str
    is_perpetual: bool
    price: Decimal
    quantity: Decimal
    buyer: Side
    seller: Side
    is_liquidation: bool


_NOBODY = Side(COUNTERPARTY, None, Decimal(0), Decimal(0), "USDC")


def file_format(path: Path) -> Format:
    """Which of the four it is, by its first line.

    Raises:
        ImportFailed: None of them.
    """
    line = first_line(path)
    if line.startswith("{"):
        try:
            keys = json.loads(line).keys()
        except (ValueError, RecursionError) as error:
            raise failure(path, 1, f"is not JSON ({error})") from error
        if "events" in keys:
            return "blocks"
        if "startPosition" in keys:
            return "fills"
    columns = line.split(",")
    if "buyer" in columns and "seller" in columns:
        return "trades"
    if "account" in columns and "side" in columns:
        return "history"
    message = (
        f"begins with {line[:80]!r}; expected a CSV header with buyer and seller or with account"
        " and side, or JSON lines with events or with startPosition"
    )
    raise failure(path, 1, message)


def deals(path: Path, options: ImportOptions) -> Iterator[Deal]:
    """All deals of the file in its order, spot ones included."""
    match file_format(path):
        case "trades":
            return _trades(path)
        case "blocks":
            return _blocks(path)
        case "history":
            return _history(path)
        case "fills":
            return _fills(path, options)


def _is_perpetual(coin: str) -> bool:
    """Spot pairs are `@107` or `PURR/USDC`, outcome tokens `#2310`."""
    return not (coin.startswith(("@", "#")) or "/" in coin)


def _milliseconds(row: Row, name: str) -> int:
    return row.moment(row.whole(name) * 1000)


def _trades(path: Path) -> Iterator[Deal]:
    for line, fields in table_rows(path, TRADE_COLUMNS):
        row = Row(path, line, fields)
        coin = row.text("coin")
        spot = row.choice("is_spot", ("0", "1")) == "1"
        yield Deal(
            line=line,
            identity=event_id("hl", row.text("tid")),
            trade_id=row.text("tid"),
            occurred_at=_milliseconds(row, "time_ms"),
            coin=coin,
            is_perpetual=not spot and _is_perpetual(coin),
            price=row.positive("px"),
            quantity=doubled(row.positive("sz")),
            buyer=_trade_side(row, "buyer"),
            seller=_trade_side(row, "seller"),
            is_liquidation=bool(fields["liquidated_user"]),
        )


def _trade_side(row: Row, side: str) -> Side:
    return Side(
        account=identifier(row.text(side)),
        start=row.double(f"{side}_start_position"),
        closed_pnl=row.double(f"{side}_closed_pnl"),
        fee=row.double(f"{side}_fee"),
        fee_token=row.text(f"{side}_fee_token"),
    )


def _blocks(path: Path) -> Iterator[Deal]:
    """A block holds both fills of a trade, one after the other; they are matched by `tid`."""
    for line, block in json_rows(path):
        waiting: dict[str, tuple[str, Row]] = {}
        events = block.get("events")
        if not isinstance(events, list):
            raise failure(path, line, "no list of events in the block")
        for event in events:
            account, row = _block_fill(path, line, event)
            tid = row.text("tid")
            other = waiting.pop(tid, None)
            if other is None:
                waiting[tid] = (account, row)
            else:
                yield _matched(tid, other, (account, row))
        if waiting:
            alone = ", ".join(waiting)
            raise failure(path, line, f"only one side of trade {alone}, expected two in its block")


def _block_fill(path: Path, line: int, event: object) -> tuple[str, Row]:
    match event:
        case [str(account), dict(fill)]:
            return identifier(account), Row(path, line, fill)
        case _:
            raise failure(path, line, "an event of the block is not [account, fill]")


def _matched(tid: str, first: tuple[str, Row], second: tuple[str, Row]) -> Deal:
    """The trade of two fills."""
    row = first[1]
    sides = {fill.choice("side", ("A", "B")): (account, fill) for account, fill in (first, second)}
    if len(sides) != 2:  # noqa: PLR2004
        raise row.failure(f"both fills of trade {tid} are on side {row.text('side')}")
    for name in ("coin", "px", "sz", "time"):
        values = [row.text(name), second[1].text(name)]
        if values[0] != values[1]:
            raise row.failure(f"the fills of trade {tid} differ in {name}: {' and '.join(values)}")
    return _deal(row, event_id("hl", tid), _fill_side(*sides["B"]), _fill_side(*sides["A"]))


def _fill_side(account: str, row: Row) -> Side:
    return Side(
        account=account,
        start=row.double("startPosition"),
        closed_pnl=row.double("closedPnl"),
        fee=row.double("fee"),
        fee_token=row.text("feeToken"),
    )


def _deal(row: Row, identity: str, buyer: Side, seller: Side) -> Deal:
    coin = row.text("coin")
    return Deal(
        line=row.line,
        identity=identity,
        trade_id=row.text("tid"),
        occurred_at=_milliseconds(row, "time"),
        coin=coin,
        is_perpetual=_is_perpetual(coin),
        price=row.positive("px"),
        quantity=doubled(row.positive("sz")),
        buyer=buyer,
        seller=seller,
        is_liquidation="liquidation" in row.fields,
    )


def _fills(path: Path, options: ImportOptions) -> Iterator[Deal]:
    account = identifier(options.account)
    for line, fields in json_rows(path):
        row = Row(path, line, fields)
        own = _fill_side(account, row)
        identity = event_id("hl", account, row.text("tid"))
        bought = row.choice("side", ("A", "B")) == "B"
        yield _deal(row, identity, *((own, _NOBODY) if bought else (_NOBODY, own)))


def _history(path: Path) -> Iterator[Deal]:
    for line, fields in table_rows(path, HISTORY_COLUMNS):
        row = Row(path, line, fields)
        coin = row.text("coin")
        spot = row.choice("is_spot", ("0", "1")) == "1"
        own = Side(
            account=identifier(row.text("account")),
            start=row.double("start_position"),
            closed_pnl=row.double("closed_pnl"),
            fee=row.double("fee"),
            fee_token="USDC",  # noqa: S106 - a currency
        )
        bought = row.choice("side", ("A", "B")) == "B"
        yield Deal(
            line=line,
            identity=event_id("hl", own.account, row.text("seq")),
            trade_id=None,
            occurred_at=moment(row, "time_utc_minute"),
            coin=coin,
            is_perpetual=not spot and _is_perpetual(coin),
            price=row.positive("px"),
            quantity=doubled(row.positive("sz")),
            buyer=own if bought else _NOBODY,
            seller=_NOBODY if bought else own,
            is_liquidation=False,
        )
