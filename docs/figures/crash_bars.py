"""Market data of the crash: five-minute bars of BTC and ETH, hourly funding, leverage brackets.

Files are looked for where CLEARING_DATA_DIR says, else in ../shared/data. A bar is walked as open,
the extreme on the far side of its close, the other extreme, close, in equal steps; what really
happened inside five minutes is not in the file.
"""

import csv
import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

START = datetime(2025, 10, 10, 20, 30, tzinfo=UTC)
END = datetime(2025, 10, 10, 22, tzinfo=UTC)
BAR = timedelta(minutes=5)
ENTRY_DAYS = 3
COINS = ("BTC", "ETH")
_ROOT = Path(__file__).resolve().parents[2]
_BARS = "klines/{}usdt-perp-5m-2025h2.csv.gz"
_FUNDING = "klines/hourly-with-hourly-funding-2025-2026.csv.gz"
_BRACKETS = "leverage-brackets/binance-usdm-brackets-2024-10.csv.gz"

Tier = dict[str, str | None]


class Bar(NamedTuple):
    """Five minutes of one coin."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    @property
    def span(self) -> Decimal:
        """High less low over open: how rough the five minutes were."""
        return (self.high - self.low) / self.open

    def walk(self, steps: int) -> Iterator[Decimal]:
        """Prices after each of so many equal steps of time; the last one is the close."""
        rose = self.close >= self.open
        corners = [
            self.open,
            *((self.low, self.high) if rose else (self.high, self.low)),
            self.close,
        ]
        tick = self.close.as_tuple().exponent
        for step in range(1, steps + 1):
            leg, within = divmod(step * 3, steps)
            start, end = corners[min(leg, 3)], corners[min(leg + 1, 3)]
            price = start + (end - start) * within / steps
            yield price.quantize(Decimal(1).scaleb(int(tick)))


class MarketFiles(NamedTuple):
    """All that the simulation takes from the market.

    Attributes:
        bars: Of the window, by coin.
        earlier: Closes of the days before it, by coin: where positions may have been entered.
        funding: Hourly rate by coin and hour.
        tiers: Margin schedule of the wire by coin.
    """

    bars: dict[str, list[Bar]]
    earlier: dict[str, list[Decimal]]
    funding: dict[tuple[str, datetime], str]
    tiers: dict[str, list[Tier]]


def market_home() -> Path:
    """Where the market data is."""
    return Path(os.environ.get("CLEARING_DATA_DIR", _ROOT / "../shared/data"))


def read_market() -> MarketFiles:
    """Read everything that is needed of the files."""
    bars: dict[str, list[Bar]] = {}
    earlier: dict[str, list[Decimal]] = {}
    for coin in COINS:
        known = list(_bars(coin))
        bars[coin] = [bar for bar in known if START <= bar.at < END]
        earlier[coin] = [
            bar.close for bar in known if START - timedelta(days=ENTRY_DAYS) <= bar.at < START
        ]
    return MarketFiles(bars, earlier, _funding(), {coin: _tiers(coin) for coin in COINS})


def _rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(market_home() / name, "rt") as text:
        yield from csv.DictReader(text)


def _bars(coin: str) -> Iterator[Bar]:
    for row in _rows(_BARS.format(coin.lower())):
        at = datetime.fromtimestamp(int(row["open_time_ms"]) / 1000, UTC)
        prices = (Decimal(row[name]) for name in ("open", "high", "low", "close"))
        yield Bar(at, *prices)


def _funding() -> dict[tuple[str, datetime], str]:
    found = {}
    for row in _rows(_FUNDING):
        at = datetime.fromisoformat(row["time_utc"])
        if START < at < END:
            found[row["symbol"], at] = f"{Decimal(row['funding_rate']):.12f}"
    return found


def _tiers(coin: str) -> list[Tier]:
    rows = [row for row in _rows(_BRACKETS) if row["symbol"] == f"{coin}/USDT:USDT"]
    return [
        {
            "notional_cap": row["notional_cap"] if row is not rows[-1] else None,
            "initial_rate": f"{1 / Decimal(row['max_leverage']):.12f}",
            "maintenance_rate": row["maint_margin_rate"],
            "maintenance_amount": row["maint_amount_cum"],
        }
        for row in rows
    ]
