"""What an outside source says, line by line, whatever its format: trades, movements, holdings.

Rules of this file:

* Amounts are exact decimals, in natural units, as the source wrote them; nothing is rounded.
* A sign is seen from the account's holder: a credit, a deposit, a long position is positive.
* `line` says where in the file it stands, from 1, so that a break can be looked up there.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple


class Trade(NamedTuple):
    """A match of the engine; a side or a fee that the source does not tell is None.

    Attributes:
        price: Quote per base, or as the instrument quotes.
        quantity: Contracts, positive.
        buyer_fee, seller_fee: In the settlement asset; paid is positive, a rebate negative.
        change: What the line does to a trade of the same id that another file told: `cancel` (then
            its figures mean nothing) or `replace`; `bust` cancels the one of this event id of ours.
            Empty: nothing, it is a trade.
    """

    line: int
    trade_id: str
    at: datetime | None
    instrument: str
    price: Decimal
    quantity: Decimal
    buyer: str | None
    seller: str | None
    buyer_fee: Decimal | None = None
    seller_fee: Decimal | None = None
    change: Literal["", "cancel", "replace", "bust"] = ""


class Movement(NamedTuple):
    """One amount that went in (positive) or out (negative) of an account at the source.

    Attributes:
        reference: The source's own id of the movement; empty where it has none.
        ours: Our reference that the source repeats (an event id), empty where it does not.
        commodity: An asset, or an instrument for contracts.
    """

    line: int
    reference: str
    ours: str
    at: datetime | None
    account: str
    commodity: str
    amount: Decimal
    text: str = ""


class Holding(NamedTuple):
    """What an account has at a moment: a balance of an asset, or a position in contracts."""

    line: int
    at: datetime | None
    account: str
    commodity: str
    amount: Decimal
    entry_price: Decimal | None = None


class Statement(NamedTuple):
    """A run of movements of one account in one commodity, between two balances.

    Attributes:
        source: Who says so, as the rules file names it.
        number: Of the statement at its source; empty where it has none.
        opening, closing: Balances; None where the source does not tell.
    """

    source: str
    number: str
    account: str
    commodity: str
    begins: datetime | None
    ends: datetime | None
    opening: Decimal | None
    closing: Decimal | None
    movements: Sequence[Movement]
