"""Balances and positions of an outside source against ours, as of the moment that it names.

Several of their accounts may be one of ours: what they have is added up, and so are several lines
of one account (available and locked, long and short). A line that says all that another one says is
a duplicate, and does not count. Average entry prices round, and each venue does it in its own way:
they are compared where the rules ask for it (`holdings_entries`).

Lines that are no farther apart than the window are one snapshot. Of an account that it names (with
`covers = "all"` of every participant) it must name all that our books have, but for commodities
that the source never tells (`not_theirs`); what it lacks is missing at its last moment.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from ledger.recon.breaks import Break
from ledger.recon.holdings.entries import compare_entries
from ledger.recon.lines import Holding
from ledger.recon.matching.comparison import About, Comparison
from ledger.recon.rules import SourceRules
from ledger.store.recon.books import OurBooks
from ledger.store.recon.entries import entries

Read = Iterable[tuple[str, Holding]]
"""Lines of files, each with what says where it stands."""

Owned = tuple[str, str]
"""Our account and commodity."""

Lines = dict[tuple[str, str], list[tuple[str, Holding]]]
"""Of one moment, by their account and commodity."""


class _Told(NamedTuple):
    """What a source says of one of our accounts in one commodity."""

    amount: Decimal
    places: tuple[str, ...]


def compare_holdings(
    books: OurBooks,
    source: SourceRules,
    lines: Read,
    tell: Callable[[str, int], None] = lambda _what, _count: None,
) -> Comparison:
    """Hold the balances and positions of a source against those of our books."""
    found = Comparison(source, books.settlement_asset())
    moments: dict[datetime | None, Lines] = {}
    for place, holding in lines:
        of_moment = moments.setdefault(holding.at, {})
        if not source.is_ours(holding.commodity):
            found.left_out += 1
            continue
        of_moment.setdefault((holding.account, holding.commodity), []).append((place, holding))
        found.theirs += 1
    tell(f"{source.name}: holdings read", found.theirs)
    last: dict[str | Owned, int] = {}
    number_of: dict[datetime | None, int] = {}
    for number, snapshot in enumerate(_snapshots(source, moments)):
        named: set[Owned] = set()
        for moment in snapshot:
            number_of[moment] = number
            ours = books.balances() if moment is None else books.balances_by(moment)
            told = _told(found, moments[moment], moment)
            named |= told.keys()
            lacks = _expected(source, ours, named) - named if moment == snapshot[-1] else set()
            _compare(found, ours, told, lacks, moment)
            if source.entry_prices:
                at = books.sequence if moment is None else books.sequence_at(moment)
                placed = [each for several in moments[moment].values() for each in several]
                compare_entries(found, entries(books, at), placed)
        last |= dict.fromkeys((*named, *(account for account, _ in named)), number)
    found.breaks[:] = _by_moments(found, last, number_of)
    return found


def _by_moments(
    found: Comparison, last: Mapping[str | Owned, int], number_of: Mapping[datetime | None, int]
) -> list[Break]:
    """Of several snapshots the last one has the break that lasts; those before it name theirs.

    Args:
        last: The number of the last snapshot that names an account, or a commodity of it.
        number_of: Snapshots by their moments.
    """
    lasting: dict[str, Break] = {}
    for each in found.breaks:
        told = last.get((each.account, each.commodity), 0)
        if found.source.is_theirs(each.commodity):  # what an account does not name is nothing
            told = max(told, _last_of(found.source, each.account, last))
        if number_of[each.at] >= told:
            lasting[each.key] = each  # in the order of their moments
    return [
        each
        if lasting.get(each.key) is each
        else replace(each, subject=f"{each.subject} at {each.at}")
        for each in found.breaks
    ]


def _last_of(source: SourceRules, account: str, last: Mapping[str | Owned, int]) -> int:
    if source.covers == "all" and not account.startswith("@"):
        return max(last.values(), default=0)
    return last.get(account, 0)


def _snapshots(
    source: SourceRules, moments: Mapping[datetime | None, Lines]
) -> list[list[datetime | None]]:
    """Moments that are one snapshot: near each other, with no account and commodity again."""
    snapshots: list[list[datetime | None]] = []
    named: set[tuple[str, str]] = set()
    before: datetime | None = None
    for moment in sorted(moments, key=lambda each: (each is not None, str(each))):
        told = moments[moment].keys()
        near = moment is not None and before is not None and moment - before <= source.window
        if near and named.isdisjoint(told):
            snapshots[-1].append(moment)
            named |= told
        else:
            snapshots.append([moment])
            named = set(told)
        before = moment
    return snapshots


def _told(
    found: Comparison,
    holdings: Lines,
    moment: datetime | None,
) -> dict[Owned, _Told]:
    """Their holdings by our names, duplicates taken out."""
    source = found.source
    told: dict[Owned, _Told] = {}
    for (account, commodity), lines in sorted(holdings.items()):
        owned = (source.accounts(account), source.commodities(commodity))
        copies: list[tuple[str, Holding]] = []
        seen: set[tuple[Decimal, Decimal | None]] = set()
        for place, line in sorted(lines, key=_content):
            if (line.amount, line.entry_price) in seen:
                copies.append((place, line))
                continue
            seen.add((line.amount, line.entry_price))
            had = told.get(owned, _Told(Decimal(0), ()))
            told[owned] = _Told(had.amount + line.amount, (*had.places, place))
        if copies:
            about = About(
                f"{owned[0]}/{owned[1]}",
                *owned,
                theirs=sum((line.amount for _, line in copies), Decimal(0)),
                their_references=tuple(place for place, _ in copies),
                at=moment,
            )
            words = f"{account} has {len(copies)} lines of {commodity} at {source.name} again"
            found.found("duplicate", about, words)
    return told


def _content(placed: tuple[str, Holding]) -> tuple[Decimal, str, str]:
    place, line = placed
    return line.amount, str(line.entry_price), place


def _compare(
    found: Comparison,
    ours: dict[Owned, Decimal],
    theirs: dict[Owned, _Told],
    lacks: set[Owned],
    moment: datetime | None,
) -> None:
    """What was told, and what of ours is lacking there."""
    found.ours += len(lacks | (ours.keys() & theirs.keys()))
    for owned in sorted(lacks | theirs.keys()):
        account, commodity = owned
        mine = ours.get(owned, Decimal(0))
        told = theirs.get(owned, _Told(Decimal(0), ()))
        apart = abs(mine - told.amount)
        if not apart:
            found.matched["exact_reference"] += owned in theirs
            continue
        if apart <= found.source.tolerated(commodity):
            found.matched["tolerance"] += 1
            found.passed(commodity, apart)
            continue
        about = About(
            f"{account}/{commodity}",
            account,
            commodity,
            mine or None,
            told.amount if owned in theirs else None,
            their_references=told.places,
            at=moment,
        )
        name = found.source.name
        if owned not in theirs:
            words = f"{account} has {mine} {commodity} here, {name} does not name it"
            found.found("missing_there", about, words)
        elif not mine:
            words = f"{account} has {told.amount} {commodity} at {name}, and nothing here"
            found.found("missing_here", about, words)
        else:
            words = f"{account} has {mine} {commodity} here and {told.amount} at {name}"
            found.found("amount", about, words)


def _expected(source: SourceRules, ours: Mapping[Owned, Decimal], named: set[Owned]) -> set[Owned]:
    """What of ours must be named there: of the accounts that it names, or of every participant."""
    accounts = {account for account, _ in named}
    return {
        (account, commodity)
        for account, commodity in ours
        if source.is_theirs(commodity)
        and (account in accounts or (source.covers == "all" and not account.startswith("@")))
    }
