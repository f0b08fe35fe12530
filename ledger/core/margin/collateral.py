"""What a balance of a collateral asset counts for, in the settlement asset.

    balance > 0   balance * price * (1 - haircut)
    balance < 0   balance * price * (1 + haircut)      a debt counts more than it is worth

Callers round down: a credit in favour of the clearing house, a debt likewise.
Source: docs/spec/margin.md.
"""

from ledger.core.units import ASSET_PRICE_SCALE, Fixed


def collateral_fraction(
    balance: int, price: int, haircut: Fixed, asset_scale: int, settlement_scale: int
) -> tuple[int, int]:
    """The exact amount, as (numerator, positive denominator), smallest settlement units.

    Args:
        balance: Smallest units of the asset, signed.
        price: Of one whole unit, in 10^-18 of the settlement asset.
        haircut: At most one.
        asset_scale, settlement_scale: Decimals of the two assets.
    """
    one = 10**haircut.scale
    factor = one - haircut.coefficient if balance > 0 else one + haircut.coefficient
    numerator = balance * price * factor * 10**settlement_scale
    return numerator, one * 10 ** (asset_scale + ASSET_PRICE_SCALE)
