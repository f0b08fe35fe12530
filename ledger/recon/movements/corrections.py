"""Adjustments of ours that were booked to correct a break, tied to what they correct.

An adjustment `adj-KEY-N` carries the key of its break. Where KEY is what a line that our books lack
would be called, the two are the same thing, however many others have the same amount. Where it is
of a movement of ours (missing there, of another amount, on another account), it goes with that one.
"""

import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from itertools import count, product

from ledger.recon.breaks import BreakType, key_of
from ledger.recon.matching.comparison import numbered
from ledger.recon.movements.matching import Met, Mine, Other
from ledger.recon.rules import SourceRules

_CORRECTION = re.compile("adj-([0-9a-f]{16})-[0-9]+")

_AGAIN = re.compile(r" #[0-9]+$")

_OF_OURS: tuple[BreakType, ...] = ("missing_there", "amount", "wrong_account")
"""Types of breaks whose subject is the event id of a movement of ours."""

Mending = tuple[Mine, Mine]
"""A correction, and the movement of ours whose break it corrects."""

NEVER = datetime.max.replace(tzinfo=UTC)
"""When a source tells of what it does not have."""

Name = tuple[str, str, str]
"""Subject, account and commodity of a break."""
_NONE: Name = ("", "", "")

ByKey = dict[str, tuple[Name, list[Other]]]
"""Lines by the key of the break that they are, or would be, if our books lack them."""


def corrected_key(event_id: str) -> str | None:
    """The key of the break that this event of ours corrects; None: it is no correction."""
    found = _CORRECTION.fullmatch(event_id)
    return None if found is None else found[1]


def lacking(source: SourceRules, theirs: Iterable[Other]) -> ByKey:
    """Lines by the keys that they have where our books lack them.

    Of several that are called the same each may have the key of any: which of them is the second
    depends on the others.
    """
    alike: dict[tuple[str, str, str], list[Other]] = {}
    for other in theirs:
        alike.setdefault((other.subject, other.account, other.commodity), []).append(other)
    found: ByKey = {}
    for (subject, account, commodity), lines in alike.items():
        for number in range(1, len(lines) + 1):
            about = (numbered(subject, number), account, commodity)
            found[key_of("missing_here", source.name, source.pool, *about)] = about, lines
    return found


def mended(
    source: SourceRules, ours: Iterable[Mine], corrections_of: Iterable[Mine]
) -> list[Mending]:
    """Corrections of breaks of movements of ours.

    Args:
        ours: What may have had a break.
        corrections_of: Among which corrections are looked for.
    """
    by_key: dict[str, list[Mine]] = {}
    for each in corrections_of:
        key = corrected_key(each.event_id)
        if key is not None:
            by_key.setdefault(key, []).append(each)
    accounts = sorted({each.account for several in by_key.values() for each in several})
    found: list[Mending] = []
    for mine in ours if by_key else ():
        for kind, account in product(_OF_OURS, accounts):
            about = (mine.event_id, account, mine.commodity)
            several = by_key.get(key_of(kind, source.name, source.pool, *about), ())
            place = (account, mine.commodity)
            found += [(each, mine) for each in several if (each.account, each.commodity) == place]
    return found


def take_back(ours: list[Mine], mending: Iterable[Mending]) -> list[Met]:
    """Take out movements that come to nothing with their correction; returns what was taken."""
    left = {id(mine) for mine in ours}
    taken: list[Mine] = []
    for correction, mine in mending:
        pair = {id(correction), id(mine)}
        same = correction.account == mine.account
        if same and pair <= left and not correction.amount + mine.amount:
            left -= pair
            taken += [correction, mine]
    ours[:] = [mine for mine in ours if id(mine) in left]
    return [(mine, NEVER) for mine in taken]


def corrections(
    ours: Iterable[Mine], theirs: Iterable[Other], by_key: ByKey
) -> list[tuple[Mine, Other, Name]]:
    """Each correction, the line that it is of (same account and amount, each once), its name."""
    free = {id(other) for other in theirs}
    pairs = []
    for mine in ours:
        name, lines = by_key.get(corrected_key(mine.event_id) or "", (_NONE, []))
        for other in lines:
            same = (other.account, other.commodity, other.amount)
            if id(other) in free and same == (mine.account, mine.commodity, mine.amount):
                free.remove(id(other))
                pairs.append((mine, other, name))
                break
    return pairs


def named(theirs: Iterable[Other], corrected: Collection[Name]) -> list[tuple[str, Other]]:
    """Lines that our books lack, each with its subject: one that was corrected is not given again.

    So the second of two that are called the same stays the second when the first is corrected.
    """
    taken = set(corrected)
    touched = {(_AGAIN.sub("", subject), *place) for subject, *place in taken}
    found = []
    for other in sorted(theirs, key=lambda each: (str(each.amount), str(each.at))):
        subject, place = other.subject, (other.account, other.commodity)
        if (subject, *place) in touched:
            numbers = (numbered(subject, number) for number in count(1))
            subject = next(each for each in numbers if (each, *place) not in taken)
            taken.add((subject, *place))
        found.append((subject, other))
    return found
