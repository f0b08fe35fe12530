"""Check an explanation exported by `clearing explain ID --out FILE`, without the ledger.

    python check_explanation.py FILE

Works every figure of the explanation again, from the inputs in the file and from the formulas
below, and says `agrees` (exit 0), or names the first figure that does not, expected and found
(exit 1). Exit 2: the file cannot be read as an explanation.

Needs Python 3.9 and nothing else: no other file of the ledger, no other library. What the file says
of itself (its steps, its verdicts) is not believed: each step is held against the figure worked
here. What a file cannot prove alone is that its inputs are those of the books; ask the ledger for
that (`clearing explain` again, `clearing verify`).

Figures are exact fractions of whole units; `down`, `up` and `half_even` round to the scale of the
settlement asset. V(p), the value of a contract at price p, is `multiplier * p` for a linear one and
`-multiplier / p` for an inverse one.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from math import ceil, floor
from typing import Any, Callable

FORMAT = 1
ZERO = Fraction(0)
DECIMALS_MAX = 40
Json = dict[Any, Any]
DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(/[0-9]+)?")
RANKED = ("bitmex", "binance", "hyperliquid")
STAND_INS = ("trade", "opening")


class Differs(Exception):
    """A figure is not what it should be."""


def figure(value: Any) -> Fraction:
    """A decimal string or a whole number, exact."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Differs(f"expected a decimal, found {value!r}")
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise Differs(f"expected a decimal, found {value!r}") from None


def same(one: Any, other: Any) -> bool:
    """Equal as figures where both are figures, else equal."""
    plain, plain_other = comparable(one), comparable(other)
    return type(plain) is type(plain_other) and plain == plain_other


def comparable(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, (list, dict, Fraction)):
        return value
    if isinstance(value, int) or (isinstance(value, str) and DECIMAL.fullmatch(value)):
        return figure(value)
    return value


def text(value: Any) -> str:
    if isinstance(value, Fraction):
        if value.denominator == 1:
            return str(value.numerator)
        places = 0
        while (value * 10**places).denominator != 1:
            places += 1
            if places > DECIMALS_MAX:
                return f"{value.numerator}/{value.denominator}"
        digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
        return ("-" if value < 0 else "") + digits[:-places] + "." + digits[-places:]
    return json.dumps(value) if isinstance(value, (bool, type(None))) else str(value)


def down(value: Fraction, scale: int) -> Fraction:
    return Fraction(floor(value * 10**scale), 10**scale)


def up(value: Fraction, scale: int) -> Fraction:
    return Fraction(ceil(value * 10**scale), 10**scale)


def half_even(value: Fraction, scale: int) -> Fraction:
    return Fraction(round(value * 10**scale), 10**scale)


def moment(words: str) -> int:
    """RFC 3339 as microseconds since 1970."""
    at = datetime.fromisoformat(words.replace("Z", "+00:00"))
    return (at - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


class Contract:
    """An instrument: what its contracts are worth, and what margin they need."""

    def __init__(self, name: str, terms: Json) -> None:
        self.name = name
        self.linear = terms["type"] == "linear"
        self.multiplier = figure(terms["multiplier"])
        self.price_scale = terms["price_scale"]
        self.unit = Fraction(1, 10 ** terms["quantity_scale"])
        self.tiers = terms["tiers"]
        self.age = terms["price_max_age"]

    def value(self, price: Fraction) -> Fraction:
        return self.multiplier * price if self.linear else -self.multiplier / price

    def price_of(self, quantity: Fraction, value: Fraction) -> Fraction | None:
        if not quantity or not value:
            return None
        each = value / quantity
        price = each / self.multiplier if self.linear else -self.multiplier / each
        price = half_even(price, self.price_scale)
        return price if price > 0 else None

    def tier(self, notional: Fraction) -> int:
        for place, tier in enumerate(self.tiers):
            if tier["notional_cap"] is None or notional < figure(tier["notional_cap"]):
                return place
        raise Differs(f"no tier of {self.name} takes a notional of {text(notional)}")

    def maintenance(self, notional: Fraction, scale: int) -> Fraction:
        tier = self.tiers[self.tier(notional)]
        rate, amount = figure(tier["maintenance_rate"]), figure(tier["maintenance_amount"])
        return up(max(ZERO, rate * notional - amount), scale)

    def initial(self, notional: Fraction, leverage: Any, scale: int) -> Fraction:
        rate = figure(self.tiers[self.tier(notional)]["initial_rate"])
        if leverage is not None:
            rate = max(rate, 1 / figure(leverage))
        return up(notional * rate, scale)


class Position:
    """A position of a margin account, worked on as a liquidation goes on."""

    def __init__(self, contract: Contract, quantity: Fraction, cost: Fraction) -> None:
        self.contract = contract
        self.quantity = quantity
        self.cost = cost
        self.mark: Fraction | None = None
        self.leverage: Any = None
        self.stale = True

    def worth(self, quantity: Fraction) -> Fraction:
        return ZERO if self.mark is None else quantity * self.contract.value(self.mark)

    def value(self, scale: int) -> Fraction:
        """What the whole position counts; without a mark it offsets its cost."""
        return -self.cost if self.mark is None else down(self.worth(self.quantity), scale)

    def needs(self, quantity: Fraction, scale: int) -> Fraction:
        """Maintenance margin of so many contracts."""
        if self.mark is None:
            return ZERO
        return self.contract.maintenance(abs(self.worth(quantity)), scale)


class Account:
    """A margin account."""

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.balance = ZERO
        self.assets: list[Json] = []
        self.positions: dict[str, Position] = {}

    def asset_value(self, asset: Json) -> Fraction:
        if asset["price"] is None:
            return ZERO
        sign = -1 if asset["balance"] > 0 else 1
        return down(asset["balance"] * asset["price"] * (1 + sign * asset["haircut"]), self.scale)

    def equity(self) -> Fraction:
        total = self.balance
        for asset in self.assets:
            total += self.asset_value(asset)
        for held in self.positions.values():
            total += held.cost + held.value(self.scale)
        return total

    def maintenance(self) -> Fraction:
        each = [held.needs(held.quantity, self.scale) for held in self.positions.values()]
        return sum(each, ZERO)

    def initial(self) -> Fraction:
        total = ZERO
        for held in self.positions.values():
            if held.mark is not None:
                notional = abs(held.worth(held.quantity))
                total += held.contract.initial(notional, held.leverage, self.scale)
        return total

    def required(self) -> Fraction:
        """A call is open under the larger of initial and maintenance margin."""
        return max(self.initial(), self.maintenance())


class Check:
    """The figures of one explanation, each worked here and held against the file."""

    def __init__(self, told: Json) -> None:
        self.told = told
        self.inputs = told["inputs"]
        self.worked: dict[str, Any] = {}
        terms = self.inputs["terms"]
        self.pool = terms["pool"]
        self.scale: int = self.pool["scale"]
        self.asset: str = self.pool["settlement_asset"]
        self.contracts = {name: Contract(name, of) for name, of in terms["instruments"].items()}

    def at(self, place: str) -> Any:
        """What stands at a place of the inputs."""
        found: Any = self.inputs
        for name in place.split("/"):
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, IndexError, ValueError, TypeError):
                raise Differs(f"inputs/{place}: nothing stands there") from None
        return found

    def number(self, place: str) -> Fraction:
        try:
            return figure(self.at(place))
        except Differs as fault:
            raise Differs(f"inputs/{place}: {fault}") from None

    def expect(self, place: str, value: Any) -> Any:
        """Work a figure: it must be what the inputs record at its place."""
        self.worked[place] = value
        if not place.startswith("="):
            found = self.at(place)
            if not same(found, value):
                raise Differs(f"{place}: expected {text(value)}, found {text(found)}")
        return value

    def copy(self, place: str, source: str) -> None:
        """A figure that was taken from another place."""
        self.expect(place, comparable(self.at(source)))

    def hold(self, place: str, holds: bool, words: str) -> None:
        """Something that must hold."""
        self.worked[place] = True
        if not holds:
            raise Differs(f"{place}: it does not hold that {words}")

    def find(self, kind: str, **fields: Any) -> list[int]:
        """Records of a kind whose body (or subject) has these fields."""
        found = []
        for index, record in enumerate(self.inputs["records"]):
            body = {**record["body"], "subject": record["subject"]}
            if record["kind"] == kind and all(body.get(key) == fields[key] for key in fields):
                found.append(index)
        return found

    # ------------------------------------------------------------------------------- the books

    def running(self) -> None:
        """Postings carry running balances: each is the one before and its amount."""
        for index, book in enumerate(self.inputs["books"]):
            balance, line = figure(book["before"]), 0
            for place, posting in enumerate(book["postings"]):
                where = f"books/{index}/postings/{place}"
                balance += figure(posting["amount"])
                if figure(posting["balance"]) != balance:
                    raise Differs(
                        f"{where}/balance: expected {text(balance)}, found {posting['balance']}"
                    )
                if posting["line"] <= line:
                    raise Differs(f"{where}/line: expected over {line}, found {posting['line']}")
                line = posting["line"]

    def cuts(self, chosen: list[Json], wanted: Json, *, others: bool) -> Iterator[int]:
        """Lines after which these accounts held what is wanted, the latest first."""
        known = {self.key(book) for book in chosen}
        if any(amount and key not in known for key, amount in wanted.items()):
            return
        wrong = set()
        moves: Json = {0: []}
        for book in chosen:
            key = self.key(book)
            for posting in book["postings"]:
                moves.setdefault(posting["line"], [])
            if others or key in wanted:
                if figure(book["before"]) != wanted.get(key, ZERO):
                    wrong.add(key)
                for posting in book["postings"]:
                    moves[posting["line"]].append((key, figure(posting["balance"])))
        fitting = []
        for line in sorted(moves):
            for key, balance in moves[line]:
                wrong.discard(key)
                if balance != wanted.get(key, ZERO):
                    wrong.add(key)
            if not wrong:
                fitting.append(line)
        yield from reversed(fitting)

    @staticmethod
    def key(book: Json) -> tuple[Any, ...]:
        return book["owner"], book["kind"], book["instrument"], book["asset"]

    def mode(self, instrument: Any) -> Any:
        return (self.inputs["modes"].get(instrument) or {}).get("mode")

    def in_books(self, place: str) -> None:
        """The balances of a statement stood in the books at one moment of the event."""
        statement = self.at(place)
        owner, isolated = statement["account"], statement["margin_instrument"]
        wanted: Json = {}
        for line in statement["assets"]:
            kind = "wallet" if isolated is None else "isolated"
            wanted[owner, kind, isolated, line["asset"]] = figure(line["balance"])
        for line in statement["positions"]:
            name = line["instrument"]
            wanted[owner, "position", name, None] = figure(line["quantity"])
            wanted[owner, "variation", name, self.asset] = figure(line["cost"])
        chosen = []
        for book in self.inputs["books"]:
            name = book["instrument"]
            if book["owner"] != owner or book["kind"] == "hold":
                continue
            if isolated is not None:
                belongs = name == isolated
            else:
                cross = book["kind"] != "isolated" and self.mode(name) != "isolated"
                belongs = name is None or cross
            if belongs:
                chosen.append(book)
        cut = next(self.cuts(chosen, wanted, others=True), None)
        self.hold(f"={place}/books", cut is not None, "the books held these balances")

    # ------------------------------------------------------------------------------ statements

    def statement(self, place: str) -> Account:
        """A statement, line by line."""
        self.copy(place + "/asset", "terms/pool/settlement_asset")
        self.copy(place + "/scale", "terms/pool/scale")
        account = Account(self.scale)
        for index, line in enumerate(self.at(place + "/assets")):
            self.asset_line(account, f"{place}/assets/{index}", line, index)
        collateral = account.equity()
        self.expect(place + "/collateral", collateral)
        for index, line in enumerate(self.at(place + "/positions")):
            self.position_line(account, f"{place}/positions/{index}", line)
        self.expect(place + "/unrealized_pnl", account.equity() - collateral)
        self.expect(place + "/equity", account.equity())
        self.expect(place + "/maintenance_margin", account.maintenance())
        self.expect(place + "/initial_margin", account.initial())
        return account

    def asset_line(self, account: Account, here: str, line: Json, index: int) -> None:
        name, balance = line["asset"], self.number(here + "/balance")
        if index == 0:
            self.copy(here + "/asset", "terms/pool/settlement_asset")
            self.copy(here + "/haircut", f"terms/assets/{name}/haircut")
            account.balance = self.expect(here + "/value", balance)
            return
        self.copy(here + "/haircut", f"terms/assets/{name}/haircut")
        price = self.inputs["asset_prices"].get(name)
        asset = {
            "asset": name,
            "balance": balance,
            "price": None,
            "haircut": self.number(f"terms/assets/{name}/haircut"),
            "scale": self.at(f"terms/assets/{name}/scale"),
        }
        if price is None:
            self.expect(here + "/price", None)
        else:
            self.copy(here + "/price", f"asset_prices/{name}/price")
            asset["price"] = figure(price["price"])
        account.assets.append(asset)
        self.expect(here + "/value", account.asset_value(asset))

    def position_line(self, account: Account, here: str, line: Json) -> None:
        name = line["instrument"]
        terms = f"terms/instruments/{name}"
        self.copy(here + "/type", terms + "/type")
        self.copy(here + "/multiplier", terms + "/multiplier")
        held = Position(
            self.contracts[name], self.number(here + "/quantity"), self.number(here + "/cost")
        )
        account.positions[name] = held
        mode = self.inputs["modes"].get(name)
        held.leverage = None if mode is None else mode["leverage"]
        self.expect(here + "/leverage", comparable(held.leverage))
        mark = self.inputs["marks"].get(name)
        if mark is None:
            self.expect(here + "/mark_price", None)
            self.expect(here + "/value", held.value(self.scale))
            self.expect(here + "/maintenance_margin", ZERO)
            self.expect(here + "/initial_margin", ZERO)
            for key in ("initial_rate", "maintenance_rate", "maintenance_amount"):
                self.copy(f"{here}/{key}", f"{terms}/tiers/0/{key}")
            self.expect(here + "/stale", held.stale)
            return
        self.copy(here + "/mark_price", f"marks/{name}/mark_price")
        held.mark = figure(mark["mark_price"])
        age = held.contract.age
        held.stale = age is not None and (
            moment(mark["time"]) + age * 10**6 < moment(self.inputs["pool_time"])
        )
        self.expect(here + "/stale", held.stale)
        worth = held.worth(held.quantity)
        self.expect(here + "/value", down(worth, self.scale))
        self.expect(f"={here}/notional", abs(worth))
        tier = held.contract.tier(abs(worth))
        for key in ("initial_rate", "maintenance_rate", "maintenance_amount"):
            self.copy(f"{here}/{key}", f"{terms}/tiers/{tier}/{key}")
        self.expect(here + "/maintenance_margin", held.needs(held.quantity, self.scale))
        initial = held.contract.initial(abs(worth), held.leverage, self.scale)
        self.expect(here + "/initial_margin", initial)

    # ---------------------------------------------------------------------------- margin calls

    def margin_call(self, here: str) -> None:
        account = self.statement(here + "/statement")
        for key in (
            "account",
            "margin_instrument",
            "equity",
            "initial_margin",
            "maintenance_margin",
        ):
            self.copy(f"{here}/{key}", f"{here}/statement/{key}")
        under = bool(account.positions) and account.equity() < account.required()
        self.hold("=under", under, "equity is under what is required")
        self.in_books(here + "/statement")

    def drawn_up(self, here: str) -> Account:
        if self.inputs.get("statement") is None:
            raise Differs("=statement: the account does not stand in the books")
        account = self.statement("statement")
        self.expect(here + "/equity", account.equity())
        self.expect(here + "/initial_margin", account.initial())
        self.in_books("statement")
        return account

    def margin_call_end(self, here: str) -> None:
        account = self.drawn_up(here)
        for index in self.find("margin_call"):
            for key in ("account", "margin_instrument"):
                self.copy(f"{here}/{key}", f"records/{index}/body/{key}")
        self.expect(here + "/reason", "restored" if account.positions else "no_position")
        if account.positions:
            enough = account.equity() >= account.required()
            self.hold("=restored", enough, "equity is not under what is required")

    def margin_breach(self, here: str) -> None:
        account = self.drawn_up(here)
        missing = account.initial() - account.equity()
        self.expect(here + "/missing", missing)
        self.hold("=under", missing > 0, "something is missing")
        self.copy(here + "/instrument", "source/instrument")

    def isolated_shortfall(self, here: str) -> None:
        body = self.at(here)
        name = body["instrument"]
        owner = self.inputs["records"][self.inputs["asked"]]["subject"]
        source = self.inputs["source"]
        price = source.get("price", source.get("entry_price"))
        required = self.number(here + "/required")
        for book in self.inputs["books"]:
            if (book["owner"], book["kind"], book["instrument"]) != (owner, "position", name):
                continue
            if price is None or not book["postings"]:
                break
            before, after = figure(book["before"]), figure(book["postings"][0]["balance"])
            added = abs(after) if before * after < 0 else max(abs(after) - abs(before), ZERO)
            self.worked[f"={here}/added"] = added
            contract = self.contracts[name]
            notional = abs(added * contract.value(figure(price)))
            leverage = (self.inputs["modes"].get(name) or {}).get("leverage")
            required = contract.initial(notional, leverage, self.scale)
            self.expect(here + "/required", required)
            break
        moved = self.number(here + "/moved")
        self.expect(here + "/missing", required - moved)
        posted = [
            figure(posting["amount"])
            for book in self.inputs["books"]
            if book["kind"] == "isolated" and book["instrument"] == name
            for posting in book["postings"]
            if posting["purpose"] == "margin"
        ]
        self.hold(f"={here}/books", not moved or moved in posted, "the books moved this margin")

    # ---------------------------------------------------------------------------- liquidations

    def listing(self, place: str) -> list[Any]:
        """The accounts of a round, all under maintenance, the worst first."""
        listed = self.at(place)
        order = []
        for row in listed:
            equity, needed = figure(row["equity"]), figure(row["maintenance_margin"])
            self.hold(f"={place}/under", equity < needed, f"{row['account']} is under maintenance")
            isolated = row["margin_instrument"]
            ratio = equity / needed if needed else ZERO
            order.append(
                (
                    needed > 0,
                    ratio,
                    row["account"].encode(),
                    isolated is not None,
                    (isolated or "").encode(),
                )
            )
        self.hold(f"={place}/order", order == sorted(order), "the worst stand first")
        return [(row["account"], row["margin_instrument"]) for row in listed]

    def liquidation_round(self, here: str) -> None:
        self.listing(here + "/listed")

    def liquidation(self, here: str) -> None:
        subject = self.inputs["records"][self.inputs["asked"]]["subject"]
        body = self.at(here)
        account = self.statement(here + "/statement")
        self.hold(
            "=under", account.equity() < account.maintenance(), "equity is under maintenance margin"
        )
        for key in ("account", "margin_instrument"):
            self.copy(f"{here}/{key}", f"{here}/statement/{key}")
        partial = self.pool["liquidation"] == "partial" and not self.again(body)
        self.expect(here + "/mode", "partial" if partial else "full")
        self.copy(here + "/penalty_rate", "terms/pool/penalty_rate")
        self.copy(here + "/partial_buffer", "terms/pool/partial_buffer")
        self.copy(here + "/rules", "rules")
        self.in_books(here + "/statement")
        rounds = self.find("liquidation_round", round=body["round"])
        if not rounds:
            raise Differs("=round: the round is not on record")
        ranks = self.listing(f"records/{rounds[0]}/body/listed")
        mine = (body["account"], body["margin_instrument"])
        self.expect(here + "/rank", Fraction(ranks.index(mine) + 1 if mine in ranks else 0))
        if ranks[:1] == [mine]:
            for key in ("equity", "maintenance_margin"):
                self.copy(f"records/{rounds[0]}/body/listed/0/{key}", f"{here}/statement/{key}")
        self.takeovers(account, self.find("takeover", subject=subject), body)
        self.seizures(account, self.find("seizure", subject=subject))
        self.made_whole(account, self.find("made_whole", subject=subject))
        for index in self.find("liquidation_end", subject=subject):
            self.expect(f"records/{index}/body/equity", account.equity())
            self.expect(f"records/{index}/body/maintenance_margin", account.maintenance())
        sequence = self.inputs["records"][self.inputs["asked"]]["address"].split(".")[0]
        for index in self.find("fund"):
            record = self.inputs["records"][index]
            if record["address"].split(".")[0] == sequence:
                self.movement(f"records/{index}/body", record["subject"])

    def again(self, body: Json) -> bool:
        """The account was liquidated before in the same event: then it is taken whole."""
        key = {name: body[name] for name in ("account", "margin_instrument")}
        asked = self.inputs["asked"]
        return any(index < asked for index in self.find("liquidation", **key))

    def takeovers(self, account: Account, records: list[Any], body: Json) -> None:
        done = 0
        since: Json = {}
        while True:
            fresh = [held for held in account.positions.values() if not held.stale]
            buffer = figure(self.pool["partial_buffer"])
            partial = body["mode"] == "partial"
            restored = account.equity() >= account.maintenance() * (1 + buffer)
            if not fresh or (partial and restored):
                break
            if done == len(records):
                raise Differs("=takeovers: a takeover is missing")
            held = min(
                fresh, key=lambda one: (-one.needs(one.quantity, self.scale), one.contract.name)
            )
            here = f"records/{records[done]}/body"
            self.expect(here + "/instrument", held.contract.name)
            self.takeover(account, held, here, body)
            self.takeover_posted(here, body["account"], since)
            done += 1
        self.hold("=takeovers", done == len(records), "no more was taken over than was due")

    def takeover(self, account: Account, held: Position, here: str, body: Json) -> None:
        name, scale = held.contract.name, self.scale
        self.copy(here + "/type", f"terms/instruments/{name}/type")
        self.copy(here + "/multiplier", f"terms/instruments/{name}/multiplier")
        self.copy(here + "/mark_price", f"marks/{name}/mark_price")
        self.expect(here + "/position", held.quantity)
        self.expect(here + "/equity", account.equity())
        self.expect(here + "/maintenance_margin", account.maintenance())
        chosen = self.quantity_taken(account, held, partial=body["mode"] == "partial")
        quantity = self.expect(here + "/quantity", chosen)
        share, penalty, value = self.terms_of(account, held, quantity)
        worth = held.worth(quantity)
        self.expect(here + "/value_at_mark", down(worth, scale))
        self.expect(f"={here}/notional", abs(worth))
        self.expect(here + "/quantity_maintenance", held.needs(quantity, scale))
        last = len(account.positions) == 1 and quantity == held.quantity
        self.expect(here + "/last", last)
        self.expect(here + "/share", share)
        self.expect(here + "/penalty", penalty)
        self.expect(here + "/takeover_value", value)
        self.expect(here + "/takeover_price", held.contract.price_of(quantity, value))
        self.expect(here + "/bankruptcy_price", held.contract.price_of(quantity, worth - share))
        whole = quantity == held.quantity
        released = held.cost if whole else half_even(held.cost * quantity / held.quantity, scale)
        self.worked[f"={here}/cost"] = held.cost
        self.expect(f"={here}/released", released)
        realized = self.expect(here + "/realized_pnl", value + released)
        account.balance += realized
        held.quantity -= quantity
        held.cost -= released
        if whole:
            del account.positions[name]
            if body["margin_instrument"] is not None:
                account.balance = min(account.balance, ZERO)

    def terms_of(self, account: Account, held: Position, quantity: Fraction) -> tuple[Any, ...]:
        """Share, penalty and value of taking a quantity."""
        notional = abs(held.worth(quantity))
        needed, equity = account.maintenance(), account.equity()
        last = len(account.positions) == 1 and quantity == held.quantity
        share = equity
        if needed and not last:
            share = down(equity * held.needs(quantity, self.scale) / needed, self.scale)
        share = max(share, -down(notional, self.scale))
        rate = figure(self.pool["penalty_rate"])
        penalty = min(share, up(rate * notional, self.scale))
        return share, penalty, down(held.worth(quantity), self.scale) - penalty

    def quantity_taken(self, account: Account, held: Position, *, partial: bool) -> Fraction:
        """All of it, or in partial mode the smallest part found by bisection."""
        size = held.quantity
        sign = 1 if size > 0 else -1
        buffer = figure(self.pool["partial_buffer"])

        def enough(units: int) -> bool:
            quantity = sign * units * held.contract.unit
            value = self.terms_of(account, held, quantity)[2]
            rest = size - quantity
            equity = account.equity() - down(held.worth(size), self.scale)
            equity += value + down(held.worth(rest), self.scale)
            needed = account.maintenance() - held.needs(size, self.scale)
            needed += held.needs(rest, self.scale)
            return bool(equity >= needed * (1 + buffer))

        low, high = 1, int(abs(size) / held.contract.unit)
        if not partial or not enough(high):
            return size
        while low < high:
            middle = (low + high) // 2
            if enough(middle):
                high = middle
            else:
                low = middle + 1
        return sign * low * held.contract.unit

    def takeover_posted(self, here: str, owner: str, since: Json) -> None:
        body = self.at(here)
        name = body["instrument"]
        quantity, value = figure(body["quantity"]), figure(body["takeover_value"])
        wanted = {
            (owner, "position", name, None): -quantity,
            (owner, "variation", name, self.asset): value,
            ("@liquidation", "position", name, None): quantity,
            ("@liquidation", "variation", name, self.asset): -value,
        }
        complete = True
        for key, amount in wanted.items():
            lines = [
                posting["line"]
                for book in self.inputs["books"]
                if self.key(book) == key
                for posting in book["postings"]
                if posting["purpose"] == "takeover"
                and figure(posting["amount"]) == amount
                and posting["line"] > since.get(key[:2], 0)
            ]
            if lines:
                since[key[:2]] = lines[0]
            elif amount:
                complete = False
        self.hold(f"={here[:-5]}/books", complete, "the books moved contracts and cost")
        chosen = [
            book
            for book in self.inputs["books"]
            if book["owner"] == "@liquidation" and book["instrument"] == name
        ]
        inventory = {
            ("@liquidation", "position", name, None): figure(body["inventory_quantity"]),
            ("@liquidation", "variation", name, self.asset): figure(body["inventory_cost"]),
        }
        cut = next(self.cuts(chosen, inventory, others=False), None)
        self.hold(f"={here[:-5]}/inventory", cut is not None, "the books held this inventory")

    def seizures(self, account: Account, records: list[Any]) -> None:
        done = 0
        due = account.balance < 0 and not (account.positions and account.equity() > 0)
        for asset in account.assets if due else []:
            each = (asset["price"] or ZERO) * (1 - asset["haircut"])
            if asset["balance"] <= 0 or down(asset["balance"] * each, self.scale) <= 0:
                continue
            if account.balance >= 0 or done == len(records):
                break
            here = f"records/{records[done]}/body"
            done += 1
            self.expect(here + "/asset", asset["asset"])
            self.copy(here + "/haircut", f"terms/assets/{asset['asset']}/haircut")
            self.copy(here + "/price", f"asset_prices/{asset['asset']}/price")
            self.expect(here + "/balance_before", account.balance)
            self.worked[f"={here}/debt"] = -account.balance
            self.worked[f"={here}/held"] = asset["balance"]
            enough = up(-account.balance / each, asset["scale"])
            quantity = self.expect(here + "/quantity", min(asset["balance"], enough))
            value = self.expect(here + "/value", down(quantity * each, self.scale))
            asset["balance"] -= quantity
            account.balance += value
            self.expect(here + "/balance_after", account.balance)
        if done != len(records):
            raise Differs(f"=seizures: {done} were due, found {len(records)}")

    def made_whole(self, account: Account, records: list[Any]) -> None:
        due = not account.positions and account.equity() < 0
        if due != bool(records):
            raise Differs(f"=made_whole: expected {due}, found {len(records)}")
        if not due:
            return
        here = f"records/{records[0]}/body"
        self.worked["=made_whole/equity"] = account.equity()
        amount = self.expect(here + "/amount", -account.equity())
        drawn = self.number(here + "/from_insurance")
        for index in self.find("fund", cause="made_whole", account=self.at(here + "/account")):
            drawn = min(amount, self.number(f"records/{index}/body/insurance_before"))
            self.expect(here + "/from_insurance", drawn)
            break
        self.expect(here + "/from_deficit", amount - drawn)
        account.balance += amount

    # --------------------------------------------------------------------------- deleveraging

    def results(self, line: int) -> tuple[Any, ...]:
        """Insurance, and the result at mark of each inventory, after a posting line."""
        insurance = ZERO
        held: Json = {}
        for book in self.inputs["books"]:
            if book["kind"] == "insurance":
                insurance = held_at(book, line)
            if book["owner"] == "@liquidation":
                held.setdefault(book["instrument"], {})[book["kind"]] = held_at(book, line)
        found = {}
        for name, part in held.items():
            if not part.get("position"):
                continue
            found[name] = ZERO
            mark = self.inputs["marks"].get(name)
            if mark is not None:
                each = self.contracts[name].value(figure(mark["mark_price"]))
                worth = down(part["position"] * each, self.scale)
                found[name] = part.get("variation", ZERO) + worth
        return insurance, found

    def projection(self, here: str, line: int) -> None:
        insurance, found = self.results(line)
        self.worked[f"={here}/insurance"] = insurance
        for name in found:
            self.worked[f"={here}/results/{name}"] = found[name]
        if "insurance" in self.at(here):
            self.expect(here + "/insurance", insurance)
        self.expect(here + "/projected", insurance + sum(found.values(), ZERO))

    def inventory(self, here: str, name: str) -> None:
        """Where the books held the inventory of a record, and what the fund projected then."""
        body = self.at(here)
        wanted: Json = {
            ("@liquidation", "position", name, None): figure(body["quantity"]),
            ("@liquidation", "variation", name, self.asset): figure(body["cost"]),
        }
        if "insurance" in body:
            wanted["@house", "insurance", None, self.asset] = figure(body["insurance"])
        chosen = [
            book
            for book in self.inputs["books"]
            if book["owner"] == "@liquidation" or book["kind"] == "insurance"
        ]
        lines = list(self.cuts(chosen, wanted, others=False))
        self.hold(f"={here}/inventory", bool(lines), "the books held this inventory")
        for line in lines:
            insurance, found = self.results(line)
            if insurance + sum(found.values(), ZERO) == figure(body["projected"]):
                self.projection(here, line)
                return
        self.projection(here, lines[0])

    def deleveraging(self, here: str) -> None:
        body = self.at(here)
        name, policy = body["instrument"], body["policy"]
        contract = self.contracts[name]
        subject = self.inputs["records"][self.inputs["asked"]]["subject"]
        self.copy(here + "/type", f"terms/instruments/{name}/type")
        self.copy(here + "/multiplier", f"terms/instruments/{name}/multiplier")
        self.copy(here + "/mark_price", f"marks/{name}/mark_price")
        self.copy(here + "/policy", "terms/pool/adl_policy")
        self.copy(here + "/floor", "terms/pool/insurance_floor")
        self.copy(here + "/rules", "rules")
        each = contract.value(self.number(f"marks/{name}/mark_price"))
        quantity, cost = self.number(here + "/quantity"), self.number(here + "/cost")
        self.expect(here + "/loss", -(cost + down(quantity * each, self.scale)))
        self.inventory(here, name)
        self.hold(
            "=under_floor",
            figure(body["projected"]) < figure(body["floor"]),
            "the fund is projected under its floor",
        )
        takers = self.takers(here, policy, each)
        self.share_out(policy, takers, quantity, cost, each, contract.unit)
        for one in takers:
            place = f"{here}/candidates/{one['index']}"
            self.expect(place + "/taken", one["taken"])
            self.expect(place + "/reason", one["reason"])
        closed = [one for one in takers if one["taken"]]
        parts = self.find("deleveraged", subject=subject)
        names = [self.at(f"records/{index}/body/account") for index in parts]
        self.hold(
            "=parts",
            sorted(names) == sorted(one["account"] for one in closed),
            "there is one record for each who takes",
        )
        moved = self.moved(name)
        takes = {one["account"]: one for one in closed}
        for index in parts:
            part = f"records/{index}/body"
            self.part(here, part, takes[self.at(part + "/account")], contract, each, quantity)
            self.part_posted(part, takes[self.at(part + "/account")], quantity, moved)
        taken = sum((one["taken"] for one in closed), ZERO)
        given = sum((one["amount"] for one in closed), ZERO)
        self.worked[f"={here}/given"] = given
        self.expect(here + "/deleveraged", taken)
        self.expect(here + "/left", abs(quantity) - taken)
        signed = taken if quantity > 0 else -taken
        self.expect(here + "/loss_absorbed", -(given + down(signed * each, self.scale)))

    def takers(self, here: str, policy: str, each: Fraction) -> list[Json]:
        """The candidates with their scores, in the order of the policy."""
        inventory = self.number(here + "/quantity")
        name = self.at(here + "/instrument")
        found: list[Json] = []
        for index, line in enumerate(self.at(here + "/candidates")):
            place = f"{here}/candidates/{index}"
            one: Json = {
                key: self.number(f"{place}/{key}")
                for key in ("quantity", "cost", "equity", "maintenance_margin", "balance")
            }
            one.update(index=index, account=line["account"], taken=ZERO, amount=ZERO, reason=None)
            one["upnl"] = one["cost"] + one["quantity"] * each
            found.append(one)
            self.worked[f"={place}/upnl"] = one["upnl"]
            self.worked[f"={place}/notional"] = abs(one["quantity"] * each)
            self.hold(
                f"={place}/side",
                one["quantity"] * inventory < 0,
                f"{line['account']} is on the other side",
            )
            if one["equity"] <= 0:
                one["reason"] = "no_equity"
                self.expect(place + "/score", None)
                self.expect(place + "/rank", None)
                continue
            one["score"] = self.score(policy, one, abs(one["quantity"] * each))
            self.expect(place + "/score", half_even(one["score"], 18))
            self.expect(place + "/rank", Fraction(index + 1))
        able = [one for one in found if one["reason"] is None]
        if policy in RANKED:
            order = [(-one["score"], one["account"].encode()) for one in able]
        else:
            order = [
                (ZERO if one["upnl"] > 0 else Fraction(1), one["account"].encode()) for one in able
            ]
        self.hold(
            f"={here}/order",
            order == sorted(order) and found[: len(able)] == able,
            "the candidates stand in order",
        )
        right = True
        books: Json = {}
        for book in self.inputs["books"]:
            if book["instrument"] == name and book["kind"] in ("position", "variation"):
                books.setdefault(book["owner"], []).append(book)
        for one in found:
            pair = books.get(one["account"], [])
            wanted = {
                (one["account"], "position", name, None): one["quantity"],
                (one["account"], "variation", name, self.asset): one["cost"],
            }
            right = right and (
                not pair or next(self.cuts(pair, wanted, others=True), None) is not None
            )
        self.hold(f"={here}/books", right, "the books held these contracts and costs")
        return found

    def score(self, policy: str, one: Json, notional: Fraction) -> Fraction:
        """The exact score of a candidate with equity."""
        upnl: Fraction = one["upnl"]
        equity: Fraction = one["equity"]
        cost: Fraction = one["cost"]
        gain = upnl / max(abs(cost), Fraction(1, 10**self.scale))
        leverage = notional / equity
        if policy == "bitmex":
            return gain * leverage if upnl > 0 else gain / leverage
        if policy == "binance":
            balance: Fraction = one["balance"]
            part = max(ZERO, upnl) / max(Fraction(1), balance)
            needed: Fraction = one["maintenance_margin"]
            return part * needed / equity
        if policy == "hyperliquid":
            return (1 + gain) * leverage
        return abs(Fraction(one["quantity"])) if policy == "pro_rata" else upnl

    def after(self, one: Json, taken: Fraction, amount: Fraction, each: Fraction) -> Fraction:
        """Equity of a candidate's account with so much less of its position."""
        held: Fraction = one["quantity"]
        equity: Fraction = one["equity"]
        rest = held - (taken if held > 0 else -taken)
        before = down(held * each, self.scale)
        return equity - before + amount + down(rest * each, self.scale)

    def share_out(
        self,
        policy: str,
        takers: list[Json],
        quantity: Fraction,
        cost: Fraction,
        each: Fraction,
        unit: Fraction,
    ) -> None:
        """Who takes how much, and what goes with it."""
        able = [one for one in takers if one["reason"] is None]
        left, rest = abs(quantity), cost
        if policy in RANKED:
            for one in able:
                if not left:
                    break
                taken = min(left, abs(one["quantity"]))
                amount = half_even(rest * taken / left, self.scale)
                if self.after(one, taken, amount, each) < 0:
                    one["reason"] = "negative_after"
                    continue
                one["taken"], one["amount"], one["before"] = taken, amount, (left, rest)
                left, rest = left - taken, rest - amount
            return
        winners = [one for one in able if one["upnl"] > 0]
        if policy == "pro_rata":
            left, rest = self.shared(winners, left, rest, each, unit, None)
            others = [one for one in able if one["upnl"] <= 0]
            self.shared(others, left, rest, each, unit, None)
        else:
            self.shared(winners, left, rest, each, unit, -(cost + quantity * each))

    def shared(
        self,
        group: list[Json],
        left: Fraction,
        rest: Fraction,
        each: Fraction,
        unit: Fraction,
        loss: Fraction | None,
    ) -> tuple[Any, ...]:
        """Shares among a group; all that cannot bear theirs are left out and all is anew."""
        while group and left:
            if loss is None:
                shares = by_size(group, left, unit)
            else:
                shares = under_caps(group, left, loss, unit)
            now, cost = left, rest
            amounts = []
            for place, one in enumerate(group):
                amount = ZERO
                if shares[place]:
                    amount = half_even(cost * shares[place] / now, self.scale)
                    now, cost = now - shares[place], cost - amount
                    if self.after(one, shares[place], amount, each) < 0:
                        one["reason"] = "negative_after"
                amounts.append(amount)
            if all(one["reason"] is None for one in group):
                for place, one in enumerate(group):
                    one["taken"], one["amount"] = shares[place], amounts[place]
                    one["before"] = (left, rest)
                    left, rest = left - shares[place], rest - amounts[place]
                return left, rest
            group = [one for one in group if one["reason"] is None]
        return left, rest

    def part(
        self,
        here: str,
        part: str,
        one: Json,
        contract: Contract,
        each: Fraction,
        quantity: Fraction,
    ) -> None:
        source = f"{here}/candidates/{one['index']}"
        for key in ("instrument", "liquidation_id"):
            self.copy(f"{part}/{key}", f"{here}/{key}")
        for key in ("margin_instrument", "rank", "score"):
            self.copy(f"{part}/{key}", f"{source}/{key}")
        taken, amount = one["taken"], one["amount"]
        held: Fraction = one["quantity"]
        now = held + (taken if quantity > 0 else -taken)
        self.worked[f"={part}/contracts_left"], self.worked[f"={part}/cost_left"] = one["before"]
        self.worked[f"={part}/value_before"] = down(held * each, self.scale)
        self.worked[f"={part}/value_after"] = down(now * each, self.scale)
        self.expect(part + "/quantity", taken)
        self.expect(part + "/amount", amount)
        signed = taken if quantity > 0 else -taken
        self.expect(part + "/price", contract.price_of(signed, -amount))
        released = half_even(one["cost"] * taken / abs(one["quantity"]), self.scale)
        self.expect(f"={part}/released", released)
        self.expect(part + "/realized_pnl", amount + released)
        self.expect(part + "/in_profit", one["upnl"] > 0)
        self.expect(part + "/equity_after", self.after(one, taken, amount, each))

    def moved(self, name: str) -> Json:
        """What deleveraging posted in an instrument, by owner; of those whose books are here."""
        found: Json = {}
        for book in self.inputs["books"]:
            if book["instrument"] == name:
                amounts = found.setdefault(book["owner"], set())
                for posting in book["postings"]:
                    if posting["purpose"] == "deleveraging":
                        amounts.add((book["kind"], figure(posting["amount"])))
        return found

    def part_posted(self, part: str, one: Json, quantity: Fraction, moved: Json) -> None:
        if one["account"] not in moved:
            return
        posted = moved[one["account"]]
        signed = one["taken"] if quantity > 0 else -one["taken"]
        cost = not one["amount"] or ("variation", one["amount"]) in posted
        right = ("position", signed) in posted and cost
        self.hold(f"={part}/books", right, "the books moved contracts and cost")

    def deleveraging_untaken(self, here: str) -> None:
        name = self.inputs["records"][self.inputs["asked"]]["subject"]
        self.copy(here + "/mark_price", f"marks/{name}/mark_price")
        self.copy(here + "/floor", "terms/pool/insurance_floor")
        each = self.contracts[name].value(self.number(here + "/mark_price"))
        worth = down(self.number(here + "/quantity") * each, self.scale)
        self.expect(here + "/loss", -(self.number(here + "/cost") + worth))
        self.inventory(here, name)

    # --------------------------------------------------------------------------- insurance fund

    def fund(self, here: str) -> None:
        body = self.at(here)
        subject = self.inputs["records"][self.inputs["asked"]]["subject"]
        self.movement(here, subject)
        count = int(subject[2:])
        for index in self.find("fund", subject=f"F-{count - 1}"):
            for key in ("insurance", "deficit"):
                self.copy(f"{here}/{key}_before", f"records/{index}/body/{key}_after")
        if count == 1:
            self.expect(here + "/insurance_before", ZERO)
            self.expect(here + "/deficit_before", ZERO)
        self.cause(here, body)

    def movement(self, here: str, subject: str) -> None:
        """The figures of a movement by themselves, and where the books held them."""
        body = self.at(here)
        amount = figure(body["amount"])
        insured, owed = figure(body["insurance_before"]), figure(body["deficit_before"])
        changed = figure(body["deficit_after"]) - owed
        self.expect(here + "/amount", figure(body["insurance_after"]) - insured + changed)
        if body["cause"] not in ("adjustment", "socialized"):
            if amount > 0:
                part = self.expect(f"={here}/repaid", min(amount, -owed))
                self.expect(here + "/insurance_after", insured + amount - part)
                self.expect(here + "/deficit_after", owed + part)
            else:
                part = self.expect(f"={here}/drawn", min(-amount, insured))
                self.expect(here + "/insurance_after", insured - part)
                self.expect(here + "/deficit_after", owed + amount + part)
        changes = sum((figure(line["change"]) for line in body["deficits"]), ZERO)
        self.worked[f"={here}/changes"] = changes
        self.hold(f"={here}/deficits", changes == changed, "the deficits make up the change")
        older = []
        for index, line in enumerate(body["deficits"]):
            change, left = figure(line["change"]), figure(line["left"])
            right = left <= 0
            if change < 0:
                right = line["opened_by"] == subject and left == change
            else:
                older.append((int(line["opened_by"][2:]), left))
            self.hold(f"={here}/deficits/{index}/left", right, "what is left is right")
        if len(older) > 1:
            right = older == sorted(older) and not any(left for _, left in older[:-1])
            self.hold(f"={here}/oldest", right, "the oldest is repaid first")
        wanted = {
            ("@house", kind, None, self.asset): figure(body[kind + "_after"])
            for kind in ("insurance", "deficit")
        }
        chosen = [book for book in self.inputs["books"] if book["kind"] in ("insurance", "deficit")]
        cut = next(self.cuts(chosen, wanted, others=True), None)
        self.hold(f"={here}/books", cut is not None, "the books held this fund and deficit")

    def cause(self, here: str, body: Json) -> None:
        """Where the amount of a movement comes from."""
        cause = body["cause"]
        if cause == "socialized" and body["deficits"]:
            shares = self.find("socialized_loss", subject=body["deficits"][0]["opened_by"])
            total = sum((self.number(f"records/{index}/body/share") for index in shares), ZERO)
            self.expect(here + "/amount", total)
        if cause == "insurance_deposit":
            self.copy(here + "/amount", "source/amount")
        kinds = {
            "made_whole": ("made_whole", "amount", -1),
            "close_out": ("close_out", "realized_pnl", 1),
            "fee": ("close_out", "fee", -1),
        }
        if cause not in kinds:
            return
        kind, field, sign = kinds[cause]
        for index in self.find(kind, subject=body["liquidation_id"] or "-"):
            other = self.inputs["records"][index]["body"]
            if (
                other.get("instrument", body["instrument"]) == body["instrument"]
                and other.get("account", body["account"]) == body["account"]
            ):
                self.expect(here + "/amount", sign * figure(other[field]))
                return

    def fund_floor(self, here: str) -> None:
        self.copy(here + "/floor", "terms/pool/insurance_floor")
        lines = [0]
        for book in self.inputs["books"]:
            lines.extend(posting["line"] for posting in book["postings"])
        self.projection(here, max(lines))
        under = self.number(here + "/projected") < self.number(here + "/floor")
        self.expect(here + "/state", "under" if under else "restored")

    def socialized_loss(self, _here: str) -> None:
        subject = self.inputs["records"][self.inputs["asked"]]["subject"]
        places = [
            f"records/{index}/body" for index in self.find("socialized_loss", subject=subject)
        ]
        deficit = self.number(places[0] + "/deficit")
        gains = self.number(places[0] + "/gains")
        each = [
            self.expect(
                f"={place}/gain",
                self.number(place + "/unrealized_pnl") - self.number(place + "/borne"),
            )
            for place in places
        ]
        self.hold("=gains_enough", sum(each, ZERO) <= gains, "the profits are among the gains")
        shared = min(deficit, gains)
        self.worked["=shared"] = shared
        self.worked["=gains"] = gains
        unit = Fraction(1, 10**self.scale)
        shares = largest_remainder([shared * gain / gains for gain in each], shared, unit)
        for index, place in enumerate(places):
            self.expect(place + "/deficit", deficit)
            self.expect(place + "/gains", gains)
            self.expect(place + "/share", shares[index])
            self.hold(
                f"={place}/bound",
                shares[index] <= each[index],
                "nobody gives more than it gained",
            )

    # ----------------------------------------------------------------------------- close-outs

    def close_out(self, here: str) -> None:
        body, trade = self.at(here), self.inputs["trade"]
        contract = self.contracts[body["instrument"]]
        bust = self.inputs["is_bust"]
        self.copy(here + "/instrument", "trade/instrument")
        self.copy(here + "/price", "trade/price")
        buyer = trade["buyer"] == "@liquidation"
        sign = 1 if buyer != bust else -1
        quantity = self.expect(here + "/quantity", sign * self.number("trade/quantity"))
        fee = self.number("trade/buyer_fee" if buyer else "trade/seller_fee")
        self.expect(here + "/fee", -fee if bust else fee)
        held = cost = ZERO
        for book in self.inputs["books"]:
            if book["owner"] == "@liquidation" and book["instrument"] == contract.name:
                if book["kind"] == "position":
                    held = figure(book["before"])
                if book["kind"] == "variation":
                    cost = figure(book["before"])
        self.worked["=held"], self.worked["=cost"] = held, cost
        each = contract.value(self.number("trade/price"))
        cash = self.expect("=cash", -sign * half_even(abs(quantity) * each, self.scale))
        realized = ZERO
        if held * quantity < 0:
            if abs(quantity) < abs(held):
                realized = cash + half_even(cost * abs(quantity) / abs(held), self.scale)
            elif abs(quantity) == abs(held):
                realized = cash + cost
            else:
                realized = half_even(held * each, self.scale) + cost
        self.expect(here + "/realized_pnl", realized)
        self.expect(here + "/inventory_quantity", held + quantity)
        self.expect(here + "/inventory_cost", cost + cash - realized)

    def unclosed(self, here: str) -> None:
        body = self.at(here)
        if body["ended_by"] != "deleveraging":
            return
        found = self.find("deleveraging", instrument=body["instrument"])
        if not found:
            raise Differs("=deleveraging: the deleveraging is not on record")
        other = self.inputs["records"][found[0]]
        closed = figure(other["body"]["deleveraged"])
        self.expect(
            here + "/quantity", closed if figure(other["body"]["quantity"]) > 0 else -closed
        )
        given = ZERO
        for index in self.find("deleveraged", subject=other["subject"]):
            given += self.number(f"records/{index}/body/amount")
        self.worked[f"={here}/given"] = given
        self.expect(here + "/cost", given)

    # --------------------------------------------------------------------------------- prices

    def within(self, band: Fraction, price: Fraction, reference: Fraction) -> bool:
        return abs(price - reference) <= band * reference

    def suspicion(self, price: Fraction) -> str | None:
        source = self.inputs["source"]
        band = self.inputs["terms"]["instruments"][source["instrument"]]["price_band"]
        if band is None:
            return None
        accepted, index = self.inputs["accepted"], source.get("index_price")
        reference = None if accepted is None else figure(accepted["mark_price"])
        if reference is not None and not self.within(figure(band), price, reference):
            return "moved"
        if index is not None and not self.within(figure(band), price, figure(index)):
            return "off_index"
        return None

    def subject(self, source: str) -> None:
        self.copy(f"records/{self.inputs['asked']}/subject", source)

    def mark(self, here: str) -> None:
        source = self.at(here + "/source")
        field = {
            "settlement": "price",
            "expiry": "price",
            "trade": "price",
            "opening": "entry_price",
        }.get(source, "mark_price")
        self.copy(here + "/mark_price", "source/" + field)
        self.subject("source/instrument")
        price = self.number(here + "/mark_price")
        if source == "price":
            self.hold("=believed", self.suspicion(price) is None, "the price is believed")
        if source == "confirmed":
            suspects = self.find("suspect_mark")
            if not suspects:
                raise Differs("=suspect: no suspect mark came before")
            last = self.inputs["records"][suspects[0]]["body"]
            near = self.within(figure(last["band"]), price, figure(last["first_suspect"]))
            self.hold("=confirms", near, "it confirms the first suspect")
            self.hold("=enough", last["confirmations"] + 1 >= last["needed"], "it is the last one")

    def suspect_mark(self, here: str) -> None:
        name = self.inputs["records"][self.inputs["asked"]]["subject"]
        self.copy(here + "/mark_price", "source/mark_price")
        index = self.inputs["source"].get("index_price")
        self.expect(here + "/index_price", comparable(index))
        self.copy(here + "/band", f"terms/instruments/{name}/price_band")
        self.copy(here + "/needed", f"terms/instruments/{name}/price_confirmations")
        self.accepted(here)
        price, band = self.number(here + "/mark_price"), self.number(here + "/band")
        self.expect(here + "/reason", self.suspicion(price))
        first, confirmations = price, 0
        before = [one for one in self.find("suspect_mark") if one != self.inputs["asked"]]
        if before and self.inputs["suspicion_open"]:
            last = self.inputs["records"][before[-1]]["body"]
            if self.within(band, price, figure(last["first_suspect"])):
                first, confirmations = figure(last["first_suspect"]), last["confirmations"] + 1
        self.expect(here + "/first_suspect", first)
        self.expect(here + "/confirmations", Fraction(confirmations))

    def accepted(self, here: str) -> None:
        known = self.inputs["accepted"]
        if known is None:
            self.expect(here + "/accepted_price", None)
            return
        if known["source"] in STAND_INS:
            raise Differs(f"accepted/source: {known['source']} only stands in")
        self.copy(here + "/accepted_price", "accepted/mark_price")

    def price_acceptance(self, here: str) -> None:
        for key in ("mark_price", "made_by", "checked_by"):
            self.copy(f"{here}/{key}", "source/" + key)
        self.subject("source/instrument")
        self.accepted(here)
        body = self.at(here)
        self.hold("=hands", body["made_by"] != body["checked_by"], "two people accepted it")

    def asset_price(self, here: str) -> None:
        self.copy(here + "/price", "source/price")
        self.subject("source/asset")

    def trade_bust(self, here: str) -> None:
        self.subject("source/trade_event_id")
        self.copy(here + "/busted_by", "source/event_id")
        self.copy(here + "/reason", "source/reason")

    # -------------------------------------------------------------------------------- funding

    def funding(self) -> None:
        contract = self.contracts[self.inputs["source"]["instrument"]]
        value = self.expect("=value", abs(contract.value(self.number("source/mark_price"))))
        rate = self.number("source/rate")
        total = ZERO
        for index, line in enumerate(self.inputs["payments"]):
            exact = -figure(line["quantity"]) * value * rate
            first = self.inputs["rules"] == 1  # version 1 of the rules rounded half-even
            payment = half_even(exact, self.scale) if first else down(exact, self.scale)
            self.expect(f"payments/{index}/payment", payment)
            total += payment
        if self.inputs["whole"]:
            self.expect("rounding", -total)

    # ---------------------------------------------------------------------------------- whole

    def run(self) -> None:
        self.running()
        if self.told["kind"] == "funding_rate":
            self.funding()
        else:
            record = self.inputs["records"][self.inputs["asked"]]
            if record["kind"] != self.told["kind"]:
                raise Differs(f"kind: expected {record['kind']}, found {self.told['kind']}")
            worker: Callable[[str], None] | None = getattr(self, record["kind"], None)
            if worker is None:
                raise Differs(f"kind: {record['kind']} is not known here")
            worker(f"records/{self.inputs['asked']}/body")
        self.steps()
        self.envelope()

    def steps(self) -> None:
        """Each step says what was worked here; none is missing."""
        seen = set()
        for index, step in enumerate(self.told["steps"]):
            name = f"steps/{index} ({step['name']})"
            place = step["figure"]
            seen.add(place)
            if place not in self.worked:
                raise Differs(f"{name}: the figure {place} is not known here")
            wanted = self.worked[place]
            recorded = wanted
            if place.startswith("="):
                recorded = True if wanted is True else None
            for key, value in (("result", wanted), ("recorded", recorded), ("agrees", True)):
                if not same(step[key], value):
                    raise Differs(f"{name} {key}: expected {text(value)}, found {text(step[key])}")
            if set(step["inputs"]) != set(step["from"]):
                raise Differs(f"{name}: inputs and their places differ")
            for key, source in step["from"].items():
                if source.startswith("="):
                    if source not in self.worked:
                        raise Differs(f"{name} {key}: {source} is not known here")
                    value = self.worked[source]
                else:
                    value = self.at(source)
                given = step["inputs"][key]
                if not same(given, value):
                    wanted_text = text(comparable(value))
                    raise Differs(f"{name} {key}: expected {wanted_text}, found {text(given)}")
        for place in self.worked:
            if place not in seen and not place.startswith("="):
                raise Differs(f"steps: none works out {place}")

    def envelope(self) -> None:
        """What the file says of itself, and that nothing in it was changed."""
        event = self.told["event"]
        for key in ("rules", "pool_time"):
            if event[key] != self.inputs[key]:
                raise Differs(f"event/{key}: expected {self.inputs[key]}, found {event[key]}")
        source = self.inputs["source"]
        for key in ("kind", "event_id"):
            if event[key] != source[key]:
                raise Differs(f"event/{key}: expected {source[key]}, found {event[key]}")
        if moment(event["occurred_at"]) != moment(source["occurred_at"]):
            raise Differs(
                f"event/occurred_at: expected {source['occurred_at']}, found {event['occurred_at']}"
            )
        if "records" in self.inputs:
            address = self.inputs["records"][self.inputs["asked"]]["address"]
            if address != f"{event['sequence']}.{self.inputs['line']}":
                raise Differs(
                    f"event/sequence: expected that of record {address}, found {event['sequence']}"
                )
        if self.told["agrees"] is not True:
            raise Differs(f"agrees: expected true, found {text(self.told['agrees'])}")
        rest = {key: value for key, value in self.told.items() if key != "checksum"}
        packed = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        wanted = hashlib.sha256(packed.encode()).hexdigest()
        if self.told.get("checksum") != wanted:
            raise Differs(
                f"checksum: expected {wanted}, found {self.told.get('checksum')}:"
                " something in the file was changed"
            )


def held_at(book: Json, line: int) -> Fraction:
    """Balance of an account after a posting line of the event."""
    balance = book["before"]
    for posting in book["postings"]:
        if posting["line"] <= line:
            balance = posting["balance"]
    return figure(balance)


def by_size(group: list[Json], left: Fraction, unit: Fraction) -> list[Fraction]:
    sizes = [abs(one["quantity"]) for one in group]
    total = sum(sizes, ZERO)
    if left >= total:
        return sizes
    return largest_remainder([left * size / total for size in sizes], left, unit)


def under_caps(group: list[Json], size: Fraction, loss: Fraction, unit: Fraction) -> list[Fraction]:
    """By profit, none beyond `min(|q|, floor(upnl * |Q| / U))`: whoever is, gets its cap."""
    caps = [
        min(abs(one["quantity"]), floor(one["upnl"] * size / loss / unit) * unit) for one in group
    ]
    exact = [ZERO for _ in group]
    active = list(range(len(group)))
    rest = size
    while active:
        weight = sum((group[place]["upnl"] for place in active), ZERO)
        level = rest / weight
        full = [place for place in active if caps[place] <= level * group[place]["upnl"]]
        if not full:
            for place in active:
                exact[place] = level * group[place]["upnl"]
            break
        for place in full:
            exact[place] = caps[place]
            rest -= caps[place]
            active.remove(place)
    return largest_remainder(exact, sum(exact, ZERO), unit)


def largest_remainder(exact: list[Fraction], total: Fraction, unit: Fraction) -> list[Fraction]:
    whole = [floor(share / unit) * unit for share in exact]
    missing = floor(total / unit) - sum(floor(share / unit) for share in exact)
    order = sorted(range(len(exact)), key=lambda place: (whole[place] - exact[place], place))
    for place in order[:missing]:
        whole[place] += unit
    return whole


def complaint(told: Any) -> str | None:
    """The first figure that does not agree, expected and found; None where all do."""
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        return f"format: expected an explanation of format {FORMAT}"
    try:
        Check(told).run()
    except Differs as fault:
        return str(fault)
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        ZeroDivisionError,
        OverflowError,
        AssertionError,
    ) as fault:
        return f"the explanation is not whole: {type(fault).__name__}: {fault}"
    return None


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        sys.stderr.write("usage: python check_explanation.py FILE\n")
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as file:
            told = json.load(file)
    except (OSError, ValueError) as fault:
        sys.stderr.write(f"{arguments[0]}: {fault}\n")
        return 2
    found = complaint(told)
    sys.stdout.write("agrees\n" if found is None else f"does not agree: {found}\n")
    return 0 if found is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
