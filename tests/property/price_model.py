"""Prices that the slow model derives: of a value, and where an account would meet maintenance."""

from fractions import Fraction

from ledger.core import events
from tests.property.books import NOTHING, exact
from tests.property.margin_model import Margin


def rounded_price(model: Margin, instrument: str, price: Fraction) -> Fraction | None:
    """Half-even to the price scale; None where it is not positive then."""
    one = 10 ** model.listed[instrument].price_scale
    found = Fraction(round(price * one), one)
    return found if found > 0 else None


def implied_price(
    model: Margin, instrument: str, quantity: Fraction, value: Fraction
) -> Fraction | None:
    """The price at which `quantity` contracts are worth `value`."""
    terms = model.listed[instrument]
    size = quantity * exact(terms.multiplier)
    if terms.type == "linear":
        return rounded_price(model, instrument, value / size)
    return rounded_price(model, instrument, -size / value) if value else None


def liquidation_price(model: Margin, owner: str, instrument: str) -> Fraction | None:
    """Where the account meets its maintenance margin; None where the position has no mark."""
    return border_price(model, owner, instrument, is_initial=False)


def border_price(
    model: Margin, owner: str, instrument: str, *, is_initial: bool
) -> Fraction | None:
    """The root of the unrounded `equity = requirement` in this one mark.

    In the notional `n` of the position: `rest + way * n = max(0, rate * n - amount)`, tried in
    every tier and at zero.
    """
    if instrument not in model.marks:
        return None
    rest = without(model, owner, instrument, is_initial=is_initial)
    quantity = model.held(owner, instrument)
    terms = model.listed[instrument]
    way = 1 if (quantity > 0) == (terms.type == "linear") else -1
    low, roots = NOTHING, set()
    for tier in terms.tiers:
        rate, amount = required(model, owner, instrument, tier, is_initial=is_initial)
        cap = None if tier.notional_cap is None else exact(tier.notional_cap)
        for is_free in (False, True):
            slope, constant = (Fraction(way), rest) if is_free else (way - rate, rest + amount)
            root = -constant / slope if slope else NOTHING
            if (rate * root <= amount) == is_free and low <= root and (cap is None or root < cap):
                roots.add(root)
        low = low if cap is None else cap
    found = [root for root in roots if root > 0]
    if not found:
        return None
    size = abs(quantity) * exact(terms.multiplier)
    price = found[0] / size if terms.type == "linear" else size / found[0]
    return rounded_price(model, instrument, price)


def required(
    model: Margin, owner: str, instrument: str, tier: events.Tier, *, is_initial: bool
) -> tuple[Fraction, Fraction]:
    """Rate and amount of a requirement in a tier."""
    if not is_initial:
        return exact(tier.maintenance_rate), exact(tier.maintenance_amount)
    leverage = model.modes.get((owner, instrument), ("cross", None))[1]
    return max(exact(tier.initial_rate), 1 / leverage if leverage else NOTHING), NOTHING


def without(model: Margin, owner: str, instrument: str, *, is_initial: bool) -> Fraction:
    """Equity less requirement of all but the position's value and its own, unrounded."""
    account = model.margin_account(owner, instrument)
    total = model.books.get(model.cash_key(account), NOTHING)
    if account[1] is None:
        for asset, price in model.asset_prices.items():
            balance = model.books.get((owner, "wallet", asset), NOTHING)
            haircut = model.haircuts[asset]
            if asset != model.settlement:
                total += balance * price * (1 - haircut if balance > 0 else 1 + haircut)
    for position in model.statement(account).positions:
        name = position.instrument
        if name not in model.marks:
            continue
        total += position.cost
        if name != instrument:
            tier = model.tier(name, position.notional)
            rate, amount = required(model, owner, name, tier, is_initial=is_initial)
            total += model.at_mark(name, position.quantity)
            total -= max(NOTHING, rate * position.notional - amount)
    return total
