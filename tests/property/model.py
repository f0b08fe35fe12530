"""A slow, naive book in natural units, against which the core is held; it imports no rule of it.

Amounts are `Fraction`s; Python's own `round` makes the half-even numbers. Beside the balances it
keeps, per owner, the plain sum of all money that came and went (`flows`): whatever the rules of
realizing say, `wallet + hold + variation` must be that sum.
"""

from collections import defaultdict
from fractions import Fraction
from math import floor

from ledger.core import events
from ledger.core.units import Fixed

HOUSE = "@house"
CLOSED = (events.PositionMode, events.IsolatedTransfer, events.PriceAccept)
Account = tuple[str, str, str]
"""Owner, kind, and the instrument (of `position` and `variation`) or asset."""


def exact(number: Fixed) -> Fraction:
    return Fraction(number.coefficient, 10**number.scale)


class Refused(Exception):
    """The model expects a refusal."""


def demand(holds: bool) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise Refused


class Model:
    """The books of one pool."""

    def __init__(self, settlement: str, scales: dict[str, int]) -> None:
        self.settlement = settlement
        self.scales = scales
        self.listed: dict[str, events.Instrument] = {}
        self.expired: set[str] = set()
        self.people: set[str] = set()
        self.books: defaultdict[Account, Fraction] = defaultdict(Fraction)
        self.flows: defaultdict[str, Fraction] = defaultdict(Fraction)
        self.requests: dict[str, tuple[str, str, Fraction]] = {}
        self.busted: set[str] = set()
        self.marks: dict[str, tuple[Fraction, int]] = {}
        self.largest = Fraction(0)

    def copy(self) -> "Model":
        twin = Model(self.settlement, self.scales)
        twin.listed, twin.people = self.listed, self.people
        twin.expired, twin.busted = set(self.expired), set(self.busted)
        twin.books, twin.flows = self.books.copy(), self.flows.copy()
        twin.requests, twin.marks = dict(self.requests), dict(self.marks)
        return twin

    def apply(self, fact: events.Fact, original: events.Trade | None) -> None:
        """Apply a fact, or raise `Refused`; nothing was changed then."""
        match fact:
            case events.Trade():
                demand("@liquidation" not in (fact.buyer, fact.seller))
                self._trade(fact)
                self._mark(fact.instrument, fact.price, 1)
            case events.TradeBust():
                self._bust(fact, original)
            case events.Deposit() | events.Withdrawal():
                self._in_or_out(fact)
            case events.WithdrawalRequest():
                self._request(fact)
            case events.WithdrawalSettled() | events.WithdrawalCancelled():
                self._end_request(fact)
            case events.InternalTransfer():
                self._transfer(fact)
            case events.InsuranceDeposit():
                self._insure(fact)
            case events.OpeningBalance():
                self._known(fact.account)
                amount = self._amount(fact.amount, fact.asset)
                self._move((HOUSE, "custody"), (fact.account, "wallet"), fact.asset, amount)
            case events.OpeningPosition():
                self._open(fact)
            case events.FundingRate():
                self._fund(fact)
            case events.Settlement() | events.Expiry():
                self._settle(fact, ends=isinstance(fact, events.Expiry))
            case events.Price():
                self._live(fact.instrument)
                self._mark(fact.instrument, fact.mark_price, 2)
            case events.Adjustment():
                self._adjust(fact)
            case _:
                demand(not isinstance(fact, CLOSED))

    def holders(self, instrument: str) -> list[tuple[str, Fraction]]:
        return sorted(
            (owner, quantity)
            for (owner, kind, thing), quantity in self.books.items()
            if kind == "position" and thing == instrument and quantity
        )

    def _known(self, *people: str) -> None:
        demand(self.people.issuperset(people))

    def _live(self, instrument: str) -> events.Instrument:
        demand(instrument in self.listed and instrument not in self.expired)
        return self.listed[instrument]

    def _amount(self, number: Fixed, asset: str) -> Fraction:
        demand(asset in self.scales and number.scale <= self.scales[asset])
        self._size(exact(number), self.scales[asset])
        return exact(number)

    def _size(self, amount: Fraction, scale: int) -> None:
        self.largest = max(self.largest, abs(amount * 10**scale))

    def _near(self, amount: Fraction) -> Fraction:
        one = 10 ** self.scales[self.settlement]
        return Fraction(round(amount * one), one)

    def _worth(self, instrument: str, quantity: Fraction, price: Fraction) -> Fraction:
        terms = self.listed[instrument]
        multiplier = exact(terms.multiplier)
        if terms.type == "linear":
            return quantity * multiplier * price
        return -quantity * multiplier / price

    def _post(self, account: Account, amount: Fraction) -> None:
        self.books[account] += amount
        terms = self.listed.get(account[2])
        if account[1] == "position" and terms is not None:
            scale = terms.quantity_scale
        else:
            scale = self.scales[self.settlement if terms else account[2]]
        self._size(self.books[account], scale)

    def _cash(self, owner: str, amount: Fraction) -> None:
        kind = "suspense" if owner == HOUSE else "wallet"
        self._post((owner, kind, self.settlement), amount)

    def _move(
        self, source: tuple[str, str], target: tuple[str, str], asset: str, amount: Fraction
    ) -> None:
        for (owner, kind), signed in ((source, -amount), (target, amount)):
            self._post((owner, kind, asset), signed)
            if asset == self.settlement:
                self.flows[owner] += signed

    def _mark(self, instrument: str, price: Fixed, strength: int) -> None:
        if strength >= self.marks.get(instrument, (Fraction(0), -1))[1]:
            self.marks[instrument] = (exact(price), strength)

    def _trade(self, fact: events.Trade) -> None:
        terms = self._live(fact.instrument)
        self._known(fact.buyer, fact.seller)
        demand(fact.buyer != fact.seller)
        demand(fact.price.scale <= terms.price_scale)
        demand(fact.quantity.scale <= terms.quantity_scale)
        fees = [self._amount(fee, self.settlement) for fee in (fact.buyer_fee, fact.seller_fee)]
        price, quantity = exact(fact.price), exact(fact.quantity)
        self._size(price, terms.price_scale)
        cost = self._near(self._worth(fact.instrument, quantity, price))
        self._change(fact.buyer, fact.instrument, quantity, -cost, price)
        self._change(fact.seller, fact.instrument, -quantity, cost, price)
        for owner, fee in zip((fact.buyer, fact.seller), fees, strict=True):
            self._move((owner, "wallet"), (HOUSE, "fees"), self.settlement, fee)

    def _change(
        self, owner: str, instrument: str, quantity: Fraction, cash: Fraction, price: Fraction
    ) -> None:
        held = self.books[owner, "position", instrument]
        cost = self.books[owner, "variation", instrument]
        self._post((owner, "position", instrument), quantity)
        self._post((owner, "variation", instrument), cash)
        self.flows[owner] += cash
        if held * quantity < 0:
            if abs(quantity) < abs(held):
                realized = cash + self._near(cost * abs(quantity) / abs(held))
            elif abs(quantity) == abs(held):
                realized = cash + cost
            else:
                realized = self._near(self._worth(instrument, held, price)) + cost
            self._post((owner, "variation", instrument), -realized)
            self._cash(owner, realized)

    def _bust(self, fact: events.TradeBust, original: events.Trade | None) -> None:
        demand(original is not None and fact.trade_event_id not in self.busted)
        assert original is not None
        self._trade(
            original._replace(
                buyer=original.seller,
                seller=original.buyer,
                buyer_fee=Fixed(-original.seller_fee.coefficient, original.seller_fee.scale),
                seller_fee=Fixed(-original.buyer_fee.coefficient, original.buyer_fee.scale),
            )
        )
        self.busted.add(fact.trade_event_id)

    def _in_or_out(self, fact: events.Deposit | events.Withdrawal) -> None:
        self._known(fact.account)
        amount = self._amount(fact.amount, fact.asset)
        wallet, custody = (fact.account, "wallet"), (HOUSE, "custody")
        if isinstance(fact, events.Deposit):
            self._move(custody, wallet, fact.asset, amount)
        else:
            demand(self.books[fact.account, "wallet", fact.asset] >= amount)
            self._move(wallet, custody, fact.asset, amount)

    def _request(self, fact: events.WithdrawalRequest) -> None:
        self._known(fact.account)
        amount = self._amount(fact.amount, fact.asset)
        demand(fact.request_id not in self.requests)
        demand(self.books[fact.account, "wallet", fact.asset] >= amount)
        self._move((fact.account, "wallet"), (fact.account, "hold"), fact.asset, amount)
        self.requests[fact.request_id] = (fact.account, fact.asset, amount)

    def _end_request(self, fact: events.WithdrawalSettled | events.WithdrawalCancelled) -> None:
        amount = self._amount(fact.amount, fact.asset)
        demand(self.requests.get(fact.request_id) == (fact.account, fact.asset, amount))
        del self.requests[fact.request_id]
        paid = isinstance(fact, events.WithdrawalSettled)
        target = (HOUSE, "custody") if paid else (fact.account, "wallet")
        self._move((fact.account, "hold"), target, fact.asset, amount)

    def _transfer(self, fact: events.InternalTransfer) -> None:
        self._known(fact.from_account, fact.to_account)
        demand(fact.from_account != fact.to_account)
        amount = self._amount(fact.amount, fact.asset)
        demand(self.books[fact.from_account, "wallet", fact.asset] >= amount)
        sides = (fact.from_account, "wallet"), (fact.to_account, "wallet")
        self._move(*sides, fact.asset, amount)

    def _insure(self, fact: events.InsuranceDeposit) -> None:
        demand(fact.asset == self.settlement)
        amount = self._amount(fact.amount, fact.asset)
        covered = min(amount, -self.books[HOUSE, "deficit", fact.asset])
        self._move((HOUSE, "custody"), (HOUSE, "deficit"), fact.asset, covered)
        self._move((HOUSE, "custody"), (HOUSE, "insurance"), fact.asset, amount - covered)

    def _open(self, fact: events.OpeningPosition) -> None:
        terms = self._live(fact.instrument)
        self._known(fact.account)
        demand(fact.quantity.scale <= terms.quantity_scale)
        demand(fact.entry_price.scale <= terms.price_scale)
        quantity, price = exact(fact.quantity), exact(fact.entry_price)
        cost = self._near(self._worth(fact.instrument, quantity, price))
        self._change(fact.account, fact.instrument, quantity, -cost, price)
        self._post((HOUSE, "position", fact.instrument), -quantity)
        self._post((HOUSE, "variation", fact.instrument), cost)
        self.flows[HOUSE] += cost
        if not self.books[HOUSE, "position", fact.instrument]:
            left = self.books[HOUSE, "variation", fact.instrument]
            self._post((HOUSE, "variation", fact.instrument), -left)
            self._cash(HOUSE, left)
        self._mark(fact.instrument, fact.entry_price, 0)

    def _fund(self, fact: events.FundingRate) -> None:
        terms = self._live(fact.instrument)
        demand(fact.rate.scale <= 12 and fact.mark_price.scale <= terms.price_scale)
        one = 10 ** self.scales[self.settlement]
        each = abs(self._worth(fact.instrument, Fraction(1), exact(fact.mark_price)))
        for owner, quantity in self.holders(fact.instrument):
            payment = Fraction(floor(-quantity * each * exact(fact.rate) * one), one)
            self._cash(owner, payment)
            self.flows[owner] += payment
            self._post((HOUSE, "rounding", self.settlement), -payment)
            self.flows[HOUSE] -= payment

    def _settle(self, fact: events.Settlement | events.Expiry, *, ends: bool) -> None:
        terms = self._live(fact.instrument)
        demand(fact.price.scale <= terms.price_scale)
        for owner, quantity in self.holders(fact.instrument):
            value = self._near(self._worth(fact.instrument, quantity, exact(fact.price)))
            gain = self.books[owner, "variation", fact.instrument] + value
            self._cash(owner, gain)
            if ends:
                self._post((owner, "position", fact.instrument), -quantity)
                self.books[owner, "variation", fact.instrument] = Fraction(0)
                self.flows[owner] += value
                self._post((HOUSE, "rounding", self.settlement), -value)
                self.flows[HOUSE] -= value
            else:
                self._post((owner, "variation", fact.instrument), -gain)
        if ends:
            self.expired.add(fact.instrument)
        self._mark(fact.instrument, fact.price, 2)

    def _adjust(self, fact: events.Adjustment) -> None:
        demand(fact.made_by != fact.checked_by)
        after = self.copy()
        sums: defaultdict[str, Fraction] = defaultdict(Fraction)
        for line in fact.lines:
            thing = line.instrument or line.asset
            assert thing is not None
            if line.instrument is not None:
                self._live(line.instrument)
            if line.owner != HOUSE:
                self._known(line.owner)
            commodity = line.asset or thing
            sums[commodity] += exact(line.amount)
            after._post((line.owner, line.kind, thing), exact(line.amount))
            if line.asset == self.settlement:
                after.flows[line.owner] += exact(line.amount)
        demand(not any(sums.values()))
        for owner, kind, thing in list(after.books):
            if kind == "variation" and after.books[owner, kind, thing]:
                demand(after.books[owner, "position", thing] != 0)
        demand(after.books[HOUSE, "insurance", self.settlement] >= 0)
        demand(after.books[HOUSE, "deficit", self.settlement] <= 0)
        self.books, self.flows = after.books, after.flows
        self.largest = max(self.largest, after.largest)
