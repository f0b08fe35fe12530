"""What every importer is given and gives back: options in, wire events and a report out.

Rules of this file:

* An importer is a function `(path, options, report) -> iterator of wire events`. It reads the file
  as a stream, as often as it needs (most twice: once for scales and accounts, once for events).
* A *gap* is something that the file itself shows to be missing: a position that does not start
  where the last one ended, a trade number that was jumped over. It is always in the report. With
  `on_gap="stop"` the first one is an `ImportFailed`; with `on_gap="report"` the import goes on.
* The report is complete once the events are exhausted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from ledger.errors import ImportFailed

WireEvent = dict[str, object]
"""One event of the wire format, ready for JSON: decimals are strings."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import.

    Attributes:
        pool: Name of the pool; None takes the importer's own (`usdc`, `usdt`, `btc`, ...).
        seed: Of the draw that gives the trades of an anonymous tape their accounts.
        accounts: How many accounts the draw is from; at least 2.
        on_gap: Go on and report a gap, or stop at the first.
        prices: A file of best bids and asks whose middle becomes `price` events (binance).
        account: Whose fills these are, where the file does not say (raw hyperliquid user fills).
        continues: The pool already holds what stood before the file (hyperliquid): no opening
            positions are made, which would come on top of it.
    """

    pool: str | None = None
    seed: int = 0
    accounts: int = 100
    on_gap: Literal["report", "stop"] = "report"
    prices: Path | None = None
    account: str = "account"
    continues: bool = False


class Gap(NamedTuple):
    """Something that the file shows to be missing.

    Attributes:
        line: Of the file, from 1, where it shows.
        occurred_at: Of that line.
        account: Whose position breaks; None for a gap between trade numbers.
        instrument: Where.
        expected: Position (or trade number) that follows from the lines before.
        found: The one that the line claims.
        missing: `found - expected`, signed: what must have been bought (or how many were skipped).
    """

    line: int
    occurred_at: str
    account: str | None
    instrument: str
    expected: str
    found: str
    missing: str

    def __str__(self) -> str:
        who = f"{self.account} {self.instrument}" if self.account else self.instrument
        return (
            f"line {self.line} ({self.occurred_at}): {who} expected {self.expected},"
            f" found {self.found}, missing {self.missing}"
        )


class AssumedEntry(NamedTuple):
    """An opening position whose entry price the file does not give away."""

    account: str
    instrument: str
    quantity: str
    entry_price: str


@dataclass(slots=True)
class ImportReport:
    """What was read, what was made of it, and what cannot be trusted.

    Attributes:
        source: Name of the importer.
        path: The file.
        rows: Trades or fills read, those left out included.
        events: Wire events made, by kind; trades that bridge a gap are counted as `trade`.
        left_out: Rows or parts of rows that have no place in the books, by reason.
        liquidations: Trades that the venue marks as liquidations; plain trades in our books.
        gaps: In the order of the file.
        entries_inferred: Opening positions whose entry price follows from the file.
        entries_assumed: Those where the first trade price stands for it: the realized P&L of what
            they close cannot be held against the venue's.
        warnings: Anything else a reader must know, one sentence each.
        complete: The events were exhausted.
    """

    source: str
    path: Path
    rows: int = 0
    events: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    liquidations: int = 0
    gaps: list[Gap] = field(default_factory=list)
    entries_inferred: int = 0
    entries_assumed: list[AssumedEntry] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    complete: bool = False

    def leave_out(self, reason: str) -> None:
        """Count one row, or part of one, that makes no event."""
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def note_gap(self, gap: Gap, options: ImportOptions) -> None:
        """Keep the gap.

        Raises:
            ImportFailed: The options say to stop at one.
        """
        self.gaps.append(gap)
        if options.on_gap == "stop":
            message = f"{self.path}, {gap}; the file has a gap (--on-gap report goes on over it)"
            raise ImportFailed(message)

    @property
    def is_clean(self) -> bool:
        """Nothing is missing and nothing was assumed."""
        return not (self.gaps or self.entries_assumed or self.warnings)

    def lines(self) -> list[str]:
        """The report for people, gaps and warnings last so that they are seen."""
        made = ", ".join(f"{count} {kind}" for kind, count in self.events.items()) or "nothing"
        lines = [f"{self.source}: {self.rows} rows read; made {made}"]
        lines += [f"left out: {count} {reason}" for reason, count in self.left_out.items()]
        if self.liquidations:
            lines.append(f"of the trades, {self.liquidations} are liquidations of the venue")
        if self.entries_inferred or self.entries_assumed:
            lines.append(
                f"opening positions: {self.entries_inferred} entry prices inferred,"
                f" {len(self.entries_assumed)} assumed (first trade price; not verifiable)"
            )
        lines += [f"WARNING: {warning}" for warning in self.warnings]
        lines += [f"GAP: {gap}" for gap in self.gaps]
        return lines

    def as_json(self) -> dict[str, object]:
        """The report for programs."""
        return {
            "source": self.source,
            "file": str(self.path),
            "rows": self.rows,
            "events": dict(self.events),
            "left_out": dict(self.left_out),
            "liquidations": self.liquidations,
            "gaps": [gap._asdict() for gap in self.gaps],
            "entries_inferred": self.entries_inferred,
            "entries_assumed": [entry._asdict() for entry in self.entries_assumed],
            "warnings": list(self.warnings),
            "complete": self.complete,
        }


Importer = Callable[[Path, ImportOptions, ImportReport], Iterator[WireEvent]]


class ImportRun:
    """The events of one import, once, and its report."""

    def __init__(self, events: Iterator[WireEvent], report: ImportReport) -> None:
        self.report = report
        self._events = self._counted(events)

    def __iter__(self) -> Iterator[WireEvent]:
        return self._events

    def _counted(self, events: Iterator[WireEvent]) -> Iterator[WireEvent]:
        counts = self.report.events
        for event in events:
            kind = str(event["kind"])
            counts[kind] = counts.get(kind, 0) + 1
            yield event
        self.report.complete = True
