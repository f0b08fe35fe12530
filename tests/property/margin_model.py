"""Margin of the slow model: statements, margin calls, staleness, and the price guard."""

from fractions import Fraction
from typing import NamedTuple

from ledger.core import events
from tests.property.books import NOTHING, Account, Books, MarginAccount, Mark, demand, exact


class Position(NamedTuple):
    """An open position at its mark; `value` is rounded down, `notional` is not rounded."""

    instrument: str
    quantity: Fraction
    cost: Fraction
    value: Fraction
    notional: Fraction
    maintenance: Fraction
    initial: Fraction
    is_stale: bool


class Statement(NamedTuple):
    collateral: Fraction
    positions: list[Position]
    equity: Fraction
    maintenance: Fraction
    initial: Fraction

    @property
    def required(self) -> Fraction:
        """Under this a call is opened, and no money leaves."""
        return max(self.initial, self.maintenance)


def in_order(account: MarginAccount) -> tuple[bytes, bytes]:
    """Accounts by id, cross before isolated, then instruments by id."""
    owner, instrument = account
    return owner.encode(), (instrument or "").encode()


class Margin(Books):
    """What stands behind each margin account, and what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[tuple[str, str], Position] = {}

    def post(self, account: Account, amount: Fraction) -> None:
        self.seen.pop((account[0], account[2]), None)
        super().post(account, amount)

    def tier(self, instrument: str, notional: Fraction) -> events.Tier:
        """A border belongs to the higher tier."""
        return next(
            tier
            for tier in self.listed[instrument].tiers
            if tier.notional_cap is None or notional < exact(tier.notional_cap)
        )

    def maintenance(self, instrument: str, notional: Fraction) -> Fraction:
        tier = self.tier(instrument, notional)
        rate, amount = exact(tier.maintenance_rate), exact(tier.maintenance_amount)
        return max(NOTHING, self.up(rate * notional - amount))

    def initial(self, owner: str, instrument: str, notional: Fraction) -> Fraction:
        rate = exact(self.tier(instrument, notional).initial_rate)
        leverage = self.modes.get((owner, instrument), ("cross", None))[1]
        return self.up(notional * (rate if leverage is None else max(rate, 1 / leverage)))

    def is_stale(self, instrument: str) -> bool:
        """The mark is too old, or there never was one."""
        age, mark = self.listed[instrument].price_max_age, self.marks.get(instrument)
        if age is None or mark is None:
            return mark is None
        return mark.time + age * 10**6 < self.pool_time

    def at_mark(self, instrument: str, quantity: Fraction) -> Fraction:
        """`q * V(mark)`, unrounded; nothing where there never was a price."""
        mark = self.marks.get(instrument)
        return NOTHING if mark is None else self.worth(instrument, quantity, mark.price)

    def position(self, owner: str, instrument: str) -> Position:
        """Kept until the position, the mark or the terms change, or the event ends."""
        if (owner, instrument) not in self.seen:
            self.seen[owner, instrument] = self.fresh_position(owner, instrument)
        return self.seen[owner, instrument]

    def fresh_position(self, owner: str, instrument: str) -> Position:
        quantity = self.held(owner, instrument)
        worth = self.at_mark(instrument, quantity)
        return Position(
            instrument,
            quantity,
            self.cost(owner, instrument),
            self.down(worth) if instrument in self.marks else -self.cost(owner, instrument),
            abs(worth),
            self.maintenance(instrument, abs(worth)),
            self.initial(owner, instrument, abs(worth)),
            self.is_stale(instrument),
        )

    def collateral(self, account: MarginAccount) -> Fraction:
        """Settlement asset at par; others with a price less (a debt: plus) their haircut."""
        total = self.books.get(self.cash_key(account), NOTHING)
        if account[1] is None:
            for asset, price in self.asset_prices.items():
                balance = self.books.get((account[0], "wallet", asset), NOTHING)
                if asset != self.settlement and balance:
                    haircut = self.haircuts[asset]
                    factor = 1 - haircut if balance > 0 else 1 + haircut
                    total += self.down(balance * price * factor)
        return total

    def statement(self, account: MarginAccount) -> Statement:
        owner, instrument = account
        positions = [
            self.position(owner, name)
            for name in (sorted(self.listed) if instrument is None else [instrument])
            if self.held(owner, name) and self.margin_account(owner, name) == account
        ]
        collateral = self.collateral(account)
        return Statement(
            collateral,
            positions,
            collateral + sum((at.cost + at.value for at in positions), NOTHING),
            sum((at.maintenance for at in positions), NOTHING),
            sum((at.initial for at in positions), NOTHING),
        )

    def free_collateral(self, account: MarginAccount) -> Fraction:
        found = self.statement(account)
        return found.equity - found.initial

    def removable(self, account: MarginAccount) -> Fraction:
        """What may leave for all that margin asks."""
        found = self.statement(account)
        return found.equity - found.required

    def margin_accounts(self) -> list[MarginAccount]:
        """Every cross account, and every isolated pair with a position or a balance."""
        found: set[MarginAccount] = {(person, None) for person in self.people}
        for (owner, kind, thing), balance in self.books.items():
            if not balance or owner not in self.people:
                continue
            if kind == "isolated" or (kind == "position" and self.is_isolated(owner, thing)):
                found.add((owner, thing))
        return sorted(found, key=in_order)

    def look_at_call(self, account: MarginAccount, found: Statement) -> None:
        """Open or end the account's margin call."""
        if account in self.calls:
            if not found.positions or found.equity >= found.required:
                reason = "restored" if found.positions else "no_position"
                self.tell("margin_call_end", self.calls.pop(account), *account, reason)
        elif found.positions and found.equity < found.required:
            self.calls[account] = self.next_id("C")
            self.tell("margin_call", self.calls[account], *account, found.equity, found.initial)

    def look_at_breach(self, owner: str, instrument: str, sign: int) -> None:
        """A trade is never refused for margin; what it breaks is told."""
        account = self.margin_account(owner, instrument)
        found = self.statement(account)
        if owner not in self.people or self.held(owner, instrument) * sign <= 0:
            return
        if found.equity < found.initial:
            self.tell("margin_breach", *account, instrument, found.equity, found.initial)

    def look_at_calls(self) -> None:
        for account in sorted({*self.margin_accounts(), *self.calls}, key=in_order):
            self.look_at_call(account, self.statement(account))

    def demand_margin(self, account: MarginAccount, leaving: Fraction) -> None:
        """What leaves must be there, and the rest cover what is required (`off`: no matter)."""
        demand(self.books.get(self.cash_key(account), NOTHING) >= leaving)
        if self.pool.liquidation != "off":
            demand(self.removable(account) >= leaving)

    def demand_asset(self, owner: str, asset: str, leaving: Fraction) -> None:
        """The same of any asset of a wallet, asked of the books as they would be."""
        demand(self.books.get((owner, "wallet", asset), NOTHING) >= leaving)
        if self.pool.liquidation != "off":
            after = self.copy()
            after.post((owner, "wallet", asset), -leaving)
            demand(after.removable((owner, None)) >= 0)

    def add_margin(self, owner: str, instrument: str, added: Fraction, price: Fraction) -> None:
        """Move the initial margin of an isolated position's added part, as far as it is free."""
        notional = abs(self.worth(instrument, added, price))
        required = self.initial(owner, instrument, notional)
        moved = min(required, max(NOTHING, self.free_collateral((owner, None))))
        self.post((owner, "wallet", self.settlement), -moved)
        self.post((owner, "isolated", instrument), moved)
        if moved < required:
            self.tell("isolated_shortfall", owner, instrument, required, moved)

    def accepted(self, instrument: str) -> Fraction | None:
        mark = self.marks.get(instrument)
        return mark.price if mark is not None and mark.is_accepted else None

    def is_outside(self, instrument: str, price: Fraction, reference: Fraction | None) -> bool:
        band = self.listed[instrument].price_band
        if band is None or reference is None:
            return False
        return abs(price - reference) > exact(band) * reference

    def set_mark(self, instrument: str, price: Fraction, source: str, when: int) -> None:
        self.marks[instrument] = Mark(price, source, when)
        self.seen.clear()
        self.suspects.pop(instrument, None)

    def stand_in(self, instrument: str, price: Fraction, source: str, when: int) -> None:
        """Let a trade's price stand, or until the first trade an opening's."""
        known = self.marks.get(instrument)
        if known is None or known.source in ("opening", source):
            self.marks[instrument] = Mark(price, source, when)
            self.seen.clear()

    def guard(self, instrument: str, price: Fraction, index: Fraction | None, when: int) -> None:
        """Let a price be the mark, or keep it as suspect."""
        moved = self.is_outside(instrument, price, self.accepted(instrument))
        if not moved and not self.is_outside(instrument, price, index):
            self.set_mark(instrument, price, "price", when)
            return
        needed = self.listed[instrument].price_confirmations
        first, count = self.suspects.get(instrument, (price, -1))
        if self.is_outside(instrument, price, first):
            first, count = price, -1
        count += 1
        reason = "moved" if moved else "off_index"
        if count >= needed:
            self.set_mark(instrument, price, "confirmed", when)
        else:
            self.suspects[instrument] = (first, count)
            self.tell("suspect_mark", instrument, price, reason, first, count, needed)

    def inventory_value(self, instrument: str, owner: str) -> Fraction:
        """Cost and value at mark, down; negative when it shows a loss."""
        return self.cost(owner, instrument) + self.down(
            self.at_mark(instrument, self.held(owner, instrument))
        )
