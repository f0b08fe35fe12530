"""What is listed on the simulated exchange: pools, collateral, contracts, tiers, fees.

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
    """A pool as it is declared.

    Attributes:
        scale: Decimals of its settlement asset.
        insurance_ppm: First insurance deposit, as a part of what the market makers bring.
    """

    pool: str
    settlement_asset: str
    scale: int
    liquidation: str
    penalty_rate: str
    partial_buffer: str
    insurance_floor: str
    adl_policy: str
    loss_policy: str
    insurance_ppm: int


POOLS = (
    PoolTerms("usdt", "USDT", 6, "full", "0.01", "0", "0", "bitmex", "open", 300),
    PoolTerms("btc", "BTC", 8, "partial", "0.005", "0.1", "0", "capped_pro_rata", "socialize", 200),
)
"""In the small funds the first crash finds the bottom; the exchange then pays in again."""


class Collateral(NamedTuple):
    """An asset that counts in the pool `usdt` beside its settlement asset."""

    asset: str
    scale: int
    haircut: str


COLLATERAL = (Collateral("BTC", 8, "0.05"), Collateral("ETH", 8, "0.1"))
SCALES = {terms.pool: terms.scale for terms in POOLS}
COIN_SCALES = {coin.asset: coin.scale for coin in COLLATERAL}


class Contract(NamedTuple):
    """The terms of an instrument.

    Attributes:
        multiplier: Of one whole contract, a whole number; US dollars of an inverse one.
        weight: Its share of the trades.
        tick: The smallest step of its price, in smallest units.
        follows: The path that its price follows, `premium_ppm` above it.
        reach_percent: How far participants go in it, against their usual limit.
        band_ppm: Of the price guard; None: it has none.
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
    reach_percent: int
    band_ppm: int | None
    expiry_ms: int | None
    tiers: tuple[tuple[int | None, int, int], ...]

    def value(self, quantity: int, price: int) -> int:
        """Of `quantity` (signed) at `price`, smallest units of the settlement asset, down."""
        if self.is_inverse:
            shift = self.asset_scale + self.price_scale - self.quantity_scale
            return int(-quantity * self.multiplier * 10**shift // price)
        shift = self.asset_scale - self.price_scale - self.quantity_scale
        return int(quantity * price * self.multiplier * 10**shift)

    def units(self, dollars: int, price: int) -> int:
        """As many contracts as are worth so many whole dollars, smallest units, down."""
        units = dollars * 10**self.quantity_scale // self.multiplier
        return int(units if self.is_inverse else units * 10**self.price_scale // price)

    def initial(self, notional: int, leverage: int | None) -> int:
        """Margin of a position worth `notional` (not negative), up, smallest units.

        The tier's rate, or that of the leverage chosen where it asks for more.
        """
        rate = next(
            initial
            for cap, initial, _ in self.tiers
            if cap is None or notional < cap * 10**self.asset_scale
        )
        if leverage is None or leverage * rate >= MILLION:
            return -(-notional * rate // MILLION)
        return -(-notional // leverage)

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
WILD_TIERS = ((500_000, 20_000, 10_000), (5_000_000, 40_000, 20_000), (None, 80_000, 40_000))
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

BTC_PERP = Contract(
    "BTC-PERP", "usdt", False, 1, 1, 3, 6, 35, 1, "BTC", 0, 100, None, None, LINEAR_TIERS
)
ETH_PERP = Contract(
    "ETH-PERP", "usdt", False, 1, 2, 2, 6, 20, 1, "ETH", 0, 100, 150_000, None, LINEAR_TIERS
)
SOL_PERP = Contract(
    "SOL-PERP", "usdt", False, 1, 3, 1, 6, 12, 1, "SOL", 0, 25, 250_000, None, WILD_TIERS
)
BTCUSD_PERP = Contract(
    "BTCUSD-PERP", "btc", True, 100, 1, 0, 8, 20, 5, "BTC", -80, 100, None, None, INVERSE_TIERS
)
BTCUSD_QUARTER = Contract(
    "BTCUSD-27JUN25", "btc", True, 100, 1, 0, 8, 5, 5, "BTC", 31_000, 50, 150_000, None,
    INVERSE_TIERS,
)  # fmt: skip
LEAD = {"usdt": BTC_PERP.instrument, "btc": BTCUSD_PERP.instrument}
"""The instrument of each pool that is always listed and has no price guard."""
PRICE_AGE_MAX_S = 3_600
"""Of guarded instruments: an older mark is stale. They are priced every minute."""


def daily_future(day_text: str) -> Contract:
    """The linear future that ends today; `day_text` as in `06JAN25`."""
    return Contract(
        f"BTC-{day_text}", "usdt", False, 1, 1, 3, 6, 10, 5, "BTC", 350, 50, 150_000, EXPIRY_MS,
        DATED_TIERS,
    )  # fmt: skip


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
