"""Trades of a source against ours: what matches by which rule, types and amounts of breaks."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import pytest

from ledger.recon.breaks import Break
from ledger.recon.lines import Trade
from ledger.recon.matching.comparison import Comparison
from ledger.recon.trades.compare import compare_trades
from ledger.store.recon.books import OurTrade
from tests.unit.recon_match.books import FakeBooks, ours, placed, source, theirs


def compared(
    mine: Iterable[OurTrade],
    others: Iterable[Trade],
    extra: str = "",
    busted: Iterable[str] = (),
    approved: Iterable[str] = (),
) -> Comparison:
    books = FakeBooks(mine, busted=busted)
    return compare_trades(books, source("trades", extra), placed(others), list(approved))


QUANTITIES = '[sources.venue.tolerance]\nBTC-PERP = "1"'
"""A quantity may be one apart."""


def only(found: Comparison) -> Break:
    (each,) = found.breaks
    return each


def test_equal_trades_match_by_reference_however_their_decimals_are_written() -> None:
    found = compared([ours(1), ours(2)], [theirs(2), theirs(1)])
    assert found.breaks == []
    assert found.compared().matched == {"exact_reference": 2}
    assert (found.ours, found.theirs) == (2, 2)


def test_a_trade_of_theirs_alone_is_missing_here_with_its_quantity() -> None:
    found = only(compared([ours(1), ours(3)], [theirs(1), theirs(2), theirs(3)]))
    assert (found.type, found.subject, found.commodity) == ("missing_here", "2", "BTC-PERP")
    assert (found.ours, found.theirs, found.difference) == (None, Decimal(2), Decimal(-2))
    assert found.their_references == ("2", "line 2")


def test_a_trade_of_ours_alone_is_missing_there_with_its_quantity() -> None:
    found = only(compared([ours(1), ours(2), ours(3)], [theirs(1), theirs(3)]))
    assert (found.type, found.subject, found.our_references) == ("missing_there", "2", ("e2",))
    assert (found.ours, found.theirs, found.difference) == (Decimal(2), None, Decimal(2))


def test_ours_outside_the_times_of_the_source_are_not_expected_there() -> None:
    mine = [ours(1), ours(2), ours(3), ours(4)]
    found = compared(mine, [theirs(2), theirs(3)])
    assert found.breaks == []
    assert found.ours == 2
    everything = compared(mine, [theirs(2), theirs(3)], 'covers = "all"')
    assert sorted(each.subject for each in everything.breaks) == ["1", "4"]


def test_ours_a_little_outside_those_times_still_has_its_partner() -> None:
    found = compared([ours(1), ours(2, second="200")], [theirs(1), theirs(2, second="150")])
    assert found.compared().matched == {"exact_reference": 2}


@pytest.mark.parametrize(
    ("figures", "ours_amount", "theirs_amount", "subject", "account", "commodity"),
    [
        ({"quantity": "3"}, "2", "3", "1", "", "BTC-PERP"),
        ({"price": "101"}, "100", "101", "1 price", "", "BTC-PERP"),
        ({"buyer_fee": "0.7"}, "-0.5", "-0.7", "1 buyer_fee", "ada", "USDT"),
        ({"seller_fee": "0"}, "0.1", "0", "1 seller_fee", "ben", "USDT"),
    ],
)
def test_another_figure_is_an_amount_break_of_both_amounts(
    figures: dict[str, str],
    ours_amount: str,
    theirs_amount: str,
    subject: str,
    account: str,
    commodity: str,
) -> None:
    found = only(compared([ours(1)], [theirs(1, line=1, **figures)]))
    assert (found.type, found.subject) == ("amount", subject)
    assert (found.account, found.commodity) == (account, commodity)
    assert (found.ours, found.theirs) == (Decimal(ours_amount), Decimal(theirs_amount))


def test_another_instrument_is_too_much_of_one_and_too_little_of_the_other() -> None:
    found = compared([ours(1)], [theirs(1, instrument="ETH-PERP", quantity="3")])
    assert sorted((each.commodity, each.difference) for each in found.breaks) == [
        ("BTC-PERP", Decimal(2)),
        ("ETH-PERP", Decimal(-3)),
    ]


def test_another_buyer_is_a_wrong_account_with_the_signed_quantity_on_both_accounts() -> None:
    found = compared([ours(1)], [theirs(1, buyer="cho", quantity="3")], QUANTITIES).breaks
    assert {(each.type, each.subject) for each in found} == {("wrong_account", "1 buyer")}
    assert [(each.account, each.ours, each.theirs) for each in found] == [
        ("ada", Decimal(2), Decimal(0)),
        ("cho", Decimal(0), Decimal(3)),
    ]


def test_a_side_that_goes_to_a_third_is_off_on_all_three_accounts() -> None:
    found = compared([ours(1)], [theirs(1, buyer="ben", seller="cho")])
    assert [(each.account, each.difference) for each in found.breaks] == [
        ("ada", Decimal(2)),
        ("ben", Decimal(-4)),
        ("cho", Decimal(2)),
    ]


def test_turned_sides_are_off_by_twice_the_quantity_on_each_account() -> None:
    found = compared([ours(1)], [theirs(1, buyer="ben", seller="ada")])
    assert [(each.account, each.difference) for each in found.breaks] == [
        ("ada", Decimal(4)),
        ("ben", Decimal(-4)),
    ]


@pytest.mark.parametrize(("second", "late"), [("61", False), ("62", True)])
def test_times_beyond_the_window_are_a_timing_break_and_equality_is_within(
    second: str,
    late: bool,  # noqa: FBT001
) -> None:
    found = compared([ours(1)], [theirs(1, second=second)])
    assert [each.type for each in found.breaks] == ["timing"] * late
    assert [each.difference for each in found.breaks] == [Decimal(0)] * late


def test_a_line_that_stands_twice_is_a_duplicate_of_its_quantity() -> None:
    found = compared([ours(1)], [theirs(1, line=1), theirs(1, line=7), theirs(1, line=9)])
    assert found.compared().matched == {"exact_reference": 1}
    each = only(found)
    assert (each.type, each.ours, each.theirs) == ("duplicate", None, Decimal(4))


def test_an_id_that_we_took_twice_is_a_duplicate_of_ours() -> None:
    each = only(compared([ours(1), ours(1, event_id="again")], [theirs(1)]))
    assert (each.type, each.ours, each.theirs) == ("duplicate", Decimal(2), None)


def test_a_side_that_the_source_left_out_is_unpaired() -> None:
    each = only(compared([ours(1)], [theirs(1, seller=None, seller_fee=None)]))
    assert (each.type, each.account, each.ours) == ("unpaired", "ben", Decimal(-2))
    told_one = compared([ours(1)], [theirs(1, seller=None, seller_fee=None)], 'sides = "one"')
    assert told_one.breaks == []
    assert told_one.compared().matched == {"exact_reference": 1}


def test_two_lines_that_tell_a_side_each_are_one_trade() -> None:
    halves = [
        theirs(1, line=1, seller=None, seller_fee=None),
        theirs(1, line=2, buyer=None, buyer_fee=None),
    ]
    found = compared([ours(1)], halves)
    assert found.breaks == []
    assert found.compared().matched == {"exact_reference": 1}


def test_parts_that_add_up_match_one_to_many_and_many_to_one() -> None:
    parts = [("0.5", "0.5"), ("1.5", "0")]
    split = [
        theirs(1, line=n, quantity=quantity, buyer_fee=fee, seller_fee="-0.05")
        for n, (quantity, fee) in enumerate(parts)
    ]
    assert compared([ours(1)], split).compared().matched == {"one_to_many": 1}
    mine = [
        ours(1, event_id=f"p{n}", quantity=quantity, buyer_fee=fee, seller_fee="-0.05")
        for n, (quantity, fee) in enumerate(parts)
    ]
    assert compared(mine, [theirs(1)]).matched["many_to_one"] == 1


def test_a_difference_within_tolerance_matches_by_it() -> None:
    rules = '[sources.venue.tolerance]\nBTC-PERP = "0.01"\nUSDT = "0.2"'
    close = theirs(1, quantity="2.01", buyer_fee="0.7")
    found = compared([ours(1)], [close], rules)
    assert found.breaks == []
    assert found.matched["tolerance"] == 1
    assert found.compared().tolerated == {"BTC-PERP": Decimal("0.01"), "USDT": Decimal("0.2")}
    assert len(compared([ours(1)], [theirs(1, quantity="2.0100001")], rules).breaks) == 1


def test_lines_without_an_id_match_by_content_when_it_is_the_only_one() -> None:
    blank = theirs(1, trade_id="")
    found = compared([ours(1), ours(2, price="101")], [blank, theirs(2, price="101")])
    assert found.breaks == []
    assert found.matched["exact_amount"] == 1
    twice = compared([ours(1), ours(2)], [blank, theirs(2, trade_id="")])
    assert twice.matched["exact_amount"] == 0
    assert (
        sorted(each.type for each in twice.breaks) == ["missing_here"] * 2 + ["missing_there"] * 2
    )
    assert {proposal.score for proposal in twice.proposals} == {100}


def test_a_busted_trade_need_not_be_at_the_source_and_may_be() -> None:
    mine = [ours(1), ours(2), ours(3)]
    assert compared(mine, [theirs(1), theirs(3)], busted=["e2"]).compared().matched == {
        "exact_reference": 2,
        "busted": 1,
    }
    there = compared(mine, [theirs(1), theirs(2), theirs(3)], busted=["e2"])
    assert there.breaks == []
    assert there.compared().matched == {"exact_reference": 2, "busted_there": 1}


def test_a_busted_trade_that_a_source_which_tells_busts_still_has_is_an_amount_break() -> None:
    mine, others = [ours(1), ours(2), ours(3)], [theirs(1), theirs(2), theirs(3)]
    found = compared(mine, others, 'busts = "told"', busted=["e2"])
    each = only(found)
    assert (each.type, each.subject, each.our_references) == ("amount", "2", ("e2",))
    assert (each.ours, each.theirs, each.difference) == (Decimal(0), Decimal(2), Decimal(-2))
    assert found.compared().matched == {"exact_reference": 2}
    assert compared(mine, [theirs(1), theirs(3)], 'busts = "told"', busted=["e2"]).breaks == []


@pytest.mark.parametrize(("rule", "breaks"), [("not_told", []), ("told", ["amount"])])
def test_a_trade_that_was_busted_and_sent_again_is_told_apart(rule: str, breaks: list[str]) -> None:
    mine = [ours(1), ours(1, event_id="again", quantity="3")]
    once = compared(mine, [theirs(1, quantity="3")], f'busts = "{rule}"', busted=["e1"])
    assert once.breaks == []
    assert once.compared().matched == {"exact_reference": 1, "busted": 1}
    lines = [theirs(1, quantity="3"), theirs(1, line=9)]
    both = compared(mine, lines, f'busts = "{rule}"', busted=["e1"])
    assert [each.type for each in both.breaks] == breaks
    assert both.matched["exact_reference"] == 1


@pytest.mark.parametrize("rule", ["not_told", "told"])
def test_a_trade_that_was_busted_and_sent_again_by_another_id_is_proposed_for_theirs(
    rule: str,
) -> None:
    mine = [ours(1), ours(2, event_id="again", second="1", quantity="1.5"), ours(3)]
    lines = [theirs(1, trade_id="e1", quantity="1.5"), theirs(3, trade_id="e3")]
    rules = f'reference = "event_id"\nbusts = "{rule}"'
    found = compared(mine, lines, rules, busted=["e1"])
    assert [(each.type, each.subject, each.difference) for each in found.breaks] == [
        ("missing_there", "again", Decimal("1.5")),
        ("missing_here", "e1", Decimal("-1.5")),
    ]
    (pair,) = found.proposals
    agreed = compared(mine, lines, rules, busted=["e1"], approved=[pair.key])
    assert agreed.breaks == []
    assert agreed.compared().matched == {"exact_reference": 1, "approved": 1, "busted": 1}


def test_a_busted_trade_within_tolerance_is_the_one_that_the_source_has_still() -> None:
    mine, rules = [ours(1), ours(2)], '[sources.venue.tolerance]\nBTC-PERP = "0.5"'
    found = compared(mine, [theirs(1), theirs(2, quantity="2.5")], rules, busted=["e2"])
    assert found.breaks == []


def test_what_the_rules_leave_out_is_not_looked_at() -> None:
    mine = [ours(1), ours(2, event_id="gap:7", trade_id="")]
    others = [theirs(1), theirs(3, instrument="@107")]
    found = compared(mine, others, 'left_out = ["gap:"]\nnot_ours = ["@*"]\ncovers = "all"')
    assert found.breaks == []
    assert found.left_out == 1


def test_ids_that_are_unique_in_an_instrument_only_are_told_apart_by_it() -> None:
    mine = [ours(1), ours(2, trade_id="1", instrument="ETH-PERP")]
    others = [theirs(1), theirs(2, trade_id="1", instrument="ETH-PERP")]
    assert compared(mine, others, 'ids = "instrument"').compared().matched == {"exact_reference": 2}


def test_a_wrong_id_is_proposed_and_changes_nothing_until_it_is_approved() -> None:
    mine, others = [ours(1), ours(2), ours(3)], [theirs(1), theirs(9, second="2"), theirs(3)]
    found = compared(mine, others)
    assert sorted(each.type for each in found.breaks) == ["missing_here", "missing_there"]
    (proposal,) = found.proposals
    assert proposal.score == sum(points for _, points in proposal.why) == 100
    assert proposal.ours[0].reference == "e2"
    assert proposal.theirs[0].reference == "9"
    agreed = compared(mine, others, approved=[proposal.key])
    assert agreed.breaks == []
    assert agreed.proposals == []
    assert agreed.compared().matched == {"exact_reference": 2, "approved": 1}


@pytest.mark.parametrize(
    ("figures", "says", "broken"),
    [
        ({"quantity": "3"}, ("quantity differs by 1", 0), [("amount", "2", -1)]),
        ({"price": "101"}, ("price differs by 1", 0), [("amount", "2 price", -1)]),
        (
            {"buyer": "eve"},
            None,
            [("wrong_account", "2 buyer", 2), ("wrong_account", "2 buyer", -2)],
        ),
        ({"buyer_fee": "0.75"}, None, [("amount", "2 buyer_fee", Decimal("0.25"))]),
        ({"second": "300"}, None, []),
    ],
    ids=["quantity", "price", "account", "fee", "time"],
)
def test_an_approved_match_leaves_what_its_sides_differ_by_as_a_break(
    figures: dict[str, str],
    says: tuple[str, int] | None,
    broken: list[tuple[str, str, Decimal]],
) -> None:
    mine = [ours(1), ours(2), ours(900)]
    others = [theirs(1), theirs(9, None, **({"second": "2"} | figures)), theirs(900)]
    (proposal,) = compared(mine, others).proposals
    assert says is None or says in proposal.why
    agreed = compared(mine, others, approved=[proposal.key])
    assert [(each.type, each.subject, each.difference) for each in agreed.breaks] == broken
    assert agreed.applied == [proposal.key]


def test_trades_that_share_little_are_not_proposed() -> None:
    mine = [ours(1), ours(2), ours(3)]
    other = theirs(9, second="2", buyer="x", seller="y", price="50")
    assert compared(mine, [theirs(1), other, theirs(3)]).proposals == []


def test_the_severity_follows_type_and_size() -> None:
    rules = """
[sources.venue.severity]
missing_here = "low"
[[sources.venue.severity.sizes]]
commodity = "BTC-PERP"
at_least = "2"
severity = "critical"
"""
    assert only(compared([], [theirs(1)], rules)).severity == "critical"
    assert only(compared([], [theirs(1, quantity="1.9")], rules)).severity == "low"


def test_the_window_is_the_rules() -> None:
    assert source("trades", "window_s = 5").window == timedelta(seconds=5)
    found = compared([ours(1)], [theirs(1, second="10")], "window_s = 5")
    assert only(found).type == "timing"


def test_what_was_agreed_is_matched_though_better_candidates_came() -> None:
    agreed = ours(1, trade_id="mine", price="101")
    others = [theirs(1, trade_id="wrong")]
    (proposal,) = compared([agreed], others).proposals
    better = [ours(number, trade_id=f"m{number}", second="1") for number in (2, 3, 4)]
    again = compared([agreed, *better], others, approved=[proposal.key])
    assert again.applied == [proposal.key]
    assert again.compared().matched == {"approved": 1}


@pytest.mark.parametrize(("hours", "kind"), [(20, "timing"), (30, "missing_here")])
def test_an_id_told_again_in_the_file_of_another_day_is_a_break(hours: int, kind: str) -> None:
    later = str(hours * 3600)
    found = compared(
        [ours(1), ours(2, second=later)], [theirs(2, second=later), theirs(1, second=later)]
    )
    assert only(found).type == kind
