"""What is listed on the simulated exchange: pools, contracts, tiers, fees.

Rules of this file:

* All figures are whole numbers of smallest units, as in the ledger itself.
* Tiers are continuous at their borders: `amount_i = amount_{i-1} + floor_i·(rate_i - rate_{i-1})`,
  where `floor_i` is the cap of the tier before.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger.demo.wire import decimal_text

MILLION = 1_000_000
MAKER_FEE_PPM = -50
"""A rebate: the maker is paid half a basis point."""
TAKER_FEE_PPM = 450


class PoolTerms(NamedTuple):
    """A pool as it is declared. `scale`: decimals of its settlement asset."""

    pool: str
    settlement_asset: str
    scale: int
    insurance_floor: str
    insurance_deposit: int


POOLS = (
    PoolTerms("usdt", "USDT", 6, "250000", 5_000_000 * 10**6),
    PoolTerms("btc", "BTC", 8, "2.5", 60 * 10**8),
)


class Contract(NamedTuple):
    """The terms of an instrument.

    Attributes:
        multiplier: Of one whole contract, a whole number; US dollars of an inverse one.
        weight: Its share of the trades.
        tick: The smallest step of its price, in smallest units.
        follows: The path that its price follows, `premium_ppm` above it.
        expiry_ms: Of a future that ends on the day on which it is listed, milliseconds after
            midnight; else None.
        tiers: `(cap in whole settlement units or None, initial rate, maintenance rate)`, in ppm.
    """

    instrument: str
    pool: str
    is_inverse: bool
    multiplier: int
    price_scale: int
    quantity_scale: int
    asset_scale: int
    weight: int
    tick: int
    follows: str
    premium_ppm: int
    expiry_ms: int | None
    tiers: tuple[tuple[int | None, int, int], ...]

    def value(self, quantity: int, price: int) -> int:
        """Of `quantity` (signed) at `price`, smallest units of the settlement asset, down."""
        if self.is_inverse:
            shift = self.asset_scale + self.price_scale - self.quantity_scale
            return int(-quantity * self.multiplier * 10**shift // price)
        shift = self.asset_scale - self.price_scale - self.quantity_scale
        return int(quantity * price * self.multiplier * 10**shift)

    @property
    def is_perpetual(self) -> bool:
        """It never ends, and so pays funding; the venue says so by its name."""
        return self.instrument.endswith("-PERP")


LINEAR_TIERS = (
    (300_000, 8_000, 4_000),
    (3_000_000, 10_000, 5_000),
    (12_000_000, 20_000, 10_000),
    (70_000_000, 50_000, 25_000),
    (None, 100_000, 50_000),
)
DATED_TIERS = ((250_000, 20_000, 10_000), (2_500_000, 50_000, 25_000), (None, 100_000, 50_000))
INVERSE_TIERS = (
    (5, 8_000, 4_000),
    (50, 10_000, 5_000),
    (250, 25_000, 12_500),
    (1_000, 50_000, 25_000),
    (None, 100_000, 50_000),
)

EXPIRY_MS = 20 * 3_600_000
"""The daily future ends at 20:00 of its day."""

BTC_PERP = Contract("BTC-PERP", "usdt", False, 1, 1, 3, 6, 40, 1, "BTC", 0, None, LINEAR_TIERS)
ETH_PERP = Contract("ETH-PERP", "usdt", False, 1, 2, 2, 6, 25, 1, "ETH", 0, None, LINEAR_TIERS)
BTCUSD_PERP = Contract(
    "BTCUSD-PERP", "btc", True, 100, 1, 0, 8, 20, 5, "BTC", -80, None, INVERSE_TIERS
)
BTCUSD_QUARTER = Contract(
    "BTCUSD-27JUN25", "btc", True, 100, 1, 0, 8, 5, 5, "BTC", 31_000, None, INVERSE_TIERS
)


def daily_future(day_text: str) -> Contract:
    """The linear future that ends today; `day_text` as in `06JAN25`."""
    return Contract(
        f"BTC-{day_text}", "usdt", False, 1, 1, 3, 6, 10, 5, "BTC", 350, EXPIRY_MS, DATED_TIERS
    )


class Texts(NamedTuple):
    """How the numbers of one contract are written."""

    price: Callable[[int], str]
    quantity: Callable[[int], str]
    amount: Callable[[int], str]


def texts(contract: Contract) -> Texts:
    return Texts(
        decimal_text(contract.price_scale),
        decimal_text(contract.quantity_scale),
        decimal_text(contract.asset_scale),
    )


def tier_objects(tiers: Sequence[tuple[int | None, int, int]]) -> list[dict[str, str | None]]:
    """The tiers as they go on the wire; rates and amounts with six decimals."""
    rate = decimal_text(6)
    objects: list[dict[str, str | None]] = []
    floor = amount = rate_before = 0
    for cap, initial, maintenance in tiers:
        amount += floor * (maintenance - rate_before)
        objects.append(
            {
                "notional_cap": None if cap is None else str(cap),
                "initial_rate": rate(initial),
                "maintenance_rate": rate(maintenance),
                "maintenance_amount": rate(amount),
            }
        )
        rate_before = maintenance
        floor = cap or 0
    return objects
