"""How a position is margined: its mode, its leverage, and margin moved by hand.

    isolated_transfer +a     wallet -a      isolated +a
    isolated_transfer -a     isolated -a    wallet +a

The mode can change only while there is no position and nothing is owed on it (a pool that does not
liquidate makes nobody whole). A leverage moves no money; one that would leave
less initial margin free than there is, and less than nothing, is refused. Money leaves either
account only up to its balance, and while equity >= initial margin holds afterwards.

Source: docs/spec/isolated.md.
"""

from ledger.core import events
from ledger.core.accounts import ISOLATED, WALLET
from ledger.core.checks import first_of, in_units, live_instrument, rejected, unknown_account
from ledger.core.margin.statements import CROSS, margin_account, statement
from ledger.core.margin.tiers import initial
from ledger.core.margin.withdrawable import beyond_margin
from ledger.core.outcome import Rejection
from ledger.core.positions import move_margin
from ledger.core.registers import PositionTerms
from ledger.core.rejections import Code
from ledger.core.state import State


def position_mode(state: State, fact: events.PositionMode) -> Rejection | None:
    """Choose the mode and leverage of a participant's position in an instrument."""
    refusal = _unknown(state, fact.instrument, fact.account)
    if refusal is not None:
        return refusal
    key = (fact.account, fact.instrument)
    known = state.modes.get(key, CROSS)
    chosen = PositionTerms(fact.mode, fact.leverage)
    is_open = fact.instrument in state.journal.positions_of.get(fact.account, {})
    asset = state.settlement.asset
    owed = state.journal.balance(fact.account, ISOLATED, fact.instrument, asset)
    if (is_open or owed) and known.mode != chosen.mode:
        what = "a position" if is_open else f"an isolated balance of {owed} smallest units"
        return rejected(
            Code.POSITION_OPEN,
            f"{fact.account} has {what} open in {fact.instrument}; "
            f"its mode {known.mode} can change only when there is neither",
        )
    if is_open:
        refusal = _too_little_free(state, fact, chosen)
    if refusal is None:
        state.put(state.modes, key, chosen)
        state.watch.touch([margin_account(state, *key)])
    return refusal


def isolated_transfer(state: State, fact: events.IsolatedTransfer) -> Rejection | None:
    """Move margin into an isolated position (positive) or out of it."""
    asset = state.settlement
    amount = in_units(fact.amount, asset.scale, "amount")
    found = [_unknown(state, fact.instrument, fact.account)]
    if state.modes.get((fact.account, fact.instrument), CROSS).mode != "isolated":
        found.append(
            rejected(Code.NOT_ISOLATED, f"{fact.account} holds {fact.instrument} in cross margin")
        )
    if fact.instrument not in state.journal.positions_of.get(fact.account, {}):
        found.append(
            rejected(Code.NO_POSITION, f"{fact.account} has no position in {fact.instrument}")
        )
    if isinstance(amount, Rejection):
        found.append(amount)
    refusal = first_of(found)
    if refusal is not None or isinstance(amount, Rejection):
        return refusal
    source = None if amount > 0 else fact.instrument
    kind = WALLET if amount > 0 else ISOLATED
    balance = state.journal.balance(fact.account, kind, source, asset.asset)
    if abs(amount) > balance:
        return rejected(
            Code.INSUFFICIENT_BALANCE,
            f"{kind} of {fact.account} holds {balance} smallest units, "
            f"{abs(amount)} were asked for",
        )
    refusal = beyond_margin(state, fact.account, source, asset.asset, abs(amount))
    if refusal is None:
        move_margin(state, fact.account, fact.instrument, amount)
    return refusal


def _unknown(state: State, instrument: str, account: str) -> Rejection | None:
    terms = live_instrument(state, instrument)
    if isinstance(terms, Rejection):
        return terms
    return unknown_account(state, account)


def _too_little_free(
    state: State, fact: events.PositionMode, chosen: PositionTerms
) -> Rejection | None:
    found = statement(state, *margin_account(state, fact.account, fact.instrument))
    held = next(one for one in found.positions if one.instrument == fact.instrument)
    required = initial(held.tier, chosen.leverage, held.numerator, held.denominator)
    free = found.free_collateral + held.initial - required
    if free >= 0 or free >= found.free_collateral:
        return None
    return rejected(
        Code.INSUFFICIENT_MARGIN,
        f"free collateral of {fact.account} would be {free} smallest units "
        f"instead of {found.free_collateral}",
    )
