"""Reports that take back or replace a trade which another file of the source told, or an older one.

Within a file its reader sees to them. What comes through is one without its report above: the
trade was told on another day. It takes out the trade of the same id in the other files of the run;
then a trade of ours that was cancelled there is a break, and one that was replaced is held against
what replaces it.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from ledger.recon.matching.comparison import About, Comparison
from ledger.recon.trades.breaks import (
    AT,
    INSTRUMENT,
    KEY,
    PLACE,
    QUANTITY,
    TradeRow,
    content_of,
    moment,
    says,
)

CHANGE = PLACE + 1
"""Field of a row that changes another; rows of trades end before it."""


class Left(NamedTuple):
    """What is left of the rows of one id.

    Attributes:
        theirs: Trades that stand at the source.
        cancel: What took them all back; None: nothing did.
        told: Whether the files of this run told the trade that was taken back.
    """

    theirs: list[TradeRow]
    cancel: TradeRow | None = None
    told: bool = False


def settled(rows: Sequence[TradeRow]) -> Left:
    """Rows of one id after their changes; of several changes the last in time counts."""
    changes = [row for row in rows if len(row) > CHANGE]
    if not changes:
        return Left(list(rows))
    plain = [row for row in rows if len(row) <= CHANGE]
    last = max(changes, key=lambda row: (row[AT] or 0, row[CHANGE] == "cancel", content_of(row)))
    if last[CHANGE] == "cancel":
        return Left([], last, told=bool(plain) or len(changes) > 1)
    return Left([row[:CHANGE] for row in changes if row[CHANGE] == last[CHANGE]])


def cancelled_there(found: Comparison, mine: TradeRow, cancel: TradeRow) -> None:
    """A trade of ours that the source took back."""
    quantity = Decimal(mine[QUANTITY])
    about = About(
        *(mine[KEY], "", mine[INSTRUMENT], quantity, Decimal(0), (mine[PLACE],)),
        their_references=(cancel[KEY], cancel[PLACE]),
        at=moment(cancel) or moment(mine),
    )
    found.found("amount", about, f"{says(mine)} was cancelled at {found.source.name}")


def cancelled_unknown(found: Comparison, cancel: TradeRow) -> None:
    """A cancel of a trade that neither the files of the run tell nor our books have there."""
    about = About(
        *(cancel[KEY], "", cancel[INSTRUMENT], None, Decimal(0)),
        their_references=(cancel[KEY], cancel[PLACE]),
        at=moment(cancel),
    )
    words = f"{found.source.name} cancels trade {cancel[KEY]}, which is not in our books near it"
    found.found("missing_here", about, words)
