"""The chronicle: counts and amounts of records, and what a fund has to hold."""

from decimal import Decimal

from ledger.demo.chronicle import COUNTED, Chronicle
from ledger.demo.records import Published


def told(kind: str, subject: str, **body: object) -> Published:
    return Published("usdt", 1, 1, kind, subject, "e-1", body)


def fund(
    cause: str, amount: str, insurance: tuple[str, str], deficit: tuple[str, str]
) -> Published:
    return told(
        "fund",
        "F-1",
        cause=cause,
        amount=amount,
        insurance_before=insurance[0],
        insurance_after=insurance[1],
        deficit_before=deficit[0],
        deficit_after=deficit[1],
    )


def test_gains_draws_and_deficits_of_the_fund() -> None:
    """100 paid in, 5 gained, 120 lost: all of the fund, and 15 that nobody covered."""
    chronicle = Chronicle()
    for movement in (
        fund("insurance_deposit", "100", ("0", "100"), ("0", "0")),
        fund("close_out", "5", ("100", "105"), ("0", "0")),
        fund("close_out", "-120", ("105", "0"), ("0", "-15")),
    ):
        chronicle.note(movement)
    pool = chronicle.pools["usdt"]
    assert pool.counts == {"gain": 1, "draw": 1, "exhausted": 1, "deficit": 1}
    assert (pool.amount("gain"), pool.amount("draw"), pool.amount("deficit")) == (
        Decimal(5),
        Decimal(120),
        Decimal(15),
    )
    assert pool.is_conserved
    assert pool.natural(pool.deficit) == Decimal(-15)


def test_a_fund_that_is_not_the_sum_of_its_movements_is_found() -> None:
    chronicle = Chronicle()
    chronicle.note(fund("insurance_deposit", "100", ("0", "101"), ("0", "0")))
    assert not chronicle.pools["usdt"].is_conserved


def test_takeovers_are_summed_by_size_and_losses_with_their_sign() -> None:
    chronicle = Chronicle()
    chronicle.note(told("takeover", "L-1", value_at_mark="30.5"))
    chronicle.note(told("takeover", "L-2", value_at_mark="-10"))
    chronicle.note(told("close_out", "L-2", realized_pnl="-2.25"))
    pool = chronicle.pools["usdt"]
    assert pool.amount("takeover") == Decimal("40.5")
    assert pool.amount("close_out") == Decimal("-2.25")


def test_examples_are_the_first_liquidation_and_the_largest_deleveraging() -> None:
    chronicle = Chronicle()
    for subject in ("L-1", "L-2"):
        chronicle.note(told("liquidation", subject))
    for subject, loss in (("D-1", "3"), ("D-2", "7"), ("D-3", "5")):
        chronicle.note(told("deleveraging", subject, loss_absorbed=loss))
    assert chronicle.pools["usdt"].examples == {"liquidation": "L-1", "deleveraging": "D-2"}


def test_the_page_has_a_row_for_everything_counted() -> None:
    rows = Chronicle().rows()
    assert [row["what"] for row in rows] == list(COUNTED.values())
    assert rows[0]["usdt amount"] is None, "of margin calls the count says all"
