"""What is replayed, as a replay asks it: rows by range, and what stands beside the events."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from ledger.batch import Draft
from ledger.codec.canonical import EncodedRecord
from ledger.codec.checkpoints import MalformedCheckpoint, decode_checkpoint
from ledger.codec.states import UnknownFormat, decode_state
from ledger.core.machine import RULES_VERSION
from ledger.core.outcome import Commodity, OpenedAccount, Posting
from ledger.core.state import State
from ledger.ports import Log, Offset, Shard, SignedCheckpoint, SigningKey, StoredEvent
from ledger.store.audit.archive import Heads


class Books(Protocol):
    """A database (`ledger.store.audit.archive`), or an archive (`ledger.audit.archive.archived`).

    Postings and records come in order of sequence and line.
    """

    def heads(self) -> Heads: ...

    def events(self, shard: int, first: int, last: int) -> Iterator[StoredEvent]: ...

    def postings(self, shard: int, first: int, last: int) -> Iterator[tuple[int, int, Posting]]: ...

    def records(
        self, shard: int, first: int, last: int
    ) -> Iterator[tuple[int, int, EncodedRecord]]: ...

    def accounts(self, shard: int) -> Sequence[OpenedAccount]: ...

    def commodities(self, shard: int) -> Sequence[Commodity]: ...

    def states(self, shard: int, first: int, last: int) -> Iterable[tuple[int, bytes]]: ...

    def checkpoints(self, shard: int, first: int, last: int) -> Iterable[SignedCheckpoint]: ...

    def keys(self) -> Sequence[SigningKey]: ...


def kept_hashes(books: Books, head: Shard) -> dict[int, bytes]:
    """Hashes of a shard's kept states, by sequence; snapshots of other formats are left out."""
    last = head.next_sequence - 1
    found: dict[int, bytes] = {}
    for sequence, body in books.states(head.shard, 1, last):
        try:
            decode_state(body)
        except UnknownFormat:
            continue
        found[sequence] = hashlib.sha256(body).digest()
    for checkpoint in books.checkpoints(head.shard, 1, last):
        if not head.name.startswith("@"):
            found[checkpoint.sequence] = _state_hash(checkpoint.body)
    return found


def registries_of(state: State) -> tuple[list[OpenedAccount], list[Commodity]]:
    """Accounts and commodities by number, as a state has them."""
    journal = state.journal
    accounts = [
        OpenedAccount(number, *key) for number, key in islice(enumerate(journal.keys), 1, None)
    ]
    return accounts, list(journal.commodities[1:])


def hand_over(
    books: Books, log: Log, head: Shard, offsets: Sequence[Offset], rebuilt: Shard, state: State
) -> Shard:
    """Take over what the events do not lead to: offsets, duplicates, keys and checkpoints.

    Args:
        books: Replayed.
        log: The new books.
        head: Of the shard in the books replayed.
        offsets: Of it.
        rebuilt: Its head in the new books, where nothing differs.
        state: There.

    Returns:
        The new head.
    """
    draft = Draft(rebuilt, state, RULES_VERSION)
    draft.duplicates = head.duplicates - rebuilt.duplicates
    for offset in offsets:
        draft.offsets[offset.source, offset.partition] = offset.next_offset
    log.append([draft.finished()])
    known = books.keys()
    for key in known:
        log.add_signing_key(key, lost=key.endorsed_by is None)
    newest = log.latest_checkpoint(rebuilt.shard)
    after = 0 if newest is None else newest.sequence
    for checkpoint in books.checkpoints(head.shard, after + 1, head.next_sequence - 1):
        log.save_checkpoint(rebuilt.shard, checkpoint, after)
        after = checkpoint.sequence
    return draft.committed()


def _state_hash(body: bytes) -> bytes:
    """The state hash in a checkpoint; of one that cannot be read, what no state has."""
    try:
        return decode_checkpoint(body).state_hash
    except MalformedCheckpoint:
        return b""
