"""The chart of accounts: who may own which kind of account, and what it holds.

An account is `(owner, kind, instrument or None, asset or None)`. `position` holds contracts of its
instrument (asset None); every other kind holds an asset. `isolated` and `variation` are kept per
instrument. Signs: docs/reference/accounts.md.
"""

from typing import Final, NamedTuple

HOUSE: Final = "@house"
"""Owner of the exchange's own accounts."""

LIQUIDATION: Final = "@liquidation"
"""Owner of the inventory taken over from liquidated accounts."""

WALLET: Final = "wallet"
ISOLATED: Final = "isolated"
HOLD: Final = "hold"
POSITION: Final = "position"
VARIATION: Final = "variation"
CUSTODY: Final = "custody"
FEES: Final = "fees"
INSURANCE: Final = "insurance"
ROUNDING: Final = "rounding"
SUSPENSE: Final = "suspense"
DEFICIT: Final = "deficit"

KINDS_OF_INSTRUMENT: Final = frozenset({ISOLATED, POSITION, VARIATION})
"""Kinds that are kept per instrument."""

KINDS_OF_PARTICIPANT: Final = frozenset({WALLET, ISOLATED, HOLD, POSITION, VARIATION})
KINDS_OF_HOUSE: Final = frozenset(
    {POSITION, VARIATION, CUSTODY, FEES, INSURANCE, ROUNDING, SUSPENSE, DEFICIT}
)
KINDS_OF_LIQUIDATION: Final = frozenset({POSITION, VARIATION})


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
