"""Replay: every stored message submitted again to empty books, and both books held together.

How it works. Shard by shard, in the order of their numbers: each row of the log is a message with
its own source, partition, offset, timestamp and key; it is decided again under the version of the
rules that decided it (`ledger.audit.replay.decisions`), on the state that the messages before it
led to, and what comes out is appended to the new books in transactions of `batch` events. Rows,
leaf and chain are made anew from that alone, then compared with the stored ones field by field.

Rules of this file:

* Where a batch ends, and where the writer starts over, changes no row. Tests hold that.
* New books that hold a part already are gone on with, if what they hold is the same.
* Messages may come from a history apart from the log (`ledger.audit.replay.messages`): the first
  that is not the stored one ends the replay of its shard.
* Offsets, the count of duplicates, checkpoints and their keys are no outcome of the events; they
  are taken over at the end, when all else is the same, so that the new books can take the place of
  the old ones.

Cost: about that of writing. Bounded: the state of one shard, and one batch.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger.audit.replay.books import Books, hand_over, kept_hashes, registries_of
from ledger.audit.replay.comparison import Difference, different_event, different_registries
from ledger.audit.replay.decisions import Deciding, look_up
from ledger.audit.replay.messages import ABSENT, History, Messages, Origins
from ledger.batch import Draft
from ledger.codec.states import encode_state
from ledger.core.machine import RULES_VERSION
from ledger.errors import ConfigurationError
from ledger.ports import (
    Log,
    Offset,
    Shard,
    ShardBatch,
    Snapshot,
    StoredEvent,
)
from ledger.recovery import restore
from ledger.store.audit.archive import Heads

STATE_EVENTS = 100_000
"""Events after which the rebuilt state is kept, for a replay that is interrupted."""

BATCH_BYTES_MAX = 64 * 1024 * 1024
"""Raw bytes after which a batch ends, however few its events."""


class Replayed(NamedTuple):
    """What a replay of one shard found.

    Attributes:
        pool: Name of the shard.
        events: Rows of it that were rebuilt, those of an earlier, interrupted replay included.
        stored: Rows that it has.
        chain: Of the rebuilt books, at their head.
        chain_equal: It is the stored one.
        state_hash: SHA-256 of the rebuilt state at its head.
        states_equal: Every state that was kept, in snapshots and checkpoints, is the rebuilt one;
            None when there was none.
        difference: The first field that differs, or None.
        origins: Where the messages of this run came from; None: all from the log.
    """

    pool: str
    events: int
    stored: int
    chain: bytes
    chain_equal: bool
    state_hash: bytes
    states_equal: bool | None
    difference: Difference | None
    origins: Origins | None = None

    @property
    def is_equal(self) -> bool:
        """Nothing differs."""
        return self.chain_equal and self.states_equal is not False and self.difference is None


def replay(
    books: Books,
    open_log: Callable[[], Log],
    *,
    pool: str | None = None,
    batch: int = 1000,
    restart_every: int | None = None,
    history: History | None = None,
    stored_where_missing: bool = False,
    on_events: Callable[[str, int, int], object] = lambda *_: None,
) -> list[Replayed]:
    """Rebuild books and compare.

    Args:
        books: To replay.
        open_log: Makes a connection to the new books; called again at every restart.
        pool: Only this shard; None for all.
        batch: Events of a transaction at most.
        restart_every: Events after which memory is thrown away and the writer starts over; None
            never. Every second time the state is kept before, as in an orderly stop.
        history: Where the messages that came from topics are taken from; None: the books.
        stored_where_missing: Take the stored bytes of what the history does not have.
        on_events: Told shard, events rebuilt and events stored after every transaction.

    Raises:
        ConfigurationError: There is no such pool; the new books hold something else; or the books
            were decided by rules that this version does not know.
    """
    heads = books.heads()
    chosen = [head for head in heads.shards if pool in (None, head.name)]
    if not chosen:
        names = ", ".join(head.name for head in heads.shards) or "none"
        raise ConfigurationError(f"no shard {pool or ''} to replay; these books have {names}")
    return [
        _Shard(
            books,
            heads,
            head,
            open_log,
            _Pace(batch, restart_every),
            Messages(history, stored_where_missing=stored_where_missing),
            on_events,
        ).replayed()
        for head in chosen
    ]


class _Pace(NamedTuple):
    """Events of a transaction at most, and events after which the writer starts over."""

    batch: int
    restart_every: int | None


class _Shard:
    """The replay of one shard."""

    def __init__(
        self,
        books: Books,
        heads: Heads,
        head: Shard,
        open_log: Callable[[], Log],
        pace: _Pace,
        messages: Messages,
        on_events: Callable[[str, int, int], object],
    ) -> None:
        self._books = books
        self._head = head
        self._offsets: Sequence[Offset] = [
            offset for offset in heads.offsets if offset.shard == head.shard
        ]
        self._shards = {shard.name: shard for shard in heads.shards}
        self._open_log = open_log
        self._batch, self._restart_every = pace
        self._messages = messages
        self._on_events = on_events
        self._restarts = 0
        self._stopped = False
        self._difference: Difference | None = None
        self._kept = kept_hashes(books, head)
        self._states_equal: bool | None = None
        self._begin()

    def replayed(self) -> Replayed:
        """Run it to its end."""
        try:
            return self._run()
        finally:
            self._log.close()

    def _run(self) -> Replayed:
        self._require_same_beginning()
        self._compare_state(self._shard.next_sequence - 1)
        last = self._head.next_sequence - 1
        since_start = 0
        while not self._stopped and self._shard.next_sequence <= last:
            until = last
            if self._restart_every is not None:
                until = min(last, self._shard.next_sequence + self._restart_every - since_start - 1)
            before = self._shard.next_sequence
            self._write(self._next(until))
            since_start += self._shard.next_sequence - before
            self._on_events(self._head.name, self._shard.next_sequence - 1, last)
            if self._restart_every is not None and since_start >= self._restart_every:
                self._restart()
                since_start = 0
            if self._shard.next_sequence - self._kept_at > STATE_EVENTS:
                self._keep_state()
        return self._finished()

    def _begin(self) -> None:
        self._log = self._open_log()
        declared = self._log.declare(self._head.name, self._head.partition)
        self._shard = self._log.acquire(declared.shard, take_over=False)
        self._state, self._kept_at = restore(self._log, self._shard)
        self._deciding = Deciding(self._log, self._shards)

    def _restart(self) -> None:
        if self._restarts % 2:
            self._keep_state()
        self._restarts += 1
        self._log.close()
        self._begin()

    def _require_same_beginning(self) -> None:
        """What the new books hold already must be the beginning of the stored ones."""
        at = self._shard.next_sequence - 1
        if at == 0:
            return
        stored = next(self._books.events(self._head.shard, at, at), None)
        if stored is None or stored.chain != self._shard.chain:
            raise ConfigurationError(
                f"the new books hold {at} events of {self._head.name}, which are not the first {at}"
                " of the books to replay: replay into a fresh database"
            )

    def _next(self, until: int) -> list[StoredEvent]:
        """The next messages, all decided under one version of the rules."""
        first = self._shard.next_sequence
        found: list[StoredEvent] = []
        size = 0
        last = min(until, first + self._batch - 1)
        for stored in self._books.events(self._head.shard, first, last):
            if found and (size >= BATCH_BYTES_MAX or stored.rules != found[0].rules):
                break
            found.append(stored)
            size += len(stored.raw)
        if not found or found[0].sequence != first:
            at = found[0].sequence if found else None
            self._stop(Difference(first, "sequence", at, first))
            return []
        if found[0].rules > RULES_VERSION:
            raise ConfigurationError(
                f"event {first} of {self._head.name} was decided by rules version {found[0].rules},"
                f" this version of the ledger knows {RULES_VERSION}: replay with a newer one"
            )
        return found

    def _write(self, events: Sequence[StoredEvent]) -> None:
        if not events:
            return
        rules, known = events[0].rules, self._difference
        draft = Draft(self._shard, self._state, rules)
        submitted, other = self._messages.submitted(events)
        look_up(draft, submitted, lambda ids: self._log.identities(self._shard.shard, ids))
        for stored, arrival in submitted:
            expected = draft.next_sequence
            refused = (
                f"event {stored.sequence}"
                if stored.sequence != expected
                else self._deciding.submit(draft, stored, arrival, rules)
            )
            if refused is not None:
                self._stop(Difference(expected, "event", stored.event_id, refused))
                break
            self._compare_state(stored.sequence)
        if other is not None:
            self._stop(other)
        rows = draft.finished()
        if known is None:
            self._compare(rows, events)
        self._log.append([rows])
        self._shard = draft.committed()
        if other is not None and other.field == ABSENT:
            last = self._head.next_sequence - 1
            self._messages.look_over(self._books.events(self._head.shard, other.sequence + 1, last))

    def _compare(self, rows: ShardBatch, stored: Sequence[StoredEvent]) -> None:
        if not rows.events:
            return
        first, last = rows.events[0].sequence, rows.events[-1].sequence
        number = self._head.shard
        found = different_event(
            rows,
            stored,
            list(self._books.postings(number, first, last)),
            list(self._books.records(number, first, last)),
        )
        known = self._difference
        if found is not None and (known is None or found.sequence <= known.sequence):
            self._difference = found

    def _compare_state(self, sequence: int) -> None:
        kept = self._kept.get(sequence)
        if kept is None:
            return
        equal = kept == hashlib.sha256(encode_state(self._state)).digest()
        if not equal and self._difference is None:
            self._difference = Difference(sequence, "state hash", kept.hex(), "another")
        self._states_equal = equal and self._states_equal is not False

    def _finished(self) -> Replayed:
        last = self._head.next_sequence - 1
        if self._difference is None:
            accounts, commodities = registries_of(self._state)
            number, opened = self._head.shard, self._head.next_account - 1
            self._difference = different_registries(
                # those opened since the replay began are not of these events
                self._books.accounts(number)[: max(opened, len(accounts))],
                self._books.commodities(number)[: len(commodities)],
                accounts,
                commodities,
            )
        chain_equal = not self._stopped and self._shard.chain == self._head.chain
        if chain_equal and self._difference is None:
            self._shard = hand_over(
                self._books, self._log, self._head, self._offsets, self._shard, self._state
            )
        self._keep_state()
        return Replayed(
            self._head.name,
            self._shard.next_sequence - 1,
            last,
            self._shard.chain,
            chain_equal,
            hashlib.sha256(encode_state(self._state)).digest(),
            self._states_equal,
            self._difference,
            self._messages.origins(last),
        )

    def _keep_state(self) -> None:
        head = self._shard.next_sequence - 1
        event = self._log.event(self._shard.shard, head)
        if event is not None and not self._head.name.startswith("@"):
            kept = Snapshot(head, event.rules, encode_state(self._state))
            self._log.save_snapshot(self._shard.shard, kept)
            self._kept_at = head

    def _stop(self, at: Difference) -> None:
        self._stopped = True
        if self._difference is None:
            self._difference = at
