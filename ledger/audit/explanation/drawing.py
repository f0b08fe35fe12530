"""A margin account's statement drawn up from the books alone, where no record holds one."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from ledger.audit.explanation.account import ZERO, Asset, Holding, MarginAccount
from ledger.audit.explanation.arithmetic import decimal, number
from ledger.audit.explanation.statements import balance_at, is_stale


def drawn_up(
    inputs: Mapping[str, Any], account: str, margin_instrument: str | None, body: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The statement at the moment of the event at which equity and initial margin are as recorded.

    Args:
        inputs: With books, terms, marks, prices and modes.
        account, margin_instrument: Whose.
        body: A record with `equity` and `initial_margin`.

    Returns:
        That statement; where no moment fits, the one at the end of the event; None without books.
    """
    newest: dict[str, Any] | None = None
    for line in _cuts(inputs, account):
        statement = _statement(inputs, account, margin_instrument, line)
        newest = newest or statement
        if all(number(statement[key]) == number(body[key]) for key in ("equity", "initial_margin")):
            return statement
    return newest


def _cuts(inputs: Mapping[str, Any], account: str) -> Iterator[int]:
    lines = {0} | {
        posting["line"]
        for book in inputs["books"]
        if book["owner"] == account
        for posting in book["postings"]
    }
    yield from sorted(lines, reverse=True)


def _statement(
    inputs: Mapping[str, Any], account: str, isolated: str | None, line: int
) -> dict[str, Any]:
    pool = inputs["terms"]["pool"]
    settlement, scale = pool["settlement_asset"], pool["scale"]
    held: dict[tuple[str, str | None], Fraction] = {}
    for book in inputs["books"]:
        if book["owner"] == account:
            name = book["asset"] if book["kind"] == "wallet" else book["instrument"]
            held[book["kind"], name] = balance_at(book, line)
    balance = held.get(("wallet", settlement) if isolated is None else ("isolated", isolated), ZERO)
    found = MarginAccount(scale, balance)
    assets = [_asset_line(settlement, balance, None, "0", balance, scale)]
    for (kind, name), amount in sorted(
        held.items(), key=lambda item: (item[0][0], str(item[0][1]))
    ):
        if kind == "wallet" and isolated is None and amount and name not in (None, settlement):
            assets.append(_collateral(inputs, found, str(name), amount))
    positions = [
        _position(inputs, found, str(name), quantity, held.get(("variation", name), ZERO))
        for (kind, name), quantity in sorted(held.items(), key=lambda item: str(item[0][1]))
        if kind == "position" and quantity and _mode(inputs, name) == isolated
    ]
    gained = sum((number(one["cost"]) + number(one["value"]) for one in positions), ZERO)
    return {
        "account": account,
        "margin_instrument": isolated,
        "asset": settlement,
        "scale": scale,
        "assets": assets,
        "collateral": decimal(found.equity() - gained, scale),
        "positions": positions,
        "unrealized_pnl": decimal(gained, scale),
        "equity": decimal(found.equity(), scale),
        "maintenance_margin": decimal(found.maintenance(), scale),
        "initial_margin": decimal(found.initial(), scale),
    }


def _mode(inputs: Mapping[str, Any], name: str | None) -> str | None:
    chosen = inputs["modes"].get(name) or {}
    return name if chosen.get("mode") == "isolated" else None


def _asset_line(
    name: str, balance: Fraction, price: str | None, haircut: str, value: Fraction, scale: int
) -> dict[str, Any]:
    return {
        "asset": name,
        "balance": decimal(balance, scale),
        "price": price,
        "haircut": haircut,
        "value": decimal(value, scale),
    }


def _collateral(
    inputs: Mapping[str, Any], found: MarginAccount, name: str, balance: Fraction
) -> dict[str, Any]:
    terms = inputs["terms"]["assets"][name]
    price = (inputs["asset_prices"].get(name) or {}).get("price")
    asset = Asset(
        name,
        balance,
        None if price is None else number(price),
        number(terms["haircut"]),
        terms["scale"],
    )
    found.assets.append(asset)
    return _asset_line(
        name, balance, price, terms["haircut"], asset.value(found.scale), found.scale
    )


def _position(
    inputs: Mapping[str, Any], found: MarginAccount, name: str, quantity: Fraction, cost: Fraction
) -> dict[str, Any]:
    terms, scale = inputs["terms"]["instruments"][name], found.scale
    mark = inputs["marks"].get(name)
    line: dict[str, Any] = {
        "instrument": name,
        "type": terms["type"],
        "multiplier": terms["multiplier"],
        "quantity": decimal(quantity),
        "cost": decimal(cost, scale),
        "mark_price": mark and mark["mark_price"],
        "value": "0",
        "leverage": (inputs["modes"].get(name) or {}).get("leverage"),
        **{
            key: terms["tiers"][0][key]
            for key in ("initial_rate", "maintenance_rate", "maintenance_amount")
        },
        "maintenance_margin": "0",
        "initial_margin": "0",
        "stale": is_stale(mark, terms, inputs["pool_time"]),
    }
    held = Holding.of(line, terms)
    found.hold(held)
    line["value"] = decimal(held.value(scale), scale)
    if mark is not None:
        line |= {
            key: held.tier()[key]
            for key in ("initial_rate", "maintenance_rate", "maintenance_amount")
        }
        line["maintenance_margin"] = decimal(held.maintenance(scale), scale)
        line["initial_margin"] = decimal(held.initial(scale), scale)
    return line
