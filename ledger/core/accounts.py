"""The chart of accounts: who may own which kind of account, and what it holds.

An account is `(owner, kind, instrument or None, asset or None)`. `position` holds contracts of its
instrument (asset None); every other kind holds an asset. `isolated` and `variation` are kept per
instrument. Signs: docs/reference/accounts.md.
"""

from typing import NamedTuple

HOUSE = "@house"
"""Owner of the exchange's own accounts."""

LIQUIDATION = "@liquidation"
"""Owner of the inventory taken over from liquidated accounts."""

WALLET = "wallet"
ISOLATED = "isolated"
HOLD = "hold"
POSITION = "position"
VARIATION = "variation"
CUSTODY = "custody"
FEES = "fees"
INSURANCE = "insurance"
ROUNDING = "rounding"
SUSPENSE = "suspense"
DEFICIT = "deficit"

KINDS_OF_INSTRUMENT = frozenset({ISOLATED, POSITION, VARIATION})
"""Kinds that are kept per instrument."""

KINDS_OF_PARTICIPANT = frozenset({WALLET, ISOLATED, HOLD, POSITION, VARIATION})
KINDS_OF_HOUSE = frozenset(
    {POSITION, VARIATION, CUSTODY, FEES, INSURANCE, ROUNDING, SUSPENSE, DEFICIT}
)
KINDS_OF_LIQUIDATION = frozenset({POSITION, VARIATION})


class AccountKey(NamedTuple):
    """What identifies an account within its pool. Plain tuples of this shape are equal to it."""

    owner: str
    kind: str
    instrument: str | None
    asset: str | None


def kinds_of(owner: str) -> frozenset[str]:
    """The kinds of account that `owner` may have."""
    if owner == HOUSE:
        return KINDS_OF_HOUSE
    if owner == LIQUIDATION:
        return KINDS_OF_LIQUIDATION
    return KINDS_OF_PARTICIPANT
