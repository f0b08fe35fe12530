"""A log whose batches are written while the next one is being decided.

How it works. `append` hands the batch to a thread of its own and returns; the next `append`, and
every other call, first waits for it. Two questions are asked in the middle of a batch, and do not
wait: they go to a second connection, and what is being written answers for itself. So whoever uses
it reads his own writes, and finds every batch committed or failed before he writes another.

Rules of this file:

* At most one batch is on its way. It is safe once another `append`, or `settle`, has returned.
* A failure is raised by the call that waits for it; the log is finished then, as after any failure
  of `append`, and so is the state of whoever went on deciding meanwhile.
* The writing connection belongs to the thread while a batch is on its way, to the caller else.
* The rows of a batch are made by the caller, before he waits for the batch in front of it, so that
  the thread only sends: it needs Python's lock for little, and the database never waits for rows.

What it brings: a database works while the core does, and the core while the database does. The
thread gets Python's lock in time only if the interpreter switches often enough: `SWITCH_S` instead
of 5 ms.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Protocol

from ledger.core.outcome import OpenedAccount, Posting, Record
from ledger.errors import LedgerError
from ledger.ports import (
    Identity,
    Log,
    Offset,
    Shard,
    ShardBatch,
    SignedCheckpoint,
    SigningKey,
    Snapshot,
    StoredEvent,
)

SWITCH_S = 0.0002
"""For `sys.setswitchinterval`, in a process that overlaps."""


class Ending(Protocol):
    """How a batch ends: `concurrent.futures.Future` is one."""

    def result(self) -> None:
        """Wait for it; raises what it failed with."""


class Thread(Protocol):
    """Where batches are written: `concurrent.futures.ThreadPoolExecutor` is one."""

    def submit(self, act: Callable[[], None], /) -> Ending:
        """Write a batch, now or later, but before its result is out."""

    def shutdown(self) -> None:
        """Nothing is submitted any more."""


class Preparing(Log, Protocol):
    """A log that makes a batch ready before the one in front of it is written."""

    def prepared(self, batch: Sequence[ShardBatch]) -> Callable[[], None]:
        """The append of a batch, to be called once, and by another thread.

        Made while another append is on its way, and called after that has ended.
        """


class OverlappingLog:
    """Two connections to the same books: one that writes, one that answers meanwhile."""

    def __init__(self, writing: Preparing, reading: Log, thread: Thread | None = None) -> None:
        """Use both; they are closed with this one.

        Args:
            writing: For batches, and for all but two questions.
            reading: For those two.
            thread: Of this log alone; None: one is made.
        """
        self._writing = writing
        self._reading = reading
        self._thread: Thread = thread or ThreadPoolExecutor(1, "append")
        self._on_its_way: Sequence[ShardBatch] = ()
        self._end: Ending | None = None

    def append(self, batch: Sequence[ShardBatch]) -> None:
        """Begin to write the batch, once the one before is committed."""
        append = self._writing.prepared(batch)
        self.settle()
        self._on_its_way = batch
        self._end = self._thread.submit(append)

    def settle(self) -> None:
        """Wait until all that was appended is committed."""
        if self._end is not None:
            end, self._end = self._end, None
            try:
                end.result()
            finally:
                self._on_its_way = ()

    def identities(self, shard: int, event_ids: Sequence[str]) -> Mapping[str, Identity]:
        """Those of the ids that are taken, by what is on its way too."""
        found = dict(self._reading.identities(shard, event_ids))
        for part in self._on_its_way:
            if part.shard == shard:
                wanted = set(event_ids)
                for event in part.events:
                    if event.rejection is None and event.event_id in wanted:
                        found[event.event_id] = Identity(event.content_hash, event.sequence)
        return found

    def event(self, shard: int, sequence: int) -> StoredEvent | None:
        """One event, or None."""
        for part in self._on_its_way:
            if part.shard == shard and sequence >= part.expected_sequence:
                at = sequence - part.expected_sequence
                return part.events[at] if at < len(part.events) else None
        return self._reading.event(shard, sequence)

    def shards(self) -> Sequence[Shard]:
        """All shards."""
        return self._settled().shards()

    def declare(self, name: str, partition: int | None) -> Shard:
        """The shard of this name."""
        return self._settled().declare(name, partition)

    def acquire(self, shard: int, *, take_over: bool = True) -> Shard:
        """Own the shard."""
        return self._settled().acquire(shard, take_over=take_over)

    def release(self, shard: int) -> None:
        """Let another writer have it."""
        self._settled().release(shard)

    def offsets(self) -> Sequence[Offset]:
        """All stored source offsets."""
        return self._settled().offsets()

    def quarantined(self, shard: int) -> AbstractSet[bytes]:
        """Content hashes of what is quarantined."""
        return self._settled().quarantined(shard)

    def events(self, shard: int, first: int, last: int | None = None) -> Iterator[StoredEvent]:
        """Events by sequence."""
        return self._settled().events(shard, first, last)

    def postings(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Posting]]:
        """Postings in order."""
        return self._settled().postings(shard, first, last)

    def records(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Record]]:
        """Records in order."""
        return self._settled().records(shard, first, last)

    def accounts(self, shard: int) -> Sequence[OpenedAccount]:
        """The registry of accounts."""
        return self._settled().accounts(shard)

    def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a state."""
        self._settled().save_snapshot(shard, snapshot)

    def latest_snapshot(self, shard: int) -> Snapshot | None:
        """The newest kept state."""
        return self._settled().latest_snapshot(shard)

    def latest_checkpoint(self, shard: int) -> SignedCheckpoint | None:
        """The newest checkpoint."""
        return self._settled().latest_checkpoint(shard)

    def save_checkpoint(self, shard: int, checkpoint: SignedCheckpoint, after: int) -> bool:
        """Keep a checkpoint."""
        return self._settled().save_checkpoint(shard, checkpoint, after)

    def signing_keys(self) -> Sequence[SigningKey]:
        """The keys that these books know."""
        return self._settled().signing_keys()

    def add_signing_key(self, key: SigningKey, *, lost: bool = False) -> bool:
        """Make a key known."""
        return self._settled().add_signing_key(key, lost=lost)

    def close(self) -> None:
        """Wait for what is on its way, however it ends; give everything back."""
        with ExitStack() as stack:  # each of them, whatever the others raise
            stack.callback(self._writing.close)
            stack.callback(self._reading.close)
            stack.callback(self._thread.shutdown)
            with suppress(LedgerError):
                self.settle()

    def _settled(self) -> Log:
        self.settle()
        return self._writing
