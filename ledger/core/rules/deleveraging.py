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
from typing import NamedTuple

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
from ledger.core.defaults.ranking import (
    RANKED,
    Candidate,
    by_capped_weight,
    by_contracts,
    by_score,
    candidate,
)
from ledger.core.margin.disclosure import shortest
from ledger.core.margin.guard import is_stale
from ledger.core.margin.statements import Statement, margin_account, statement
from ledger.core.outcome import Purpose
from ledger.core.positions import Change, change_position
from ledger.core.state import State
from ledger.core.units import Fixed, down, half_even

SCORE_SCALE = 18
"""Decimals of a score in records; the order uses exact fractions."""


class Part(NamedTuple):
    """What one candidate takes.

    Attributes:
        taker: Who.
        rank: Its place among those looked at, from 1.
        quantity: Contracts, positive.
        amount: What its variation receives, signed.
        equity: Of its margin account afterwards.
    """

    taker: Candidate
    rank: int
    quantity: int
    amount: int
    equity: int


class Plan(NamedTuple):
    """How an inventory is closed.

    Attributes:
        parts: In the order in which they are posted.
        looked_at: Candidates in the order of the policy, as far as that went.
        reasons: Why an account was passed over.
        penniless: Statements of opposite positions without equity.
    """

    parts: list[Part]
    looked_at: list[Candidate]
    reasons: dict[str, str]
    penniless: list[Statement]


def deleverage(state: State) -> None:
    """Close inventory as long as the fund calls for it and somebody can take it."""
    tried: set[str] = set()
    floor = fund_floor(state)
    while state.journal.positions_of.get(LIQUIDATION) and projected(state) < floor:
        losses = {
            instrument: result_at_mark(state, instrument)
            for instrument in state.journal.positions_of[LIQUIDATION]
            if instrument not in tried
            and not is_stale(state, state.instruments[instrument])
            and not offered_in_vain(state, instrument)
        }
        losing = [instrument for instrument, result in losses.items() if result < 0]
        if not losing:
            return
        instrument = min(losing, key=lambda one: (losses[one], one))
        tried.add(instrument)
        _close(state, instrument, -losses[instrument])


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


def _close(state: State, instrument: str, loss: int) -> None:
    quantity, cost = inventory_of(state, instrument)
    planned = _plan(state, instrument, quantity, cost)
    deleveraged = sum(part.quantity for part in planned.parts)
    if planned.parts:
        number = state.next_id("D")
        body = _body(state, instrument, planned, loss)
        state.journal.record("deleveraging", number, body)
        liquidation_id = inventory_liquidation(state, instrument)
        for part in planned.parts:
            _post(state, number, liquidation_id, instrument, part)
        state.put(state.defaulted, (LIQUIDATION, instrument), state.sequence)
        sign = 1 if quantity > 0 else -1
        closed = cost - inventory_of(state, instrument)[1]
        ended_unclosed(state, instrument, sign * deleveraged, closed, "deleveraging")
    if deleveraged < abs(quantity):
        _note_untaken(state, instrument, planned)


def _plan(state: State, instrument: str, quantity: int, cost: int) -> Plan:
    policy, whole_unit = state.terms.adl_policy, 10**state.settlement.scale
    candidates: list[Candidate] = []
    penniless: list[Statement] = []
    for owner, account in sorted(state.journal.holders[instrument].items()):
        if owner[0] == "@" or (state.journal.balances[account] > 0) == (quantity > 0):
            continue
        found = statement(state, *margin_account(state, owner, instrument))
        held = next(one for one in found.positions if one.instrument == instrument)
        if found.equity > 0:
            candidates.append(candidate(policy, found, held, whole_unit))
        else:
            penniless.append(found)
    plan = Plan([], [], {one.account: "no_equity" for one in penniless}, penniless)
    left = _Left(quantity, cost)
    if policy in RANKED:
        _in_order(by_score(candidates), left, plan)
        return plan
    winners = [one for one in candidates if one.upnl > 0]
    if policy == "capped_pro_rata":
        mark, terms = state.marks[instrument], state.instruments[instrument]
        loss = -(cost + Fraction(*terms.value_fraction(quantity, mark.price)))
        _in_shares(winners, left, plan, loss)
        return plan
    _in_shares(winners, left, plan, None)
    if left.quantity:
        _in_shares([one for one in candidates if one.upnl <= 0], left, plan, None)
    return plan


class _Left:
    """What is left of an inventory while it is being planned."""

    __slots__ = ("cost", "quantity")

    def __init__(self, quantity: int, cost: int) -> None:
        self.quantity = quantity
        self.cost = cost

    def amount(self, contracts: int) -> int:
        """The cost that this many contracts take of what is left."""
        return half_even(self.cost * contracts, abs(self.quantity))

    def take(self, contracts: int) -> int:
        """Take contracts, and their cost, away."""
        amount = self.amount(contracts)
        self.cost -= amount
        self.quantity -= contracts if self.quantity > 0 else -contracts
        return amount


def _in_order(candidates: list[Candidate], left: _Left, plan: Plan) -> None:
    """Whole positions, from the highest score down, until nothing is left."""
    for taker in candidates:
        if not left.quantity:
            return
        plan.looked_at.append(taker)
        contracts = min(abs(left.quantity), taker.contracts)
        equity = _equity_after(taker, contracts, left.amount(contracts))
        if equity < 0:
            plan.reasons[taker.found.account] = "negative_after"
            continue
        amount = left.take(contracts)
        plan.parts.append(Part(taker, len(plan.looked_at), contracts, amount, equity))


def _in_shares(candidates: list[Candidate], left: _Left, plan: Plan, loss: Fraction | None) -> None:
    """Shares for all of them, computed anew without those that cannot bear theirs."""
    ranks = {
        taker.found.account: len(plan.looked_at) + place
        for place, taker in enumerate(candidates, start=1)
    }
    plan.looked_at.extend(candidates)
    able = candidates
    while able:
        if loss is None:
            shares = by_contracts(able, abs(left.quantity))
        else:
            shares = by_capped_weight(able, abs(left.quantity), loss)
        trial, parts, unable = _Left(left.quantity, left.cost), [], 0
        for taker, contracts in zip(able, shares, strict=True):
            if not contracts:
                continue
            amount = trial.take(contracts)
            equity = _equity_after(taker, contracts, amount)
            if equity < 0:
                plan.reasons[taker.found.account] = "negative_after"
                unable += 1
            parts.append(Part(taker, ranks[taker.found.account], contracts, amount, equity))
        if not unable:
            left.quantity, left.cost = trial.quantity, trial.cost
            plan.parts.extend(parts)
            return
        able = [one for one in able if one.found.account not in plan.reasons]


def _equity_after(taker: Candidate, contracts: int, amount: int) -> int:
    """Equity of the taker's margin account once it has closed this many contracts."""
    held = taker.held
    assert held.mark is not None, "a stale instrument is passed over"
    rest = held.quantity - contracts if held.quantity > 0 else held.quantity + contracts
    value = down(*held.terms.value_fraction(rest, held.mark))
    return taker.found.equity - held.value + amount + value


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
        "in_profit": taker.upnl > 0,
        "equity_after": Fixed(part.equity, settlement.scale),
    }
    journal.record("deleveraged", number, body)


def _score(state: State, taker: Candidate) -> Fixed:
    """A score as people read it: natural units, half-even to 18 decimals."""
    policy, score = state.terms.adl_policy, taker.score
    if policy == "pro_rata":
        return shortest(int(score), taker.held.terms.quantity_scale)
    if policy == "capped_pro_rata":
        score = Fraction(score, 10**state.settlement.scale)
    scaled = score * 10**SCORE_SCALE
    return shortest(half_even(scaled.numerator, scaled.denominator), SCORE_SCALE)


def _body(state: State, instrument: str, plan: Plan, loss: int) -> dict[str, object]:
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
        "projected": Fixed(projected(state), scale),
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
    held = next(one for one in found.positions if one.instrument == instrument)
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
