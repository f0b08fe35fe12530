"""What happens how often in a leveraged history: wild ones default, calm ones stay near borders."""

from collections.abc import Callable

from ledger.core import events
from tests.property import by_hand
from tests.property.leveraged import Market
from tests.property.model import Model

Kinds = list[Callable[[Market], events.Fact]]

WILD: Kinds = [
    *[Market.trade] * 14,
    *[Market.closing_trade] * 8,
    *[Market.bust] * 2,
    *[Market.price] * 16,
    *[Market.border_price] * 8,
    *[Market.suspect_price] * 3,
    *[Market.price_accept] * 1,
    *[Market.asset_price] * 3,
    *[Market.funding] * 3,
    *[Market.settle] * 3,
    *[Market.deposit] * 8,
    *[Market.leaving] * 6,
    *[Market.end_request] * 2,
    *[Market.choose_mode] * 6,
    *[Market.move_margin] * 4,
    *[Market.insure] * 2,
    *[by_hand.opening] * 2,
    *[by_hand.adjust] * 2,
    *[by_hand.change_terms] * 2,
]

CALM: Kinds = [
    *[Market.price] * 12,
    *[Market.border_price] * 12,
    *[Market.trade] * 6,
    *[Market.closing_trade] * 4,
    Market.asset_price,
    Market.funding,
    Market.settle,
    *[Market.deposit] * 2,
    *[Market.leaving] * 4,
    *[Market.choose_mode] * 2,
    *[Market.move_margin] * 3,
    by_hand.adjust,
    by_hand.change_terms,
]


def market(seed: int, model: Model) -> Market:
    """Of three seeds one is calm: modest positions, small steps, and prices just at borders."""
    is_calm = seed % 3 == 0
    return Market(seed, model, CALM if is_calm else WILD, is_calm=is_calm)
