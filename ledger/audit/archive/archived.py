"""An archive read back: the same rows, in the same shapes, as the store's reading functions give.

`ledger.audit.replay.replay` replays it, `ledger.audit.archive.check` verifies it. Nothing here
trusts or checks anything but the layout of the files.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from ledger.audit.archive import files as archive_files
from ledger.audit.archive.files import ArchiveDamaged, File
from ledger.audit.archive.manifest import Archived, Manifest, load, offsets_of
from ledger.codec.canonical import EncodedRecord
from ledger.codec.lines import Lines
from ledger.core.outcome import Commodity, OpenedAccount, Posting
from ledger.errors import ConfigurationError
from ledger.ports import Shard, SignedCheckpoint, SigningKey, Source, StoredEvent
from ledger.store.audit.archive import Heads
from ledger.store.audit.books import Entry
from ledger.store.audit.copied import Stray


class Archive:
    """The books in Parquet files.

    Attributes:
        directory: Where they are.
        manifest: What they are.
        strays: Postings and records of no event, found by `entries`.
    """

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        """Use a manifest that `open` read."""
        self.directory = directory
        self.manifest = manifest
        self.strays: list[Stray] = []
        self._sources: dict[int, Source] | None = None
        self._by_number = {one.shard: one for one in manifest.pools.values()}

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read the manifest.

        Raises:
            ConfigurationError: There is none, or pyarrow is not installed.
            ArchiveDamaged: It does not read as one.
        """
        archive_files.require()
        return cls(directory, load(directory))

    def require_beginning(self, pool: str | None) -> None:
        """Refuse where the first event of a shard is not here.

        Raises:
            ConfigurationError: Naming the shard.
        """
        for one in self.manifest.pools.values():
            if pool in (None, one.name) and one.first != 1:
                raise ConfigurationError(
                    f"{self.directory} holds {one.name} from event {one.first} on; a replay begins"
                    " at event 1"
                )

    def heads(self) -> Heads:
        """All shards by number, where the archive ends, with their offsets."""
        shards = [_head(one) for _, one in sorted(self._by_number.items())]
        offsets = [offset for one in self._by_number.values() for offset in offsets_of(one)]
        return Heads(shards, offsets)

    def events(self, shard: int, first: int, last: int) -> Iterator[StoredEvent]:
        """Events by sequence, streamed."""
        sources = self.sources()
        for row in self._table("event", shard, first, last):
            yield _event(row, sources)

    def postings(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Posting]]:
        """`(sequence, line, posting)` in order, streamed."""
        for row in self._table("posting", shard, first, last):
            yield row[2], row[4], Posting(
                row[1], row[3], row[5], row[6], int(row[7]), int(row[8])
            )  # fmt: skip

    def records(
        self, shard: int, first: int, last: int
    ) -> Iterator[tuple[int, int, EncodedRecord]]:
        """`(sequence, line, record)` in order, streamed, their bodies as they were stored."""
        for row in self._table("record", shard, first, last):
            yield row[2], row[1], (row[3], row[4], row[5])

    def entries(self, shard: int, first: int, last: int) -> Iterator[Entry]:
        """Events with their outcomes, in order. Rows of no event go to `strays`."""
        postings = _Groups("posting", self.postings(shard, first, last), self.strays)
        records = _Groups("record", self.records(shard, first, last), self.strays)
        for event in self.events(shard, first, last):
            at = event.sequence
            posted = [(line, posting) for _, line, posting in postings.of(at)]
            try:
                lines = Lines.of(posted)
            except (struct.error, OverflowError) as fault:
                raise ArchiveDamaged(
                    f"{self.directory}: postings of event {at}: {fault}"
                ) from fault
            yield Entry(event, lines, [(line, *record) for _, line, record in records.of(at)])
        postings.end()
        records.end()

    def accounts(self, shard: int) -> Sequence[OpenedAccount]:
        """The registry of accounts, by number."""
        return [OpenedAccount(*row[1:]) for row in self._registry("account", shard)]

    def commodities(self, shard: int) -> Sequence[Commodity]:
        """The registry of commodities, by number."""
        return [Commodity(*row[1:]) for row in self._registry("commodity", shard)]

    def states(self, shard: int, first: int, last: int) -> Iterator[tuple[int, bytes]]:  # noqa: ARG002 - as the database has them
        """Kept states: archives hold none, checkpoints stand for them."""
        return iter(())

    def checkpoints(self, shard: int, first: int, last: int) -> Iterator[SignedCheckpoint]:
        """Checkpoints by sequence."""
        for row in self._registry("checkpoint", shard):
            if first <= row[1] <= last:
                yield SignedCheckpoint(*row[1:])

    def keys(self) -> Sequence[SigningKey]:
        """Keys that sign, the oldest first."""
        file = self.manifest.registry("signing_key")
        return [SigningKey(*row) for row in archive_files.read(self.directory, file)]

    def sources(self) -> dict[int, Source]:
        """Sources by their numbers."""
        if self._sources is None:
            file = self.manifest.registry("source")
            rows = archive_files.read(self.directory, file)
            self._sources = {row[0]: Source(*row[1:]) for row in rows}
        return self._sources

    def _table(self, table: str, shard: int, first: int, last: int) -> Iterator[tuple[Any, ...]]:
        for part in self._by_number[shard].parts:
            if part.last >= first and part.first <= last:
                for file in part.files:
                    if file.table == table:
                        yield from self._rows(file, shard, first, last)

    def _registry(self, table: str, shard: int) -> Iterator[tuple[Any, ...]]:
        return self._rows(self._by_number[shard].registry(table), shard)

    def _rows(
        self, file: File, shard: int, first: int | None = None, last: int | None = None
    ) -> Iterator[tuple[Any, ...]]:
        for row in archive_files.read(self.directory, file, first, last):
            if row[0] != shard:
                raise ArchiveDamaged(
                    f"{self.directory / file.path}: a row of shard {row[0]}, expected {shard}"
                )
            yield row


class _Groups:
    """Lines in order of sequence, handed out event by event."""

    def __init__(
        self, table: str, rows: Iterator[tuple[int, int, Any]], strays: list[Stray]
    ) -> None:
        self._table = table
        self._rows = rows
        self._strays = strays
        self._next = next(rows, None)

    def of(self, sequence: int) -> list[tuple[int, int, Any]]:
        found = []
        while self._next is not None and self._next[0] <= sequence:
            if self._next[0] == sequence:
                found.append(self._next)
            else:
                self._strays.append(Stray(self._table, *self._next[:2]))
            self._next = next(self._rows, None)
        return found

    def end(self) -> None:
        if self._next is not None:
            self._strays.append(Stray(self._table, *self._next[:2]))


def _head(one: Archived) -> Shard:
    head = one.head
    return Shard(
        one.shard,
        one.name,
        one.partition,
        0,
        one.last + 1,
        0 if head is None else head.next_account,
        None if head is None else head.pool_time,
        0 if head is None else head.duplicates,
        one.chain,
        b"" if head is None else head.frontier,
    )


def _event(row: tuple[Any, ...], sources: dict[int, Source]) -> StoredEvent:
    """A row of the table of events; a source that is not registered has no name."""
    return StoredEvent(
        sequence=row[2],
        kind=row[11],
        event_id=row[12],
        occurred_at=row[5],
        pool_time=row[6],
        rules=row[10],
        source=sources.get(row[1], Source("", "", "")),
        partition=row[9],
        offset=row[3],
        timestamp_ms=row[4],
        key=row[15],
        raw=row[19],
        content_hash=row[16],
        redrive_of=None if (row[7], row[8]) == (None, None) else (row[8] or "", row[7]),
        rejection=row[13],
        detail=row[14],
        leaf=row[17],
        chain=row[18],
    )
