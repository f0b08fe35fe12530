"""What the sums of a pool say: zero sums, custody against what is owed, fund, open interest."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from ledger.store.console.pools import Sum
from ledger.store.console.postings import Leg
from ledger.web.console.exact import EXACT, added

_OWED = ("wallet", "isolated", "hold")


class ZeroSum(NamedTuple):
    """All balances of one commodity.

    Attributes:
        total: Sum of all of them; anything but zero is a fault of the books.
        turned: Sum of the positive ones.
        owed: To participants, of an asset.
        custody: What the outside world owes, of an asset; negative.
        house: All other accounts of the house, of an asset.
    """

    commodity: str
    asset: str | None
    scale: int
    total: Decimal
    turned: Decimal
    owed: Decimal
    custody: Decimal
    house: Decimal


class OpenInterest(NamedTuple):
    """Contracts held long in an instrument."""

    instrument: str
    scale: int
    quantity: Decimal
    holders: int


class Totals(NamedTuple):
    """A pool at a glance."""

    zero_sums: list[ZeroSum]
    interest: list[OpenInterest]
    insurance: Decimal
    deficit: Decimal

    @property
    def is_zero(self) -> bool:
        """Every commodity sums to zero."""
        return all(each.total == 0 for each in self.zero_sums)


def totals(sums: Sequence[Sum], asset: str) -> Totals:
    """The totals of a pool.

    Args:
        sums: Of all its accounts.
        asset: The settlement asset.
    """
    found: dict[tuple[bool, str], list[Sum]] = {}
    for each in sums:
        found.setdefault((each.asset is None, each.commodity), []).append(each)
    return Totals(
        [_zero_sum(name, some) for (_, name), some in sorted(found.items())],
        _interest(sums),
        _total(sums, "insurance", asset),
        _total(sums, "deficit", asset),
    )


def _zero_sum(name: str, found: Sequence[Sum]) -> ZeroSum:
    owed = added(one.total for one in found if one.house is None and one.kind in _OWED)
    custody = added(one.total for one in found if one.kind == "custody")
    total = added(one.total for one in found)
    turned = added(one.positive for one in found)
    rest = EXACT.subtract(EXACT.subtract(total, owed), custody)
    return ZeroSum(name, found[0].asset, found[0].scale, total, turned, owed, custody, rest)


def _interest(sums: Sequence[Sum]) -> list[OpenInterest]:
    found: Mapping[str, list[Sum]] = {
        name: [one for one in sums if one.kind == "position" and one.instrument == name]
        for name in sorted({one.instrument or "" for one in sums if one.kind == "position"})
    }
    return [
        OpenInterest(
            name,
            held[0].scale,
            added(one.positive for one in held),
            sum(one.holders for one in held),
        )
        for name, held in found.items()
    ]


def _total(sums: Sequence[Sum], kind: str, asset: str) -> Decimal:
    return added(one.total for one in sums if one.kind == kind and one.asset == asset)


def by_commodity(legs: Iterable[Leg]) -> list[tuple[str, Decimal]]:
    """What postings sum to, by commodity; of a whole event each is zero."""
    found: dict[str, Decimal] = {}
    for leg in legs:
        found[leg.commodity] = EXACT.add(found.get(leg.commodity, Decimal(0)), leg.amount)
    return sorted(found.items())
