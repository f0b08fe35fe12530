"""The price guard: which prices are believed, and which marks are too old to act on.

    suspect   |p - accepted| > band * accepted,  or  |p - index| > band * index
    stale     mark time + price_max_age < pool time

A suspect mark moves nothing until it is confirmed by consecutive marks near the first suspect, or
accepted by two people. A price that only stands in (of a trade or an opening) is no accepted mark.
Equality is inside the band; a mark exactly as old as allowed is not stale.

Source: docs/spec/price-guard.md.
"""

from typing import TYPE_CHECKING, Final

from ledger.core.instruments import Terms
from ledger.core.units import Fixed

if TYPE_CHECKING:  # the state holds the watch, which values positions
    from ledger.core.state import State

STAND_INS: Final = ("trade", "opening")
"""Sources of a mark that only stand in for a price, the stronger first."""

SECOND: Final = 1_000_000
"""Microseconds."""


def accepted_price(state: "State", instrument: str) -> int | None:
    """The last accepted mark, smallest units of price; None before the first."""
    mark = state.marks.get(instrument)
    return None if mark is None or mark.source in STAND_INS else mark.price


def is_within(band: Fixed, price: int, reference: int) -> bool:
    """The price is no further from the reference than the band allows."""
    one: int = 10**band.scale
    return abs(price - reference) * one <= band.coefficient * reference


def suspicion(state: "State", terms: Terms, price: int, index: int | None) -> str | None:
    """Why a price is suspect, `moved` or `off_index`; None for one that is believed."""
    band = terms.price_band
    if band is None:
        return None
    accepted = accepted_price(state, terms.instrument)
    if accepted is not None and not is_within(band, price, accepted):
        return "moved"
    if index is not None and not is_within(band, price, index):
        return "off_index"
    return None


def is_stale(state: "State", terms: Terms) -> bool:
    """The instrument's mark is older than its `price_max_age` allows."""
    if terms.price_max_age is None:
        return False
    mark, pool_time = state.marks.get(terms.instrument), state.pool_time
    if mark is None or pool_time is None:
        return mark is None
    return mark.time + terms.price_max_age * SECOND < pool_time
