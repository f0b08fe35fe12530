"""The single writer of a set of shards: messages in, one transaction out.

How it works. A batch of messages is decoded; the event ids that it names are looked up, one round
trip a shard; then each message in turn is routed to its shard (`ledger.routing`) and decided
against the state in memory. What comes out, for all shards together, is appended to the log in one
transaction with the offsets.

Rules of this file:

* The log's fence decides who writes. After any exception this object is finished: its memory may
  be ahead of the log, so throw it away and make another, which starts from the log.
* Nothing is dropped: a message is applied, counted as a duplicate, or kept with its reason.
* A broken invariant of the core halts its pool (`ledger.halts`), and no other.
* What is quarantined in a pool is a duplicate when it comes again, until it is driven again.

Bounded: memory holds the states of its shards and one batch. Event ids are never kept in memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ledger.arrivals import UNROUTED, Arrival, wrong_partition
from ledger.batch import Draft, Refused
from ledger.codec.decoding import Decoded, Undecodable, decode
from ledger.core.events import Event, TradeBust
from ledger.core.machine import RULES_VERSION, RULES_VERSIONS, decide
from ledger.core.outcome import Rejection
from ledger.core.rejections import Code
from ledger.core.state import State
from ledger.halts import BROKEN, Halt
from ledger.observing import Observer, Unobserved
from ledger.offsets import Reached, ends_of, front_of, held, moved
from ledger.owned import OwnedShards
from ledger.ports import Log, Message, Seal, Shard, Source, StoredEvent
from ledger.recovery import busted
from ledger.routing import Routing

SNAPSHOT_EVENTS = 100_000
"""Events after which a shard's state is kept again."""

POSTINGS_MAX = 250_000
"""A transaction ends with the event that brings it to so many postings: one event may have more."""


class Taken(NamedTuple):
    """What became of a batch. Messages that a shard already had count nowhere.

    Attributes:
        applied, duplicates, rejected: Messages.
        refused: The rejected ones.
        waiting: Messages of halted pools, not applied and not passed over.
    """

    applied: int
    duplicates: int
    rejected: int
    refused: Sequence[Refused]
    waiting: int = 0

    def and_then(self, other: "Taken") -> "Taken":
        """Both together, in this order."""
        return Taken(
            self.applied + other.applied,
            self.duplicates + other.duplicates,
            self.rejected + other.rejected,
            [*self.refused, *other.refused],
            self.waiting + other.waiting,
        )


class _Part(NamedTuple):
    """What became of the first of the messages at hand, and how many these were."""

    taken: Taken
    messages: int


class Writer:
    """Applies messages to the shards that it owns."""

    def __init__(
        self,
        log: Log,
        *,
        roles: Mapping[str, str] | None = None,
        take_over: bool = True,
        snapshot_events: int = SNAPSHOT_EVENTS,
        postings_max: int = POSTINGS_MAX,
        seal: Seal | None = None,
        rules: int = RULES_VERSION,
        observer: Observer | None = None,
    ) -> None:
        """Own nothing yet.

        Args:
            log: Where the books are kept.
            roles: Role (`reference`, `trades`, ...) of each Kafka topic; a kind on another topic
                than its own is refused. Topics not named here are not checked.
            take_over: Take a shard even from a live writer; otherwise `ShardBusy` is raised.
            snapshot_events: Events after which a shard's state is kept again.
            postings_max: A batch with more of them is several transactions; at least 1.
            seal: Makes a checkpoint whenever a state is kept; None: none are made.
            rules: Version of the rules that decide.
            observer: Told how the work goes.

        Raises:
            ConfigurationError: These books do not know the key that would sign.
        """
        self._log = log
        self._snapshot_events = snapshot_events
        self._postings_max = postings_max
        if seal is not None:
            seal.prepare(log)
        self._observer: Observer = observer or Unobserved()
        self._owned = OwnedShards(log, rules, seal, self._observer, take_over=take_over)
        self._shards = self._owned.shards
        self._states = self._owned.states
        self._offsets = self._owned.offsets
        self._parked = self._owned.parked
        self._halts = self._owned.halts
        self._routing = Routing(self._owned, dict(roles or {}))
        self._waiting = self._postings = 0

    @property
    def halted(self) -> Mapping[str, Halt]:
        """The pools that stand still, by name, and why."""
        return self._halts

    @property
    def rules(self) -> int:
        """Version of the rules that decide."""
        return self._owned.rules

    @rules.setter
    def rules(self, version: int) -> None:
        assert version in RULES_VERSIONS, f"rules version {version} is not known here"
        self._owned.rules = version

    def assign(self, partitions: Iterable[int]) -> None:
        """Own every shard of these partitions, and load it."""
        wanted = set(partitions)
        for shard in self._log.shards():
            if shard.partition in wanted and shard.name not in self._shards:
                self._owned.own(shard)
        for partition in sorted(wanted):
            self._owned.shard(f"{UNROUTED}{partition}", partition)

    def revoke(self, partitions: Iterable[int]) -> None:
        """Give the shards of these partitions up; keep their states first."""
        gone = set(partitions)
        for name in [name for name, shard in self._shards.items() if shard.partition in gone]:
            self._owned.give_up(name)

    def begin(self, starts: Reached) -> None:
        """Store where each (source, partition) is read from, for shards that are not as far."""
        self._owned.begin(starts)

    def offsets(self) -> dict[tuple[Source, int], int]:
        """The smallest next offset of each (source, partition) over the shards owned."""
        smallest: dict[tuple[Source, int], int] = {}
        for known in self._offsets.values():
            for where, offset in known.items():
                smallest[where] = min(offset, smallest.get(where, offset))
        return smallest

    @property
    def shards(self) -> Mapping[str, Shard]:
        """The heads of the shards owned, by name, as they are committed."""
        return self._shards

    def state(self, pool: str) -> State:
        """The state of a pool in memory; it is owned and loaded where it was not.

        Raises:
            PoolHalted: It has none that can be trusted.
        """
        name = self._owned.shard(pool, None).name
        if name in self._halts:
            raise self._halts[name].fault()
        return self._states[name]

    def take(self, messages: Sequence[Message]) -> Taken:
        """Apply a batch of messages in their order; the next `take`, or `settle`, has it committed.

        Raises:
            FenceLost: Another writer owns a shard now; of a batch of several transactions those
                before were written, and of the others nothing.
            StoreError: The log failed; this writer must be thrown away.
        """
        arrivals = [Arrival(message, decode(message.value)) for message in messages]
        self._observer.lap("decode")
        return self._write(arrivals)

    def redrive(self, refused: Sequence[tuple[str, StoredEvent]]) -> Taken:
        """Submit refused messages again, each as a new sequence that names the old one.

        The operator vouches for where they belong: key, topic and partition are not asked again.

        Args:
            refused: Name of the shard, and the row as it was stored.
        """
        arrivals = []
        for name, stored in refused:
            came = (stored.source, stored.partition, stored.offset, stored.timestamp_ms, stored.key)
            message = Message(*came, stored.raw)
            arrivals.append(Arrival(message, decode(stored.raw), (name, stored.sequence)))
        taken = self._write(arrivals)
        for name in sorted({arrival.pool or "" for arrival in arrivals} & self._parked.keys()):
            self._owned.note_parked(self._shards[name])
        return taken

    def settle(self) -> None:
        """Wait until all that was taken is committed; raises as `take` does."""
        self._log.settle()

    def keep_states(self) -> None:
        """Keep the state of every shard that moved, so that the next start is quick."""
        for name in self._shards:
            self._owned.keep_state(name, at_least=1)

    def close(self) -> None:
        """Keep the states and give the log back; not to be called after an exception."""
        self.keep_states()
        self._log.close()

    def _write(self, arrivals: Sequence[Arrival]) -> Taken:
        """Write them in one transaction, or in several where they lead to too many postings."""
        part = self._write_some(arrivals)
        taken, left = part.taken, arrivals[part.messages :]
        while left:
            part = self._write_some(left)
            taken, left = taken.and_then(part.taken), left[part.messages :]
        return taken

    def _write_some(self, arrivals: Sequence[Arrival]) -> _Part:
        """Write the first of them, all if they lead to no more postings than may be at once."""
        drafts: dict[str, Draft] = {}
        self._owned.forget_directory()
        self._look_up(arrivals, drafts)
        self._observer.lap("look_up")
        refused: list[Refused] = []
        self._waiting = 0
        self._postings = done = 0
        for arrival in arrivals:
            refusal = self._apply(arrival, drafts)
            if refusal is not None:
                refused.append(refusal)
            done += 1
            if self._postings >= self._postings_max:
                break
        self._move_offsets(arrivals[:done], drafts)
        self._observer.lap("decide")
        if drafts:
            self._log.append([draft.finished() for draft in drafts.values()])
        else:
            self._log.settle()
        self._observer.lap("commit")
        applied = duplicates = 0
        for name, draft in drafts.items():
            applied += len(draft.accepted)
            duplicates += draft.duplicates
            self._shards[name] = draft.committed()
            self._offsets[name].update(draft.offsets)
            self._owned.keep_state(name, at_least=self._snapshot_events)
        self._observer.lap("keep")
        return _Part(Taken(applied, duplicates, len(refused), refused, self._waiting), done)

    def _look_up(self, arrivals: Sequence[Arrival], drafts: dict[str, Draft]) -> None:
        wanted: dict[str, list[str]] = {}
        for arrival in arrivals:
            if isinstance(arrival.decoded, Decoded):
                event = arrival.decoded.event
                ids = wanted.setdefault(event.pool, [])
                ids.append(event.event_id)
                if isinstance(event.fact, TradeBust):
                    ids.append(event.fact.trade_event_id)
        for pool, ids in wanted.items():
            known = self._shards.get(pool) or self._owned.directory().get(pool)
            if known is not None and self._may_own(known, arrivals):
                shard = self._owned.shard(pool, None)
                if pool not in self._halts:
                    draft = self._draft(shard, drafts)
                    draft.known.update(self._log.identities(shard.shard, ids))

    def _may_own(self, shard: Shard, arrivals: Sequence[Arrival]) -> bool:
        if shard.name in self._shards or shard.partition is None:
            return True
        return any(
            wrong_partition(arrival, shard) is None
            for arrival in arrivals
            if arrival.pool == shard.name
        )

    def _apply(self, arrival: Arrival, drafts: dict[str, Draft]) -> Refused | None:
        """Apply or pass over one message; returns the refusal, if it was refused."""
        message, decoded = arrival.message, arrival.decoded
        shard, rejection = self._routing.of(arrival)
        draft = self._draft(shard, drafts)
        if arrival.from_kafka:
            have = self._offsets[draft.shard.name].get((message.source, message.partition), 0)
            if message.offset < have:
                return None
        name = draft.shard.name
        if name in self._halts:
            self._waiting += 1
            return None
        if isinstance(decoded, Undecodable):
            return draft.refuse_arrival(arrival, rejection or decoded.rejection)
        event = decoded.event
        if rejection is None:
            if arrival.from_kafka:
                draft.settle_on(message.partition)
                shard = self._shards[name]
                if shard.partition is None:  # the rest of this batch is held to it as well
                    self._shards[name] = shard._replace(partition=message.partition)
            taken = draft.identity(event.event_id)
            parked = arrival.redrive_of is None and decoded.content_hash in self._parked[name]
            if parked or (taken is not None and taken.content_hash == decoded.content_hash):
                draft.duplicates += 1
                return None
            if taken is None:
                try:
                    rejection = self._decide(draft, arrival, event, decoded.content_hash)
                except BROKEN as broken:
                    self._owned.halt(draft.shard, draft.next_sequence, arrival, broken)
                    return None
                if rejection is None:
                    return None
            else:
                detail = (
                    f"event_id {event.event_id} was taken by event {taken.sequence} "
                    "with other content"
                )
                rejection = Rejection(Code.EVENT_ID_CONFLICT.value, detail)
        return draft.refuse_arrival(arrival, rejection)

    def _decide(
        self, draft: Draft, arrival: Arrival, event: Event, content_hash: bytes
    ) -> Rejection | None:
        """Accept the event with its outcome, or say why not."""
        original = busted(self._log, draft.shard, event, draft)
        if isinstance(original, Rejection):
            return original
        outcome = decide(draft.state, event, original, draft.next_sequence, self.rules)
        if isinstance(outcome, Rejection):
            return outcome
        draft.accept(arrival.message, event, content_hash, outcome, arrival.redrive_of)
        self._postings += len(outcome.postings)
        return None

    def _move_offsets(self, arrivals: Sequence[Arrival], drafts: dict[str, Draft]) -> None:
        delivered = [arrival for arrival in arrivals if arrival.from_kafka]
        for partition in sorted({arrival.message.partition for arrival in delivered}):
            there = [arrival for arrival in delivered if arrival.message.partition == partition]
            shards = list(self._owned.there(partition, drafts))
            front = front_of((self._offsets[shard.name] for shard in shards), partition)
            ends = ends_of(there)
            for shard in shards:
                known = self._offsets[shard.name]
                halt = self._halts.get(shard.name)
                if halt is None:
                    changes = moved(known, ends, front)
                else:
                    changes = held(known, there, front, halt.message)
                if changes:
                    self._draft(shard, drafts).offsets.update(changes)

    def _draft(self, shard: Shard, drafts: dict[str, Draft]) -> Draft:
        draft = drafts.get(shard.name)
        if draft is None:
            draft = drafts[shard.name] = self._owned.draft(shard)
        return draft
