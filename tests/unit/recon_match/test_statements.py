"""Statements of a source against our movements: each step of the matching, each type of break."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import pytest

from ledger.recon.breaks import Break
from ledger.recon.lines import Statement
from ledger.recon.matching.comparison import Comparison
from ledger.recon.movements.compare import compare_statements
from ledger.store.recon.books import OurMovement
from tests.unit.recon_match.books import FakeBooks, at, line, moved, source, statement


def compared(
    mine: Iterable[OurMovement],
    statements: Iterable[tuple[str, Statement]],
    extra: str = "",
    approved: Iterable[str] = (),
    balances: dict[tuple[str, str], Decimal] | None = None,
) -> Comparison:
    books = FakeBooks(movements=mine, balances=balances)
    return compare_statements(books, source("statements", extra), statements, list(approved))


def only(found: Comparison) -> Break:
    (each,) = found.breaks
    return each


def test_a_line_that_repeats_our_reference_matches_by_it() -> None:
    found = compared([moved(1, "5"), moved(2, "5")], [statement(line(1, "5", ours="d1"))])
    assert found.compared().matched == {"exact_reference": 1}
    assert only(found).subject == "d2", "within the day of the statement, and not on it"


def test_the_request_of_a_withdrawal_is_a_reference_as_well() -> None:
    mine = [moved(1, "-5", request_id="w-7", kind="withdrawal_settled")]
    found = compared(mine, [statement(line(1, "-5", reference="w-7"))])
    assert found.compared().matched == {"exact_reference": 1}


def test_the_only_equal_amount_in_the_window_matches_without_a_reference() -> None:
    lines = [line(1, "5", reference="bank-1"), line(2, "7", reference="bank-2")]
    found = compared([moved(1, "5"), moved(2, "7")], [statement(*lines)])
    assert found.breaks == []
    assert found.compared().matched == {"exact_amount": 2}


def test_equal_amounts_in_one_window_are_proposed_and_not_matched() -> None:
    lines = [line(1, "5", hour="1"), line(2, "5", hour="1")]
    found = compared([moved(1, "5"), moved(2, "5", hour="1")], [statement(*lines)])
    assert found.matched["exact_amount"] == 0
    assert len(found.breaks) == 4
    assert {proposal.score for proposal in found.proposals} == {80}


def test_lines_that_share_our_reference_and_add_up_match_one_to_many() -> None:
    lines = [line(1, "3", ours="d1"), line(2, "2", ours="d1", hour="1")]
    assert compared([moved(1, "5")], [statement(*lines)]).compared().matched == {"one_to_many": 1}


def test_a_line_that_names_several_of_ours_matches_many_to_one() -> None:
    found = compared([moved(1, "3"), moved(2, "2")], [statement(line(1, "5", ours="d1, d2"))])
    assert found.breaks == []
    assert found.compared().matched == {"many_to_one": 1}


def test_lines_of_one_batch_that_add_up_to_one_of_ours_match_one_to_many() -> None:
    lines = [line(1, "3", reference="b", hour="1"), line(2, "2", reference="b", hour="1")]
    found = compared([moved(1, "5")], [statement(*lines)])
    assert found.breaks == []
    assert found.matched["one_to_many"] == 1


def test_a_difference_within_tolerance_matches_and_one_beyond_does_not() -> None:
    rules = '[sources.venue.tolerance]\nUSDT = "0.01"'
    within = compared([moved(1, "5")], [statement(line(1, "5.01"))], rules).compared()
    assert (within.matched, within.tolerated) == ({"tolerance": 1}, {"USDT": Decimal("0.01")})
    assert len(compared([moved(1, "5")], [statement(line(1, "5.011"))], rules).breaks) == 2


def test_another_amount_under_our_reference_is_an_amount_break_of_both() -> None:
    found = only(compared([moved(1, "5")], [statement(line(1, "6", ours="d1"))]))
    assert (found.type, found.subject, found.account) == ("amount", "d1", "@custody")
    assert (found.ours, found.theirs, found.difference) == (Decimal(5), Decimal(6), Decimal(-1))


def test_our_reference_on_another_account_is_wrong_on_both_accounts() -> None:
    lines = [statement(line(1, "5", ours="d1", account="ben")), statement(line(2, "1"))]
    mine = [moved(1, "5", account="ada"), moved(3, "1")]
    rules = statement(line(3, "9", account="ada"))
    found = compared(mine, [*lines, rules])
    wrong = [each for each in found.breaks if each.type == "wrong_account"]
    assert [(each.account, each.difference) for each in wrong] == [
        ("ada", Decimal(5)),
        ("ben", Decimal(-5)),
    ]


def test_a_reference_beyond_the_window_is_a_timing_break() -> None:
    found = only(compared([moved(1, "5")], [statement(line(1, "5", ours="d1", hour="3"))]))
    assert (found.type, found.difference) == ("timing", Decimal(0))
    rules = "window_s = 7200"
    assert compared([moved(1, "5")], [statement(line(1, "5", ours="d1", hour="3"))], rules).matched


@pytest.mark.parametrize("reference", [{"ours": "d1"}, {"reference": "bank-1"}])
def test_a_line_that_stands_twice_is_a_duplicate_of_its_amount(reference: dict[str, str]) -> None:
    lines = [line(1, "5", hour="1", **reference), line(2, "5", hour="1", **reference)]
    found = compared([moved(1, "5")], [statement(*lines)])
    each = only(found)
    assert (each.type, each.ours, each.theirs) == ("duplicate", None, Decimal(5))


def test_what_one_side_lacks_is_missing_there_or_here_with_its_amount() -> None:
    found = compared([moved(1, "5")], [statement(line(1, "-70", hour="9", reference="x"))])
    assert [(each.type, each.difference) for each in found.breaks] == [
        ("missing_there", Decimal(5)),
        ("missing_here", Decimal(70)),
    ]


def test_movements_outside_the_period_are_not_expected_there() -> None:
    mine = [moved(1, "5"), moved(30, "8")]
    lines = [statement(line(1, "5"))]
    assert compared(mine, lines).breaks == []
    assert only(compared(mine, lines, 'covers = "all"')).subject == "d30"


def test_accounts_without_a_statement_are_not_held_against_anything() -> None:
    mine = [moved(1, "5"), moved(1, "5", account="ada", event_id="d9")]
    assert compared(mine, [statement(line(1, "5"))]).breaks == []


def test_an_opening_that_is_not_the_closing_before_is_an_opening_break() -> None:
    first = statement(line(1, "5"), opening="0", closing="5", number="1")
    second = statement(line(2, "7"), opening="6", closing="13", number="2")
    found = compared([moved(1, "5"), moved(2, "7")], [second, first])
    opening = [each for each in found.breaks if each.type == "opening"]
    assert [(each.ours, each.theirs) for each in opening] == [(Decimal(5), Decimal(6))]


def test_a_closing_that_the_breaks_of_its_movements_explain_is_no_break_of_its_own() -> None:
    lines = [statement(line(1, "5", ours="d1"), opening="0", closing="5")]
    held = {("@custody", "USDT"): Decimal(12)}
    found = compared([moved(1, "5"), moved(2, "7")], lines, balances=held)
    assert [each.subject for each in found.breaks] == ["d2"]
    held = {("@custody", "USDT"): Decimal(13)}
    found = compared([moved(1, "5"), moved(2, "7")], lines, balances=held)
    assert [each.subject for each in found.breaks] == ["d2", "closing @custody/USDT"]


def test_a_double_entry_that_leaves_something_over_is_unpaired() -> None:
    lines = [
        statement(line(1, "5", reference="t1", account="ada")),
        statement(line(1, "-4", reference="t1", account="ben")),
    ]
    mine = [moved(1, "5", account="ada"), moved(1, "-4", account="ben")]
    each = only(compared(mine, lines, "paired = true"))
    assert (each.type, each.subject, each.theirs) == ("unpaired", "t1 of 2026-01-01", Decimal(1))


def test_parts_that_add_up_without_a_reference_are_proposed_together() -> None:
    mine = [moved(1, "3"), moved(1, "4", event_id="d9")]
    found = compared(mine, [statement(line(1, "7"))])
    best = found.proposals[0]
    assert {side.reference for side in best.ours} == {"d1", "d9"}
    assert best.why[0][0] == "2 add up to the amount"
    agreed = compared(mine, [statement(line(1, "7"))], approved=[best.key])
    assert agreed.breaks == []
    assert agreed.matched["approved"] == 1


def test_an_approved_match_of_another_amount_leaves_the_difference_as_a_break() -> None:
    mine, lines = [moved(1, "1000")], [statement(line(1, "995", text="d1"))]
    (proposal,) = compared(mine, lines).proposals
    agreed = compared(mine, lines, approved=[proposal.key])
    each = only(agreed)
    assert (each.type, each.subject, each.difference) == ("amount", "d1", Decimal(5))
    assert agreed.applied == [proposal.key]
    few = [statement(line(1, "5", text="d1"))]
    assert ("amount differs by 995", 0) in compared(mine, few).proposals[0].why


def test_an_approved_match_on_another_account_leaves_both_accounts_as_breaks() -> None:
    mine = [moved(1, "5"), moved(2, "7", account="@fees")]
    lines = [statement(line(1, "7", text="d2")), statement(line(2, "5", account="@fees"))]
    found = compared(mine, lines)
    key = next(each.key for each in found.proposals if each.ours[0].reference == "d2")
    agreed = compared(mine, lines, approved=[key])
    off = [(each.account, each.difference) for each in agreed.breaks if each.subject == "d2"]
    assert sorted(off) == [("@custody", Decimal(-7)), ("@fees", Decimal(7))]


def test_a_reference_that_comes_again_on_another_day_is_another_break() -> None:
    days = [
        compared([], [statement(line(1, "-25", reference="FEE", hour=hour))]) for hour in "19"
    ] + [compared([], [statement(line(1, "-25", reference="FEE", hour="30"))])]
    first, again, other = (only(found) for found in days)
    assert first.key == again.key
    assert (other.subject, other.difference) == ("FEE of 2026-01-02", first.difference)
    assert other.key != first.key


def test_equal_parts_of_one_batch_that_add_up_to_one_of_ours_match_one_to_many() -> None:
    parts = [line(n, "50", reference="BA", hour="1") for n in (1, 2)]
    found = compared([moved(1, "100")], [statement(*parts)])
    assert found.breaks == []
    assert found.compared().matched == {"one_to_many": 1}
    batch = [line(n, amount, reference="BA", hour="1") for n, amount in enumerate("3232")]
    twice = compared([moved(1, "5")], [statement(*batch)])
    assert twice.compared().matched == {"one_to_many": 1}
    assert sorted((each.type, each.theirs) for each in twice.breaks) == [
        ("duplicate", Decimal(2)),
        ("duplicate", Decimal(3)),
    ]


@pytest.mark.parametrize("named", [{"ours": "d1"}, {"reference": "w/7"}])
def test_a_reference_of_before_the_weekend_is_a_timing_break(named: dict[str, str]) -> None:
    mine = [moved(1, "-5", hour="-72", request_id="w:7"), moved(2, "-9", hour="-72")]
    found = only(compared(mine, [statement(line(1, "-5", **named))]))
    assert (found.type, found.difference) == ("timing", Decimal(0))
    days = compared(mine, [statement(line(1, "-5", **named))], "window_s = 345600")
    assert days.breaks == []
    assert (days.ours, days.compared().matched) == (1, {"exact_reference": 1})


def test_parts_of_a_reference_that_come_late_are_a_timing_break() -> None:
    parts = [line(1, "3", ours="d1"), line(2, "2", ours="d1", hour="20")]
    found = compared([moved(1, "5")], [statement(*parts)])
    each = only(found)
    assert (each.type, each.subject, each.difference) == ("timing", "d1", Decimal(0))
    assert found.compared().matched == {}
    day = "window_s = 86400"
    assert compared([moved(1, "5")], [statement(*parts)], day).matched["one_to_many"] == 1


def test_files_given_in_another_order_take_the_same_of_two_statements() -> None:
    one = statement(line(1, "5"), opening="0", closing="5", number="1")[1]
    other = statement(line(1, "5"), line(2, "4"), opening="0", closing="9", number="1")[1]
    files = [(" of a", other), (" of b", one)]
    found = [compared([moved(1, "5")], given) for given in (files, files[::-1])]
    assert found[0].breaks == found[1].breaks
    assert ("missing_here", Decimal(4)) in {(each.type, each.theirs) for each in found[0].breaks}
    untold = [(mark, each._replace(begins=None, number="")) for mark, each in files]
    again = [compared([moved(1, "5")], given).breaks for given in (untold, untold[::-1])]
    assert again[0] == again[1]


def test_a_reference_of_more_than_ten_days_before_the_statement_is_not_looked_for() -> None:
    for days, kinds in ((10, ["timing"]), (12, ["missing_here"])):
        mine = [moved(1, "-5", hour=str(-24 * days))]
        found = compared(mine, [statement(line(1, "-5", ours="d1"))])
        assert [each.type for each in found.breaks] == kinds


def test_ours_between_the_last_second_of_a_day_and_the_next_one_is_expected_there() -> None:
    between = moved(1, "-7")._replace(at=at(86_399) + timedelta(milliseconds=500))
    for rules in ("", 'only = ["d"]'):
        found = compared([moved(1, "5", event_id="d0"), between], [statement(line(1, "5"))], rules)
        assert [(each.type, each.subject) for each in found.breaks] == [("missing_there", "d1")]
    midnight = statement(line(1, "5"))[1]._replace(ends=at(86_400))
    later = between._replace(at=at(86_400) + timedelta(milliseconds=500))
    assert compared([moved(1, "5", event_id="d0"), later], [("", midnight)]).breaks == []


def test_equal_lines_of_two_accounts_that_are_one_of_ours_are_not_one_twice() -> None:
    names = '[sources.venue.accounts]\na = "@custody"\nb = "@custody"'
    fee = {"reference": "FEE", "hour": "1"}
    lines = [statement(line(1, "-5", account=name, **fee)) for name in "ab"]
    found = compared([], lines, names)
    assert [each.type for each in found.breaks] == ["missing_here", "missing_here"]
    assert compared([moved(1, "-5"), moved(2, "-5")], lines, names).proposals
    again = compared(
        [], [lines[0], statement(*[line(n, "-5", account="b", **fee) for n in (2, 3)])], names
    )
    assert [each.type for each in again.breaks] == ["duplicate", "missing_here", "missing_here"]
