"""What the venue's own files say the books must be: read straight from them, without the importers.

Figures are the venue's (`startPosition`, `closedPnl`, `fee`), not worked out by any code under
test. A *closing* is one account's side of a trade that reduces its position; it can be held against
the ledger when the entry price is known:

* `opened`: the position was opened inside the file (or again, after it was flat, or by a flip);
* `inferred`: it was open before the file, or behind a gap, and an earlier closing gave its entry
  price away;
* `increased`: as inferred, but increased since, so the entry is known to one tick only;
* `first`: the closing that gives it away (equal by construction).

The venue's entry price is truncated to `6 - szDecimals` decimals and the ledger keeps exact cost:
they may differ by less than one such tick times the quantity closed.
"""

import csv
import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import pytest

Basis = Literal["opened", "inferred", "increased", "first"]
Pair = tuple[str, str]

NODE_TRADES = "hyperliquid-node-fills-2025-10-27/trades.part1.csv.gz"
NODE_BLOCKS = "hyperliquid-node-fills-2025-10-27/blocks.part1.jsonl.gz"
HISTORIES = "hyperliquid-account-histories/fills.part1.csv.gz"
GAPPY = "hyperliquid-account-histories/fills.gappy-2026-06.jsonl.gz"

_ROOT = Path(__file__).resolve().parents[2]
_SOURCE_DIGITS = 10
"""Significant digits that the spreadsheet behind the histories has left."""


def venue_file(name: str) -> Path:
    """A file of the market data; the test is skipped where the data is not there."""
    home = Path(os.environ.get("CLEARING_DATA_DIR", _ROOT / "../shared/data"))
    path = home / name
    if not path.is_file():
        pytest.skip(f"no market data at {home} (set CLEARING_DATA_DIR)")
    return path


class Fill(NamedTuple):
    """One account's side of a perpetual trade; `change` is signed, bought positive."""

    event_id: str
    account: str
    coin: str
    change: Decimal
    price: Decimal
    start: Decimal
    pnl: Decimal
    fee: Decimal


class Closing(NamedTuple):
    """A realized P&L of the venue, and how far the ledger's may be from it.

    Attributes:
        event_id: Of the trade.
        account: Whose position it reduces.
        instrument: Of it.
        side: 1 for a long, -1 for a short.
        quantity: Closed.
        price: Of the trade.
        tick: One step of the venue's entry price.
        pnl: The venue's, without fees.
        slack: For rounding: micro-dollars, and the digits that the source lost.
        basis: How the entry price is known.
    """

    event_id: str
    account: str
    instrument: str
    side: int
    quantity: Decimal
    price: Decimal
    tick: Decimal
    pnl: Decimal
    slack: Decimal
    basis: Basis

    @property
    def tolerance(self) -> Decimal:
        """One tick of entry price on what was closed, and the slack."""
        return self.tick * self.quantity + self.slack

    def venue_pnls(self, entry_price: Fraction) -> list[Decimal]:
        """What the venue pays for this closing on an exact average entry price.

        It truncates the average to its grid. An average that lies on the grid it takes for that
        price, or (it divides in binary) for the one below.
        """
        ticks, rest = divmod(entry_price, Fraction(self.tick))
        steps = (0,) if rest else (0, 1)
        return [
            self.side * self.quantity * (self.price - (ticks - step) * self.tick) for step in steps
        ]

    def is_explained_by(self, entry_price: Fraction) -> bool:
        """The venue's P&L follows from this average, but for the slack."""
        return any(abs(pnl - self.pnl) <= self.slack for pnl in self.venue_pnls(entry_price))


@dataclass
class Expectations:
    """What the books must show after the file.

    Attributes:
        positions: Signed, not zero, by (account, instrument), at the last fill of each.
        fees: Paid less rebates, by account.
        closings: In the order of the file.
        gaps: (account, instrument) of each broken start position, in order.
    """

    positions: dict[Pair, Decimal] = field(default_factory=dict)
    fees: dict[str, Decimal] = field(default_factory=dict)
    closings: list[Closing] = field(default_factory=list)
    gaps: list[Pair] = field(default_factory=list)

    def of_basis(self, *bases: Basis) -> list[Closing]:
        """The closings of these kinds."""
        return [closing for closing in self.closings if closing.basis in bases]


def node_expectations() -> Expectations:
    """Of the node's trades, both sides."""
    return expectations(list(_node_fills(venue_file(NODE_TRADES))))


def history_expectations() -> Expectations:
    """Of the two account histories."""
    fills = list(_history_fills(venue_file(HISTORIES)))
    return expectations(fills, source_digits=_SOURCE_DIGITS)


def gappy_expectations(account: str) -> Expectations:
    """Of the stream with missing fills."""
    return expectations(list(_user_fills(venue_file(GAPPY), account)))


def number(text: str) -> Decimal:
    """A number of the file, freed of the noise of binary doubles (17 digits)."""
    value = Decimal(text)
    if len(value.as_tuple().digits) > 15:
        value = value.quantize(Decimal(1).scaleb(value.adjusted() - 14), ROUND_HALF_EVEN)
    return value.normalize()


def expectations(fills: list[Fill], source_digits: int | None = None) -> Expectations:
    """Walk the fills.

    Args:
        fills: In order.
        source_digits: Significant digits of the P&L in the source, where it lost some.
    """
    ticks = _ticks(fills)
    found = Expectations()
    bases: dict[Pair, Basis] = {}
    after: dict[Pair, Decimal] = {}
    for fill in fills:
        pair = (fill.account, f"{fill.coin}-PERP")
        basis: Basis = bases.get(pair, "first" if fill.start else "opened")
        if fill.start != after.get(pair, fill.start if pair not in bases else Decimal(0)):
            found.gaps.append(pair)
            basis = "first"
        if not fill.start:
            basis = "opened"
        end = fill.start + fill.change
        if fill.start and (fill.start > 0) != (fill.change > 0):
            found.closings.append(
                Closing(
                    event_id=fill.event_id,
                    account=fill.account,
                    instrument=pair[1],
                    side=1 if fill.start > 0 else -1,
                    quantity=min(abs(fill.start), abs(fill.change)),
                    price=fill.price,
                    tick=ticks[fill.coin],
                    pnl=fill.pnl,
                    slack=_slack(fill.pnl, source_digits),
                    basis=basis,
                )
            )
            if abs(fill.change) >= abs(fill.start):
                basis = "opened"
            elif basis == "first":
                basis = "inferred"
        elif basis == "inferred":
            basis = "increased"
        bases[pair] = basis
        after[pair] = end
        found.fees[fill.account] = found.fees.get(fill.account, Decimal(0)) + fill.fee
    found.positions = {pair: size for pair, size in after.items() if size}
    return found


def _ticks(fills: list[Fill]) -> dict[str, Decimal]:
    """One step of the venue's entry price, by coin."""
    places: dict[str, int] = {}
    for fill in fills:
        for size in (fill.change, fill.start):
            exponent = size.as_tuple().exponent
            assert isinstance(exponent, int)
            places[fill.coin] = max(places.get(fill.coin, 0), -exponent)
    return {coin: Decimal(1).scaleb(-(6 - decimals)) for coin, decimals in places.items()}


def _slack(pnl: Decimal, source_digits: int | None) -> Decimal:
    """Two micro-dollars of rounding, and half of the last digit that the source kept."""
    slack = Decimal("0.000002")
    if source_digits is not None and pnl:
        slack += Decimal("0.5").scaleb(pnl.adjusted() - source_digits + 1)
    return slack


def _node_fills(path: Path) -> Iterator[Fill]:
    with gzip.open(path, "rt") as text:
        for row in csv.DictReader(text):
            if row["is_spot"] == "1":
                continue
            for side, sign in (("buyer", 1), ("seller", -1)):
                yield Fill(
                    f"hl:{row['tid']}",
                    row[side],
                    row["coin"],
                    sign * number(row["sz"]),
                    number(row["px"]),
                    number(row[f"{side}_start_position"]),
                    number(row[f"{side}_closed_pnl"]),
                    number(row[f"{side}_fee"]),
                )


def _history_fills(path: Path) -> Iterator[Fill]:
    with gzip.open(path, "rt") as text:
        for row in csv.DictReader(text):
            if row["is_spot"] == "1":
                continue
            yield Fill(
                f"hl:{row['account']}:{row['seq']}",
                row["account"],
                row["coin"],
                (1 if row["side"] == "B" else -1) * number(row["sz"]),
                number(row["px"]),
                number(row["start_position"]),
                number(row["closed_pnl"]),
                number(row["fee"]),
            )


def _user_fills(path: Path, account: str) -> Iterator[Fill]:
    with gzip.open(path, "rt") as text:
        for line in text:
            row = json.loads(line)
            if row["coin"][0] in "@#":
                continue
            yield Fill(
                f"hl:{account}:{row['tid']}",
                account,
                row["coin"],
                (1 if row["side"] == "B" else -1) * number(row["sz"]),
                number(row["px"]),
                number(row["startPosition"]),
                number(row["closedPnl"]),
                number(row["fee"]),
            )
