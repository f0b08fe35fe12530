"""Hyperliquid's clearinghouse states, read as fractions, and the same accounts built in the core.

The venue's margin schedule is one rate a coin: maintenance `l = 1/(2 * max_leverage)`, initial at
the chosen leverage. Numbers of the file carry the noise of binary floats past their sixth decimal
(money, sizes): they are rounded to it first.

Three states show a part of a larger account. What they leave out is put into two more positions at
their mark, one long and one short, with the notional and the net value that the totals leave: they
stand still, and the account is whole.
"""

import gzip
import json
from fractions import Fraction
from typing import Any, NamedTuple

from tests.importers.venue import venue_file
from tests.market.books import Books, rounded, single_tier, written

STATES = "hyperliquid-clearinghouse-states/states.jsonl.gz"
MONEY = 6
PRICE = 15
"""Price decimals in the core, so that entry notional and liquidation price lose nothing."""

CROSS10 = "hl-state-2026-10-02-cross10"
MAY_2023 = "hl-state-2023-05-cross"
REST = {1: "REST-LONG", -1: "REST-SHORT"}
ME, OTHER = "me", "other"


class Held(NamedTuple):
    """A position of the venue; `size`, `value` and `entry_value` signed, long positive."""

    coin: str
    size: Fraction
    value: Fraction
    pnl: Fraction
    entry_price: Fraction
    leverage: int
    max_leverage: int
    margin_used: Fraction
    liquidation: Fraction | None
    cash: Fraction | None
    """Of an isolated position."""

    @property
    def mark(self) -> Fraction:
        return self.value / self.size

    @property
    def entry_value(self) -> Fraction:
        return self.value - self.pnl

    @property
    def maintenance_rate(self) -> Fraction:
        return Fraction(1, 2 * self.max_leverage)

    @property
    def maintenance(self) -> Fraction:
        return abs(self.value) * self.maintenance_rate


class Account(NamedTuple):
    """A state of the venue; totals are of its cross account."""

    name: str
    positions: list[Held]
    equity: Fraction
    cash: Fraction
    notional: Fraction
    margin_used: Fraction
    maintenance: Fraction | None
    withdrawable: Fraction

    @property
    def cross(self) -> list[Held]:
        return [held for held in self.positions if held.cash is None]

    @property
    def isolated(self) -> list[Held]:
        return [held for held in self.positions if held.cash is not None]

    @property
    def is_whole(self) -> bool:
        """Every position is shown."""
        return not any(self.rest.values())

    @property
    def rest(self) -> dict[int, Fraction]:
        """Value of the positions that the state leaves out, by side."""
        gross = self.notional - sum(abs(held.value) for held in self.cross)
        net = self.equity - self.cash - sum(held.value for held in self.cross)
        return {side: (net + side * gross) / 2 for side in REST}


def accounts() -> list[Account]:
    """All seven."""
    with gzip.open(venue_file(STATES), "rt") as text:
        return [_account(json.loads(line)) for line in text]


def _account(row: dict[str, Any]) -> Account:
    state = row["state"]
    totals = state["crossMarginSummary"]
    maintenance = state.get("crossMaintenanceMarginUsed")
    return Account(
        row["id"],
        [_held(each["position"]) for each in state["assetPositions"]],
        _money(totals["accountValue"]),
        _money(totals["totalRawUsd"]),
        _money(totals["totalNtlPos"]),
        _money(totals["totalMarginUsed"]),
        None if maintenance is None else _money(maintenance),
        _money(state["withdrawable"]),
    )


def _held(position: dict[str, Any]) -> Held:
    size = _money(position["szi"])
    side = 1 if size > 0 else -1
    leverage = position["leverage"]
    liquidation = position["liquidationPx"]
    return Held(
        position["coin"],
        size,
        side * _money(position["positionValue"]),
        _money(position["unrealizedPnl"]),
        Fraction(position["entryPx"]),
        int(leverage["value"]),
        int(position.get("maxLeverage", 50)),
        _money(position["marginUsed"]),
        None if liquidation is None else Fraction(liquidation),
        _money(leverage["rawUsd"]) if leverage["type"] == "isolated" else None,
    )


def _money(text: str) -> Fraction:
    return rounded(Fraction(text), MONEY)


def built(account: Account) -> Books:
    """The account in the core, at the venue's marks: quantities, entry notional and cash match."""
    books = Books(scale=MONEY)
    books.admit(ME, OTHER)
    wallet = account.cash + sum(held.entry_value for held in account.cross)
    wallet += sum(account.rest.values())
    books.send("opening_balance", account=OTHER, asset="USD", amount="1000000000")
    books.send("opening_balance", account=ME, asset="USD", amount=written(wallet + _LENT))
    for held in account.positions:
        _open(books, held)
    for side, value in account.rest.items():
        if value:
            books.list_linear(
                REST[side],
                single_tier(Fraction(1, 100), Fraction(1, 20)),
                price_scale=MONEY + 1,
                quantity_scale=0,
            )
            _hold(books, REST[side], Fraction(side), abs(value))
            books.send("price", instrument=REST[side], mark_price=written(abs(value)))
    surplus = books.balance(ME, "wallet") - wallet
    books.send("opening_balance", account=ME, asset="USD", amount=written(-surplus))
    return books


_LENT = Fraction(10**9)
"""Cash that lets isolated margin in; it goes again when everything stands."""


def _open(books: Books, held: Held) -> None:
    books.list_linear(
        held.coin,
        single_tier(held.maintenance_rate, Fraction(1, held.max_leverage)),
        price_scale=PRICE,
        quantity_scale=MONEY,
    )
    mode = "cross" if held.cash is None else "isolated"
    books.send(
        "position_mode",
        account=ME,
        instrument=held.coin,
        mode=mode,
        leverage=str(held.leverage),
    )
    _hold(books, held.coin, held.size, rounded(held.entry_value / held.size, PRICE))
    books.send("price", instrument=held.coin, mark_price=written(held.mark))
    if held.cash is not None:
        wanted = held.cash + held.entry_value
        moved = wanted - books.balance(ME, "isolated", held.coin)
        books.send("isolated_transfer", account=ME, instrument=held.coin, amount=written(moved))


def _hold(books: Books, instrument: str, size: Fraction, price: Fraction) -> None:
    """Open the position, and its other side with somebody else, so that the house is flat."""
    for account, quantity in ((ME, size), (OTHER, -size)):
        books.send(
            "opening_position",
            account=account,
            instrument=instrument,
            quantity=written(quantity),
            entry_price=written(price),
        )
