"""Results of made-up runs, for tests of what they mean to breaks."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ledger.recon.breaks import Break
from ledger.recon.result import Compared, Control, Input, Proposal, Result, Scope, Side
from ledger.recon.rules import Rules, parse_rules

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = """
version = 1
[sources.bank]
kind = "statements"
format = "statements-csv"
[sources.whole]
kind = "trades"
format = "trades-csv"
covers = "all"
[sources.vault]
kind = "holdings"
format = "holdings-csv"
"""


def rules() -> Rules:
    """The rules of three sources: one by days, one whole, one of holdings."""
    return parse_rules(RULES)


def difference(
    subject: str = "B-1",
    *,
    source: str = "bank",
    ours: int | None = None,
    theirs: int | None = 5,
    at: datetime | None = NOON,
    pool: str = "main",
) -> Break:
    """A difference on anna's account."""
    here, there = (None if one is None else Decimal(one) for one in (ours, theirs))
    return Break(
        "missing_here", "high", source, pool, subject, "anna", "USD", here, there,
        (), (subject,), at, f"{subject} differs",
    )  # fmt: skip


def broken_control(subject: str = "zero_sum USD") -> Break:
    """A control of ours that does not hold."""
    return Break(
        "control", "critical", "internal", "main", subject, "", "USD", Decimal(1), Decimal(0),
        (), (), None, "does not sum to zero",
    )  # fmt: skip


def candidate() -> Proposal:
    """One of ours and one of theirs that may be the same."""
    ours = Side("d-1", 0, NOON, "anna", "USD", Decimal(5), "deposit")
    theirs = Side("B-1", 7, NOON, "anna", "USD", Decimal(5), "credit")
    return Proposal("bank", "main", (ours,), (theirs,), 90, (("same amount", 90),))


def result(
    *breaks: Break,
    sources: Sequence[str] = ("bank",),
    begins: datetime = NOON - HOUR,
    ends: datetime = NOON + HOUR,
    controls: Sequence[str] = ("zero_sum",),
    proposals: Sequence[Proposal] = (),
    agreed: Sequence[str] = (),
    applied: Sequence[str] = (),
) -> Result:
    """A run that read one file a source, of these hours, and checked these controls."""
    digest = hashlib.sha256(b"a file").hexdigest()
    return Result(
        pool="main",
        sequence=9,
        rules=rules().digest,
        inputs=tuple(Input(name, f"{name}.csv", digest, 3, begins, ends) for name in sources),
        compared=tuple(Compared(name, 3, 3, 0, {"exact_reference": 2}) for name in sources),
        breaks=breaks,
        proposals=tuple(proposals),
        controls=tuple(Control(name, holds=True, checked=1, says="holds") for name in controls),
        agreed=tuple({*agreed, *applied}),
        applied=tuple(applied),
        scopes=tuple(Scope(name, None, None, *_span(name, begins, ends)) for name in sources),
    )


def _span(source: str, begins: datetime, ends: datetime) -> tuple[datetime | None, datetime | None]:
    """The span of such a source: of a whole one everything, of holdings all until then."""
    if source == "whole":
        return None, None
    return None if source == "vault" else begins, ends
