"""The mark of an instrument: which price stands for its value.

Prices, settlements and expiries set it, as far as the price guard lets them. Until the first of
them the last trade price stands, else the last opening entry price. Whenever a mark is set, to the
same price or another, that is a `mark` record.
"""

from ledger.core.instruments import Terms
from ledger.core.margin.guard import STAND_INS
from ledger.core.registers import Mark
from ledger.core.state import State
from ledger.core.units import Fixed


def set_mark(state: State, terms: Terms, price: int, source: str) -> None:
    """Let `price`, in smallest units, stand from now on; an open suspicion ends."""
    instrument = terms.instrument
    # As `Mark(...)` and `Fixed(...)`, each in 0.1 us instead of 0.2 us, at every tick.
    state.put(state.marks, instrument, tuple.__new__(Mark, (price, source, state.now)))
    if source not in STAND_INS:
        state.drop(state.suspects, instrument)
    shown = tuple.__new__(Fixed, (price, terms.price_scale))
    body: dict[str, object] = {"mark_price": shown, "source": source}
    state.journal.record("mark", instrument, body)
    state.watch.moved(state, instrument, price)


def stand_in(state: State, instrument: str, price: Fixed, source: str) -> None:
    """Let a trade's or an opening's price stand while nothing better does."""
    terms = state.instruments[instrument]
    units = price.coefficient * 10 ** (terms.price_scale - price.scale)
    known = state.marks.get(instrument)
    if known is not None and (
        known.source not in STAND_INS or (known.source == "trade" and source == "opening")
    ):
        return
    set_mark(state, terms, units, source)
