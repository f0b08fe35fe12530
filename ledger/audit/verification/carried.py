"""What was carried from detached partitions, held against all that the books still have of them.

* The partitions follow each other from event 1 up to the first event at hand.
* Each row is of one of them, and both hashes of each are those of its rows.
* Pool times ascend, between those of checkpoints on the way and of the first event at hand.
* The posting of an account after what is carried goes on from there.
* What has not moved since is what the newest kept state says; that one a checkpoint names.
* Where nothing was detached, nothing is carried.

Terms and prices are checked by `verify_carried_terms`; sums over all accounts, against the newest
checkpoint and those on the way, by `checkpoints` and `fold` beside this. Who rewrites rows and
hashes alike can alter only what none of these know: in which detached event an idle account moved
last or terms were told, and what later rows replaced. The archive does.

Cost: one walk over the carried rows, two index probes an account, one a subject. Memory: a state.
"""

import hashlib
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ledger.arrivals import UNROUTED
from ledger.audit.verification.carried_terms import check_terms
from ledger.audit.verification.chain import Registries, Signed
from ledger.audit.verification.findings import Finding, Findings
from ledger.audit.verification.tasks import kept_state
from ledger.core.state import State
from ledger.store.audit import carried
from ledger.store.audit.books import Audited, Head
from ledger.store.audit.carried import CarriedLeaf, Seam
from ledger.store.bodies import unpacked


class _Hashes(NamedTuple):
    """What a partition's hashes should be, as far as rows were seen."""

    leaf: CarriedLeaf
    balances: "hashlib._Hash"
    facts: "hashlib._Hash"


def check_carried(books: Audited, head: Head, signed: Sequence[Signed]) -> list[Finding]:
    """What is wrong with the rows carried in one shard; `signed` are its checkpoints."""
    leaves = carried.leaves(books.connection, head.shard.shard)
    return _Check(books, head, leaves, signed).run()


class _Check:
    def __init__(
        self, books: Audited, head: Head, leaves: list[CarriedLeaf], signed: Sequence[Signed]
    ) -> None:
        self._books = books
        self._shard = head.shard
        self._leaves = leaves
        self._signed = signed
        self._held_from = head.leaves[0][0] if head.leaves else 1
        self._last = leaves[-1].last if leaves else 0
        self._found = Findings(head.shard.name)
        number = head.shard.shard
        self._registries = Registries(books.accounts(number), books.commodities(number))

    def run(self) -> list[Finding]:
        self._tiled()
        self._timed()
        self._rows()
        if self._leaves or self._held_from > 1:
            self._seams()
        return self._found.all

    def _tiled(self) -> None:
        said = "detached partitions follow each other from event 1 to the first event at hand"
        expected = 1
        for leaf in self._leaves:
            self._differ(leaf.last, "carried_leaf", "first", expected, leaf.first, said)
            expected = leaf.last + 1
        ends = {expected, self._leaves[-1].first if self._leaves else expected}
        if self._held_from not in ends:  # the newest may be carried and not detached yet
            at = self._last or self._held_from
            self._add(at, "carried_leaf", "last", self._held_from - 1, self._last, said)

    def _timed(self) -> None:
        """Pool time never goes back, nor differs from that of checkpoints and of the next event."""
        ends = {one.last for one in self._leaves}
        times = [(one.last, one.pool_time or 0, 1) for one in self._leaves]
        for checkpoint, _ in self._signed:
            if checkpoint.sequence <= self._last:
                times.append((checkpoint.sequence, checkpoint.pool_time or 0, 0))
        after = self._books.event(self._shard.shard, self._last + 1) if ends else None
        if after is not None:
            times.append((after.sequence, after.pool_time or 0, 2))
        for (at, before, _), (then, time, _) in pairwise(sorted(times)):
            if before > time or (at == then and before != time):
                said = f"pool time never goes back, and it is {time} at event {then}"
                self._add(at, "carried_leaf", "pool_time", f"{time} or less", before, said)

    def _rows(self) -> None:
        hashes = self._headed()
        connection, shard = self._books.connection, self._shard.shard
        for row in carried.balances(connection, shard):
            of = self._leaf_of(hashes, row.sequence, "carried_balance")
            if of is not None:
                of.balances.update(f"{' '.join(map(str, row))}\n".encode())
            said = f"account {row.account} holds this"
            held = self._registries.commodity_of.get(row.account)
            self._differ(row.sequence, "carried_balance", "commodity", held, row.commodity, said)
        for kind, subject, sequence, occurred_at, content in carried.facts(connection, shard):
            of = self._leaf_of(hashes, sequence, "carried_fact")
            if of is not None:
                line = f"{kind} {subject.encode().hex()} {sequence} {occurred_at} {content.hex()}\n"
                of.facts.update(line.encode())
        for of in hashes:
            first, last = of.leaf.first, of.leaf.last
            for table, made, stored in (
                ("carried_balance", of.balances, of.leaf.balances),
                ("carried_fact", of.facts, of.leaf.facts),
            ):
                if made.digest() != stored:
                    said = (
                        f"rows of events {first} to {last} were altered, or their hash in"
                        " carried_leaf, or the one before: compare with the archive"
                    )
                    self._add(last, table, "hash of rows", made.digest(), stored, said, 1)

    def _headed(self) -> list[_Hashes]:
        """Begun with what stands above the rows."""
        headed = []
        for before, leaf in pairwise([None, *self._leaves]):
            assert leaf is not None
            above = "" if before is None else f"{before.balances.hex()} {before.facts.hex()}"
            pool_time = "-" if leaf.pool_time is None else leaf.pool_time
            line = f"{above}\n{leaf.first} {leaf.last} {pool_time}\n".encode()
            headed.append(_Hashes(leaf, hashlib.sha256(line), hashlib.sha256(line)))
        return headed

    def _leaf_of(self, hashes: list[_Hashes], sequence: int, table: str) -> _Hashes | None:
        for of in hashes:
            if of.leaf.first <= sequence <= of.leaf.last:
                return of
        said = "an event of no partition that was detached"
        expected = f"1 to {self._last}" if self._last else "no row"
        self._add(sequence, table, "sequence", expected, sequence, said)
        return None

    def _seams(self) -> None:
        at, state = self._kept_state()
        if state is not None:
            number = self._shard.shard
            check_terms(self._books, number, self._last, at, state, self._found)
        for seam in carried.seams(self._books.connection, self._shard.shard, self._last):
            self._goes_on(seam)
            if state is not None:
                moved = seam.sequence is not None and seam.sequence <= at
                if not moved:
                    self._compare(at, state, seam)

    def _goes_on(self, seam: Seam) -> None:
        """The next posting of an account counts and adds from what is carried."""
        if seam.sequence is None:
            return
        assert seam.postings is not None
        said = f"event {seam.sequence} goes on from this in account {seam.account}"
        names = (
            ("account_sequence", seam.postings - 1, seam.carried_postings or 0),
            ("balance", seam.before, seam.carried or 0),
        )
        for name, expected, found in names:
            self._differ(self._last, "carried_balance", name, expected, found, said)

    def _compare(self, at: int, state: State, seam: Seam) -> None:
        """What has not moved since it was carried is what a later state says."""
        journal, number = state.journal, seam.account
        known = number < len(journal.keys)
        said = f"account {number}, idle since then, in the state that was kept after event {at}"
        names = (
            (
                "account_sequence",
                journal.sequences[number] if known else 0,
                seam.carried_postings or 0,
            ),
            ("balance", journal.balances[number] if known else 0, seam.carried or 0),
        )
        for name, expected, found in names:
            self._differ(self._last, "carried_balance", name, expected, found, said)

    def _kept_state(self) -> tuple[int, State | None]:
        """The newest state kept since that a checkpoint names; it is told where there is none."""
        if self._shard.name.startswith(UNROUTED):
            return 0, None
        named = {one.checkpoint.sequence: one.checkpoint.state_hash for one in self._signed}
        kept: list[int] = []
        newest: tuple[int, State] | None = None
        for at, _, body in self._books.snapshots(self._shard.shard):
            if at >= self._last:
                kept.append(at)
                state = kept_state(body)
                if state is not None and named.get(at) == _state_hash(body):
                    newest = at, state
        if newest is not None:
            return newest
        said = (
            "no state kept since is that of a checkpoint, so accounts at rest are held against"
            " nothing: let the writer keep one (stop it in good order once)"
        )
        found = ", ".join(str(at) for at in kept) or None
        self._add(self._last, "snapshot", "sequence", "a state of a checkpoint", found, said, 2)
        return 0, None

    def _add(
        self,
        at: int,
        table: str,
        field: str,
        expected: object,
        found: object,
        says: str,
        rank: int = 0,
    ) -> None:
        self._found.add(at, table, field, expected, found, says, rank)

    def _differ(
        self, at: int, table: str, field: str, expected: object, found: object, says: str
    ) -> None:
        self._found.differ(at, table, field, expected, found, says)


def _state_hash(body: bytes) -> bytes | None:
    try:
        return hashlib.sha256(unpacked(body)).digest()
    except zlib.error:
        return None
