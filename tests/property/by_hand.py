"""Rarer events of leveraged histories: openings, adjustments, and terms sent again."""

from fractions import Fraction

from ledger.core import events
from ledger.core.units import Fixed
from tests.property.books import HOUSE
from tests.property.histories import fixed
from tests.property.leveraged import Market, to_scale
from tests.property.listings import pool_terms, tiers


def opening(market: Market) -> events.Fact:
    """Positions in matching pairs and single; balances, also negative ones."""
    instrument, person = market.instrument(), market.person()
    if market.chance.random() < 0.4:
        amount = market.money(10, 100)
        asset = market.chance.choice(("USD", "USD", "USD", "ETH"))
        sign = market.chance.choice((1, 1, -1))
        scale = min(amount.scale, market.model.scales[asset])
        return events.OpeningBalance(person, asset, Fixed(sign * amount.coefficient, scale))
    house = market.model.held(HOUSE, instrument)
    if house and market.chance.random() < 0.7:
        quantity = to_scale(house, market.model.listed[instrument].quantity_scale)
    else:
        found = market.quantity_of(instrument, Fraction(market.chance.choice((50, 500))))
        quantity = Fixed(market.chance.choice((1, -1)) * found.coefficient, found.scale)
    price = market.price_near(instrument, (0, 1, -1, 20))
    return events.OpeningPosition(person, instrument, quantity, price)


def adjust(market: Market) -> events.Fact:
    """Money taken or given by hand, the fund's too; or a position moved with its cost."""
    checker = "maria" if market.chance.random() < 0.05 else "noor"
    holders = market.model.holders(market.instrument())
    if holders and market.chance.random() < 0.3:
        lines = _moved(market)[: market.chance.choice((2, 4, 4, 4))]
    elif market.chance.random() < 0.2:
        lines = _margin_given(market)
    else:
        amount, asset = market.money(3, 40), "USD"
        kind = market.chance.choice(("fees", "deficit", "insurance", "suspense", "suspense"))
        if kind == "suspense" and market.chance.random() < 0.3:
            amount, asset = fixed(market.chance.randint(1, 300), 2), "ETH"
        sign = market.chance.choice((1, -1))
        signed, other = (Fixed(way * amount.coefficient, amount.scale) for way in (sign, -sign))
        lines = (
            events.AdjustmentLine(market.person(), "wallet", None, asset, signed),
            events.AdjustmentLine(HOUSE, kind, None, asset, other),
        )
    return events.Adjustment(lines, "by hand", "maria", checker)


def _margin_given(market: Market) -> tuple[events.AdjustmentLine, ...]:
    isolated = [pair for pair in market.model.margin_accounts() if pair[1] is not None]
    owner, name = market.chance.choice(isolated or [(market.person(), market.instrument())])
    amount = market.money(1, 10)
    other = Fixed(-amount.coefficient, amount.scale)
    return (
        events.AdjustmentLine(market.person(), "wallet", None, "USD", other),
        events.AdjustmentLine(owner, "isolated", name, "USD", amount),
    )


def _moved(market: Market) -> tuple[events.AdjustmentLine, ...]:
    name = market.instrument()
    owner, held = market.chance.choice(
        market.model.holders(name) or [(market.person(), Fraction(-2))]
    )
    target = market.person()
    times = market.chance.choice((1, 1, 2))  # twice: it turns
    quantity = to_scale(held * times, market.model.listed[name].quantity_scale)
    cost = to_scale(market.model.cost(owner, name) or Fraction(70), market.model.pool.scale)
    lines = []
    for whose, sign in ((owner, -1), (target, 1)):
        for kind, asset, amount in (("position", None, quantity), ("variation", "USD", cost)):
            signed = Fixed(sign * amount.coefficient, amount.scale)
            lines.append(events.AdjustmentLine(whose, kind, name, asset, signed))
    return tuple(line for line in lines if line.amount.coefficient)


def change_terms(market: Market) -> events.Fact:
    """Risk fields of the pool, an asset or an instrument, sent again."""
    chance = market.chance
    choice = chance.randint(0, 4)
    if choice == 0:
        return pool_terms(chance, market.model.pool.scale)
    if choice == 1:
        return events.Asset("BTC", 8, fixed(chance.choice((0, 2, 5)), 1))
    if choice == 2:
        return events.RiskTiers(market.instrument(), tiers(chance))
    if choice == 3:
        return events.Account(market.person(), tags=("seen",))
    terms = market.model.listed[market.instrument()]
    return terms._replace(
        price_band=chance.choice((None, Fixed(1, 1), Fixed(5, 1))),
        price_max_age=chance.choice((None, 5, 30)),
    )
