"""Trades of an outside source against ours: by id, then by content in a window, then proposals.

How it works. Both sides are divided by id (`matching_spool`) and met division by division, so that
memory is bounded by a division and by what does not match. Nearly all pairs are equal as text and
are only counted; the rest goes through `matching_trades`. What is left has no partner by id:

* lines without an id are matched by content, if that is unique in the window;
* ours that was busted, or occurred outside what the source covers, need not be there; a busted one
  that is there is counted apart, or is a break, as the rules say;
* the rest are breaks, and pairs of them that are alike are proposed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta

from ledger.recon.lines import Trade
from ledger.recon.matching.comparison import About, Comparison, canonical, unique_pairs
from ledger.recon.matching.spool import DIVISIONS, Spool
from ledger.recon.rules import SourceRules
from ledger.recon.trades.breaks import (
    TradeRow,
    busted_here_alone,
    content_of,
    missing_here,
    missing_there,
)
from ledger.recon.trades.changes import (
    CHANGE,
    Left,
    cancelled_there,
    cancelled_unknown,
    settled,
)
from ledger.recon.trades.matching import Group, merged, resolve, unknown
from ledger.recon.trades.proposals import propose_trades
from ledger.recon.trades.sides import agreeing, by_likeness, is_alike
from ledger.store.recon.books import OurBooks, microseconds, moment_of

REACH = timedelta(days=1)
"""How far outside the times of the source its trades are looked for at our side."""

Tell = Callable[[str, int], None]
"""Is told what is counted, and how many so far."""
_TOLD_EACH = 50_000
GROUP_MAX = 200
"""Trades of one id, both sides together, that are told apart by it; an id of more is none."""

Read = Iterable[tuple[str, Trade]]
"""Lines of files, each with what says where it stands: `line 7`, or `line 7 of NAME`."""


def compare_trades(
    books: OurBooks,
    source: SourceRules,
    lines: Read,
    approved: Collection[str] = (),
    tell: Tell = lambda _what, _count: None,
) -> Comparison:
    """Hold the trades of a source against those of our books."""
    found = Comparison(source, books.settlement_asset())
    with Spool() as theirs, Spool() as ours:
        busts: dict[str, TradeRow] = {}
        first, last = _take_theirs(found, theirs, busts, lines, tell)
        begins, ends = _span(source, first, last)
        if theirs.rows:
            needed = None if source.covers == "all" or first is None else moment_of(first)
            books.require_held(needed)
        _take_ours(found, ours, books, begins, ends, tell)
        comparing = _Comparing(found, books.busted(), (first, last), theirs.rows > 0)
        comparing.busts = busts
        for number in range(DIVISIONS):
            comparing.meet(ours.division(number), theirs.division(number))
    comparing.meet_unkeyed()
    comparing.meet_busts()
    propose_trades(found, comparing.missing_there, comparing.missing_here, approved)
    for row in comparing.missing_there:
        missing_there(found, row)
    for row in comparing.missing_here:
        missing_here(found, row)
    return found


def _take_theirs(
    found: Comparison, spool: Spool, busts: dict[str, TradeRow], lines: Read, tell: Tell
) -> tuple[int | None, int | None]:
    """Spool their trades, and put busts aside; returns the first and the last time among them."""
    source = found.source
    first: int | None = None
    last: int | None = None
    for place, trade in lines:
        if source.not_ours and not source.is_ours(trade.instrument):
            found.left_out += 1
            continue
        row = their_row(source, trade, place)
        if trade.change == "bust":
            busts[trade.trade_id] = (*row, "cancel")
        else:
            spool.add(row[0], (*row, trade.change) if trade.change else row)
        at = row[1]
        if at is not None:
            first = at if first is None or at < first else first
            last = at if last is None or at > last else last
        found.theirs += 1
        if not found.theirs % _TOLD_EACH:
            tell(f"{source.name}: trades read", found.theirs)
    return first, last


def _span(
    source: SourceRules, first: int | None, last: int | None
) -> tuple[datetime | None, datetime | None]:
    """Between which times our trades are read."""
    if source.covers == "all" or first is None or last is None:
        return None, None
    reach = max(REACH, source.window)
    return moment_of(first) - reach, moment_of(last) + reach


def _take_ours(
    found: Comparison,
    spool: Spool,
    books: OurBooks,
    begins: datetime | None,
    ends: datetime | None,
    tell: Tell,
) -> None:
    source = found.source
    by_event = source.reference == "event_id"
    by_instrument = source.ids == "instrument"
    has_all = not (source.left_out or source.only)
    read = 0
    for trade_id, event_id, at, instrument, *figures in books.trades(begins, ends):
        if not (has_all or source.has_event(event_id)):
            continue
        price, quantity, buyer, seller, buyer_fee, seller_fee = figures
        key = event_id if by_event or not trade_id else trade_id
        if by_instrument:
            key = f"{instrument} {key}"
        row = (
            *(key, at, instrument, canonical(price), canonical(quantity), buyer, seller),
            *(canonical(buyer_fee), canonical(seller_fee), event_id),
        )
        spool.add(key, row)
        read += 1
        if not read % _TOLD_EACH:
            tell(f"{source.name}: our trades read", read)


def their_row(source: SourceRules, trade: Trade, place: str) -> TradeRow:
    """A line of theirs in our names; without an id its key is empty."""
    _, trade_id, at, instrument, price, quantity, buyer, seller, buyer_fee, seller_fee, _ = trade
    instrument = source.commodities(instrument) if instrument else ""
    key = trade_id
    if trade_id and source.ids == "instrument":
        key = f"{instrument} {trade_id}"
    return (
        key,
        None if at is None else microseconds(at),
        instrument,
        canonical(price),
        canonical(quantity),
        None if not buyer else source.accounts(buyer),
        None if not seller else source.accounts(seller),
        None if buyer_fee is None else canonical(buyer_fee),
        None if seller_fee is None else canonical(seller_fee),
        place,
    )


class _Comparing:
    """The comparison of one source, while it runs."""

    def __init__(
        self,
        found: Comparison,
        busted: frozenset[str],
        span: tuple[int | None, int | None],
        has_lines: bool,  # noqa: FBT001 - a fact, not a switch
    ) -> None:
        self.missing_here: list[TradeRow] = []
        self.missing_there: list[TradeRow] = []
        self._outside: list[TradeRow] = []
        self._unkeyed: list[TradeRow] = []
        self.busts: dict[str, TradeRow] = {}
        self._found = found
        self._busted = busted
        self._window = found.source.window // timedelta(microseconds=1)
        self._expects = _expecting(found.source, span, has_lines)

    def meet(self, ours: Iterator[TradeRow], theirs: Iterator[TradeRow]) -> None:
        """One division of both sides."""
        there, many_there = _by_key(theirs)
        gone: dict[str, list[TradeRow]] = {}
        here, many_here = _by_key(self._live(ours, gone) if self._busted else ours)
        self._unkeyed.extend(_taken(there, many_there, ""))
        if self.busts:
            for rows in [*([row] for row in here.values()), *many_here.values(), *gone.values()]:
                _divide(self._undone(rows), there, many_there)
        for key in [key for key, row in there.items() if len(row) > CHANGE or key in many_there]:
            left = settled(many_there.get(key, [there[key]]))
            if left.cancel is not None:
                mine = _taken(here, many_here, key)
                self._cancelled(left, mine, gone.pop(key, []))
            _taken(there, many_there, key)
            _divide(left.theirs, there, many_there)
        for key in sorted(many_there):
            count = len(many_there[key]) + len(many_here.get(key, ()))
            if count > GROUP_MAX:
                self._tells_none(key, count)
                self._unkeyed.extend(("", *row[1:]) for row in _taken(there, many_there, key))
                for row in _taken(here, many_here, key):
                    self._alone(("", *row[1:]))
        for key in sorted(gone):
            live = many_here.get(key, [here[key]] if key in here else [])
            others = merged(sorted(_taken(there, many_there, key), key=content_of))
            self._meet_busted(gone[key], len(live), others)
            _divide(others, there, many_there)
        window, exact = self._window, 0
        for key, row in here.items():
            other = there.pop(key, None)
            if other is None:
                for each in many_here.get(key, (row,)):
                    self._alone(each)
            elif (
                row[2:9] == other[2:9]
                and (other[1] is None or -window <= row[1] - other[1] <= window)
                and key not in many_there
                and key not in many_here
            ):
                exact += 1
            else:
                group = Group(many_here.get(key, [row]), many_there.get(key, [other]))
                self._found.ours += len(group.ours)
                resolve(self._found, group)
        self._found.matched["exact_reference"] += exact
        self._found.ours += exact
        for key, row in there.items():
            self.missing_here.extend(unknown(self._found, many_there.get(key, [row])))

    def _undone(self, ours: list[TradeRow]) -> list[TradeRow]:
        """Cancels by the id of ours, for those of them that the source busts by their event."""
        cancels = [(row[0], self.busts.pop(row[9], None)) for row in ours]
        return [(key, *cancel[1:]) for key, cancel in cancels if cancel is not None]

    def _cancelled(self, left: Left, live: list[TradeRow], busted: list[TradeRow]) -> None:
        """Ours of an id that the source took back; those that we busted agree with it."""
        assert left.cancel is not None, "nothing was taken back"
        self._found.ours += len(live) + len(busted)
        self._found.matched["busted"] += len(busted)
        for mine in live:
            cancelled_there(self._found, mine, left.cancel)
        if not (live or busted or left.told):
            cancelled_unknown(self._found, left.cancel)

    def _live(
        self, ours: Iterator[TradeRow], gone: dict[str, list[TradeRow]]
    ) -> Iterator[TradeRow]:
        """Ours, but for those that were busted, which are put aside by id."""
        for row in ours:
            if row[9] in self._busted:
                gone.setdefault(row[0], []).append(row)
            else:
                yield row

    def _meet_busted(self, ours: list[TradeRow], live: int, theirs: list[TradeRow]) -> None:
        """Trades of one id that were busted; what of theirs belongs to them is taken out.

        One of other figures is another trade: it may have been booked again by another id.

        Args:
            live: How many of the same id were not.
        """
        found = self._found
        for row in ours:
            found.ours += 1
            likely = [each for each in theirs if is_alike(found.source, row, each)]
            pairs = by_likeness(found.source, [row], likely) if len(theirs) > live else []
            if live:
                pairs = agreeing(found.source, [row], theirs[:]) if pairs else []
            if not pairs:
                found.matched["busted"] += 1
                continue
            ((_, other),) = pairs
            theirs.remove(other)
            if found.source.busts == "told":
                busted_here_alone(found, row, other)
            else:
                resolve(found, Group([row], [other], "busted_there"))

    def _tells_none(self, key: str, count: int) -> None:
        words = f"{count} trades here and there have the id {key}: they are told apart by content"
        about = About(f"id {key}", their_references=(key,))
        self._found.found("duplicate", about, words)

    def meet_busts(self) -> None:
        """Busts of trades that were not among ours of these times."""
        for event_id, cancel in sorted(self.busts.items()):
            if event_id not in self._busted:
                cancelled_unknown(self._found, cancel)

    def meet_unkeyed(self) -> None:
        """Lines without an id, against what of ours has no partner by id."""
        if self._unkeyed:
            self._unkeyed = _whole(self._unkeyed)
            self._match_contents()
        self._found.ours += len(self.missing_there)

    def _match_contents(self) -> None:
        ours: dict[tuple[str, ...], list[TradeRow]] = {}
        theirs: dict[tuple[str, ...], list[TradeRow]] = {}
        candidates = self.missing_there + self._outside
        for rows, by_content in ((candidates, ours), (self._unkeyed, theirs)):
            for row in rows:
                by_content.setdefault(row[2:5], []).append(row)
        matched_ours: set[int] = set()
        matched_theirs: set[int] = set()
        for content, there in theirs.items():
            here = ours.get(content, [])
            for sides in sorted({(row[5], row[6]) for row in there}, key=str):
                told = [row for row in there if (row[5], row[6]) == sides]
                alike = [row for row in here if _same_sides(row, sides)]
                pairs = unique_pairs(
                    [(row[1], at) for at, row in enumerate(alike)],
                    [(row[1], at) for at, row in enumerate(told)],
                    self._window,
                )
                for our_index, their_index in pairs:
                    if id(alike[our_index]) in matched_ours:
                        continue
                    matched_ours.add(id(alike[our_index]))
                    matched_theirs.add(id(told[their_index]))
                    pair = Group([alike[our_index]], [told[their_index]], "exact_amount")
                    resolve(self._found, pair)
        outside = [row for row in self._outside if id(row) in matched_ours]
        left = [row for row in self.missing_there if id(row) not in matched_ours]
        self._found.ours += len(outside) + len(self.missing_there) - len(left)
        self.missing_there = left
        self.missing_here += [row for row in self._unkeyed if id(row) not in matched_theirs]

    def _alone(self, row: TradeRow) -> None:
        """One of ours that the source has no id of."""
        if self._expects(row[1]):
            self.missing_there.append(row)
        else:
            self._outside.append(row)


def _expecting(
    source: SourceRules,
    span: tuple[int | None, int | None],
    has_lines: bool,  # noqa: FBT001
) -> Callable[[int], bool]:
    """Whether a trade of ours at a time must be at the source."""
    first, last = span
    if source.covers == "all" or (has_lines and (first is None or last is None)):
        return lambda _at: True
    if first is None or last is None:
        return lambda _at: False
    return lambda at: first <= at <= last


def _by_key(rows: Iterator[TradeRow]) -> tuple[dict[str, TradeRow], dict[str, list[TradeRow]]]:
    """The first row of each key, and all rows of those keys that have more than one."""
    single: dict[str, TradeRow] = {}
    many: dict[str, list[TradeRow]] = {}
    _divide(rows, single, many)
    return single, many


def _divide(
    rows: Iterable[TradeRow], single: dict[str, TradeRow], many: dict[str, list[TradeRow]]
) -> None:
    for row in rows:
        first = single.setdefault(row[0], row)
        if first is not row:
            many.setdefault(row[0], [first]).append(row)


def _taken(
    single: dict[str, TradeRow], many: dict[str, list[TradeRow]], key: str
) -> list[TradeRow]:
    row = single.pop(key, None)
    return [] if row is None else many.pop(key, [row])


def _whole(rows: Iterable[TradeRow]) -> list[TradeRow]:
    """Lines without an id, a buyer's and a seller's put together where they are the only ones."""
    by_content: dict[tuple[str, ...], list[TradeRow]] = {}
    for row in rows:
        by_content.setdefault(row[1:5], []).append(row)
    whole: list[TradeRow] = []
    for alike in by_content.values():
        whole += merged(alike) if len(alike) == 2 else alike  # noqa: PLR2004 - a pair
    return whole


def _same_sides(row: TradeRow, told: tuple[str | None, str | None]) -> bool:
    return told[0] in {None, row[5]} and told[1] in {None, row[6]}
