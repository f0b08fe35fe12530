"""Leveraged books by seed, as messages: several assets and instruments, borrowed money, old marks.

Rules of this file:

* Same seed, same messages. It knows nothing of margin: what is refused is refused, and defaults
  come as they come. Only prices and inventories are followed, so that trades are near the mark and
  close-outs have something to close.
* Tiers are continuous and have borders where positions are; leverage, haircuts and multipliers are
  numbers that do not divide evenly.
"""

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ledger.ports import Message, Source

FILE = Source("file", "leveraged", "leveraged")
OWNERS = ("ada", "ben", "cho", "dee", "eli", "fay", "gus")
POLICIES = ("bitmex", "binance", "hyperliquid", "pro_rata", "capped_pro_rata")
START = datetime(2026, 1, 1, tzinfo=UTC)
SHAPES: Mapping[str, tuple[str, str, int, int, str]] = {
    "LIN-A": ("linear", "1", 2, 0, "100"),
    "LIN-B": ("linear", "0.003", 1, 2, "25000"),
    "INV-A": ("inverse", "100", 1, 0, "70"),
    "INV-B": ("inverse", "33.3", 3, 1, "41"),
}
UNPRICED = "NEW"
"""An instrument that nobody ever trades or prices; positions in it come by hand."""
"""Type, multiplier, price scale, quantity scale and first price of each instrument."""

Content = dict[str, object]


def _plain(number: Decimal, scale: int) -> str:
    return f"{number.quantize(Decimal(1).scaleb(-scale)):f}"


class Books:
    """Makes one history; `messages` hands it out in batches.

    Attributes:
        inventory: Contracts of `@liquidation` by instrument, as the caller last saw them.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.inventory: Mapping[str, Decimal] = {}
        self._marks = {name: Decimal(shape[4]) for name, shape in SHAPES.items()}
        self._now = START
        self._number = 0

    def beginning(self) -> list[Message]:
        """The pool, its assets, instruments and participants, money, and a first price of each."""
        pick = self.chance.choice
        found: list[Content] = [self._pool(scale=pick((2, 4, 8)))]
        found += [
            {"kind": "asset", "asset": "BTC", "scale": 8, "haircut": pick(("0", "0.1", "0.37"))},
            {"kind": "asset", "asset": "ETH", "scale": 18, "haircut": "0.123456789012"},
            {"kind": "asset", "asset": "XYZ", "scale": 0, "haircut": "0.5"},
            {"kind": "asset_price", "asset": "BTC", "price": "333.333333"},
        ]
        found += [self._instrument(name) for name in SHAPES]
        found.append({**self._instrument("LIN-A"), "instrument": UNPRICED})
        found += [{"kind": "account", "account": owner, "margin_mode": "cross"} for owner in OWNERS]
        for owner in OWNERS:
            if self.chance.random() < 0.6:
                found.append(self._mode(owner))
            found.append(self._deposit(owner, "USD", pick(("300", "900.5", "4000"))))
        found += [self._price(name) for name in SHAPES if self.chance.random() < 0.7]
        found.append({"kind": "insurance_deposit", "asset": "USD", "amount": pick(("9", "400"))})
        return self._messages(found)

    def messages(self, count: int) -> list[Message]:
        """The next events of the history."""
        return self._messages([self.chance.choice(MAKERS)(self) for _ in range(count)])

    def trade(self) -> Content:
        """Two participants, near the mark; sometimes large against what they own."""
        name = self.chance.choice(tuple(SHAPES))
        buyer, seller = self.chance.sample(OWNERS, 2)
        return self._trade(name, buyer, seller, self._size(name))

    def close_out(self) -> Content:
        """A trade of `@liquidation` against its inventory, a part of it or more than it."""
        open_ones = {name: held for name, held in self.inventory.items() if held}
        if not open_ones:
            return self.trade()
        name = self.chance.choice(sorted(open_ones))
        held, other = open_ones[name], self.chance.choice(OWNERS)
        scale = SHAPES[name][3]
        part = abs(held) * self.chance.choice((Decimal("0.4"), Decimal(1), Decimal("1.3")))
        size = max(part, Decimal(1).scaleb(-scale))
        sides = ("@liquidation", other) if held < 0 else (other, "@liquidation")
        return self._trade(name, *sides, _plain(size, scale))

    def price(self) -> Content:
        """Small steps, and now and then a great one."""
        return self._price(self.chance.choice(tuple(SHAPES)))

    def asset_price(self) -> Content:
        asset, price = self.chance.choice((("BTC", "333.333333"), ("ETH", "51.7"), ("BTC", "200")))
        return {"kind": "asset_price", "asset": asset, "price": price}

    def deposit(self) -> Content:
        owner = self.chance.choice(OWNERS)
        asset, amount = self.chance.choice(
            (("USD", "111.1"), ("BTC", "0.12345678"), ("ETH", "1.23456789"), ("XYZ", "3"))
        )
        return self._deposit(owner, asset, amount)

    def debt(self) -> Content:
        """A wallet below zero, as it is taken over from elsewhere."""
        asset, amount = self.chance.choice((("BTC", "-0.31"), ("ETH", "-0.777"), ("USD", "-50")))
        owner = self.chance.choice(OWNERS)
        return {"kind": "opening_balance", "account": owner, "asset": asset, "amount": amount}

    def by_hand(self) -> Content:
        """A position that no trade led to, in an instrument without a mark."""
        lines = [
            {"owner": owner, "kind": kind, "instrument": UNPRICED, "asset": asset, "amount": amount}
            for owner, sign in zip(self.chance.sample(OWNERS, 2), ("", "-"), strict=True)
            for kind, asset, amount in (
                ("position", None, f"{sign}5"),
                ("variation", "USD", "100" if sign else "-100"),
            )
        ]
        return {
            "kind": "adjustment",
            "lines": lines,
            "reason": "taken over",
            "made_by": "one",
            "checked_by": "two",
        }

    def mode(self) -> Content:
        return self._mode(self.chance.choice(OWNERS))

    def isolated_transfer(self) -> Content:
        return {
            "kind": "isolated_transfer",
            "account": self.chance.choice(OWNERS),
            "instrument": self.chance.choice(tuple(SHAPES)),
            "amount": self.chance.choice(("7.25", "-3", "40")),
        }

    def withdrawal(self) -> Content:
        return {**self.deposit(), "kind": "withdrawal", "amount": "1"}

    def terms(self) -> Content:
        """Risk fields sent again."""
        name = self.chance.choice(tuple(SHAPES))
        changes: tuple[Content, ...] = (
            {"kind": "risk_tiers", "instrument": name, "tiers": self._tiers()},
            {"kind": "asset", "asset": "BTC", "scale": 8, "haircut": "0.25"},
            self._instrument(name),
        )
        return self.chance.choice(changes)

    def funding(self) -> Content:
        name = self.chance.choice(tuple(SHAPES))
        rate = self.chance.choice(("0.0007", "-0.013"))
        return {
            "kind": "funding_rate",
            "instrument": name,
            "rate": rate,
            "mark_price": _plain(self._marks[name], SHAPES[name][2]),
        }

    def settlement(self) -> Content:
        name = self.chance.choice(tuple(SHAPES))
        return {"kind": "settlement", "instrument": name, "price": self._moved(name, 5)}

    def _messages(self, contents: list[Content]) -> list[Message]:
        return [self._message(content) for content in contents]

    def _message(self, content: Content) -> Message:
        self._number += 1
        self._now += timedelta(seconds=self.chance.choice((0, 1, 2, 9)))
        common = {
            "event_id": f"event-{self._number}",
            "occurred_at": self._now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return Message(
            *(FILE, 0, self._number - 1, 0, None), json.dumps({**common, **content}).encode()
        )

    def _pool(self, scale: int) -> Content:
        pick = self.chance.choice
        return {
            "kind": "pool",
            "settlement_asset": "USD",
            "scale": scale,
            "liquidation": pick(("full", "partial", "partial", "off")),
            "penalty_rate": pick(("0", "0.015", "1")),
            "partial_buffer": "0.1",
            "insurance_floor": pick(("0", "0", "100")),
            "adl_policy": pick(POLICIES),
            "loss_policy": pick(("open", "socialize")),
        }

    def _instrument(self, name: str) -> Content:
        kind, multiplier, price_scale, quantity_scale, _ = SHAPES[name]
        return {
            "kind": "instrument",
            "instrument": name,
            "type": kind,
            "multiplier": multiplier,
            "price_scale": price_scale,
            "quantity_scale": quantity_scale,
            "expiry": None,
            "tiers": self._tiers(),
            "price_band": self.chance.choice((None, None, "0.2")),
            "price_max_age": self.chance.choice((None, 20, 60)),
            "price_confirmations": 2,
        }

    def _tiers(self) -> list[Content]:
        """One to four tiers; the amounts make maintenance continuous."""
        caps = (Decimal(100), Decimal("555.5"), Decimal(3000))[: self.chance.randint(0, 3)]
        rate, initial = self.chance.choice(
            ((Decimal("0.01"), Decimal("0.02")), (Decimal("0.033"), Decimal("0.07")))
        )
        amount = Decimal(0)
        tiers: list[Content] = []
        for cap in (*caps, None):
            tiers.append(
                {
                    "notional_cap": None if cap is None else f"{cap}",
                    "initial_rate": f"{initial}",
                    "maintenance_rate": f"{rate}",
                    "maintenance_amount": f"{amount.normalize():f}",
                }
            )
            amount += (cap or 0) * Decimal("0.04")
            rate, initial = rate + Decimal("0.04"), initial + Decimal("0.08")
        return tiers

    def _mode(self, owner: str) -> Content:
        return {
            "kind": "position_mode",
            "account": owner,
            "instrument": self.chance.choice(tuple(SHAPES)),
            "mode": self.chance.choice(("cross", "isolated")),
            "leverage": self.chance.choice((None, "3", "7", "12.5")),
        }

    def _deposit(self, owner: str, asset: str, amount: str) -> Content:
        return {"kind": "deposit", "account": owner, "asset": asset, "amount": amount}

    def _price(self, name: str) -> Content:
        percent = self.chance.choice((0, 1, 2, 3, 3, 8, 30))
        price = self._moved(name, percent)
        self._marks[name] = Decimal(price)
        return {"kind": "price", "instrument": name, "mark_price": price}

    def _moved(self, name: str, percent: int) -> str:
        way = self.chance.choice((1, -1))
        return _plain(self._marks[name] * (100 + way * percent) / 100, SHAPES[name][2])

    def _size(self, name: str) -> str:
        """Contracts worth some tens to some thousands at the mark."""
        kind, multiplier, _, scale, _ = SHAPES[name]
        each = Decimal(multiplier)
        each = each * self._marks[name] if kind == "linear" else each / self._marks[name]
        worth = Decimal(self.chance.choice((20, 200, 700, 4000)))
        return _plain(max(worth / each, Decimal(1)), scale)

    def _trade(self, name: str, buyer: str, seller: str, quantity: str) -> Content:
        fee = self.chance.choice(("0", "0.07"))
        return {
            "kind": "trade",
            "instrument": name,
            "price": self._moved(name, self.chance.choice((0, 0, 1))),
            "quantity": quantity,
            "buyer": buyer,
            "seller": seller,
            "buyer_fee": fee,
            "seller_fee": "-0.02" if fee == "0.07" else "0",
        }


MAKERS: tuple[Callable[[Books], Content], ...] = (
    *(Books.trade,) * 14,
    *(Books.close_out,) * 5,
    *(Books.price,) * 14,
    *(Books.asset_price,) * 2,
    *(Books.deposit,) * 5,
    Books.debt,
    Books.by_hand,
    *(Books.mode,) * 5,
    *(Books.isolated_transfer,) * 4,
    Books.withdrawal,
    *(Books.terms,) * 3,
    Books.funding,
    Books.settlement,
)
