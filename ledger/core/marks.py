"""The mark of an instrument: which price stands for its value.

Prices, settlements and expiries set it. Until the first of them the last trade price stands, else
the last opening entry price. Every change, and every price event, is a `mark` record.
"""

from ledger.core.instruments import Terms
from ledger.core.state import Mark, State
from ledger.core.units import Fixed

_STAND_INS = ("trade", "opening")
"""Sources that only stand in for a price, the stronger first."""


def set_mark(state: State, terms: Terms, price: int, source: str) -> None:
    """Let `price`, in smallest units, stand from now on."""
    state.marks[terms.instrument] = Mark(price, source)
    body: dict[str, object] = {"mark_price": Fixed(price, terms.price_scale), "source": source}
    state.journal.record("mark", terms.instrument, body)


def stand_in(state: State, instrument: str, price: Fixed, source: str) -> None:
    """Let a trade's or an opening's price stand while nothing better does."""
    terms = state.instruments[instrument]
    units = price.coefficient * 10 ** (terms.price_scale - price.scale)
    known = state.marks.get(instrument)
    if known is not None:
        if known.source not in _STAND_INS or (known.source == "trade" and source == "opening"):
            return
        if known == (units, source):
            return
    set_mark(state, terms, units, source)
