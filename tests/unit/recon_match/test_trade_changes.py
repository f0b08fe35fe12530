"""Cancels and replacements of trades that another file of the source told, or an older one."""

from decimal import Decimal
from typing import Literal

from ledger.recon.lines import Trade
from tests.unit.recon_match.books import ours, theirs
from tests.unit.recon_match.test_trades import compared, only


def changed(number: int, change: Literal["cancel", "replace"], **figures: str) -> Trade:
    return theirs(number, line=99, **figures)._replace(change=change)


def bust_of(event_id: str) -> Trade:
    return theirs(2, line=99, trade_id=event_id)._replace(change="bust", instrument="")


def test_a_cancel_of_a_trade_that_we_busted_agrees_with_it() -> None:
    found = compared([ours(1), ours(2)], [theirs(1), changed(2, "cancel")], busted=["e2"])
    assert found.breaks == []
    assert found.compared().matched == {"exact_reference": 1, "busted": 1}
    assert found.ours == 2


def test_a_cancel_of_a_trade_that_stands_in_our_books_is_an_amount_break() -> None:
    for before in ([], [theirs(2)]):
        found = compared([ours(1), ours(2)], [theirs(1), *before, changed(2, "cancel")])
        each = only(found)
        assert (each.type, each.subject, each.our_references) == ("amount", "2", ("e2",))
        assert (each.ours, each.theirs) == (Decimal(2), Decimal(0))
        assert found.matched["exact_reference"] == 1


def test_a_cancel_of_a_trade_that_nobody_told_is_missing_here_and_no_stop() -> None:
    each = only(compared([ours(1)], [theirs(1), changed(7, "cancel")]))
    assert (each.type, each.subject, each.ours, each.theirs) == (
        *("missing_here", "7"),
        *(None, Decimal(0)),
    )
    made_and_taken_back = [theirs(1), theirs(7), changed(7, "cancel")]
    assert compared([ours(1)], made_and_taken_back).breaks == []


def test_a_replacement_stands_for_what_another_file_told_of_the_trade() -> None:
    lines = [theirs(1), changed(1, "replace", quantity="3")]
    for order in (lines, lines[::-1]):
        found = compared([ours(1, quantity="3")], order)
        assert found.breaks == []
        assert found.compared().matched == {"exact_reference": 1}
    last = [*lines, changed(1, "cancel", second="9")]
    assert only(compared([ours(1)], last)).theirs == 0


def test_a_bust_names_the_trade_by_our_event_whatever_its_id() -> None:
    mine = [ours(1), ours(2)]
    agreed = compared(mine, [theirs(1), bust_of("e2")], busted=["e2"])
    assert agreed.breaks == []
    assert agreed.compared().matched == {"exact_reference": 1, "busted": 1}
    for before in ([], [theirs(2)]):
        each = only(compared(mine, [theirs(1), *before, bust_of("e2")]))
        assert (each.type, each.subject) == ("amount", "2")
        assert (each.ours, each.theirs) == (Decimal(2), Decimal(0))


def test_a_bust_of_long_ago_is_known_by_our_busts_and_else_missing_here() -> None:
    assert compared([ours(1)], [theirs(1), bust_of("old")], busted=["old"]).breaks == []
    each = only(compared([ours(1)], [theirs(1), bust_of("old")]))
    assert (each.type, each.subject, each.commodity) == ("missing_here", "old", "")
