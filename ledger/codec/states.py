"""A pool's state as canonical bytes and back: what a snapshot keeps and a state hash covers.

One JSON object, keys and maps sorted, no white space; a map whose keys are pairs is a sorted list
of `[first, second, value]`. Accounts stand by number with commodity, balance and count of postings;
what can be derived (holders, numbers by key, the watch) is not kept: the accounts of a decoded
state are all examined once, which changes nothing in books at rest. The bytes depend on the state
alone, not on how it was reached.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ledger.core import events
from ledger.core.accounts import AccountKey
from ledger.core.instruments import Terms
from ledger.core.margin.statements import margin_accounts
from ledger.core.margin.tiers import MarginTier
from ledger.core.registers import (
    AssetTerms,
    Deficit,
    Inventory,
    Mark,
    PositionTerms,
    Request,
    Suspect,
)
from ledger.core.state import State
from ledger.core.units import Fixed, Microseconds

FORMAT = 3
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
            "suspects": state.suspects,
            "modes": _listed(state.modes),
            "requests": state.requests,
            "busted": state.busted,
            "calls": _listed(state.calls),
            "deficits": [[number, *state.deficits[number]] for number in sorted(state.deficits)],
            "inventories": state.inventories,
            "borne": _listed(state.borne),
            "defaulted": _listed(state.defaulted),
            "counts": state.counts,
            "under_floor": state.under_floor,
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
    state.asset_prices = kept["asset_prices"]
    state.instruments = {name: _terms(row) for name, row in kept["instruments"].items()}
    state.participants = {name: tuple(tags) for name, tags in kept["participants"].items()}
    state.marks = {name: Mark(*mark) for name, mark in kept["marks"].items()}
    state.suspects = {name: Suspect(*suspect) for name, suspect in kept["suspects"].items()}
    state.modes = {
        (account, instrument): PositionTerms(mode, None if leverage is None else Fixed(*leverage))
        for account, instrument, (mode, leverage) in kept["modes"]
    }
    state.requests = {name: Request(*request) for name, request in kept["requests"].items()}
    state.busted = kept["busted"]
    _restore_defaults(state, kept)
    for asset, instrument, scale in kept["commodities"]:
        state.journal.restore_commodity(asset, instrument, scale)
    for owner, kind, instrument, asset, commodity, balance, sequence in kept["accounts"]:
        key = AccountKey(owner, kind, instrument, asset)
        state.journal.restore(key, commodity, balance, sequence)
    if state.pool is not None:
        state.watch.touch([*margin_accounts(state), *state.calls])
    return state


def _restore_defaults(state: State, kept: dict[str, Any]) -> None:
    state.calls = {(account, instrument): call for account, instrument, call in kept["calls"]}
    state.deficits = {number: Deficit(*rest) for number, *rest in kept["deficits"]}
    state.inventories = {
        name: Inventory(row[0], row[1], row[2], None if row[3] is None else tuple(row[3]))
        for name, row in kept["inventories"].items()
    }
    state.borne = {(owner, name): loss for owner, name, loss in kept["borne"]}
    state.defaulted = {(owner, name): sequence for owner, name, sequence in kept["defaulted"]}
    state.counts = kept["counts"]
    state.under_floor = kept["under_floor"]


def _listed(register: Mapping[Any, object]) -> list[tuple[object, ...]]:
    """A register by pairs, in their order; None before all else."""
    pairs = sorted(register, key=lambda pair: (pair[0], pair[1] or ""))
    return [(*pair, register[pair]) for pair in pairs]


def _pool(row: list[object]) -> events.Pool:
    return events.Pool(*(Fixed(*part) if isinstance(part, list) else part for part in row))  # type: ignore[arg-type]


def _terms(row: list[object]) -> Terms:
    named = dict(zip(Terms._fields, row, strict=True))
    named["multiplier"] = Fixed(*named["multiplier"])  # type: ignore[misc]
    named["tiers"] = tuple(MarginTier(*tier) for tier in named["tiers"])  # type: ignore[attr-defined]
    if named["price_band"] is not None:
        named["price_band"] = Fixed(*named["price_band"])  # type: ignore[misc]
    return Terms(**named)  # type: ignore[arg-type]
