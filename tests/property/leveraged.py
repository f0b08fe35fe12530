"""Leveraged histories by seed: small pools that default often and in many ways.

A `Market` looks at the model to make events that bite: positions several times their collateral,
withdrawals to the last unit that margin allows, prices that fall to a tenth in one tick, trades of
`@liquidation` that overshoot its inventory. Same seed, same history.
"""

import random
from collections.abc import Callable
from fractions import Fraction

from ledger.core import events
from ledger.core.units import Fixed, Microseconds
from tests.property.books import HOUSE, LIQUIDATION, NOTHING, exact
from tests.property.histories import NAMES, fixed
from tests.property.listings import listed, pool_terms
from tests.property.model import Model
from tests.property.price_model import border_price

PEOPLE = ("anna", "ben", "cleo", "dora", "emil", "finn")
SECOND = 10**6
SMALL = (0, 1, -1, 2, -2, 3, -3, 5, -5, 9, -9)
FIRST_PRICES = {"LIN": 100, "MINI": 1000, "INV": 8, "ODD": 40}


def to_scale(amount: Fraction, scale: int) -> Fixed:
    """A decimal near the amount."""
    return fixed(round(amount * 10**scale), scale)


class Market:
    """Makes the events of one history."""

    def __init__(
        self,
        seed: int,
        model: Model,
        kinds: "list[Callable[[Market], events.Fact]]",
        *,
        is_calm: bool,
    ) -> None:
        self.chance = random.Random(seed)
        self.model = model
        self.number = 0
        self.now = 0
        self.trades: list[events.Event] = []
        self.kinds = kinds
        self.is_calm = is_calm

    def beginning(self) -> list[events.Event]:
        """Reference facts, money, prices."""
        chance = self.chance
        facts = [pool_terms(chance, chance.choice((2, 2, 6, 8))), *listed(chance)]
        facts += [events.Account(person) for person in PEOPLE]
        for person in PEOPLE:
            facts.append(
                events.Deposit(
                    person,
                    "USD",
                    Fixed(chance.choice((1000, 9000) if self.is_calm else (20, 100, 1000)), 0),
                )
            )
            if chance.random() < 0.4:
                leverage = chance.choice((None, Fixed(2, 0), Fixed(10, 0)))
                facts.append(events.PositionMode(person, self.instrument(), "isolated", leverage))
        facts.append(events.AssetPrice("BTC", Fixed(200, 0)))
        if chance.random() < 0.5:
            facts.append(events.InsuranceDeposit("USD", Fixed(chance.choice((5, 100)), 0)))
        return [self._dressed(fact) for fact in facts]

    def event(self) -> tuple[events.Event, events.Event | None]:
        """The next event, and for a bust the trade that it names."""
        self.original: events.Event | None = None
        make = self.chance.choice(self.kinds)
        return self._dressed(make(self)), self.original

    def _dressed(self, fact: events.Fact) -> events.Event:
        self.number += 1
        self.now += SECOND * self.chance.choice((0, 1, 1, 1, 2, 3, 7))
        when = Microseconds(max(0, self.now - SECOND * self.chance.choice((0, 0, 0, 0, 1, 4))))
        kind = next(name for name, made in NAMES.items() if isinstance(fact, made))
        return events.Event(kind, f"e{self.number}", "main", when, fact)

    def accepted(self, event: events.Event) -> None:
        if isinstance(event.fact, events.Trade):
            self.trades.append(event)

    def person(self) -> str:
        return self.chance.choice(PEOPLE)

    def instrument(self) -> str:
        """Mostly one of the first two, so that accounts meet."""
        return self.chance.choice(("LIN", "LIN", "LIN", "INV", "INV", "MINI", "ODD"))

    def mark(self, instrument: str) -> Fraction:
        known = self.model.marks.get(instrument)
        return Fraction(FIRST_PRICES[instrument]) if known is None else known.price

    def price_near(self, instrument: str, percents: tuple[int, ...], whole: int = 100) -> Fixed:
        scale = self.model.listed[instrument].price_scale
        price = self.mark(instrument) * (whole + self.chance.choice(percents)) / whole
        price = min(max(price, Fraction(1, 10**scale)), Fraction(10**6))
        near = to_scale(price, scale)
        return near if near.coefficient else fixed(1, scale)

    def quantity_of(self, instrument: str, notional: Fraction) -> Fixed:
        """At least one smallest unit."""
        scale = self.model.listed[instrument].quantity_scale
        each = abs(self.model.worth(instrument, Fraction(1), self.mark(instrument)))
        found = to_scale(notional / each, scale)
        return found if found.coefficient > 0 else fixed(1, scale)

    def money(self, *choices: int) -> Fixed:
        """Whole units, or now and then an odd number of smallest ones."""
        if self.chance.random() < 0.3:
            return fixed(self.chance.randint(1, 99999), self.model.pool.scale)
        return fixed(self.chance.choice(choices), 0)

    def trade(self) -> events.Fact:
        """New risk: some times what the buyer has."""
        instrument = self.instrument()
        buyer, seller = self.chance.sample(PEOPLE, 2)
        base = max(self.model.statement((buyer, None)).equity, Fraction(30))
        notional = (
            base * self.chance.choice((1, 1, 2, 4, 8, 20)) * self.chance.randint(50, 100) / 100
        )
        if self.chance.random() < 0.5:
            buyer, seller = seller, buyer
        return events.Trade(
            instrument,
            self.price_near(instrument, (0, 0, 0, 1, -1, 3, -3)),
            self.quantity_of(instrument, notional),
            buyer,
            seller,
            self._fee(),
            self._fee(),
        )

    def closing_trade(self) -> events.Fact:
        """Reduce, end or turn an open position; of `@liquidation` too."""
        instrument = self.instrument()
        holders = [pair for pair in self.model.holders(instrument) if pair[0] != HOUSE]
        inventory = [pair for pair in holders if pair[0] == LIQUIDATION]
        if inventory and self.chance.random() < 0.7:
            holders = inventory
        if not holders:
            return self.trade()
        owner, held = self.chance.choice(holders)
        scale = self.model.listed[instrument].quantity_scale
        part = abs(held) * self.chance.choice((1, 2, 4, 4, 4, 5)) / 4
        quantity = to_scale(part, scale)
        quantity = quantity if quantity.coefficient else fixed(1, scale)
        other = self.chance.choice([person for person in PEOPLE if person != owner])
        sides = (owner, other) if held < 0 else (other, owner)
        trade = events.Trade(
            instrument,
            self.price_near(instrument, (0, 0, 2, -2, 10, -10, 40, -40)),
            quantity,
            *sides,
            self._fee(),
            self._fee(),
        )
        if owner == LIQUIDATION and self.chance.random() < 0.3:
            return trade._replace(liquidation_id=f"L-{self.chance.randint(1, 3)}")
        return trade

    def _fee(self) -> Fixed:
        return fixed(self.chance.choice((0, 0, 0, 5, 17, -3)), self.model.pool.scale)

    def bust(self) -> events.Fact:
        if not self.trades:
            return events.TradeBust("t0", "error")
        self.original = self.chance.choice(self.trades[-6:])
        return events.TradeBust(self.original.event_id, "error")

    def price(self) -> events.Fact:
        """Mostly small steps; sometimes a fall to a tenth, or a rise to the fivefold."""
        instrument = self.instrument()
        if self.is_calm and self.chance.random() < 0.95:
            return events.Price(instrument, self.price_near(instrument, SMALL, 1000))
        wild = (-10, 10, -25, 30, -60, 100, -90, 400) if self.chance.random() < 0.25 else ()
        mild = (0, 1, -1, 3, -3, 5, -5, 8, -8)
        price = self.price_near(instrument, mild + wild * 4)
        index = None
        if self.chance.random() < 0.1:
            index = self.price_near(instrument, (0, 2, 15, -15))
        return events.Price(instrument, price, index)

    def border_price(self) -> events.Fact:
        """A price at which somebody meets a requirement, or one step beside it."""
        instrument = self.instrument()
        holders = [pair for pair in self.model.holders(instrument) if pair[0] in PEOPLE]
        if not holders:
            return self.price()
        owner, _ = self.chance.choice(holders)
        is_initial = self.chance.random() < 0.5
        price = border_price(self.model, owner, instrument, is_initial=is_initial)
        if price is None or price > 10**6:
            return self.price()
        scale = self.model.listed[instrument].price_scale
        step = Fraction(self.chance.choice((-1, 0, 0, 1)), 10**scale)
        near = to_scale(price + step, scale)
        return events.Price(instrument, near) if near.coefficient > 0 else self.price()

    def suspect_price(self) -> events.Fact:
        """One that may confirm a suspect."""
        if not self.model.suspects:
            return self.price()
        instrument = self.chance.choice(sorted(self.model.suspects))
        first = self.model.suspects[instrument][0] * self.chance.choice((99, 100, 101, 130)) / 100
        near = to_scale(first, self.model.listed[instrument].price_scale)
        return events.Price(instrument, near) if near.coefficient else self.price()

    def price_accept(self) -> events.Fact:
        instrument = self.instrument()
        suspect = self.model.suspects.get(instrument)
        scale = self.model.listed[instrument].price_scale
        price = self.price_near(instrument, (0, 20)) if suspect is None else None
        checker = "maria" if self.chance.random() < 0.1 else "noor"
        if suspect is not None:
            price = to_scale(suspect[0], scale)
        assert price is not None
        return events.PriceAccept(instrument, price, "maria", checker)

    def asset_price(self) -> events.Fact:
        asset = self.chance.choice(("BTC", "BTC", "ETH"))
        known = self.model.asset_prices.get(asset, Fraction(150))
        price = known * (100 + self.chance.choice((1, -1, 10, -10, -40, 60, -95))) / 100
        return events.AssetPrice(asset, to_scale(max(price, Fraction(1, 100)), 4))

    def funding(self) -> events.Fact:
        instrument = self.instrument()
        rate = Fixed(self.chance.choice((1, -1, 10, -10, 300, -300)), 4)
        return events.FundingRate(
            instrument, fixed(*rate), self.price_near(instrument, (0, 1, -1, 30))
        )

    def settle(self) -> events.Fact:
        instrument = self.instrument()
        price = self.price_near(instrument, (0, 0, 2, -2, 20, -20, -70, 150))
        made = events.Expiry if self.chance.random() < 0.12 else events.Settlement
        return made(instrument, price)

    def deposit(self) -> events.Fact:
        asset = self.chance.choice(("USD", "USD", "BTC", "ETH"))
        if asset != "USD":
            return events.Deposit(self.person(), asset, fixed(self.chance.randint(1, 300), 2))
        return events.Deposit(self.person(), asset, self.money(50, 200, 1000))

    def leaving(self) -> events.Fact:
        """About as much as margin allows, or more; as withdrawal, request or transfer."""
        person, other = self.chance.sample(PEOPLE, 2)
        asset = self.chance.choice(("USD", "USD", "USD", "BTC", "ETH"))
        scale = self.model.scales[asset]
        most = self.model.books.get((person, "wallet", asset), NOTHING)
        if asset == "USD":
            most = min(most, self.model.removable((person, None)))
        amount = to_scale(most, scale)
        unit = self.chance.choice((0, 0, 0, 1))
        amount = fixed(max(1, int(exact(amount) * 10**scale) + unit), scale)
        name = f"w{self.chance.randint(1, 3)}"
        return self.chance.choice(
            (
                events.Withdrawal(person, asset, amount),
                events.WithdrawalRequest(name, person, asset, amount),
                events.InternalTransfer(person, other, asset, amount),
            )
        )

    def end_request(self) -> events.Fact:
        if not self.model.requests:
            return self.leaving()
        name = self.chance.choice(sorted(self.model.requests))
        account, asset, amount = self.model.requests[name]
        made = self.chance.choice((events.WithdrawalSettled, events.WithdrawalCancelled))
        return made(name, account, asset, to_scale(amount, self.model.scales[asset]))

    def choose_mode(self) -> events.Fact:
        leverage = self.chance.choice((None, Fixed(1, 0), Fixed(3, 0), Fixed(75, 1), Fixed(50, 0)))
        mode = self.chance.choice(("isolated", "isolated", "cross"))
        return events.PositionMode(self.person(), self.instrument(), mode, leverage)  # type: ignore[arg-type]

    def move_margin(self) -> events.Fact:
        """Mostly of an isolated position, and mostly to the border."""
        isolated = [
            (owner, thing) for owner, thing in self.model.margin_accounts() if thing is not None
        ]
        if not isolated and self.chance.random() < 0.8:
            return self.trade()
        if not isolated or self.chance.random() < 0.1:
            return events.IsolatedTransfer(self.person(), self.instrument(), self.money(5))
        owner, instrument = self.chance.choice(isolated)
        is_in = self.chance.random() < 0.5
        source = (owner, None if is_in else instrument)
        balance = self.model.books.get(self.model.cash_key(source), NOTHING)
        most = max(min(balance, self.model.removable(source)), NOTHING)
        units = int(most * self.model.one) + self.chance.choice((0, 0, 1))
        scale = self.model.pool.scale
        amount = fixed(max(1, units // self.chance.choice((1, 1, 2))), scale)
        signed = amount if is_in else Fixed(-amount.coefficient, amount.scale)
        assert instrument is not None
        return events.IsolatedTransfer(owner, instrument, signed)

    def insure(self) -> events.Fact:
        return events.InsuranceDeposit("USD", self.money(1, 20, 100))
