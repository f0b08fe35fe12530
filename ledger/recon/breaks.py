"""A break: one thing in which our books and an outside source differ, and its lasting identity."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from typing import Literal

BreakType = Literal[
    "missing_here",
    "missing_there",
    "amount",
    "timing",
    "duplicate",
    "wrong_account",
    "unpaired",
    "opening",
    "control",
]
"""`control`: an internal control of ours does not hold; the others come from comparing."""

Severity = Literal["low", "medium", "high", "critical"]

_EXACT = Context(
    prec=400
)  # the default one keeps 28 digits, fewer than amounts of 18 decimals have


@dataclass(frozen=True, slots=True)
class Break:
    """One difference, as a run of the reconciliation found it.

    Attributes:
        type: What kind of difference.
        severity: By the rules file.
        source: The outside source's name in the rules file; `internal` for a control.
        pool: Whose books.
        subject: What it is about in one string that the next run makes again: a trade id, a
            reference, `account/commodity`, a control's name.
        account, commodity: Where it lies; empty where it lies nowhere.
        ours, theirs: Amounts (natural units, sign from the holder); None where a side is missing.
        our_references, their_references: Event ids of ours; references or `line N` of theirs.
        at: When it happened by whoever says so.
        says: In words, for people.
    """

    type: BreakType
    severity: Severity
    source: str
    pool: str
    subject: str
    account: str
    commodity: str
    ours: Decimal | None
    theirs: Decimal | None
    our_references: tuple[str, ...]
    their_references: tuple[str, ...]
    at: datetime | None
    says: str

    @property
    def difference(self) -> Decimal:
        """Ours less theirs, exactly; a side that is missing counts as zero."""
        return _EXACT.subtract(self.ours or Decimal(0), self.theirs or Decimal(0))

    @property
    def key(self) -> str:
        """The same break in every run: 16 hex digits of the hash over what it is about.

        Amounts are no part of it: a break whose amount changes is the same break, moved on.
        """
        about = (self.source, self.pool, self.subject, self.account, self.commodity)
        return key_of(self.type, *about)


def key_of(
    kind: BreakType, source: str, pool: str, subject: str, account: str, commodity: str
) -> str:
    """The key of a break that is about this."""
    about = [kind, source, pool, subject, account, commodity]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
