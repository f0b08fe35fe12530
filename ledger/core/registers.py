"""The entries of a pool's registers: plain values, each set whole."""

from typing import Literal, NamedTuple

from ledger.core.units import Fixed, Microseconds


class AssetTerms(NamedTuple):
    """An asset: decimals of its smallest unit, and the haircut it takes as collateral."""

    asset: str
    scale: int
    haircut: Fixed


class Mark(NamedTuple):
    """The price that stands for an instrument's value.

    Attributes:
        price: Smallest units of price.
        source: `price`, `confirmed`, `accepted`, `settlement` or `expiry`; until the first of them
            `trade`, or `opening`.
        time: When the event that set it occurred.
    """

    price: int
    source: str
    time: Microseconds


class Suspect(NamedTuple):
    """A mark that the price guard holds back.

    Attributes:
        first: The first suspect price; the later ones are held against it.
        confirmations: Consecutive marks after it within its band, so far.
    """

    first: int
    confirmations: int


class PositionTerms(NamedTuple):
    """How a participant's position in an instrument is margined."""

    mode: Literal["cross", "isolated"]
    leverage: Fixed | None


class Request(NamedTuple):
    """An open withdrawal request; `amount` in smallest units, held on the account's `hold`."""

    account: str
    asset: str
    amount: int


class Deficit(NamedTuple):
    """A loss that nothing has covered yet, by the number of the fund movement that opened it.

    Attributes:
        liquidation_id: Whose loss it is; None where no liquidation led to it.
        left: Smallest units still open, positive.
    """

    liquidation_id: str | None
    left: int


class Inventory(NamedTuple):
    """What `@liquidation` holds of an instrument, since it last held none.

    Attributes:
        liquidation_id: The liquidation that last added to it.
        taken_over, closed_out: Contracts taken over, and closed by market trades, so far.
        untaken: Quantity, cost and mark at which no opposite position took it; it is not offered
            again at those.
    """

    liquidation_id: str
    taken_over: int
    closed_out: int
    untaken: tuple[int, int, int] | None
