"""The log in memory: for tests, simulations and trial runs. It keeps the same contract.

Rules of this file: what PostgreSQL refuses is refused here too, before anything is written.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.core.outcome import Commodity, OpenedAccount, Posting, Record
from ledger.errors import FenceLost, StoreError
from ledger.ports import Identity, Offset, Shard, ShardBatch, Snapshot, Source, StoredEvent
from ledger.store.batches import require_whole
from ledger.store.bodies import decoded, encoded, storable

POOLS_MAX = 200
SNAPSHOTS_KEPT = 3


@dataclass(slots=True)
class _Books:
    """Of one shard; events stand at their sequence minus one."""

    head: Shard
    events: list[StoredEvent] = field(default_factory=list)
    postings: dict[int, list[tuple[int, Posting]]] = field(default_factory=dict)
    records: dict[int, list[tuple[int, Record]]] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    accounts: dict[int, OpenedAccount] = field(default_factory=dict)
    commodities: dict[int, Commodity] = field(default_factory=dict)
    offsets: dict[tuple[Source, int], int] = field(default_factory=dict)
    snapshots: dict[int, Snapshot] = field(default_factory=dict)


class MemoryLog:
    """Keeps the contract of `ledger.ports.Log`. Gone when the process is."""

    def __init__(self) -> None:
        self._books: dict[int, _Books] = {}

    def shards(self) -> Sequence[Shard]:
        """All shards, by number."""
        return [books.head for books in self._books.values()]

    def declare(self, name: str, partition: int | None) -> Shard:
        """The shard of this name, made where it is missing."""
        for books in self._books.values():
            if books.head.name == name:
                return books.head
        pools = [b for b in self._books.values() if not b.head.name.startswith("@")]
        if not name.startswith("@") and len(pools) >= POOLS_MAX:
            raise StoreError(f"pool {name} is one too many: a database holds up to {POOLS_MAX}")
        made = Shard(len(self._books) + 1, name, partition, 0, 1, 1, None, 0)
        self._books[made.shard] = _Books(made)
        return made

    def acquire(self, shard: int, *, take_over: bool = True) -> Shard:
        """Own the shard: its epoch is raised. Memory has one process, so it is never busy."""
        del take_over
        books = self._known(shard)
        books.head = books.head._replace(epoch=books.head.epoch + 1)
        return books.head

    def offsets(self) -> Sequence[Offset]:
        """All stored source offsets."""
        return [
            Offset(shard, source, partition, offset)
            for shard, books in self._books.items()
            for (source, partition), offset in books.offsets.items()
        ]

    def identities(self, shard: int, event_ids: Sequence[str]) -> Mapping[str, Identity]:
        """Those of the ids that accepted events have taken."""
        taken = self._known(shard).identities
        return {event_id: taken[event_id] for event_id in event_ids if event_id in taken}

    def append(self, batch: Sequence[ShardBatch]) -> None:
        """Write the batch, all of it or nothing.

        Raises:
            FenceLost: Epoch or sequence is not the expected one.
            StoreError: A gap, an unbalanced entry, or something that is taken already.
        """
        for part in batch:
            require_whole(part)
            head = self._known(part.shard).head
            if (head.epoch, head.next_sequence) != (part.epoch, part.expected_sequence):
                raise FenceLost(
                    f"shard {part.shard} is at epoch {head.epoch}, sequence {head.next_sequence};"
                    f" expected {part.epoch}, {part.expected_sequence}: another writer took over"
                )
        for part in batch:
            _refuse_unbalanced(part)
            self._refuse_taken(part)
        for part in batch:
            _write(self._books[part.shard], part)

    def event(self, shard: int, sequence: int) -> StoredEvent | None:
        """One event, or None."""
        return next(self.events(shard, sequence, sequence), None)

    def events(self, shard: int, first: int, last: int | None = None) -> Iterator[StoredEvent]:
        """Events by sequence, `first` to `last` inclusive."""
        held = self._known(shard).events
        yield from held[max(first, 1) - 1 : last if last is None else max(last, 0)]

    def postings(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Posting]]:
        """`(sequence, line, posting)` in order."""
        books = self._known(shard)
        for sequence in range(first, min(last, len(books.events)) + 1):
            for line, posting in books.postings.get(sequence, ()):
                yield sequence, line, posting

    def records(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Record]]:
        """`(sequence, line, record)` in order."""
        books = self._known(shard)
        for sequence in range(first, min(last, len(books.events)) + 1):
            for line, record in books.records.get(sequence, ()):
                yield sequence, line, record

    def accounts(self, shard: int) -> Sequence[OpenedAccount]:
        """The registry of accounts, by number."""
        return [held for _, held in sorted(self._known(shard).accounts.items())]

    def commodities(self, shard: int) -> Sequence[Commodity]:
        """The registry of commodities, by number."""
        return [held for _, held in sorted(self._known(shard).commodities.items())]

    def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a state; the same sequence again changes nothing. The newest three are kept."""
        kept = self._known(shard).snapshots
        kept.setdefault(snapshot.sequence, snapshot)
        for sequence in sorted(kept)[:-SNAPSHOTS_KEPT]:
            del kept[sequence]

    def latest_snapshot(self, shard: int) -> Snapshot | None:
        """The newest kept state, or None."""
        kept = self._known(shard).snapshots
        return kept[max(kept)] if kept else None

    def close(self) -> None:
        """Nothing to give back."""

    def _known(self, shard: int) -> _Books:
        books = self._books.get(shard)
        if books is None:
            raise StoreError(f"shard {shard} is not declared: declare it before using it")
        return books

    def _refuse_taken(self, part: ShardBatch) -> None:
        books = self._books[part.shard]
        accepted = [e.event_id for e in part.events if e.rejection is None]
        taken = [i for i in accepted if i in books.identities]
        if taken or len(set(accepted)) < len(accepted):
            raise StoreError(f"shard {part.shard}: event ids are taken already: {taken[:3]}")
        opened = [made.account for made in part.opened if made.account in books.accounts]
        if opened:
            raise StoreError(f"shard {part.shard}: accounts exist already: {opened[:3]}")


def _refuse_unbalanced(part: ShardBatch) -> None:
    sums: defaultdict[tuple[int, int], int] = defaultdict(int)
    for sequence, _, posting in part.postings:
        sums[sequence, posting.commodity] += posting.amount
    for (sequence, commodity), excess in sums.items():
        if excess:
            raise StoreError(
                f"unbalanced entry: shard {part.shard}, sequence {sequence},"
                f" commodity {commodity} sums to {excess}, expected 0"
            )


def _write(books: _Books, part: ShardBatch) -> None:
    head = books.head
    books.head = head._replace(
        partition=part.partition if head.partition is None else head.partition,
        next_sequence=part.next_sequence,
        next_account=part.next_account,
        pool_time=part.pool_time,
        duplicates=part.duplicates,
    )
    books.events.extend(storable(event) for event in part.events)
    for event in part.events:
        if event.rejection is None and event.event_id is not None:
            books.identities[event.event_id] = Identity(event.content_hash, event.sequence)
    for sequence, line, posting in part.postings:
        books.postings.setdefault(sequence, []).append((line, Posting(*posting)))
    for sequence, line, record in part.records:
        kept = record._replace(body=decoded(encoded(record.body)))
        books.records.setdefault(sequence, []).append((line, kept))
    books.accounts.update((made.account, made) for made in part.opened)
    books.commodities.update((made.commodity, made) for made in part.commodities)
    for source, partition, offset in part.offsets:
        held = books.offsets.get((source, partition), offset)
        books.offsets[source, partition] = max(held, offset)
