"""What one shard gains in one transaction, as it is being put together."""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.arrivals import Arrival
from ledger.codec.canonical import (
    chain_hash,
    event_bytes,
    leaf_hash,
    outcome_bytes,
    posting_bytes,
)
from ledger.codec.decoding import Undecodable
from ledger.codec.merkle import grow, packed, unpacked
from ledger.codec.records import encode_body
from ledger.core.events import Event
from ledger.core.outcome import Commodity, OpenedAccount, Outcome, Posting, Record, Rejection
from ledger.core.state import State
from ledger.ports import Identity, Message, Shard, ShardBatch, Source, StoredEvent
from ledger.store.bodies import storable

RAW_KEPT_MAX = 1024 * 1024
"""Of a message over the limit, this much of its beginning is kept, the rest only in its hash."""


_NOTHING = Outcome([], [], [], [])
"""What a refused message leads to."""


class Accepted(NamedTuple):
    """An event accepted in this batch, not yet committed."""

    identity: Identity
    event: Event


class Refused(NamedTuple):
    """A message that was refused, for the dead letters."""

    shard: str
    sequence: int
    code: str
    detail: str
    message: Message


class Draft:
    """The rows that one shard gains in the batch at hand."""

    def __init__(self, shard: Shard, state: State, rules: int) -> None:
        """Start at the shard's head; `rules` is the version that decides.

        What the head will be is noted after each accepted event, and not read off the state: an
        event that breaks off halfway leaves the state anyhow, and the rows before it as they are.
        """
        self.shard = shard
        self.state = state
        self.next_sequence = shard.next_sequence
        self.duplicates = 0
        self._rules = rules
        self.accepted: dict[str, Accepted] = {}
        self.known: dict[str, Identity] = {}
        self.offsets: dict[tuple[Source, int], int] = {}
        self._partition: int | None = None
        self._chain = shard.chain
        self._frontier = unpacked(shard.frontier)
        self._next_account = shard.next_account
        self._pool_time = shard.pool_time
        self._events: list[StoredEvent] = []
        self._opened: list[OpenedAccount] = []
        self._commodities: list[Commodity] = []
        self._postings: list[tuple[int, Sequence[Posting]]] = []
        self._records: list[tuple[int, int, Record]] = []

    def identity(self, event_id: str) -> Identity | None:
        """What has taken the id, before or in this batch."""
        found = self.accepted.get(event_id)
        return self.known.get(event_id) if found is None else found.identity

    def accepted_event(self, event_id: str) -> Event | None:
        """The event that took the id in this batch, with its sequence."""
        found = self.accepted.get(event_id)
        return None if found is None else found.event._replace(sequence=found.identity.sequence)

    def settle_on(self, partition: int) -> None:
        """Keep the partition of the shard's first Kafka message."""
        if self.shard.partition is None:
            self._partition = partition

    def accept(
        self,
        message: Message,
        event: Event,
        content_hash: bytes,
        outcome: Outcome,
        redrive_of: tuple[str, int] | None,
    ) -> None:
        """Add an accepted event with its outcome."""
        sequence = self.next_sequence
        self._add(
            message,
            event.kind,
            event.event_id,
            event.occurred_at,
            content_hash,
            redrive_of,
            None,
            outcome,
        )
        self.accepted[event.event_id] = Accepted(Identity(content_hash, sequence), event)
        if outcome.postings:
            self._postings.append((sequence, outcome.postings))
        self._records += [
            (sequence, line, record) for line, record in enumerate(outcome.records, start=1)
        ]
        self._opened += outcome.opened
        self._commodities += outcome.commodities

    def refuse(
        self,
        message: Message,
        kind: str | None,
        event_id: str | None,
        occurred_at: int | None,
        content_hash: bytes,
        rejection: Rejection,
        redrive_of: tuple[str, int] | None,
    ) -> Refused:
        """Add a refused message with its reason."""
        sequence = self.next_sequence
        self._add(
            message, kind, event_id, occurred_at, content_hash, redrive_of, rejection, _NOTHING
        )
        return Refused(self.shard.name, sequence, rejection.code, rejection.detail, message)

    def refuse_arrival(self, arrival: Arrival, rejection: Rejection) -> Refused:
        """Add a refused message with what could be read of it."""
        decoded = arrival.decoded
        return self.refuse(
            arrival.message,
            decoded.kind if isinstance(decoded, Undecodable) else decoded.event.kind,
            decoded.event_id if isinstance(decoded, Undecodable) else decoded.event.event_id,
            None if isinstance(decoded, Undecodable) else decoded.event.occurred_at,
            decoded.content_hash,
            rejection,
            arrival.redrive_of,
        )

    def finished(self) -> ShardBatch:
        """The rows, fenced by the head that they follow."""
        return ShardBatch(
            shard=self.shard.shard,
            epoch=self.shard.epoch,
            expected_sequence=self.shard.next_sequence,
            next_sequence=self.next_sequence,
            next_account=self._next_account,
            pool_time=self._pool_time,
            duplicates=self.shard.duplicates + self.duplicates,
            chain=self._chain,
            frontier=packed(self._frontier),
            partition=self._partition,
            events=self._events,
            opened=self._opened,
            commodities=self._commodities,
            postings=self._postings,
            records=self._records,
            offsets=[(*where, offset) for where, offset in self.offsets.items()],
        )

    @property
    def partition(self) -> int | None:
        """The partition of the shard, once the batch is in the log."""
        return self.shard.partition if self._partition is None else self._partition

    def committed(self) -> Shard:
        """The shard's head once the rows are in the log."""
        return self.shard._replace(
            partition=self.partition,
            next_sequence=self.next_sequence,
            next_account=self._next_account,
            pool_time=self._pool_time,
            duplicates=self.shard.duplicates + self.duplicates,
            chain=self._chain,
            frontier=packed(self._frontier),
        )

    def _add(
        self,
        message: Message,
        kind: str | None,
        event_id: str | None,
        occurred_at: int | None,
        content_hash: bytes,
        redrive_of: tuple[str, int] | None,
        rejection: Rejection | None,
        outcome: Outcome,
    ) -> None:
        event = storable(
            StoredEvent(
                self.next_sequence,
                kind,
                event_id,
                occurred_at,
                self._pool_time if rejection is not None else self.state.pool_time,
                self._rules,
                message.source,
                message.partition,
                message.offset,
                message.timestamp_ms,
                message.key,
                message.value[:RAW_KEPT_MAX],
                content_hash,
                redrive_of,
                None if rejection is None else rejection.code,
                None if rejection is None else rejection.detail,
                b"",
                b"",
            )
        )
        records = [(kept.kind, kept.subject, encode_body(kept.body)) for kept in outcome.records]
        packed = posting_bytes(outcome.postings)
        led_to = outcome_bytes(outcome.commodities, outcome.opened, packed, records)
        leaf = leaf_hash(event_bytes(self.shard.name, event), led_to)
        self._chain = chain_hash(self._chain, leaf)
        grow(self._frontier, self.next_sequence - 1, leaf)
        self._events.append(StoredEvent._make((*event[:-2], leaf, self._chain)))
        if rejection is None:
            self._next_account = len(self.state.journal.keys)
            self._pool_time = self.state.pool_time
        self.next_sequence += 1
