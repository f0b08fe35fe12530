"""A movement of ours and one of theirs, in the same names, and what a break says of them."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from ledger.recon.lines import Statement
from ledger.recon.matching.comparison import About, Comparison
from ledger.recon.rules import SourceRules
from ledger.store.recon.books import OurMovement

_BETWEEN = re.compile(r"[\s,;+|/]+")
"""What may stand between several of our references in one line; none of it is part of an id."""


_NO_ID = re.compile("[^A-Za-z0-9._:-]")


def as_our_id(reference: str) -> str:
    """A reference of theirs as it can be an id of ours: what no id may have in it is a colon."""
    return _NO_ID.sub(":", reference)


class Mine(NamedTuple):
    """A movement of our books; ordered by time."""

    at: datetime
    event_id: str
    account: str
    commodity: str
    amount: Decimal
    request_id: str
    kind: str

    @classmethod
    def of(cls, moved: OurMovement) -> "Mine":
        """As the books have it."""
        return cls(
            *(moved.at, moved.event_id, moved.account, moved.commodity, moved.amount),
            *(moved.request_id or "", moved.kind),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}: {self.amount:f} {self.commodity} of {self.account}"

    def about(self) -> About:
        """As a break of ours alone."""
        return About(
            self.event_id,
            self.account,
            self.commodity,
            ours=self.amount,
            our_references=(self.event_id,),
            at=self.at,
        )


class Other(NamedTuple):
    """A line of a statement, in our names.

    Attributes:
        ours: Our references that it repeats.
        their_account: Of the source, by its own name; several may be one of ours.
        place: `line 7`, or `line 7 of NAME`; unique among the lines of its source.
    """

    account: str
    commodity: str
    amount: Decimal
    at: datetime | None
    reference: str
    ours: tuple[str, ...]
    text: str
    their_account: str
    place: str

    def __str__(self) -> str:
        name = f" ({self.reference})" if self.reference else ""
        return f"{self.amount:f} {self.commodity} of {self.account}{name}"

    @property
    def name(self) -> str:
        """Its reference, else what it says."""
        if self.reference or self.ours:
            return self.reference or " ".join(self.ours)
        return f"{self.amount:f} {self.commodity} {self.at or 'no time'} {self.text}".strip()

    @property
    def subject(self) -> str:
        """What the next run calls the same line; a reference may come again on another day."""
        if self.at is None or not (self.reference or self.ours):
            return self.name
        return f"{self.name} of {self.at:%Y-%m-%d}"

    @property
    def names(self) -> tuple[str, ...]:
        """What of ours it may be: the references that it repeats, and its own."""
        own = (as_our_id(self.reference),) if self.reference else ()
        return tuple(dict.fromkeys((*self.ours, *own)))

    @property
    def references(self) -> tuple[str, ...]:
        """Its reference, where it has one, and where it stands."""
        return (self.reference, self.place) if self.reference else (self.place,)

    def about(self) -> About:
        """As a break of theirs alone."""
        return About(
            self.subject,
            self.account,
            self.commodity,
            theirs=self.amount,
            their_references=self.references,
            at=self.at,
        )


Met = tuple[Mine, datetime | None]
"""A movement of ours that has a partner, and when that partner is told to be."""


def met(mine: Mine, theirs: Sequence[Other]) -> Met:
    """Ours with these lines; of several the last one says when."""
    times = [other.at for other in theirs if other.at is not None]
    return mine, max(times) if len(times) == len(theirs) else None


def content_of(other: Other) -> tuple[str, ...]:
    """An order that knows where a line stands only to tell two equal ones apart."""
    return tuple(str(each) for each in other)


def others_of(source: SourceRules, read: Iterable[tuple[str, Statement]]) -> list[Other]:
    """All movements of these statements, in an order that does not depend on the files'."""
    found = []
    for mark, statement in read:
        for line, reference, ours, at, account, commodity, amount, text in statement.movements:
            found.append(
                Other(
                    source.accounts(account or statement.account),
                    source.commodities(commodity or statement.commodity),
                    amount,
                    at,
                    reference,
                    tuple(each for each in _BETWEEN.split(ours) if each),
                    text,
                    account or statement.account,
                    f"line {line}{mark}" + (f" for {account}" if source.paired else ""),
                )
            )
    return sorted(found, key=content_of)


def unpaired(found: Comparison, theirs: Sequence[Other]) -> None:
    """Lines of a double entry, by reference: what they leave over in a commodity."""
    sums: dict[tuple[str, str], list[Other]] = {}
    for other in theirs:
        sums.setdefault((other.name, other.commodity), []).append(other)
    for (reference, commodity), legs in sorted(sums.items()):
        left = sum((leg.amount for leg in legs), Decimal(0))
        if left:
            first = min(legs, key=lambda leg: (leg.at is None, str(leg.at)))
            about = About(
                first.subject,
                commodity=commodity,
                theirs=left,
                their_references=tuple(each for leg in legs for each in leg.references),
                at=first.at,
            )
            words = f"the {len(legs)} lines of {reference} leave {left:f} {commodity} over"
            found.found("unpaired", about, words)
