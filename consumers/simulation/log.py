"""The log in memory behind a connection that breaks, a disk that fills, and a witness who looks on.

The books are `ledger.store.log.memory.MemoryLog`, which keeps the contract of PostgreSQL's log.
Faults leave as those of `ledger.store.faults`: what may work later is `StoreUnavailable`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Protocol, TypeVar

from consumers.simulation.storm import Seam
from ledger.core.outcome import OpenedAccount, Posting, Record
from ledger.errors import FenceLost, LedgerError, StoreUnavailable
from ledger.ports import (
    Identity,
    Offset,
    Shard,
    ShardBatch,
    SignedCheckpoint,
    SigningKey,
    Snapshot,
    StoredEvent,
)
from ledger.store.log.memory import MemoryLog

_ROWS_A_TURN = 20
_WRITTEN_AT_ONCE = 0.5

T = TypeVar("T")


class Witness(Protocol):
    """Who sees what the database does; `consumers.simulation.model.Model` is one."""

    def acquired(self, writer: str, shard: int) -> None: ...

    def appended(self, writer: str, batch: Sequence[ShardBatch]) -> None: ...

    def fenced_off(self, writer: str, batch: Sequence[ShardBatch]) -> None: ...


class SimulatedLog:
    """One connection of one writer."""

    def __init__(self, books: MemoryLog, seam: Seam, writer: str, witness: Witness) -> None:
        """Connect."""
        self._books = books.reopen()
        self._seam = seam
        self._writer = writer
        self._witness = witness
        self._open = True

    def shards(self) -> Sequence[Shard]:
        """All shards."""
        return self._call("shards", self._books.shards)

    def declare(self, name: str, partition: int | None) -> Shard:
        """The shard of this name."""
        return self._call(f"declare {name}", lambda: self._books.declare(name, partition))

    def acquire(self, shard: int, *, take_over: bool = True) -> Shard:
        """Own the shard."""

        def act() -> Shard:
            owned = self._books.acquire(shard, take_over=take_over)
            self._witness.acquired(self._writer, shard)
            return owned

        return self._call(f"acquire {shard}", act)

    def release(self, shard: int) -> None:
        """Let another writer have it."""
        self._call(f"release {shard}", lambda: self._books.release(shard))

    def offsets(self) -> Sequence[Offset]:
        """All stored source offsets."""
        return self._call("offsets", self._books.offsets)

    def identities(self, shard: int, event_ids: Sequence[str]) -> Mapping[str, Identity]:
        """Those of the ids that are taken."""
        return self._call(f"identities {shard}", lambda: self._books.identities(shard, event_ids))

    def quarantined(self, shard: int) -> AbstractSet[bytes]:
        """Content hashes of quarantined messages."""
        return self._call(f"quarantined {shard}", lambda: self._books.quarantined(shard))

    def append(self, batch: Sequence[ShardBatch]) -> None:
        """Write the batch in one transaction, unless something comes between."""

        def act() -> None:
            if self._seam.storm.strikes("serialization"):
                raise StoreUnavailable("could not serialize access due to concurrent update")
            self._require_disk()
            try:
                self._books.append(batch)
            except FenceLost:
                self._witness.fenced_off(self._writer, batch)
                raise
            self._witness.appended(self._writer, batch)

        self._call("append", act, answer="lost-answer")

    def prepared(self, batch: Sequence[ShardBatch]) -> Callable[[], None]:
        """The append of a batch; there is nothing to make ready."""
        return partial(self.append, batch)

    def settle(self) -> None:
        """Nothing: a batch that was appended is written."""

    def event(self, shard: int, sequence: int) -> StoredEvent | None:
        """One event, or None."""
        return self._call(f"event {shard}", lambda: self._books.event(shard, sequence))

    def events(self, shard: int, first: int, last: int | None = None) -> Iterator[StoredEvent]:
        """Events by sequence; the connection may break between any two pages."""
        rows = self._call(f"events {shard}", lambda: list(self._books.events(shard, first, last)))
        for place in range(0, len(rows), _ROWS_A_TURN):
            if place:
                self._call(f"events {shard} more", lambda: None)
            yield from rows[place : place + _ROWS_A_TURN]

    def postings(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Posting]]:
        """Postings in order."""
        return self._call("postings", lambda: self._books.postings(shard, first, last))

    def records(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Record]]:
        """Records in order."""
        return self._call("records", lambda: self._books.records(shard, first, last))

    def accounts(self, shard: int) -> Sequence[OpenedAccount]:
        """The registry of accounts."""
        return self._call("accounts", lambda: self._books.accounts(shard))

    def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a state, where there is room for it."""

        def act() -> None:
            self._require_disk()
            self._books.save_snapshot(shard, snapshot)

        self._call(f"snapshot {shard}", act)

    def latest_snapshot(self, shard: int) -> Snapshot | None:
        """The newest kept state."""
        return self._call("latest snapshot", lambda: self._books.latest_snapshot(shard))

    def latest_checkpoint(self, shard: int) -> SignedCheckpoint | None:
        """The newest checkpoint."""
        return self._call("latest checkpoint", lambda: self._books.latest_checkpoint(shard))

    def save_checkpoint(self, shard: int, checkpoint: SignedCheckpoint, after: int) -> bool:
        """Keep a checkpoint."""

        def act() -> bool:
            self._require_disk()
            return self._books.save_checkpoint(shard, checkpoint, after)

        return self._call(f"checkpoint {shard}", act)

    def signing_keys(self) -> Sequence[SigningKey]:
        """The keys that these books know."""
        return self._call("keys", self._books.signing_keys)

    def add_signing_key(self, key: SigningKey, *, lost: bool = False) -> bool:
        """Make a key known."""
        return self._call("add key", lambda: self._books.add_signing_key(key, lost=lost))

    def close(self) -> None:
        """Give the connection back."""
        self._seam.turn("log.close")
        self.break_off()

    def break_off(self) -> None:
        """The server finds the connection gone, and gives the shards back."""
        self._open = False
        self._books.close()

    def _call(self, call: str, act: Callable[[], T], answer: str = "disconnect") -> T:
        """A request to the database and its answer; either may get lost."""
        self._seam.turn(f"log.{call}")
        if self._seam.storm.strikes("disconnect"):
            self._lose(call)
        if not self._open:
            raise StoreUnavailable("the connection is closed")
        found = act()
        self._seam.turn(f"log.{call} answer")
        if self._seam.storm.strikes(answer):
            self._lose(call)
        return found

    def _lose(self, call: str) -> None:
        self._seam.world.trace(f"{self._writer} loses the connection at {call}")
        self.break_off()
        raise StoreUnavailable(f"{call}: server closed the connection unexpectedly")

    def _require_disk(self) -> None:
        storm = self._seam.storm
        if self._seam.world.now_us < storm.disk_full_until_us and not storm.calm:
            raise StoreUnavailable("could not extend file: No space left on device")


class LaterOrNow:
    """The thread of a log that overlaps: it writes at once, or only when somebody waits for it.

    Between the two lies all that a thread of its own could do.
    """

    def __init__(self, seam: Seam) -> None:
        """Choose by the seed."""
        self._seam = seam

    def submit(self, act: Callable[[], None], /) -> "_Ending":
        """Write a batch, now or later."""
        ending = _Ending(act)
        if self._seam.world.chance.random() < _WRITTEN_AT_ONCE:
            ending.come()
        return ending

    def shutdown(self) -> None:
        """Nothing is kept."""


class _Ending:
    """How a batch ends."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._came = False
        self._fault: LedgerError | None = None

    def come(self) -> None:
        """Write; whoever is killed meanwhile dies at once."""
        self._came = True
        try:
            self._act()
        except LedgerError as fault:
            self._fault = fault

    def result(self) -> None:
        """The end, whichever it is."""
        if not self._came:
            self.come()
        if self._fault is not None:
            raise self._fault
