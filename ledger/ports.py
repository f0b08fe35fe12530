"""What the writer needs from the world: messages in, a log to append to.

Two logs keep this contract, `ledger.store.log.postgres` and `ledger.store.log.memory`; one suite of
tests holds both to it (`tests/contract`).

Rules of the contract:

* A *shard* is a pool, or `@unrouted/N` for what has no pool on partition N. Its events are numbered
  from 1 without gaps. One writer owns it at a time: `acquire` raises its epoch, and an `append`
  under an older epoch raises `FenceLost` and writes nothing.
* `append` is one transaction: all shards of the batch, their source offsets, or nothing.
* After any exception from `append` the caller throws its state away and acquires again.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from ledger.core.outcome import Commodity, OpenedAccount, Posting, Record
from ledger.core.state import State


class Source(NamedTuple):
    """A topic of a cluster, by identity: a recreated topic has another `topic_id`.

    For input without Kafka: cluster `file`, topic_id and topic the name of the file.
    """

    cluster: str
    topic_id: str
    topic: str


class Message(NamedTuple):
    """One message as it was delivered."""

    source: Source
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes


class Shard(NamedTuple):
    """A shard as the log knows it.

    Attributes:
        shard: Its number, from 1.
        name: The pool, or `@unrouted/N`.
        partition: The partition number that its first Kafka message came from; None before that.
        epoch: Of the writer that owns it; 0 before the first.
        next_sequence: Of the next event.
        next_account: Number of the next account to be opened.
        pool_time: Largest `occurred_at` applied, microseconds; None before the first.
        duplicates: Messages counted and skipped so far.
        chain: Hash of all its events so far (`ledger.codec.canonical`).
        frontier: Of the Merkle tree over them (`ledger.codec.merkle`), packed.
    """

    shard: int
    name: str
    partition: int | None
    epoch: int
    next_sequence: int
    next_account: int
    pool_time: int | None
    duplicates: int
    chain: bytes
    frontier: bytes


class Offset(NamedTuple):
    """The next offset that a shard expects of one partition of one source."""

    shard: int
    source: Source
    partition: int
    next_offset: int


class Identity(NamedTuple):
    """What took an event id: SHA-256 of its content, and where it stands."""

    content_hash: bytes
    sequence: int


class StoredEvent(NamedTuple):
    """An event of the log: the message as it came, and what became of it.

    Attributes:
        sequence: Its number in the shard.
        kind, event_id, occurred_at: As decoded; None where the message did not get that far.
        pool_time: Of the shard after this event; None before the first accepted one.
        rules: Version of the rules that decided it.
        source, partition, offset, timestamp_ms: Where it was delivered from.
        key: The Kafka key.
        raw: The bytes exactly as they came (of one too large: its beginning).
        content_hash: SHA-256 of the decoded content with defaults filled in; of one that could not
            be decoded, of all its bytes.
        redrive_of: `(shard name, sequence)` of the refused event that this one re-submits.
        rejection, detail: Code and words of a refused event; None when it was accepted.
        leaf, chain: Hash of this event and its outcome, and of all up to it.
    """

    sequence: int
    kind: str | None
    event_id: str | None
    occurred_at: int | None
    pool_time: int | None
    rules: int
    source: Source
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    raw: bytes
    content_hash: bytes
    redrive_of: tuple[str, int] | None
    rejection: str | None
    detail: str | None
    leaf: bytes
    chain: bytes


class ShardBatch(NamedTuple):
    """What one transaction adds to one shard.

    Attributes:
        shard, epoch, expected_sequence: The fence: `append` refuses unless both still hold.
        next_sequence, next_account, pool_time, duplicates, chain, frontier: The head afterwards.
        partition: Set once, by the first Kafka message; None leaves it.
        events: In order; sequences without gaps from `expected_sequence`.
        opened, commodities: Registry rows that the postings refer to for the first time.
        postings: `(sequence, entry)` of each event that has one; line N is the entry's Nth posting.
        records: `(sequence, line, record)`, line from 1 in each event.
        offsets: The next offset of each (source, partition) that moved.
    """

    shard: int
    epoch: int
    expected_sequence: int
    next_sequence: int
    next_account: int
    pool_time: int | None
    duplicates: int
    chain: bytes
    frontier: bytes
    partition: int | None
    events: Sequence[StoredEvent]
    opened: Sequence[OpenedAccount]
    commodities: Sequence[Commodity]
    postings: Sequence[tuple[int, Sequence[Posting]]]
    records: Sequence[tuple[int, int, Record]]
    offsets: Sequence[tuple[Source, int, int]]

    def lines(self) -> Iterator[tuple[int, int, Posting]]:
        """The postings as a log gives them: `(sequence, line, posting)`."""
        for sequence, entry in self.postings:
            for line, posting in enumerate(entry, start=1):
                yield sequence, line, posting


class Snapshot(NamedTuple):
    """A kept state: `body` is canonical bytes of the state after event `sequence`."""

    sequence: int
    rules: int
    body: bytes


class SignedCheckpoint(NamedTuple):
    """What a shard's books were after event `sequence` (`ledger.codec.checkpoints`), signed."""

    sequence: int
    body: bytes
    key: bytes
    signature: bytes


class SigningKey(NamedTuple):
    """A key that signs checkpoints: vouched for by the signature of an older one, or by nobody."""

    key: bytes
    endorsed_by: bytes | None
    signature: bytes | None


class Log(Protocol):
    """Where the books are kept."""

    def shards(self) -> Sequence[Shard]:
        """All shards, by number."""

    def declare(self, name: str, partition: int | None) -> Shard:
        """The shard of this name, made with its first partitions where it is missing."""

    def acquire(self, shard: int, *, take_over: bool = True) -> Shard:
        """Own the shard: its epoch is raised, and older writers are fenced off.

        Raises:
            ShardBusy: `take_over` is False, and a live writer holds it.
        """

    def release(self, shard: int) -> None:
        """Let another writer have the shard without taking over."""

    def offsets(self) -> Sequence[Offset]:
        """All stored source offsets."""

    def identities(self, shard: int, event_ids: Sequence[str]) -> Mapping[str, Identity]:
        """Those of the ids that accepted events have taken. One round trip."""

    def quarantined(self, shard: int) -> AbstractSet[bytes]:
        """Content hashes of quarantined messages that were not driven again."""

    def append(self, batch: Sequence[ShardBatch]) -> None:
        """Write the batch in one transaction.

        It may still be on its way when this returns; what is asked then finds it written. It is
        safe once the next `append`, or `settle`, has returned.

        Raises:
            FenceLost: Epoch or sequence is not the expected one; nothing was written.
            StoreError: Nothing was written, or the answer to the commit was lost.
        """

    def settle(self) -> None:
        """Wait until all that was appended is committed.

        Raises:
            FenceLost, StoreError: As `append`.
        """

    def event(self, shard: int, sequence: int) -> StoredEvent | None:
        """One event, or None."""

    def events(self, shard: int, first: int, last: int | None = None) -> Iterator[StoredEvent]:
        """Events by sequence, `first` to `last` inclusive, streamed."""

    def postings(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Posting]]:
        """`(sequence, line, posting)` in order, streamed."""

    def records(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Record]]:
        """`(sequence, line, record)` in order, streamed."""

    def accounts(self, shard: int) -> Sequence[OpenedAccount]:
        """The registry of accounts, by number."""

    def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a state; the same sequence again changes nothing. Older ones may be dropped."""

    def latest_snapshot(self, shard: int) -> Snapshot | None:
        """The newest kept state, or None."""

    def latest_checkpoint(self, shard: int) -> SignedCheckpoint | None:
        """The newest checkpoint, or None."""

    def save_checkpoint(self, shard: int, checkpoint: SignedCheckpoint, after: int) -> bool:
        """Keep a checkpoint for good.

        Args:
            shard: Whose.
            checkpoint: Of an event that is in the log.
            after: Sequence of the checkpoint that it follows; 0 for the first.

        Returns:
            False when another one came first, and nothing was written.
        """

    def signing_keys(self) -> Sequence[SigningKey]:
        """The keys that these books know, in the order that they came to know them."""

    def add_signing_key(self, key: SigningKey, *, lost: bool = False) -> bool:
        """Make a key known for good.

        Args:
            key: With its endorsement; only the first needs none.
            lost: The keys before are lost, so that none can vouch for this one.

        Returns:
            False when it is known, or nobody vouches for it, and nothing was written.
        """

    def close(self) -> None:
        """Give the shards and the connection back."""


class Seal(Protocol):
    """Who makes checkpoints."""

    def prepare(self, log: Log) -> None:
        """See that what will be signed will be believed.

        Raises:
            ConfigurationError: These books do not know the key.
        """

    def seal(self, log: Log, shard: Shard, state: State | None, kept: bytes) -> None:
        """Make a checkpoint of a shard at its head; nothing where there is one.

        Args:
            log: Where the shard is.
            shard: Its head, as committed.
            state: There; None for a shard without one.
            kept: The state's canonical bytes.
        """
