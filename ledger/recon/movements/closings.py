"""The last closing balance of each account against ours, but for what its breaks explain.

What is not compared is said: where several of their accounts are one of ours and do not end alike,
where a closing has no time, and where the source has a part of our account only (`only`).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeVar

from ledger.recon.breaks import Break
from ledger.recon.lines import Statement
from ledger.recon.matching.comparison import About, Comparison
from ledger.recon.movements.matching import Met
from ledger.store.recon.books import OurBooks

Each = TypeVar("Each")
Owned = tuple[str, str]
"""Our account and commodity."""

_OF_THE_CHAIN = ("amount", "opening", "missing_there")
"""Breaks of statements among themselves that a closing may follow from."""


class _Until(NamedTuple):
    """Up to when a closing has what is ours, and what is theirs."""

    here: datetime
    there: datetime


def compare_closings(
    found: Comparison,
    books: OurBooks,
    read: Sequence[tuple[str, Statement]],
    own: Sequence[Break],
    partners: Sequence[Met],
) -> None:
    """Hold the last closing of each account against ours.

    Args:
        read: The statements.
        own: Breaks of the statements' own arithmetic, the first ones that were found. Our books may
            have what lies between two statements or not, so a closing is explained with them or
            without.
        partners: What of ours has a partner: it explains a closing that one of both is later than.
    """
    source = found.source
    of_chain = [each for each in own if each.type in _OF_THE_CHAIN]
    breaks = _by_owned(found.breaks[len(own) :], _of_break)
    chains = _by_owned(of_chain, _of_break)
    met = _by_owned(partners, lambda each: (each[0].account, each[0].commodity))
    statements = _by_owned(
        (each for _, each in read),
        lambda each: (source.accounts(each.account), source.commodities(each.commodity)),
    )
    for owned, ends, closing in _last_closings(found, read):
        ours = books.balances_by(ends, owned[0]).get(owned, Decimal(0))
        apart = ours - closing
        found.asked[f"closing {owned[0]}/{owned[1]}"] = ends
        until = _Until(ends, _last_told(statements.get(owned, ()), ends))
        explained = _differences(breaks.get(owned, ()), until)
        explained += _across(met.get(owned, ()), until)
        chained = explained + _differences(chains.get(owned, ()), until)
        if min(abs(apart - explained), abs(apart - chained)) > source.tolerated(owned[1]):
            about = About(f"closing {owned[0]}/{owned[1]}", *owned, ours, closing, at=ends)
            words = (
                f"{owned[0]} closes with {closing:f} {owned[1]} at {source.name} and has {ours:f}"
                f" here; the breaks of its movements explain {explained:f} of {apart:f}"
            )
            found.found("amount", about, words)


def _by_owned(things: Iterable[Each], owned_of: Callable[[Each], Owned]) -> dict[Owned, list[Each]]:
    found: dict[Owned, list[Each]] = {}
    for each in things:
        found.setdefault(owned_of(each), []).append(each)
    return found


def _of_break(found: Break) -> Owned:
    return found.account, found.commodity


def _last_told(statements: Iterable[Statement], ends: datetime) -> datetime:
    """The last time of a line that this closing is of, which may be told as after its end."""
    times = [
        movement.at
        for each in statements
        if each.ends is not None and each.ends <= ends
        for movement in each.movements
        if movement.at is not None
    ]
    return max([ends, *times])


def _differences(breaks: Iterable[Break], until: _Until) -> Decimal:
    """What breaks explain; those of later than the closing explain nothing of it."""
    return sum(
        (
            each.difference
            for each in breaks
            if each.at is None or each.at <= (until.here if each.theirs is None else until.there)
        ),
        Decimal(0),
    )


def _across(partners: Iterable[Met], until: _Until) -> Decimal:
    """What has a partner on the other side of the closing, ours less theirs."""
    total = Decimal(0)
    for mine, told in partners:
        here, there = mine.at <= until.here, told is None or told <= until.there
        total += mine.amount * (here - there)
    return total


def _last_closings(
    found: Comparison, read: Sequence[tuple[str, Statement]]
) -> list[tuple[Owned, datetime, Decimal]]:
    """The last closing of each of our accounts; of several of theirs the sum, if they end alike."""
    source = found.source
    last: dict[Owned, tuple[datetime | None, Decimal]] = {}
    for _, each in read:
        if each.closing is not None:
            known = last.get((each.account, each.commodity))
            if known is None or known[0] is None or (each.ends and known[0] <= each.ends):
                last[each.account, each.commodity] = (each.ends, each.closing)
    ours: dict[Owned, list[tuple[datetime | None, Decimal]]] = {}
    for (account, commodity), closing in last.items():
        owned = (source.accounts(account), source.commodities(commodity))
        ours.setdefault(owned, []).append(closing)
    compared = []
    for owned, closings in sorted(ours.items()):
        ends = {at for at, _ in closings}
        (end, *others) = ends
        why = "it has a part of that account only" if source.only else ""
        if others:
            why = f"the {len(closings)} accounts of theirs do not end alike"
        elif end is None:
            why = "no time is told"
        if why or end is None:
            found.not_compared.append(f"closing of {owned[0]}/{owned[1]}: {why}")
            continue
        compared.append((owned, end, sum((amount for _, amount in closings), Decimal(0))))
    return compared
