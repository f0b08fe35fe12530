"""The queue of auto-deleveraging, worked from positions and margins at any event.

The view `reporting.adl_queue` tells the queue of now; this works the same from what
`reporting.positions_at` and `reporting.margin_at` say of any event, by the auditor's arithmetic
(`ledger.audit.policies`), exactly. A test holds the two against each other.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from ledger.audit.policies import Candidate, Inventory, candidate
from ledger.web.console.exact import EXACT

_PLACES = 18


class Queued(NamedTuple):
    """A position in its place.

    Attributes:
        side: long or short.
        score: By which the policy orders, half-even to 18 decimals; None without equity or mark.
        rank: Among the eligible of its side, 1 first; None if not eligible.
        eligible: Equity above zero, mark not stale, by capped_pro_rata in profit.
    """

    side: str
    account: str
    margin_mode: str
    quantity: Decimal
    unrealized_pnl: Decimal
    equity: Decimal
    score: Decimal | None
    rank: int | None
    eligible: bool


def queue(
    policy: str,
    terms: Mapping[str, Any],
    scale: int,
    positions: Sequence[Mapping[str, Any]],
    margins: Mapping[tuple[str, str | None], Mapping[str, Any]],
    balances: Mapping[tuple[str, str | None], Decimal],
) -> list[Queued]:
    """All positions of one instrument in the order in which they would be deleveraged.

    Args:
        policy: Of the pool.
        terms: Of the instrument, as its reference event says.
        scale: Decimals of the settlement asset.
        positions: Of the instrument, as `reporting.positions_at` tells them.
        margins: Margin accounts by participant and instrument; None: the cross account.
        balances: Settlement balances of margin accounts, likewise.
    """
    found: list[tuple[Queued, Candidate]] = []
    for row in positions:
        if row["account"].startswith("@"):
            continue
        key = (row["account"], row["instrument"] if row["margin_mode"] == "isolated" else None)
        found.append(_queued(policy, terms, scale, row, margins[key], balances.get(key)))
    return [
        queued._replace(rank=place if queued.eligible else None)
        for side in ("long", "short")
        for eligible in (True, False)
        for place, queued in enumerate(_ordered(policy, found, side, eligible=eligible), start=1)
    ]


def _ordered(
    policy: str, found: Sequence[tuple[Queued, Candidate]], side: str, *, eligible: bool
) -> list[Queued]:
    def place(one: tuple[Queued, Candidate]) -> tuple[Fraction, bytes]:
        queued, scored = one
        score = Fraction(scored.score)
        if policy == "pro_rata":
            score = Fraction(scored.upnl > 0)
        if policy == "capped_pro_rata":
            score = Fraction(0)
        return -score, queued.account.encode()

    chosen = [one for one in found if (one[0].side, one[0].eligible) == (side, eligible)]
    return [queued for queued, _ in sorted(chosen, key=place)]


def _queued(
    policy: str,
    terms: Mapping[str, Any],
    scale: int,
    row: Mapping[str, Any],
    margin: Mapping[str, Any],
    balance: Decimal | None,
) -> tuple[Queued, Candidate]:
    mark = row["mark_price"]
    inventory = Inventory(
        terms["type"],
        Fraction(terms["multiplier"]),
        Fraction(mark or 1),
        Fraction(0),
        Fraction(0),
        scale,
        int(terms["quantity_scale"]),
    )
    line = {
        "account": row["account"],
        "quantity": f"{row['quantity']:f}",
        "cost": f"{row['cost']:f}",
        "equity": f"{margin['equity']:f}",
        "maintenance_margin": f"{margin['maintenance_margin']:f}",
        "balance": f"{balance or Decimal(0):f}",
    }
    scored = candidate(policy, inventory, 0, line)
    has_score = margin["equity"] > 0 and mark is not None
    is_eligible = (
        margin["equity"] > 0
        and row["instrument"] not in margin["stale_instruments"]
        and (policy != "capped_pro_rata" or scored.upnl > 0)
    )
    queued = Queued(
        "long" if row["quantity"] > 0 else "short",
        row["account"],
        row["margin_mode"],
        row["quantity"],
        row["unrealized_pnl"],
        margin["equity"],
        _rounded(_shown(policy, scored)) if has_score else None,
        None,
        bool(is_eligible),
    )
    return queued, scored


def _shown(policy: str, scored: Candidate) -> Fraction:
    """The score as the view shows it."""
    score = Fraction(scored.score)
    return max(score, Fraction(0)) if policy == "capped_pro_rata" else score


def _rounded(score: Fraction) -> Decimal:
    """Half-even to 18 decimals."""
    units = Decimal(round(score * 10**_PLACES))
    return units.scaleb(-_PLACES, EXACT).normalize(EXACT)
