"""The participants of the crash: a seeded crowd, and a few makers on the other side.

Nobody's book of that day is public; this crowd is invented, and only its shape is meant: many small
accounts and a few large ones, 2x to 50x, two longs for a short by head, a part of the positions on
isolated margin, some accounts with coins for collateral, entries at prices of the last three days.
Everyone stands healthy when the window opens.
"""

import random
from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from docs.figures.crash_bars import COINS, MarketFiles

SEED = 20_251_010
MAKERS = tuple(f"maker-{number}" for number in range(1, 6))
QUANTITY = Decimal("0.001")
CENT = Decimal("0.01")
LEVERAGES = {2: 10, 3: 14, 5: 22, 10: 26, 20: 18, 25: 6, 50: 4}
LONG_SHARE = 0.66
ISOLATED_SHARE = 0.25
COIN_SHARE = 0.2
ONE_COIN_SHARE = 0.7
HEALTH = Decimal("0.6")
"""Largest maintenance margin over equity with which an account comes into the window."""


class Entered(NamedTuple):
    """A position at the beginning; `quantity` signed."""

    coin: str
    quantity: Decimal
    price: Decimal
    leverage: int
    is_isolated: bool


class Participant(NamedTuple):
    """Who comes into the window with what.

    Attributes:
        name: Account id.
        cash: USDT.
        coins: Collateral by coin.
        positions: By coin, at most one each.
    """

    name: str
    cash: Decimal
    coins: dict[str, Decimal]
    positions: list[Entered]


def crowd(market: MarketFiles, count: int, seed: int = SEED) -> Iterator[Participant]:
    """So many participants; the makers who take their other side are not among them."""
    draw = random.Random(seed)  # noqa: S311 - seeded on purpose
    marks = {coin: market.bars[coin][0].open for coin in COINS}
    for number in range(1, count + 1):
        is_long = draw.random() < LONG_SHARE
        while True:
            drawn = _participant(draw, f"trader-{number:04}", market, marks, is_long=is_long)
            if _is_healthy(drawn, marks):
                yield drawn
                break


def _participant(
    draw: random.Random,
    name: str,
    market: MarketFiles,
    marks: dict[str, Decimal],
    *,
    is_long: bool,
) -> Participant:
    wealth = Decimal(f"{min(draw.lognormvariate(9.2, 1.5), 5e6):.2f}")
    used = draw.choices(list(LEVERAGES), list(LEVERAGES.values()))[0]
    coins_chosen = [draw.choice(COINS)] if draw.random() < ONE_COIN_SHARE else list(COINS)
    exposure = wealth * used * Decimal(f"{draw.uniform(0.35, 0.9):.3f}")
    positions = []
    for coin in coins_chosen:
        age = int(len(market.earlier[coin]) * draw.random() ** 2)
        price = market.earlier[coin][-1 - age]
        quantity = (exposure / len(coins_chosen) / price).quantize(QUANTITY, ROUND_DOWN)
        if quantity:
            signed = quantity if is_long else -quantity
            isolated = draw.random() < ISOLATED_SHARE
            positions.append(Entered(coin, signed, price, used, isolated))
    coins: dict[str, Decimal] = {}
    if draw.random() < COIN_SHARE:
        coin = draw.choice(COINS)
        part = Decimal(f"{draw.uniform(0.2, 0.8):.2f}")
        coins[coin] = (wealth * part / marks[coin]).quantize(Decimal("0.000001"), ROUND_DOWN)
        wealth = (wealth * (1 - part)).quantize(CENT)
    return Participant(name, wealth, coins, positions)


def _is_healthy(drawn: Participant, marks: dict[str, Decimal]) -> bool:
    """With a wide berth, so that nobody is under before the first bar."""
    if not drawn.positions:
        return False
    worth = drawn.cash + sum((marks[c] * held for c, held in drawn.coins.items()), Decimal(0)) / 2
    locked = sum(
        (abs(p.quantity) * p.price / p.leverage for p in drawn.positions if p.is_isolated),
        Decimal(0),
    )
    if locked > drawn.cash * Decimal("0.9"):
        return False
    for held in drawn.positions:
        pnl = held.quantity * (marks[held.coin] - held.price)
        margin = abs(held.quantity) * held.price / held.leverage if held.is_isolated else worth
        required = abs(held.quantity) * marks[held.coin] * Decimal("0.012")
        if required * len(drawn.positions) > (margin + pnl * len(drawn.positions)) * HEALTH:
            return False
    return True
