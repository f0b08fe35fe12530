"""Movements that repeat a reference of ours: pairs, sums, and what is wrong with the rest.

Lines and movements that are held together by references of one account and commodity are a bundle.
In a bundle, equal amounts are pairs; what is left matches if it adds up, by one against many or
many against one, or within tolerance; else the bundle is one break of its sums. A line whose
reference is known on another account only is a wrong account.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from ledger.recon.matching.comparison import About, Comparison
from ledger.recon.movements.corrections import Mending
from ledger.recon.movements.matching import Met, Mine, Other, content_of, met
from ledger.recon.result import MatchRule

Bundle = tuple[list[Mine], list[Other]]


def match_references(
    found: Comparison, ours: list[Mine], theirs: list[Other], mending: Iterable[Mending] = ()
) -> list[Met]:
    """Take what is known by reference out of both lists; returns what of ours has a partner.

    Args:
        mending: Corrections of movements of ours, which go by the references of those.
    """
    by_reference: dict[str, list[Mine]] = {}
    for mine in ours:
        for reference in sorted({mine.event_id, mine.request_id} - {""}):
            by_reference.setdefault(reference, []).append(mine)
    for correction, mine in mending:
        for reference in sorted({mine.event_id, mine.request_id} - {""}):
            by_reference[reference].append(correction)
    bundles, elsewhere = _bundles(by_reference, theirs)
    matched: list[Met] = []
    for bundle in bundles:
        matched += _resolve(found, bundle)
    taken = {id(each) for bundle in bundles for side in bundle for each in side}
    for other, mine in elsewhere:
        if id(mine) not in taken:
            taken |= {id(other), id(mine)}
            wrong_account(found, mine, other)
    ours[:] = [mine for mine in ours if id(mine) not in taken]
    theirs[:] = [other for other in theirs if id(other) not in taken]
    return matched


def _bundles(
    by_reference: dict[str, list[Mine]], theirs: Sequence[Other]
) -> tuple[list[Bundle], list[tuple[Other, Mine]]]:
    """Bundles in the order of their first line; and lines known on another account only."""
    bundles: dict[int, Bundle] = {}
    of_mine: dict[int, int] = {}
    elsewhere: list[tuple[Other, Mine]] = []
    for number, other in enumerate(sorted(theirs, key=content_of)):
        named = [mine for reference in other.names for mine in by_reference.get(reference, ())]
        here = [m for m in named if (m.account, m.commodity) == (other.account, other.commodity)]
        if not here:
            elsewhere += [(other, m) for m in named if m.commodity == other.commodity][:1]
            continue
        joined = sorted({of_mine[id(mine)] for mine in here if id(mine) in of_mine})
        lines: list[Other] = [other]
        known = {id(mine): mine for mine in here}
        for each in joined:
            mine_before, lines_before = bundles.pop(each)
            known |= {id(mine): mine for mine in mine_before}
            lines += lines_before
        bundles[number] = (sorted(known.values()), lines)
        of_mine |= dict.fromkeys(known, number)
    return list(bundles.values()), elsewhere


def _resolve(found: Comparison, bundle: Bundle) -> list[Met]:
    """Match a bundle as far as it goes; returns what of ours has a partner."""
    ours, theirs = list(bundle[0]), sorted(bundle[1], key=content_of)
    paired: list[Met] = []
    amounts: set[Decimal] = set()
    for mine in bundle[0]:
        other = next((each for each in theirs if each.amount == mine.amount), None)
        if other is not None:
            theirs.remove(other)
            ours.remove(mine)
            paired.append(met(mine, [other]))
            amounts.add(mine.amount)
            in_time(found, mine, other)
    if not theirs:
        if not paired:
            return []
        for mine in ours:  # a reference that a line repeats together with another
            found.found("missing_there", mine.about(), f"{mine} is not at {found.source.name}")
        return paired
    if not ours:
        for other in [each for each in theirs if each.amount in amounts]:
            theirs.remove(other)
            words = f"{other} stands at {found.source.name} more than once"
            found.found("duplicate", other.about(), words)
        if theirs:
            other_amount(found, bundle[0][:1], theirs, also=bundle[0][0].amount)
        return paired
    if not _adds_up(found, ours, theirs):
        other_amount(found, ours, theirs)
    return paired + [met(mine, theirs) for mine in ours]


def _adds_up(found: Comparison, ours: Sequence[Mine], theirs: Sequence[Other]) -> bool:
    apart = _sum(mine.amount for mine in ours) - _sum(other.amount for other in theirs)
    rule: MatchRule
    if not apart:
        rule = "one_to_many" if len(ours) == 1 else "many_to_one"
    elif abs(apart) <= found.source.tolerated(ours[0].commodity):
        rule = "tolerance"
    else:
        return False
    late = [other for other in theirs if _apart(ours, other) > found.source.window]
    found.passed(ours[0].commodity, apart)
    if not late:
        found.matched[rule] += 1
        return True
    about = _sums(ours, theirs)._replace(at=late[0].at)
    words = f"{ours[0]} is at {ours[0].at} here, a part of it at {late[0].at} there"
    found.found("timing", about, f"{words}, {_apart(ours, late[0])} apart")
    return True


def _apart(ours: Sequence[Mine], other: Other) -> timedelta:
    """How far a line is from the nearest of ours."""
    if other.at is None:
        return timedelta(0)
    return min(abs(mine.at - other.at) for mine in ours)


def in_time(found: Comparison, mine: Mine, other: Other) -> None:
    """A pair matches, or is a break of timing if its times are too far apart."""
    apart = timedelta(0) if other.at is None else abs(mine.at - other.at)
    if apart <= found.source.window:
        found.matched["exact_reference"] += 1
        return
    about = mine.about()._replace(theirs=other.amount, their_references=other.references)
    about = about._replace(at=other.at)
    found.found("timing", about, f"{mine} is at {mine.at} here and {other.at} there, {apart} apart")


def other_amount(
    found: Comparison,
    ours: Sequence[Mine],
    theirs: Sequence[Other],
    also: Decimal = Decimal(0),
) -> None:
    """One break for the sums; `also` is what of theirs matched already."""
    about = _sums(ours, theirs, also)
    mine_sum, their_sum = about.ours or Decimal(0), about.theirs or Decimal(0)
    words = f"{ours[0]}, together {mine_sum:f} here, is {their_sum:f} at {found.source.name}"
    found.found("amount", about, words)


def _sums(ours: Sequence[Mine], theirs: Sequence[Other], also: Decimal = Decimal(0)) -> About:
    return About(
        ours[0].event_id,
        ours[0].account,
        ours[0].commodity,
        _sum(mine.amount for mine in ours),
        _sum(other.amount for other in theirs) + also,
        tuple(mine.event_id for mine in ours),
        tuple(each for other in theirs for each in other.references),
        theirs[0].at or ours[0].at,
    )


def wrong_account(found: Comparison, mine: Mine, other: Other) -> None:
    """Both accounts are off: ours lacks there what the other has too much."""
    words = f"{mine} is on {other.account} at {found.source.name}"
    ours = mine.about()._replace(theirs=Decimal(0), their_references=other.references)
    ours = ours._replace(at=other.at or mine.at)
    found.found("wrong_account", ours, words)
    theirs = ours._replace(account=other.account, ours=Decimal(0), theirs=other.amount)
    found.found("wrong_account", theirs, words)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
