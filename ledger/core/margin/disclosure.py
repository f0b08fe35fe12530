"""What a record says of a margin account: every figure that its equity and requirement came from.

Figures are natural units, exact; the shape is that of docs/reference/records.md.
"""

from functools import lru_cache

from ledger.core.margin.statements import Position, Statement
from ledger.core.state import State
from ledger.core.units import ASSET_PRICE_SCALE, RATE_SCALE, Fixed


def shortest(coefficient: int, scale: int) -> Fixed:
    """A decimal without trailing zeros."""
    while scale and not coefficient % 10:
        coefficient, scale = coefficient // 10, scale - 1
    return Fixed(coefficient, scale)


@lru_cache(maxsize=1024)
def _rate(coefficient: int) -> Fixed:
    """A rate of a schedule; there are few of them, and each is told again and again."""
    return shortest(coefficient, RATE_SCALE)


def statement_body(state: State, found: Statement) -> dict[str, object]:
    """A margin account with all that it holds."""
    settlement = state.settlement
    scale = settlement.scale
    assets: list[dict[str, object]] = [
        {
            "asset": settlement.asset,
            "balance": Fixed(found.balance, scale),
            "price": None,
            "haircut": settlement.haircut,
            "value": Fixed(found.balance, scale),
        }
    ]
    for held in found.assets:
        price = held.price
        assets.append(
            {
                "asset": held.asset.asset,
                "balance": Fixed(held.balance, held.asset.scale),
                "price": None if price is None else shortest(price, ASSET_PRICE_SCALE),
                "haircut": held.asset.haircut,
                "value": Fixed(held.value, scale),
            }
        )
    return {
        "account": found.account,
        "margin_instrument": found.margin_instrument,
        "asset": settlement.asset,
        "scale": scale,
        "assets": assets,
        "collateral": Fixed(found.collateral, scale),
        "positions": [_position_body(held, scale) for held in found.positions],
        "unrealized_pnl": Fixed(found.unrealized_pnl, scale),
        "equity": Fixed(found.equity, scale),
        "maintenance_margin": Fixed(found.maintenance, scale),
        "initial_margin": Fixed(found.initial, scale),
    }


def _position_body(held: Position, scale: int) -> dict[str, object]:
    terms, tier = held.terms, held.tier
    return {
        "instrument": terms.instrument,
        "type": "inverse" if terms.is_inverse else "linear",
        "multiplier": terms.multiplier,
        "quantity": Fixed(held.quantity, terms.quantity_scale),
        "cost": Fixed(held.cost, scale),
        "mark_price": None if held.mark is None else Fixed(held.mark, terms.price_scale),
        "value": Fixed(held.value, scale),
        "leverage": held.leverage,
        "initial_rate": _rate(tier.initial_rate),
        "maintenance_rate": _rate(tier.maintenance_rate),
        "maintenance_amount": Fixed(tier.maintenance_amount, scale),
        "maintenance_margin": Fixed(held.maintenance, scale),
        "initial_margin": Fixed(held.initial, scale),
        "stale": held.stale,
    }
