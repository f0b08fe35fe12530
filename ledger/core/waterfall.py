"""The default waterfall: what follows from the margin of accounts, inside the event that moved it.

In rounds, until one posts nothing:

    (a) the accounts under maintenance are listed once, worst first; each that still is when its
        turn comes gets its margin call and is liquidated; losses are shared out where the pool does
    (b) inventory is deleveraged where the insurance fund calls for it

Then margin calls open and end, for everyone examined, and the floor of the fund is noted. A pool
with liquidation `off` has margin calls only. Who is examined is the watch's business.

Source: docs/spec/liquidation.md, docs/concepts/waterfall.md.
"""

from ledger.core.accounts import LIQUIDATION
from ledger.core.defaults.fund import fund_floor, insurance
from ledger.core.margin.statements import MarginAccount, Statement, order_of, statement
from ledger.core.rules import calls, deleveraging, liquidation, losses
from ledger.core.state import State
from ledger.core.units import Fixed


def run(state: State) -> None:
    """Do all that the postings and marks of this event call for."""
    state.watch.posted(state, state.journal.unseen())
    if not (
        state.watch.has_due() or state.uncovered or state.under_floor or _calls_for_more(state)
    ):
        return  # as for most events
    examined = _rounds(state)
    if examined:
        _conclude(state, examined)
    if state.terms.liquidation != "off" and (state.under_floor or _calls_for_more(state)):
        deleveraging.note_floor(state)


def _conclude(state: State, examined: dict[MarginAccount, Statement | None]) -> None:
    """Open and end margin calls, and give everybody examined new ranges."""
    for key in sorted(examined, key=order_of):
        now = examined[key] or statement(state, *key)
        calls.review(state, now)
        state.watch.settle(state, now)


def rounds(state: State) -> None:
    """The rounds alone, in the middle of an event that goes on: calls wait for its end."""
    state.watch.touch(_rounds(state))


def _rounds(state: State) -> dict[MarginAccount, Statement | None]:
    """All rounds; who was examined, as found where nothing has been posted since."""
    liquidates = state.terms.liquidation != "off"
    if liquidates and state.uncovered:
        losses.share_out(state)
    examined: dict[MarginAccount, Statement | None] = {}
    number = 0
    while True:
        state.watch.posted(state, state.journal.unseen())
        due = state.watch.due(state)
        if not due and not (liquidates and _calls_for_more(state)):
            return examined
        found = {key: statement(state, *key) for key in due}
        examined.update(found)
        if not liquidates:
            return examined
        before = state.journal.posted
        number += 1
        _liquidate(state, found, number)
        deleveraging.deleverage(state)
        if state.journal.posted == before:
            return examined
        examined = dict.fromkeys(examined)  # to be looked at again


def _calls_for_more(state: State) -> bool:
    """There is inventory, or too little in the fund: more than this event's accounts matters."""
    if state.journal.positions_of.get(LIQUIDATION):
        return True
    if state.terms.insurance_floor.coefficient <= 0:
        return False
    return insurance(state) < fund_floor(state)


def _liquidate(state: State, found: dict[MarginAccount, Statement], number: int) -> None:
    """Step (a) of a round, for the accounts found."""
    listed = sorted(
        (one for one in found.values() if liquidation.is_due(one)), key=liquidation.order_of
    )
    if not listed:
        return
    scale = state.settlement.scale
    body: dict[str, object] = {
        "round": number,
        "listed": [
            {
                "account": one.account,
                "margin_instrument": one.margin_instrument,
                "equity": Fixed(one.equity, scale),
                "maintenance_margin": Fixed(one.maintenance, scale),
            }
            for one in listed
        ],
    }
    state.journal.record("liquidation_round", state.name, body)
    for rank, listed_one in enumerate(listed, start=1):
        now = statement(state, *listed_one.key)
        if liquidation.is_due(now):
            calls.review(state, now)
            liquidation.liquidate(state, now, liquidation.Turn(number, rank))
            losses.share_out(state)
