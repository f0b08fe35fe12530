"""Everything that an explanation starts from, gathered from the books as they stood then.

The inputs of an explanation are a tree of plain values, complete enough to be worked again without
us: the records asked for and those that belong to them, the terms, marks, prices and margin modes
in force, the source event, and the accounts of the ledger with their balance before the event and
their postings in it. Figures are decimal strings in natural units.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ledger.audit.explanation.arithmetic import decimal
from ledger.audit.times import moment
from ledger.codec.decoding import Decoded, decimal_text, decode
from ledger.core.accounts import HOUSE, LIQUIDATION
from ledger.core.events import Asset, Instrument, Pool, PositionMode, RiskTiers
from ledger.core.outcome import Purpose
from ledger.core.units import Fixed
from ledger.ports import StoredEvent
from ledger.store.audit.lookups import FoundRecord, LedgerAccount, Lookups

CANDIDATES_MAX = 500
"""Candidates of a deleveraging that are looked up in the books; a look-up costs about 0.2 ms."""

STAND_INS = ("trade", "opening")


def base_inputs(lookups: Lookups, event: StoredEvent, line: int) -> dict[str, Any]:
    """What every explanation starts from; more is added by name."""
    return {
        "rules": event.rules,
        "pool_time": None if event.pool_time is None else moment(event.pool_time),
        "source": json.loads(event.raw),
        "terms": pool_terms(lookups, event.sequence),
        "marks": {},
        "asset_prices": {},
        "modes": {},
        "books": [],
        "line": line,
    }


def pool_terms(lookups: Lookups, sequence: int) -> dict[str, Any]:
    """Terms of the pool and its assets as of an event; instruments come by name."""
    pool: dict[str, Any] = {}
    assets: dict[str, Any] = {}
    for stored in lookups.reference(("pool", "asset"), sequence):
        fact = _fact(stored)
        if isinstance(fact, Pool):
            pool = _plain(fact)
            assets.setdefault(fact.settlement_asset, {"scale": fact.scale, "haircut": "0"})
        if isinstance(fact, Asset):
            assets[fact.asset] = {"scale": fact.scale, "haircut": decimal_text(fact.haircut)}
    return {"pool": pool, "assets": assets, "instruments": {}}


def add_instruments(
    lookups: Lookups, inputs: dict[str, Any], names: Sequence[str], sequence: int
) -> None:
    """Terms and marks of instruments, as of the record explained."""
    wanted = set(names) - set(inputs["terms"]["instruments"])
    if not wanted:
        return
    for stored in lookups.reference(("instrument", "risk_tiers"), sequence):
        fact = _fact(stored)
        if isinstance(fact, Instrument) and fact.instrument in wanted:
            terms = _plain(fact)
            for key in ("instrument", "expiry"):
                del terms[key]
            inputs["terms"]["instruments"][fact.instrument] = terms
        if isinstance(fact, RiskTiers) and fact.instrument in wanted:
            tiers = [_plain(tier) for tier in fact.tiers]
            inputs["terms"]["instruments"][fact.instrument]["tiers"] = tiers
    for name in sorted(wanted):
        found = lookups.last_record("mark", name, sequence, inputs["line"])
        if found is not None:
            inputs["marks"][name] = _mark(lookups, found)


def _mark(lookups: Lookups, found: FoundRecord) -> dict[str, Any]:
    event = lookups.event(found.sequence)
    assert event is not None and event.occurred_at is not None, "a mark has its event"  # noqa: PT018 - one thought
    return {
        "mark_price": found.body["mark_price"],
        "source": found.body["source"],
        "address": found.address,
        "time": moment(event.occurred_at),
    }


def add_prices(lookups: Lookups, inputs: dict[str, Any], sequence: int) -> None:
    """Prices of the assets in the books gathered so far."""
    settlement = inputs["terms"]["pool"]["settlement_asset"]
    assets = {book["asset"] for book in inputs["books"] if book["asset"] not in (None, settlement)}
    for name in sorted(assets):
        found = lookups.last_record("asset_price", name, sequence, inputs["line"])
        if found is not None:
            inputs["asset_prices"][name] = {
                "price": found.body["price"],
                "address": found.address,
            }


def add_modes(lookups: Lookups, inputs: dict[str, Any], participant: str, sequence: int) -> None:
    """A participant's margin modes and leverages, by instrument."""
    for stored in lookups.modes_of(participant, sequence):
        fact = _fact(stored)
        assert isinstance(fact, PositionMode), stored.kind
        leverage = None if fact.leverage is None else decimal_text(fact.leverage)
        inputs["modes"][fact.instrument] = {"mode": fact.mode, "leverage": leverage}


def add_books(
    lookups: Lookups,
    inputs: dict[str, Any],
    owners: Sequence[str],
    sequence: int,
    kinds: Sequence[str] | None = None,
    instrument: str | None = None,
) -> None:
    """Accounts of these owners: balance before the event, and postings in it."""
    accounts = [
        account
        for account in lookups.accounts(owners, instrument)
        if kinds is None or account.kind in kinds
    ]
    if not accounts:
        return
    numbers = [account.account for account in accounts]
    before = lookups.balances(numbers, sequence - 1)
    postings: dict[int, list[dict[str, Any]]] = {}
    scales = {account.account: account.scale for account in accounts}
    for posting in lookups.postings(sequence, numbers):
        scale = scales[posting.account]
        postings.setdefault(posting.account, []).append(
            {
                "line": posting.line,
                "purpose": Purpose(posting.purpose).name.lower(),
                "amount": natural(posting.amount, scale),
                "balance": natural(posting.balance, scale),
            }
        )
    for account in accounts:
        opening = before.get(account.account, Decimal(0))
        made = postings.get(account.account, [])
        if opening or made:
            inputs["books"].append(_book(account, opening, made))


def _book(account: LedgerAccount, before: Decimal, made: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "owner": account.owner,
        "kind": account.kind,
        "instrument": account.instrument,
        "asset": account.asset,
        "before": natural(before, account.scale),
        "postings": made,
    }


def add_account(lookups: Lookups, inputs: dict[str, Any], participant: str, sequence: int) -> None:
    """All that a participant's margin accounts are made of."""
    add_modes(lookups, inputs, participant, sequence)
    add_books(lookups, inputs, [participant], sequence)
    add_instruments(lookups, inputs, list(_instruments(inputs["books"])), sequence)
    add_prices(lookups, inputs, sequence)


def add_house(lookups: Lookups, inputs: dict[str, Any], sequence: int) -> None:
    """Insurance fund, deficit and the inventories of `@liquidation`."""
    add_books(lookups, inputs, [HOUSE], sequence, ("insurance", "deficit"))
    add_books(lookups, inputs, [LIQUIDATION], sequence)
    add_instruments(lookups, inputs, list(_instruments(inputs["books"])), sequence)


def _instruments(books: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for book in books:
        if book["instrument"] is not None:
            yield book["instrument"]


def as_input(record: FoundRecord) -> dict[str, Any]:
    """A record as it stands in the inputs."""
    return {
        "address": record.address,
        "kind": record.kind,
        "subject": record.subject,
        "body": record.body,
    }


def natural(units: Decimal, scale: int) -> str:
    """Smallest units as a decimal string with all of its decimals."""
    return decimal(Fraction(int(units), 10**scale), scale)


def _fact(stored: StoredEvent) -> object:
    decoded = decode(stored.raw)
    assert isinstance(decoded, Decoded), f"event {stored.sequence} was accepted"
    return decoded.event.fact


def _plain(value: Any) -> Any:  # noqa: ANN401 - a tree of facts
    if isinstance(value, Fixed):
        return decimal_text(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value
