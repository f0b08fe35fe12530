"""The core alone, on one thread: microseconds to decode and to decide."""

import time
from collections.abc import Iterable

from benchmarks import traffic
from ledger.codec.decoding import Decoded, decode
from ledger.core.events import Event
from ledger.core.machine import decide
from ledger.core.outcome import Rejection
from ledger.core.state import State


def measured(trades: int) -> dict[str, float]:
    """Microseconds of each step, for a trade and for a price tick over the positions they left."""
    state = State(traffic.POOL)
    for event in _decoded(traffic.openings())[1]:
        _apply(state, event)
    decode_trade, events = _decoded(traffic.trades(trades))
    started = time.perf_counter()
    for event in events:
        _apply(state, event)
    decide_trade = _microseconds(started, trades)
    decode_tick, events = _decoded(traffic.ticks(trades))
    started = time.perf_counter()
    for event in events:
        _apply(state, event)
    return {
        "decode_trade_us": decode_trade,
        "decide_trade_us": decide_trade,
        "decode_tick_us": decode_tick,
        "decide_tick_us": _microseconds(started, trades),
        "open_positions": float(len(state.journal.holders["BTC-PERP"])),
    }


def _decoded(lines: Iterable[bytes]) -> tuple[float, list[Event]]:
    raw = list(lines)
    events: list[Event] = []
    started = time.perf_counter()
    for line in raw:
        decoded = decode(line)
        assert isinstance(decoded, Decoded), decoded
        events.append(decoded.event)
    return _microseconds(started, len(raw)), events


def _apply(state: State, event: Event) -> None:
    outcome = decide(state, event)
    assert not isinstance(outcome, Rejection), outcome


def _microseconds(started: float, count: int) -> float:
    return round((time.perf_counter() - started) / count * 1e6, 3)
