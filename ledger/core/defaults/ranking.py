"""Who is deleveraged first, and by how much: the five policies of auto-deleveraging.

With `upnl = variation + q * V(mark)` unrounded, `notional` of this position, and equity,
maintenance and settlement balance of its margin account:

    bitmex         upnl/|cost| * L in profit, upnl/|cost| / L else        L = notional / equity
    binance        max(0, upnl) / max(one whole unit, balance) * maintenance / equity
    hyperliquid    (1 + upnl/|cost|) * notional / equity
    pro_rata       by contracts, those in profit first
    capped_pro_rata  by w = upnl > 0, none beyond min(|q|, floor(w * |Q| / U)), U the loss

Ranked policies go from the highest score to the lowest; ties, and the order of the others, by
account id. Scores are exact; `|cost|` counts at least one smallest unit.

All candidates for an inventory hold the same instrument at the same mark, so their gains have one
denominator, and are shared out in whole numbers.

Cost: 3 us a candidate, scored and ordered.

Source: docs/spec/deleveraging.md.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import cmp_to_key
from typing import NamedTuple

from ledger.core.margin.statements import Position, Statement

RANKED = ("bitmex", "binance", "hyperliquid")
"""Policies that close whole positions in the order of their scores."""

_SHIFT = 64
"""Binary places of a score by which candidates are ordered first."""


class Candidate(NamedTuple):
    """An opposite position of positive equity.

    Attributes:
        found: Its margin account.
        held: The position.
        gain: Unrounded gain at the mark, smallest units of the settlement asset, times the
            denominator of the position's notional.
        score_numerator, score_denominator: By the policy; the denominator is positive.
    """

    found: Statement
    held: Position
    gain: int
    score_numerator: int
    score_denominator: int

    @property
    def contracts(self) -> int:
        """Size of the position, positive."""
        return abs(self.held.quantity)

    @property
    def upnl(self) -> Fraction:
        """Unrounded gain at the mark, smallest units of the settlement asset."""
        return Fraction(self.gain, self.held.denominator)

    @property
    def score(self) -> Fraction:
        """By the policy, exact."""
        return Fraction(self.score_numerator, self.score_denominator)


def candidate(policy: str, found: Statement, held: Position, whole_unit: int) -> Candidate:
    """A position with its score; the equity of its account is positive.

    Args:
        policy: Of the pool.
        found: The margin account.
        held: The position in it.
        whole_unit: Smallest units of one whole unit of the settlement asset.
    """
    denominator, notional, equity = held.denominator, held.numerator, found.equity
    rises = (held.quantity > 0) != held.terms.is_inverse
    gain = held.cost * denominator + (notional if rises else -notional)
    cost = max(1, abs(held.cost))
    match policy:
        case "bitmex":
            if gain > 0:
                score = gain * notional, denominator * cost * denominator * equity
            else:
                score = gain * equity, cost * notional
        case "binance":
            balance = max(whole_unit, found.balance)
            score = max(0, gain) * found.maintenance, denominator * balance * equity
        case "hyperliquid":
            score = (
                (denominator * cost + gain) * notional,
                denominator * cost * denominator * equity,
            )
        case "pro_rata":
            score = abs(held.quantity), 1
        case _:
            score = gain, denominator
    return Candidate(found, held, gain, *score)


def by_score(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Highest score first, ties by account id.

    Ordered by a part of the score in whole numbers, then exactly among those that share it: an
    exact comparison costs ten times as much.
    """
    rough = [
        ((-one.score_numerator << _SHIFT) // one.score_denominator, one.found.account, one)
        for one in candidates
    ]
    rough.sort(key=_rough)
    ordered = [one for _, _, one in rough]
    start = 0
    for place in range(1, len(rough) + 1):
        if place == len(rough) or rough[place][0] != rough[start][0]:
            if place - start > 1:
                ordered[start:place] = sorted(ordered[start:place], key=_EXACT)
            start = place
    return ordered


def _rough(one: tuple[int, str, Candidate]) -> tuple[int, str]:
    return one[0], one[1]


def _compared(one: Candidate, other: Candidate) -> int:
    """Negative where `one` has the higher score; zero leaves the order as it is, by account."""
    first = one.score_numerator * other.score_denominator
    second = other.score_numerator * one.score_denominator
    return (first < second) - (first > second)


_EXACT = cmp_to_key(_compared)


def by_contracts(candidates: Sequence[Candidate], left: int) -> list[int]:
    """Shares of `left` contracts in proportion to positions; all of each where that is too much."""
    total = sum(one.contracts for one in candidates)
    if left >= total:
        return [one.contracts for one in candidates]
    return largest_remainder([left * one.contracts for one in candidates], total, left)


def by_capped_weight(candidates: Sequence[Candidate], left: int, loss: Fraction) -> list[int]:
    """Shares of `left` contracts in proportion to gains, none beyond its cap.

    Water-filling: who would get more than its cap gets its cap, and the rest is shared anew; the
    smallest cap for its gain is the first to be full, so once through in that order is enough.
    What the caps leave is shared out to nobody.

    Args:
        candidates: All in profit, in one instrument.
        left: Contracts to share, positive.
        loss: Of the inventory at the mark, unrounded, positive.
    """
    if not candidates:
        return []
    scale = candidates[0].held.denominator * loss.numerator
    gains = [one.gain for one in candidates]
    caps = [min(one.contracts, one.gain * left * loss.denominator // scale) for one in candidates]
    rest, weight = left, sum(gains)
    unfilled = set(range(len(candidates)))
    for index in _by_ratio(caps, gains):
        if caps[index] * weight > rest * gains[index]:
            break  # whoever comes later has a larger cap for its gain
        rest -= caps[index]
        weight -= gains[index]
        unfilled.remove(index)
    weight = weight or 1
    shares = [
        rest * gains[index] if index in unfilled else caps[index] * weight
        for index in range(len(candidates))
    ]
    return largest_remainder(shares, weight, sum(shares) // weight)


def _by_ratio(caps: Sequence[int], gains: Sequence[int]) -> list[int]:
    """Places by cap for each unit of gain, the smallest first."""

    def compared(one: int, other: int) -> int:
        first, second = caps[one] * gains[other], caps[other] * gains[one]
        return (first > second) - (first < second)

    return sorted(range(len(caps)), key=cmp_to_key(compared))


def largest_remainder(shares: Sequence[int], denominator: int, total: int) -> list[int]:
    """Whole shares that sum to `total`: rounded down, then one more by largest remainder.

    Ties go to the earlier one.

    Args:
        shares: Never negative, each over the denominator.
        denominator: Positive.
        total: What they are to sum to, no less than when all are rounded down.
    """
    whole = [share // denominator for share in shares]
    spare = total - sum(whole)
    if spare:
        left = [share % denominator for share in shares]
        order = sorted(range(len(shares)), key=left.__getitem__, reverse=True)
        for index in order[:spare]:
            whole[index] += 1
    return whole
