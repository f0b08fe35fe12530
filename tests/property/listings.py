"""Terms of leveraged histories: pools, assets and instruments of all kinds, by chance."""

import random

from ledger.core import events
from ledger.core.units import Fixed, Microseconds
from tests.property.histories import POLICIES, fixed

ZERO = Fixed(0, 0)
BORDERS = ((400, 3000), (1000, 2000), (50, 100000))
SHAPES = (
    ("LIN", "linear", Fixed(1, 0), 2, 0, None),
    ("MINI", "linear", Fixed(1, 1), 1, 3, Microseconds(10**15)),
    ("INV", "inverse", Fixed(100, 0), 2, 0, None),
    ("ODD", "inverse", Fixed(3333, 1), 3, 2, Microseconds(10**15)),
)


def tiers(chance: random.Random) -> tuple[events.Tier, ...]:
    """One to three tiers, with borders near the sizes that are traded.

    Some ask less to begin with than to go on.
    """
    initial, maintenance = chance.choice(((2, 1), (10, 5), (20, 4), (40, 30), (4, 7)))
    caps = [*chance.choice(BORDERS)[: chance.randint(0, 2)], None]
    found: list[events.Tier] = []
    hundredths = chance.choice((0, 0, 0, 500))
    for step, cap in enumerate(caps, start=1):
        if found:
            hundredths += int(caps[step - 2] or 0) * maintenance
        found.append(
            events.Tier(
                None if cap is None else Fixed(cap, 0),
                fixed(min(100, initial * step), 2),
                fixed(maintenance * step, 2),
                fixed(hundredths, 2),
            )
        )
    return tuple(found)


def pool_terms(chance: random.Random, scale: int) -> events.Pool:
    return events.Pool(
        "USD",
        scale,
        chance.choice(("full", "full", "full", "partial", "partial", "partial", "off")),
        chance.choice((ZERO, Fixed(5, 3), Fixed(5, 2), Fixed(1, 0))),
        chance.choice((ZERO, Fixed(1, 1), Fixed(5, 1))),
        chance.choice((ZERO, ZERO, Fixed(10, 0), Fixed(300, 0))),
        chance.choice(POLICIES),  # type: ignore[arg-type]
        chance.choice(("open", "socialize")),
    )


def listed(chance: random.Random) -> list[events.Fact]:
    """Two collateral assets and four instruments."""
    facts: list[events.Fact] = [
        events.Asset("BTC", 8, fixed(chance.choice((0, 1, 3)), 1)),
        events.Asset("ETH", 18, fixed(chance.choice((0, 1, 10)), 1)),
    ]
    for name, kind, multiplier, price_scale, quantity_scale, expiry in SHAPES:
        guarded = chance.random() < 0.3
        facts.append(
            events.Instrument(
                name,
                kind,  # type: ignore[arg-type]
                multiplier,
                price_scale,
                quantity_scale,
                expiry,
                tiers(chance),
                chance.choice((Fixed(1, 1), Fixed(5, 1))) if guarded else None,
                chance.choice((5, 30)) if chance.random() < 0.3 else None,
                chance.choice((1, 2, 3)),
            )
        )
    return facts
