"""Terms and prices carried from detached partitions, held against a kept state.

What was told last of a subject, and not told again up to that state, is what the state knows. What
the state knows was told: in a carried row, or in an event at hand.

Memory: the subjects that were seen.
"""

import json
from collections.abc import Iterator
from decimal import Decimal

from ledger.audit.verification.findings import Findings
from ledger.codec.decoding import Undecodable, decode
from ledger.core import events
from ledger.core.registers import AssetTerms, Mark, PositionTerms
from ledger.core.rules.listing import margin_tiers
from ledger.core.state import State
from ledger.core.units import ASSET_PRICE_SCALE, Microseconds
from ledger.store.audit import carried
from ledger.store.audit.books import Audited
from ledger.store.audit.carried import CarriedTerms

_Compared = tuple[str, object, object]
"""Field; what the state says, what is carried."""


def check_terms(
    books: Audited, shard: int, last: int, at: int, state: State, found: Findings
) -> None:
    """Hold what is carried against a state.

    Args:
        books: Where they are.
        shard: Whose.
        last: The end of what is carried.
        at: After which event the state was kept; `last` or later.
        state: That one.
        found: Gets what is wrong.
    """
    _Check(books, shard, (last, at), state, found).run()


class _Check:
    def __init__(
        self,
        books: Audited,
        shard: int,
        ends: tuple[int, int],
        state: State,
        found: Findings,
    ) -> None:
        self._books = books
        self._shard = shard
        self._last, self._at = ends
        self._state = state
        self._found = found
        self._seen: set[tuple[str, str]] = set()
        self._schedules: dict[str, tuple[int, CarriedTerms]] = {}

    def run(self) -> None:
        for row in carried.newest_terms(self._books.connection, self._shard, self._last, self._at):
            self._seen.add((row.kind, row.subject))
            self._keep_schedule(row)
            if not row.is_retold:
                self._hold(row, self._compared(row))
        for subject, (_, row) in self._schedules.items():
            if not any(self._is_retold(kind, subject) for kind in ("instrument", "risk_tiers")):
                self._hold(row, self._tiers(row))
        self._untold()

    def _keep_schedule(self, row: CarriedTerms) -> None:
        """The margin schedule of an instrument is in whichever of two kinds came last."""
        if row.kind in {"instrument", "risk_tiers"}:
            known = self._schedules.get(row.subject)
            if known is None or known[0] < row.sequence:
                self._schedules[row.subject] = (row.sequence, row)

    def _hold(self, row: CarriedTerms, compared: Iterator[_Compared]) -> None:
        said = (
            f"{row.kind} {row.subject or 'of the pool'}, as the state kept after event {self._at}"
        )
        try:
            for field, expected, found in compared:
                self._found.differ(row.sequence, "carried_fact", field, expected, found, said)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as fault:
            said = f"{row.kind} {row.subject}: not what such a message or record holds"
            self._found.add(row.sequence, "carried_fact", "content", row.kind, fault, said)

    def _compared(self, row: CarriedTerms) -> Iterator[_Compared]:
        state, subject = self._state, row.subject
        if row.kind == "mark":
            body = json.loads(row.content)
            scale = state.instruments[subject].price_scale
            price = _units(body["mark_price"], scale)
            told = Mark(price, body["source"], Microseconds(row.occurred_at))
            yield "content", state.marks.get(subject), told
        elif row.kind == "asset_price":
            price = _units(json.loads(row.content)["price"], ASSET_PRICE_SCALE)
            yield "content", state.asset_prices.get(subject), price
        else:
            event = _event(row)
            yield "occurred_at", event.occurred_at, row.occurred_at
            yield from self._compared_fact(subject, event.fact)

    def _compared_fact(self, subject: str, fact: object) -> Iterator[_Compared]:
        state = self._state
        match fact:
            case events.Pool():
                yield "content", state.pool, fact
            case events.Asset():
                terms = AssetTerms(fact.asset, fact.scale, fact.haircut)
                yield "content", state.assets.get(subject), terms
            case events.Account():
                yield "subject", subject, fact.account
                yield "content", state.participants.get(subject), fact.tags
            case events.PositionMode():
                yield "subject", subject, f"{fact.account}/{fact.instrument}"
                terms_of = state.modes.get((fact.account, fact.instrument))
                yield "content", terms_of, PositionTerms(fact.mode, fact.leverage)
            case events.Instrument():
                known = state.instruments[subject]
                kind = "inverse" if known.is_inverse else "linear"
                expected = (known.instrument, kind, *known[2:5], known.expiry, *known[9:12])
                yield "content", expected, (*fact[:6], *fact[7:10])
            case events.RiskTiers():
                yield "subject", subject, fact.instrument
            case _:
                yield "kind", "terms", type(fact).__name__

    def _tiers(self, row: CarriedTerms) -> Iterator[_Compared]:
        fact = _event(row).fact
        assert isinstance(fact, events.Instrument | events.RiskTiers)
        told = margin_tiers(fact.tiers, self._state.settlement.scale)
        yield "content", self._state.instruments[row.subject].tiers, told

    def _untold(self) -> None:
        """What the state knows, and no row at hand tells."""
        state = self._state
        known = [("pool", "")] if state.pool is not None else []
        known += [("mark", name) for name in state.marks]
        known += [("asset_price", name) for name in state.asset_prices]
        known += [("instrument", name) for name in state.instruments]
        known += [("account", name) for name in state.participants]
        known += [("position_mode", "/".join(key)) for key in state.modes]
        if state.pool is not None:
            settlement = state.settlement.asset
            known += [("asset", name) for name in state.assets if name != settlement]
        for kind, subject in known:
            if (kind, subject) not in self._seen and not self._is_retold(kind, subject):
                said = (
                    f"the state kept after event {self._at} knows it, and neither what was carried"
                    f" from the events up to {self._last} nor an event since tells it: a row is"
                    " missing, or their tables were dropped before revision 0002"
                    " (docs/operating/upgrade.md)"
                )
                values = (f"{kind} {subject}", None, said)
                self._found.add(self._last, "carried_fact", "subject", *values)

    def _is_retold(self, kind: str, subject: str) -> bool:
        between = (self._last, self._at)
        return carried.is_retold(self._books.connection, self._shard, kind, subject, between)


def _event(row: CarriedTerms) -> events.Event:
    """What a carried message says.

    Raises:
        ValueError: It is no such message.
    """
    decoded = decode(row.content)
    if isinstance(decoded, Undecodable):
        raise ValueError(decoded.rejection.detail)  # noqa: TRY004 - of what it holds, not a type
    if decoded.event.kind != row.kind:
        message = f"a message of kind {decoded.event.kind}"
        raise ValueError(message)
    return decoded.event


def _units(words: str, scale: int) -> int:
    return int(Decimal(words).scaleb(scale))
