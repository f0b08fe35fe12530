"""A slow, naive book in natural units, against which the core is held; it imports no rule of it.

Amounts are `Fraction`s; Python's own `round` makes the half-even numbers. `apply` takes an event
or raises `Refused`; what it led to beside balances stands in `steps`, in order.
"""

from collections import defaultdict
from fractions import Fraction
from math import floor

from ledger.core import events
from ledger.core.units import Fixed
from tests.property.books import (
    HOUSE,
    LIQUIDATION,
    NOTHING,
    Deficit,
    Mark,
    Refused,
    demand,
    exact,
)
from tests.property.default_model import Defaults

__all__ = ["Mark", "Model", "Refused"]

OPENINGS = (events.OpeningBalance, events.OpeningPosition)


class Model(Defaults):
    """The books of one pool, an event at a time."""

    def apply(self, event: events.Event, original: events.Event | None = None) -> None:
        """Apply an event, or raise `Refused`; nothing was changed then, but `steps`."""
        self.steps, self.opened, self.liquidated = [], [], set()
        self.seen.clear()
        earlier, self.pool_time = self.pool_time, max(self.pool_time, event.occurred_at)
        self.number += 1
        try:
            self._post(event, original)
        except Refused:
            self.pool_time = earlier
            raise
        if isinstance(event.fact, events.Trade):
            self.traded[event.event_id] = self.number
        if not isinstance(event.fact, OPENINGS):
            self.default()

    def _post(self, event: events.Event, original: events.Event | None) -> None:
        """The event's own postings."""
        fact, when = event.fact, event.occurred_at
        match fact:
            case events.Trade():
                self._trade(fact)
                self.stand_in(fact.instrument, exact(fact.price), "trade", when)
                self.look_at_breach(fact.buyer, fact.instrument, 1)
                self.look_at_breach(fact.seller, fact.instrument, -1)
            case events.TradeBust():
                self._bust(fact, original)
            case events.OpeningPosition():
                self._open(fact, when)
            case events.FundingRate():
                self._pay_funding(fact)
            case events.Settlement() | events.Expiry():
                self._settle(fact, when)
            case events.Price():
                index = fact.index_price
                self._price(fact.instrument, fact.mark_price, *(() if index is None else (index,)))
                found = None if index is None else exact(index)
                self.guard(fact.instrument, exact(fact.mark_price), found, when)
            case events.PriceAccept():
                self._price(fact.instrument, fact.mark_price)
                demand(fact.made_by != fact.checked_by)
                self.set_mark(fact.instrument, exact(fact.mark_price), "accepted", when)
            case events.Adjustment():
                self._adjust(fact)
            case events.PositionMode():
                self._choose_mode(fact)
            case (
                events.Pool()
                | events.Asset()
                | events.Instrument()
                | events.RiskTiers()
                | events.Account()
                | events.AssetPrice()
            ):
                self._list(fact)
            case _:
                self._transfer(fact)

    def _list(self, fact: events.Fact) -> None:
        """Reference facts; only sound ones are spelled, but for an asset that is not listed."""
        match fact:
            case events.Pool():
                self.pool = fact
                self.scales.setdefault(fact.settlement_asset, fact.scale)
                self.haircuts.setdefault(fact.settlement_asset, NOTHING)
            case events.Asset():
                self.scales[fact.asset], self.haircuts[fact.asset] = fact.scale, exact(fact.haircut)
            case events.Instrument():
                demand(fact.instrument not in self.expired)
                self.listed[fact.instrument] = fact
            case events.RiskTiers():
                terms = self._live(fact.instrument)
                self.listed[fact.instrument] = terms._replace(tiers=fact.tiers)
            case events.Account():
                self.people.add(fact.account)
            case events.AssetPrice():
                demand(fact.asset in self.scales)
                self.asset_prices[fact.asset] = exact(fact.price)
            case _:
                raise AssertionError(fact)

    def _transfer(self, fact: events.Fact) -> None:
        match fact:
            case events.Deposit():
                amount = self._amount(fact.amount, fact.asset, fact.account)
                self.move((HOUSE, "custody"), (fact.account, "wallet"), fact.asset, amount)
            case events.Withdrawal():
                amount = self._amount(fact.amount, fact.asset, fact.account)
                self.demand_asset(fact.account, fact.asset, amount)
                self.move((fact.account, "wallet"), (HOUSE, "custody"), fact.asset, amount)
            case events.WithdrawalRequest():
                amount = self._amount(fact.amount, fact.asset, fact.account)
                demand(fact.request_id not in self.requests)
                self.demand_asset(fact.account, fact.asset, amount)
                self.move((fact.account, "wallet"), (fact.account, "hold"), fact.asset, amount)
                self.requests[fact.request_id] = (fact.account, fact.asset, amount)
            case events.WithdrawalSettled() | events.WithdrawalCancelled():
                self._end_request(fact)
            case events.InternalTransfer():
                demand(fact.from_account != fact.to_account)
                sides = (fact.from_account, "wallet"), (fact.to_account, "wallet")
                amount = self._amount(fact.amount, fact.asset, fact.from_account, fact.to_account)
                self.demand_asset(fact.from_account, fact.asset, amount)
                self.move(*sides, fact.asset, amount)
            case events.IsolatedTransfer():
                self._move_margin(fact)
            case events.InsuranceDeposit():
                demand(fact.asset == self.settlement)
                amount = self._amount(fact.amount, fact.asset)
                self.post((HOUSE, "custody", fact.asset), -amount)
                self.fund(amount, "insurance_deposit")
            case events.OpeningBalance():
                amount = self._amount(fact.amount, fact.asset, fact.account)
                wallet = self.books.get((fact.account, "wallet", fact.asset), NOTHING)
                self._demand_price(fact.asset, wallet + amount)
                self.move((HOUSE, "custody"), (fact.account, "wallet"), fact.asset, amount)
            case _:
                raise AssertionError(fact)

    def _known(self, *people: str) -> None:
        demand(self.people.issuperset(people))

    def _live(self, instrument: str) -> events.Instrument:
        demand(instrument in self.listed and instrument not in self.expired)
        return self.listed[instrument]

    def _price(self, instrument: str, *prices: Fixed) -> None:
        terms = self._live(instrument)
        for price in prices:
            demand(price.scale <= terms.price_scale)
            self.size(exact(price), terms.price_scale)

    def _amount(self, number: Fixed, asset: str, *people: str) -> Fraction:
        self._known(*people)
        demand(asset in self.scales and number.scale <= self.scales[asset])
        self.size(exact(number), self.scales[asset])
        return exact(number)

    def _demand_price(self, asset: str, balance: Fraction) -> None:
        demand(balance >= 0 or asset == self.settlement or asset in self.asset_prices)

    def _trade(self, fact: events.Trade) -> None:
        terms = self._live(fact.instrument)
        self._known(*{fact.buyer, fact.seller} - {LIQUIDATION})
        demand(fact.buyer != fact.seller)
        self._price(fact.instrument, fact.price)
        demand(fact.quantity.scale <= terms.quantity_scale)
        fees = [self._amount(fee, self.settlement) for fee in (fact.buyer_fee, fact.seller_fee)]
        price, quantity = exact(fact.price), exact(fact.quantity)
        cost = self.near(self.worth(fact.instrument, quantity, price))
        adder = fact.liquidation_id or self.last_adder.get(fact.instrument)
        sides = (fact.buyer, quantity, -cost), (fact.seller, -quantity, cost)
        for owner, signed, cash in sides:
            self._take_side(owner, fact.instrument, signed, cash, price, adder)
        for owner, fee in zip((fact.buyer, fact.seller), fees, strict=True):
            if owner == LIQUIDATION:
                self.fund(-fee, "fee", adder, fact.instrument)
                self.post((HOUSE, "fees", self.settlement), fee)
            else:
                self.move((owner, "wallet"), (HOUSE, "fees"), self.settlement, fee)

    def _take_side(
        self,
        owner: str,
        instrument: str,
        quantity: Fraction,
        cash: Fraction,
        price: Fraction,
        adder: str | None = None,
    ) -> None:
        """One side of a trade; an isolated position that grows takes its margin."""
        held = self.held(owner, instrument)
        self.change(owner, instrument, quantity, cash, "close_out", price, adder)
        added = abs(quantity) if held * quantity >= 0 else abs(quantity) - abs(held)
        if owner != LIQUIDATION and added > 0 and self.is_isolated(owner, instrument):
            self.add_margin(owner, instrument, added, price)

    def _bust(self, fact: events.TradeBust, original: events.Event | None) -> None:
        demand(original is not None and fact.trade_event_id not in self.busted)
        assert original is not None
        trade = original.fact
        assert isinstance(trade, events.Trade)
        since = self.traded[original.event_id]
        for side in (trade.buyer, trade.seller):
            demand(self.defaulted.get((side, trade.instrument), -1) < since)
        self._trade(
            trade._replace(
                buyer=trade.seller,
                seller=trade.buyer,
                buyer_fee=Fixed(-trade.seller_fee.coefficient, trade.seller_fee.scale),
                seller_fee=Fixed(-trade.buyer_fee.coefficient, trade.buyer_fee.scale),
            )
        )
        self.busted.add(fact.trade_event_id)

    def _end_request(self, fact: events.WithdrawalSettled | events.WithdrawalCancelled) -> None:
        amount = self._amount(fact.amount, fact.asset)
        demand(self.requests.get(fact.request_id) == (fact.account, fact.asset, amount))
        del self.requests[fact.request_id]
        paid = isinstance(fact, events.WithdrawalSettled)
        target = (HOUSE, "custody") if paid else (fact.account, "wallet")
        self.move((fact.account, "hold"), target, fact.asset, amount)

    def _move_margin(self, fact: events.IsolatedTransfer) -> None:
        self._live(fact.instrument)
        self._known(fact.account)
        amount = self._amount(fact.amount, self.settlement)
        demand(self.is_isolated(fact.account, fact.instrument))
        demand(self.held(fact.account, fact.instrument) != 0)
        source = (fact.account, None if amount > 0 else fact.instrument)
        self.demand_margin(source, abs(amount))
        self.post((fact.account, "wallet", self.settlement), -amount)
        self.post((fact.account, "isolated", fact.instrument), amount)

    def _choose_mode(self, fact: events.PositionMode) -> None:
        self._live(fact.instrument)
        self._known(fact.account)
        key = (fact.account, fact.instrument)
        known = self.modes.get(key, ("cross", None))
        leverage = None if fact.leverage is None else exact(fact.leverage)
        demand(leverage is None or leverage >= 1)
        if fact.mode != known[0]:
            demand(not self.held(*key))
            demand(not self.books.get((fact.account, "isolated", fact.instrument)))
        account = self.margin_account(*key)
        before = self.free_collateral(account)
        self.modes[key] = (fact.mode, leverage)
        self.seen.clear()
        if self.margin_account(*key) == account:
            after = self.free_collateral(account)
            if after < 0 and after < before:
                self.modes[key] = known
                raise Refused

    def _open(self, fact: events.OpeningPosition, when: int) -> None:
        terms = self._live(fact.instrument)
        self._known(fact.account)
        demand(fact.quantity.scale <= terms.quantity_scale)
        self._price(fact.instrument, fact.entry_price)
        quantity, price = exact(fact.quantity), exact(fact.entry_price)
        cost = self.near(self.worth(fact.instrument, quantity, price))
        self._take_side(fact.account, fact.instrument, quantity, -cost, price)
        self.post((HOUSE, "position", fact.instrument), -quantity)
        self.post((HOUSE, "variation", fact.instrument), cost)
        self.flows[HOUSE] += cost
        if not self.held(HOUSE, fact.instrument):
            left = self.cost(HOUSE, fact.instrument)
            self.post((HOUSE, "variation", fact.instrument), -left)
            self.receive(HOUSE, fact.instrument, left, "opening")
        self.stand_in(fact.instrument, price, "opening", when)

    def _pay_funding(self, fact: events.FundingRate) -> None:
        self._live(fact.instrument)
        demand(fact.rate.scale <= 12)
        self._price(fact.instrument, fact.mark_price)
        mark = exact(fact.mark_price)
        demand(not self.is_outside(fact.instrument, mark, self.accepted(fact.instrument)))
        each = abs(self.worth(fact.instrument, Fraction(1), mark))
        for owner, quantity in self.holders(fact.instrument):
            payment = Fraction(floor(-quantity * each * exact(fact.rate) * self.one), self.one)
            self.receive(owner, fact.instrument, payment, "funding")
            self.flows[HOUSE if owner == LIQUIDATION else owner] += payment
            self.post((HOUSE, "rounding", self.settlement), -payment)
            self.flows[HOUSE] -= payment

    def _settle(self, fact: events.Settlement | events.Expiry, when: int) -> None:
        """The price is the mark first, with all that follows from it; then it is paid."""
        self._price(fact.instrument, fact.price)
        price, ends = exact(fact.price), isinstance(fact, events.Expiry)
        demand(not self.is_outside(fact.instrument, price, self.accepted(fact.instrument)))
        self.set_mark(fact.instrument, price, "expiry" if ends else "settlement", when)
        self.rounds()
        cause = "expiry" if ends else "settlement"
        for owner, quantity in self.holders(fact.instrument):
            value = self.near(self.worth(fact.instrument, quantity, price))
            gain = self.cost(owner, fact.instrument) + value
            self.post((owner, "variation", fact.instrument), -gain)
            if ends:
                self.post((owner, "position", fact.instrument), -quantity)
                self.post((owner, "variation", fact.instrument), value)
                self.flows[HOUSE if owner == LIQUIDATION else owner] += value
                self.post((HOUSE, "rounding", self.settlement), -value)
                self.flows[HOUSE] -= value
            self.receive(owner, fact.instrument, gain, cause)
            if ends:
                self.release(owner, fact.instrument)
        if ends:
            self.expired.add(fact.instrument)

    def _adjust(self, fact: events.Adjustment) -> None:
        demand(fact.made_by != fact.checked_by)
        after = self.copy()
        sums: defaultdict[str, Fraction] = defaultdict(Fraction)
        fund = NOTHING
        for line in fact.lines:
            thing = line.instrument or line.asset
            assert thing is not None
            if line.instrument is not None:
                self._live(line.instrument)
            if not line.owner.startswith("@"):
                self._known(line.owner)
            demand(line.kind != "isolated" or self.is_isolated(line.owner, thing))
            sums[line.asset or thing] += exact(line.amount)
            after.post((line.owner, line.kind, thing), exact(line.amount))
            if line.asset == self.settlement:
                owner = HOUSE if line.owner == LIQUIDATION else line.owner
                after.flows[owner] += exact(line.amount)
            if line.kind in ("insurance", "deficit"):
                fund += exact(line.amount)
        demand(not any(sums.values()))
        after._demand_sound(fact)
        for owner, name in {(line.owner, line.instrument or "") for line in fact.lines}:
            if self.held(owner, name) * after.held(owner, name) <= 0:
                after.forget(owner, name)
        after._follow_deficit(fund)
        for name, value in vars(after).items():
            setattr(self, name, value)

    def _demand_sound(self, fact: events.Adjustment) -> None:
        """Asked of the books as they would be."""
        for owner, kind, thing in list(self.books):
            if kind == "variation" and self.books[owner, kind, thing]:
                demand(self.held(owner, thing) != 0)
        for line in fact.lines:
            if line.instrument is not None and not self.held(line.owner, line.instrument):
                demand(not self.books.get((line.owner, "isolated", line.instrument)))
            if line.kind == "wallet" and line.asset is not None:
                self._demand_price(line.asset, self.books[line.owner, "wallet", line.asset])
        demand(self.fund_balance("insurance") >= 0 >= self.fund_balance("deficit"))

    def _follow_deficit(self, fund: Fraction) -> None:
        """Let the list of deficits follow what was posted to `deficit` by hand."""
        listed = sum((deficit.left for deficit in self.deficits), NOTHING)
        change = listed + self.fund_balance("deficit")
        if not change and not fund:
            return
        name = self.next_id("F")
        if change > 0:
            self.repay(change)
        self.deficits = list(self.deficits)
        if change < 0:
            self.deficits.append(Deficit(name, None, None, -change))
        self.tell_fund(name, "adjustment", None, None, None, fund)
