"""Books that are large in one direction, told as messages of a file: holders, positions."""

import json
from collections.abc import Iterator

from ledger.arrivals import FILE_CLUSTER
from ledger.ports import Message, Source

POOL = "large"
_SOURCE = Source(FILE_CLUSTER, "large", "large")
_TIER = {
    "notional_cap": None,
    "initial_rate": "0.02",
    "maintenance_rate": "0.01",
    "maintenance_amount": "0",
}


class Teller:
    """Numbers messages, and spells them."""

    def __init__(self) -> None:
        self._number = 0

    def message(self, kind: str, **fields: object) -> Message:
        """The next message; its event id is `e` and its number."""
        self._number += 1
        told = {
            "kind": kind,
            "event_id": f"e{self._number}",
            "pool": POOL,
            "occurred_at": "2026-01-01T00:00:00Z",
            **fields,
        }
        return Message(_SOURCE, 0, self._number, 0, None, json.dumps(told).encode())

    def pool(self, liquidation: str) -> Message:
        """Terms in USDT, with six decimals."""
        return self.message(
            "pool",
            settlement_asset="USDT",
            scale=6,
            liquidation=liquidation,
            penalty_rate="0.01",
            partial_buffer="0",
            insurance_floor="-1000000000",
            adl_policy="bitmex",
            loss_policy="open",
        )

    def instrument(self, name: str) -> Message:
        """A linear perpetual at 2% and 1%."""
        return self.message(
            "instrument",
            instrument=name,
            type="linear",
            multiplier="1",
            price_scale=2,
            quantity_scale=3,
            expiry=None,
            tiers=[_TIER],
        )

    def trade(self, instrument: str, buyer: str, seller: str, quantity: str = "1") -> Message:
        """At 100, without fees."""
        return self.message(
            "trade",
            instrument=instrument,
            price="100",
            quantity=quantity,
            buyer=buyer,
            seller=seller,
            buyer_fee="0",
            seller_fee="0",
        )


def holders(teller: Teller, count: int) -> Iterator[Message]:
    """A pool in which so many participants hold one contract each, long and short in turn."""
    yield teller.pool("full")
    yield teller.instrument("BTC-PERP")
    for number in range(count):
        name = f"holder-{number}"
        yield teller.message("account", account=name)
        yield teller.message("deposit", account=name, asset="USDT", amount="1000")
    for number in range(0, count - 1, 2):
        yield teller.trade("BTC-PERP", f"holder-{number}", f"holder-{number + 1}")
    yield teller.message("price", instrument="BTC-PERP", mark_price="100")


def spread(teller: Teller, positions: int) -> Iterator[Message]:
    """A pool in which `wide` is long one contract in each of so many instruments."""
    yield teller.pool("full")
    for name in ("wide", "other"):
        yield teller.message("account", account=name)
    yield teller.message("deposit", account="wide", asset="USDT", amount=f"{2.9 * positions:.2f}")
    yield teller.message("deposit", account="other", asset="USDT", amount=str(1000 * positions))
    for number in range(positions):
        yield teller.instrument(f"I{number}")
    for number in range(positions):
        yield teller.message("price", instrument=f"I{number}", mark_price="100")
    for number in range(positions):
        yield teller.trade(f"I{number}", "wide", "other")
