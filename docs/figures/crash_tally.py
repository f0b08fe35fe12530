"""What the records of the crash add up to, minute by minute."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from docs.figures.crash_bars import START
from ledger.core.events import Event, OpeningPosition
from ledger.core.outcome import Outcome
from ledger.core.units import Fixed

MINUTE = timedelta(minutes=1)


@dataclass
class Sums:
    """USDT of one minute: taken over from longs and shorts, and deleveraged."""

    longs: Decimal = Decimal(0)
    shorts: Decimal = Decimal(0)
    deleveraged: Decimal = Decimal(0)


@dataclass
class Tally:
    """Fed with every outcome.

    Attributes:
        minutes: By number from the beginning of the window.
        counts: Of records, by kind; events as `event <kind>`.
        totals: USDT by what they are.
        liquidated: Margin accounts liquidated, each once.
        deleveraged: Accounts deleveraged, each once.
    """

    minutes: dict[int, Sums] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    totals: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    liquidated: set[tuple[str, str | None]] = field(default_factory=set)
    deleveraged: set[str] = field(default_factory=set)

    def watch(self, event: Event, outcome: Outcome) -> None:
        """See one event."""
        self.counts[f"event {event.kind}"] += 1
        self.counts["postings"] += len(outcome.postings)
        if isinstance(event.fact, OpeningPosition):
            self.counts["positions at the start"] += 1
        at = datetime.fromtimestamp((event.occurred_at - 1) / 1e6, UTC)
        sums = self.minutes.setdefault(max(0, (at - START) // MINUTE), Sums())
        for kind, _, body in outcome.records:
            self.counts[kind] += 1
            self._add(sums, kind, body)

    def _add(self, sums: Sums, kind: str, body: dict[str, Any]) -> None:
        match kind:
            case "liquidation":
                self.liquidated.add((body["account"], body["margin_instrument"]))
            case "takeover":
                notional = abs(plain(body["value_at_mark"]))
                self.totals["taken over"] += notional
                self.totals["penalties"] += plain(body["penalty"])
                if body["position"].coefficient > 0:
                    sums.longs += notional
                else:
                    sums.shorts += notional
            case "deleveraged":
                notional = plain(body["quantity"]) * plain(body["price"])
                sums.deleveraged += notional
                self.totals["deleveraged"] += notional
                self.deleveraged.add(body["account"])
            case "deleveraging":
                self.totals["absorbed"] += plain(body["loss_absorbed"])
            case "fund":
                self.totals[f"fund {body['cause']}"] += plain(body["amount"])
            case "made_whole":
                self.totals["made whole"] += plain(body["amount"])
            case _:
                pass


def plain(number: object) -> Decimal:
    """A figure of a record."""
    assert isinstance(number, Fixed)
    return Decimal(number.coefficient).scaleb(-number.scale)
