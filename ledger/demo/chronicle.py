"""What the records told of liquidations, the fund and deleveraging: counts, amounts, examples.

Amounts are whole numbers of the settlement asset's smallest unit. A *gain* or *draw* is a movement
of the fund up or down that nobody paid in or adjusted; it is *exhausted* when a draw takes the last
of it.
"""

from collections import Counter
from decimal import Decimal

from ledger.demo.listings import POOLS, SCALES
from ledger.demo.records import Published, whole

_PAID_IN = {"insurance_deposit", "adjustment"}
COUNTED = {
    "margin_call": "margin calls",
    "margin_call_end": "margin calls ended",
    "liquidation": "liquidations",
    "takeover": "takeovers",
    "close_out": "close-outs",
    "gain": "fund gains",
    "draw": "fund draws",
    "exhausted": "fund exhausted",
    "seizure": "seizures",
    "made_whole": "made whole",
    "deleveraging": "ADL inventories",
    "deleveraged": "ADL parts",
    "deficit": "deficits opened",
    "socialized_loss": "losses shared",
    "suspect_mark": "suspect prices",
}
"""What is counted in each pool, by its name in the counts, with the words of the summary."""

_AMOUNTS = {
    "takeover": "value_at_mark",
    "close_out": "realized_pnl",
    "seizure": "value",
    "made_whole": "amount",
    "deleveraging": "loss_absorbed",
    "socialized_loss": "share",
}
"""The field of each kind of record that is summed; of takeovers its size, whatever its sign."""
_SUMMED = {*_AMOUNTS, "gain", "draw", "deficit"}


class PoolChronicle:
    """Of one pool.

    Attributes:
        counts, amounts: By the keys of `COUNTED`.
        fund, deficit: Balances after the latest movement.
        fund_total: Sum of all movements: what `fund + deficit` has to be.
        examples: A subject for some kinds, to be explained: the first liquidation, the largest
            deleveraging, the deepest draw.
    """

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.counts: Counter[str] = Counter()
        self.amounts: Counter[str] = Counter()
        self.fund = 0
        self.deficit = 0
        self.fund_total = 0
        self.examples: dict[str, str] = {}
        self._largest: dict[str, int] = {}

    @property
    def is_conserved(self) -> bool:
        """Whether fund and deficit are exactly what the movements sum to."""
        return self.fund + self.deficit == self.fund_total

    def natural(self, amount: int) -> Decimal:
        """Smallest units as an amount of the settlement asset."""
        return Decimal(amount).scaleb(-self.scale)

    def amount(self, kind: str) -> Decimal | None:
        """Of what is counted; None where counts say all."""
        return self.natural(self.amounts[kind]) if kind in _SUMMED else None

    def note(self, record: Published) -> None:
        """Counts a record."""
        kind = record.kind
        if kind == "fund":
            self._note_fund(record)
        elif kind in COUNTED:
            self.counts[kind] += 1
            field = _AMOUNTS.get(kind)
            amount = 0 if field is None else self._amount(record, field)
            self.amounts[kind] += abs(amount) if kind == "takeover" else amount
            if kind == "liquidation":
                self.examples.setdefault(kind, record.subject)
            elif kind == "deleveraging":
                self._exemplify(kind, amount, record.subject)

    def _note_fund(self, record: Published) -> None:
        amount = self._amount(record, "amount")
        before, self.fund = (
            self._amount(record, name) for name in ("insurance_before", "insurance_after")
        )
        deficit_before = self._amount(record, "deficit_before")
        self.deficit = self._amount(record, "deficit_after")
        self.fund_total += amount
        if record.body["cause"] in _PAID_IN or amount == 0:
            return
        kind = "gain" if amount > 0 else "draw"
        self._add(kind, abs(amount))
        if kind == "draw":
            self._exemplify(kind, -amount, record.subject)
        if before > 0 and self.fund == 0:
            self.counts["exhausted"] += 1
        if self.deficit < deficit_before:
            self._add("deficit", deficit_before - self.deficit)

    def _add(self, kind: str, amount: int) -> None:
        self.counts[kind] += 1
        self.amounts[kind] += amount

    def _exemplify(self, kind: str, size: int, subject: str) -> None:
        if size > self._largest.get(kind, -1):
            self._largest[kind] = size
            self.examples[kind] = subject

    def _amount(self, record: Published, field: str) -> int:
        return whole(record.body[field], self.scale)


class Chronicle:
    """Of all pools, in the order in which they are declared."""

    def __init__(self) -> None:
        self.pools = {terms.pool: PoolChronicle(SCALES[terms.pool]) for terms in POOLS}

    def note(self, record: Published) -> None:
        """Counts a record."""
        self.pools[record.pool].note(record)

    def rows(self) -> list[dict[str, object]]:
        """A row for each thing counted: its words, and count and amount in each pool."""
        return [
            {"what": words}
            | {
                f"{name} {column}": found
                for name, pool in self.pools.items()
                for column, found in (
                    ("count", pool.counts[kind]),
                    ("amount", pool.amount(kind)),
                )
            }
            for kind, words in COUNTED.items()
        ]

    def as_json(self) -> dict[str, object]:
        """By pool: counts, amounts as decimal strings, fund and deficit, examples."""
        return {
            name: {
                "counts": {kind: pool.counts[kind] for kind in COUNTED},
                "amounts": {
                    kind: f"{amount:f}"
                    for kind in COUNTED
                    if (amount := pool.amount(kind)) is not None
                },
                "insurance": f"{pool.natural(pool.fund):f}",
                "deficit": f"{pool.natural(pool.deficit):f}",
                "is_conserved": pool.is_conserved,
                "examples": pool.examples,
            }
            for name, pool in self.pools.items()
        }
