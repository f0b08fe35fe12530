"""A venue through the crash: prices, close-outs, a little trade and funding, sent to the core.

The ledger under test is the real core: wire events through the codec into `decide`, one after
another. What the venue adds is the market, and it is simple:

* every five seconds each instrument gets a mark on the way through its bar, thrice a bar each
  collateral coin a price; funding is paid at the full hour;
* what `@liquidation` holds is offered at once. Makers take up to `DEPTH` a bar in calm markets,
  and less the rougher the bar is; the price is worse than the mark by a spread and an impact that
  grows with the roughness and with how much of the depth is used;
* now and then somebody opens a position with new money, or cuts half of one.
"""

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

from docs.figures.crash_bars import BAR, COINS, START, Bar, MarketFiles
from docs.figures.crash_crowd import MAKERS, QUANTITY, SEED, Participant
from ledger.codec.decoding import Decoded, decode
from ledger.core.events import Event
from ledger.core.machine import decide
from ledger.core.outcome import Outcome
from ledger.core.state import State

STEPS = 60
"""Marks a bar: one every five seconds."""

DEPTH = Decimal(20_000)
"""USDT for each participant that the makers take of one instrument in a calm bar."""

CALM = Decimal("0.03")
"""Span of a bar at which the depth has halved."""

SPREAD = Decimal("0.0002")
IMPACT = Decimal("0.08")
"""What selling all of the depth costs beyond the spread, times span squared over `CALM`."""

EAGER = 6
"""Chance of a new position over the span of a bar."""

DIP_SHARE = 0.5
"""How many of these buy; the others sell."""

TAKER, MAKER = Decimal("0.0004"), Decimal("-0.0001")
HAIRCUTS = {"BTC": "0.05", "ETH": "0.08"}
PRICE_SCALES = {"BTC": 1, "ETH": 2}
CENT, MICRO = Decimal("0.01"), Decimal("0.000001")
POOL_NAME = "crash"
POOL: dict[str, Any] = {
    "settlement_asset": "USDT",
    "scale": 6,
    "liquidation": "partial",
    "penalty_rate": "0.004",
    "partial_buffer": "0.25",
    "insurance_floor": "0",
    "adl_policy": "binance",
    "loss_policy": "socialize",
}
INSURANCE = Decimal(150)
"""USDT for each participant in the insurance fund at the beginning."""

Watcher = Callable[[Event, Outcome], None]


class Moment(NamedTuple):
    """After one step of the market.

    Attributes:
        at: Time of the step.
        marks: By coin.
        insurance, deficit: Balances, USDT.
        held: By `@liquidation`, notional at mark, USDT.
        inventory: Its unrealized P&L at mark, USDT.
    """

    at: datetime
    marks: dict[str, Decimal]
    insurance: Decimal
    deficit: Decimal
    held: Decimal
    inventory: Decimal


def listing(coin: str, market: MarketFiles) -> dict[str, Any]:
    """Fields of the instrument event."""
    return {
        "instrument": f"{coin}-PERP",
        "type": "linear",
        "multiplier": "1",
        "price_scale": PRICE_SCALES[coin],
        "quantity_scale": 3,
        "expiry": None,
        "tiers": market.tiers[coin],
    }


class Venue:
    """Sends events to a pool of the core, and lets a watcher see each outcome."""

    def __init__(
        self,
        market: MarketFiles,
        watcher: Watcher,
        *,
        steps: int = STEPS,
        state: State | None = None,
        **terms: object,
    ) -> None:
        """Declare the pool.

        Args:
            market: What happens.
            watcher: Sees every event and its outcome.
            steps: Marks a bar.
            state: To start from; an empty pool where left out.
            terms: Of the pool, in the place of `POOL`'s.
        """
        self.state = State(POOL_NAME) if state is None else state
        self.market = market
        self.steps = steps
        self.sent = 0
        self.marks: dict[str, Decimal] = {}
        self.watchers = [watcher]
        self._now = START
        self._depth = Decimal(0)
        self._names: list[str] = []
        self._draw = random.Random(SEED)  # noqa: S311 - seeded on purpose
        self._send("pool", **POOL | terms)

    def load(self, people: list[Participant]) -> None:
        """Take everybody over from before the window; the makers hold the other side."""
        self._names = [person.name for person in people]
        self._depth = DEPTH * len(people) / self.steps
        for coin in COINS:
            self._send("asset", asset=coin, scale=8, haircut=HAIRCUTS[coin])
            self._send("instrument", **listing(coin, self.market))
            opening = self.market.bars[coin][0].open
            self._send("asset_price", asset=coin, price=str(opening))
            self._price(coin, opening)
        self._send("insurance_deposit", asset="USDT", amount=str(INSURANCE * len(people)))
        for name in (*MAKERS, *(person.name for person in people)):
            self._send("account", account=name)
        for person in people:
            self._take_over(person)
        for coin in COINS:
            self._load_makers(coin, people)

    def run(self) -> Iterator[Moment]:
        """Walk through the window, one moment a step."""
        for bars in zip(*(self.market.bars[coin] for coin in COINS), strict=True):
            walks = [bar.walk(self.steps) for bar in bars]
            for step, prices in enumerate(zip(*walks, strict=True), start=1):
                self._now = bars[0].at + BAR / self.steps * step
                for coin, price in zip(COINS, prices, strict=True):
                    self._price(coin, price)
                if step % (self.steps // 3) == 0:
                    for coin in COINS:
                        self._send("asset_price", asset=coin, price=str(self.marks[coin]))
                for coin, bar in zip(COINS, bars, strict=True):
                    self._close_out(coin, bar)
                if step % 3 == 0:
                    self._trade_a_little(bars)
                if step == self.steps:
                    self._fund()
                yield self._moment()

    # -------------------------------------------------------------------------------------- events

    def _send(self, kind: str, **fields: object) -> Outcome:
        self.sent += 1
        message = {
            "kind": kind,
            "event_id": f"{kind}-{self.sent}",
            "pool": POOL_NAME,
            "occurred_at": (self._now + timedelta(microseconds=self.sent % 10**6)).strftime(
                "%Y-%m-%dT%H:%M:%S.%fZ"
            ),
            **fields,
        }
        decoded = decode(json.dumps(message).encode())
        assert isinstance(decoded, Decoded), (message, decoded)
        outcome = decide(self.state, decoded.event, None, self.sent)
        assert isinstance(outcome, Outcome), (message, outcome)
        for watch in self.watchers:
            watch(decoded.event, outcome)
        return outcome

    def _take_over(self, person: Participant) -> None:
        self._send("opening_balance", account=person.name, asset="USDT", amount=str(person.cash))
        for coin, held in person.coins.items():
            self._send("opening_balance", account=person.name, asset=coin, amount=str(held))
        for position in person.positions:
            instrument = f"{position.coin}-PERP"
            self._send(
                "position_mode",
                account=person.name,
                instrument=instrument,
                mode="isolated" if position.is_isolated else "cross",
                leverage=str(position.leverage),
            )
            self._send(
                "opening_position",
                account=person.name,
                instrument=instrument,
                quantity=str(position.quantity),
                entry_price=str(position.price),
            )

    def _load_makers(self, coin: str, people: list[Participant]) -> None:
        held = [p.quantity for person in people for p in person.positions if p.coin == coin]
        net, gross = sum(held, Decimal(0)), sum(map(abs, held), Decimal(0))
        price = self.market.bars[coin][0].open
        left = -net
        for number, maker in enumerate(MAKERS, start=1):
            cash = (gross * price / len(MAKERS) / 4).quantize(CENT)
            self._send("opening_balance", account=maker, asset="USDT", amount=str(cash))
            part = left if number == len(MAKERS) else (-net / len(MAKERS)).quantize(QUANTITY)
            left -= part
            if part:
                self._send(
                    "opening_position",
                    account=maker,
                    instrument=f"{coin}-PERP",
                    quantity=str(part),
                    entry_price=str(price),
                )

    def _price(self, coin: str, price: Decimal) -> None:
        self.marks[coin] = price
        self._send("price", instrument=f"{coin}-PERP", mark_price=str(price))

    def _trade(self, coin: str, buyer: str, seller: str, quantity: Decimal, price: Decimal) -> None:
        """A trade with a maker; the other side is the taker."""
        value = quantity * price
        fees = {
            side: str((value * (MAKER if who in MAKERS else TAKER)).quantize(MICRO))
            for side, who in (("buyer_fee", buyer), ("seller_fee", seller))
        }
        self._send(
            "trade",
            instrument=f"{coin}-PERP",
            price=str(price),
            quantity=str(quantity),
            buyer=buyer,
            seller=seller,
            **fees,
        )

    # -------------------------------------------------------------------------------------- market

    def held(self, owner: str, coin: str) -> Decimal:
        """Signed position, contracts."""
        units = self.state.journal.balance(owner, "position", f"{coin}-PERP", None)
        return Decimal(units).scaleb(-3)

    def money(self, owner: str, kind: str, instrument: str | None = None) -> Decimal:
        """Balance of the settlement asset."""
        return Decimal(self.state.journal.balance(owner, kind, instrument, "USDT")).scaleb(-6)

    def _close_out(self, coin: str, bar: Bar) -> None:
        inventory = self.held("@liquidation", coin)
        if not inventory:
            return
        mark = self.marks[coin]
        depth = self._depth / (1 + (bar.span / CALM) ** 2)
        quantity = min(abs(inventory), (depth / mark).quantize(QUANTITY, ROUND_DOWN))
        used = quantity * mark / depth
        worse = SPREAD + IMPACT * bar.span**2 / CALM * used
        side = 1 if inventory > 0 else -1
        tick = Decimal(1).scaleb(-PRICE_SCALES[coin])
        price = (mark * (1 - side * worse)).quantize(tick)
        if side > 0:
            maker = min(MAKERS, key=lambda name: (self.held(name, coin), name))
            self._trade(coin, maker, "@liquidation", quantity, price)
        else:
            maker = max(MAKERS, key=lambda name: (self.held(name, coin), name))
            self._trade(coin, "@liquidation", maker, quantity, price)

    def _trade_a_little(self, bars: tuple[Bar, ...]) -> None:
        """Somebody opens with new money, more often the rougher the bar, or cuts a position."""
        for coin, bar in zip(COINS, bars, strict=True):
            maker = self._draw.choice(MAKERS)
            if self._draw.random() < float(bar.span) * EAGER:
                self._enter(coin, self._draw.choice(self._names), maker)
                continue
            name = self._draw.choice(self._names)
            held = self.held(name, coin)
            cut = (abs(held) / 2).quantize(QUANTITY, ROUND_DOWN)
            if cut and held > 0:
                self._trade(coin, maker, name, cut, self.marks[coin])
            elif cut:
                self._trade(coin, name, maker, cut, self.marks[coin])

    def _enter(self, coin: str, name: str, maker: str) -> None:
        """Buy the dip, or chase the fall, at up to twelve times the money brought along."""
        mark = self.marks[coin]
        notional = Decimal(f"{min(self._draw.lognormvariate(10.5, 1), 1e6):.2f}")
        quantity = (notional / mark).quantize(QUANTITY, ROUND_DOWN)
        if not quantity:
            return
        money = (notional / 12).quantize(CENT)
        self._send("deposit", account=name, asset="USDT", amount=str(money))
        if self._draw.random() < DIP_SHARE:
            self._trade(coin, name, maker, quantity, mark)
        else:
            self._trade(coin, maker, name, quantity, mark)

    def _fund(self) -> None:
        for coin in COINS:
            rate = self.market.funding.get((coin, self._now))
            if rate is not None:
                self._send(
                    "funding_rate",
                    instrument=f"{coin}-PERP",
                    rate=rate,
                    mark_price=str(self.marks[coin]),
                )

    def _moment(self) -> Moment:
        inventory = sum(
            (
                self.money("@liquidation", "variation", f"{coin}-PERP")
                + self.held("@liquidation", coin) * self.marks[coin]
                for coin in COINS
            ),
            Decimal(0),
        )
        return Moment(
            self._now,
            dict(self.marks),
            self.money("@house", "insurance"),
            self.money("@house", "deficit"),
            sum(
                (abs(self.held("@liquidation", coin)) * self.marks[coin] for coin in COINS),
                Decimal(0),
            ),
            inventory,
        )
