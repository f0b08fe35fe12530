"""A recorded statement worked again, line by line, and held against the books.

Where it stands in the books: somewhere among the postings of its event there is a moment (a *cut*)
at which every balance of the account is what the statement says. Postings carry running balances,
so the cut is found by trying; a statement at rest is cut at the end of its event.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ledger.audit.explanation.account import ZERO, Asset, Holding, MarginAccount
from ledger.audit.explanation.arithmetic import down, number, tier_number
from ledger.audit.explanation.worksheet import Worksheet
from ledger.audit.times import microseconds


def statement_steps(sheet: Worksheet, place: str) -> MarginAccount:
    """Work every figure of the statement at a place of the inputs; returns the account."""
    unit = sheet.at(f"{place}/asset")
    sheet.carry(f"{place}/asset", "settlement asset", "terms/pool/settlement_asset")
    sheet.carry(f"{place}/scale", "decimals of the settlement asset", "terms/pool/scale")
    account = MarginAccount(sheet.at("terms/pool/scale"), ZERO)
    values = _assets(sheet, place, account, unit)
    formula = " + ".join(values) or "0"
    collateral = sum((sheet.figure(where) for where in values.values()), ZERO)
    sheet.work(f"{place}/collateral", "collateral", formula, values, collateral, unit)
    gains = _positions(sheet, place, account, unit)
    sheet.work(
        f"{place}/unrealized_pnl",
        "unrealized P&L",
        " + ".join(gains) or "0",
        gains,
        account.gained(),
        unit,
    )
    parts = {"collateral": f"{place}/collateral", "unrealized_pnl": f"{place}/unrealized_pnl"}
    sheet.work(
        f"{place}/equity", "equity", "collateral + unrealized_pnl", parts, account.equity(), unit
    )
    for name, total in (("maintenance", account.maintenance()), ("initial", account.initial())):
        each = {
            f"{name}_{index + 1}": f"{place}/positions/{index}/{name}_margin"
            for index in range(len(account.holdings))
        }
        sheet.work(
            f"{place}/{name}_margin", f"{name} margin", " + ".join(each) or "0", each, total, unit
        )
    return account


def _assets(sheet: Worksheet, place: str, account: MarginAccount, unit: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for index, line in enumerate(sheet.at(f"{place}/assets")):
        here = f"{place}/assets/{index}"
        name = line["asset"]
        values[f"asset_{index + 1}"] = f"{here}/value"
        if index == 0:
            sheet.carry(f"{here}/asset", "first asset", "terms/pool/settlement_asset")
            sheet.carry(f"{here}/haircut", f"haircut of {name}", f"terms/assets/{name}/haircut")
            account.balance = number(line["balance"])
            sheet.work(
                f"{here}/value",
                f"{name} at par",
                "balance",
                {"balance": f"{here}/balance"},
                account.balance,
                unit,
            )
            continue
        sheet.carry(f"{here}/haircut", f"haircut of {name}", f"terms/assets/{name}/haircut")
        price = sheet.at("asset_prices").get(name)
        if price is not None:
            sheet.carry(
                f"{here}/price",
                f"price of {name}",
                f"asset_prices/{name}/price",
                f"record {price['address']}",
            )
        held = Asset(
            name,
            number(line["balance"]),
            price and number(price["price"]),
            sheet.figure(f"terms/assets/{name}/haircut"),
            sheet.at(f"terms/assets/{name}/scale"),
        )
        account.assets.append(held)
        if price is None:
            sheet.work(f"{here}/price", f"price of {name}", "none yet", {}, None)
            sheet.work(f"{here}/value", f"{name} without a price", "0", {}, ZERO, unit)
            continue
        sign = "-" if held.balance > 0 else "+"
        sheet.work(
            f"{here}/value",
            f"{name} less its haircut",
            f"down(balance * price * (1 {sign} haircut))",
            {key: f"{here}/{key}" for key in ("balance", "price", "haircut")},
            held.value(account.scale),
            unit,
        )
    return values


def _positions(sheet: Worksheet, place: str, account: MarginAccount, unit: str) -> dict[str, str]:
    gains: dict[str, str] = {}
    for index, line in enumerate(sheet.at(f"{place}/positions")):
        here = f"{place}/positions/{index}"
        name = line["instrument"]
        terms = f"terms/instruments/{name}"
        held = Holding.of(line, sheet.at(terms))
        mark = sheet.at("marks").get(name)
        held.mark = mark and number(mark["mark_price"])
        held.leverage = (sheet.at("modes").get(name) or {}).get("leverage")
        held.stale = is_stale(mark, sheet.at(terms), sheet.at("pool_time"))
        gains[f"cost_{index + 1}"] = f"{here}/cost"
        gains[f"value_{index + 1}"] = f"{here}/value"
        _position(sheet, here, held, account.scale, unit)
        account.hold(held)
    return gains


def _position(sheet: Worksheet, here: str, held: Holding, scale: int, unit: str) -> None:
    name = held.instrument
    terms = f"terms/instruments/{name}"
    sheet.carry(f"{here}/type", f"{name}: type", f"{terms}/type")
    sheet.carry(f"{here}/multiplier", f"{name}: multiplier", f"{terms}/multiplier")
    if name in sheet.at("modes"):
        sheet.carry(f"{here}/leverage", f"{name}: leverage chosen", f"modes/{name}/leverage")
    else:
        sheet.work(f"{here}/leverage", f"{name}: leverage chosen", "none", {}, None)
    if held.mark is None:
        _unmarked(sheet, here, held, scale, unit)
        return
    sheet.carry(
        f"{here}/mark_price",
        f"{name}: mark",
        f"marks/{name}/mark_price",
        f"record {sheet.at(f'marks/{name}/address')}",
    )
    ages = {
        "marked_at": f"marks/{name}/time",
        "price_max_age": f"{terms}/price_max_age",
        "pool_time": "pool_time",
    }
    timed = sheet.at(f"{terms}/price_max_age") is not None
    sheet.work(
        f"{here}/stale",
        f"{name}: is the mark stale",
        "marked_at + price_max_age s < pool_time" if timed else "never: no price_max_age",
        ages if timed else {},
        held.stale,
    )
    given = {"quantity": f"{here}/quantity", "mark_price": f"{here}/mark_price"}
    sheet.work(
        f"{here}/value",
        f"{name}: value at mark, {held.type}",
        "down(quantity * V(mark_price))",
        given,
        down(held.worth(), scale),
        unit,
    )
    notional = f"={here}/notional"
    sheet.work(
        notional, f"{name}: notional", "|quantity * V(mark_price)|", given, held.notional(), unit
    )
    _requirements(sheet, here, held, scale, unit)


def _requirements(sheet: Worksheet, here: str, held: Holding, scale: int, unit: str) -> None:
    name, notional = held.instrument, f"={here}/notional"
    tier = tier_number(held.tiers, held.notional())
    where = f"terms/instruments/{name}/tiers/{tier}"
    told = _tier_words(held.tiers, tier)
    for key in ("initial_rate", "maintenance_rate", "maintenance_amount"):
        sheet.carry(f"{here}/{key}", f"{name}: {key.replace('_', ' ')}", f"{where}/{key}", told)
    sheet.work(
        f"{here}/maintenance_margin",
        f"{name}: maintenance margin, {told}",
        "max(0, up(rate * notional - amount))",
        {
            "rate": f"{here}/maintenance_rate",
            "notional": notional,
            "amount": f"{here}/maintenance_amount",
        },
        held.maintenance(scale),
        unit,
    )
    chosen = held.leverage is not None
    sheet.work(
        f"{here}/initial_margin",
        f"{name}: initial margin, {told}",
        "up(notional * max(1 / leverage, rate))" if chosen else "up(notional * rate)",
        {
            "notional": notional,
            "rate": f"{here}/initial_rate",
            **({"leverage": f"{here}/leverage"} if chosen else {}),
        },
        held.initial(scale),
        unit,
    )


def _unmarked(sheet: Worksheet, here: str, held: Holding, scale: int, unit: str) -> None:
    """A position in an instrument that never had a mark counts nothing."""
    name = held.instrument
    terms = f"terms/instruments/{name}"
    sheet.work(f"{here}/mark_price", f"{name}: mark", "never had one", {}, None)
    cost = {"cost": f"{here}/cost"}
    sheet.work(
        f"{here}/value", f"{name}: value without a mark", "-cost", cost, held.value(scale), unit
    )
    for key in ("maintenance_margin", "initial_margin"):
        sheet.work(f"{here}/{key}", f"{name}: {key} without a mark", "0", {}, ZERO, unit)
    for key in ("initial_rate", "maintenance_rate", "maintenance_amount"):
        words = f"{name}: {key.replace('_', ' ')}"
        sheet.carry(f"{here}/{key}", words, f"{terms}/tiers/0/{key}", "the first tier")
    sheet.work(f"{here}/stale", f"{name}: stale without a mark", "yes", {}, held.stale)


def _tier_words(tiers: Sequence[Mapping[str, Any]], place: int) -> str:
    words = f"tier {place + 1} of {len(tiers)}"
    if place:
        words += f", from {tiers[place - 1]['notional_cap']}"
    cap = tiers[place]["notional_cap"]
    return words if cap is None else f"{words}, under {cap}"


def is_stale(mark: Mapping[str, Any] | None, terms: Mapping[str, Any], pool_time: str) -> bool:
    """The mark is older than its instrument allows, at this pool time; without a mark, True."""
    if mark is None:
        return True
    age = terms["price_max_age"]
    if age is None:
        return False
    return microseconds(mark["time"]) + int(age) * 1_000_000 < microseconds(pool_time)


Key = tuple[str, str, str | None, str | None]
"""Owner, kind, instrument, asset of an account of the ledger."""


def balances_of(statement: Mapping[str, Any]) -> dict[Key, Fraction]:
    """What the books must show for a statement."""
    owner, isolated = statement["account"], statement["margin_instrument"]
    wanted: dict[Key, Fraction] = {}
    for line in statement["assets"]:
        kind = "wallet" if isolated is None else "isolated"
        wanted[owner, kind, isolated, line["asset"]] = number(line["balance"])
    for line in statement["positions"]:
        name = line["instrument"]
        wanted[owner, "position", name, None] = number(line["quantity"])
        wanted[owner, "variation", name, statement["asset"]] = number(line["cost"])
    return wanted


def cut_of(
    books: Sequence[Mapping[str, Any]], wanted: Mapping[Key, Fraction], *, others: bool = True
) -> int | None:
    """The latest posting line after which the accounts held exactly this; 0 is before the event.

    Args:
        books: Accounts with their balance before the event and their postings in it.
        wanted: Balances; what is not named here must be zero, if `others` says so.
        others: Accounts of `books` that are not wanted must be empty.
    """
    return next(cuts_of(books, wanted, others=others), None)


def cuts_of(
    books: Sequence[Mapping[str, Any]], wanted: Mapping[Key, Fraction], *, others: bool = True
) -> Iterator[int]:
    """All such lines, the latest first."""
    known = {key_of(book) for book in books}
    if any(key not in known and figure for key, figure in wanted.items()):
        return
    moves: dict[int, list[tuple[Key, Fraction]]] = {0: []}
    differ: set[Key] = set()
    for book in books:
        key = key_of(book)
        for posting in book["postings"]:
            moves.setdefault(posting["line"], [])
        if not others and key not in wanted:
            continue
        if number(book["before"]) != wanted.get(key, ZERO):
            differ.add(key)
        for posting in book["postings"]:
            moves[posting["line"]].append((key, number(posting["balance"])))
    fitting: list[int] = []
    for line in sorted(moves):
        for key, balance in moves[line]:
            if balance == wanted.get(key, ZERO):
                differ.discard(key)
            else:
                differ.add(key)
        if not differ:
            fitting.append(line)
    yield from reversed(fitting)


def key_of(book: Mapping[str, Any]) -> Key:
    """Which account of the ledger it is."""
    return book["owner"], book["kind"], book["instrument"], book["asset"]


def balance_at(book: Mapping[str, Any], line: int) -> Fraction:
    """Of an account, after a posting line of the event."""
    balance = book["before"]
    for posting in book["postings"]:
        if posting["line"] <= line:
            balance = posting["balance"]
    return number(balance)
