"""What a reconciliation found: matches by rule, breaks, proposals, controls, and one hash of all.

The hash is the same for the same inputs at the same sequence, whatever the order of their lines, so
nothing that depends on the order stands in it: no line numbers, and no sentences, which follow from
the figures.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal

from ledger.recon.breaks import Break

LINE = "line "
"""How a reference to a line of a file begins, where the source gives no other."""

MatchRule = Literal[
    "exact_reference",
    "exact_amount",
    "one_to_many",
    "many_to_one",
    "tolerance",
    "approved",
    "busted",
    "busted_there",
]
"""In the order in which they are tried; `approved`: a proposal that people agreed to; `busted`: a
trade of ours that was busted, which the source does not list; `busted_there`: one that it lists."""


@dataclass(frozen=True, slots=True)
class Side:
    """One thing of ours or of theirs, as a proposal shows it beside others.

    Attributes:
        reference: Event id; or the source's reference, else what makes the line known again.
        line: Of their file; 0 for ours.
        amount: Natural units, sign from the holder; for a trade its quantity.
        says: The rest in words: price, counterparty, text.
    """

    reference: str
    line: int
    at: datetime | None
    account: str
    commodity: str
    amount: Decimal
    says: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """Things of ours and of theirs that may be the same; nothing is done until people agree.

    Attributes:
        ours, theirs: One at least of each.
        score: 0 to 100; what `why` adds up to.
        why: What speaks for it, each with its points, the most first.
    """

    source: str
    pool: str
    ours: tuple[Side, ...]
    theirs: tuple[Side, ...]
    score: int
    why: tuple[tuple[str, int], ...]

    @property
    def key(self) -> str:
        """The same proposal in every run: 16 hex digits over both sides with all their figures.

        So what people agreed to is agreed to as long as it says what it said then.
        """
        about = [
            self.source,
            self.pool,
            sorted(json.dumps(_content(side)) for side in self.ours),
            sorted(json.dumps(_content(side)) for side in self.theirs),
        ]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Compared:
    """What of one source was held against our books.

    Attributes:
        ours, theirs: How many trades, movements or holdings.
        left_out: Of theirs besides: in commodities that are not ours by the rules, movements of
            nothing, and those of statements that stand there twice.
        matched: Pairs or groups by the rule that matched them.
        tolerated: By commodity, what tolerance let pass of quantities, amounts and fees, each
            difference without its sign. Prices are in no commodity, and not in it.
        not_compared: What could not be held against our books, and why.
    """

    source: str
    ours: int
    theirs: int
    left_out: int
    matched: Mapping[MatchRule, int]
    tolerated: Mapping[str, Decimal] = field(default_factory=dict)
    not_compared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Control:
    """An internal control and what it found.

    Attributes:
        name: `zero_sum`, `custody`, ...
        holds: It does; else there is a break of type `control` for each failure.
        checked: How many figures it looked at; 0: there was nothing to check.
        says: In words.
    """

    name: str
    holds: bool
    checked: int
    says: str


@dataclass(frozen=True, slots=True)
class Input:
    """A file that was read: `digest` is its SHA-256 in hex, `lines` what it held.

    Attributes:
        begins, ends: The first and the last moment that it tells of (a statement from its beginning
            to its end); None: of none. A break outside of them was not looked for.
    """

    source: str
    file: str
    digest: str
    lines: int
    begins: datetime | None = None
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run looked at of a source: these accounts in these commodities, in a span of time.

    Attributes:
        accounts, commodities: By our names; None: every one.
        begins, ends: None: without bound, as where nothing of the file tells a time.
        theirs: The account of theirs that a statement is of; several may be one of ours.
    """

    source: str
    accounts: frozenset[str] | None
    commodities: frozenset[str] | None
    begins: datetime | None
    ends: datetime | None
    theirs: str = ""

    def has(self, account: str, commodity: str) -> bool:
        """Whether it is about a place; a break on no account is of every account."""
        return (not account or self.accounts is None or account in self.accounts) and (
            self.commodities is None or commodity in self.commodities
        )

    def reaches(self, moment: datetime | None) -> bool:
        """Whether its span has a moment; one that nobody told is in no bounded span."""
        if moment is None:
            return self.begins is None and self.ends is None
        return (self.begins is None or self.begins <= moment) and (
            self.ends is None or moment <= self.ends
        )


@dataclass(frozen=True)
class Result:
    """All of one run.

    Attributes:
        pool, sequence: Our books after this event.
        rules: Digest of the rules file.
        inputs: Files read; no part of the hash, for the same lines may stand in another order.
        compared: A source each, by name.
        breaks: By source, type, subject, account, commodity.
        proposals: By source, then the best first.
        controls: In their fixed order.
        agreed: Keys of the matches that it was told people agreed to.
        applied: Those of them that it found, and matched by.
        scopes: What it looked at; a break elsewhere says nothing by not being found.
        asked: By source, what it looked at besides single lines; see `Comparison`.
    """

    pool: str
    sequence: int
    rules: str
    inputs: tuple[Input, ...]
    compared: tuple[Compared, ...]
    breaks: tuple[Break, ...]
    proposals: tuple[Proposal, ...]
    controls: tuple[Control, ...]
    agreed: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()
    asked: Mapping[str, Mapping[str, datetime | None]] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """No break."""
        return not self.breaks

    @cached_property
    def result_hash(self) -> str:
        """SHA-256 in hex over the canonical JSON of what was found."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def canonical(self) -> bytes:
        """What the hash is over."""
        found: dict[str, object] = {
            "version": 1,
            "pool": self.pool,
            "sequence": self.sequence,
            "rules": self.rules,
            "compared": [_compared(each) for each in self.compared],
            "breaks": sorted(json.dumps(_break(each, hashed=True)) for each in self.breaks),
            "proposals": sorted(
                json.dumps([each.key, each.score, each.why]) for each in self.proposals
            ),
            "controls": [[each.name, each.holds, each.checked] for each in self.controls],
        }
        if self.agreed:
            found["agreed"] = sorted(self.agreed)
        return json.dumps(found, sort_keys=True, separators=(",", ":")).encode()

    def as_json(self) -> dict[str, object]:
        """For programs; amounts are exact decimal strings."""
        return {
            "pool": self.pool,
            "sequence": self.sequence,
            "rules": self.rules,
            "result_hash": self.result_hash,
            "inputs": [_input(each) for each in self.inputs],
            "agreed": sorted(self.agreed),
            "applied": sorted(self.applied),
            "compared": [_compared(each) for each in self.compared],
            "breaks": [_break(each, hashed=False) for each in self.breaks],
            "proposals": [_proposal(each) for each in self.proposals],
            "controls": [
                {"name": c.name, "holds": c.holds, "checked": c.checked, "says": c.says}
                for c in self.controls
            ],
        }


def order_of(found: Break) -> tuple[str, ...]:
    """The order of breaks in a result."""
    figures = (str(found.ours), str(found.theirs), str(found.at))
    about = (found.source, found.type, found.subject, found.account, found.commodity)
    return (*about, *figures, *found.our_references, found.says)


def order_of_proposals(found: Iterable[Proposal]) -> tuple[Proposal, ...]:
    """By source, then the best first; of those that say the same of equal things, one."""
    by_key = {each.key: each for each in sorted(found, key=lambda each: -_first_line(each))}
    return tuple(sorted(by_key.values(), key=lambda each: (each.source, -each.score, each.key)))


def _first_line(proposal: Proposal) -> int:
    return min((side.line for side in proposal.theirs), default=0)


def _input(each: Input) -> dict[str, object]:
    return {
        "source": each.source,
        "file": each.file,
        "sha256": each.digest,
        "lines": each.lines,
        "begins": _moment(each.begins),
        "ends": _moment(each.ends),
    }


def _compared(each: Compared) -> dict[str, object]:
    matched = {rule: each.matched[rule] for rule in sorted(each.matched) if each.matched[rule]}
    counts = {"ours": each.ours, "theirs": each.theirs, "left_out": each.left_out}
    found: dict[str, object] = {"source": each.source, **counts, "matched": matched}
    if each.tolerated:
        found["tolerated"] = {name: _plain(each.tolerated[name]) for name in sorted(each.tolerated)}
    if each.not_compared:
        found["not_compared"] = list(each.not_compared)
    return found


def _break(found: Break, *, hashed: bool) -> dict[str, object]:
    about: dict[str, object] = {
        "key": found.key,
        "type": found.type,
        "severity": found.severity,
        "source": found.source,
        "pool": found.pool,
        "subject": found.subject,
        "account": found.account,
        "commodity": found.commodity,
        "ours": _plain(found.ours),
        "theirs": _plain(found.theirs),
        "difference": _plain(found.difference),
        "our_references": list(found.our_references),
        "their_references": list(found.their_references),
        "at": _moment(found.at),
    }
    if hashed:
        theirs = [each for each in found.their_references if not each.startswith(LINE)]
        return about | {"their_references": theirs}
    return about | {"says": found.says}


def _proposal(proposal: Proposal) -> dict[str, object]:
    return {
        "key": proposal.key,
        "source": proposal.source,
        "pool": proposal.pool,
        "score": proposal.score,
        "why": [{"says": says, "points": points} for says, points in proposal.why],
        "ours": [_side(side) for side in proposal.ours],
        "theirs": [_side(side) for side in proposal.theirs],
    }


def _side(side: Side) -> dict[str, object]:
    return _content(side) | {"line": side.line or None}


def _content(side: Side) -> dict[str, object]:
    """All that a side says, but where in the file it stands."""
    return {
        "reference": side.reference,
        "at": _moment(side.at),
        "account": side.account,
        "commodity": side.commodity,
        "amount": _plain(side.amount),
        "says": side.says,
    }


def _plain(amount: Decimal | None) -> str | None:
    """As a decimal without an exponent and without trailing zeros; zero has no sign."""
    if amount is None:
        return None
    if not amount:
        return "0"
    written = f"{amount:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
