"""A reconciliation from end to end: files and books in, matches, breaks, proposals, controls out.

Deterministic: the same lines at the same sequence by the same rules give the same `result_hash`,
whatever the order of lines and files. What topics end at is an input like the files, and changes.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import localcontext
from pathlib import Path
from typing import cast

from ledger.errors import ConfigurationError
from ledger.recon.controls import EndOffsets, controls_of
from ledger.recon.fetched import Fetched
from ledger.recon.formats import FORMATS, read
from ledger.recon.holdings.compare import compare_holdings
from ledger.recon.lines import Holding, Statement, Trade
from ledger.recon.matching.comparison import EXACT, Comparison, distinct
from ledger.recon.movements.compare import compare_statements
from ledger.recon.result import Input, Result, order_of_proposals
from ledger.recon.rules import Rules, SourceRules
from ledger.recon.scopes import LookedAt
from ledger.recon.trades.compare import compare_trades
from ledger.store.recon.books import OurBooks, our_books

Line = Trade | Holding | Statement
Tell = Callable[[str, int], None]
"""Is told what is counted, and how many so far."""

READ_BYTES = 1 << 20


def reconcile(
    url: str,
    rules: Rules,
    files: Mapping[str, Sequence[Path | Fetched]],
    pool: str,
    at_sequence: int | None = None,
    *,
    approved: Collection[str] = (),
    end_offsets: EndOffsets | None = None,
    tell: Tell = lambda _what, _count: None,
) -> Result:
    """Hold files of outside sources against the books of a pool.

    Args:
        url: Of the database; it is only read.
        rules: Of the sources.
        files: By the name of the source; of a topic what was fetched of it. Without any, only the
            controls run.
        pool: Whose books.
        at_sequence: After which event; None: after the last there is.
        approved: Keys of proposals that people agreed to.
        end_offsets: Where topics end, for the control `kafka`; None leaves it out.
        tell: For progress.

    Raises:
        ConfigurationError: A source that the rules do not have, or that is another pool's; a format
            that does not fit; no such pool or event; a file that was changed while it was read.
        ImportFailed: A file does not read as its format says.
        StoreUnavailable: The database cannot be reached.
    """
    lines: dict[str, Iterable[tuple[str, Line]]] = {}
    inputs: list[_File] = []
    for name in sorted(files):
        source = _source(rules, name, pool)
        several = len(files[name]) > 1
        of_source = [
            _File(source, file.path, several, file)
            if isinstance(file, Fetched)
            else _File(source, file, several)
            for file in files[name]
        ]
        inputs += of_source
        lines[name] = _chained(of_source)
    found = reconcile_lines(
        url,
        rules,
        lines,
        pool,
        at_sequence,
        approved=approved,
        end_offsets=end_offsets,
        tell=tell,
    )
    return replace(found, inputs=tuple(file.as_input() for file in inputs))


def reconcile_lines(
    url: str,
    rules: Rules,
    lines: Mapping[str, Iterable[tuple[str, Line]]],
    pool: str,
    at_sequence: int | None = None,
    *,
    approved: Collection[str] = (),
    end_offsets: EndOffsets | None = None,
    tell: Tell = lambda _what, _count: None,
) -> Result:
    """As `reconcile`, of lines that were read already, of a topic for one.

    Args:
        lines: By source, what `ledger.recon.lines` has for its kind, each with where it stands: for
            trades and holdings `line 7`; for statements what follows the number of each line.
    """
    with localcontext(EXACT), our_books(url, pool, at_sequence) as books:
        looked_at = [LookedAt(_source(rules, name, pool)) for name in sorted(lines)]
        compared = [
            _compare(books, each.source, each.seen(lines[each.source.name]), approved, tell)
            for each in looked_at
        ]
        tell("controls", 0)
        controls, broken = controls_of(books, rules.controls, rules.severity, end_offsets)
        breaks = [each for found in compared for each in found.breaks]
        proposals = [each for found in compared for each in found.proposals]
        return Result(
            pool=pool,
            sequence=books.sequence,
            rules=rules.digest,
            inputs=(),
            compared=tuple(found.compared() for found in compared),
            breaks=distinct([*breaks, *broken]),
            proposals=order_of_proposals(proposals),
            controls=controls,
            agreed=tuple(sorted(approved)),
            applied=tuple(sorted(key for found in compared for key in found.applied)),
            scopes=tuple(scope for each in looked_at for scope in each.scopes()),
            asked={found.source.name: found.asked for found in compared},
        )


def _compare(
    books: OurBooks,
    source: SourceRules,
    lines: Iterable[tuple[str, Line]],
    approved: Collection[str],
    tell: Tell,
) -> Comparison:
    match source.kind:
        case "trades":
            trades = cast("Iterable[tuple[str, Trade]]", lines)
            return compare_trades(books, source, trades, approved, tell)
        case "holdings":
            holdings = cast("Iterable[tuple[str, Holding]]", lines)
            return compare_holdings(books, source, holdings, tell)
        case "statements":
            statements = cast("Iterable[tuple[str, Statement]]", lines)
            return compare_statements(books, source, statements, approved, tell)


def _source(rules: Rules, name: str, pool: str) -> SourceRules:
    source = rules.sources.get(name)
    if source is None:
        raise ConfigurationError(
            f"the rules have no source {name}; they have {', '.join(sorted(rules.sources))}"
        )
    if source.pool != pool:
        raise ConfigurationError(f"the source {name} is of the pool {source.pool}, not {pool}")
    return source


@dataclass
class _File:
    """A file of a source, while it is read."""

    source: SourceRules
    path: Path
    several: bool
    fetched: Fetched | None = None
    lines: int = 0
    first: datetime | None = None
    last: datetime | None = None
    digest: str = ""

    def __post_init__(self) -> None:
        chosen = FORMATS.get(self.source.format)
        if chosen is not None and chosen.kind != self.source.kind:
            raise ConfigurationError(
                f"the source {self.source.name} has {self.source.kind}, and the format"
                f" {self.source.format} has {chosen.kind}"
            )

    def marked(self) -> Iterator[tuple[str, Line]]:
        """Its lines, each with where it stands."""
        mark = f" of {self.path.name}" if self.several else ""
        self.digest = self._hashed() if self.fetched is None else self.fetched.digest
        for line in read(self.source.format, self.path, self.source.mapping):
            if isinstance(line, Statement):
                self.lines += len(line.movements)
                self._see(line.begins)
                self._see(line.ends)
                for movement in line.movements:
                    self._see(movement.at)
                yield mark, line
            else:
                self.lines += 1
                self._see(line.at)
                place = mark if self.fetched is None else self.fetched.place(line.line)
                yield f"line {line.line}{place}", line

    def as_input(self) -> Input:
        """What it was, once all its lines were taken.

        Raises:
            ConfigurationError: It is another one by now, so that nobody knows which was read.
        """
        name = str(self.path) if self.fetched is None else self.fetched.name
        if self.fetched is None and self._hashed() != self.digest:
            raise ConfigurationError(
                f"{name} was changed while it was read: run again once it is whole"
            )
        return Input(self.source.name, name, self.digest, self.lines, self.first, self.last)

    def _hashed(self) -> str:
        """SHA-256 of its bytes, hex; empty where they cannot be read."""
        digest = hashlib.sha256()
        try:
            with self.path.open("rb") as file:
                while part := file.read(READ_BYTES):
                    digest.update(part)
        except OSError:
            return ""
        return digest.hexdigest()

    def _see(self, at: datetime | None) -> None:
        if at is not None:
            self.first = at if self.first is None or at < self.first else self.first
            self.last = at if self.last is None or at > self.last else self.last


def _chained(files: Iterable[_File]) -> Iterator[tuple[str, Line]]:
    for file in files:
        yield from file.marked()
