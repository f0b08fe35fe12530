"""Every liquidation worked out once more from its own records, in fractions, by the formulas.

A `liquidation` record carries the statement that it began with; takeovers, seizures and what was
made whole follow under the same id. From the statement and the listing of the instruments all that
follows must come out again: order, quantity, share, penalty, value, prices, and what is left at the
end. No rule of the core is used.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from tests.market.books import down, rounded, up

Body = dict[str, Any]
"""Of a record, decimals as fractions."""

Step = tuple[str, Body]
"""Kind and body of a record."""

NOTHING = Fraction(0)
COIN_UNIT = Fraction(1, 10**8)
"""Smallest unit of the assets held as collateral."""

OF_ONE_LIQUIDATION = {"liquidation", "takeover", "seizure", "made_whole", "liquidation_end"}


class Tier(NamedTuple):
    cap: Fraction | None
    rate: Fraction
    amount: Fraction


class Listing(NamedTuple):
    """What an instrument's own event says."""

    price_scale: int
    quantity_scale: int
    tiers: list[Tier]

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Listing":
        """From the fields of an `instrument` event."""
        tiers = [
            Tier(
                None if tier["notional_cap"] is None else Fraction(tier["notional_cap"]),
                Fraction(tier["maintenance_rate"]),
                Fraction(tier["maintenance_amount"]),
            )
            for tier in fields["tiers"]
        ]
        return cls(fields["price_scale"], fields["quantity_scale"], tiers)

    def tier(self, notional: Fraction) -> Tier:
        """A border belongs to the higher tier."""
        return next(tier for tier in self.tiers if tier.cap is None or notional < tier.cap)


@dataclass
class Line:
    """A position while its account is being liquidated."""

    body: Body
    listing: Listing
    scale: int
    quantity: Fraction
    cost: Fraction

    def value(self, quantity: Fraction) -> Fraction:
        """Signed value at the mark, exact."""
        if self.body["type"] == "inverse":
            return -quantity * Fraction(self.body["multiplier"]) / Fraction(self.body["mark_price"])
        return quantity * Fraction(self.body["multiplier"]) * Fraction(self.body["mark_price"])

    def maintenance(self, quantity: Fraction) -> Fraction:
        """The tier function of a quantity alone."""
        notional = abs(self.value(quantity))
        tier = self.listing.tier(notional)
        return max(NOTHING, up(notional * tier.rate - tier.amount, self.scale))

    def pnl(self) -> Fraction:
        return self.cost + down(self.value(self.quantity), self.scale)

    def price_of(self, quantity: Fraction, value: Fraction) -> Fraction | None:
        """At which a quantity is worth this, on the price grid; None where not positive."""
        if not value:
            return None
        if self.body["type"] == "inverse":
            price = -quantity * self.body["multiplier"] / value
        else:
            price = value / (quantity * self.body["multiplier"])
        on_grid = rounded(price, self.listing.price_scale)
        return on_grid if on_grid > 0 else None


def by_liquidation(records: Iterable[tuple[str, str, Body]]) -> dict[str, list[Step]]:
    """Steps of each liquidation by its id, in order."""
    found: dict[str, list[Step]] = defaultdict(list)
    for kind, subject, body in records:
        if kind in OF_ONE_LIQUIDATION:
            found[subject].append((kind, body))
    return dict(found)


def check_statement(statement: Body, listings: dict[str, Listing]) -> None:
    """The sums of a statement are those of its lines, and each line follows from its inputs."""
    scale = statement["scale"]
    collateral = sum((asset_value(asset, statement) for asset in statement["assets"]), NOTHING)
    assert statement["collateral"] == collateral
    pnl = maintenance = initial = NOTHING
    for body in statement["positions"]:
        line = Line(body, listings[body["instrument"]], scale, body["quantity"], body["cost"])
        notional = abs(line.value(line.quantity))
        assert body["value"] == down(line.value(line.quantity), scale)
        assert body["maintenance_margin"] == line.maintenance(line.quantity)
        tier = line.listing.tier(notional)
        assert (body["maintenance_rate"], body["maintenance_amount"]) == (tier.rate, tier.amount)
        rate = body["initial_rate"]
        if body["leverage"] is not None:
            rate = max(rate, 1 / body["leverage"])
        assert body["initial_margin"] == up(notional * rate, scale)
        pnl += line.pnl()
        maintenance += body["maintenance_margin"]
        initial += body["initial_margin"]
    assert statement["unrealized_pnl"] == pnl
    assert statement["equity"] == collateral + pnl
    assert statement["maintenance_margin"] == maintenance
    assert statement["initial_margin"] == initial


def asset_value(asset: Body, statement: Body) -> Fraction:
    """What a line of collateral counts; it must be what the record says."""
    if asset["asset"] == statement["asset"]:
        value = asset["balance"]
    else:
        factor = 1 - asset["haircut"] if asset["balance"] > 0 else 1 + asset["haircut"]
        price = asset["price"] or NOTHING
        value = down(asset["balance"] * price * factor, statement["scale"])
    assert asset["value"] == value
    return Fraction(value)


def check_liquidation(steps: list[Step], listings: dict[str, Listing]) -> None:
    """The records of one liquidation, from its statement to its end."""
    (kind, opening), *rest = steps
    assert kind == "liquidation"
    check_statement(opening["statement"], listings)
    Liquidation(opening, listings).follow(rest)


class Liquidation:
    """One margin account on its way down."""

    def __init__(self, opening: Body, listings: dict[str, Listing]) -> None:
        statement = opening["statement"]
        self.opening = opening
        self.scale: int = statement["scale"]
        self.wallet: Fraction = statement["assets"][0]["balance"]
        self.assets: dict[str, Body] = {
            asset["asset"]: dict(asset) for asset in statement["assets"][1:]
        }
        self.lines = [
            Line(
                body,
                listings[body["instrument"]],
                self.scale,
                body["quantity"],
                body["cost"],
            )
            for body in statement["positions"]
        ]
        assert self.equity < self.maintenance, "only who is under maintenance is liquidated"

    @property
    def equity(self) -> Fraction:
        others = sum((asset["value"] for asset in self.assets.values()), NOTHING)
        return self.wallet + others + sum((line.pnl() for line in self.open_lines()), NOTHING)

    @property
    def maintenance(self) -> Fraction:
        return sum((line.maintenance(line.quantity) for line in self.open_lines()), NOTHING)

    def open_lines(self) -> list[Line]:
        return [line for line in self.lines if line.quantity]

    def _live(self) -> list[Line]:
        return [line for line in self.open_lines() if not line.body["stale"]]

    def follow(self, steps: list[Step]) -> None:
        """Take each step, and hold it against its record."""
        for kind, body in steps:
            assert body["account"] == self.opening["account"]
            match kind:
                case "takeover":
                    self.takeover(body)
                case "seizure":
                    self.seizure(body)
                case "made_whole":
                    assert not self.open_lines()
                    assert body["amount"] == -self.equity
                    assert body["amount"] == body["from_insurance"] + body["from_deficit"]
                    self.wallet += body["amount"]
                case _:
                    assert kind == "liquidation_end"
                    assert body["equity"] == self.equity
                    assert body["maintenance_margin"] == self.maintenance
        assert steps[-1][0] == "liquidation_end"
        if self.opening["mode"] == "partial" and self._live():
            assert self.equity >= self.maintenance * (1 + self.opening["partial_buffer"])
        assert self.equity >= 0 or any(line.body["stale"] for line in self.open_lines())

    def takeover(self, body: Body) -> None:
        line = self._next()
        assert body["instrument"] == line.body["instrument"]
        assert body["position"] == line.quantity
        assert body["mark_price"] == line.body["mark_price"]
        assert (body["equity"], body["maintenance_margin"]) == (self.equity, self.maintenance)
        quantity = body["quantity"]
        assert quantity == self._due(line)
        share, penalty, last = self._terms(line, quantity)
        assert body["quantity_maintenance"] == line.maintenance(quantity)
        assert body["last"] == last
        assert (body["share"], body["penalty"]) == (share, penalty)
        assert body["value_at_mark"] == down(line.value(quantity), self.scale)
        value = body["value_at_mark"] - penalty
        assert body["takeover_value"] == value
        assert body["takeover_price"] == line.price_of(quantity, value)
        assert body["bankruptcy_price"] == line.price_of(quantity, line.value(quantity) - share)
        assert body["realized_pnl"] == value + self._released(line, quantity)
        self._take(line, quantity)
        if self.opening["margin_instrument"] is not None and not line.quantity:
            self.wallet = min(self.wallet, NOTHING)  # what is left goes back to the cross account

    def _next(self) -> Line:
        """The position with the largest maintenance margin, ties by instrument id."""
        return min(
            self._live(),
            key=lambda line: (-line.maintenance(line.quantity), line.body["instrument"].encode()),
        )

    def _due(self, line: Line) -> Fraction:
        """How much is taken: all in a `full` pool, else the smallest part that restores."""
        unit = Fraction(1 if line.quantity > 0 else -1, 10**line.listing.quantity_scale)
        everything = int(line.quantity / unit)
        if self.opening["mode"] == "full" or not self._restores(line, everything * unit):
            return line.quantity
        low, high = 1, everything
        while low < high:
            middle = (low + high) // 2
            if self._restores(line, middle * unit):
                high = middle
            else:
                low = middle + 1
        return high * unit

    def _restores(self, line: Line, quantity: Fraction) -> bool:
        kept = self.wallet, line.cost, line.quantity
        self._take(line, quantity)
        holds = self.equity >= self.maintenance * Fraction(1 + self.opening["partial_buffer"])
        self.wallet, line.cost, line.quantity = kept
        return holds

    def _terms(self, line: Line, quantity: Fraction) -> tuple[Fraction, Fraction, bool]:
        """Share, penalty, and whether all equity passes."""
        equity, total = self.equity, self.maintenance
        notional = abs(line.value(quantity))
        last = total == 0 or (quantity == line.quantity and len(self.open_lines()) == 1)
        share = equity if last else down(equity * line.maintenance(quantity) / total, self.scale)
        share = max(share, -down(notional, self.scale))
        return share, min(share, up(self.opening["penalty_rate"] * notional, self.scale)), last

    def _released(self, line: Line, quantity: Fraction) -> Fraction:
        """The part of the cost that goes with the quantity."""
        if quantity == line.quantity:
            return line.cost
        return rounded(line.cost * quantity / line.quantity, self.scale)

    def _take(self, line: Line, quantity: Fraction) -> None:
        _, penalty, _ = self._terms(line, quantity)
        released = self._released(line, quantity)
        self.wallet += down(line.value(quantity), self.scale) - penalty + released
        line.cost -= released
        line.quantity -= quantity

    def seizure(self, body: Body) -> None:
        assert not self.open_lines() or self.equity <= 0
        assert body["balance_before"] == self.wallet < 0
        asset = self.assets[body["asset"]]
        worth = asset["price"] * (1 - asset["haircut"])
        assert (body["price"], body["haircut"]) == (asset["price"], asset["haircut"])
        assert body["value"] == down(body["quantity"] * worth, self.scale)
        if body["quantity"] != asset["balance"]:
            less = down((body["quantity"] - COIN_UNIT) * worth, self.scale)
            assert body["value"] >= -self.wallet > less, "the smallest sufficient quantity"
        self.wallet += body["value"]
        assert body["balance_after"] == self.wallet
        asset["balance"] -= body["quantity"]
        asset["value"] = down(asset["balance"] * worth, self.scale)
