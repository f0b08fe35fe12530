"""Closing balances against ours: what explains a difference, and what is not compared, in words."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from ledger.recon.lines import Statement
from tests.unit.recon_match.books import at, line, moved, statement
from tests.unit.recon_match.test_determinism import hashed
from tests.unit.recon_match.test_statements import compared, only

CUSTODY = ("@custody", "USDT")


def of_day(day: int, opening: str, closing: str, *amounts: str) -> tuple[str, Statement]:
    """The statement of a day, numbered by it."""
    begins = at(86_400 * day)
    movements = [line(n, amount, hour=str(24 * day + n)) for n, amount in enumerate(amounts, 1)]
    return "", Statement(
        *("venue", str(day), *CUSTODY, begins, begins + timedelta(hours=23)),
        *(Decimal(opening), Decimal(closing), movements),
    )


@pytest.mark.parametrize("numbered", [True, False])
def test_a_day_without_its_statement_is_one_break(numbered: bool) -> None:  # noqa: FBT001 - a case
    days = [of_day(5, "0", "50", "50"), of_day(7, "80", "80")]
    if not numbered:
        days = [("", each._replace(number="")) for _, each in days]
    mine = [moved(121, "50"), moved(150, "30")]
    found = compared(mine, days, balances={CUSTODY: Decimal(80)})
    assert only(found).type == ("missing_there" if numbered else "opening")


def test_a_statement_that_stands_twice_explains_no_closing() -> None:
    days = [of_day(5, "0", "50", "50"), of_day(5, "0", "60", "50")]
    found = compared([moved(121, "50")], days, balances={CUSTODY: Decimal(50)})
    assert only(found).type == "duplicate"
    wrong = compared([moved(121, "50")], days, balances={CUSTODY: Decimal(60)})
    assert [each.subject for each in wrong.breaks][1:] == ["closing @custody/USDT"]


def test_a_closing_that_does_not_follow_from_its_movements_is_one_break() -> None:
    found = compared(
        [moved(121, "100")], [of_day(5, "0", "110", "100")], balances={CUSTODY: Decimal(100)}
    )
    each = only(found)
    assert (each.type, each.subject[:11], each.difference) == (
        "amount",
        "statement 5",
        Decimal(-10),
    )


def test_closings_of_accounts_that_do_not_end_alike_are_said_not_to_be_compared() -> None:
    names = '[sources.venue.accounts]\na = "@custody"\nb = "@custody"'

    def told(*ends: datetime | None) -> list[tuple[str, Statement]]:
        whole = statement(line(1, "5"))[1]
        named = zip("ab", (Decimal(5), Decimal(9)), ends, strict=True)
        return [
            ("", whole._replace(account=name, closing=amount, ends=end, movements=()))
            for name, amount, end in named
        ]

    apart = compared([], told(at(1), at(2)), names)
    assert apart.compared().not_compared == (
        "closing of @custody/USDT: the 2 accounts of theirs do not end alike",
    )
    untold = compared([], told(None, None), names).compared()
    assert untold.not_compared == ("closing of @custody/USDT: no time is told",)
    alike = compared([], told(at(9), at(9)), names)
    assert alike.compared().not_compared == ()
    assert [each.theirs for each in alike.breaks if "closing" in each.subject] == [Decimal(14)]


def test_a_bank_that_has_a_part_of_an_account_is_asked_for_that_part_alone() -> None:
    mine = [moved(1, "5", event_id="a-1"), moved(2, "7", event_id="b-2")]
    lines = [statement(line(1, "5"), opening="0", closing="5")]
    found = compared(mine, lines, 'only = ["a-"]', balances={CUSTODY: Decimal(12)})
    assert found.breaks == []
    assert (found.ours, found.compared().not_compared) == (
        1,
        ("closing of @custody/USDT: it has a part of that account only",),
    )
    both = compared(mine, lines, 'only = ["a-", "b-"]')
    assert only(both).subject == "b-2"


def test_what_is_not_compared_and_what_tolerance_let_pass_is_part_of_the_hash() -> None:
    rules = '[sources.venue.tolerance]\nUSDT = "0.02"'
    found = compared([moved(1, "5")], [statement(line(1, "5.01"))], rules)
    hashes = [hashed(found)]
    found.passed("USDT", Decimal("-0.01"))
    assert found.compared().tolerated == {"USDT": Decimal("0.02")}
    hashes.append(hashed(found))
    found.not_compared.append("closing")
    hashes.append(hashed(found))
    assert len(set(hashes)) == 3


def test_what_is_later_than_the_last_closing_explains_nothing_of_it() -> None:
    held = {CUSTODY: Decimal(50)}
    day = of_day(5, "0", "50", "50")
    mine = [moved(121, "50"), moved(170, "100")]
    found = compared(mine, [day], 'covers = "all"', balances=held)
    assert [each.subject for each in found.breaks] == ["d170"]
    later = ("", of_day(6, "50", "0", "-25", "30")[1]._replace(closing=None, ends=None))
    found = compared([moved(121, "50"), moved(146, "30")], [day, later], balances=held)
    assert [each.difference for each in found.breaks] == [Decimal(25)]
    wrong = compared([moved(121, "50")], [day, later], balances={CUSTODY: Decimal(75)})
    assert "closing @custody/USDT" in {each.subject for each in wrong.breaks}


@pytest.mark.parametrize("apart", [-2, 2])
def test_a_pair_on_both_sides_of_the_closing_explains_it(apart: int) -> None:
    hour = 143  # the statement of day 5 ends there
    line_at, ours_at = (str(hour + at) for at in ((1, -1) if apart < 0 else (0, 1)))
    whole = of_day(5, "0", "50", "50")[1]
    told = line(2, "7", hour=line_at, ours="d9")
    inside = apart > 0
    first = whole._replace(
        movements=[*whole.movements, told] if inside else whole.movements,
        closing=Decimal(57) if inside else Decimal(50),
    )
    after = of_day(6, "50", "57", "0")[1]._replace(closing=None, movements=[told])
    mine = [moved(121, "50"), moved(9, "7", hour=ours_at)]
    held = {CUSTODY: Decimal(50) if inside else Decimal(57)}
    days = [("", first)] if inside else [("", first), ("", after)]
    assert compared(mine, days, "window_s = 86400", balances=held).breaks == []


def test_a_line_told_after_the_end_of_its_own_statement_is_in_its_closing() -> None:
    lines = [statement(line(1, "5"), line(2, "7", hour="25"), opening="0", closing="12")]
    found = compared([moved(1, "5")], lines, balances={CUSTODY: Decimal(5)})
    assert only(found).difference == Decimal(-7)


def test_an_agreed_match_of_before_and_after_the_end_explains_the_closing() -> None:
    day = of_day(5, "0", "57", "50", "7")
    later = ("", of_day(6, "57", "0", "1")[1]._replace(closing=None))
    mine = [moved(121, "50"), moved(145, "1"), moved(147, "7")]
    held = {CUSTODY: Decimal(50)}
    (pair,) = compared(mine, [day, later], balances=held).proposals
    assert compared(mine, [day, later], approved=[pair.key], balances=held).breaks == []


@pytest.mark.parametrize("given", ["alone", "together"])
def test_a_payment_that_is_told_again_on_another_day_shows_by_the_closing_or_together(
    given: str,
) -> None:
    paid = [line(1, "-7", hour=str(24 * day + 1), ours="d121") for day in (5, 6)]
    first, again = of_day(5, "50", "43", "0"), of_day(6, "43", "36", "0")
    days = [
        ("", each._replace(movements=[told]))
        for (_, each), told in zip((first, again), paid, strict=True)
    ]
    mine, held = [moved(121, "-7")], {CUSTODY: Decimal(43)}
    read = days if given == "together" else days[1:]
    found = compared(mine, read, "window_s = 86400", balances=held)
    assert only(found).type == ("duplicate" if given == "together" else "amount")
    part = compared(mine, read, 'window_s = 86400\nonly = ["d"]', balances=held)
    assert [each.type for each in part.breaks] == (["duplicate"] if given == "together" else [])


def test_ours_between_two_statements_far_apart_shows_by_the_closing_alone() -> None:
    days = [of_day(5, "0", "50", "50"), of_day(6, "50", "50")]
    mine = [moved(121, "50"), moved(1, "8")._replace(at=at(86_400 * 6 - 1800))]
    found = compared(mine, days, balances={CUSTODY: Decimal(58)})
    assert only(found).subject == "closing @custody/USDT"
    assert compared(mine, days, 'only = ["d"]').breaks == []


def test_what_tolerance_let_pass_often_is_a_closing_that_is_off() -> None:
    rules = '[sources.venue.tolerance]\nUSDT = "0.01"'
    mine = [moved(n, "10.004") for n in (1, 2, 3, 4)]
    lines = [statement(*[line(n, "10") for n in (1, 2, 3, 4)], opening="0", closing="40")]
    found = compared(mine, lines, rules, balances={CUSTODY: Decimal("40.016")})
    assert (only(found).subject, only(found).difference) == (
        "closing @custody/USDT",
        Decimal("0.016"),
    )
    assert found.compared().tolerated == {"USDT": Decimal("0.016")}


def test_a_transfer_between_two_accounts_that_are_one_of_ours_is_two_breaks_of_nothing() -> None:
    names = '[sources.venue.accounts]\na = "@custody"\nb = "@custody"'
    amounts = {"a": "-5000", "b": "5000"}
    lines = [statement(line(1, amount, account=name)) for name, amount in amounts.items()]
    found = compared([], lines, names)
    assert {each.type for each in found.breaks} == {"missing_here"}
    assert sorted(each.difference for each in found.breaks) == [Decimal(-5000), Decimal(5000)]
