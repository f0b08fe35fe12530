"""Margin calls and breaches of initial margin: recorded, never posted.

A call opens when an account with positions has less equity than its initial margin, and no call is
open; it ends when it has as much again, or no position. Equity equal to the requirement is safe. A
trade that leaves a side's account under its initial margin, having added to a position, is recorded
as a breach.

Source: docs/spec/margin.md.
"""

from ledger.core.accounts import POSITION
from ledger.core.margin.disclosure import statement_body
from ledger.core.margin.statements import Statement, margin_account, statement
from ledger.core.state import State
from ledger.core.units import Fixed


def review(state: State, found: Statement) -> None:
    """Open or end the call of an account, as it was found."""
    call = state.calls.get(found.key)
    if call is None:
        if found.positions and found.equity < found.required:
            _open(state, found)
    elif not found.positions or found.equity >= found.required:
        scale = state.settlement.scale
        body: dict[str, object] = {
            "account": found.account,
            "margin_instrument": found.margin_instrument,
            "equity": Fixed(found.equity, scale),
            "initial_margin": Fixed(found.initial, scale),
            "reason": "restored" if found.positions else "no_position",
        }
        state.drop(state.calls, found.key)
        state.journal.record("margin_call_end", call, body)


def _open(state: State, found: Statement) -> None:
    scale = state.settlement.scale
    call = state.next_id("C")
    state.put(state.calls, found.key, call)
    body: dict[str, object] = {
        "account": found.account,
        "margin_instrument": found.margin_instrument,
        "equity": Fixed(found.equity, scale),
        "initial_margin": Fixed(found.initial, scale),
        "maintenance_margin": Fixed(found.maintenance, scale),
        "statement": statement_body(state, found),
    }
    state.journal.record("margin_call", call, body)


def breach(state: State, account: str, instrument: str, *, bought: bool) -> None:
    """Record that a side of a trade has too little initial margin for what it added to."""
    key = margin_account(state, account, instrument)
    if state.watch.proves_initial(key):
        return
    held = state.journal.balance(account, POSITION, instrument, None)
    if not held or (held > 0) != bought:
        return
    found = statement(state, *key)
    if found.equity >= found.initial:
        return
    scale = state.settlement.scale
    body: dict[str, object] = {
        "margin_instrument": found.margin_instrument,
        "instrument": instrument,
        "equity": Fixed(found.equity, scale),
        "initial_margin": Fixed(found.initial, scale),
        "missing": Fixed(found.initial - found.equity, scale),
    }
    state.journal.record("margin_breach", account, body)
