"""Auto-deleveraging of the slow model: inventories closed at their cost, by five policies."""

from collections.abc import Callable
from fractions import Fraction
from math import floor
from typing import NamedTuple

from tests.property.books import LIQUIDATION, NOTHING, MarginAccount, exact
from tests.property.margin_model import Margin
from tests.property.price_model import implied_price

RANKED = ("bitmex", "binance", "hyperliquid")


class Candidate(NamedTuple):
    """A position on the other side, as it stood when the inventory's scores were taken."""

    owner: str
    account: MarginAccount
    quantity: Fraction
    upnl: Fraction
    score: Fraction


class Inventory:
    """What is left of an inventory while it is closed."""

    def __init__(self, quantity: Fraction, cost: Fraction) -> None:
        self.quantity = quantity
        self.cost = cost


class Deleveraging(Margin):
    """Section 6.5."""

    def projected(self) -> Fraction:
        """Insurance and what the inventories are worth beside their cost."""
        inventories = [name for name in self.listed if self.held(LIQUIDATION, name)]
        values = (self.inventory_value(name, LIQUIDATION) for name in inventories)
        return self.fund_balance("insurance") + sum(values, NOTHING)

    def deleverage(self) -> None:
        """Close losing inventories, largest loss first, while the fund is under its floor."""
        tried: set[str] = set()
        while self.projected() < exact(self.pool.insurance_floor):
            losing = sorted(
                (self.inventory_value(name, LIQUIDATION), name.encode(), name)
                for name in self.listed
                if self.is_open(name) and name not in tried and not self.is_stale(name)
            )
            if not losing or losing[0][0] >= 0:
                return
            tried.add(losing[0][2])
            self.deleverage_one(losing[0][2])

    def is_open(self, instrument: str) -> bool:
        """There is an inventory with a mark, and it was not left as it is at this mark."""
        if not self.held(LIQUIDATION, instrument) or instrument not in self.marks:
            return False
        return self.untaken.get(instrument) != self.offer(instrument)

    def offer(self, instrument: str) -> tuple[Fraction, Fraction, Fraction]:
        held, cost = self.held(LIQUIDATION, instrument), self.cost(LIQUIDATION, instrument)
        return held, cost, self.marks[instrument].price

    def deleverage_one(self, instrument: str) -> None:
        held = self.held(LIQUIDATION, instrument)
        candidates = [
            self.candidate(owner, instrument)
            for owner, quantity in self.holders(instrument)
            if owner in self.people
            and quantity * held < 0
            and self.statement(self.margin_account(owner, instrument)).equity > 0
        ]
        policy = self.pool.adl_policy
        liquidation = self.last_adder.get(instrument)
        if policy in RANKED:
            self.close_ranked(instrument, liquidation, candidates)
        elif policy == "pro_rata":
            self.close_by_contracts(instrument, liquidation, candidates)
        else:
            self.close_by_profit(instrument, liquidation, candidates)
        left = self.held(LIQUIDATION, instrument)
        if left != held:
            self.defaulted[LIQUIDATION, instrument] = self.number
        if left:
            known, offer = self.untaken.get(instrument), self.offer(instrument)
            self.untaken[instrument] = offer
            if known is None or known[:2] != offer[:2]:
                self.tell("deleveraging_untaken", instrument, *offer[:2])

    def candidate(self, owner: str, instrument: str) -> Candidate:
        account = self.margin_account(owner, instrument)
        found, quantity = self.statement(account), self.held(owner, instrument)
        cost, worth = self.cost(owner, instrument), self.at_mark(instrument, quantity)
        upnl = cost + worth
        gain = upnl / max(abs(cost), 1 / Fraction(self.one))
        leverage = abs(worth) / found.equity
        match self.pool.adl_policy:
            case "bitmex":
                score = gain * leverage if upnl > 0 else gain / leverage
            case "binance":
                balance = self.books.get(self.cash_key(account), NOTHING)
                part = max(NOTHING, upnl) / max(Fraction(1), balance)
                score = part * found.maintenance / found.equity
            case "hyperliquid":
                score = (1 + gain) * leverage
            case "pro_rata":
                score = abs(quantity)
            case _:
                score = upnl
        return Candidate(owner, account, quantity, upnl, score)

    def inventory(self, instrument: str) -> Inventory:
        return Inventory(self.held(LIQUIDATION, instrument), self.cost(LIQUIDATION, instrument))

    def part_of_cost(self, inventory: Inventory, quantity: Fraction) -> Fraction:
        """What goes with `quantity` (positive) of an inventory; the last takes the rest."""
        left = abs(inventory.quantity)
        if quantity == left:
            return inventory.cost
        return self.near(inventory.cost * quantity / left)

    def equity_after(
        self, instrument: str, taker: Candidate, quantity: Fraction, amount: Fraction
    ) -> Fraction:
        """Equity of the taker's margin account with `quantity` less of its position."""
        before = self.at_mark(instrument, taker.quantity)
        sign = 1 if taker.quantity > 0 else -1
        after = self.at_mark(instrument, taker.quantity - sign * quantity)
        equity = self.statement(taker.account).equity
        return equity - self.down(before) + amount + self.down(after)

    def close_with(
        self,
        instrument: str,
        liquidation: str | None,
        taker: Candidate,
        rank: int,
        quantity: Fraction,
    ) -> None:
        """Close a part of the inventory against a taker, both at the inventory's cost."""
        inventory = self.inventory(instrument)
        amount = self.part_of_cost(inventory, quantity)
        signed = quantity if inventory.quantity > 0 else -quantity
        after = self.equity_after(instrument, taker, quantity, amount)
        price = implied_price(self, instrument, signed, -amount)
        insurance = self.fund_balance("insurance")
        self.change(LIQUIDATION, instrument, -signed, -amount, "deleveraging")
        assert self.fund_balance("insurance") == insurance
        realized = self.change(taker.owner, instrument, signed, amount, "deleveraging")
        score = Fraction(round(taker.score * 10**18), 10**18)
        terms = (taker.owner, instrument, liquidation, quantity, amount, rank, score)
        self.tell("deleveraged", *terms, price, realized, taker.upnl > 0, after)
        self.defaulted[taker.owner, instrument] = self.number

    def close_ranked(
        self, instrument: str, liquidation: str | None, candidates: list[Candidate]
    ) -> None:
        """Highest score first, as much as it has, but never a part of one that would fail."""
        order = sorted(candidates, key=lambda one: (-one.score, one.owner.encode()))
        for rank, taker in enumerate(order, start=1):
            inventory = self.inventory(instrument)
            if not inventory.quantity:
                return
            quantity = min(abs(inventory.quantity), abs(taker.quantity))
            amount = self.part_of_cost(inventory, quantity)
            if self.equity_after(instrument, taker, quantity, amount) >= 0:
                self.close_with(instrument, liquidation, taker, rank, quantity)

    def close_by_contracts(
        self, instrument: str, liquidation: str | None, candidates: list[Candidate]
    ) -> None:
        """By contracts: among positions in profit first, then among the rest."""
        one = Fraction(1, 10 ** self.listed[instrument].quantity_scale)
        before = 0
        for is_profit in (True, False):
            group = [taker for taker in candidates if (taker.upnl > 0) == is_profit]

            def shares(left: Fraction, takers: list[Candidate]) -> dict[str, Fraction]:
                sizes = {taker.owner: abs(taker.quantity) for taker in takers}
                return self.by_largest_remainder(left, sizes, one)

            self.close_shares(instrument, liquidation, group, before, shares)
            before = len(group)

    def close_by_profit(
        self, instrument: str, liquidation: str | None, candidates: list[Candidate]
    ) -> None:
        """By open profit, none more than its profit's part of the inventory's loss."""
        one = 10 ** self.listed[instrument].quantity_scale
        held = self.held(LIQUIDATION, instrument)
        loss = -(self.cost(LIQUIDATION, instrument) + self.at_mark(instrument, held))
        group = [taker for taker in candidates if taker.upnl > 0]
        caps = {
            taker.owner: min(
                abs(taker.quantity),
                Fraction(floor(taker.upnl * abs(held) * one / loss), one),
            )
            for taker in group
        }

        def shares(left: Fraction, takers: list[Candidate]) -> dict[str, Fraction]:
            weights = {taker.owner: taker.upnl for taker in takers}
            return self.under_caps(left, weights, caps, Fraction(1, one))

        self.close_shares(instrument, liquidation, group, 0, shares)

    def close_shares(
        self,
        instrument: str,
        liquidation: str | None,
        group: list[Candidate],
        before: int,
        shares_of: Callable[[Fraction, list[Candidate]], dict[str, Fraction]],
    ) -> None:
        """Close shares by account id; those that fail are removed and shares computed anew.

        `before` were looked at already: ranks go on from there.
        """
        takers = sorted(group, key=lambda one: one.owner.encode())
        ranks = {taker.owner: before + place for place, taker in enumerate(takers, start=1)}
        while takers:
            inventory = self.inventory(instrument)
            shares = shares_of(abs(inventory.quantity), takers)
            failing = self.failing(instrument, inventory, takers, shares)
            if not failing:
                for taker in takers:
                    share, rank = shares[taker.owner], ranks[taker.owner]
                    if share:
                        self.close_with(instrument, liquidation, taker, rank, share)
                return
            takers = [taker for taker in takers if taker not in failing]

    def failing(
        self,
        instrument: str,
        inventory: Inventory,
        takers: list[Candidate],
        shares: dict[str, Fraction],
    ) -> list[Candidate]:
        """Who would have negative equity at its share, were all shares taken in turn."""
        found: list[Candidate] = []
        for taker in takers:
            quantity = shares[taker.owner]
            if not quantity:
                continue
            amount = self.part_of_cost(inventory, quantity)
            if self.equity_after(instrument, taker, quantity, amount) < 0:
                found.append(taker)
            sign = 1 if inventory.quantity > 0 else -1
            inventory.quantity -= sign * quantity
            inventory.cost -= amount
        return found

    def by_largest_remainder(
        self, left: Fraction, sizes: dict[str, Fraction], one: Fraction
    ) -> dict[str, Fraction]:
        """`left` by size, none more than its own, in multiples of `one`; ties by account id."""
        total = sum(sizes.values(), NOTHING)
        if left >= total:
            return dict(sizes)
        return rounded({owner: left * size / total for owner, size in sizes.items()}, left, one)

    def under_caps(
        self,
        left: Fraction,
        weights: dict[str, Fraction],
        caps: dict[str, Fraction],
        one: Fraction,
    ) -> dict[str, Fraction]:
        """`left` by weight, none over its cap: who would be over gets its cap, the rest anew."""
        if left >= sum((caps[owner] for owner in weights), NOTHING):
            return {owner: caps[owner] for owner in weights}
        full: set[str] = set()
        while True:
            rest = left - sum((caps[owner] for owner in full), NOTHING)
            total = sum((weights[owner] for owner in weights if owner not in full), NOTHING)
            parts = {
                owner: caps[owner] if owner in full else rest * weight / total
                for owner, weight in weights.items()
            }
            over = {owner for owner, part in parts.items() if part > caps[owner]}
            if not over:
                return rounded(parts, left, one)
            full |= over


def rounded(parts: dict[str, Fraction], total: Fraction, one: Fraction) -> dict[str, Fraction]:
    """Parts in multiples of `one` that sum to `total`, by largest remainder."""
    whole = {owner: Fraction(floor(part / one)) * one for owner, part in parts.items()}
    missing = (total - sum(whole.values(), NOTHING)) / one
    order = sorted(parts, key=lambda owner: (whole[owner] - parts[owner], owner.encode()))
    for owner in order[: int(missing)]:
        whole[owner] += one
    return whole
