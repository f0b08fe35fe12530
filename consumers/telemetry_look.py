"""What a run looks at in its pools every few seconds: funds, defaults, sums; from the state.

The state in memory is what the next event will be decided by; `clearing verify` holds the database
against it. Cost: the figures grow with open deficits and inventories, a handful; the sums with the
accounts, 0.03 s for 300,000, so they are taken seldom.
"""

from collections.abc import Mapping
from typing import NamedTuple

from consumers.lag import Lags, Place
from ledger.core.accounts import DEFICIT, HOUSE, INSURANCE, LIQUIDATION, POSITION
from ledger.core.state import State


class Figures(NamedTuple):
    """Of one pool at its head. Amounts in natural units, as a float is what a gauge holds.

    Attributes:
        asset: The settlement asset.
        insurance: Balance of the insurance fund.
        deficit: Losses that nothing has covered yet, positive.
        deficits: How many.
        inventories: Contracts that `@liquidation` holds, signed, by instrument.
        margin_calls, withdrawals, suspect_marks: How many are open.
    """

    asset: str
    insurance: float
    deficit: float
    deficits: int
    inventories: Mapping[str, float]
    margin_calls: int
    withdrawals: int
    suspect_marks: int


def figures(state: State) -> Figures | None:
    """The figures of a pool; None before its terms are known."""
    if state.pool is None:
        return None
    asset, unit = state.settlement.asset, 10**state.settlement.scale
    journal = state.journal
    held = {name: journal.balance(LIQUIDATION, POSITION, name, None) for name in state.inventories}
    return Figures(
        asset,
        journal.balance(HOUSE, INSURANCE, None, asset) / unit,
        -journal.balance(HOUSE, DEFICIT, None, asset) / unit,
        len(state.deficits),
        {
            name: quantity / 10 ** state.instruments[name].quantity_scale
            for name, quantity in held.items()
            if quantity
        },
        len(state.calls),
        len(state.requests),
        len(state.suspects),
    )


def excesses(state: State) -> dict[str, int]:
    """By commodity, what all its balances sum to, in smallest units: zero in sound books."""
    journal = state.journal
    sums = [0] * len(journal.commodities)
    for commodity, balance in zip(journal.commodity_of, journal.balances, strict=True):
        sums[commodity] += balance
    return {
        commodity.asset or commodity.instrument or "": total
        for commodity, total in zip(journal.commodities[1:], sums[1:], strict=True)
    }


class Behind:
    """Turns lags into seconds; remembers since when a place has messages that were not fetched."""

    def __init__(self) -> None:
        """Know of none."""
        self._since: dict[Place, float] = {}

    def seconds(self, lags: Lags, now: float) -> dict[Place, float]:
        """How old the first message is that the books do not hold; 0 where they hold all.

        One that the broker has and that was not fetched yet is as old as its lag is known.

        Args:
            lags: As of now.
            now: Seconds since 1970.
        """
        ages: dict[Place, float] = {}
        for place, lag in lags.items():
            if lag.messages and lag.oldest_ms is None:
                ages[place] = now - self._since.setdefault(place, now)
            else:
                self._since.pop(place, None)
                oldest = now if lag.oldest_ms is None else lag.oldest_ms / 1000
                ages[place] = max(0.0, now - oldest) if lag.messages else 0.0
        return ages
