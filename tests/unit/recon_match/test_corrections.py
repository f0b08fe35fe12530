"""Adjustments that correct a break against the lines and the movements that they correct."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from ledger.recon.lines import Statement
from ledger.recon.matching.comparison import distinct
from ledger.recon.trades.compare import compare_trades
from ledger.store.recon.books import OurMovement
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
from tests.unit.recon_match.test_statements import compared, only

Placed = tuple[str, Statement]

FEES = [statement(line(1, "-25", reference="B-3"), line(2, "-25", reference="B-4", hour="1"))]


def corrections_of(lines: Sequence[Placed], extra: str = "", **figures: str) -> list[OurMovement]:
    """The adjustments that mend all breaks of these statements, as they were proposed."""
    found = distinct(compared([], lines, extra).breaks)
    return [
        moved(1, f"{each.theirs:f}", event_id=f"adj-{each.key}-3", kind="adjustment", **figures)
        for each in found
    ]


@pytest.mark.parametrize("window", ["", "window_s = 86400"])
def test_each_correction_mends_its_own_line_where_two_have_one_amount(window: str) -> None:
    found = compared(corrections_of(FEES, window), FEES, window)
    assert (found.breaks, found.proposals) == ([], [])
    assert found.compared().matched == {"exact_reference": 2}


def test_lines_of_one_name_are_mended_by_the_corrections_of_their_keys() -> None:
    alike = [
        statement(line(1, "-25", reference="FEE", hour="1")),
        statement(line(2, "-25", reference="FEE", hour="2"), line(3, "-30", reference="FEE")),
    ]
    mending = corrections_of(alike, "window_s = 86400")
    assert len({each.event_id for each in mending}) == 3
    assert compared(mending, alike, "window_s = 86400").breaks == []


def test_one_correction_of_two_equal_lines_leaves_the_other_one_missing() -> None:
    first, _ = corrections_of(FEES)
    each = only(compared([first], FEES))
    assert (each.type, each.subject) == ("missing_here", "B-4 of 2026-01-01")


@pytest.mark.parametrize("mends", [0, 1, 2])
def test_the_others_of_one_name_keep_theirs_when_one_is_corrected(mends: int) -> None:
    told = [line(n, amount, reference="FEE") for n, amount in enumerate(("-25", "-30", "-30"), 1)]
    lines, rules = [statement(*told)], "window_s = 86400"
    before = {each.key: each.theirs for each in distinct(compared([], lines, rules).breaks)}
    mending = corrections_of(lines, rules)[mends]
    after = {each.key: each.theirs for each in distinct(compared([mending], lines, rules).breaks)}
    assert {mending.event_id[4:20]: mending.amount, **after} == before
    assert len(after) == 2


def test_a_correction_counts_at_the_bank_whose_break_it_is_of_and_at_no_other() -> None:
    rules = 'only = ["a-"]'
    mending = corrections_of(FEES, rules)
    assert compared(mending, FEES, rules).breaks == []
    others = [moved(1, "-7", event_id="adj-0123456789abcdef-3")]
    assert compared([*mending, *others], FEES, rules).breaks == []
    assert compared(mending, FEES, 'left_out = ["adj-"]').breaks != []


def test_a_correction_of_another_amount_mends_nothing() -> None:
    first, _ = corrections_of(FEES)
    found = compared([first._replace(amount=Decimal(-20))], FEES[:1])
    assert sorted(each.type for each in found.breaks) == [
        *("missing_here", "missing_here"),
        "missing_there",
    ]


def test_a_correction_dated_out_of_the_window_is_a_break_of_timing() -> None:
    first, second = corrections_of(FEES)
    found = compared([first._replace(at=at(3600 * 9)), second], FEES)
    assert [each.type for each in found.breaks] == ["timing"]


OWN = {
    "missing there": ([moved(1, "5"), moved(2, "7")], [statement(line(1, "5"))]),
    "another amount": ([moved(1, "5")], [statement(line(1, "6", ours="d1"))]),
    "another account": (
        [moved(1, "5", account="ada"), moved(3, "1", account="ben")],
        [
            statement(
                line(1, "5", ours="d1", account="ben"), line(2, "1", account="ben", hour="3")
            ),
            statement(line(9, "2", ours="d9", account="ada", hour="9")),
        ],
    ),
}
"""Movements of ours that have breaks, and the statements that say so."""


def mended(mine: Sequence[OurMovement], lines: Sequence[Placed], extra: str) -> list[OurMovement]:
    """Ours with the adjustments that make our side theirs."""
    return [
        *mine,
        *(
            moved(
                1,
                f"{-each.difference:f}",
                event_id=f"adj-{each.key}-3",
                kind="adjustment",
                account=each.account,
            )._replace(at=each.at or at(0))
            for each in distinct(compared(mine, lines, extra).breaks)
        ),
    ]


@pytest.mark.parametrize("extra", ["", 'only = ["d"]'])
@pytest.mark.parametrize("case", OWN)
def test_a_correction_of_a_movement_of_ours_goes_with_it(case: str, extra: str) -> None:
    mine, lines = OWN[case]
    corrected = mended(mine, lines, extra)
    assert len(corrected) > len(mine)
    assert compared(corrected, lines, extra).breaks == []


def test_a_payment_that_comes_after_it_was_corrected_away_is_a_break_again() -> None:
    mine, lines = OWN["missing there"]
    corrected = mended(mine, lines, "")
    told = [statement(line(1, "5"), line(2, "7", ours="d2"))]
    assert only(compared(corrected, told)).difference == Decimal(-7)
    unnamed = [statement(line(1, "5"), line(2, "7"))]
    assert only(compared(corrected, unnamed)).difference == Decimal(-7)


def test_half_a_correction_of_a_movement_mends_nothing() -> None:
    mine, lines = OWN["missing there"]
    *same, correction = mended(mine, lines, "")
    found = compared([*same, correction._replace(amount=Decimal(-3))], lines)
    assert [each.type for each in found.breaks] == ["missing_there", "missing_there"]


def test_a_correction_of_after_the_closing_explains_it() -> None:
    mine = [moved(1, "5"), moved(2, "7")]
    day = [statement(line(1, "5"), opening="0", closing="5")]
    *same, correction = mended(mine, [statement(line(1, "5"))], "")
    held = {("@custody", "USDT"): Decimal(12)}
    later = correction._replace(at=at(90_000))
    assert compared([*same, later], day, balances=held).breaks == []


def test_an_adjustment_is_no_trade_so_a_corrected_fee_stays_a_break() -> None:
    rules, lines = source("trades"), placed([theirs(1, buyer_fee="0.75")])
    (fee,) = compare_trades(FakeBooks([ours(1)]), rules, lines).breaks
    booked = [moved(1, "-0.25", event_id=f"adj-{fee.key}-3", account="ada")]
    again = compare_trades(FakeBooks([ours(1)], booked), rules, lines)
    assert again.breaks == [fee]
