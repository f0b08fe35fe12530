"""Movements of statements against ours: by reference, by amount in a window, by sums, by tolerance.

The fixed order, each step over what the ones before it left:

1. by a reference of ours that a line repeats (`references`): pairs, sums, wrong accounts; and a
   correction of ours with the line, or the movement, that it corrects (`corrections`);
2. by amount, where it is the only one of its account within the window on both sides;
3. lines that share a reference of theirs and add up to one of ours;
4. by tolerance, again the only ones;
5. what is left is missing, and pairs and sums that are alike are proposed.

Only accounts that a statement is of are held against it, within its period. Held in memory: the
movements of those accounts and that time.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from ledger.recon.formats.days import SMALLEST, whole_end
from ledger.recon.lines import Statement
from ledger.recon.matching.comparison import Comparison, canonical, unique_pairs
from ledger.recon.movements.arithmetic import check
from ledger.recon.movements.closings import Owned, compare_closings
from ledger.recon.movements.corrections import (
    ByKey,
    Name,
    corrected_key,
    corrections,
    lacking,
    mended,
    named,
    take_back,
)
from ledger.recon.movements.matching import (
    Met,
    Mine,
    Other,
    content_of,
    met,
    others_of,
    unpaired,
)
from ledger.recon.movements.proposals import propose_movements
from ledger.recon.movements.references import in_time, match_references
from ledger.recon.result import MatchRule
from ledger.recon.rules import SourceRules
from ledger.store.recon.books import OurBooks, microseconds

REACH = timedelta(days=1)
"""How far outside a statement's period its lines are looked for at our side."""
REFERRED_REACH = timedelta(days=10)
"""How much farther, where a line repeats our reference: past weekends and holidays."""

Read = Iterable[tuple[str, Statement]]
"""Statements, each with what follows the number of a line: ` of NAME`, or nothing."""

Period = tuple[datetime | None, datetime | None]


def compare_statements(
    books: OurBooks,
    source: SourceRules,
    statements: Read,
    approved: Collection[str] = (),
    tell: Callable[[str, int], None] = lambda _what, _count: None,
) -> Comparison:
    """Hold the movements of a source's statements against those of our books."""
    found = Comparison(source, books.settlement_asset())
    given = sorted(statements, key=lambda each: each[0])  # files by name, each as it stands
    read = _sound(found, [each for each in given if source.is_ours(each[1].commodity)])
    own = tuple(found.breaks)
    theirs = [each for each in others_of(source, read) if each.amount]
    found.left_out = sum(len(each.movements) for _, each in given) - len(theirs)
    found.theirs = len(theirs)
    tell(f"{source.name}: movements read", found.theirs)
    periods = periods_of(source, read, theirs)
    by_key = lacking(source, theirs)
    ours = _ours(books, source, periods, theirs, by_key)
    read_of_ours = len(ours)
    tell(f"{source.name}: our movements read", read_of_ours)
    if source.paired:
        unpaired(found, theirs)
    matching = _Matching(found, ours, theirs, by_key)
    matching.match()
    left = [mine for mine in matching.ours if _is_expected(mine, source, periods)]
    found.ours = read_of_ours - len(matching.ours) + len(left)
    agreed = propose_movements(found, left, matching.theirs, approved)
    _missing(found, left, named(matching.theirs, matching.corrected))
    compare_closings(found, books, read, own, [*matching.partners, *agreed])
    return found


def _sound(found: Comparison, read: Read) -> list[tuple[str, Statement]]:
    """Statements whose own arithmetic was checked, those that stand there twice left out."""
    source = found.source
    mark_of = {id(each): (mark, each) for mark, each in read}
    arithmetic = check(
        (each for _, each in mark_of.values()),
        source.pool,
        lambda kind, commodity, apart: source.severity(kind, source.commodities(commodity), apart),
    )
    found.breaks += [
        replace(
            each,
            source=source.name,
            subject=f"{each.subject}, {each.account}",
            account=source.accounts(each.account),
            commodity=source.commodities(each.commodity),
        )
        for each in arithmetic.breaks
    ]
    found.asked |= dict.fromkeys(arithmetic.asked)
    return [mark_of[id(each)] for each in arithmetic.statements]


def periods_of(
    source: SourceRules, read: Sequence[tuple[str, Statement]], theirs: Sequence[Other]
) -> dict[Owned, list[Period]]:
    """The periods that each of our accounts and commodities has statements of."""
    times: dict[Owned, list[datetime]] = {}
    for other in theirs:
        if other.at is not None:
            times.setdefault((other.account, other.commodity), []).append(other.at)
    periods: dict[Owned, list[Period]] = {}
    for _, statement in read:
        owned = (source.accounts(statement.account), source.commodities(statement.commodity))
        told = times.get(owned, [])
        begins = statement.begins or min(told, default=None)
        ends = whole_end(statement.ends) if statement.ends else max(told, default=None)
        periods.setdefault(owned, []).append((begins, ends))
    return periods


def _ours(
    books: OurBooks,
    source: SourceRules,
    periods: dict[Owned, list[Period]],
    theirs: Sequence[Other],
    by_key: ByKey,
) -> list[Mine]:
    """Movements in reach of the periods, and those farther off that a line refers to."""
    reach = max(REACH, source.window)
    begins: datetime | None = None
    ends: datetime | None = None
    if source.covers == "span":
        bounds = [period for each in periods.values() for period in each]
        firsts = [first for first, _ in bounds if first is not None]
        lasts = [last for _, last in bounds if last is not None]
        begins = min(firsts) - reach if len(firsts) == len(bounds) and firsts else None
        ends = max(lasts) + reach if len(lasts) == len(bounds) and lasts else None
    books.require_held(None if begins is None else begins + reach)
    ours = list(_moved(books, source, periods, (begins, ends)))
    known = {name for mine in ours for name in (mine.event_id, mine.request_id)}
    wanted = {name for other in theirs for name in other.names} - known
    beyond = []
    if wanted and begins is not None:
        beyond.append((begins - REFERRED_REACH, begins - SMALLEST))
    if wanted and ends is not None:
        beyond.append((ends + SMALLEST, ends + REFERRED_REACH))
    for span in beyond:
        ours += [
            mine
            for mine in _moved(books, source, periods, span)
            if not wanted.isdisjoint((mine.event_id, mine.request_id))
        ]
    seen = [
        mine
        for mine in ours
        if source.has_event(mine.event_id) or corrected_key(mine.event_id) in by_key
    ]
    others = [mine for mine in ours if not source.has_event(mine.event_id)]
    asked = {id(mine) for mine in (*seen, *(each for each, _ in mended(source, seen, others)))}
    return sorted(mine for mine in ours if id(mine) in asked)


def _moved(
    books: OurBooks, source: SourceRules, periods: dict[Owned, list[Period]], span: Period
) -> Iterator[Mine]:
    """Movements of the accounts and commodities that the source tells of, in a span of time.

    Corrections are among them, of whatever source the break is: `only` does not know their names.
    """
    accounts = sorted({account for account, _ in periods})
    for each in books.movements(accounts, *span, every_purpose=source.every_purpose):
        may_be = source.has_event(each.event_id) or (
            source.may_correct(each.event_id) and corrected_key(each.event_id) is not None
        )
        if (each.account, each.commodity) in periods and may_be:
            yield Mine.of(each)


def _is_expected(mine: Mine, source: SourceRules, periods: dict[Owned, list[Period]]) -> bool:
    if source.covers == "all":
        return True
    return any(
        (first is None or first <= mine.at) and (last is None or mine.at <= last)
        for first, last in periods[mine.account, mine.commodity]
    )


class _Matching:
    """The matching of one source, while it runs.

    Attributes:
        ours, theirs: What has no partner yet.
        partners: What of ours has a partner.
        corrected: What the lines that corrections of ours are of are called.
    """

    def __init__(
        self, found: Comparison, ours: list[Mine], theirs: list[Other], by_key: ByKey
    ) -> None:
        self.ours = ours
        self.theirs = theirs
        self.corrected: list[Name] = []
        self._by_key = by_key
        self.partners: list[Met] = []
        self._found = found
        self._window = found.source.window // timedelta(microseconds=1)

    def match(self) -> None:
        """All steps in their order."""
        mending = mended(self._found.source, self.ours, self.ours)
        self.partners += match_references(self._found, self.ours, self.theirs, mending)
        self.partners += take_back(self.ours, mending)
        copies = self._set_copies_aside()
        self._match_corrections()
        self._match_amounts()
        copies = self._match_sums_of_copies(copies)
        self._match_sums()
        self._match_tolerance()
        self.theirs.extend(copies)
        self._match_amounts()
        again = {id(other) for other in copies}
        for other in [each for each in self.theirs if id(each) in again]:
            words = f"{other} stands at {self._found.source.name} more than once"
            self._found.found("duplicate", other.about(), words)
        self.theirs[:] = [each for each in self.theirs if id(each) not in again]

    def _set_copies_aside(self) -> list[Other]:
        """Lines of one of their accounts that say the same as one before, by its reference."""
        seen: set[tuple[object, ...]] = set()
        copies = []
        for other in sorted(self.theirs, key=content_of):
            account, commodity, amount, at, reference, *_ = other
            content = (other.their_account, account, commodity, amount, at, reference)
            if reference and content in seen:
                copies.append(other)
            seen.add(content)
        gone = {id(other) for other in copies}
        self.theirs[:] = [other for other in self.theirs if id(other) not in gone]
        return copies

    def _match_corrections(self) -> None:
        """Adjustments that correct a break of this source, with the lines that it is of."""
        pairs = corrections(self.ours, self.theirs, self._by_key)
        for mine, other, name in pairs:
            in_time(self._found, mine, other)
            self.corrected.append(name)
        self._take_out([(mine, [other]) for mine, other, _ in pairs])

    def _match_amounts(self) -> None:
        """The same amount, once on each side within the window."""
        groups = _grouped(self.ours, self.theirs, lambda each: canonical(each.amount))
        pairs = [
            (ours[mine], [theirs[other]])
            for ours, theirs in groups
            for mine, other in unique_pairs(_times(ours), _their_times(theirs), self._window)
        ]
        self._matched("exact_amount", pairs)

    def _match_sums_of_copies(self, copies: list[Other]) -> list[Other]:
        """Batches that have equal parts; returns the copies that are in none."""
        batches = {(each.account, each.commodity, each.reference) for each in copies}
        apart = [
            each
            for each in self.theirs
            if (each.account, each.commodity, each.reference) not in batches
        ]
        of_others = {id(each) for each in apart}
        self.theirs[:] = [each for each in self.theirs if id(each) not in of_others] + copies
        self._match_sums()
        left = {id(each) for each in self.theirs}
        free = [each for each in copies if id(each) in left]
        again = {id(each) for each in free}
        self.theirs[:] = [each for each in self.theirs if id(each) not in again] + apart
        return free

    def _match_sums(self) -> None:
        """Lines that share a reference of theirs, which add up to one of ours."""
        batches: dict[tuple[str, ...], list[Other]] = {}
        for other in self.theirs:
            if other.reference:
                batch_of = (other.account, other.commodity, other.reference)
                batches.setdefault(batch_of, []).append(other)
        amounts: dict[tuple[str, str, Decimal], list[Mine]] = {}
        for mine in self.ours:
            amounts.setdefault((mine.account, mine.commodity, mine.amount), []).append(mine)
        pairs: list[tuple[Mine, Sequence[Other]]] = []
        taken: set[int] = set()
        for (account, commodity, _), batch in sorted(batches.items()):
            total = sum((other.amount for other in batch), Decimal(0))
            near = [
                mine
                for mine in amounts.get((account, commodity, total), ())
                if all(self._is_near(mine, other) for other in batch)
            ]
            if len(batch) > 1 and len(near) == 1 and id(near[0]) not in taken:
                taken.add(id(near[0]))
                pairs.append((near[0], batch))
        self._matched("one_to_many", pairs)

    def _match_tolerance(self) -> None:
        """The only ones of their account within the window that are not farther apart."""
        pairs: list[tuple[Mine, Sequence[Other]]] = []
        for ours, theirs in _grouped(self.ours, self.theirs, lambda _each: ""):
            tolerance = self._found.source.tolerated(theirs[0].commodity)
            if not tolerance:
                continue
            near = [
                (mine, other)
                for other in theirs
                for mine in self._of_window(ours, other)
                if abs(mine.amount - other.amount) <= tolerance
            ]
            of_ours = Counter(id(mine) for mine, _ in near)
            of_theirs = Counter(id(other) for _, other in near)
            pairs += [
                (mine, [other])
                for mine, other in near
                if of_ours[id(mine)] == of_theirs[id(other)] == 1
            ]
        for mine, (other,) in pairs:
            self._found.passed(mine.commodity, mine.amount - other.amount)
        self._matched("tolerance", pairs)

    def _of_window(self, ours: Sequence[Mine], other: Other) -> Sequence[Mine]:
        """Those near a line of theirs; `ours` are in the order of their times."""
        if other.at is None:
            return ours
        window = self._found.source.window
        first = bisect_left(ours, other.at - window, key=lambda mine: mine.at)
        return ours[first : bisect_right(ours, other.at + window, key=lambda mine: mine.at)]

    def _matched(self, rule: MatchRule, pairs: Sequence[tuple[Mine, Sequence[Other]]]) -> None:
        self._found.matched[rule] += len(pairs)
        self._take_out(pairs)

    def _take_out(self, pairs: Sequence[tuple[Mine, Sequence[Other]]]) -> None:
        gone = {id(mine) for mine, _ in pairs} | {id(each) for _, some in pairs for each in some}
        self.partners += [met(mine, others) for mine, others in pairs]
        self.ours[:] = [mine for mine in self.ours if id(mine) not in gone]
        self.theirs[:] = [other for other in self.theirs if id(other) not in gone]

    def _is_near(self, mine: Mine, other: Other) -> bool:
        return other.at is None or abs(mine.at - other.at) <= self._found.source.window


def _missing(found: Comparison, ours: Sequence[Mine], theirs: Sequence[tuple[str, Other]]) -> None:
    for mine in ours:
        found.found("missing_there", mine.about(), f"{mine} is not at {found.source.name}")
    for subject, other in theirs:
        about = other.about()._replace(subject=subject)
        found.found("missing_here", about, f"{other} is not in our books")


def _grouped(
    ours: Iterable[Mine], theirs: Iterable[Other], figure: Callable[[Mine | Other], str]
) -> list[tuple[list[Mine], list[Other]]]:
    """Both sides by account, commodity and a figure, where both have some."""
    here: dict[tuple[str, ...], list[Mine]] = {}
    there: dict[tuple[str, ...], list[Other]] = {}
    for mine in ours:
        here.setdefault((mine.account, mine.commodity, figure(mine)), []).append(mine)
    for other in theirs:
        there.setdefault((other.account, other.commodity, figure(other)), []).append(other)
    return [(here[key], there[key]) for key in sorted(there) if key in here]


def _times(ours: Sequence[Mine]) -> list[tuple[int, int]]:
    return [(microseconds(mine.at), at) for at, mine in enumerate(ours)]


def _their_times(theirs: Sequence[Other]) -> list[tuple[int | None, int]]:
    return [
        (None if other.at is None else microseconds(other.at), at)
        for at, other in enumerate(theirs)
    ]
