"""What a balance counts for in equity, by hand."""

from fractions import Fraction

import pytest

from ledger.audit.liabilities.equity import Worth, worths
from ledger.store.audit.liabilities import AssetPrice, InstrumentMark

USD = AssetPrice("USD", is_settlement=True, scale=2, haircut=None, price=None)


def of(account: tuple[str, str | None, str | None], balance: int) -> int:
    """With BTC of 8 decimals at 50,000 and a haircut of a tenth, and two marked contracts."""
    assets = [
        USD,
        AssetPrice("BTC", is_settlement=False, scale=8, haircut="0.1", price="50000"),
        AssetPrice("ETH", is_settlement=False, scale=18, haircut="0.2", price=None),
    ]
    instruments = [
        InstrumentMark("LIN", "linear", "0.5", 1, "7.3"),
        InstrumentMark("INV", "inverse", "100", 0, "30"),
        InstrumentMark("NEW", "linear", "1", 0, None),
    ]
    return worths(assets, instruments)[account].of(balance)


@pytest.mark.parametrize(
    ("account", "balance", "counts"),
    [
        (("wallet", None, "USD"), -750, -750),
        (("wallet", None, "BTC"), 100_000_000, 4_500_000),  # 1 BTC: 45,000.00
        (("wallet", None, "BTC"), -100_000_000, -5_500_000),  # a debt counts 55,000.00
        (("wallet", None, "BTC"), 1, 0),  # 0.045 of a cent, down
        (("wallet", None, "BTC"), -1, -1),  # 0.055 of a cent owed, down
        (("wallet", None, "ETH"), 10**18, 0),
        (("isolated", "LIN", "USD"), 40, 40),
        (("position", "LIN", None), 3, 109),  # 0.3 * 0.5 * 7.3 = 1.095
        (("position", "LIN", None), -3, -110),
        (("position", "INV", None), 1, -334),  # -100 / 30 = -3.33..
        (("position", "INV", None), -1, 333),
        (("variation", "INV", "USD"), 321, 321),
    ],
)
def test_an_account_counts_for(
    account: tuple[str, str | None, str | None], balance: int, counts: int
) -> None:
    assert of(account, balance) == counts


@pytest.mark.parametrize("kind", ["position", "variation"])
def test_what_never_had_a_mark_counts_nothing(kind: str) -> None:
    with pytest.raises(KeyError):
        of((kind, "NEW", None if kind == "position" else "USD"), 5)


def test_nothing_is_worth_nothing() -> None:
    assert Worth(Fraction(1, 3), Fraction(2, 7)).of(0) == 0
