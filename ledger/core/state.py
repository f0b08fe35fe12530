"""All that a pool's rules know: terms, participants, marks, open requests, defaults, the journal.

Rules of this file:

* Registers (the dicts and the scalars) change through `begin`, `put`, `drop` and `change` alone,
  which keep what was there before: a refused event is taken back whole by `unwind`.
* `watch` is derived: it decides which accounts are looked at, never what is found.
"""

from typing import Any, Final, final

from ledger.core import events
from ledger.core.instruments import Terms
from ledger.core.journal import Journal
from ledger.core.outcome import Outcome
from ledger.core.registers import (
    AssetTerms,
    Deficit,
    Inventory,
    Mark,
    PositionTerms,
    Request,
    Suspect,
)
from ledger.core.units import Microseconds
from ledger.core.watch.index import Watch
from ledger.core.watch.watcher import Watcher

_ABSENT: Final = object()
"""Stands for an entry that a register did not have."""


@final
class State:
    """The state of one pool.

    Attributes:
        name: The pool's id.
        pool: Its terms; None until its `pool` event.
        pool_time: Largest `occurred_at` applied; None before the first.
        under_floor: The insurance fund's projection rests under its floor, and that was recorded.
        assets: By id, the settlement asset included.
        asset_prices: By id, in the settlement asset, in 10^-18.
        instruments: By id.
        participants: Their tags, by id.
        marks: By instrument.
        suspects: Marks held back by the price guard, by instrument.
        modes: By (participant, instrument), where they were chosen.
        requests: Open withdrawal requests by id.
        busted: Event ids of busted trades, each with the id of the event that busted it.
        calls: Id of the open margin call, by margin account (participant, instrument or None).
        deficits: By number of the fund movement that opened them.
        inventories: By instrument, where `@liquidation` holds some.
        borne: Losses shared out to a position since it was last flat, by (participant, instrument).
        defaulted: Sequence of the last liquidation or deleveraging, by (owner, instrument).
        counts: How many ids of each letter were given (`L`, `D`, `C`, `F`).
        journal: Balances and positions.
        watch: Which margin accounts are to be examined. Derived, not part of what is kept.
        now, sequence, rules: Of the event being decided: when it occurred, its number, and the
            version of the rules that decide it. Not kept.
        uncovered: `(number, instrument)` of deficits opened and not yet offered to be shared.
        liquidated: Margin accounts liquidated in this event.
    """

    __slots__ = (
        "_pool_time_before",
        "_undo",
        "asset_prices",
        "assets",
        "borne",
        "busted",
        "calls",
        "counts",
        "defaulted",
        "deficits",
        "instruments",
        "inventories",
        "journal",
        "liquidated",
        "marks",
        "modes",
        "name",
        "now",
        "participants",
        "pool",
        "pool_time",
        "requests",
        "rules",
        "sequence",
        "suspects",
        "uncovered",
        "under_floor",
        "watch",
    )

    def __init__(self, name: str, watch: Watcher | None = None) -> None:
        """Start a pool that has seen nothing yet."""
        self.name = name
        self.pool: events.Pool | None = None
        self.pool_time: Microseconds | None = None
        self.under_floor = False
        self.assets: dict[str, AssetTerms] = {}
        self.asset_prices: dict[str, int] = {}
        self.instruments: dict[str, Terms] = {}
        self.participants: dict[str, tuple[str, ...]] = {}
        self.marks: dict[str, Mark] = {}
        self.suspects: dict[str, Suspect] = {}
        self.modes: dict[tuple[str, str], PositionTerms] = {}
        self.requests: dict[str, Request] = {}
        self.busted: dict[str, str] = {}
        self.calls: dict[tuple[str, str | None], str] = {}
        self.deficits: dict[int, Deficit] = {}
        self.inventories: dict[str, Inventory] = {}
        self.borne: dict[tuple[str, str], int] = {}
        self.defaulted: dict[tuple[str, str], int] = {}
        self.counts: dict[str, int] = {}
        self.journal = Journal()
        self.watch: Watcher = Watch() if watch is None else watch
        self.now = Microseconds(0)
        self.sequence = 0
        self.rules = 0
        self.uncovered: list[tuple[int, str | None]] = []
        self.liquidated: set[tuple[str, str | None]] = set()
        self._pool_time_before: Microseconds | None = None
        self._undo: list[tuple[dict[Any, Any] | None, Any, Any]] = []

    @property
    def settlement(self) -> AssetTerms:
        """The settlement asset of the pool.

        Asserts:
            The pool has been declared.
        """
        assert self.pool is not None, f"pool {self.name} has no terms yet"
        return self.assets[self.pool.settlement_asset]

    @property
    def terms(self) -> events.Pool:
        """The terms of the pool.

        Asserts:
            The pool has been declared.
        """
        assert self.pool is not None, f"pool {self.name} has no terms yet"
        return self.pool

    def begin(self, occurred_at: Microseconds, sequence: int, rules: int) -> None:
        """Begin an event; the pool's time may move with it."""
        self.now, self.sequence, self.rules = occurred_at, sequence, rules
        self._pool_time_before = self.pool_time
        if self.pool_time is None or occurred_at > self.pool_time:
            self.pool_time = occurred_at

    def put(self, register: dict[Any, Any], key: object, value: object) -> None:
        """Set an entry of a register."""
        self._undo.append((register, key, register.get(key, _ABSENT)))
        register[key] = value

    def drop(self, register: dict[Any, Any], key: object) -> None:
        """Take an entry of a register away; nothing happens where there is none."""
        if key in register:
            self._undo.append((register, key, register.pop(key)))

    def change(self, name: str, value: object) -> None:
        """Set one of the scalars."""
        self._undo.append((None, name, getattr(self, name)))
        setattr(self, name, value)

    def next_id(self, letter: str) -> str:
        """The next id of a kind, counted in this pool: `L-1`, `L-2`, ..."""
        number = self.counts.get(letter, 0) + 1
        self.put(self.counts, letter, number)
        return f"{letter}-{number}"

    def close(self) -> Outcome:
        """End the event and hand out what it led to."""
        self._undo.clear()
        if self.uncovered:
            self.uncovered.clear()
        if self.liquidated:
            self.liquidated.clear()
        self.watch.event_ended()
        return self.journal.close()

    def unwind(self) -> None:
        """Take everything back that this event has done."""
        self.pool_time = self._pool_time_before
        while self._undo:
            register, key, before = self._undo.pop()
            if register is None:
                setattr(self, key, before)
            elif before is _ABSENT:
                del register[key]
            else:
                register[key] = before
        self.uncovered.clear()
        self.liquidated.clear()
        self.journal.unwind()
        self.watch.event_undone(self)
