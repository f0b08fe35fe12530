"""The log in memory: the same contract as PostgreSQL's, for tests and simulations.

Nothing here outlives the process. `MemoryLog` handles made by `reopen` share the books, as several
connections to one database do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from ledger.core.outcome import Commodity, OpenedAccount, Posting, Record
from ledger.core.rejections import Code
from ledger.errors import FenceLost, ShardBusy, StoreError
from ledger.ports import (
    Identity,
    Offset,
    Shard,
    ShardBatch,
    SignedCheckpoint,
    SigningKey,
    Snapshot,
    Source,
    StoredEvent,
)
from ledger.store.log.batches import require_whole


class _Books:
    """What all handles share."""

    def __init__(self) -> None:
        self.shards: dict[int, Shard] = {}
        self.events: dict[int, list[StoredEvent]] = {}
        self.postings: dict[int, list[tuple[int, int, Posting]]] = {}
        self.records: dict[int, list[tuple[int, int, Record]]] = {}
        self.accounts: dict[int, list[OpenedAccount]] = {}
        self.commodities: dict[int, list[Commodity]] = {}
        self.identities: dict[int, dict[str, Identity]] = {}
        self.offsets: dict[tuple[int, Source, int], int] = {}
        self.snapshots: dict[int, list[Snapshot]] = {}
        self.checkpoints: dict[int, list[SignedCheckpoint]] = {}
        self.keys: list[SigningKey] = []
        self.holders: dict[int, object] = {}


class MemoryLog:
    """The books in memory."""

    def __init__(self) -> None:
        """Start with empty books."""
        self._books = _Books()

    def reopen(self) -> "MemoryLog":
        """Another handle on the same books, as a second connection would be."""
        other = MemoryLog()
        other._books = self._books
        return other

    def shards(self) -> Sequence[Shard]:
        """All shards, by number."""
        return list(self._books.shards.values())

    def declare(self, name: str, partition: int | None) -> Shard:
        """The shard of this name, made where it is missing."""
        books = self._books
        for shard in books.shards.values():
            if shard.name == name:
                return shard
        number = len(books.shards) + 1
        books.shards[number] = Shard(number, name, partition, 0, 1, 1, None, 0, bytes(32), b"")
        for table in (books.events, books.postings, books.records, books.accounts):
            table[number] = []
        books.commodities[number] = []
        books.identities[number] = {}
        books.snapshots[number] = []
        books.checkpoints[number] = []
        return books.shards[number]

    def acquire(self, shard: int, *, take_over: bool = True) -> Shard:
        """Own the shard: raise its epoch."""
        books = self._books
        holder = books.holders.get(shard, self)
        if holder is not self and not take_over:
            raise ShardBusy(f"shard {shard} is held by another handle of these books")
        if shard not in books.shards:
            raise StoreError(f"shard {shard} is not declared")
        books.holders[shard] = self
        known = books.shards[shard]
        books.shards[shard] = known._replace(epoch=known.epoch + 1)
        return books.shards[shard]

    def release(self, shard: int) -> None:
        """Let another handle have the shard without taking over."""
        if self._books.holders.get(shard) is self:
            del self._books.holders[shard]

    def offsets(self) -> Sequence[Offset]:
        """All stored source offsets."""
        return [Offset(*where, offset) for where, offset in self._books.offsets.items()]

    def identities(self, shard: int, event_ids: Sequence[str]) -> Mapping[str, Identity]:
        """Those of the ids that accepted events have taken."""
        taken = self._books.identities[shard]
        return {event_id: taken[event_id] for event_id in event_ids if event_id in taken}

    def quarantined(self, shard: int) -> AbstractSet[bytes]:
        """Content hashes of quarantined messages that were not driven again."""
        driven = {row.redrive_of for rows in self._books.events.values() for row in rows}
        name = self._books.shards[shard].name
        return {
            row.content_hash
            for row in self._books.events[shard]
            if row.rejection == Code.QUARANTINED and (name, row.sequence) not in driven
        }

    def append(self, batch: Sequence[ShardBatch]) -> None:
        """Write the batch, or refuse it whole."""
        for part in batch:
            self._pass_fence(part)
            _check(part, self._books.identities[part.shard])
        for part in batch:
            self._write(part)

    def prepared(self, batch: Sequence[ShardBatch]) -> Callable[[], None]:
        """The append of a batch; there is nothing to make ready."""
        return partial(self.append, batch)

    def settle(self) -> None:
        """Nothing: `append` returns when the batch is written."""

    def event(self, shard: int, sequence: int) -> StoredEvent | None:
        """One event, or None."""
        return next(self.events(shard, sequence, sequence), None)

    def events(self, shard: int, first: int, last: int | None = None) -> Iterator[StoredEvent]:
        """Events by sequence."""
        yield from self._books.events[shard][first - 1 : last]

    def postings(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Posting]]:
        """Postings in order."""
        return (row for row in self._books.postings[shard] if first <= row[0] <= last)

    def records(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Record]]:
        """Records in order."""
        return (row for row in self._books.records[shard] if first <= row[0] <= last)

    def accounts(self, shard: int) -> Sequence[OpenedAccount]:
        """The registry of accounts, by number."""
        return list(self._books.accounts[shard])

    def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a state, and drop all but the newest three."""
        kept = self._books.snapshots[shard]
        if snapshot.sequence not in (known.sequence for known in kept):
            kept.append(snapshot)
            kept.sort(key=lambda known: known.sequence)
            del kept[:-3]

    def latest_snapshot(self, shard: int) -> Snapshot | None:
        """The newest kept state, or None."""
        kept = self._books.snapshots[shard]
        return kept[-1] if kept else None

    def latest_checkpoint(self, shard: int) -> SignedCheckpoint | None:
        """The newest checkpoint, or None."""
        made = self._books.checkpoints[shard]
        return made[-1] if made else None

    def save_checkpoint(self, shard: int, checkpoint: SignedCheckpoint, after: int) -> bool:
        """Keep a checkpoint, if none came first."""
        latest = self.latest_checkpoint(shard)
        if (0 if latest is None else latest.sequence) != after or checkpoint.sequence <= after:
            return False
        self._books.checkpoints[shard].append(checkpoint)
        return True

    def signing_keys(self) -> Sequence[SigningKey]:
        """The keys that these books know, the oldest first."""
        return list(self._books.keys)

    def add_signing_key(self, key: SigningKey, *, lost: bool = False) -> bool:
        """Make a key known."""
        known = self._books.keys
        unvouched = key.endorsed_by is None and bool(known) and not lost
        if unvouched or key.key in (one.key for one in known):
            return False
        known.append(key)
        return True

    def close(self) -> None:
        """Give the shards back."""
        holders = self._books.holders
        for shard in [shard for shard, holder in holders.items() if holder is self]:
            del holders[shard]

    def _pass_fence(self, part: ShardBatch) -> None:
        known = self._books.shards[part.shard]
        if (known.epoch, known.next_sequence) != (part.epoch, part.expected_sequence):
            raise FenceLost(
                f"{known.name}: expected epoch {part.epoch} and next sequence "
                f"{part.expected_sequence}, found {known.epoch} and {known.next_sequence}"
            )

    def _write(self, part: ShardBatch) -> None:
        books, shard = self._books, part.shard
        known = books.shards[shard]
        books.shards[shard] = known._replace(
            partition=part.partition if known.partition is None else known.partition,
            next_sequence=part.next_sequence,
            next_account=part.next_account,
            pool_time=part.pool_time,
            duplicates=part.duplicates,
            chain=part.chain,
            frontier=part.frontier,
        )
        books.events[shard] += part.events
        books.postings[shard] += part.lines()
        books.records[shard] += part.records
        books.accounts[shard] += part.opened
        books.commodities[shard] += part.commodities
        for event in part.events:
            if event.rejection is None and event.event_id is not None:
                taken = Identity(event.content_hash, event.sequence)
                books.identities[shard][event.event_id] = taken
        for source, partition, offset in part.offsets:
            where = (shard, source, partition)
            books.offsets[where] = max(offset, books.offsets.get(where, 0))


def _check(part: ShardBatch, taken: Mapping[str, Identity]) -> None:
    """What the database's constraints and triggers refuse."""
    require_whole(part)
    accepted = [event.event_id for event in part.events if event.rejection is None]
    if len(set(accepted)) < len(accepted) or any(name in taken for name in accepted):
        raise StoreError(f"shard {part.shard}: an event_id is taken twice")
    sums: dict[tuple[int, int], int] = {}
    for sequence, _, posting in part.lines():
        where = (sequence, posting[2])
        sums[where] = sums.get(where, 0) + posting[4]
    unbalanced = {where: total for where, total in sums.items() if total}
    if unbalanced:
        raise StoreError(f"shard {part.shard}: unbalanced (sequence, commodity): {unbalanced}")
