"""Figures of 36 digits, the most that the books hold, come through the console without a loss."""

import re
from datetime import UTC, datetime
from decimal import Decimal, Inexact, getcontext

import pytest

from ledger.store.console.pools import Sum
from ledger.store.console.postings import Leg
from ledger.web.console.exact import EXACT, added
from ledger.web.console.figures import percent, reciprocal, times, units
from ledger.web.console.worked.totals import by_commodity, totals

LARGE = "123456789012345678.123456789012345678"
SMALLEST = Decimal("0.000000000000000001")


def digits(markup: str) -> str:
    return re.sub("<[^>]+>", "", markup)


def balance(kind: str, total: str | Decimal, house: str | None = None) -> Sum:
    """A sum of balances of one asset with 18 decimals."""
    value = Decimal(total)
    return Sum(kind, house, None, "WEI", 18, value, max(value, Decimal(0)), 1)


def leg(line: int, amount: str | Decimal) -> Leg:
    """A posting in the same asset."""
    return Leg(
        *(7, line, 1, "e-7", "deposit", datetime(2026, 1, 5, tzinfo=UTC), "ada", "wallet", None),
        *("WEI", "WEI", 18, Decimal(amount), Decimal(amount)),
    )


def test_books_that_are_off_by_the_smallest_unit_do_not_sum_to_zero() -> None:
    sums = [
        balance("wallet", LARGE),
        balance("custody", f"-{LARGE}", "@house"),
        balance("fees", SMALLEST, "@house"),
    ]
    found = totals(sums, "WEI")
    assert found.zero_sums[0].total == SMALLEST
    assert found.zero_sums[0].house == SMALLEST
    assert not found.is_zero


def test_sound_books_sum_to_zero_whatever_is_on_hold() -> None:
    held = SMALLEST * 4
    owed = EXACT.add(Decimal(LARGE), held)
    sums = [balance("wallet", LARGE), balance("hold", held)]
    sums.append(balance("custody", owed.copy_negate(), "@house"))
    found = totals(sums, "WEI")
    assert found.is_zero
    assert found.zero_sums[0].owed == owed
    assert f"{found.zero_sums[0].owed:f}" == "123456789012345678.123456789012345682"


def test_open_interest_and_the_fund_have_every_digit() -> None:
    contracts = [
        Sum("position", owner, "XYZ", None, 18, Decimal(0), Decimal(LARGE), 3)
        for owner in (None, "@liquidation")
    ]
    funds = [balance("insurance", LARGE, "@house"), balance("insurance", SMALLEST, "@liquidation")]
    found = totals([*contracts, *funds], "WEI")
    assert f"{found.interest[0].quantity:f}" == "246913578024691356.246913578024691356"
    assert f"{found.insurance:f}" == "123456789012345678.123456789012345679"


def test_an_event_sums_to_zero_only_if_it_does() -> None:
    legs = [leg(1, LARGE), leg(2, f"-{LARGE}")]
    assert by_commodity(legs) == [("WEI", Decimal(0))]
    assert by_commodity([*legs, leg(3, SMALLEST)]) == [("WEI", SMALLEST)]


def test_smallest_units_are_written_with_every_digit() -> None:
    whole = int(LARGE.replace(".", ""))
    assert digits(units(whole, 18)) == LARGE
    assert digits(units(-whole, 18)) == f"-{LARGE}"


def test_a_sum_that_would_lose_a_digit_fails() -> None:
    with pytest.raises(Inexact):
        added([Decimal("1e1500"), SMALLEST])
    assert not getcontext().traps[Inexact], "and nobody else's arithmetic was changed"


def test_a_ratio_of_equity_that_is_almost_nothing_is_written_out() -> None:
    ratio = Decimal(LARGE.replace(".", ""))
    assert digits(percent(ratio)) == "12345678901234567812345678901234567800.00 %"
    assert digits(times(ratio)) == "123456789012345678123456789012345678.00×"
    assert digits(percent(Decimal("0.00125"))) == "0.12 %", "half-even"


def test_leverage_is_short_and_its_title_says_all() -> None:
    assert digits(times(Decimal("12.34567"))) == "12.35×"
    assert 'title="12.34567"' in times(Decimal("12.34567"))
    assert digits(times(None)) == "–"
    assert digits(reciprocal("0.03")) == "33.33×"
    assert digits(reciprocal(Decimal("0.01"))) == "100.00×"
