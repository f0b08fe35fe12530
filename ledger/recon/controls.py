"""Internal controls: what must hold within our own books, whoever says what outside.

They run with every reconciliation, and alone (`check_controls`), as often as one likes: none but the
count of trade ids reads more than balances, funding and records of defaults.

| control | holds when |
|---|---|
| `zero_sum` | the balances of each commodity sum to zero |
| `custody` | what the outside world owes us is what participants and the house have, by asset |
| `funding` | received and rounding are what was paid, by instrument |
| `shortfall` | losses are what the fund paid, what deleveraged positions took and what is uncovered: as records tell, and as postings moved, event by event |
| `kafka` | the topics that our books have read are there, and end where they have read to |
| `trade_ids` | the venue's own count of its trades has no gap |
| `corrections` | each adjustment with the id of a correction is one that was approved, word for word |

The last three are asked where there is something to ask: topics with a way to ask for their ends,
rules that say that trade ids are a counter, and adjustments with such an id. One that nobody
approved is mended by an approved correction of the break that tells of it.
"""  # noqa: E501 - a table

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import NamedTuple

from ledger.recon.breaks import Break
from ledger.recon.casework.adjusting import hash_of
from ledger.recon.matching.comparison import EXACT, About, distinct
from ledger.recon.result import Control
from ledger.recon.rules import ControlRules, Counter, SeverityRules
from ledger.store.back_office.corrections import BookedRow, booked_corrections
from ledger.store.recon.books import OurBooks, our_books
from ledger.store.recon.sums import (
    CommoditySums,
    DefaultSums,
    Taken,
    commodity_sums,
    default_sums,
    event_ids,
    funding_sums,
    numeric_trade_ids,
    offsets_taken,
)

INTERNAL = "internal"
GAPS_MAX = 1_000
"""Gaps of one counter that are told one by one; the rest is one break."""

EndOffsets = Callable[[Sequence[Taken]], Mapping[tuple[str, int], int]]
"""Asks the broker where partitions end: by topic and number, the offset of the next message. A
topic that is not there, or is another one under the same name, is left out."""


class Checked(NamedTuple):
    """What the controls of a pool came to."""

    sequence: int
    controls: tuple[Control, ...]
    breaks: tuple[Break, ...]


def check_controls(
    url: str,
    pool: str,
    at_sequence: int | None = None,
    *,
    rules: ControlRules | None = None,
    severity: SeverityRules | None = None,
    end_offsets: EndOffsets | None = None,
) -> Checked:
    """All controls of a pool, without a reconciliation.

    Raises:
        ConfigurationError: There is no such pool or event.
        StoreUnavailable: The database cannot be reached.
    """
    chosen = severity or SeverityRules()
    with localcontext(EXACT), our_books(url, pool, at_sequence) as books:
        controls, breaks = controls_of(books, rules or ControlRules(), chosen, end_offsets)
        return Checked(books.sequence, controls, distinct(breaks))


def controls_of(
    books: OurBooks,
    rules: ControlRules,
    severity: SeverityRules,
    end_offsets: EndOffsets | None = None,
) -> tuple[tuple[Control, ...], list[Break]]:
    """The controls of these books, in their fixed order, and what does not hold."""
    sums = commodity_sums(books)
    told = _Controls(books.pool, severity)
    told.zero_sum(sums)
    told.custody(sums)
    told.funding(books)
    told.shortfall(books)
    if end_offsets is not None:
        told.kafka(offsets_taken(books), end_offsets, rules)
    if rules.trade_ids is not None:
        told.trade_ids(books, rules.trade_ids)
    if booked := booked_corrections(books):
        told.corrections(booked)
    return tuple(told.controls), told.breaks


class _Controls:
    """The controls, one by one, and the breaks that they found."""

    def __init__(self, pool: str, severity: SeverityRules) -> None:
        self.controls: list[Control] = []
        self.breaks: list[Break] = []
        self._pool = pool
        self._severity = severity

    def zero_sum(self, sums: Sequence[CommoditySums]) -> None:
        before = len(self.breaks)
        for each in sums:
            if each.total:
                words = f"{each.accounts} balances of {each.commodity} sum to {each.total:f}, not 0"
                figures = (each.total, Decimal(0))
                self._break("zero_sum", each.commodity, each.commodity, figures, words)
        self._end("zero_sum", before, len(sums), "the balances of each commodity sum to zero")

    def custody(self, sums: Sequence[CommoditySums]) -> None:
        before = len(self.breaks)
        assets = [each for each in sums if each.is_asset]
        for each in assets:
            held = each.participants + each.house
            if held != -each.custody:
                words = (
                    f"the outside world owes us {-each.custody:f} {each.commodity}, participants"
                    f" have {each.participants:f} and the house has {each.house:f}"
                )
                figures = (held, -each.custody)
                self._break("custody", each.commodity, each.commodity, figures, words)
        self._end("custody", before, len(assets), "custody is what participants and the house have")

    def funding(self, books: OurBooks) -> None:
        before = len(self.breaks)
        sums = funding_sums(books)
        for each in sums:
            if each.received + each.rounding != each.paid:
                words = (
                    f"{each.events} fundings of {each.instrument}: paid {each.paid:f}, received"
                    f" {each.received:f}, rounding {each.rounding:f} {each.asset}"
                )
                figures = (each.received + each.rounding, each.paid)
                self._break("funding", each.instrument, each.asset, figures, words)
        self._end("funding", before, len(sums), "received and rounding are what was paid")

    def shortfall(self, books: OurBooks) -> None:
        """Each event's records against its postings, and the losses against what bore them."""
        before = len(self.breaks)
        sums = default_sums(books)
        wrong = {each.sequence: _untold(each) for each in sums if _untold(each)}
        names = event_ids(books, sorted(wrong))
        asset = books.settlement_asset()
        for sequence, figures in wrong.items():
            for name, told, posted in figures:
                words = f"event {sequence}: {name}: records tell {told:f}, it comes to {posted:f}"
                subject = f"{names.get(sequence, sequence)} {name}"
                self._break("shortfall", subject, asset, (posted, told), words)
        zero = Decimal(0)
        losses = sum((each.lost for each in sums), zero)
        fund = sum((each.drawn for each in sums), zero)
        taken = sum((each.absorbed for each in sums), zero)
        uncovered = sum((each.opened for each in sums), zero)
        self._end(
            "shortfall",
            before,
            len(sums),
            f"losses {losses + taken:f}: fund {fund:f}, deleveraging {taken:f}, uncovered"
            f" {uncovered:f} {asset}",
        )

    def kafka(self, taken: Sequence[Taken], ends: EndOffsets, rules: ControlRules) -> None:
        before = len(self.breaks)
        asked = _ends_of([each for each in taken if each.topic not in rules.kafka_retired], ends)
        for each, end in asked:
            where = f"{each.topic}/{each.partition}"
            if end is None:
                words = (
                    f"{where}, read by our books up to {each.next_offset}, is there no more, or is"
                    " another one under its name"
                )
            elif each.next_offset > end:
                words = f"{where} ends at {end}, our books have read up to {each.next_offset}"
            elif end - each.next_offset > rules.kafka_behind_max:
                words = f"{where} holds {end - each.next_offset} messages that our books do not"
            else:
                continue
            figures = (Decimal(each.next_offset), Decimal(end or 0))
            self._break("kafka", where, "", figures, words)
        self._end("kafka", before, len(asked), "the topics end where our books have read to")

    def trade_ids(self, books: OurBooks, counter: Counter) -> None:
        """Gaps in the venue's own count; an id that stands twice is no gap."""
        before = len(self.breaks)
        counted: dict[str, list[int]] = {}
        for instrument, number in numeric_trade_ids(books):
            counted.setdefault(instrument if counter == "instrument" else "", []).append(number)
        checked = 0
        for instrument in sorted(counted):
            numbers = sorted(counted[instrument])
            checked += len(numbers)
            self._gaps(instrument, numbers)
        self._end("trade_ids", before, checked, "the venue's count of its trades has no gap")

    def corrections(self, booked: Sequence[BookedRow]) -> None:
        """What was booked as a correction against what was approved as it."""
        before = len(self.breaks)
        wrong = {each.event_id: _unapproved(each) for each in booked}
        sound = {name.rpartition("-")[0] for name, why in wrong.items() if not why}
        for name, why in wrong.items():
            if why:
                figures = (Decimal(1), Decimal(0))
                self._break("corrections", name, "", figures, f"{name} is in the books, and {why}")
                if f"adj-{self.breaks[-1].key}" in sound:
                    self.breaks.pop()
        words = "what was booked as a correction was approved so"
        self._end("corrections", before, len(booked), words)

    def _gaps(self, instrument: str, numbers: Sequence[int]) -> None:
        found = 0
        beyond = 0
        for last, number in pairwise(numbers):
            missing = number - last - 1
            if missing <= 0:
                continue
            found += 1
            if found > GAPS_MAX:
                beyond += missing
                continue
            self._gap(instrument, f"{last + 1} to {number - 1}", missing)
        if beyond:
            self._gap(instrument, f"{found - GAPS_MAX} more gaps", beyond)

    def _gap(self, instrument: str, which: str, missing: int) -> None:
        where = f"of {instrument} " if instrument else ""
        words = f"trade ids {where}{which} are not in our books: {missing}"
        subject = f"{instrument} {which}".strip()
        self._break("trade_ids", subject, instrument, (Decimal(0), Decimal(missing)), words)

    def _break(
        self,
        control: str,
        subject: str,
        commodity: str,
        figures: tuple[Decimal, Decimal],
        words: str,
    ) -> None:
        ours, theirs = figures
        about = About(f"{control} {subject}", commodity=commodity, ours=ours, theirs=theirs)
        severity = self._severity("control", commodity, ours - theirs)
        self.breaks.append(Break("control", severity, INTERNAL, self._pool, *about, words))

    def _end(self, name: str, before: int, checked: int, words: str) -> None:
        wrong = len(self.breaks) - before
        if wrong:
            words = f"{wrong} {'breaks' if wrong > 1 else 'break'}: {words}, does not hold"
        elif not checked:
            words = "nothing to check"
        self.controls.append(Control(name, not wrong, checked, words))


def _ends_of(taken: Sequence[Taken], ends: EndOffsets) -> list[tuple[Taken, int | None]]:
    """Each partition that is to be there, and where it ends; None: it is not there.

    Of a topic that was made again and read on, the one that is there counts, however far its
    forerunner was read; where none of them is there, the one that was read last.
    """
    sources: dict[str, dict[tuple[str, str], list[Taken]]] = {}
    for each in taken:
        of_topic = sources.setdefault(each.topic, {})
        of_topic.setdefault((each.cluster, each.topic_id), []).append(each)
    found: list[tuple[Taken, int | None]] = []
    waiting = {topic: list(of_topic.values()) for topic, of_topic in sources.items()}
    lost = {topic: several[0] for topic, several in waiting.items()}
    while waiting:
        asked = {topic: several.pop(0) for topic, several in waiting.items()}
        told = ends([each for several in asked.values() for each in several])
        for topic, several in asked.items():
            if any((each.topic, each.partition) in told for each in several):
                found += [(each, told.get((each.topic, each.partition))) for each in several]
                del waiting[topic], lost[topic]
        waiting = {topic: several for topic, several in waiting.items() if several}
    found += [(each, None) for several in lost.values() for each in several]
    return sorted(found, key=lambda one: (one[0].topic, one[0].partition))


def _unapproved(each: BookedRow) -> str:
    """Why what was booked is not what was approved; empty: it is."""
    checked_by: str | None = None
    for kind, who in zip(each.kinds, each.people, strict=True):
        if kind == "corrected":
            break
        if kind == "approved":
            checked_by = who
        elif kind in {"refused", "reopened", "gone"}:
            checked_by = None
    if each.draft is None:
        return "nobody proposed it"
    if checked_by is None:
        return "it is not approved" if "approved" not in each.kinds else "its approval was gone"
    if hash_of(each.draft, checked_by) != each.content_hash:
        return "it says something else than what was approved"
    return ""


def _untold(each: DefaultSums) -> list[tuple[str, Decimal, Decimal]]:
    """Where one event does not add up: what, as records tell it, as postings (or parts) have it."""
    figures = [
        ("insurance", each.insurance, each.posted_insurance),
        ("deficit", each.deficit, each.posted_deficit),
        ("fund", each.amount, each.posted_insurance + each.posted_deficit),
        ("deleveraging", each.deleveraged, each.posted_deleveraged),
        ("losses", each.lost, each.drawn + each.opened),
    ]
    return [(name, told, posted) for name, told, posted in figures if told != posted]
