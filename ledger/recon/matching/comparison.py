"""What all matching shares: exact figures as text, unique pairs in a window, breaks by key.

Figures are compared as text where they are many: two decimals are the same if they are written the
same without trailing zeros. What differs is worked out in `Decimal`, never rounded.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Context, Decimal
from typing import NamedTuple

from ledger.recon.breaks import Break, BreakType
from ledger.recon.result import LINE, Compared, MatchRule, Proposal, order_of
from ledger.recon.rules import SourceRules

EXACT = Context(prec=200)
"""Wide enough that no sum of amounts of the books is ever rounded."""


class About(NamedTuple):
    """What a break is about; the fields are those of `Break`."""

    subject: str
    account: str = ""
    commodity: str = ""
    ours: Decimal | None = None
    theirs: Decimal | None = None
    our_references: tuple[str, ...] = ()
    their_references: tuple[str, ...] = ()
    at: datetime | None = None


@dataclass(slots=True)
class Comparison:
    """What came of one source so far.

    Attributes:
        settlement_asset: Of the pool; fees of trades are in it.
        ours, theirs: How many things were held against each other.
        left_out: Of theirs besides; see `Compared`.
        matched: By rule.
        applied: Keys of the proposals that people agreed to, and that were found again.
        tolerated: By commodity, what tolerance let pass, each difference without its sign.
        not_compared: What could not be held against our books, and why.
        asked: What besides single lines was looked at: the links of statements (`Arithmetic`), and
            subjects of closings; each with its moment, None for links.
    """

    source: SourceRules
    settlement_asset: str
    ours: int = 0
    theirs: int = 0
    left_out: int = 0
    matched: Counter[MatchRule] = field(default_factory=Counter)
    breaks: list[Break] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    applied: list[str] = field(default_factory=list)
    tolerated: dict[str, Decimal] = field(default_factory=dict)
    not_compared: list[str] = field(default_factory=list)
    asked: dict[str, datetime | None] = field(default_factory=dict)

    def found(self, kind: BreakType, about: About, says: str) -> None:
        """Keep a break of this source; its severity follows from the rules."""
        difference = (about.ours or Decimal(0)) - (about.theirs or Decimal(0))
        severity = self.source.severity(kind, about.commodity, difference)
        self.breaks.append(Break(kind, severity, self.source.name, self.source.pool, *about, says))

    def passed(self, commodity: str, difference: Decimal) -> None:
        """Count a difference that tolerance let pass."""
        if difference:
            before = self.tolerated.get(commodity, Decimal(0))
            self.tolerated[commodity] = before + abs(difference)

    def compared(self) -> Compared:
        """What it came to, rules that matched nothing left out."""
        matched = {rule: count for rule, count in self.matched.items() if count}
        counts = (self.ours, self.theirs, self.left_out)
        unsaid = tuple(self.not_compared)
        return Compared(self.source.name, *counts, matched, dict(self.tolerated), unsaid)


def canonical(number: str | Decimal) -> str:
    """An exact decimal as text: no exponent, no zeros that mean nothing, no sign of zero."""
    text = number if isinstance(number, str) else f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    digits = text[1:] if text[0] == "-" else text
    if digits[0] in "0+." and digits[1:2] != "." and text != "0":
        return _rewritten(text)
    return text


def _rewritten(text: str) -> str:
    sign, digits = ("-", text[1:]) if text[0] == "-" else ("", text.removeprefix("+"))
    whole, _, fraction = digits.partition(".")
    whole = whole.lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    if whole == "0" and not fraction:
        return "0"
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def line_number(place: str) -> int:
    """The number in `line 7` or `line 7 of NAME`; 0 where it is none."""
    number = place.removeprefix(LINE).partition(" ")[0]
    return int(number) if place.startswith(LINE) and number.isdecimal() else 0


def unique_pairs(
    ours: Sequence[tuple[int, int]], theirs: Sequence[tuple[int | None, int]], window: int
) -> list[tuple[int, int]]:
    """Pairs that have no other within the window, neither seen from here nor from there.

    Args:
        ours, theirs: A time in microseconds and an index each; a time that is not told is near
            to every other.
        window: Microseconds; equality is within.

    Returns:
        Indices of ours and of theirs.
    """
    times = sorted(ours)
    keys = [at for at, _ in times]
    told = sorted(at for at, _ in theirs if at is not None)
    untold = len(theirs) - len(told)
    pairs = []
    for at, theirs_index in theirs:
        low = 0 if at is None else bisect_left(keys, at - window)
        high = len(keys) if at is None else bisect_right(keys, at + window)
        if high - low != 1:
            continue
        ours_at, ours_index = times[low]
        near = bisect_right(told, ours_at + window) - bisect_left(told, ours_at - window)
        if near + untold == 1:
            pairs.append((ours_index, theirs_index))
    return pairs


def distinct(found: Iterable[Break]) -> tuple[Break, ...]:
    """Breaks in their order; one that has the key of another before it is told apart by a count."""
    seen: Counter[str] = Counter()
    told = []
    for each in sorted(found, key=order_of):
        seen[each.key] += 1
        count = seen[each.key]
        told.append(each if count == 1 else replace(each, subject=numbered(each.subject, count)))
    return tuple(told)


def numbered(subject: str, number: int) -> str:
    """The subject of the second, third and so on of breaks that have one key."""
    return subject if number == 1 else f"{subject} #{number}"
