"""Adjustments that correct a break against the lines that they correct."""

from decimal import Decimal

import pytest

from ledger.recon.matching.comparison import distinct
from ledger.store.recon.books import OurMovement
from tests.unit.recon_match.books import line, moved, statement
from tests.unit.recon_match.test_statements import compared, only

FEES = [statement(line(1, "-25", reference="B-3"), line(2, "-25", reference="B-4", hour="1"))]


def corrections_of(lines: object, extra: str = "", **figures: str) -> list[OurMovement]:
    """The adjustments that mend all breaks of these statements, as they were proposed."""
    found = distinct(compared([], lines, extra).breaks)  # type: ignore[arg-type]
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
    found = compared([first._replace(at=line(1, "1", hour="9").at), second], FEES)  # type: ignore[arg-type]
    assert [each.type for each in found.breaks] == ["timing"]
