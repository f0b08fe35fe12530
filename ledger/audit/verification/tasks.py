"""One pass over a range of a shard's rows, with the checks that were asked for.

A task is small and can be sent to another process; it opens connections of its own.
"""

import gc
import time
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ledger.arrivals import UNROUTED
from ledger.audit.verification.chain import ChainCheck, Registries, Signed, TreeCheck
from ledger.audit.verification.findings import Finding, Findings
from ledger.audit.verification.fold import FoldCheck
from ledger.audit.verification.rederive import Asked, KeptState, RederiveCheck, kept_states
from ledger.codec.canonical import GENESIS
from ledger.codec.merkle import HASH_LENGTH
from ledger.codec.states import UnknownFormat, decode_state
from ledger.core.state import State
from ledger.ports import Shard
from ledger.store.audit.books import Audited, Entry
from ledger.store.audit.indexes import newest_balances
from ledger.store.bodies import unpacked

TOLD_EVERY = 500
"""Events between two reports of progress."""


_YOUNG_OBJECTS = 200_000


class Task(NamedTuple):
    """A pass.

    Attributes:
        shard: The head that is verified, as it was when verification began.
        checks: `chain`, `tree`, `fold`, `rederive`.
        first, last: Sequences, inclusive.
        held_from: The first event that these books hold; those before it were detached.
        accounts, commodities: The largest numbers of the registries when verification began.
        signed: Checkpoints to be met.
    """

    shard: Shard
    checks: tuple[str, ...]
    first: int
    last: int
    held_from: int
    accounts: int
    commodities: int
    signed: list[Signed]

    @property
    def at_head(self) -> bool:
        """It ends where the shard does."""
        return self.last == self.shard.next_sequence - 1


class Done(NamedTuple):
    """What a task found, and how long it took.

    Attributes:
        remarks: What could not be checked, and why.
        root: Of the tree at its last event; None where no tree was made.
    """

    task: Task
    found: list[Finding]
    remarks: list[str]
    root: bytes | None
    seconds: float


def run_task(url: str, task: Task, on_events: Callable[[int], object]) -> Done:
    """Run a task; `on_events` is told how many events more are done."""
    began = time.monotonic()
    books = Audited.connect(url)
    thresholds = gc.get_threshold()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)  # rows are many tuples and no cycles
    try:
        return _Pass(books, task, on_events).run(began)
    finally:
        gc.set_threshold(*thresholds)
        books.close()


def kept_state(body: bytes) -> State | None:
    """The state of a snapshot; None where it cannot be read, which others report."""
    try:
        return decode_state(unpacked(body))
    except (UnknownFormat, zlib.error, ValueError, KeyError, TypeError, ArithmeticError):
        return None


class _Pass:
    """One task at work."""

    def __init__(self, books: Audited, task: Task, on_events: Callable[[int], object]) -> None:
        self._books = books
        self._task = task
        self._on_events = on_events
        self._remarks: list[str] = []
        self._own = Findings(task.shard.name)
        number = task.shard.shard
        self._registries = Registries(
            [one for one in books.accounts(number) if one.account <= task.accounts],
            [one for one in books.commodities(number) if one.commodity <= task.commodities],
        )
        self._chain = self._chain_check() if "chain" in task.checks else None
        self._tree = self._tree_check() if "tree" in task.checks else None
        self._fold = self._fold_check() if "fold" in task.checks else None
        self._rederive = self._rederive_check() if "rederive" in task.checks else None

    def run(self, began: float) -> Done:
        task = self._task
        if task.checks == ("tree",):
            self._run_tree()
        else:
            self._run()
        checks = [self._chain, self._tree, self._fold, self._rederive]
        found = [*self._own.all]
        for check in checks:
            found += [] if check is None else check.found.all
        root = None if self._tree is None else self._tree.root
        return Done(task, found, self._remarks, root, time.monotonic() - began)

    def _run(self) -> None:
        task = self._task
        takers = [check for check in (self._chain, self._fold, self._rederive) if check is not None]
        expected = task.first
        for entry in self._counted(self._books.entries(task.shard.shard, task.first, task.last)):
            event = entry.event
            if event.sequence != expected:
                self._missing(expected, event.sequence)
            for check in takers:
                check.take(entry)
            if self._tree is not None:
                self._tree.take(event.sequence, event.leaf, event.chain)
            expected = event.sequence + 1
        if expected <= task.last:
            self._missing(expected, None)
        for table, sequence, line in self._books.strays:
            self._own.add(sequence, table, "sequence", "an event", line, "a row of no event")
        self._end()

    def _run_tree(self) -> None:
        task, tree = self._task, self._tree
        assert tree is not None
        done = 0
        for sequence, leaf, chain in self._books.hashes(task.shard.shard, task.first, task.last):
            tree.take(sequence, leaf, chain)
            done += 1
            if done % TOLD_EVERY == 0:
                self._on_events(TOLD_EVERY)
        self._on_events(done % TOLD_EVERY)
        self._end()

    def _end(self) -> None:
        task, number = self._task, self._task.shard.shard
        if self._chain is not None:
            self._chain.end(at_head=task.at_head)
        if self._tree is not None and task.at_head:
            self._tree.end(task.shard.chain, task.shard.frontier, task.last)
        if self._fold is not None:
            offsets = self._books.offsets(number) if task.at_head else None
            self._fold.end(task.last, offsets, task.shard)
            connection = self._books.connection
            found = newest_balances(connection, number, task.accounts, task.last)
            self._fold.compare_newest(task.last, found)
        if self._rederive is not None:
            self._rederive.end(at_head=task.at_head)
        if self._fold is not None or self._rederive is not None:
            self._identities()

    def _identities(self) -> None:
        task = self._task
        for row in self._books.unpaired(task.shard.shard, task.first, task.last):
            sequence, event_id, taken, event_hash, taken_hash = row
            if event_id is None or taken is None:
                said = "accepted events and the ids they took are not the same"
                self._own.add(sequence, "event_identity", "event_id", event_id, taken, said)
            else:
                said = f"what event {event_id} took its id with"
                values = (event_hash, taken_hash, said)
                self._own.add(sequence, "event_identity", "content_hash", *values)

    def _missing(self, expected: int, found: int | None) -> None:
        said = "rows of events are missing" if found is not None else "the books end before"
        self._own.add(expected, "event", "sequence", expected, found, said)

    def _counted(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        done = 0
        for entry in entries:
            yield entry
            done += 1
            if done % TOLD_EVERY == 0:
                self._on_events(TOLD_EVERY)
        self._on_events(done % TOLD_EVERY)

    def _chain_check(self) -> ChainCheck:
        task = self._task
        before: bytes | None = GENESIS
        if task.first > 1:
            event = self._books.event(task.shard.shard, task.first - 1)
            before = None if event is None else event.chain
        return ChainCheck(task.shard.name, self._registries, before)

    def _tree_check(self) -> TreeCheck:
        return TreeCheck(self._task.shard.name, self._task.signed)

    def _fold_check(self) -> FoldCheck:
        task = self._task
        base: dict[int, tuple[int, int]] = {}
        if task.first > 1:
            base = self._books.balances(task.shard.shard, task.first)
        return FoldCheck(task.shard.name, self._registries, base, task.signed)

    def _rederive_check(self) -> RederiveCheck | None:
        task, number = self._task, self._task.shard.shard
        before = task.first - 1
        kept = kept_states(task.signed)
        state = State(task.shard.name)
        chain = bytes(HASH_LENGTH)
        for at, _, body in self._books.snapshots(number):
            found = kept_state(body)
            if found is not None and at == before:
                state = found
            elif found is not None and task.first <= at <= task.last:
                kept.setdefault(at, []).append(KeptState.of(unpacked(body)))
        if before:
            event = self._books.event(number, before)
            unrouted = task.shard.name.startswith(UNROUTED)
            if event is None or (state.pool is None and not unrouted):
                self._remarks.append(f"not re-derived: no state after event {before} is kept")
                return None
            chain = event.chain
        shard = task.shard._replace(
            next_sequence=task.first,
            next_account=len(state.journal.keys),
            pool_time=state.pool_time,
            chain=chain,
            frontier=bytes(HASH_LENGTH) * before.bit_count(),
        )
        asked = Asked(
            lambda ids: self._books.identities(number, ids),
            lambda at: self._books.event(number, at),
        )
        shards = {head.shard.name: head.shard for head in self._books.heads()}
        return RederiveCheck(state, shard, shards, self._registries, asked, kept)
