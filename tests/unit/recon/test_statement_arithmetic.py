"""Statements held against themselves: a whole chain has no break, and each fault is exactly one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ledger.recon.breaks import Break, Severity
from ledger.recon.lines import Movement, Statement
from ledger.recon.movements.arithmetic import Arithmetic, check, exact_sum

FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**20)).filter(
    lambda amount: abs(amount) < 10**20
)


def severity(kind: str, commodity: str, difference: Decimal) -> Severity:
    """By size, so that a test sees the difference that was asked about."""
    assert kind
    assert commodity
    return "low" if difference == 0 else "high"


def checked(statements: list[Statement]) -> Arithmetic:
    return check(statements, "main", severity)


def breaks(statements: list[Statement]) -> list[Break]:
    return checked(statements).breaks


def chain(days: list[list[Decimal]], opening: Decimal = Decimal(0)) -> list[Statement]:
    """A statement a day, numbered from 8, each opening with the closing of the one before."""
    made = []
    for place, amounts in enumerate(days):
        at = FIRST_DAY + timedelta(days=place)
        closing = exact_sum([opening, *amounts])
        movements = [
            Movement(line, f"ref-{line}", "", at, "nostro", "USD", amount)
            for line, amount in enumerate(amounts, start=1)
        ]
        ends = at + timedelta(hours=23)
        made.append(
            Statement(
                "bank", str(place + 8), "nostro", "USD", at, ends, opening, closing, movements
            )
        )
        opening = closing
    return made


DAYS = st.lists(st.lists(AMOUNTS, min_size=1, max_size=4), min_size=3, max_size=6)


@given(DAYS, AMOUNTS, st.data())
def test_a_whole_chain_has_no_break_in_any_order(
    days: list[list[Decimal]], opening: Decimal, draw: st.DataObject
) -> None:
    statements = chain(days, opening)
    found = checked(draw.draw(st.permutations(statements)))
    assert found.breaks == []
    assert found.statements == statements


@given(DAYS, AMOUNTS.filter(bool), st.data())
def test_a_movement_that_was_changed_is_one_break_of_that_amount(
    days: list[list[Decimal]], change: Decimal, draw: st.DataObject
) -> None:
    statements = chain(days)
    place = draw.draw(st.integers(0, len(days) - 1))
    first, *others = statements[place].movements
    changed = first._replace(amount=exact_sum([first.amount, change]))
    statements[place] = statements[place]._replace(movements=[changed, *others])
    (found,) = breaks(statements)
    assert (found.type, found.subject[:10]) == ("amount", "statement ")
    assert found.their_references == (str(place + 8),)
    assert found.theirs == statements[place].closing
    assert found.ours == exact_sum([statements[place].closing or Decimal(0), change])


@given(DAYS, AMOUNTS.filter(bool), st.data())
def test_a_statement_that_opens_elsewhere_is_one_break_of_that_amount(
    days: list[list[Decimal]], change: Decimal, draw: st.DataObject
) -> None:
    place = draw.draw(st.integers(1, len(days) - 1))
    before = chain(days)
    after = chain(days, change)
    (found,) = breaks(before[:place] + after[place:])
    assert (found.type, found.ours, found.theirs) == (
        "opening",
        before[place - 1].closing,
        after[place].opening,
    )
    assert found.severity == "high"


@given(DAYS, st.data())
def test_a_statement_that_is_not_there_is_one_break_of_what_it_moved(
    days: list[list[Decimal]], draw: st.DataObject
) -> None:
    statements = chain(days)
    place = draw.draw(st.integers(1, len(days) - 2))
    left_out = statements.pop(place)
    (found,) = breaks(statements)
    assert found.type == "missing_there"
    assert (found.ours, found.theirs) == (left_out.opening, left_out.closing)
    assert found.subject.startswith(f"statements {left_out.number} before ")


@given(DAYS, st.data())
def test_a_statement_that_stands_there_twice_is_one_break_and_left_out(
    days: list[list[Decimal]], draw: st.DataObject
) -> None:
    statements = chain(days)
    again = draw.draw(st.sampled_from(statements))
    found = checked([*statements, again])
    assert [each.type for each in found.breaks] == ["duplicate"]
    assert found.statements == statements


def test_a_number_again_with_other_lines_is_a_duplicate_that_says_so() -> None:
    first, second = chain([[Decimal(1)], [Decimal(2)]])
    other = second._replace(closing=Decimal(9))
    (found,) = breaks([first, second, other])
    assert (found.type, found.ours, found.theirs) == ("duplicate", Decimal(3), Decimal(9))
    assert "says something else" in found.says


def test_of_two_that_say_different_things_the_order_of_files_takes_none() -> None:
    first, second = chain([[Decimal(1)], [Decimal(2), Decimal(3)]])
    wrong = second._replace(closing=Decimal(9))
    shorter = second._replace(movements=second.movements[:1], closing=Decimal(3))
    for other in (wrong, shorter):
        for order in ([first, second, other], [other, first, second], [second, other, first]):
            found = checked(order)
            assert found.statements == [first, second]
            assert [(each.type, each.theirs) for each in found.breaks] == [
                ("duplicate", other.closing)
            ]


@given(DAYS, AMOUNTS, st.data())
def test_statements_of_one_day_without_numbers_are_a_chain_in_any_order(
    days: list[list[Decimal]], opening: Decimal, draw: st.DataObject
) -> None:
    statements = [each._replace(number="", begins=FIRST_DAY) for each in chain(days, opening)]
    orders = [checked(draw.draw(st.permutations(statements))) for _ in range(2)]
    assert orders[0] == orders[1]
    if len({each.opening for each in statements} | {statements[-1].closing}) == len(days) + 1:
        assert orders[0].breaks == []


def test_three_times_the_same_statement_are_two_breaks_with_keys_of_their_own() -> None:
    (only,) = chain([[Decimal(1)]])
    found = breaks([only, only, only])
    assert [each.type for each in found] == ["duplicate", "duplicate"]
    assert len({each.key for each in found}) == 2


def test_numbers_may_begin_again_with_a_new_year() -> None:
    first, second = chain([[Decimal(1)], [Decimal(2)]])
    assert breaks([first._replace(number="365"), second._replace(number="1")]) == []


def test_pages_of_one_number_follow_each_other() -> None:
    days = chain([[Decimal(1)], [Decimal(2)], [Decimal(3)]])
    numbers = ["41/1", "41/2", "42/1"]
    pages = [day._replace(number=number) for day, number in zip(days, numbers, strict=True)]
    assert breaks(pages) == []
    (found,) = breaks([pages[0]._replace(number="41/1"), pages[2]._replace(number="41/3")])
    assert found.subject.startswith("statements page 2 of 41 before 41/3")


def test_balances_that_nobody_told_are_not_asked_about() -> None:
    first, second = chain([[Decimal(1)], [Decimal(2)]])
    assert breaks([first._replace(closing=None), second._replace(opening=None)]) == []


def test_accounts_and_commodities_are_chains_of_their_own() -> None:
    (first,) = chain([[Decimal(1)]])
    other = first._replace(account="other", opening=Decimal(5), closing=Decimal(6))
    euros = first._replace(commodity="EUR", opening=Decimal(7), closing=Decimal(8))
    assert breaks([first, other, euros]) == []


def test_two_statements_without_number_and_day_are_a_chain_as_given() -> None:
    first, second = (
        each._replace(number="", begins=None) for each in chain([[Decimal(1)], [Decimal(2)]])
    )
    assert breaks([first, second]) == []
    assert [each.type for each in breaks([second, first])] == ["opening"]


def test_a_difference_keeps_the_last_of_forty_digits() -> None:
    (only,) = chain([[Decimal("1e-18")]], Decimal(10**21))
    (found,) = breaks([only._replace(closing=Decimal(10**21))])
    assert found.difference == Decimal("1e-18")
