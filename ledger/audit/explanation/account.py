"""A margin account on the auditor's desk: its equity and requirements, worked from its parts."""

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ledger.audit.explanation.arithmetic import (
    Figure,
    contract_value,
    down,
    initial,
    maintenance,
    number,
    tier_number,
)

ZERO = Fraction(0)


@dataclass(slots=True)
class Holding:
    """A position and the terms that it is margined by.

    Attributes:
        instrument, type, multiplier: Of the instrument.
        tiers: Its margin schedule, as in the reference event.
        price_scale: Decimals of its prices.
        quantity_scale: Decimals of its quantities.
        quantity: Signed, whole contracts.
        cost: Balance of `variation`.
        mark: None where there never was one: the position then counts nothing, its cost neither.
        leverage: Chosen, as text; None where none was.
        stale: Its mark is too old to act on.
    """

    instrument: str
    type: str
    multiplier: Figure
    tiers: list[dict[str, Any]]
    price_scale: int
    quantity_scale: int
    quantity: Figure
    cost: Figure
    mark: Figure | None
    leverage: str | None
    stale: bool

    @classmethod
    def of(cls, line: Mapping[str, Any], terms: Mapping[str, Any]) -> "Holding":
        """From a line of a recorded statement and the terms of its instrument."""
        mark = line["mark_price"]
        return cls(
            instrument=line["instrument"],
            type=terms["type"],
            multiplier=number(terms["multiplier"]),
            tiers=terms["tiers"],
            price_scale=terms["price_scale"],
            quantity_scale=terms["quantity_scale"],
            quantity=number(line["quantity"]),
            cost=number(line["cost"]),
            mark=None if mark is None else number(mark),
            leverage=line["leverage"],
            stale=line["stale"],
        )

    def worth(self, quantity: Figure | None = None) -> Figure:
        """`quantity * V(mark)`, unrounded; of the whole position where none is given."""
        if self.mark is None:
            return ZERO
        held = self.quantity if quantity is None else quantity
        return held * contract_value(self.type, self.multiplier, self.mark)

    def value(self, scale: int) -> Figure:
        """What the whole position counts, down; without a mark it offsets its cost."""
        return -self.cost if self.mark is None else down(self.worth(), scale)

    def notional(self, quantity: Figure | None = None) -> Figure:
        """The size of `worth`."""
        return abs(self.worth(quantity))

    def tier(self, quantity: Figure | None = None) -> dict[str, Any]:
        """The tier that the notional is in."""
        return self.tiers[tier_number(self.tiers, self.notional(quantity))]

    def maintenance(self, scale: int, quantity: Figure | None = None) -> Figure:
        """Required of the position, or of a part of it alone."""
        if self.mark is None:
            return ZERO
        return maintenance(self.tier(quantity), self.notional(quantity), scale)

    def initial(self, scale: int) -> Figure:
        """Initial margin of the position."""
        if self.mark is None:
            return ZERO
        return initial(self.tier(), self.leverage, self.notional(), scale)


@dataclass(slots=True)
class Asset:
    """A collateral asset other than the settlement asset."""

    asset: str
    balance: Figure
    price: Figure | None
    haircut: Figure
    scale: int

    def value(self, scale: int) -> Figure:
        """As collateral: `balance * price * (1 - haircut)`; of a debt `(1 + haircut)`."""
        if self.price is None:
            return ZERO
        factor = 1 - self.haircut if self.balance > 0 else 1 + self.haircut
        return down(self.balance * self.price * factor, scale)


@dataclass(slots=True)
class MarginAccount:
    """A margin account: settlement balance, other assets, positions by instrument id.

    Its sums over the positions are kept as they come and go (`hold`, `let_go`): a liquidation asks
    for them several times a takeover. A position that is held does not change.
    """

    scale: int
    balance: Figure
    assets: list[Asset] = field(default_factory=list)
    holdings: dict[str, Holding] = field(default_factory=dict)
    _gained: Figure = ZERO
    _maintenance: Figure = ZERO
    _initial: Figure = ZERO
    _order: list[tuple[Figure, str]] = field(default_factory=list)

    def hold(self, held: Holding) -> None:
        """Add a position; one in the same instrument gives way to it."""
        if held.instrument in self.holdings:
            self.let_go(held.instrument)
        self.holdings[held.instrument] = held
        required = self._count(held, 1)
        if not held.stale:
            insort(self._order, (-required, held.instrument))

    def let_go(self, instrument: str) -> None:
        """Take a position away."""
        held = self.holdings.pop(instrument)
        required = self._count(held, -1)
        if not held.stale:
            del self._order[bisect_left(self._order, (-required, instrument))]

    def _count(self, held: Holding, sign: int) -> Figure:
        """Count a position in the sums, or out of them; returns its maintenance margin."""
        required = held.maintenance(self.scale)
        self._gained += sign * (held.cost + held.value(self.scale))
        self._maintenance += sign * required
        self._initial += sign * held.initial(self.scale)
        return required

    def largest(self) -> Holding | None:
        """The position of the largest maintenance margin that is not stale; ties by instrument."""
        return self.holdings[self._order[0][1]] if self._order else None

    def gained(self) -> Figure:
        """What the positions have gained at the marks."""
        return self._gained

    def equity(self) -> Figure:
        """Collateral and what the positions have gained."""
        collateral = self.balance + sum((part.value(self.scale) for part in self.assets), ZERO)
        return collateral + self._gained

    def maintenance(self) -> Figure:
        """Sum of the positions' maintenance margin."""
        return self._maintenance

    def initial(self) -> Figure:
        """Sum of the positions' initial margin."""
        return self._initial

    def required(self) -> Figure:
        """What keeps calls away: initial margin, or maintenance margin where that is more."""
        return max(self.initial(), self.maintenance())
