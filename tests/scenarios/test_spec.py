"""Runs every worked example of docs/spec: what the pages say is what the ledger does."""

from fractions import Fraction

import pytest

from ledger.codec.decoding import Decoded, decimal_text, decode
from ledger.codec.states import decode_state, encode_state
from ledger.core.events import Event, TradeBust
from ledger.core.instruments import Terms, value_constants
from ledger.core.invariants import broken
from ledger.core.machine import decide
from ledger.core.outcome import Outcome, Rejection
from ledger.core.state import State
from ledger.core.units import Fixed, down, half_even, up
from tests.scenarios.examples import Example, Step, blocks, example, names


class Books:
    """A pool, and the events that it accepted."""

    def __init__(self) -> None:
        self.state = State("main")
        self.accepted: dict[str, Event] = {}
        self.records: list[str] = []

    def take(self, step: Step) -> None:
        before = encode_state(self.state)
        decoded = decode(step.message)
        assert isinstance(decoded, Decoded), decoded
        event = decoded.event
        original = (
            self.accepted.get(event.fact.trade_event_id)
            if isinstance(event.fact, TradeBust)
            else None
        )
        outcome = decide(self.state, event, original)
        assert broken(self.state) == []
        if isinstance(outcome, Rejection):
            assert outcome.code == step.refused, f"{step.message!r}: {outcome}"
            assert outcome.detail
            assert encode_state(self.state) == before, "a refused event left a trace"
            return
        assert step.refused is None, f"{step.message!r} was accepted"
        self.accepted[event.event_id] = event
        self._note(outcome)
        if step.posts is not None:
            expected = [
                (owner, kind, thing, Fraction(amount), Fraction(balance))
                for owner, kind, thing, amount, balance in step.posts
            ]
            assert self.postings(outcome) == expected, step.message

    def postings(self, outcome: Outcome) -> list[tuple[str, str, str, Fraction, Fraction]]:
        """The postings in natural units."""
        journal = self.state.journal
        found = []
        for account, _, commodity, _, amount, balance in outcome.postings:
            key = journal.keys[account]
            one = 10 ** journal.commodities[commodity].scale
            thing = key.asset if key.instrument is None else key.instrument
            assert thing is not None
            row = (key.owner, key.kind, thing, Fraction(amount, one), Fraction(balance, one))
            found.append(row)
        return found

    def balance(self, account: str) -> Fraction:
        owner, kind, thing = account.split()
        for key, balance, commodity in zip(
            self.state.journal.keys,
            self.state.journal.balances,
            self.state.journal.commodity_of,
            strict=True,
        ):
            if (key.owner, key.kind) == (owner, kind) and thing in (key.instrument, key.asset):
                return Fraction(balance, 10 ** self.state.journal.commodities[commodity].scale)
        return Fraction(0)

    def mark(self, instrument: str) -> Fraction:
        terms = self.state.instruments[instrument]
        return Fraction(self.state.marks[instrument].price, 10**terms.price_scale)

    def _note(self, outcome: Outcome) -> None:
        for record in outcome.records:
            for name, value in record.body.items():
                shown = decimal_text(value) if isinstance(value, Fixed) else value
                self.records.append(f"{record.kind} {record.subject} {name} {shown}")


def check_end(books: Books, expected: Example) -> None:
    for account, balance in expected.balances.items():
        assert books.balance(account) == Fraction(balance), account
    for instrument, mark in expected.marks.items():
        assert books.mark(instrument) == Fraction(mark), instrument
    for record in expected.records:
        assert record in books.records


@pytest.mark.parametrize("name", names())
def test_the_example_holds(name: str) -> None:
    books = Books()
    expected = example(name)
    for step in expected.steps:
        books.take(step)
    check_end(books, expected)


@pytest.mark.parametrize("name", names())
def test_the_example_holds_with_a_restart_before_each_step(name: str) -> None:
    books = Books()
    expected = example(name)
    for step in expected.steps:
        books.state = decode_state(encode_state(books.state))
        books.take(step)
    check_end(books, expected)


def test_every_page_of_the_specification_has_examples() -> None:
    assert len(names()) >= 40
    assert all(len(example(name).steps) > 5 for name in names()), "steps of the setup come first"


@pytest.mark.parametrize("row", blocks()["rounding"]["rounding"])
def test_the_table_of_roundings_holds(row: str) -> None:
    fraction, *expected = row.split()
    numerator, denominator = (int(part) for part in fraction.split("/"))
    found = [rounding(numerator, denominator) for rounding in (half_even, down, up)]
    assert found == [int(number) for number in expected]


@pytest.mark.parametrize("row", blocks()["values"]["values"])
def test_the_table_of_values_holds(row: str) -> None:
    name, multiplier, *numbers = row.split()
    price_scale, quantity_scale, asset_scale, quantity, price, value = (int(n) for n in numbers)
    places = len(multiplier.partition(".")[2])
    times = Fixed(int(multiplier.replace(".", "")), places)
    constants = value_constants(
        is_inverse=name == "inverse",
        multiplier=times,
        price_scale=price_scale,
        quantity_scale=quantity_scale,
        asset_scale=asset_scale,
    )
    terms = Terms(
        instrument="X",
        is_inverse=name == "inverse",
        multiplier=times,
        price_scale=price_scale,
        quantity_scale=quantity_scale,
        value_numerator=constants[0],
        value_denominator=constants[1],
        expiry=None,
        tiers=(),
        price_band=None,
        price_max_age=None,
        price_confirmations=3,
        is_expired=False,
    )
    assert terms.value(quantity, price) == value
