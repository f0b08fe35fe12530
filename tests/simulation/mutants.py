"""Faults put into the real parts by hand: the simulation must find each, or it is worth nothing.

A mutant breaks one promise by a patch. `python -m tests.simulation.mutants` tells for each of them
the first seed from 1 on that finds it; whoever changes what a seed draws writes these down anew.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

import pytest
from kafka import TopicPartition

from consumers import loop, rebalancing, sources
from consumers.dead_letters import DeadLetters
from consumers.merge import Merge
from consumers.simulation.run import simulate
from ledger import offsets, recovery, writer
from ledger.arrivals import Arrival
from ledger.core.state import State
from ledger.errors import FenceLost, StoreError
from ledger.ports import Identity, Message, Shard, ShardBatch, Snapshot, StoredEvent
from ledger.store.log.memory import MemoryLog
from ledger.store.log.overlapping import OverlappingLog
from ledger.writer import Taken, Writer

Patch = pytest.MonkeyPatch


def no_fence(patch: Patch) -> None:
    """A writer that lost its shard goes on where the sequence fits."""

    def pass_fence(self: MemoryLog, part: ShardBatch) -> None:
        known = self._books.shards[part.shard]
        if known.next_sequence != part.expected_sequence:
            raise FenceLost("sequence")

    patch.setattr(MemoryLog, "_pass_fence", pass_fence)


def no_epoch(patch: Patch) -> None:
    """Taking a shard over does not fence the writer before."""

    def acquire(self: MemoryLog, shard: int, *, take_over: bool = True) -> Shard:
        del take_over
        self._books.holders[shard] = self
        return self._books.shards[shard]

    patch.setattr(MemoryLog, "acquire", acquire)


def offsets_not_moved(patch: Patch) -> None:
    """An offset in fifty is not stored with its batch."""
    real, calls = offsets.ends_of, iter(range(10**9))
    patch.setattr(
        writer, "ends_of", lambda arrivals: {} if next(calls) % 50 == 49 else real(arrivals)
    )


def offsets_one_ahead(patch: Patch) -> None:
    """Stored offsets pass over one message that was never read."""
    real = offsets.ends_of
    patch.setattr(
        writer, "ends_of", lambda arrivals: {at: end + 1 for at, end in real(arrivals).items()}
    )


def merge_does_not_wait(patch: Patch) -> None:
    """The merge goes on without a topic that has more."""
    patch.setattr(Merge, "_must_wait", lambda self, now_ms: False)  # noqa: ARG005


def ranks_reversed(patch: Patch) -> None:
    """Of equal timestamps the later topic goes first."""
    real = Merge.add
    patch.setattr(Merge, "add", lambda self, rank, messages: real(self, 4 - rank, messages))
    know, buffered = Merge.know, Merge.buffered
    patch.setattr(Merge, "know", lambda self, rank, **how: know(self, 4 - rank, **how))
    patch.setattr(Merge, "buffered", lambda self, rank: buffered(self, 4 - rank))


def times_ignored(patch: Patch) -> None:
    """The merge takes one topic after the other."""

    def take(self: Merge, limit: int, now_ms: float) -> list[Message]:
        del now_ms
        taken: list[Message] = []
        for lane in self._lanes:
            taken += lane.cut(limit - len(taken))
        return taken

    patch.setattr(Merge, "take", take)


def ids_not_looked_up(patch: Patch) -> None:
    """The writer knows only the ids of its own batch."""
    patch.setattr(MemoryLog, "identities", lambda self, shard, event_ids: {})  # noqa: ARG005


def own_writes_not_read(patch: Patch) -> None:
    """The ids of a batch that is still being written are not known yet."""
    patch.setattr(
        OverlappingLog, "identities", lambda self, shard, ids: self._reading.identities(shard, ids)
    )


def content_not_compared(patch: Patch) -> None:
    """An id with other content counts as a duplicate."""
    real = MemoryLog.identities

    def identities(self: MemoryLog, shard: int, event_ids: Sequence[str]) -> Mapping[str, Identity]:
        class Same(bytes):
            __hash__ = bytes.__hash__

            def __eq__(self, other: object) -> bool:
                return True

        return {
            name: one._replace(content_hash=Same(one.content_hash))
            for name, one in real(self, shard, event_ids).items()
        }

    patch.setattr(MemoryLog, "identities", identities)


def duplicates_not_counted(patch: Patch) -> None:
    """A duplicate leaves no trace."""
    real = MemoryLog._write
    patch.setattr(MemoryLog, "_write", lambda self, part: real(self, part._replace(duplicates=0)))


def no_letters_caught_up(patch: Patch) -> None:
    """Letters that a crash kept back are not written at the next start."""
    patch.setattr(DeadLetters, "catch_up", lambda *_: 0)


def letters_before_commit(patch: Patch) -> None:
    """Letters are written of what is not in the books yet."""
    real = Writer._write

    def write(self: Writer, arrivals: Sequence[Arrival]) -> Taken:
        taken = real(self, arrivals)
        return taken._replace(
            refused=[one._replace(sequence=one.sequence + 1) for one in taken.refused]
        )

    patch.setattr(Writer, "_write", write)


def identity_of_topics_not_asked(patch: Patch) -> None:
    """A topic that was made again is read on."""
    patch.setattr(sources.Sources, "confirm", lambda self: None)  # noqa: ARG005
    patch.setattr(sources.Sources, "check", lambda self: None)  # noqa: ARG005


def messages_not_confirmed(patch: Patch) -> None:
    """The ids of topics are only looked at now and then, not after each poll."""
    patch.setattr(sources.Sources, "confirm", lambda self: None)  # noqa: ARG005


def offsets_of_the_group_trusted(patch: Patch) -> None:
    """Reading goes on where the group's offsets say."""

    def on_assigned(self: rebalancing.Listener, assigned: Iterable[TopicPartition]) -> None:
        self._note(assigned, assigned=True)

    patch.setattr(rebalancing.Listener, "on_partitions_assigned", on_assigned)
    real = loop.Loop._acquire

    def acquire(self: loop.Loop, numbers: Sequence[int]) -> None:
        seek, self._consumer.seek = self._consumer.seek, lambda *_: None
        try:
            real(self, numbers)
        finally:
            self._consumer.seek = seek

    patch.setattr(loop.Loop, "_acquire", acquire)


def memory_kept_after_a_fault(patch: Patch) -> None:
    """A commit that failed is tried again with the state that is ahead of the log."""
    real = Writer.take

    def take(self: Writer, messages: Sequence[Message]) -> Taken:
        try:
            return real(self, messages)
        except StoreError:
            return real(self, messages)

    patch.setattr(Writer, "take", take)


def buffers_kept_after_revocation(patch: Patch) -> None:
    """What was polled for an earlier assignment is still applied."""

    def release(self: loop.Loop, numbers: Sequence[int]) -> None:
        self._writer.revoke(numbers)

    patch.setattr(loop.Loop, "_release", release)


def snapshots_one_early(patch: Patch) -> None:
    """A kept state says that it is one event younger than it is."""
    real = MemoryLog.save_snapshot

    def save(self: MemoryLog, shard: int, snapshot: Snapshot) -> None:
        real(self, shard, snapshot._replace(sequence=snapshot.sequence - 1))

    patch.setattr(MemoryLog, "save_snapshot", save)


def snapshots_of_nothing(patch: Patch) -> None:
    """A restart forgets what was before."""
    patch.setattr(
        recovery,
        "_from_snapshot",
        lambda _, shard: (State(shard.name), shard.next_sequence - 1),
    )


def loaded_beyond_the_head(patch: Patch) -> None:
    """A shard that is taken over while it is being loaded is loaded with what came since."""
    real = MemoryLog.events

    def events(
        self: MemoryLog, shard: int, first: int, last: int | None = None
    ) -> Iterator[StoredEvent]:
        return real(self, shard, first, last if last == first else None)

    patch.setattr(MemoryLog, "events", events)


def halted_pools_pass_on(patch: Patch) -> None:
    """The offsets of a halted pool move with those of the others."""

    def held(
        known: offsets.Reached,
        arrivals: Sequence[Arrival],
        front: offsets.Reached,
        _halting: Message | None,
    ) -> dict[offsets.Where, int]:
        return offsets.moved(known, offsets.ends_of(arrivals), front)

    patch.setattr(writer, "held", held)


def accepted_topics_forgotten(patch: Patch) -> None:
    """Changed topics that were accepted are not known at the next start."""
    patch.setattr(Writer, "begin", lambda self, starts: None)  # noqa: ARG005


class Mutant(NamedTuple):
    """A broken promise, and the first seed that finds it."""

    put_into: Callable[[Patch], None]
    seed: int


MUTANTS = (
    Mutant(no_fence, 2),
    Mutant(no_epoch, 2),
    Mutant(offsets_not_moved, 2),
    Mutant(offsets_one_ahead, 1),
    Mutant(merge_does_not_wait, 9),
    Mutant(ranks_reversed, 1),
    Mutant(times_ignored, 1),
    Mutant(ids_not_looked_up, 1),
    Mutant(own_writes_not_read, 4),
    Mutant(content_not_compared, 1),
    Mutant(duplicates_not_counted, 1),
    Mutant(no_letters_caught_up, 3),
    Mutant(letters_before_commit, 1),
    Mutant(identity_of_topics_not_asked, 2),
    Mutant(messages_not_confirmed, 2),
    Mutant(offsets_of_the_group_trusted, 1),
    Mutant(memory_kept_after_a_fault, 1),
    Mutant(buffers_kept_after_revocation, 12),
    Mutant(snapshots_one_early, 1),
    Mutant(snapshots_of_nothing, 1),
    Mutant(loaded_beyond_the_head, 25),
    Mutant(halted_pools_pass_on, 1),
    Mutant(accepted_topics_forgotten, 1),
)


def found_by(mutant: Mutant, seed: int) -> str | None:
    """What a seed finds of a mutant."""
    with Patch.context() as patch:
        mutant.put_into(patch)
        return simulate(seed).found


if __name__ == "__main__":
    for mutant in MUTANTS:
        seed = next(seed for seed in count(1) if found_by(mutant, seed))
        print(f"{mutant.put_into.__name__}, {seed}: {found_by(mutant, seed)}"[:150], flush=True)  # noqa: T201 - a report
