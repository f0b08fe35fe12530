"""Who is deleveraged first, and by how much: the five policies of auto-deleveraging.

With `upnl = variation + q * V(mark)` unrounded, `notional` of this position, and equity,
maintenance and settlement balance of its margin account:

    bitmex         upnl/|cost| * L in profit, upnl/|cost| / L else        L = notional / equity
    binance        max(0, upnl) / max(one whole unit, balance) * maintenance / equity
    hyperliquid    (1 + upnl/|cost|) * notional / equity
    pro_rata       by contracts, those in profit first
    capped_pro_rata  by w = upnl > 0, none beyond min(|q|, floor(w * |Q| / U)), U the loss

Ranked policies go from the highest score to the lowest; ties, and the order of the others, by
account id. Scores are exact fractions; `|cost|` counts at least one smallest unit.

Source: docs/spec/deleveraging.md.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from ledger.core.margin.statements import Position, Statement

RANKED = ("bitmex", "binance", "hyperliquid")
"""Policies that close whole positions in the order of their scores."""


class Candidate(NamedTuple):
    """An opposite position of positive equity.

    Attributes:
        found: Its margin account.
        held: The position.
        upnl: Unrounded gain at the mark, smallest units of the settlement asset.
        score: By the policy.
    """

    found: Statement
    held: Position
    upnl: Fraction
    score: Fraction

    @property
    def contracts(self) -> int:
        """Size of the position, positive."""
        return abs(self.held.quantity)


def candidate(policy: str, found: Statement, held: Position, whole_unit: int) -> Candidate:
    """A position with its score; the equity of its account is positive.

    Args:
        policy: Of the pool.
        found: The margin account.
        held: The position in it.
        whole_unit: Smallest units of one whole unit of the settlement asset.
    """
    upnl = held.cost + held.exact_value
    cost, equity = max(1, abs(held.cost)), found.equity
    leverage = Fraction(held.numerator, held.denominator * equity)
    match policy:
        case "bitmex":
            gain = Fraction(upnl, cost)
            score = gain * leverage if upnl > 0 else Fraction(gain, leverage)
        case "binance":
            gain = Fraction(max(Fraction(0), upnl), max(whole_unit, found.balance))
            score = gain * Fraction(found.maintenance, equity)
        case "hyperliquid":
            score = (1 + Fraction(upnl, cost)) * leverage
        case "pro_rata":
            score = Fraction(abs(held.quantity))
        case _:
            score = upnl
    return Candidate(found, held, upnl, score)


def by_score(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Highest score first, ties by account id."""
    return sorted(candidates, key=lambda one: (-one.score, one.found.account))


def by_contracts(candidates: Sequence[Candidate], left: int) -> list[int]:
    """Shares of `left` contracts in proportion to positions; all of each where that is too much."""
    total = sum(one.contracts for one in candidates)
    if left >= total:
        return [one.contracts for one in candidates]
    return largest_remainder([Fraction(left * one.contracts, total) for one in candidates], left)


def by_capped_weight(candidates: Sequence[Candidate], left: int, loss: Fraction) -> list[int]:
    """Shares of `left` contracts in proportion to gains, none beyond its cap.

    Water-filling: who would get more than its cap gets its cap, and the rest is shared anew.
    What the caps leave is shared out to nobody.

    Args:
        candidates: All in profit.
        left: Contracts to share, positive.
        loss: Of the inventory at the mark, unrounded, positive.
    """
    caps = [min(one.contracts, int(Fraction(one.upnl * left, loss))) for one in candidates]
    shares: list[Fraction] = [Fraction(0)] * len(candidates)
    active, rest = list(range(len(candidates))), left
    while active:
        weight = sum((candidates[index].upnl for index in active), Fraction(0))
        full = [i for i in active if caps[i] * weight <= rest * candidates[i].upnl]
        if not full:
            for index in active:
                shares[index] = Fraction(rest * candidates[index].upnl, weight)
            break
        for index in full:
            shares[index] = Fraction(caps[index])
            rest -= caps[index]
        done = frozenset(full)
        active = [index for index in active if index not in done]
    return largest_remainder(shares, int(sum(shares, Fraction(0))))


def largest_remainder(shares: Sequence[Fraction], total: int) -> list[int]:
    """Whole shares that sum to `total`: rounded down, then one more by largest remainder.

    Ties go to the earlier one.
    """
    whole = [int(share) for share in shares]
    order = sorted(range(len(shares)), key=lambda index: (whole[index] - shares[index], index))
    for index in order[: total - sum(whole)]:
        whole[index] += 1
    return whole
