"""Random histories keep the invariants, replay to the same bytes, and agree with a naive model.

`HISTORIES=20000 pytest tests/property` runs more than the default, which takes some seconds.
"""

import contextlib
import os
import random
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.codec.states import decode_state, encode_state
from ledger.core import events
from ledger.core.machine import decide
from ledger.core.outcome import Outcome, Rejection
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.core.units import BALANCE_BOUND
from tests.property.books import HOUSE, LIQUIDATION
from tests.property.comparison import unsound
from tests.property.histories import (
    SETTLEMENT_SCALES,
    SPELLED_BY,
    Speller,
    beginning,
    new_model,
)
from tests.property.model import OPENINGS, Model, Refused

HISTORIES = int(os.environ.get("HISTORIES", "500"))
CHUNK = 100
EVENTS = 80


class World:
    """The core, a second core that restarts now and then, the model, and the folded postings."""

    def __init__(self, settlement_scale: int) -> None:
        self.state, self.restarted = State("main"), State("main")
        self.folded: dict[int, tuple[int, int]] = {}
        self.model = new_model(settlement_scale)
        self.speller = Speller(self.model)
        self.codes: set[str] = set()
        for event in beginning(settlement_scale):
            assert isinstance(decide(self.state, event), Outcome)
            assert isinstance(decide(self.restarted, event), Outcome)
        self.kept = encode_state(self.state)
        self.is_at_rest = True

    def live(self, spelled: bytes) -> None:
        """One event, and everything that must hold after it."""
        event, original = self.speller.event(spelled)
        number = self.speller.number
        outcome = decide(self.state, event, original, number)
        if spelled[14] < 24:
            self.restarted = decode_state(encode_state(self.restarted))
        assert decide(self.restarted, event, original, number) == outcome, (
            "a replay decides otherwise"
        )
        self.hold_against_model(event, original, outcome)
        found = encode_state(self.state)
        if isinstance(outcome, Rejection):
            self.codes.add(outcome.code)
            assert found == self.kept, "a refused event left a trace"
        else:
            self.fold(outcome)
            if isinstance(event.fact, events.Trade):
                self.speller.trades.append(event._replace(sequence=number))
            self.is_at_rest = not isinstance(event.fact, OPENINGS)
        self.kept = found
        assert unsound(self.state, is_at_rest=self.is_at_rest) == []

    def hold_against_model(
        self, event: events.Event, original: events.Event | None, outcome: Outcome | Rejection
    ) -> None:
        if isinstance(outcome, Rejection) and outcome.code == Code.OUT_OF_RANGE:
            trial = self.model.copy()
            with contextlib.suppress(Refused):
                trial.apply(event, original)
                assert trial.largest >= BALANCE_BOUND, outcome
            return
        try:
            self.model.apply(event, original)
        except Refused:
            assert isinstance(outcome, Rejection), f"accepted, the model refuses: {event}"
        else:
            assert isinstance(outcome, Outcome), f"the model accepts: {event} {outcome}"

    def fold(self, outcome: Outcome) -> None:
        numbers = [opened.account for opened in outcome.opened]
        keys = len(self.state.journal.keys)
        assert numbers == list(range(keys - len(numbers), keys)), "accounts are numbered gapless"
        sums: dict[int, int] = {}
        for account, sequence, commodity, _, amount, balance in outcome.postings:
            last_sequence, last_balance = self.folded.get(account, (0, 0))
            assert sequence == last_sequence + 1
            assert amount
            assert balance == last_balance + amount
            self.folded[account] = (sequence, balance)
            sums[commodity] = sums.get(commodity, 0) + amount
        assert not any(sums.values())

    def end(self) -> None:
        """What must hold of the whole history."""
        journal = self.state.journal
        assert encode_state(self.restarted) == self.kept
        found: dict[tuple[str, str, str], Fraction] = {}
        for number, key in enumerate(journal.keys[1:], start=1):
            folded = self.folded.get(number, (0, 0))
            assert folded == (journal.sequences[number], journal.balances[number])
            if journal.balances[number]:
                scale = journal.commodities[journal.commodity_of[number]].scale
                thing = key.instrument or key.asset or ""
                found[key.owner, key.kind, thing] = Fraction(journal.balances[number], 10**scale)
        assert found == {account: value for account, value in self.model.books.items() if value}
        self.check_flows(found)
        self.check_marks()

    def check_flows(self, found: dict[tuple[str, str, str], Fraction]) -> None:
        """Realized and unrealized together are what came and went, whatever was realized when."""
        worth: dict[str, Fraction] = {}
        for (owner, kind, thing), amount in found.items():
            if kind in ("variation", "isolated") or (kind != "position" and thing == "USD"):
                whose = HOUSE if owner == LIQUIDATION else owner
                worth[whose] = worth.get(whose, Fraction(0)) + amount
        flows = {owner: flow for owner, flow in self.model.flows.items() if flow}
        assert {owner: sum_ for owner, sum_ in worth.items() if sum_} == flows
        assert sum(flows.values()) == 0

    def check_marks(self) -> None:
        marks = {
            name: Fraction(mark.price, 10 ** self.state.instruments[name].price_scale)
            for name, mark in self.state.marks.items()
        }
        assert marks == {name: mark.price for name, mark in self.model.marks.items()}


def live_through(settlement_scale: int, spelled: list[bytes]) -> World:
    world = World(settlement_scale)
    for letters in spelled:
        world.live(letters)
    world.end()
    return world


@settings(
    max_examples=max(1, HISTORIES // 10),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.sampled_from(SETTLEMENT_SCALES),
    st.lists(st.binary(min_size=SPELLED_BY, max_size=SPELLED_BY), max_size=EVENTS),
)
def test_the_books_are_sound_after_any_history(scale: int, spelled: list[bytes]) -> None:
    live_through(scale, spelled)


def spelled_by(seed: int) -> tuple[int, list[bytes]]:
    chance = random.Random(seed)
    scale = chance.choice(SETTLEMENT_SCALES)
    return scale, [chance.randbytes(SPELLED_BY) for _ in range(chance.randint(1, EVENTS))]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, HISTORIES, CHUNK))
def test_the_books_are_sound_after_histories_by_seed(first: int) -> None:
    codes: set[str] = set()
    for seed in range(first, first + CHUNK):
        try:
            codes |= live_through(*spelled_by(seed)).codes
        except AssertionError as fault:
            fault.add_note(f"again with: live_through(*spelled_by({seed}))")
            raise
    assert len(codes) > 8, f"the histories are too tame: {sorted(codes)}"


def test_the_model_is_able_to_disagree() -> None:
    world = World(2)
    world.live(bytes([0, 0, 1, 0, 0, 5, 0, 5, *bytes(8)]))
    world.model.books["anna", "wallet", "USD"] += 1
    with pytest.raises(AssertionError):
        world.end()


def test_a_copy_of_the_model_is_its_own() -> None:
    model: Model = new_model(2)
    model.copy().books["anna", "wallet", "USD"] += 1
    assert not any(model.books.values())
