"""Auto-deleveraging: inventory that the insurance fund cannot carry is closed against winners.

While `projected < floor`, of the inventories that show a loss the largest is closed whole (ties by
instrument id), at its cost, against opposite positions in the order of the pool's policy. A part of
`k` contracts takes

    half_even(variation * k / |q|)      of what is left; the last part takes the rest

so the house realizes exactly nothing. Passed over: accounts without equity, and those that would
have negative equity afterwards. What nobody takes stays, and is offered again when its quantity,
cost or mark has changed; it is recorded once for each quantity and cost.

Source: docs/spec/deleveraging.md.
"""

from fractions import Fraction

from ledger.core.accounts import LIQUIDATION, POSITION, VARIATION, AccountKey
from ledger.core.defaults.fund import fund_floor, insurance
from ledger.core.defaults.inventory import (
    ended_unclosed,
    inventory_liquidation,
    inventory_of,
    note_untaken,
    offered_in_vain,
    projected,
    result_at_mark,
)
from ledger.core.defaults.planning import Part, Plan, plan_of
from ledger.core.defaults.ranking import Candidate
from ledger.core.margin.disclosure import shortest
from ledger.core.margin.guard import is_stale
from ledger.core.margin.statements import (
    MarginAccount,
    Statement,
    followed,
    position_in,
)
from ledger.core.outcome import Purpose
from ledger.core.positions import Change, change_position
from ledger.core.state import State
from ledger.core.units import Fixed, down, half_even

SCORE_SCALE = 18
"""Decimals of a score in records; the order uses exact fractions."""

SCORE_ONE = 10**SCORE_SCALE
"""A score of one."""


def deleverage(state: State) -> None:
    """Close inventory as long as the fund calls for it and somebody can take it.

    Closing one inventory changes neither the others nor the fund, so their results are taken once.
    """
    held = state.journal.positions_of.get(LIQUIDATION)
    if not held:
        return
    results = {instrument: result_at_mark(state, instrument) for instrument in held}
    now, floor = insurance(state) + sum(results.values()), fund_floor(state)
    if now >= floor:
        return
    losing = sorted(
        (result, instrument)
        for instrument, result in results.items()
        if result < 0
        and not is_stale(state, state.instruments[instrument])
        and not offered_in_vain(state, instrument)
    )
    known: dict[MarginAccount, Statement] = {}
    for result, instrument in losing:
        _close(state, instrument, -result, now, known)
        now += result_at_mark(state, instrument) - result
        if now >= floor:
            return


def note_floor(state: State) -> None:
    """Record that the projection rests under the floor, or no longer does: once per crossing."""
    now, floor = projected(state), fund_floor(state)
    if (now < floor) == state.under_floor:
        return
    scale = state.settlement.scale
    state.change("under_floor", now < floor)
    body: dict[str, object] = {
        "state": "under" if now < floor else "restored",
        "insurance": Fixed(insurance(state), scale),
        "projected": Fixed(now, scale),
        "floor": Fixed(floor, scale),
    }
    state.journal.record("fund_floor", state.name, body)


def _close(
    state: State, instrument: str, loss: int, now: int, known: dict[MarginAccount, Statement]
) -> None:
    """Close one inventory.

    Args:
        state: The pool.
        instrument: Whose inventory.
        loss: That it shows, positive.
        now: What the fund projects.
        known: Statements of margin accounts; those that are looked at are added, and followed.
    """
    quantity, cost = inventory_of(state, instrument)
    planned = plan_of(state, instrument, quantity, cost, known)
    deleveraged = sum(part.quantity for part in planned.parts)
    if planned.parts:
        number = state.next_id("D")
        body = _body(state, instrument, planned, loss, now)
        state.journal.record("deleveraging", number, body)
        liquidation_id = inventory_liquidation(state, instrument)
        for part in planned.parts:
            _post(state, number, liquidation_id, instrument, part)
            _follow(state, part.taker.found, instrument, known)
        state.put(state.defaulted, (LIQUIDATION, instrument), state.sequence)
        sign = 1 if quantity > 0 else -1
        closed = cost - inventory_of(state, instrument)[1]
        ended_unclosed(state, instrument, sign * deleveraged, closed, "deleveraging")
    if deleveraged < abs(quantity):
        _note_untaken(state, instrument, planned)


def _follow(
    state: State, found: Statement, instrument: str, known: dict[MarginAccount, Statement]
) -> None:
    """Keep what is known of an account true after its position in the instrument has changed."""
    known[found.key] = followed(state, found, instrument)
    if found.margin_instrument is not None:  # what is left of it may have gone to the wallet
        known.pop((found.account, None), None)


def _post(
    state: State, number: str, liquidation_id: str | None, instrument: str, part: Part
) -> None:
    """Close a part: the house gives contracts and cost away, the taker realizes."""
    journal, settlement = state.journal, state.settlement
    taker, terms = part.taker, part.taker.held.terms
    signed = -part.quantity if taker.held.quantity > 0 else part.quantity
    position = journal.account(LIQUIDATION, POSITION, instrument, None, terms.quantity_scale)
    variation = AccountKey(LIQUIDATION, VARIATION, instrument, settlement.asset)
    journal.post(position, -signed, Purpose.DELEVERAGING)
    journal.post_to(variation, settlement.scale, -part.amount, Purpose.DELEVERAGING)
    change = Change(signed, part.amount, None, Purpose.DELEVERAGING)
    account = taker.found.account
    realized = change_position(state, terms, account, change)
    state.put(state.defaulted, (account, instrument), state.sequence)
    price = terms.implied_price(signed, Fraction(-part.amount))
    body: dict[str, object] = {
        "account": account,
        "margin_instrument": taker.found.margin_instrument,
        "instrument": instrument,
        "liquidation_id": liquidation_id,
        "quantity": Fixed(part.quantity, terms.quantity_scale),
        "price": None if price is None else Fixed(price, terms.price_scale),
        "amount": Fixed(part.amount, settlement.scale),
        "rank": part.rank,
        "score": _score(state, taker),
        "realized_pnl": Fixed(realized, settlement.scale),
        "in_profit": taker.gain > 0,
        "equity_after": Fixed(part.equity, settlement.scale),
    }
    journal.record("deleveraged", number, body)


def _score(state: State, taker: Candidate) -> Fixed:
    """A score as people read it: natural units, half-even to 18 decimals."""
    policy, denominator = state.terms.adl_policy, taker.score_denominator
    if policy == "pro_rata":
        return shortest(taker.score_numerator, taker.held.terms.quantity_scale)
    if policy == "capped_pro_rata":
        denominator *= 10**state.settlement.scale
    return shortest(half_even(taker.score_numerator * SCORE_ONE, denominator), SCORE_SCALE)


def _body(state: State, instrument: str, plan: Plan, loss: int, now: int) -> dict[str, object]:
    terms, scale = state.instruments[instrument], state.settlement.scale
    quantity, cost = inventory_of(state, instrument)
    taken = {part.taker.found.account: part for part in plan.parts}
    deleveraged = sum(part.quantity for part in plan.parts)
    given = sum(part.amount for part in plan.parts)
    sign = 1 if quantity > 0 else -1
    at_mark = down(*terms.value_fraction(sign * deleveraged, state.marks[instrument].price))
    ranked = [
        _candidate_body(state, one, rank, taken, plan)
        for rank, one in enumerate(plan.looked_at, start=1)
    ]
    passed = [_penniless_body(state, one, instrument) for one in plan.penniless]
    return {
        "instrument": instrument,
        "type": "inverse" if terms.is_inverse else "linear",
        "multiplier": terms.multiplier,
        "liquidation_id": inventory_liquidation(state, instrument),
        "policy": state.terms.adl_policy,
        "rules": state.rules,
        "quantity": Fixed(quantity, terms.quantity_scale),
        "cost": Fixed(cost, scale),
        "mark_price": Fixed(state.marks[instrument].price, terms.price_scale),
        "loss": Fixed(loss, scale),
        "insurance": Fixed(insurance(state), scale),
        "projected": Fixed(now, scale),
        "floor": Fixed(fund_floor(state), scale),
        "candidates": ranked + passed,
        "deleveraged": Fixed(deleveraged, terms.quantity_scale),
        "left": Fixed(abs(quantity) - deleveraged, terms.quantity_scale),
        "loss_absorbed": Fixed(-(given + at_mark), scale),
    }


def _candidate_body(
    state: State, one: Candidate, rank: int, taken: dict[str, Part], plan: Plan
) -> dict[str, object]:
    found, held = one.found, one.held
    part = taken.get(found.account)
    return {
        **_account_body(state, found, held.quantity, held.cost, held.terms.quantity_scale),
        "score": _score(state, one),
        "rank": rank,
        "taken": Fixed(0 if part is None else part.quantity, held.terms.quantity_scale),
        "reason": plan.reasons.get(found.account),
    }


def _penniless_body(state: State, found: Statement, instrument: str) -> dict[str, object]:
    held = position_in(found, instrument)
    return {
        **_account_body(state, found, held.quantity, held.cost, held.terms.quantity_scale),
        "score": None,
        "rank": None,
        "taken": Fixed(0, held.terms.quantity_scale),
        "reason": "no_equity",
    }


def _account_body(
    state: State, found: Statement, quantity: int, cost: int, quantity_scale: int
) -> dict[str, object]:
    scale = state.settlement.scale
    return {
        "account": found.account,
        "margin_instrument": found.margin_instrument,
        "quantity": Fixed(quantity, quantity_scale),
        "cost": Fixed(cost, scale),
        "equity": Fixed(found.equity, scale),
        "maintenance_margin": Fixed(found.maintenance, scale),
        "balance": Fixed(found.balance, scale),
    }


def _note_untaken(state: State, instrument: str, plan: Plan) -> None:
    if not note_untaken(state, instrument):
        return
    quantity, cost = inventory_of(state, instrument)
    terms, scale = state.instruments[instrument], state.settlement.scale
    body: dict[str, object] = {
        "quantity": Fixed(quantity, terms.quantity_scale),
        "cost": Fixed(cost, scale),
        "mark_price": Fixed(state.marks[instrument].price, terms.price_scale),
        "loss": Fixed(-result_at_mark(state, instrument), scale),
        "projected": Fixed(projected(state), scale),
        "floor": Fixed(fund_floor(state), scale),
        "passed_over": [
            {"account": account, "reason": reason} for account, reason in plan.reasons.items()
        ],
    }
    state.journal.record("deleveraging_untaken", instrument, body)
