"""Tables of a report: exact totals in groups apart, rows beyond memory, ties that refuse."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from ledger.reports import rows as kept_rows
from ledger.reports.model import Column, DoesNotTie, Tie, minus, plus, table, tied
from ledger.reports.rows import Row, keep
from tests.unit.reports.made import AT, COLUMNS, LARGE, row

UNIT = Decimal("0.000000000000000001")
MONEY = (Column("asset", "Asset"), Column("amount", "Amount", "amount", summed=True))


def test_totals_keep_every_digit() -> None:
    found = table("t", "T", MONEY, [("ETH", Decimal(10) ** 35), ("ETH", UNIT)])
    assert found.totals == ((None, Decimal(f"{10**35}.{UNIT:f}".replace(".0.", "."))),)
    assert minus(found.total("amount"), Decimal(10) ** 35) == UNIT


def test_a_sum_that_would_lose_a_digit_fails() -> None:
    with pytest.raises(ArithmeticError):
        plus(Decimal("1e200"), UNIT)


def test_commodities_are_never_added_up_together() -> None:
    lines: list[Row] = [("BTC", Decimal(1)), ("USD", Decimal(5)), ("BTC", Decimal(2))]
    found = table("t", "T", MONEY, lines, by=["asset"])
    assert found.totals == (("BTC", Decimal(3)), ("USD", Decimal(5)))
    assert found.total("amount", "USD") == 5
    assert found.total("amount", "ETH") == 0


def test_a_table_without_rows_has_no_totals_and_sums_to_zero() -> None:
    found = table("t", "T", MONEY, [])
    assert not found.totals
    assert found.total("amount") == len(found.rows) == 0


def test_rows_beyond_memory_are_the_same_rows_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_rows, "ROWS_IN_MEMORY", 10)
    given = [row(number, amount=LARGE if number % 2 else UNIT) for number in range(5_000)]
    given.append(("é\n\"'", None, None, None, None, None, None, None))
    kept = keep([column.kind for column in COLUMNS], iter(given))
    assert len(kept) == len(given)
    assert list(kept) == given
    assert list(kept) == given
    one, other = iter(kept), iter(kept)
    assert [(next(one), next(other)) for _ in range(100)] == [(each, each) for each in given[:100]]


def test_few_rows_stay_in_memory() -> None:
    assert keep(["moment"], [(AT,)]) == ((AT,),)


def test_rows_are_taken_one_by_one() -> None:
    taken = []

    def source() -> Iterator[Row]:
        for number in range(kept_rows.ROWS_IN_MEMORY + 5):
            taken.append(number)
            yield (number,)

    kept = keep(["count"], source())
    assert len(taken) == len(kept) == kept_rows.ROWS_IN_MEMORY + 5
    assert not isinstance(kept, tuple)


def test_parts_that_do_not_tie_are_all_named() -> None:
    good = Tie("one against one", "USD", Decimal(1), Decimal("1.0"))
    ties = [good, Tie("fees", "USD", Decimal(5), Decimal("5.01")), Tie("fund", "USD", UNIT, -UNIT)]
    with pytest.raises(DoesNotTie) as refused:
        tied(ties)
    assert "2 of 3 sums do not tie" in str(refused.value)
    assert "fees (USD): 5 against 5.01" in str(refused.value)
    assert "fund (USD): 0.000000000000000001 against -0.0000" in str(refused.value)
    assert "one against one" not in str(refused.value)
    assert [len(each.rows) for each in tied([good]).tables] == [1]
