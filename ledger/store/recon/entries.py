"""Average entry prices of a pool's positions, exact, as of a sequence."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from ledger.store.recon.books import OurBooks

_ENTRIES = """
    SELECT p.account, p.instrument, t.content ->> 'type', (t.content ->> 'multiplier')::numeric,
           (t.content ->> 'price_scale')::integer, p.quantity, p.cost
      FROM (SELECT account, instrument,
                   max(balance) FILTER (WHERE kind = 'position') AS quantity,
                   coalesce(sum(balance) FILTER (WHERE kind = 'variation'), 0) AS cost
              FROM reporting.balances_at(%(pool)s, %(sequence)s::bigint)
             WHERE kind IN ('position', 'variation')
             GROUP BY account, instrument
            HAVING max(balance) FILTER (WHERE kind = 'position') <> 0) p
     CROSS JOIN LATERAL ledger.reference_at(%(shard)s, 'instrument', p.instrument,
                                            %(sequence)s::bigint) t
     WHERE left(p.account, 1) <> '@'"""


class Entry(NamedTuple):
    """Of one position.

    Attributes:
        quantity: Contracts, signed.
        price: What it cost by what it holds, exact; None where that is not above zero.
        tick: The smallest step of the instrument's prices.
    """

    quantity: Decimal
    price: Fraction | None
    tick: Decimal


def entries(books: OurBooks, sequence: int) -> Mapping[tuple[str, str], Entry]:
    """Positions of participants after an event, by account and instrument."""
    named = {"pool": books.pool, "shard": books.shard, "sequence": sequence}
    found = {}
    for account, instrument, kind, multiplier, scale, quantity, cost in books.connection.execute(
        _ENTRIES, named
    ):
        price = _price(kind, Fraction(multiplier) * Fraction(quantity), Fraction(cost))
        found[account, instrument] = Entry(quantity, price, Decimal(1).scaleb(-scale))
    return found


def _price(kind: str, contracts: Fraction, cost: Fraction) -> Fraction | None:
    """A long position of a linear instrument cost something, and one of an inverse one gave it."""
    if not cost:
        return None
    price = -cost / contracts if kind == "linear" else contracts / cost
    return price if price > 0 else None
