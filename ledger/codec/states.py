"""A pool's state as canonical bytes and back: what a snapshot keeps and a state hash covers.

One JSON object, keys and maps sorted, no white space. Accounts stand by number with commodity,
balance and count of postings; what can be derived (holders, numbers by key) is not kept. The bytes
depend on the state alone, not on how it was reached.
"""

import hashlib
import json

from ledger.core import events
from ledger.core.accounts import AccountKey
from ledger.core.instruments import Terms
from ledger.core.state import AssetTerms, Mark, Request, State
from ledger.core.units import Fixed, Microseconds

FORMAT = 1
"""Raised when the layout changes; a snapshot of another format is passed over, not misread."""


class UnknownFormat(ValueError):
    """The bytes are of another format; the state must be rebuilt from the log."""


def encode_state(state: State) -> bytes:
    """The state as bytes; equal states give equal bytes."""
    journal = state.journal
    return json.dumps(
        {
            "format": FORMAT,
            "name": state.name,
            "pool": state.pool,
            "pool_time": state.pool_time,
            "assets": state.assets,
            "asset_prices": state.asset_prices,
            "instruments": state.instruments,
            "participants": state.participants,
            "marks": state.marks,
            "requests": state.requests,
            "busted": state.busted,
            "commodities": [commodity[1:] for commodity in journal.commodities[1:]],
            "accounts": [
                [
                    *journal.keys[n],
                    journal.commodity_of[n],
                    journal.balances[n],
                    journal.sequences[n],
                ]
                for n in range(1, len(journal.keys))
            ],
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()


def state_hash(state: State) -> str:
    """SHA-256 of the state's bytes, in hex."""
    return hashlib.sha256(encode_state(state)).hexdigest()


def decode_state(body: bytes) -> State:
    """A kept state, ready to go on.

    Raises:
        UnknownFormat: It was written by another version of this file.
    """
    kept = json.loads(body)
    if kept.get("format") != FORMAT:
        message = f"state of format {kept.get('format')}, this version reads {FORMAT}"
        raise UnknownFormat(message)
    state = State(kept["name"])
    if kept["pool"] is not None:
        state.pool = _pool(kept["pool"])
    if kept["pool_time"] is not None:
        state.pool_time = Microseconds(kept["pool_time"])
    state.assets = {
        name: AssetTerms(asset, scale, Fixed(*haircut))
        for name, (asset, scale, haircut) in kept["assets"].items()
    }
    state.asset_prices = {name: Fixed(*price) for name, price in kept["asset_prices"].items()}
    state.instruments = {name: _terms(row) for name, row in kept["instruments"].items()}
    state.participants = {name: tuple(tags) for name, tags in kept["participants"].items()}
    state.marks = {name: Mark(*mark) for name, mark in kept["marks"].items()}
    state.requests = {name: Request(*request) for name, request in kept["requests"].items()}
    state.busted = kept["busted"]
    for asset, instrument, scale in kept["commodities"]:
        state.journal.restore_commodity(asset, instrument, scale)
    for owner, kind, instrument, asset, commodity, balance, sequence in kept["accounts"]:
        key = AccountKey(owner, kind, instrument, asset)
        state.journal.restore(key, commodity, balance, sequence)
    return state


def _pool(row: list[object]) -> events.Pool:
    return events.Pool(*(Fixed(*part) if isinstance(part, list) else part for part in row))  # type: ignore[arg-type]


def _terms(row: list[object]) -> Terms:
    named = dict(zip(Terms._fields, row, strict=True))
    named["multiplier"] = Fixed(*named["multiplier"])  # type: ignore[misc]
    named["tiers"] = tuple(
        events.Tier(None if cap is None else Fixed(*cap), *(Fixed(*part) for part in rest))
        for cap, *rest in named["tiers"]  # type: ignore[attr-defined]
    )
    if named["price_band"] is not None:
        named["price_band"] = Fixed(*named["price_band"])  # type: ignore[misc]
    return Terms(**named)  # type: ignore[arg-type]
