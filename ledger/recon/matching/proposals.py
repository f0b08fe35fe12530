"""Things without a partner that may be the same: side by side, with a score that says why.

A proposal changes nothing: both sides stay breaks until somebody agrees to it. Its key is handed to
the next run, which then matches the pair by the rule `approved`. That they are one thing is agreed
to then, not what is not alike in them: a figure that differs is a break, as of any pair.

What bounds it: of each side `ASKED_MAX` things, of each figure `LOOKED_AT_MAX` candidates, and the
best `PROPOSED_MAX` proposals. A source of which more than that is missing has another problem.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

from ledger.recon.matching.comparison import Comparison
from ledger.recon.result import Proposal, Side

SCORE_MIN = 60
PROPOSED_MAX = 1_000
CANDIDATES_MAX = 3
LOOKED_AT_MAX = 50
"""Of those that share a figure, so many nearest in time are looked at."""
ASKED_MAX = 5_000

Why = tuple[tuple[str, int], ...]
"""What speaks for it, each with its points."""

Each = TypeVar("Each")


class Pair(NamedTuple):
    """A proposal, and the things of ours and of theirs that it holds together."""

    proposal: Proposal
    ours: Sequence[Any]
    theirs: Sequence[Any]


def proposal(found: Comparison, ours: Sequence[Side], theirs: Sequence[Side], why: Why) -> Proposal:
    """A proposal of this source; its score is the sum of its points."""
    source = found.source
    score = sum(points for _, points in why)
    return Proposal(source.name, source.pool, tuple(ours), tuple(theirs), score, why)


def best(pairs: Iterable[Pair], approved: Collection[str]) -> list[Pair]:
    """The few best candidates for one thing, of those that are good enough; all that are agreed."""
    several = list(pairs)
    good = [pair for pair in several if pair.proposal.score >= SCORE_MIN]
    few = sorted(good, key=_rank)[:CANDIDATES_MAX]
    agreed = [pair for pair in several if pair.proposal.key in approved] if approved else []
    return few + [pair for pair in agreed if pair not in few]


def keep(
    found: Comparison,
    pairs: Iterable[Pair],
    ours: list[Each],
    theirs: list[Any],
    approved: Collection[str],
) -> list[Pair]:
    """Take the approved pairs out of both lists, and keep the proposals of what is left.

    Returns:
        The pairs that were taken out: what is not alike in them is still a difference.
    """
    ranked = sorted(pairs, key=_rank)
    gone: set[int] = set()
    applied: list[Pair] = []
    for pair in ranked:
        members = {id(each) for each in (*pair.ours, *pair.theirs)}
        if pair.proposal.key in approved and gone.isdisjoint(members):
            gone |= members
            found.matched["approved"] += 1
            found.applied.append(pair.proposal.key)
            applied.append(pair)
    ours[:] = [each for each in ours if id(each) not in gone]
    theirs[:] = [each for each in theirs if id(each) not in gone]
    left = [
        pair.proposal
        for pair in ranked
        if gone.isdisjoint(id(each) for each in (*pair.ours, *pair.theirs))
    ]
    found.proposals.extend(left[:PROPOSED_MAX])
    return applied


def near_in_time(ours: datetime | None, theirs: datetime | None, window: timedelta) -> Why:
    """Points for two times: 20 within the window, 10 within ten of it."""
    if ours is None or theirs is None:
        return ()
    apart = abs(ours - theirs)
    if apart <= window:
        return ((f"{apart} apart, within the window", 20),)
    return ((f"{apart} apart", 10),) if apart <= 10 * window else ()


def differing(what: str, ours: Decimal, theirs: Decimal) -> Why:
    """What speaks for nothing, and whoever agrees should know: a figure that is not the same."""
    return () if ours == theirs else ((f"{what} differs by {abs(ours - theirs):f}", 0),)


def ordered(*points: tuple[str, int]) -> Why:
    """What has points, the most first."""
    return tuple(sorted((each for each in points if each[1]), key=lambda each: (-each[1], each[0])))


class Candidates(Generic[Each]):
    """Things by each of some figures, to find those that share one with another thing."""

    def __init__(
        self,
        things: Iterable[Each],
        figures: Sequence[Callable[[Each], Hashable]],
        order: Callable[[Each], tuple[int, str]],
    ) -> None:
        """Of each thing the time (microseconds) and the reference are its order."""
        self._figures = figures
        self._order = order
        self._things: list[dict[Hashable, list[Each]]] = [{} for _ in figures]
        for each in sorted(things, key=order):
            for by, figure in zip(self._things, figures, strict=True):
                by.setdefault(figure(each), []).append(each)

    def of(self, thing: Each, at: int | None) -> Iterator[Each]:
        """Those that share a figure with a thing, each once; of many the nearest in time."""
        seen: set[int] = set()
        for by, figure in zip(self._things, self._figures, strict=True):
            alike = by.get(figure(thing), [])
            middle = 0 if at is None else bisect_left(alike, (at, ""), key=self._order)
            first = max(0, middle - LOOKED_AT_MAX // 2)
            for each in alike[first : first + LOOKED_AT_MAX]:
                if id(each) not in seen:
                    seen.add(id(each))
                    yield each


def _rank(pair: Pair) -> tuple[int, str]:
    return -pair.proposal.score, pair.proposal.key
