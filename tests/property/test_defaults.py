"""Leveraged histories: the core agrees with the slow model after each event, however it is run.

Beside the core with its index stand one that examines everyone after every event, and one that
restarts from its own bytes now and then: all three must give the same postings and records.
`DEFAULT_HISTORIES=5000 pytest tests/property/test_defaults.py` runs more than the default.
"""

import os
import random
from fractions import Fraction

import pytest

from ledger.codec.states import decode_state, encode_state
from ledger.core import events
from ledger.core.machine import decide
from ledger.core.margin.liquidation_price import liquidation_price
from ledger.core.outcome import Outcome, Rejection
from ledger.core.state import State
from ledger.core.watch.everyone import Everyone
from tests.property import comparison, moods, price_model
from tests.property.model import OPENINGS, Model, Refused

HISTORIES = int(os.environ.get("DEFAULT_HISTORIES", os.environ.get("HISTORIES", "160")))
CHUNK = 20
EVENTS = 60


class World:
    """The core three times, and the model."""

    def __init__(self, seed: int) -> None:
        self.state, self.restarted = State("main"), State("main")
        self.everyone = State("main", watch=Everyone())
        self.model = Model()
        self.fund = comparison.Fund()
        self.chance = random.Random(seed)
        self.kept = encode_state(self.state)
        self.number = 0
        self.kinds: set[str] = set()

    def live(self, event: events.Event, original: events.Event | None = None) -> bool:
        """One event, and all that must hold after it; whether it was accepted."""
        self.number += 1
        outcome = decide(self.state, event, original, self.number)
        if self.chance.random() < 0.1:
            self.restarted = decode_state(encode_state(self.restarted))
        again = decide(self.restarted, event, original, self.number)
        assert again == outcome, "a restart decides otherwise"
        slow = decide(self.everyone, event, original, self.number)
        assert slow == outcome, "I10: examining everyone decides otherwise"
        found = encode_state(self.state)
        try:
            self.model.apply(event, original)
        except Refused:
            assert isinstance(outcome, Rejection), f"accepted, the model refuses: {event}"
            assert found == self.kept, "I9: a refused event left a trace"
            return False
        assert isinstance(outcome, Outcome), f"the model accepts: {event} {outcome}"
        self.kept = found
        self.hold_against_model(outcome)
        is_at_rest = not isinstance(event.fact, OPENINGS)
        if self.chance.random() < 0.05:
            self.hold_liquidation_prices()
        faults = [
            *comparison.unsound(self.state, is_at_rest=is_at_rest),
            *comparison.not_at_zero(outcome.records),
            *self.fund.faults(outcome.records),
        ]
        if is_at_rest:
            faults += comparison.not_at_rest(self.model)
        assert faults == []
        return True

    def hold_against_model(self, outcome: Outcome) -> None:
        told, recorded = comparison.told(self.model), comparison.recorded(outcome.records)
        for kind in sorted({*told, *recorded}):
            assert recorded.get(kind, []) == told.get(kind, []), kind
        self.kinds |= set(recorded)
        if self.state.pool is None:
            return
        balances = {key: amount for key, amount in self.model.books.items() if amount}
        assert comparison.balances(self.state) == balances
        expected = comparison.model_registers(self.model)
        assert comparison.registers(self.state) == expected

    def hold_liquidation_prices(self) -> None:
        for name, terms in self.state.instruments.items():
            for owner, _ in self.model.holders(name):
                if owner in self.model.people:
                    found = liquidation_price(self.state, owner, name)
                    price = None if found is None else Fraction(found, 10**terms.price_scale)
                    expected = price_model.liquidation_price(self.model, owner, name)
                    assert price == expected, (owner, name)

    def end(self) -> None:
        assert encode_state(self.restarted) == self.kept
        assert encode_state(self.everyone) == self.kept


def live_through(seed: int, count: int = EVENTS) -> World:
    """A whole history."""
    world = World(seed)
    market = moods.market(seed, world.model)
    for event in market.beginning():
        assert world.live(event)
    for _ in range(count):
        event, original = market.event()
        if world.live(event, original):
            market.accepted(event._replace(sequence=world.number))
    world.end()
    return world


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("first", range(0, HISTORIES, CHUNK))
def test_core_and_model_agree_on_defaults_after_each_event(first: int) -> None:
    kinds: set[str] = set()
    for seed in range(first, first + CHUNK):
        try:
            kinds |= live_through(seed).kinds
        except AssertionError as fault:
            fault.add_note(f"again with: live_through({seed})")
            raise
    assert len(kinds) > 8, f"the histories are too tame: {sorted(kinds)}"


@pytest.mark.timeout(600)
def test_core_and_model_agree_on_a_long_history() -> None:
    live_through(3, 500)


def test_the_comparison_is_able_to_fail() -> None:
    world = live_through(1, 5)
    world.model.books["anna", "wallet", "USD"] += 1
    with pytest.raises(AssertionError):
        world.hold_against_model(Outcome([], [], [], []))
