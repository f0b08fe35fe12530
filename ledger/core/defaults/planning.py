"""How an inventory would be closed: who takes how much of it, by the policy of the pool.

Nothing is posted here. A part of `k` contracts takes

    half_even(variation * k / |q|)      of what is left; the last part takes the rest

Passed over: accounts without equity, and those that would have negative equity afterwards.

Cost: 5 us a holder on the other side, and a statement of each account that is not known yet.
Source: docs/spec/deleveraging.md.
"""

from fractions import Fraction
from typing import NamedTuple

from ledger.core.defaults.ranking import (
    RANKED,
    Candidate,
    by_capped_weight,
    by_contracts,
    by_score,
    candidate,
)
from ledger.core.margin.statements import (
    MarginAccount,
    Statement,
    margin_account,
    position_in,
    statement,
)
from ledger.core.state import State
from ledger.core.units import down, half_even


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


def plan_of(
    state: State,
    instrument: str,
    quantity: int,
    cost: int,
    known: dict[MarginAccount, Statement],
) -> Plan:
    """How an inventory would be closed.

    Args:
        state: The pool.
        instrument: Whose mark is not stale.
        quantity, cost: Of the inventory.
        known: Statements of margin accounts as they are; those that are missing are added.
    """
    policy, whole_unit = state.terms.adl_policy, 10**state.settlement.scale
    candidates: list[Candidate] = []
    penniless: list[Statement] = []
    for owner, account in sorted(state.journal.holders[instrument].items()):
        if owner[0] == "@" or (state.journal.balances[account] > 0) == (quantity > 0):
            continue
        key = margin_account(state, owner, instrument)
        found = known.get(key)
        if found is None:
            found = known[key] = statement(state, *key)
        held = position_in(found, instrument)
        if found.equity > 0:
            candidates.append(candidate(policy, found, held, whole_unit))
        else:
            penniless.append(found)
    plan = Plan([], [], {one.account: "no_equity" for one in penniless}, penniless)
    left = _Left(quantity, cost)
    if policy in RANKED:
        _in_order(by_score(candidates), left, plan)
        return plan
    winners = [one for one in candidates if one.gain > 0]
    if policy == "capped_pro_rata":
        mark, terms = state.marks[instrument], state.instruments[instrument]
        loss = -(cost + Fraction(*terms.value_fraction(quantity, mark.price)))
        _in_shares(winners, left, plan, loss)
        return plan
    _in_shares(winners, left, plan, None)
    if left.quantity:
        _in_shares([one for one in candidates if one.gain <= 0], left, plan, None)
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
