"""What its lines make a run look at: accounts, commodities and spans, as its lines tell them.

A break says that it is gone only where a run looked for it, so whatever a file does not name is
left out: another account, another instrument, the days between two statements. A file without a
line looks at nothing. Where several of their accounts are one of ours, a line may come to stand in
any of them, so statements of each are needed; and what two statements or a closing say together is
looked at only where they were held together.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.recon.formats.days import whole_end
from ledger.recon.lines import Holding, Statement, Trade
from ledger.recon.result import Scope
from ledger.recon.rules import SourceRules

_AGAIN = re.compile(r" #\d+$")
"""How a subject ends that stands in a run more than once."""


class Place(NamedTuple):
    """Where a break was: on an account, in a commodity, at a moment; of which sides.

    Attributes:
        account: Empty: on none.
        at: As one of both sides says; None: neither does.
        only_ours: The other side does not have it.
        type, subject: Of the break.
    """

    account: str
    commodity: str
    at: datetime | None
    only_ours: bool = False
    type: str = ""
    subject: str = ""


class LookedAt:
    """What the lines of a source look at, while they are read."""

    def __init__(self, source: SourceRules) -> None:
        self.source = source
        self._whole = source.covers == "all"
        self._statements: list[Scope] = []
        self._trades: dict[str, tuple[datetime | None, datetime | None]] = {}
        self._holdings: dict[datetime | None, set[str]] = {}

    def seen(
        self, lines: Iterable[tuple[str, Trade | Holding | Statement]]
    ) -> Iterator[tuple[str, Trade | Holding | Statement]]:
        """The lines as they are, each taken into account."""
        for place, line in lines:
            self._see(line)
            yield place, line

    def _see(self, line: Trade | Holding | Statement) -> None:
        match line:
            case Statement():
                self._see_statement(line)
            case Trade():
                instrument = self.source.commodities(line.instrument)
                first, last = self._trades.get(instrument, (None, None))
                moments = [each for each in (first, last, line.at) if each is not None]
                self._trades[instrument] = min(moments, default=None), max(moments, default=None)
            case Holding():
                accounts = self._holdings.setdefault(line.at, set())
                accounts.add(self.source.accounts(line.account))

    def scopes(self) -> Iterator[Scope]:
        """What all of them look at."""
        name = self.source.name
        yield from self._statements
        for instrument, (first, last) in sorted(self._trades.items()):
            span = (None, None) if self._whole else (first, last)
            yield Scope(name, None, frozenset({instrument}), *span)
        for at, accounts in sorted(self._holdings.items(), key=str):
            yield Scope(name, frozenset(accounts), None, None, at)
            if self._whole:
                yield Scope(name, None, None, None, at)

    def _see_statement(self, statement: Statement) -> None:
        source = self.source
        moments = [each.at for each in statement.movements if each.at is not None]
        begins = statement.begins or min(moments, default=statement.ends)
        ends = statement.ends or max(moments, default=statement.begins)
        ends = ends and whole_end(ends)
        if begins is None and not statement.movements:
            return
        owned = {(statement.account, statement.commodity)} | {
            (each.account or statement.account, each.commodity or statement.commodity)
            for each in statement.movements
        }
        span = (None, None) if self._whole else (begins, ends)
        for account, commodity in sorted(owned):
            of = (source.accounts(account), source.commodities(commodity))
            self._statements.append(
                Scope(source.name, frozenset({of[0]}), frozenset({of[1]}), *span, account)
            )


def looked(
    scopes: Sequence[Scope],
    source: SourceRules,
    place: Place,
    asked: Mapping[str, datetime | None],
) -> bool:
    """Whether a run looked where a break of a source was.

    Args:
        scopes: Of the run, of that source.
        source: Its rules.
        place: Where the break was.
        asked: What the run looked at besides single lines, of that source.
    """
    kind = source.kind
    if kind == "statements" and not (
        _is_asked(place, asked) and _in_all_of_theirs(scopes, source, place)
    ):
        return False
    if kind == "trades" and (place.only_ours or place.account):
        return _in_all(scopes, place.at)
    if kind == "holdings" and place.account.startswith("@"):
        scopes = [each for each in scopes if each.accounts is not None]
    return any(
        each.has(place.account, place.commodity) and each.reaches(place.at) for each in scopes
    )


def _in_all(scopes: Sequence[Scope], at: datetime | None) -> bool:
    """Each trade of ours between the first and the last of theirs is asked for, and its fees."""
    if at is None or any(each.reaches(at) for each in scopes):
        return any(each.reaches(at) for each in scopes)
    begins = [each.begins for each in scopes if each.begins is not None]
    ends = [each.ends for each in scopes if each.ends is not None]
    return bool(begins and ends) and min(begins) <= at <= max(ends)


def _is_asked(place: Place, asked: Mapping[str, datetime | None]) -> bool:
    """Whether what a break says of statements together was asked of those that were given."""
    subject = _AGAIN.sub("", place.subject)
    if subject == f"closing {place.account}/{place.commodity}":
        closes = asked.get(subject)
        return closes is not None and (place.at is None or place.at <= closes)
    if place.type == "opening":
        return f"opening {subject.removeprefix('statement ')}" in asked
    if place.type == "missing_there" and subject.startswith("statements "):
        return f"missing_there {subject.partition(' before ')[2]}" in asked
    return True


def _in_all_of_theirs(scopes: Sequence[Scope], source: SourceRules, place: Place) -> bool:
    """Whether statements of each of their accounts that are this one of ours have the moment.

    An account that has statements in other commodities only is not asked for this one. A break of
    the statements themselves is of one of their accounts.
    """
    theirs = {name for name, ours in source.accounts.names.items() if ours == place.account}
    if place.subject.startswith(("statement ", "statements ")):
        subject = _AGAIN.sub("", place.subject)
        named = {*theirs, *(each.theirs for each in scopes)} - {""}
        theirs = {name for name in named if subject.endswith(f", {name}")} or theirs
    for name in theirs:
        given = [each for each in scopes if each.theirs == name]
        alike = [each for each in given if each.has(place.account, place.commodity)]
        if not given or (alike and not any(each.reaches(place.at) for each in alike)):
            return False
    return True
