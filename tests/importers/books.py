"""Wire events through the codec and the core, as the writer does it, and what they led to."""

import json
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from ledger.codec.decoding import Decoded, decode
from ledger.core.events import Event, Trade
from ledger.core.invariants import broken
from ledger.core.machine import decide
from ledger.core.outcome import Outcome, Purpose
from ledger.core.state import State
from ledger.importers import WireEvent


class Books:
    """One pool. Every event must decode, be new, and be accepted.

    Attributes:
        state: Of the core.
        events: Decoded, in order.
        realized: P&L by (event_id, account), in smallest units of the settlement asset.
        fees: Paid less rebates by account, likewise.
        costs: Value of each trade as it moved the buyer's variation, signed (a linear buyer pays),
            by event_id.
        before: Position and variation of both sides before a trade, in smallest units, by
            (event_id, account).
    """

    def __init__(self, events: Iterable[WireEvent]) -> None:
        self.events: list[Event] = []
        self.realized: dict[tuple[str, str], int] = {}
        self.fees: dict[str, int] = {}
        self.costs: dict[str, int] = {}
        self.before: dict[tuple[str, str], tuple[int, int]] = {}
        ids: set[str] = set()
        for wire in events:
            decoded = decode(json.dumps(wire).encode())
            assert isinstance(decoded, Decoded), (wire, decoded)
            event = decoded.event
            assert event.event_id not in ids, event
            ids.add(event.event_id)
            if not self.events:
                self.state = State(event.pool)
            self._look(event)
            outcome = decide(self.state, event)
            assert isinstance(outcome, Outcome), (event, outcome)
            self.events.append(event)
            self._keep(event, outcome)
        assert broken(self.state) == []

    def _look(self, event: Event) -> None:
        if isinstance(event.fact, Trade):
            instrument = event.fact.instrument
            asset = self.state.settlement.asset
            for account in (event.fact.buyer, event.fact.seller):
                self.before[event.event_id, account] = (
                    self.state.journal.balance(account, "position", instrument, None),
                    self.state.journal.balance(account, "variation", instrument, asset),
                )

    def _keep(self, event: Event, outcome: Outcome) -> None:
        keys = self.state.journal.keys
        for account, _, _, purpose, amount, _ in outcome.postings:
            key = keys[account]
            if key.kind == "variation" and purpose == Purpose.TRADE:
                if isinstance(event.fact, Trade) and key.owner == event.fact.buyer:
                    self.costs[event.event_id] = self.costs.get(event.event_id, 0) - amount
            elif key.kind != "wallet":
                continue
            elif purpose == Purpose.REALIZED:
                where = (event.event_id, key.owner)
                self.realized[where] = self.realized.get(where, 0) + amount
            elif purpose == Purpose.FEE:
                self.fees[key.owner] = self.fees.get(key.owner, 0) - amount

    def realized_pnl(self, event_id: str, account: str) -> Decimal:
        """In natural units; zero where nothing was realized."""
        return self._money(self.realized.get((event_id, account), 0))

    def entry_price(self, event_id: str, account: str, instrument: str) -> Fraction:
        """Average entry price of a linear position before a trade, exact."""
        position, variation = self.before[event_id, account]
        cost = Fraction(-variation, 10**self.state.settlement.scale)
        return cost / Fraction(position, 10 ** self.state.instruments[instrument].quantity_scale)

    def fees_paid(self, account: str) -> Decimal:
        """In natural units."""
        return self._money(self.fees.get(account, 0))

    def positions(self) -> dict[tuple[str, str], Decimal]:
        """Open positions by (account, instrument), in contracts; those of the house left out."""
        journal = self.state.journal
        return {
            (owner, instrument): Decimal(journal.balances[number]).scaleb(
                -self.state.instruments[instrument].quantity_scale
            )
            for instrument, holders in journal.holders.items()
            for owner, number in holders.items()
            if not owner.startswith("@")
        }

    def _money(self, amount: int) -> Decimal:
        return Decimal(amount).scaleb(-self.state.settlement.scale)
