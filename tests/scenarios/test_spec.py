"""Runs every worked example of docs/spec: what the pages say is what the ledger does."""

import json
import re
from fractions import Fraction
from typing import Any

import pytest

from ledger.codec.decoding import Decoded, decode
from ledger.codec.records import BODIES, encode_body
from ledger.codec.states import decode_state, encode_state
from ledger.core.events import Event, OpeningBalance, OpeningPosition, TradeBust
from ledger.core.instruments import Terms, value_constants
from ledger.core.invariants import broken
from ledger.core.machine import decide
from ledger.core.margin.liquidation_price import liquidation_price
from ledger.core.margin.statements import statement
from ledger.core.outcome import Outcome, Record, Rejection
from ledger.core.state import State
from ledger.core.units import Fixed, down, half_even, up
from ledger.core.watch.everyone import Everyone
from tests.scenarios.examples import After, Example, Step, blocks, example, names

BODY_OF = {body.kind: body for body in BODIES}
DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Books:
    """A pool, and the events that it accepted."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.accepted: dict[str, Event] = {}
        self.outcomes: list[Outcome] = []
        self.lines: list[str] = []
        self.records: list[tuple[str, Any]] = []
        self.at_rest = True

    def take(self, step: Step) -> None:
        before = encode_state(self.state)
        decoded = decode(step.message)
        if not isinstance(decoded, Decoded):
            assert decoded.rejection.code == step.refused, f"{step.message!r}: {decoded}"
            return
        event = decoded.event
        original = (
            self.accepted.get(event.fact.trade_event_id)
            if isinstance(event.fact, TradeBust)
            else None
        )
        outcome = decide(self.state, event, original, len(self.accepted) + 1)
        if isinstance(outcome, Outcome):
            self.at_rest = not isinstance(event.fact, OpeningBalance | OpeningPosition)
        assert not self.at_rest or broken(self.state) == [], step.message
        if isinstance(outcome, Rejection):
            assert outcome.code == step.refused, f"{step.message!r}: {outcome}"
            assert outcome.detail
            assert encode_state(self.state) == before, "a refused event left a trace"
            return
        assert step.refused is None, f"{step.message!r} was accepted"
        self.accepted[event.event_id] = event._replace(sequence=len(self.accepted) + 1)
        self.outcomes.append(outcome)
        records = [self._noted(record) for record in outcome.records]
        if step.posts is not None:
            expected = [
                (owner, kind, thing, Fraction(amount), Fraction(balance))
                for owner, kind, thing, amount, balance in step.posts
            ]
            assert self.postings(outcome) == expected, step.message
        if step.records is not None:
            found = [record for record in records if not record[0].startswith("mark ")]
            assert_all_match(found, step.records, step.message)
        check_after(self, step.after)

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

    def margin(self, name: str) -> dict[str, Fraction]:
        """Figures of `account`, or of the isolated position `account/instrument`."""
        account, _, instrument = name.partition("/")
        found = statement(self.state, account, instrument or None)
        figures = {
            "collateral": found.collateral,
            "unrealized_pnl": found.unrealized_pnl,
            "equity": found.equity,
            "maintenance": found.maintenance,
            "initial": found.initial,
            "free": found.equity - found.initial,
        }
        one = 10**self.state.settlement.scale
        return {name: Fraction(figure, one) for name, figure in figures.items()}

    def liquidation_price(self, position: str) -> Fraction | None:
        account, instrument = position.split()
        found = liquidation_price(self.state, account, instrument)
        scale = self.state.instruments[instrument].price_scale
        return None if found is None else Fraction(found, 10**scale)

    def _noted(self, record: Record) -> tuple[str, Any]:
        """A record as `kind subject` with its body as it is stored; its model must know it."""
        body = encode_body(record.body)
        BODY_OF[record.kind].model_validate_json(body)
        name = f"{record.kind} {record.subject}"
        plain = json.loads(body)
        self.records.append((name, plain))
        self.lines.extend(f"{name} {field} {value}" for field, value in plain.items())
        return name, plain


def matches(found: object, expected: object) -> bool:
    """`expected`, as it was written, is `found`, or a part of it where that is an object."""
    match found:
        case dict():
            return isinstance(expected, dict) and all(
                name in found and matches(found[name], part) for name, part in expected.items()
            )
        case list():
            return (
                isinstance(expected, list)
                and len(found) == len(expected)
                and all(map(matches, found, expected))
            )
        case None | bool():
            return expected == json.dumps(found)
        case int():
            return expected == str(found)
        case str() if DECIMAL.fullmatch(found) and DECIMAL.fullmatch(str(expected)):
            return Fraction(found) == Fraction(str(expected))
        case _:
            return found == expected


def assert_all_match(
    found: list[tuple[str, Any]], expected: list[tuple[str, Any]], message: object
) -> None:
    assert [name for name, _ in found] == [name for name, _ in expected], message
    for (name, body), (_, fields) in zip(found, expected, strict=True):
        assert matches(body, fields), f"{message!r}: {name} is {body}, expected {fields}"


def check_after(books: Books, expected: After) -> None:
    for account, balance in expected.balances.items():
        assert books.balance(account) == Fraction(balance), account
    for instrument, mark in expected.marks.items():
        assert books.mark(instrument) == Fraction(mark), instrument
    for name, figures in expected.margins.items():
        margin = books.margin(name)
        wanted = {figure: Fraction(value) for figure, value in figures.items()}
        assert {figure: margin[figure] for figure in wanted} == wanted, name
    for position, price in expected.liquidation_prices.items():
        wanted_price = None if price == "null" else Fraction(price)
        assert books.liquidation_price(position) == wanted_price, position
    if expected.calls is not None:
        calls = [f"{one}/{other}" if other else one for one, other in books.state.calls]
        assert sorted(calls) == sorted(expected.calls)


def check_end(books: Books, expected: Example) -> None:
    check_after(books, expected.after)
    for line in expected.lines:
        assert line in books.lines
    records = iter(books.records)
    for name, fields in expected.records:
        assert any(one == name and matches(body, fields) for one, body in records), (
            f"{name} {fields} is not among {books.records}, or not in this order"
        )


@pytest.mark.parametrize("name", names())
def test_the_example_holds(name: str) -> None:
    books = Books(State("main"))
    expected = example(name)
    for step in expected.steps:
        books.take(step)
    check_end(books, expected)


@pytest.mark.parametrize("name", names())
def test_the_example_holds_with_a_restart_before_each_step(name: str) -> None:
    books = Books(State("main"))
    expected = example(name)
    for step in expected.steps:
        books.state = decode_state(encode_state(books.state))
        books.take(step)
    check_end(books, expected)


@pytest.mark.parametrize("name", names())
def test_the_example_comes_out_the_same_when_everyone_is_looked_at(name: str) -> None:
    watched, slow = Books(State("main")), Books(State("main", watch=Everyone()))
    for step in example(name).steps:
        watched.take(step)
        slow.take(step)
    assert watched.outcomes == slow.outcomes


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
