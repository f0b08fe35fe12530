"""Anonymous trade tapes: what Binance and BitMEX have in common.

A tape says what was traded, not by whom. The buyer and the seller of each trade are drawn from
`accounts` made-up accounts by `random.Random(seed)`, in the order of the file: the same seed and
number of accounts give the same events. Buyer and seller always differ.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from ledger.errors import ConfigurationError
from ledger.importers.reading import decimals
from ledger.importers.run import ImportOptions, WireEvent
from ledger.importers.wire import Wire

ACCOUNTS_MIN = 2
COIN_SCALE = 8
"""Decimals of the settlement assets of the tapes (USDT, BTC, ETH, XBT)."""


class Contract(NamedTuple):
    """What one contract of a tape is.

    Attributes:
        type: Linear or inverse.
        multiplier: Of one whole contract: coins (linear) or US dollars (inverse).
        settlement_asset: In which it pays.
    """

    type: Literal["linear", "inverse"]
    multiplier: str
    settlement_asset: str


@dataclass(slots=True)
class TapeSurvey:
    """What a first reading of a tape finds: the scales of its one instrument, and its start."""

    symbol: str
    contract: Contract
    since: int
    price_scale: int = 0
    quantity_scale: int = 0

    def see(self, price: Decimal, quantity: Decimal = Decimal(0)) -> None:
        """Widen the scales to hold this price and quantity."""
        self.price_scale = max(self.price_scale, decimals(price))
        self.quantity_scale = max(self.quantity_scale, decimals(quantity))


class Draw:
    """Gives every trade a buyer and a seller.

    Raises:
        ConfigurationError: Fewer than two accounts.
    """

    def __init__(self, options: ImportOptions) -> None:
        if options.accounts < ACCOUNTS_MIN:
            message = (
                f"{options.accounts} accounts, expected at least {ACCOUNTS_MIN}:"
                " the buyer and the seller of a trade are different accounts"
            )
            raise ConfigurationError(message)
        width = len(str(options.accounts))
        self.accounts = [f"account-{n:0{width}d}" for n in range(1, options.accounts + 1)]
        self._random = random.Random(options.seed)  # noqa: S311 - a reproducible draw, no secret

    def pair(self) -> tuple[str, str]:
        """Buyer and seller of the next trade."""
        buyer, seller = self._random.sample(self.accounts, 2)
        return buyer, seller


def reference(wire: Wire, survey: TapeSurvey, draw: Draw, adl_policy: str) -> Iterator[WireEvent]:
    """The pool, the instrument and the accounts of a tape."""
    contract = survey.contract
    yield wire.pool(contract.settlement_asset, COIN_SCALE, adl_policy)
    yield wire.instrument(
        survey.symbol,
        contract.type,
        contract.multiplier,
        survey.price_scale,
        survey.quantity_scale,
    )
    for account in draw.accounts:
        yield wire.account(account)
