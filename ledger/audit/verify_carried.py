"""What was carried from detached partitions, held against all that the books still have of them.

* The partitions follow each other from event 1 up to the first event at hand.
* Each row is of one of them, and both hashes of each are those of its rows.
* The posting of an account after what is carried goes on from there.
* What has not moved since is what the newest kept state says, which a checkpoint names.

Sums over all accounts against the newest checkpoint, and against those on the way, are checked by
`verify_checkpoints` and `verify_fold`. Who rewrites rows and hashes alike can alter only what none
of these know: in which detached event an idle account moved last, and old terms. The archive does.

Cost: one walk over the carried rows, two index probes an account. Memory: a state.
"""

import hashlib
from itertools import pairwise
from typing import NamedTuple

from ledger.audit.findings import Finding, Findings
from ledger.audit.verify_chain import Registries
from ledger.audit.verify_tasks import kept_state
from ledger.core.state import State
from ledger.store import carried
from ledger.store.auditing import Audited, Head
from ledger.store.carried import CarriedLeaf, Seam


class _Hashes(NamedTuple):
    """What a partition's hashes should be, as far as rows were seen."""

    leaf: CarriedLeaf
    balances: "hashlib._Hash"
    facts: "hashlib._Hash"


def check_carried(books: Audited, head: Head) -> list[Finding]:
    """What is wrong with the rows carried in one shard."""
    leaves = carried.leaves(books.connection, head.shard.shard)
    held_from = head.leaves[0][0] if head.leaves else 1
    if not leaves and held_from == 1:
        return []
    return _Check(books, head, leaves, held_from).run()


class _Check:
    def __init__(
        self, books: Audited, head: Head, leaves: list[CarriedLeaf], held_from: int
    ) -> None:
        self._books = books
        self._shard = head.shard
        self._leaves = leaves
        self._held_from = held_from
        self._last = leaves[-1].last if leaves else 0
        self._found = Findings(head.shard.name)
        number = head.shard.shard
        self._registries = Registries(books.accounts(number), books.commodities(number))

    def run(self) -> list[Finding]:
        self._tiled()
        self._rows()
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
        self._add(sequence, table, "sequence", f"1 to {self._last}", sequence, said)
        return None

    def _seams(self) -> None:
        at, state = self._kept_state()
        for seam in carried.seams(self._books.connection, self._shard.shard, self._last):
            self._goes_on(seam)
            if state is not None and seam.carried_postings is not None:
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
            ("account_sequence", journal.sequences[number] if known else 0, seam.carried_postings),
            ("balance", journal.balances[number] if known else 0, seam.carried),
        )
        for name, expected, found in names:
            self._differ(self._last, "carried_balance", name, expected, found, said)

    def _kept_state(self) -> tuple[int, State | None]:
        """The newest state kept since, where one can be read."""
        kept = [one for one in self._books.snapshots(self._shard.shard) if one[0] >= self._last]
        for at, _, body in reversed(kept):
            state = kept_state(body)
            if state is not None:
                return at, state
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
