"""What balances count for in equity: each account on its own, by terms and prices of one moment.

Equity of a participant, over all its margin accounts, is a sum in which every account has a part:

    wallet, isolated   settlement asset: the balance
                       other asset: down(balance * price * (1 - haircut)), a debt with
                       (1 + haircut); without a price nothing
    position           down(quantity * V(mark)); without a mark nothing
    variation          the balance; without a mark of its instrument nothing
    hold               nothing

So which margin account a position stands in, and what it requires, need not be known: margin modes,
leverage and tiers are not read. `down` is per account, as in the rules, for an account is one
position or one asset. Variation without a position does not occur (I5).

This is not the core's code, nor the views'; tests hold all three against each other.
Source: docs/spec/margin.md, docs/spec/liabilities.md (LI.3).
"""

from collections.abc import Iterable
from fractions import Fraction

from ledger.store.audit.liabilities import AssetPrice, InstrumentMark

Account = tuple[str, str | None, str | None]
"""Kind, instrument and asset."""


class Worth:
    """What a balance counts for, in smallest units of the settlement asset."""

    __slots__ = ("_credit", "_debt", "_divisor")

    def __init__(self, credit: Fraction, debt: Fraction) -> None:
        """Of one smallest unit that is held, and of one that is owed, exactly."""
        self._divisor = credit.denominator * debt.denominator
        self._credit = credit.numerator * debt.denominator
        self._debt = debt.numerator * credit.denominator

    def of(self, balance: int) -> int:
        """Rounded down."""
        return balance * (self._credit if balance > 0 else self._debt) // self._divisor


NOTHING = Worth(Fraction(0), Fraction(0))
ITSELF = Worth(Fraction(1), Fraction(1))


def worths(
    assets: Iterable[AssetPrice], instruments: Iterable[InstrumentMark]
) -> dict[Account, Worth]:
    """By kind, instrument and asset; what is not there counts nothing.

    Args:
        assets: One of them is the settlement asset.
        instruments: As they were marked.
    """
    known = list(assets)
    (settlement,) = [asset for asset in known if asset.is_settlement]
    found: dict[Account, Worth] = {
        ("wallet", None, asset.asset): collateral(asset, settlement.scale) for asset in known
    }
    for each in instruments:
        found["isolated", each.instrument, settlement.asset] = ITSELF
        if each.mark_price is not None:
            found["position", each.instrument, None] = contract(each, settlement.scale)
            found["variation", each.instrument, settlement.asset] = ITSELF
    return found


def collateral(asset: AssetPrice, scale: int) -> Worth:
    """Of a smallest unit of an asset; `scale` is the settlement asset's."""
    if asset.is_settlement:
        return ITSELF
    if asset.price is None or asset.haircut is None:
        return NOTHING
    haircut = Fraction(asset.haircut)
    price = Fraction(asset.price) * Fraction(10) ** (scale - asset.scale)
    return Worth(price * (1 - haircut), price * (1 + haircut))


def contract(instrument: InstrumentMark, scale: int) -> Worth:
    """`V(mark)` of a smallest unit of quantity; it has the same sign for long and for short."""
    assert instrument.mark_price is not None
    multiplier, mark = Fraction(instrument.multiplier), Fraction(instrument.mark_price)
    value = multiplier * mark if instrument.type == "linear" else -multiplier / mark
    value *= Fraction(10) ** (scale - instrument.scale)
    return Worth(value, value)
