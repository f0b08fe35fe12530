"""All that a pool's rules know: terms, participants, marks, open requests, and the journal."""

from typing import NamedTuple

from ledger.core import events
from ledger.core.instruments import Terms
from ledger.core.journal import Journal
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
        source: `price`, `settlement` or `expiry`; until the first of them `trade`, or `opening`.
    """

    price: int
    source: str


class Request(NamedTuple):
    """An open withdrawal request; `amount` in smallest units, held on the account's `hold`."""

    account: str
    asset: str
    amount: int


class State:
    """The state of one pool.

    Attributes:
        name: The pool's id.
        pool: Its terms; None until its `pool` event.
        pool_time: Largest `occurred_at` applied; None before the first.
        assets: By id, the settlement asset included.
        asset_prices: By id, in the settlement asset, as written.
        instruments: By id.
        participants: Their tags, by id.
        marks: By instrument.
        requests: Open withdrawal requests by id.
        busted: Event ids of busted trades, each with the id of the event that busted it.
        journal: Balances and positions.
    """

    __slots__ = (
        "asset_prices",
        "assets",
        "busted",
        "instruments",
        "journal",
        "marks",
        "name",
        "participants",
        "pool",
        "pool_time",
        "requests",
    )

    def __init__(self, name: str) -> None:
        """Start a pool that has seen nothing yet."""
        self.name = name
        self.pool: events.Pool | None = None
        self.pool_time: Microseconds | None = None
        self.assets: dict[str, AssetTerms] = {}
        self.asset_prices: dict[str, Fixed] = {}
        self.instruments: dict[str, Terms] = {}
        self.participants: dict[str, tuple[str, ...]] = {}
        self.marks: dict[str, Mark] = {}
        self.requests: dict[str, Request] = {}
        self.busted: dict[str, str] = {}
        self.journal = Journal()

    @property
    def settlement(self) -> AssetTerms:
        """The settlement asset of the pool.

        Asserts:
            The pool has been declared.
        """
        assert self.pool is not None, f"pool {self.name} has no terms yet"
        return self.assets[self.pool.settlement_asset]
