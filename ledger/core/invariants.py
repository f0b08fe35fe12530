"""What must hold of the books after every event: the oracle of the property tests.

I2  all balances of a commodity sum to zero
I3  positions of an instrument sum to zero (I2 of its contracts)
I5  everything but custody sums to minus custody (I2); no variation without a position
I6  at rest nobody's equity is negative in a pool that liquidates, but for positions whose mark is
    stale; `insurance >= 0 >= deficit`, and the deficit is the sum of those still open
and `holders` names exactly the owners with an open position; each hold equals the open requests;
nothing is left on the margin of a flat isolated position. I1 and I4 are asserted where postings are
made.

`broken` is for books at rest: after opening entries, I6 holds from the next other event on.
Cost: one pass over all accounts and positions. Never called on the hot path.
"""

from ledger.core.accounts import DEFICIT, HOLD, INSURANCE, POSITION, VARIATION
from ledger.core.defaults.fund import deficit
from ledger.core.margin.statements import margin_accounts, statement
from ledger.core.state import State


def broken(state: State) -> list[str]:
    """Every invariant that does not hold, in words; empty when the books are sound."""
    found = [*_sums(state), *_positions(state), *_funds(state), *_holds(state)]
    return found if state.pool is None else [*found, *_deficits(state), *_margins(state)]


def _sums(state: State) -> list[str]:
    journal = state.journal
    sums = [0] * len(journal.commodities)
    for commodity, balance in zip(journal.commodity_of, journal.balances, strict=True):
        sums[commodity] += balance
    return [
        f"I2: {commodity} sums to {total}"
        for commodity, total in zip(journal.commodities, sums, strict=True)
        if total
    ]


def _positions(state: State) -> list[str]:
    journal = state.journal
    found: list[str] = []
    open_positions: dict[str, dict[str, int]] = {name: {} for name in journal.holders}
    for number, key in enumerate(journal.keys):
        if key.kind == VARIATION and journal.balances[number]:
            if not journal.balance(key.owner, POSITION, key.instrument, None):
                found.append(f"I5: variation without a position: {key}")
        elif key.kind == POSITION and key.instrument is not None and journal.balances[number]:
            open_positions[key.instrument][key.owner] = number
    if open_positions != journal.holders:
        found.append("holders differ from the position accounts")
    return found


def _funds(state: State) -> list[str]:
    journal = state.journal
    signs = {INSURANCE: 1, DEFICIT: -1}
    return [
        f"I6: {key.kind} is {balance}"
        for key, balance in zip(journal.keys, journal.balances, strict=True)
        if key.kind in signs and balance * signs[key.kind] < 0
    ]


def _holds(state: State) -> list[str]:
    asked: dict[tuple[str, str | None], int] = {}
    for request in state.requests.values():
        where = (request.account, request.asset)
        asked[where] = asked.get(where, 0) + request.amount
    journal = state.journal
    held = {
        (key.owner, key.asset): balance
        for key, balance in zip(journal.keys, journal.balances, strict=True)
        if key.kind == HOLD and balance
    }
    return [] if asked == held else [f"holds {held} differ from open requests {asked}"]


def _deficits(state: State) -> list[str]:
    owed = deficit(state)
    still_open = sum(one.left for one in state.deficits.values())
    return [] if owed == -still_open else [f"I6: deficit is {owed}, {still_open} still open"]


def _margins(state: State) -> list[str]:
    found: list[str] = []
    liquidates = state.terms.liquidation != "off"
    for account in margin_accounts(state):
        at_rest = statement(state, *account)
        if account[1] is not None and not at_rest.positions and at_rest.balance > 0:
            found.append(f"isolated margin {at_rest.balance} of a flat position: {account}")
        held_back = any(held.stale for held in at_rest.positions)
        if liquidates and at_rest.equity < 0 and not held_back:
            found.append(f"I6: equity of {account} is {at_rest.equity}")
        if liquidates and at_rest.equity < at_rest.maintenance and not held_back:
            found.append(f"under maintenance at rest: {account}")
    return found
