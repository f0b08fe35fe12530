"""Books of a pool driven by wire events through the codec and the core, and read in natural units.

Figures of a venue are held against what the core says of the same account. Nothing here works out a
margin: expectations stand in the tests, in fractions of the venue's own numbers.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ledger.codec.decoding import Decoded, decode
from ledger.core.events import Event
from ledger.core.invariants import broken
from ledger.core.machine import decide
from ledger.core.margin.liquidation_price import liquidation_price
from ledger.core.margin.statements import Statement, statement
from ledger.core.outcome import Outcome, Record
from ledger.core.state import State
from ledger.core.units import Fixed

TERMS: dict[str, Any] = {
    "settlement_asset": "USD",
    "scale": 6,
    "liquidation": "off",
    "penalty_rate": "1",
    "partial_buffer": "0",
    "insurance_floor": "0",
    "adl_policy": "hyperliquid",
    "loss_policy": "open",
}
"""Liquidation off, so that an account can be put together line by line."""


def written(number: Fraction | Decimal | int) -> str:
    """A number as the wire writes it; it must have a finite decimal form."""
    exact = Fraction(number)
    scale = 0
    while (exact * 10**scale).denominator != 1:
        scale += 1
        assert scale <= 40, f"{number} has no finite decimal form"
    whole = exact.numerator * 10**scale // exact.denominator
    return f"{Decimal(whole).scaleb(-scale):f}"


def rounded(number: Fraction, scale: int) -> Fraction:
    """Half-even at `scale` decimals."""
    return Fraction(round(number * 10**scale), 10**scale)


def up(number: Fraction, scale: int) -> Fraction:
    """The next multiple of the smallest unit, towards plus infinity."""
    return Fraction(-((-number * 10**scale) // 1), 10**scale)


def down(number: Fraction, scale: int) -> Fraction:
    """The multiple of the smallest unit below, towards minus infinity."""
    return Fraction((number * 10**scale) // 1, 10**scale)


def single_tier(maintenance: Fraction, initial: Fraction) -> list[dict[str, str | None]]:
    """A margin schedule of one tier; maintenance rounded up at 12 decimals, initial down."""
    return [
        {
            "notional_cap": None,
            "initial_rate": written(down(initial, 12)),
            "maintenance_rate": written(up(maintenance, 12)),
            "maintenance_amount": "0",
        }
    ]


def figures(body: Any) -> Any:  # noqa: ANN401 - a record's body is a tree of figures
    """The body of a record with its decimals as fractions, lists and objects likewise."""
    match body:
        case Fixed(coefficient, scale):
            return Fraction(coefficient, 10**scale)
        case dict():
            return {name: figures(value) for name, value in body.items()}
        case list() | tuple():
            return [figures(value) for value in body]
        case _:
            return body


class Books:
    """One pool; every event must be accepted, and leave the invariants whole.

    Attributes:
        state: Of the core.
        records: All of them, in order.
        is_checked: Ask the invariants after each event; a test of thousands of events may not.
    """

    def __init__(self, *, is_checked: bool = True, **terms: object) -> None:
        self.state = State("main")
        self.records: list[Record] = []
        self.is_checked = is_checked
        self._sent = 0
        self._terms = TERMS | terms
        self.send("pool", **self._terms)

    def send(self, kind: str, **fields: object) -> Outcome:
        """Apply one event."""
        self._sent += 1
        second, micros = divmod(self._sent, 1_000_000)
        message = {
            "kind": kind,
            "event_id": f"e{self._sent}",
            "occurred_at": f"2026-01-01T00:00:{second:02}.{micros:06}Z",
            **fields,
        }
        outcome = decide(self.state, self._event(message), None, self._sent)
        assert isinstance(outcome, Outcome), (message, outcome)
        if self.is_checked:
            assert broken(self.state) == [], message
        self.records.extend(outcome.records)
        return outcome

    def change_pool(self, **terms: object) -> Outcome:
        """Change risk fields of the pool, keeping the rest."""
        self._terms |= terms
        return self.send("pool", **self._terms)

    def list_linear(
        self,
        instrument: str,
        tiers: list[dict[str, str | None]],
        *,
        price_scale: int,
        quantity_scale: int,
    ) -> None:
        """List a linear perpetual of multiplier 1."""
        self.send(
            "instrument",
            instrument=instrument,
            type="linear",
            multiplier="1",
            price_scale=price_scale,
            quantity_scale=quantity_scale,
            expiry=None,
            tiers=tiers,
        )

    def admit(self, *accounts: str) -> None:
        for account in accounts:
            self.send("account", account=account)

    def statement(self, account: str, instrument: str | None = None) -> Statement:
        return statement(self.state, account, instrument)

    def money(self, units: int) -> Fraction:
        """Smallest units of the settlement asset in natural units."""
        return Fraction(units, 10**self.state.settlement.scale)

    def balance(self, owner: str, kind: str, instrument: str | None = None) -> Fraction:
        """Of the settlement asset, in natural units."""
        asset = self.state.settlement.asset
        return self.money(self.state.journal.balance(owner, kind, instrument, asset))

    def contracts(self, owner: str, instrument: str) -> Fraction:
        """Signed position in whole contracts."""
        held = self.state.journal.balance(owner, "position", instrument, None)
        return Fraction(held, 10 ** self.state.instruments[instrument].quantity_scale)

    def liquidation_price(self, account: str, instrument: str) -> Fraction | None:
        price = liquidation_price(self.state, account, instrument)
        if price is None:
            return None
        return Fraction(price, 10 ** self.state.instruments[instrument].price_scale)

    def bodies(self, kind: str) -> Iterator[dict[str, Any]]:
        """Bodies of the records of one kind so far, decimals as fractions."""
        return (figures(record.body) for record in self.records if record.kind == kind)

    def _event(self, message: dict[str, object]) -> Event:
        decoded = decode(json.dumps(message).encode())
        assert isinstance(decoded, Decoded), (message, decoded)
        return decoded.event
