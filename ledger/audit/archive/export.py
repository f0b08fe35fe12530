"""Export: the books as Parquet files by ranges of events, with a manifest.

How it works. The heads of one moment are the end. Each shard is cut at multiples of `rows_per_file`
events; a part is three files (events, postings, records), finished when the manifest names it. The
registries are small and written whole at the end. A second run goes on behind the last part, so an
archive grows with the books, and an interrupted export costs the part at hand.

Bounded: one row group in memory.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ledger.audit.archive import files as archive_files
from ledger.audit.archive.files import COLUMNS, File
from ledger.audit.archive.manifest import NAME, Archived, Head, Manifest, Part, load, save
from ledger.codec.canonical import GENESIS, chain_hash
from ledger.codec.checkpoints import MalformedCheckpoint, decode_checkpoint
from ledger.errors import ConfigurationError, LedgerError
from ledger.ports import Shard, StoredEvent
from ledger.store.audit.archive import Heads, StoredBooks

ROWS_PER_FILE = 100_000
"""Events of a part."""

TABLES = ("event", "posting", "record")


class EventsMissing(LedgerError):
    """The books do not hold events that they should."""


def export(
    books: StoredBooks,
    directory: Path,
    *,
    pool: str | None = None,
    first: int | None = None,
    last: int | None = None,
    rows_per_file: int = ROWS_PER_FILE,
    on_events: Callable[[str, int, int], object] = lambda *_: None,
) -> Manifest:
    """Write an archive, or go on with one.

    Args:
        books: To export.
        directory: Of the archive; made where it is missing.
        pool: Only this shard; None for all that have events.
        first: Where a new archive begins; None for the oldest event that was not detached.
        last: Where it ends for now; None for the head.
        rows_per_file: Events of a part at most.
        on_events: Told shard, last event written and last event to write, after every part.

    Raises:
        ConfigurationError: No such pool, a range that leaves a gap, an archive of other books.
        EventsMissing: An event of the range is not in the books.
    """
    archive_files.require()
    manifest = load(directory) if (directory / NAME).exists() else Manifest([], {})
    heads = books.heads()
    chosen = [head for head in heads.shards if pool in (None, head.name)]
    if not chosen:
        names = ", ".join(head.name for head in heads.shards) or "none"
        raise ConfigurationError(f"no shard {pool or ''} to export; these books have {names}")
    exporting = _Export(books, directory, manifest, heads, rows_per_file, on_events)
    for head in chosen:
        exporting.shard(head, first, last)
    return exporting.finished()


class _Export:
    """One run."""

    def __init__(
        self,
        books: StoredBooks,
        directory: Path,
        manifest: Manifest,
        heads: Heads,
        rows_per_file: int,
        on_events: Callable[[str, int, int], object],
    ) -> None:
        self._books = books
        self._directory = directory
        self._pools = dict(manifest.pools)
        self._registries = manifest.registries
        self._heads = heads
        self._rows_per_file = rows_per_file
        self._on_events = on_events

    def shard(self, head: Shard, first: int | None, last: int | None) -> None:
        """Write what is missing of a shard."""
        known = self._pools.get(head.name)
        end = head.next_sequence - 1 if last is None else min(last, head.next_sequence - 1)
        start, before = self._start(head, known, first)
        if start > end and known is None:
            return
        while start <= end:
            up_to = min(end, (start - 1) // self._rows_per_file * self._rows_per_file
                        + self._rows_per_file)  # fmt: skip
            part = self._part(head, start, up_to, before)
            if known is None:
                known = Archived(head.name, head.shard, head.partition, 0, None, [], [])
            known = known._replace(parts=[*known.parts, part])
            self._pools[head.name] = known
            self._save()
            self._on_events(head.name, up_to, end)
            start, before = up_to + 1, part.chain
        assert known is not None
        self._register(head, known)

    def finished(self) -> Manifest:
        """Write the registries that belong to no pool, and the manifest for the last time."""
        if self._pools:
            self._registries = [
                self._write("source", "source.parquet", iter(self._books.sources())),
                self._write("signing_key", "signing_key.parquet", iter(self._books.keys())),
            ]
            self._save()
        return Manifest(self._registries, self._pools)

    def _start(self, head: Shard, known: Archived | None, first: int | None) -> tuple[int, bytes]:
        """The next event to write, and the chain before it."""
        if known is not None:
            self._require_same_books(head, known)
            if first is not None and not known.first <= first <= known.last + 1:
                raise ConfigurationError(
                    f"{self._directory} holds events {known.first} to {known.last} of {head.name};"
                    f" from {first} on would leave a gap: use another directory"
                )
            return known.last + 1, known.chain
        oldest = self._books.oldest(head.shard)
        start = oldest or 1 if first is None else max(first, 1)
        if start == 1:
            return 1, GENESIS
        before = self._event(head, start - 1)
        if before is not None:
            return start, before.chain
        for checkpoint in self._books.checkpoints(head.shard, start - 1, start - 1):
            try:
                return start, decode_checkpoint(checkpoint.body).chain
            except MalformedCheckpoint:
                break
        raise ConfigurationError(
            f"event {start - 1} of {head.name} was detached, so the chain before event {start} is"
            " not in the database: export into the archive that holds it"
        )

    def _require_same_books(self, head: Shard, known: Archived) -> None:
        """The archive must be the beginning of these books, as far as they still hold it."""
        last = known.last
        at = self._event(head, last)
        after = self._event(head, last + 1)
        same = last < head.next_sequence
        if at is not None:
            same = same and at.chain == known.chain
        elif after is not None:
            same = same and after.chain == chain_hash(known.chain, after.leaf)
        if not same:
            raise ConfigurationError(
                f"{self._directory} holds other books: its events of {head.name} end at {last} with"
                f" chain {known.chain.hex()}; the database ends at {head.next_sequence - 1} and has"
                f" {'no such event' if at is None else at.chain.hex()}"
            )

    def _event(self, head: Shard, sequence: int) -> StoredEvent | None:
        return next(self._books.events(head.shard, sequence, sequence), None)

    def _part(self, head: Shard, first: int, last: int, before: bytes) -> Part:
        folder = folder_of(head.name)
        files = [
            self._write(
                table,
                f"{folder}/{table}-{first:012}-{last:012}.parquet",
                self._books.table(table, list(COLUMNS[table]), head.shard, first, last),
            )
            for table in TABLES
        ]
        end = self._event(head, last)
        if end is None or files[0].rows != last - first + 1:
            raise EventsMissing(
                f"pool {head.name}: {files[0].rows} events from {first} to {last} in the database,"
                f" expected {last - first + 1}; what was detached is in an older archive"
            )
        return Part(first, last, before, end.chain, files)

    def _register(self, head: Shard, known: Archived) -> None:
        """Write the registries of a shard beside its parts, then forget the older ones."""
        at_head = known.last == head.next_sequence - 1
        offsets = [
            (offset.source, offset.partition, offset.next_offset)
            for offset in self._heads.offsets
            if offset.shard == head.shard
        ]
        number, folder = head.shard, folder_of(head.name)
        registries: dict[str, Iterator[Sequence[Any]]] = {
            "account": (
                (number, *row)
                for row in self._books.accounts(number)
                if row.account < head.next_account
            ),
            "commodity": ((number, *row) for row in self._books.commodities(number)),
            "checkpoint": (
                (number, *row) for row in self._books.checkpoints(number, 1, known.last)
            ),
        }
        files = [
            self._write(table, f"{folder}/{table}-{known.last:012}.parquet", rows)
            for table, rows in registries.items()
        ]
        self._pools[head.name] = known._replace(
            partition=head.partition,
            registered=known.last,
            head=Head(head.next_account, head.pool_time, head.duplicates, head.frontier, offsets)
            if at_head
            else None,
            registries=files,
        )
        self._save()
        for old in {file.path for file in known.registries} - {file.path for file in files}:
            (self._directory / old).unlink(missing_ok=True)

    def _write(self, table: str, path: str, rows: Iterator[Sequence[Any]]) -> File:
        return archive_files.write(self._directory, table, path, rows)

    def _save(self) -> None:
        save(self._directory, Manifest(self._registries, self._pools))


def folder_of(name: str) -> str:
    """The folder of a shard's files, a partition as DuckDB and pandas know it."""
    return f"pool={name.replace('/', '-')}"
