"""The default waterfall of the slow model: rounds of liquidation, made whole, loss sharing."""

from fractions import Fraction

from tests.property.books import HOUSE, LIQUIDATION, NOTHING, Deficit, MarginAccount, exact
from tests.property.deleveraging_model import Deleveraging
from tests.property.margin_model import Position, Statement, in_order
from tests.property.price_model import implied_price

ROUNDS_MAX = 1000


class Defaults(Deleveraging):
    """Section 6: who is liquidated, at what price, and who bears what is left."""

    def default(self) -> None:
        """All that follows an event's own postings."""
        self.rounds()
        self.look_at_calls()
        if self.pool.liquidation != "off":
            is_under = self.projected() < exact(self.pool.insurance_floor)
            if is_under != self.is_under_floor:
                self.is_under_floor = is_under
                self.tell("fund_floor", "under" if is_under else "restored", self.projected())

    def rounds(self) -> None:
        """Until a round posts nothing; `off` pools skip all of it."""
        if self.pool.liquidation == "off":
            self.opened = []
            return
        self.socialize()
        for _ in range(ROUNDS_MAX):
            before = self.posted
            for account in self.under_maintenance():
                found = self.statement(account)
                if found.equity < found.maintenance:
                    self.look_at_call(account, found)
                    self.liquidate(account)
            self.deleverage()
            if self.posted == before:
                return
        raise AssertionError("the rounds do not end")

    def under_maintenance(self) -> list[MarginAccount]:
        """In the order of liquidation."""
        listed: list[tuple[tuple[object, ...], MarginAccount]] = []
        for account in self.margin_accounts():
            found = self.statement(account)
            if found.equity < found.maintenance and self.is_able(account, found):
                first = not found.maintenance
                ratio = NOTHING if first else found.equity / found.maintenance
                listed.append(((not first, ratio, in_order(account)), account))
        return [account for _, account in sorted(listed)]

    def is_able(self, account: MarginAccount, found: Statement) -> bool:
        """Something can be done for it."""
        if any(not position.is_stale for position in found.positions):
            return True
        return bool(self.seizable(account, found)) or (not found.positions and found.equity < 0)

    def seizable(self, account: MarginAccount, found: Statement) -> list[str]:
        """Assets that can be seized for a negative settlement balance, by id."""
        debt = -self.books.get(self.cash_key(account), NOTHING)
        if account[1] is not None or debt <= 0 or (found.positions and found.equity > 0):
            return []
        return [
            asset
            for asset, price in sorted(self.asset_prices.items())
            if asset != self.settlement and self.fetches(account[0], asset, price) > 0
        ]

    def fetches(self, owner: str, asset: str, price: Fraction) -> Fraction:
        """What all of a wallet's balance would bring."""
        balance = self.books.get((owner, "wallet", asset), NOTHING)
        return self.down(balance * price * (1 - self.haircuts[asset]))

    def liquidate(self, account: MarginAccount) -> None:
        name = self.next_id("L")
        is_partial = self.pool.liquidation == "partial" and account not in self.liquidated
        self.liquidated.add(account)
        self.tell("liquidation", name, *account, "partial" if is_partial else "full")
        cause = self.take_over_positions(name, account, is_partial=is_partial)
        for asset in self.seizable(account, self.statement(account)):
            self.seize(name, account[0], asset)
        found = self.statement(account)
        if not found.positions and found.equity < 0:
            self.make_whole(name, account, cause, -found.equity)
        self.socialize()

    def take_over_positions(
        self, name: str, account: MarginAccount, *, is_partial: bool
    ) -> str | None:
        """Take all, or in part what restores the account; the instrument taken last."""
        cause: str | None = None
        while True:
            found = self.statement(account)
            able = [position for position in found.positions if not position.is_stale]
            if not able or (is_partial and self.is_restored(found.equity, found.maintenance)):
                return cause
            largest = max(position.maintenance for position in able)
            position = next(at for at in able if at.maintenance == largest)
            quantity = self.smallest(found, position) if is_partial else position.quantity
            self.take_over(name, account, found, position, quantity)
            cause = position.instrument
            if quantity != position.quantity:
                return cause

    def is_restored(self, equity: Fraction, maintenance: Fraction) -> bool:
        return equity >= maintenance * (1 + exact(self.pool.partial_buffer))

    def smallest(self, found: Statement, position: Position) -> Fraction:
        """The smallest signed quantity whose takeover restores the account, found by halving."""
        one = 10 ** self.listed[position.instrument].quantity_scale
        sign = 1 if position.quantity > 0 else -1
        low, high = 1, int(abs(position.quantity) * one)

        def restores(units: int) -> bool:
            taken = Fraction(sign * units, one)
            left = position.quantity - taken
            worth = self.at_mark(position.instrument, left)
            _, _, value = self.terms(found, position, taken)
            equity = found.equity - position.value + value + self.down(worth)
            other = found.maintenance - position.maintenance
            return self.is_restored(
                equity, other + self.maintenance(position.instrument, abs(worth))
            )

        if not restores(high):
            return position.quantity
        while low < high:
            middle = (low + high) // 2
            if restores(middle):
                high = middle
            else:
                low = middle + 1
        return Fraction(sign * low, one)

    def terms(
        self, found: Statement, position: Position, quantity: Fraction
    ) -> tuple[Fraction, Fraction, Fraction]:
        """Share of equity, penalty, and what the inventory gives for the quantity."""
        worth = self.at_mark(position.instrument, quantity)
        is_last = len(found.positions) == 1 and quantity == position.quantity
        if is_last or not found.maintenance:
            share = found.equity
        else:
            part = self.maintenance(position.instrument, abs(worth))
            share = self.down(found.equity * part / found.maintenance)
        share = max(share, self.up(-abs(worth)))
        penalty = min(share, self.up(exact(self.pool.penalty_rate) * abs(worth)))
        return share, penalty, self.down(worth) - penalty

    def take_over(
        self,
        name: str,
        account: MarginAccount,
        found: Statement,
        position: Position,
        quantity: Fraction,
    ) -> None:
        owner, instrument = account[0], position.instrument
        share, penalty, value = self.terms(found, position, quantity)
        exactly = self.at_mark(instrument, quantity) - share
        prices = (implied_price(self, instrument, quantity, one) for one in (value, exactly))
        terms = (*account, instrument, quantity, share, penalty, value, *prices)
        realized = self.change(owner, instrument, -quantity, value, "liquidation")
        self.tell("takeover", name, *terms, realized)
        self.change(LIQUIDATION, instrument, quantity, -value, "netting", given=name)
        if self.held(LIQUIDATION, instrument) * quantity > 0:
            self.last_adder[instrument] = name
        self.defaulted[owner, instrument] = self.number

    def seize(self, name: str, owner: str, asset: str) -> None:
        """Sell another asset to the house for the debt, at its price less the haircut."""
        debt = -self.books.get((owner, "wallet", self.settlement), NOTHING)
        if debt <= 0:
            return
        one = 10 ** self.scales[asset]
        each = self.asset_prices[asset] * (1 - self.haircuts[asset])
        enough = Fraction(-(-debt * one // each), one)
        quantity = min(self.books[owner, "wallet", asset], enough)
        value = self.down(quantity * each)
        self.move((owner, "wallet"), (HOUSE, "suspense"), asset, quantity)
        self.move((HOUSE, "suspense"), (owner, "wallet"), self.settlement, value)
        self.tell("seizure", name, owner, asset, quantity, value)

    def make_whole(
        self, name: str, account: MarginAccount, cause: str | None, amount: Fraction
    ) -> None:
        before = self.fund_balance("insurance")
        self.fund(-amount, "made_whole", name, cause, account[0])
        self.post(self.cash_key(account), amount)
        self.flows[account[0]] += amount
        self.flows[HOUSE] -= amount
        taken = min(before, amount)
        self.tell("made_whole", name, *account, amount, taken, amount - taken)

    def socialize(self) -> None:
        """Share each deficit just opened among the open profits of the instrument it came from.

        A mark that is too old proves no profit.
        """
        opened, self.opened = self.opened, []
        if self.pool.loss_policy == "socialize":
            for deficit in self.deficits:
                instrument = deficit.instrument
                if deficit.opened_by in opened and instrument and not self.is_stale(instrument):
                    self.share(deficit, instrument)

    def share(self, deficit: Deficit, instrument: str) -> None:
        """By what each position has gained and has not borne yet."""
        name, loss = deficit.opened_by, deficit.left
        values = {
            owner: self.inventory_value(instrument, owner)
            for owner, _ in self.holders(instrument)
            if owner in self.people
        }
        borne = {owner: self.borne.get((owner, instrument), NOTHING) for owner in values}
        gains = {
            owner: value - borne[owner] for owner, value in values.items() if value > borne[owner]
        }
        shares = self.by_largest_remainder(loss, gains, 1 / Fraction(self.one))
        for owner, part in shares.items():
            if not part:
                continue
            account = self.margin_account(owner, instrument)
            terms = (instrument, loss, sum(gains.values()), values[owner], borne[owner], part)
            self.tell("socialized_loss", name, *account, *terms)
            self.borne[owner, instrument] = borne[owner] + part
            self.post(self.cash_key(account), -part)
            self.flows[owner] -= part
            self.flows[HOUSE] += part
        total = sum(shares.values(), NOTHING)
        if total:
            self.post((HOUSE, "deficit", self.settlement), total)
            owed = [
                one._replace(left=one.left - total) if one.opened_by == name else one
                for one in self.deficits
            ]
            self.deficits = [one for one in owed if one.left]
            movement = self.next_id("F")
            self.tell_fund(movement, "socialized", deficit.liquidation, instrument, None, total)
