"""A first reading of Hyperliquid deals: scales, accounts, and entry prices that no fill shows.

Rules of this file:

* `quantity_scale` of a coin (the venue's szDecimals) is the largest number of decimals among its
  sizes and start positions. Start positions may carry the noise of binary doubles: more decimals
  than `SIZE_DECIMALS_MAX` are noise and are rounded away.
* `price_scale` is the venue's grid, `6 - szDecimals`, or more where an entry price needs it.
* The first fill of an (account, coin) shows the position that stood before, and so does the first
  one behind a gap. Its entry price follows from the next fill that closes: the venue pays
  `closedPnl = q * (price - entry)` for a long, so `entry = price - closedPnl/q` (a short: plus).
  Increases before that fill are taken out again:
  `entry_of_opening = (entry * size_then - cost of the increases) / size_at_first`.
* Where no fill closes before the next gap, or the result is no price (under 10^-6, or from 10^30
  on), that of the first trade stands in, and the opening is not marked as inferred.

The venue truncates its entry price to `6 - szDecimals` decimals; the inferred one is that price, so
it is under the true average by less than one such tick.

Memory: one small object a coin, an (account, coin) pair and a gap.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from ledger.core.units import SCALE_MAX
from ledger.importers.deals import Deal, Side
from ledger.importers.reading import decimals, rounded

SIZE_DECIMALS_MAX = 6
"""The venue has no coin with more decimals in its sizes."""

MONEY_SCALE = 6
"""Decimals of USDC, and of price times size on the venue."""

ENTRY_MIN = Fraction(1, 10**MONEY_SCALE)
ENTRY_BOUND = 10**30
"""What an entry price may be: outside, the figures it is inferred from cannot be right."""

Pair = tuple[str, str]
"""(account, coin)."""


@dataclass(slots=True)
class Scales:
    """Decimals that the prices and sizes of one coin need."""

    price: int = 0
    quantity: int = 0


@dataclass(slots=True)
class Opening:
    """A position that stood before the first fill that shows it.

    Attributes:
        quantity: Signed, not zero.
        entry: Entry price; the first trade's until it is inferred.
        is_inferred: It follows from a closing fill.
        added: Signed cost of the increases since (while looking).
    """

    quantity: Decimal
    entry: Fraction
    is_inferred: bool = False
    added: Fraction = Fraction(0)

    def see(self, start: Decimal, change: Decimal, price: Decimal, pnl: Decimal) -> bool:
        """One fill of this pair: look for the entry price in it.

        Args:
            start: Signed position before the fill, not zero.
            change: Signed: bought positive.
            price: Of the trade.
            pnl: The venue's closed P&L.

        Returns:
            Whether it closed something: there is nothing more to look for.
        """
        if (start > 0) == (change > 0):
            self.added += Fraction(price) * Fraction(change)
            return False
        sign = 1 if start > 0 else -1
        closed = min(abs(start), abs(change))
        entry = Fraction(price) - sign * Fraction(pnl) / Fraction(closed)
        opening = (entry * Fraction(start) - self.added) / Fraction(self.quantity)
        if ENTRY_MIN <= opening < ENTRY_BOUND:
            self.entry = opening
            self.is_inferred = True
        return True


@dataclass(slots=True)
class Survey:
    """What the first reading found.

    Attributes:
        coins: Scales by perpetual, in order of first appearance.
        accounts: In order of first appearance (a dict for its order).
        openings: Positions before the file, by pair, in order of first appearance.
        reopenings: Positions behind a gap, by line and pair.
        since: `occurred_at` of the first perpetual deal; None where there is none.
    """

    coins: dict[str, Scales] = field(default_factory=dict)
    accounts: dict[str, None] = field(default_factory=dict)
    openings: dict[Pair, Opening] = field(default_factory=dict)
    reopenings: dict[tuple[int, Pair], Opening] = field(default_factory=dict)
    since: int | None = None
    _positions: dict[Pair, Decimal] = field(default_factory=dict)
    _looking: dict[Pair, Opening] = field(default_factory=dict)

    @classmethod
    def of(cls, deals: Iterable[Deal]) -> "Survey":
        """Read them all."""
        survey = cls()
        for deal in deals:
            if deal.is_perpetual and deal.buyer.account != deal.seller.account:
                survey._see(deal)
        for scales in survey.coins.values():
            scales.price = max(scales.price, MONEY_SCALE - scales.quantity)
        for (_, coin), opening in survey.openings.items():
            survey._widen(coin, opening)
        for (_, (_, coin)), opening in survey.reopenings.items():
            survey._widen(coin, opening)
        return survey

    def _see(self, deal: Deal) -> None:
        if self.since is None:
            self.since = deal.occurred_at
        scales = self.coins.setdefault(deal.coin, Scales())
        scales.price = max(scales.price, decimals(deal.price))
        scales.quantity = max(scales.quantity, decimals(deal.quantity))
        for side, change in ((deal.buyer, deal.quantity), (deal.seller, -deal.quantity)):
            self.accounts[side.account] = None
            if side.start is None:
                continue
            places = decimals(side.start)
            if places <= SIZE_DECIMALS_MAX:
                scales.quantity = max(scales.quantity, places)
            self._see_side(deal, side, change)

    def _see_side(self, deal: Deal, side: Side, change: Decimal) -> None:
        pair = (side.account, deal.coin)
        start = start_position(side.start, SIZE_DECIMALS_MAX)
        expected = self._positions.get(pair)
        self._positions[pair] = start + change
        if start != expected:
            self._looking.pop(pair, None)
            if start:
                opening = Opening(start, Fraction(deal.price))
                self._looking[pair] = opening
                if expected is None:
                    self.openings[pair] = opening
                else:
                    self.reopenings[deal.line, pair] = opening
        looking = self._looking.get(pair)
        if looking is not None and looking.see(start, change, deal.price, side.closed_pnl):
            del self._looking[pair]

    def _widen(self, coin: str, opening: Opening) -> None:
        scales = self.coins[coin]
        scales.price = max(scales.price, _entry_scale(opening, scales.quantity))


def start_position(start: Decimal | None, scale: int) -> Decimal:
    """The start position at the coin's scale; zero where the file has none."""
    return Decimal(0) if start is None else rounded(start, scale)


def _entry_scale(opening: Opening, quantity_scale: int) -> int:
    """Decimals for the entry price: all it has, or enough for a cost right to the last unit."""
    enough = MONEY_SCALE + len(str(int(abs(opening.quantity))))
    scale = max(0, MONEY_SCALE - quantity_scale)
    while scale < min(enough, SCALE_MAX) and (opening.entry * 10**scale).denominator != 1:
        scale += 1
    return scale
