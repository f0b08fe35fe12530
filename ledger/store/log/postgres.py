"""The log on PostgreSQL: `ledger.ports.Log` over one connection.

Rules of this file:

* The connection acts as `clearing_writer`, whoever the URL names, and every statement has a bound.
* Partitions are opened ahead of need, in a transaction of their own.
* Driver faults leave as faults of the ledger (`ledger.store.faults`).

Two things tell writers apart. The *fence* is the safety: each batch names the epoch under which its
writer acquired the shard, and a later `acquire` makes it worthless. The *advisory lock* is a
courtesy: it tells a second writer that a live one holds the shard, and who it is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from functools import partial
from typing import Self

import psycopg

from ledger.core.outcome import OpenedAccount, Posting, Record
from ledger.errors import ShardBusy, StoreError
from ledger.observing import Observer, Unobserved
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
from ledger.store import bodies, checkpoints
from ledger.store.connecting import connected
from ledger.store.faults import translated
from ledger.store.log import copying, reading
from ledger.store.log.batches import require_whole
from ledger.store.log.leaves import Leaves
from ledger.store.log.ownership import LOCK_CLASS, Tenure, raise_epoch
from ledger.store.log.packing import Packed, asks_nothing, packed, sources_of

LEAF_EVENTS = 1_000_000
"""Sequences of one partition."""

LEAF_AHEAD = 200_000
"""The next partition is opened when fewer sequences than this are left."""

SNAPSHOTS_KEPT = 3

ANSWER_S = 75.0
"""Longest wait for an answer of the server: no statement lasts longer than `statement_timeout`."""

_SEQUENCE_MAX = 2**63 - 1
_SESSION = """
    SET ROLE clearing_writer;
    SET search_path = ledger, pg_catalog;
    SET timezone = 'UTC';
    SET statement_timeout = '60s';
    SET lock_timeout = '30s';
    SET idle_in_transaction_session_timeout = '30s'"""
_SHARD = """
    shard, name, partition, epoch, next_sequence, next_account,
    (extract(epoch FROM pool_time) * 1000000)::bigint, duplicates, chain, frontier, leaves_end"""
_HOLDER = """
    SELECT activity.pid, activity.application_name, activity.client_addr
      FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
     WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND granted
       AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class PostgresLog:
    """The books in PostgreSQL."""

    def __init__(
        self,
        connection: psycopg.Connection,
        *,
        leaf_events: int = LEAF_EVENTS,
        observer: Observer | None = None,
        tenure: Tenure | None = None,
    ) -> None:
        """Use a connection that `connect` prepared."""
        self._tenure = tenure or Tenure()
        self._observer: Observer = observer or Unobserved()
        self._connection = connection
        self._leaf_events = leaf_events
        self._leaves_end: dict[int, int] = {}
        self._leaves = Leaves()
        self._without_lock: set[int] = set()
        self._sources: dict[Source, int] = {}

    @classmethod
    def connect(
        cls,
        url: str,
        application: str,
        *,
        leaf_events: int = LEAF_EVENTS,
        observer: Observer | None = None,
        tenure: Tenure | None = None,
    ) -> Self:
        """Connect and act as `clearing_writer`.

        Args:
            url: `postgresql://...`, sockets included.
            application: Shown to whoever finds a shard busy.
            leaf_events: Sequences of one partition.
            observer: Told how the work goes.
            tenure: Of a run that connects again after a fault: what others took meanwhile it does
                not take back. None: this connection is all there is of it.

        Raises:
            SchemaMismatch: The database is not migrated to this version.
            StoreUnavailable: It cannot be reached.
        """
        connection = connected(url, application, _SESSION, answer_s=ANSWER_S)
        return cls(connection, leaf_events=leaf_events, observer=observer, tenure=tenure)

    @property
    def connection(self) -> psycopg.Connection:
        """For queries of other modules of the store."""
        return self._connection

    def shards(self) -> Sequence[Shard]:
        """All shards, by number."""
        with translated():
            rows = self._connection.execute(f"SELECT {_SHARD} FROM ledger.shard ORDER BY shard")  # noqa: S608 - constants
            return [self._known(row) for row in rows]

    def declare(self, name: str, partition: int | None) -> Shard:
        """The shard of this name, made with its first partitions where it is missing."""
        with translated():
            made = self._connection.execute(
                "SELECT ledger.declare_shard(%s, %s, %s)", (name, partition, self._leaf_events)
            ).fetchone()
            assert made is not None
            return self._shard(made[0])

    def acquire(self, shard: int, *, take_over: bool = True) -> Shard:
        """Own the shard: raise its epoch."""
        with translated():
            if not self._lock(shard) and not take_over:
                raise self._busy(shard)
            row = raise_epoch(self._connection, shard, _SHARD, self._tenure)
        if row is None:
            raise StoreError(f"shard {shard} is not declared")
        return self._known(row)

    def release(self, shard: int) -> None:
        """Give the courtesy lock back; the fence stays as it is."""
        with translated():
            if shard not in self._without_lock:
                self._connection.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCK_CLASS, shard))
        self._without_lock.discard(shard)
        self._tenure.gave_up(shard)

    def offsets(self) -> Sequence[Offset]:
        """All stored source offsets."""
        with translated():
            rows = self._connection.execute(
                "SELECT shard, cluster, topic_id, topic, partition, next_offset"
                " FROM ledger.source_offset JOIN ledger.source USING (source)"
                " ORDER BY shard, source, partition"
            )
            return [Offset(row[0], Source(*row[1:4]), *row[4:]) for row in rows]

    def identities(self, shard: int, event_ids: Sequence[str]) -> Mapping[str, Identity]:
        """Those of the ids that accepted events have taken."""
        with translated():
            rows = self._connection.execute(
                "SELECT event_id, content_hash, sequence FROM ledger.event_identity"
                " WHERE shard = %s AND event_id = ANY(%s)",
                (shard, list(event_ids)),
                binary=True,
            )
            return {event_id: Identity(bytes(digest), at) for event_id, digest, at in rows}

    def quarantined(self, shard: int) -> AbstractSet[bytes]:
        """Content hashes of quarantined messages that were not driven again."""
        with translated():
            return reading.quarantined(self._connection, shard)

    def append(self, batch: Sequence[ShardBatch]) -> None:
        """Write the batch in one transaction, after opening partitions where they run out."""
        self.prepared(batch)()

    def prepared(self, batch: Sequence[ShardBatch]) -> Callable[[], None]:
        """The append of a batch, to be called once; another one may be on its way meanwhile.

        Its rows are made here and now, except where the database has to be asked for a number.
        """
        for part in batch:
            require_whole(part)
        with translated():
            is_ready = asks_nothing(batch, self._sources, self._leaves)
            rows = self._packed(batch) if is_ready else None
        return partial(self._append, batch, rows)

    def _append(self, batch: Sequence[ShardBatch], rows: Sequence[Packed] | None) -> None:
        with translated():
            for part in batch:
                self._open_ahead(part)
                if part.shard in self._without_lock:
                    self._lock(part.shard)  # whoever was taken over from may have ended
            if rows is None:
                self._register(sources_of(batch))
                rows = self._packed(batch)
            copying.write(self._connection, batch, rows, self._sources, self._observer)

    def _packed(self, batch: Sequence[ShardBatch]) -> Sequence[Packed]:
        return packed(self._connection, batch, self._sources, self._leaves)

    def settle(self) -> None:
        """Nothing: `append` returns when the batch is written."""

    def event(self, shard: int, sequence: int) -> StoredEvent | None:
        """One event, or None."""
        return next(self.events(shard, sequence, sequence), None)

    def events(self, shard: int, first: int, last: int | None = None) -> Iterator[StoredEvent]:
        """Events by sequence, streamed."""
        with translated():
            end = self._shard(shard).next_sequence - 1 if last is None else last
            yield from reading.events(self._connection, shard, first, end)

    def postings(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Posting]]:
        """Postings in order, streamed."""
        with translated():
            yield from reading.postings(self._connection, shard, first, last)

    def records(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Record]]:
        """Records in order, streamed."""
        with translated():
            yield from reading.records(self._connection, shard, first, last)

    def accounts(self, shard: int) -> Sequence[OpenedAccount]:
        """The registry of accounts, by number."""
        with translated():
            return reading.accounts(self._connection, shard)

    def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a state, and drop all but the newest three.

        Not in one transaction: who froze in its middle would hold up an heir that keeps the same.
        """
        with translated():
            self._connection.execute(
                "INSERT INTO ledger.snapshot (shard, rules, sequence, body)"
                " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (shard, snapshot.rules, snapshot.sequence, bodies.packed(snapshot.body)),
            )
            self._connection.execute(
                "SELECT ledger.prune_snapshots(%s, %s)", (shard, SNAPSHOTS_KEPT)
            )

    def latest_snapshot(self, shard: int) -> Snapshot | None:
        """The newest kept state, or None."""
        with translated():
            row = self._connection.execute(
                "SELECT sequence, rules, body FROM ledger.snapshot WHERE shard = %s"
                " ORDER BY sequence DESC LIMIT 1",
                (shard,),
                binary=True,
            ).fetchone()
        return None if row is None else Snapshot(row[0], row[1], bodies.unpacked(row[2]))

    def latest_checkpoint(self, shard: int) -> SignedCheckpoint | None:
        """The newest checkpoint, or None."""
        with translated():
            return checkpoints.latest(self._connection, shard)

    def checkpoints(self, shard: int) -> Iterator[SignedCheckpoint]:
        """All checkpoints of a shard, in order."""
        with translated():
            yield from checkpoints.between(self._connection, shard, 1, _SEQUENCE_MAX)

    def scales(self, shard: int) -> Mapping[str, int]:
        """Decimals of the assets that a shard has ever held."""
        with translated():
            return checkpoints.scales(self._connection, shard)

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Everything read in the block stands as it was at its beginning."""
        with translated(), self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield

    def save_checkpoint(self, shard: int, checkpoint: SignedCheckpoint, after: int) -> bool:
        """Keep a checkpoint, if none came first."""
        with translated():
            return checkpoints.save(self._connection, shard, checkpoint, after)

    def signing_keys(self) -> Sequence[SigningKey]:
        """The keys that these books know, the oldest first."""
        with translated():
            return checkpoints.keys(self._connection)

    def add_signing_key(self, key: SigningKey, *, lost: bool = False) -> bool:
        """Make a key known."""
        with translated():
            return checkpoints.add_key(self._connection, key, lost=lost)

    def close(self) -> None:
        """Give shards and connection back; the next writer finds them free at once."""
        with suppress(psycopg.Error):
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()

    def _lock(self, shard: int) -> bool:
        """Hold the courtesy lock, unless another one does."""
        found = self._connection.execute(
            "SELECT pg_try_advisory_lock(%s, %s)", (LOCK_CLASS, shard)
        ).fetchone()
        if found == (True,):
            self._without_lock.discard(shard)
            return True
        self._without_lock.add(shard)
        return False

    def _shard(self, number: int) -> Shard:
        row = self._connection.execute(
            f"SELECT {_SHARD} FROM ledger.shard WHERE shard = %s",  # noqa: S608 - constants
            (number,),
        ).fetchone()
        if row is None:
            raise StoreError(f"shard {number} is not declared")
        return self._known(row)

    def _known(self, row: tuple[object, ...]) -> Shard:
        *head, leaves_end = row
        shard = Shard(*head)  # type: ignore[arg-type]
        self._leaves_end[shard.shard] = leaves_end  # type: ignore[assignment]
        return shard

    def _busy(self, shard: int) -> ShardBusy:
        holder = self._connection.execute(_HOLDER, (LOCK_CLASS, shard)).fetchone()
        name = self._shard(shard).name
        if holder is None:
            return ShardBusy(f"{name} was held by a writer a moment ago: try again")
        pid, application, address = holder  # no address is shown of another role's connection
        return ShardBusy(
            f"{name} is being written by {application or 'a writer'} (backend {pid}, from"
            f" {address or 'a host not shown'}): stop it first, or take over with --take-over,"
            " which makes it stop by itself"
        )

    def _open_ahead(self, part: ShardBatch) -> None:
        if part.shard not in self._leaves_end:
            self._shard(part.shard)
        ahead = min(LEAF_AHEAD, self._leaf_events)
        while part.next_sequence + ahead > self._leaves_end[part.shard]:
            row = self._connection.execute(
                "SELECT ledger.open_leaf(%s, %s)", (part.shard, self._leaf_events)
            ).fetchone()
            assert row is not None
            self._leaves_end[part.shard] = row[0]

    def _register(self, sources: set[Source]) -> None:
        missing = sources - self._sources.keys()
        for source in sorted(missing):
            self._connection.execute(
                "INSERT INTO ledger.source (cluster, topic_id, topic) VALUES (%s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                source,
            )
            row = self._connection.execute(
                "SELECT source FROM ledger.source WHERE (cluster, topic_id, topic) = (%s, %s, %s)",
                source,
            ).fetchone()
            assert row is not None
            self._sources[source] = row[0]
