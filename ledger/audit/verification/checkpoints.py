"""Checkpoints, keys, heads, snapshots and anchors: what is quick to check, and finds the most.

It reads what was signed, one event a checkpoint, and the newest balances; nothing of what is
between. `ledger.audit.verification.chain` holds the rows against the same checkpoints.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ledger.audit.proofs.signing import ENDORSEMENT, holds
from ledger.audit.verification.chain import Signed
from ledger.audit.verification.findings import Finding, Findings
from ledger.codec import merkle
from ledger.codec.checkpoints import (
    FIRST,
    NO_STATE,
    Checkpoint,
    MalformedCheckpoint,
    body_hash,
    decode_checkpoint,
)
from ledger.core.machine import RULES_VERSION
from ledger.ports import SigningKey, StoredEvent
from ledger.store.audit.books import Audited, Head
from ledger.store.bodies import unpacked

Anchors = Mapping[tuple[str, int], tuple[bytes, bytes]]
"""Checkpoints kept elsewhere: body and signature by (pool, sequence)."""


def trusted_keys(
    keys: Sequence[SigningKey], trust: Iterable[bytes]
) -> tuple[set[bytes], list[Finding]]:
    """Keys that endorsements lead to from the first, or from those named; what lies among them.

    Args:
        keys: That the books know, the oldest first.
        trust: Named by the auditor; then the first is not trusted for being the first.
    """
    found = Findings("")
    reached = set(trust)
    if not reached:
        reached.update(one.key for one in [key for key in keys if key.endorsed_by is None][:1])
    for one in keys:
        if one.endorsed_by is None or one.signature is None:
            continue
        if not holds(one.endorsed_by, ENDORSEMENT + one.key, one.signature):
            said = f"key {one.endorsed_by.hex()} did not sign for this one"
            found.add(0, "signing_key", "signature", "an endorsement", one.signature, said)
        elif one.endorsed_by in reached:
            reached.add(one.key)
    return reached, found.all


class Sealed(NamedTuple):
    """What a shard's checkpoints say, as far as they can be read."""

    signed: list[Signed]
    found: list[Finding]


class CheckpointCheck:
    """The checkpoints of one shard, with its head, its snapshots and its anchors."""

    def __init__(
        self, books: Audited, head: Head, trusted: set[bytes], anchors: Anchors, file: str
    ) -> None:
        """Read nothing yet.

        Args:
            books: Where they are.
            head: Of the shard.
            trusted: Keys.
            anchors: Of this and other shards.
            file: Where the anchors come from.
        """
        self.found = Findings(head.shard.name)
        self._books = books
        self._head = head
        self._shard = head.shard
        self._trusted = trusted
        self._file = file
        self._anchors = {at: one for (pool, at), one in anchors.items() if pool == head.shard.name}
        self._states: dict[int, bytes] = {}
        self._agreed = 0

    def run(self) -> Sealed:
        """Check, and hand out the checkpoints that the rows must meet."""
        signed = self._checkpoints()
        self._snapshots()
        self._rows_beyond()
        self._check_head()
        last = self._shard.next_sequence - 1
        newest = [one for one in signed if one.origin == "checkpoint"][-1:]
        for one in newest if last else ():
            self._sums(one.checkpoint)
        return Sealed(signed, self.found.all)

    def _checkpoints(self) -> list[Signed]:
        signed: list[Signed] = []
        previous = FIRST
        left = dict(self._anchors)
        for row in self._books.checkpoints(self._shard.shard):
            at = row.sequence
            anchor = left.pop(at, None)
            try:
                read = decode_checkpoint(row.body)
            except MalformedCheckpoint as fault:
                self._add(at, "body", "a checkpoint", row.body, str(fault))
            else:
                said = "the row and what was signed differ"
                self._differ(at, "pool", self._shard.name, read.pool, said)
                self._differ(at, "sequence", read.sequence, at, said)
                self._differ(at, "key", read.key, row.key, said)
                self._differ(at, "previous", previous, read.previous, "the one before is another")
                self._event_of(read)
                signed.append(Signed(read, "checkpoint"))
                self._states[at] = read.state_hash
            if not holds(row.key, row.body, row.signature):
                said = f"not signed by key {row.key.hex()}: body, key or signature were altered"
                self._add(at, "signature", "a signature over the body", row.signature, said)
            self._trust(at, row.key)
            if anchor is not None:
                self._compare(at, row.body, anchor[0])
                signed += self._anchor(at, *anchor)
            previous = body_hash(row.body)
        for at, anchor in sorted(left.items()):
            signed += self._anchor(at, *anchor)
            head = self._shard.next_sequence - 1
            if at > head:
                said = f"{self._file} has a checkpoint of event {at}: the end was cut off"
                self.found.add(head + 1, "event", "sequence", f"events up to {at}", head, said)
            else:
                said = f"{self._file} has one here: it was taken out of the books"
                self._add(at, "sequence", at, None, said)
        return signed

    def _anchor(self, at: int, body: bytes, signature: bytes) -> list[Signed]:
        read = decode_checkpoint(body)
        if not holds(read.key, body, signature):
            said = f"the checkpoint in {self._file} is not signed by its key: do not rely on it"
            self._add(at, "signature", "a signature over the body", signature, said)
            return []
        self._trust(at, read.key)
        return [Signed(read, self._file)]

    def _compare(self, at: int, body: bytes, anchor: bytes) -> None:
        """Name the fields in which the books' checkpoint differs from the one kept elsewhere."""
        if body == anchor:
            self._agreed = at
            return
        kept = decode_checkpoint(anchor)
        said = f"{self._file} has another one: rewritten between event {self._agreed + 1} and here"
        try:
            read = decode_checkpoint(body)
        except MalformedCheckpoint:
            self._add(at, "body", anchor, body, said)
            return
        for name in Checkpoint._fields:
            self._differ(at, name, getattr(kept, name), getattr(read, name), said)

    def _trust(self, at: int, key: bytes) -> None:
        if key not in self._trusted:
            said = "no endorsement leads to this key from one that is trusted; see --trust"
            self._add(at, "key", "a trusted key", key, said)

    def _event_of(self, read: Checkpoint) -> None:
        at = read.sequence
        event = self._books.event(self._shard.shard, at)
        if event is None:
            if at >= self._shard.next_sequence:
                last = self._shard.next_sequence - 1
                said = "a checkpoint tells of it: the end was cut off"
                self.found.add(last + 1, "event", "sequence", f"events up to {at}", last, said)
            elif not self._head.leaves or at >= self._head.leaves[0][0]:
                self.found.add(at, "event", "sequence", at, None, "a checkpoint tells of it")
            return
        said = "the checkpoint says so of this event"
        for name, expected in (
            ("chain", read.chain),
            ("pool_time", read.pool_time),
            ("rules", read.rules),
        ):
            self.found.differ(at, "event", name, expected, getattr(event, name), said, 2)

    def _snapshots(self) -> None:
        for at, rules, body in self._books.snapshots(self._shard.shard):
            said = "not a state; drop the snapshot, it is derived"
            try:
                state = hashlib.sha256(unpacked(body)).digest()
            except zlib.error as fault:
                self.found.add(at, "snapshot", "body", "a packed state", str(fault), said)
                continue
            expected = self._states.get(at)
            if expected is not None and expected != NO_STATE:
                said = "the checkpoint has another state; drop the snapshot, it is derived"
                self.found.differ(at, "snapshot", "body", expected, state, said)
            event = self._books.event(self._shard.shard, at)
            if event is None:
                if not self._head.leaves or at >= self._head.leaves[0][0]:
                    said = "no event of the books has this number"
                    self.found.add(at, "snapshot", "sequence", "an event", at, said)
            else:
                self._snapshot_rules(event, rules)

    def _snapshot_rules(self, event: StoredEvent, rules: int) -> None:
        at = event.sequence
        after = self._books.event(self._shard.shard, at + 1)
        most = RULES_VERSION if after is None else after.rules
        if not event.rules <= rules <= max(most, event.rules):
            said = "the rules in force lie between those of this event and of the next"
            self.found.add(at, "snapshot", "rules", f"{event.rules} to {most}", rules, said)

    def _rows_beyond(self) -> None:
        last = self._shard.next_sequence - 1
        for table in ("event", "posting", "record", "event_identity", "snapshot", "checkpoint"):
            found = self._books.beyond(table, self._shard.shard, last)
            if found is not None:
                said = f"{table} goes on behind the shard's head"
                self.found.add(last + 1, "shard", "next_sequence", found + 1, last + 1, said, 2)

    def _check_head(self) -> None:
        shard, last = self._shard, self._shard.next_sequence - 1
        said = "the shard's head differs from its last event"
        event = self._books.event(shard.shard, last) if last else None
        if event is not None:
            for name in ("chain", "pool_time"):
                expected, found = getattr(event, name), getattr(shard, name)
                self.found.differ(last, "shard", name, expected, found, said, 2)
        elif not last:
            for name, empty in (("chain", bytes(32)), ("pool_time", None)):
                self.found.differ(0, "shard", name, empty, getattr(shard, name), said, 2)
        length = last.bit_count() * merkle.HASH_LENGTH
        said = "the frontier of a tree has one hash for each bit of its size"
        self.found.differ(last, "shard", "frontier", length, len(shard.frontier), said, 2)
        accounts = self._books.accounts(shard.shard)
        next_account = max((one.account for one in accounts), default=0) + 1
        said = "the registry of accounts ends elsewhere"
        self.found.differ(last, "shard", "next_account", next_account, shard.next_account, said, 2)
        end = self._head.leaves[-1][1] if self._head.leaves else None
        if end is not None:
            said = "partitions end elsewhere"
            self.found.differ(last, "shard", "leaves_end", end, self._head.leaves_end, said, 2)

    def _sums(self, newest: Checkpoint) -> None:
        held_from = self._head.leaves[0][0] if self._head.leaves else 1
        if not held_from - 1 <= newest.sequence < self._shard.next_sequence:
            return
        found = {row[0]: row for row in self._books.sums(self._shard.shard, newest.sequence)}
        for one in newest.sums:
            balances = found.pop(one.asset, None)
            said = f"balances of {one.asset} after this event, against its checkpoint"
            self.found.differ(newest.sequence, "checkpoint", "sums", tuple(one), balances, said, 2)

    def _add(self, at: int, field: str, expected: object, found: object, says: str) -> None:
        self.found.add(at, "checkpoint", field, expected, found, says, 2)

    def _differ(self, at: int, field: str, expected: object, found: object, says: str) -> None:
        self.found.differ(at, "checkpoint", field, expected, found, says, 2)
