"""Wire events as plain dicts: the kinds that importers make, and the ids that they carry.

Rules of this file:

* Ids are deterministic: the same file gives the same events, and imported twice they are counted as
  duplicates. Reference events carry the second of the file's first row in their id, so that the
  next file of the same venue declares its accounts again without a conflict.
* An id that would be longer than 64 characters ends in 16 hexadecimal digits of its SHA-256.
* What is not of the file is chosen here and said in docs/reference/importers.md: liquidation off,
  one open-ended tier.
"""

import hashlib
import re
from typing import Literal

from ledger.importers.run import WireEvent

ID_LENGTH_MAX = 64
INITIAL_RATE = "0.02"
MAINTENANCE_RATE = "0.01"

_FORBIDDEN = re.compile(r"[^A-Za-z0-9._:-]")
_DIGEST_LENGTH = 16


def identifier(text: str) -> str:
    """The text as an id of the wire: other characters become `_` and their code in hexadecimal."""
    return _bounded(_FORBIDDEN.sub(lambda match: f"_{ord(match[0]):x}", text))


def event_id(*parts: object) -> str:
    """The parts joined by colons, as an id."""
    return identifier(":".join(str(part) for part in parts))


def _bounded(text: str) -> str:
    if len(text) <= ID_LENGTH_MAX:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{text[: ID_LENGTH_MAX - _DIGEST_LENGTH - 1]}:{digest}"


class Wire:
    """Makes the events of one pool.

    Args:
        prefix: First part of the ids of reference events: the venue.
        pool: Name of the pool.
        since: Time of the file's first row, as on the wire.
        since_second: The same, whole seconds since 1970.
    """

    def __init__(self, prefix: str, pool: str, since: str, since_second: int) -> None:
        self._prefix = prefix
        self._pool = pool
        self._since = since
        self._second = since_second

    def _event(self, kind: str, identity: str, occurred_at: str, **fields: object) -> WireEvent:
        return {
            "kind": kind,
            "event_id": identity,
            "pool": self._pool,
            "occurred_at": occurred_at,
            **fields,
        }

    def _reference(self, kind: str, subject: str, **fields: object) -> WireEvent:
        identity = event_id(self._prefix, self._second, kind, subject)
        return self._event(kind, identity, self._since, **fields)

    def pool(self, settlement_asset: str, scale: int, adl_policy: str) -> WireEvent:
        """The pool, with liquidation off: the venue has done its own already."""
        return self._reference(
            "pool",
            self._pool,
            settlement_asset=settlement_asset,
            scale=scale,
            liquidation="off",
            penalty_rate="0",
            partial_buffer="0",
            insurance_floor="0",
            adl_policy=adl_policy,
            loss_policy="open",
        )

    def instrument(
        self,
        instrument: str,
        contract: Literal["linear", "inverse"],
        multiplier: str,
        price_scale: int,
        quantity_scale: int,
    ) -> WireEvent:
        """A perpetual with one open-ended tier."""
        tier = {
            "notional_cap": None,
            "initial_rate": INITIAL_RATE,
            "maintenance_rate": MAINTENANCE_RATE,
            "maintenance_amount": "0",
        }
        return self._reference(
            "instrument",
            instrument,
            instrument=instrument,
            type=contract,
            multiplier=multiplier,
            price_scale=price_scale,
            quantity_scale=quantity_scale,
            expiry=None,
            tiers=[tier],
        )

    def account(self, account: str) -> WireEvent:
        """A participant."""
        return self._reference("account", account, account=account, margin_mode="cross")

    def opening_position(
        self, identity: str, account: str, instrument: str, quantity: str, entry_price: str
    ) -> WireEvent:
        """A position that stood before the file's first row."""
        return self._event(
            "opening_position",
            identity,
            self._since,
            account=account,
            instrument=instrument,
            quantity=quantity,
            entry_price=entry_price,
        )

    def trade(
        self,
        identity: str,
        occurred_at: str,
        instrument: str,
        price: str,
        quantity: str,
        sides: tuple[str, str],
        fees: tuple[str, str] = ("0", "0"),
        trade_id: str | None = None,
    ) -> WireEvent:
        """A trade; `sides` are buyer and seller, `fees` theirs, negative for a rebate."""
        number = {} if trade_id is None else {"trade_id": identifier(trade_id)}
        return self._event(
            "trade",
            identity,
            occurred_at,
            **number,
            instrument=instrument,
            price=price,
            quantity=quantity,
            buyer=sides[0],
            seller=sides[1],
            buyer_fee=fees[0],
            seller_fee=fees[1],
        )

    def price(self, identity: str, occurred_at: str, instrument: str, mark: str) -> WireEvent:
        """A mark price."""
        return self._event("price", identity, occurred_at, instrument=instrument, mark_price=mark)
