"""The same lines in any order, spilled to files or not, lead to the same hash."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.recon.holdings.compare import compare_holdings
from ledger.recon.lines import Holding, Movement, Trade
from ledger.recon.matching import spool as matching_spool
from ledger.recon.matching.comparison import Comparison, canonical, distinct
from ledger.recon.matching.spool import DIVISIONS, Spool
from ledger.recon.movements.compare import compare_statements
from ledger.recon.result import Control, Result, order_of_proposals
from ledger.recon.trades.compare import compare_trades
from tests.unit.recon_match.books import (
    FakeBooks,
    at,
    line,
    moved,
    ours,
    placed,
    source,
    statement,
    theirs,
)

few = st.integers(0, 3)
trades = st.lists(
    st.builds(
        lambda number, quantity, price, second, side: theirs(
            number,
            trade_id=str(number or ""),
            quantity=str(quantity + 1),
            price=str(100 + price),
            second=str(second * 40),
            **({"buyer": None} if side == 0 else {"seller": None} if side == 1 else {}),
        ),
        *(few, few, few, few, st.integers(0, 5)),
    ),
    max_size=8,
)
movements = st.lists(
    st.builds(
        lambda amount, hour, reference, mine: line(
            0,
            str(amount + 1),
            hour=str(hour),
            reference=("", "a", "b", "d1")[reference],
            ours=("", "d1", "d2", "d1 d3")[mine],
        ),
        *(few, few, few, few),
    ),
    min_size=1,
    max_size=8,
)


def hashed(found: Comparison) -> str:
    return Result(
        pool="main",
        sequence=100,
        rules="",
        inputs=(),
        compared=(found.compared(),),
        breaks=distinct(found.breaks),
        proposals=order_of_proposals(found.proposals),
        controls=(Control("zero_sum", holds=True, checked=1, says=""),),
    ).result_hash


def numbered(lines: Sequence[Trade]) -> list[Trade]:
    return [each._replace(line=number) for number, each in enumerate(lines, start=1)]


@given(trades, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_trades_in_any_order_give_the_same_hash(lines: list[Trade], chance: object) -> None:
    books = [
        *(ours(n, price=str(100 + n), second=str(n * 40)) for n in range(1, 4)),
        ours(4, trade_id="1", event_id="twice", quantity="1"),
    ]
    shuffled = list(lines)
    chance.shuffle(shuffled)  # type: ignore[attr-defined] # a random.Random
    rules = source("trades", 'covers = "all"')
    first = compare_trades(FakeBooks(books), rules, placed(numbered(lines)))
    second = compare_trades(FakeBooks(reversed(books)), rules, placed(numbered(shuffled)))
    assert hashed(first) == hashed(second)


@given(movements, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_statement_lines_in_any_order_give_the_same_hash(
    lines: list[Movement], chance: object
) -> None:
    books = [moved(1, "1"), moved(2, "2"), moved(2, "2", event_id="d3"), moved(3, "3")]
    shuffled = list(lines)
    chance.shuffle(shuffled)  # type: ignore[attr-defined] # a random.Random
    rules = source("statements", '[sources.venue.tolerance]\nUSDT = "1"')
    hashes = []
    for order, mine in ((lines, books), (shuffled, books[::-1])):
        told = [each._replace(line=number) for number, each in enumerate(order, start=1)]
        found = compare_statements(FakeBooks(movements=mine), rules, [statement(*told)])
        hashes.append(hashed(found))
    assert hashes[0] == hashes[1]


@given(movements, st.lists(st.tuples(few, few), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_breaks_of_movements_come_to_what_both_sides_differ_by(
    lines: list[Movement], mine: list[tuple[int, int]]
) -> None:
    books = [
        moved(hour + 1, str(amount + 1), event_id=f"d{n}")
        for n, (amount, hour) in enumerate(mine, 1)
    ]
    told = [each._replace(line=number) for number, each in enumerate(lines, start=1)]
    found = compare_statements(FakeBooks(movements=books), source("statements"), [statement(*told)])
    apart = sum(each.amount for each in books) - sum(each.amount for each in lines)
    assert sum(each.difference for each in found.breaks) == apart


@given(st.lists(st.tuples(few, few), max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_holdings_in_any_order_give_the_same_hash(
    given_lines: list[tuple[int, int]], chance: object
) -> None:
    lines = [Holding(0, None, "abcd"[who], "USDT", Decimal(amount)) for who, amount in given_lines]
    shuffled = list(lines)
    chance.shuffle(shuffled)  # type: ignore[attr-defined] # a random.Random
    books = FakeBooks(balances={("a", "USDT"): Decimal(1), ("b", "USDT"): Decimal(2)})
    hashes = [
        hashed(
            compare_holdings(
                books,
                source("holdings"),
                [(f"line {n}", each) for n, each in enumerate(order, start=1)],
            )
        )
        for order in (lines, shuffled)
    ]
    assert hashes[0] == hashes[1]


def test_rows_in_files_meet_as_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    books = [ours(number) for number in range(1, 300)]
    lines = placed(theirs(number, trade_id=str(number or "")) for number in range(300))
    held = compare_trades(FakeBooks(books), source("trades"), lines)
    monkeypatch.setattr(matching_spool, "HELD_MAX", 7)
    spilled = compare_trades(FakeBooks(books), source("trades"), lines)
    assert hashed(held) == hashed(spilled)
    assert held.matched["exact_reference"] == 299
    assert [each.type for each in held.breaks] == ["missing_here"]


def test_a_spool_gives_back_each_row_once_in_the_division_of_its_key() -> None:
    with Spool(held_max=10) as spool:
        for number in range(105):
            spool.add(str(number), (str(number), number, None))
        assert spool.rows == 105
        for division in range(DIVISIONS):
            rows = list(spool.division(division))
            assert all(hash(row[0]) % DIVISIONS == division for row in rows)
            assert all(isinstance(row, tuple) for row in rows)
        every = [row for division in range(DIVISIONS) for row in spool.division(division)]
    assert sorted(every, key=lambda row: row[1]) == [(str(n), n, None) for n in range(105)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        *(("1.50", "1.5"), ("0.0", "0"), ("-0", "0"), ("007", "7"), ("00.10", "0.1")),
        *(("-0.250", "-0.25"), ("1000", "1000"), ("+3", "3"), ("-12.0", "-12"), ("0.5", "0.5")),
    ],
)
def test_a_figure_has_one_way_of_writing(written: str, expected: str) -> None:
    assert canonical(written) == expected
    assert canonical(Decimal(written)) == expected


def test_a_figure_of_many_digits_keeps_them_all() -> None:
    assert canonical(Decimal("1E+30")) == "1" + "0" * 30
    assert canonical(Decimal("1E-30")) == "0." + "0" * 29 + "1"
    assert canonical("9" * 40 + ".10") == "9" * 40 + ".1"


def test_what_the_hash_is_over_knows_no_lines() -> None:
    found = [
        compare_trades(FakeBooks(), source("trades"), [(place, theirs(1))])
        for place in ("line 1", "line 900 of b.csv")
    ]
    assert hashed(found[0]) == hashed(found[1])
    assert found[1].breaks[0].their_references == ("1", "line 900 of b.csv")
    assert found[1].breaks[0].at == at(1)
