"""What an event led to: postings and records, or a rejection.

Postings and records leave the core as plain tuples in the order they were made; their place in the
list is their line. A `Posting` costs 0.1 us as a tuple and 0.9 us as a frozen class, nine times a
trade, so it is a `NamedTuple` for readers and built as a bare tuple on the hot path.
"""

from enum import IntEnum
from typing import NamedTuple


class Purpose(IntEnum):
    """Why a posting was made; kept with it so that reports need not guess."""

    TRANSFER = 1
    """Deposits, withdrawals, internal and insurance transfers."""
    OPENING = 2
    """Taken over from another system."""
    TRADE = 3
    """Contracts and their cost changing hands."""
    REALIZED = 4
    """Profit or loss of the closed part, moved out of variation."""
    FEE = 5
    FUNDING = 6
    SETTLEMENT = 7
    """Variation paid out at a periodic settlement."""
    EXPIRY = 8
    """Contracts and cost taken away at expiry."""
    ROUNDING = 9
    """What rounding left over."""
    ADJUSTMENT = 10
    MARGIN = 11
    """Between a wallet and the margin of an isolated position."""
    TAKEOVER = 12
    """Contracts and cost taken over by `@liquidation`."""
    SEIZURE = 13
    """Collateral seized from a liquidated account."""
    MADE_WHOLE = 14
    """What a bankrupt account is given by the insurance fund, or left as a deficit."""
    DELEVERAGING = 15
    """Contracts and cost of an inventory closed against opposite positions."""
    SOCIALIZED = 16
    """An uncovered loss shared among those who gained."""


class OpenedAccount(NamedTuple):
    """An account of the ledger, at its first use.

    Attributes:
        account: Its number in the pool, from 1 without gaps, in order of first use.
        owner: A participant, `@house` or `@liquidation`.
        kind: As in the chart of accounts (`wallet`, `position`, ...).
        instrument: Of `isolated`, `position` and `variation`; else None.
        asset: What the account holds; None when it holds contracts of `instrument`.
    """

    account: int
    owner: str
    kind: str
    instrument: str | None
    asset: str | None


class Posting(NamedTuple):
    """One leg of a journal entry, in smallest units of the account's commodity.

    Attributes:
        account: Number of the account.
        account_sequence: Counts the postings of this account, from 1 without gaps.
        commodity: Number of the commodity in the pool; entries sum to zero per commodity.
        purpose: A `Purpose`.
        amount: Signed, never zero.
        balance: Of the account, after this posting.
    """

    account: int
    account_sequence: int
    commodity: int
    purpose: int
    amount: int
    balance: int


class Record(NamedTuple):
    """A fact that the ledger decided, beside the postings.

    Attributes:
        kind: `mark`, `trade_bust`, ...
        subject: What it is about, for look-ups (an instrument, an account, a liquidation id).
        body: Its figures, in natural order; values are str, int, None, or lists and dicts of them.
    """

    kind: str
    subject: str
    body: dict[str, object]


class Rejection(NamedTuple):
    """Why an event was refused; the state is as it was.

    Attributes:
        code: Stable, one of `ledger.core.rejections`.
        detail: What was found and what was expected, for people.
    """

    code: str
    detail: str


class Commodity(NamedTuple):
    """What a posting is counted in: an asset, or contracts of an instrument (the other None).

    `scale`: decimals of its smallest unit.
    """

    commodity: int
    asset: str | None
    instrument: str | None
    scale: int


class Outcome(NamedTuple):
    """All that an accepted event led to, in order.

    Attributes:
        postings: Lines from 1.
        records: Lines from 1.
        opened: Accounts at their first use.
        commodities: At their first use.
    """

    postings: list[Posting]
    records: list[Record]
    opened: list[OpenedAccount]
    commodities: list[Commodity]
