"""Movements without a partner that are alike, one with one, or one with some that add up to it."""

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from itertools import combinations, islice

from ledger.recon.matching.comparison import Comparison, line_number
from ledger.recon.matching.proposals import (
    ASKED_MAX,
    Candidates,
    Pair,
    Why,
    best,
    differing,
    keep,
    near_in_time,
    ordered,
    proposal,
)
from ledger.recon.movements.matching import Met, Mine, Other, content_of, met
from ledger.recon.movements.references import other_amount, wrong_account
from ledger.recon.result import Proposal, Side
from ledger.store.recon.books import microseconds

SUMMED_MAX = 3
"""A sum is looked for among so many at most."""
SUMMED_OF_MAX = 20
"""Of those near in time, so many are tried; more than that would add up by chance."""
SUMMED_FOR_MAX = 500
"""So many things of each side are looked at as a sum, the first in their order."""


def propose_movements(
    found: Comparison, ours: list[Mine], theirs: list[Other], approved: Collection[str]
) -> list[Met]:
    """Propose pairs and sums; those that were approved leave both lists.

    What their amounts and accounts differ by is a break; that their times are apart was agreed to.
    Returned is what of ours was approved, but for those on another account, which are breaks.
    """
    candidates: Candidates[Mine | Other] = Candidates(
        ours,
        (
            lambda each: (each.commodity, each.amount),
            lambda each: (each.account, each.commodity),
        ),
        lambda each: (0 if each.at is None else microseconds(each.at), str(each)),
    )
    pairs: list[Pair] = []
    for number, other in enumerate(sorted(theirs, key=content_of)[:ASKED_MAX]):
        at = None if other.at is None else microseconds(other.at)
        mine = [each for each in candidates.of(other, at) if isinstance(each, Mine)]
        one = [Pair(_proposal(found, [each], [other]), [each], [other]) for each in mine]
        sums = _sums_of_ours(found, mine, other) if number < SUMMED_FOR_MAX else ()
        pairs += best([*one, *sums], approved)
    of_account: dict[tuple[str, str], list[Other]] = {}
    for other in sorted(theirs, key=content_of):
        of_account.setdefault((other.account, other.commodity), []).append(other)
    for each in ours[:SUMMED_FOR_MAX]:
        alike = of_account.get((each.account, each.commodity), [])[:ASKED_MAX]
        pairs += best(_sums_of_theirs(found, each, alike), approved)
    partners: list[Met] = []
    for pair in keep(found, pairs, ours, theirs, approved):
        _differ(found, pair.ours, pair.theirs)
        if pair.ours[0].account == pair.theirs[0].account:
            partners += [met(mine, pair.theirs) for mine in pair.ours]
    return partners


def why(ours: Sequence[Mine], theirs: Sequence[Other], found: Comparison) -> Why:
    """What speaks for these being the same; 100 for all of it."""
    here = sum((mine.amount for mine in ours), Decimal(0))
    there = sum((other.amount for other in theirs), Decimal(0))
    several = len(ours) + len(theirs) > 2  # noqa: PLR2004 - more than a pair
    points = 0
    words = "same amount"
    if here == there:
        points = 40
        words = f"{max(len(ours), len(theirs))} add up to the amount" if several else words
    elif abs(here - there) * 100 <= abs(here):
        points, words = 20, f"amounts {abs(here - there):f} apart, less than 1 %"
    accounts = {mine.account for mine in ours} | {other.account for other in theirs}
    text = " ".join(f"{other.text} {other.reference}" for other in theirs)
    named = any(name and name in text for mine in ours for name in (mine.event_id, mine.request_id))
    points_of = ordered(
        (words, points),
        ("same account", 20 if len(accounts) == 1 else 0),
        ("our reference stands in the text", 20 if named else 0),
        *near_in_time(ours[0].at, theirs[0].at, found.source.window),
    )
    return points_of if points else (*points_of, *differing("amount", here, there))


def _differ(found: Comparison, ours: Sequence[Mine], theirs: Sequence[Other]) -> None:
    here = sum((mine.amount for mine in ours), Decimal(0))
    there = sum((other.amount for other in theirs), Decimal(0))
    if ours[0].account != theirs[0].account:  # a pair: what adds up is of one account
        wrong_account(found, ours[0], theirs[0])
    elif abs(here - there) > found.source.tolerated(ours[0].commodity):
        other_amount(found, ours, theirs)
    else:
        found.passed(ours[0].commodity, here - there)


def _sums_of_ours(found: Comparison, ours: Sequence[Mine], other: Other) -> Iterator[Pair]:
    near = [mine for mine in ours if _is_near(found, mine, other)][:SUMMED_OF_MAX]
    for count in range(2, SUMMED_MAX + 1):
        for some in combinations(near, count):
            if sum((mine.amount for mine in some), Decimal(0)) == other.amount:
                yield Pair(_proposal(found, some, [other]), some, [other])


def _sums_of_theirs(found: Comparison, mine: Mine, theirs: Sequence[Other]) -> Iterator[Pair]:
    near = list(islice((each for each in theirs if _is_near(found, mine, each)), SUMMED_OF_MAX))
    for count in range(2, SUMMED_MAX + 1):
        for some in combinations(near, count):
            if sum((other.amount for other in some), Decimal(0)) == mine.amount:
                yield Pair(_proposal(found, [mine], some), [mine], some)


def _is_near(found: Comparison, mine: Mine, other: Other) -> bool:
    return (mine.account, mine.commodity) == (other.account, other.commodity) and (
        other.at is None or abs(mine.at - other.at) <= found.source.window
    )


def _proposal(found: Comparison, ours: Sequence[Mine], theirs: Sequence[Other]) -> Proposal:
    return proposal(
        found,
        [_our_side(mine) for mine in ours],
        [_their_side(other) for other in theirs],
        why(ours, theirs, found),
    )


def _our_side(mine: Mine) -> Side:
    figures = (mine.account, mine.commodity, mine.amount)
    return Side(mine.event_id, 0, mine.at, *figures, mine.kind)


def _their_side(other: Other) -> Side:
    figures = (other.account, other.commodity, other.amount)
    return Side(other.name, line_number(other.place), other.at, *figures, other.text)
