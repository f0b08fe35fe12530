"""Files that tell buyer and seller in lines of their own, and ids that are none."""

from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.recon.lines import Trade
from ledger.recon.matching.comparison import Comparison
from ledger.recon.trades.compare import GROUP_MAX
from tests.unit.recon_match.books import at, ours, theirs
from tests.unit.recon_match.test_trades import compared


def bought(quantity: str, **figures: str | None) -> Trade:
    """A line that tells what the buyer did."""
    told: dict[str, str | None] = {"seller": None, "seller_fee": None}
    return theirs(1, None, **{"quantity": quantity, **told, **figures})


def sold(quantity: str, **figures: str | None) -> Trade:
    """A line that tells what the seller did."""
    told: dict[str, str | None] = {"buyer": None, "buyer_fee": None}
    return theirs(1, None, **{"quantity": quantity, **told, **figures})


def whole(quantity: str, **figures: str | None) -> Trade:
    """A line that tells both sides."""
    return theirs(1, None, **{"quantity": quantity, **figures})


def numbered(lines: Iterable[Trade]) -> list[Trade]:
    return [each._replace(line=number) for number, each in enumerate(lines, start=1)]


def amounts(found: Comparison) -> list[tuple[str, str, Decimal | None, Decimal | None]]:
    return sorted((each.type, each.subject, each.ours, each.theirs) for each in found.breaks)


def test_halves_of_two_sides_are_never_added_up_to_one_trade() -> None:
    found = compared([ours(1)], numbered([bought("0.4"), sold("1.6")]))
    assert found.compared().matched == {}
    assert amounts(found) == [
        ("amount", "1 buyer", Decimal(2), Decimal("0.4")),
        ("amount", "1 seller", Decimal(-2), Decimal("-1.6")),
    ]
    assert {each.account for each in found.breaks} == {"ada", "ben"}


LINES = st.lists(
    st.builds(
        lambda quantity, price, side: (bought, sold, whole)[side](str(quantity), price=str(price)),
        *(st.integers(1, 4), st.sampled_from([100, 100, 101]), st.integers(0, 2)),
    ),
    min_size=1,
    max_size=5,
)


@given(LINES, st.lists(st.integers(1, 4), min_size=1, max_size=2))
@example([whole("2"), bought("2")], [4])
@settings(max_examples=200, deadline=None)
def test_without_a_break_each_side_comes_to_ours_in_quantity_and_value(
    lines: list[Trade], quantities: list[int]
) -> None:
    mine = [
        ours(1, event_id=f"e{n}", quantity=str(quantity), buyer_fee="0", seller_fee="0")
        for n, quantity in enumerate(quantities)
    ]
    unpaid = [each._replace(buyer_fee=None, seller_fee=None) for each in numbered(lines)]
    found = compared(mine, unpaid)
    for side in () if found.breaks else ("buyer", "seller"):
        told = [each for each in lines if getattr(each, side) is not None]
        assert sum(each.quantity for each in told) == sum(quantities), side
        assert sum(each.quantity * each.price for each in told) == 100 * sum(quantities), side


@given(LINES, st.lists(st.integers(1, 4), max_size=3))
@settings(max_examples=200, deadline=None)
def test_breaks_of_a_side_come_to_what_it_differs_by(
    lines: list[Trade], quantities: list[int]
) -> None:
    mine = [ours(1, event_id=f"e{n}", quantity=str(each)) for n, each in enumerate(quantities)]
    priced = numbered(each._replace(price=Decimal(100)) for each in lines)
    found = compared(mine, [e._replace(buyer_fee=None, seller_fee=None) for e in priced])
    for side, sign in (("buyer", 1), ("seller", -1)):
        told = [each.quantity for each in lines if getattr(each, side) is not None]
        of_both = [each.difference for each in found.breaks if not each.account]
        of_side = [sign * each.difference for each in found.breaks if each.subject == f"1 {side}"]
        if told:
            assert sum(of_both) + sum(of_side) == sum(quantities) - sum(told), side


def test_each_side_adds_up_to_ours_by_itself() -> None:
    lines = [
        bought("0.5", buyer_fee="0.2"),
        bought("1.5", buyer_fee="0.3"),
        sold("2"),
    ]
    found = compared([ours(1)], numbered(lines))
    assert found.breaks == []
    assert found.compared().matched == {"one_to_many": 1}


def test_a_side_of_another_quantity_is_one_amount_break_on_its_account() -> None:
    found = compared([ours(1)], numbered([bought("2"), sold("3")]))
    assert amounts(found) == [("amount", "1 seller", Decimal(-2), Decimal(-3))]
    several = compared([ours(1)], numbered([bought("2"), sold("1"), sold("2", seller_fee="0")]))
    assert amounts(several) == amounts(found)


def test_what_a_side_tells_of_price_fee_time_and_account_is_told_apart() -> None:
    lines = [bought("2", price="101"), sold("2", seller="cho", seller_fee="0", second="90")]
    assert amounts(compared([ours(1)], numbered(lines))) == [
        ("amount", "1 buyer price", Decimal(100), Decimal(101)),
        ("amount", "1 seller_fee", Decimal("0.1"), Decimal(0)),
        ("timing", "1 seller time", Decimal(2), Decimal(2)),
        ("wrong_account", "1 seller", Decimal(-2), Decimal(0)),
        ("wrong_account", "1 seller", Decimal(0), Decimal(-2)),
    ]


def test_a_side_that_stands_once_too_often_is_a_duplicate_of_that_side() -> None:
    found = compared([ours(1)], numbered([bought("2"), sold("2"), sold("2")]))
    assert found.compared().matched == {"exact_reference": 1}
    assert amounts(found) == [("duplicate", "1 seller", None, Decimal(-2))]


def test_ours_that_has_lines_of_one_side_alone_is_unpaired() -> None:
    mine = [ours(1), ours(1, event_id="again", second="400", price="70")]
    lines = [bought("2"), bought("2", price="70", second="400"), sold("2", price="69")]
    found = compared(mine, numbered(lines))
    assert [each.type for each in found.breaks] == ["amount", "unpaired"]


def test_lines_of_a_side_each_that_we_do_not_know_are_missing_with_what_they_come_to() -> None:
    lines = numbered([bought("0.5"), bought("1.5"), sold("2")])
    assert amounts(compared([], lines)) == [("missing_here", "1", None, Decimal(2))]
    uneven = compared([], numbered([bought("2"), sold("3")]))
    assert amounts(uneven) == [
        ("missing_here", "1 buyer", None, Decimal(2)),
        ("missing_here", "1 seller", None, Decimal(-3)),
    ]
    assert [each.account for each in uneven.breaks] == ["ada", "ben"]
    two_prices = compared([], numbered([bought("2"), bought("2", price="70"), sold("3")]))
    assert [each.type for each in two_prices.breaks].count("missing_here") == 1


def test_parts_of_ours_add_up_to_a_side_as_well() -> None:
    mine = [
        ours(1, quantity="0.5", buyer_fee="0.2", seller_fee="0"),
        ours(1, event_id="again", quantity="1.5", buyer_fee="0.3"),
    ]
    lines = [bought("0.5", buyer_fee="0.2"), bought("1.5", buyer_fee="0.3"), sold("2")]
    found = compared(mine, numbered(lines))
    assert found.breaks == []
    assert found.compared().matched == {"many_to_one": 1}


@pytest.mark.parametrize("fee", [None, "0.1"])
def test_a_fee_that_the_parts_do_not_come_to_is_an_amount_break(fee: str | None) -> None:
    parts = [theirs(1, quantity="0.5", buyer_fee="0.3"), theirs(1, quantity="1.5", buyer_fee=fee)]
    halved = [each._replace(seller_fee=Decimal("-0.05")) for each in parts]
    found = compared([ours(1)], numbered(halved))
    told = Decimal("-0.3") - Decimal(fee or 0)
    assert amounts(found) == [("amount", "1 buyer_fee", Decimal("-0.5"), told)]


def test_parts_that_are_late_are_a_timing_break() -> None:
    parts = [
        theirs(1, quantity="0.5", buyer_fee="0.5", seller_fee="0"),
        theirs(1, quantity="1.5", buyer_fee="0", second="100"),
    ]
    (found,) = compared([ours(1)], numbered(parts)).breaks
    assert (found.type, found.difference, found.at) == ("timing", Decimal(0), at(100))


def test_an_id_that_is_the_same_in_all_lines_is_none_and_is_told() -> None:
    count = GROUP_MAX + 1
    mine = [ours(n, trade_id="0", second=str(n * 100)) for n in range(count)]
    others = [theirs(n, trade_id="0", second=str(n * 100)) for n in range(count)]
    found = compared(mine, others)
    assert found.matched["exact_amount"] == count
    (each,) = found.breaks
    assert (each.type, each.subject) == ("duplicate", "id 0")
    assert f"{2 * count} trades here and there have the id 0" in each.says


def test_lines_without_an_id_that_tell_a_side_each_are_one_trade() -> None:
    lines = [bought("2", trade_id=""), sold("2", trade_id="")]
    found = compared([ours(1)], numbered(lines))
    assert found.breaks == []
    assert found.compared().matched == {"exact_amount": 1}
