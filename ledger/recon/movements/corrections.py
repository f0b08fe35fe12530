"""Adjustments of ours that were booked to correct a break, tied to the line that they correct.

An adjustment `adj-KEY-N` carries the key of its break. Where KEY is what a line that our books lack
would be called, the two are the same thing, however many others have the same amount.
"""

import re
from collections.abc import Iterable

from ledger.recon.breaks import key_of
from ledger.recon.movements.matching import Mine, Other
from ledger.recon.rules import SourceRules

_CORRECTION = re.compile("adj-([0-9a-f]{16})-[0-9]+")

ByKey = dict[str, list[Other]]
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
            named = subject if number == 1 else f"{subject} #{number}"
            about = (named, account, commodity)
            found[key_of("missing_here", source.name, source.pool, *about)] = lines
    return found


def corrections(
    ours: Iterable[Mine], theirs: Iterable[Other], by_key: ByKey
) -> list[tuple[Mine, Other]]:
    """Each correction with the line that it is of: same account, same amount, each once."""
    free = {id(other) for other in theirs}
    pairs = []
    for mine in ours:
        for other in by_key.get(corrected_key(mine.event_id) or "", ()):
            same = (other.account, other.commodity, other.amount)
            if id(other) in free and same == (mine.account, mine.commodity, mine.amount):
                free.remove(id(other))
                pairs.append((mine, other))
                break
    return pairs
