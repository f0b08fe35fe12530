"""Files that prove an event, a posting or the growth of the books against a published checkpoint.

Rules of this file:

* Nothing is handed out that does not hold here: a leaf is made anew from its rows, and the paths
  must lead to the roots of the checkpoints. What does not is a fault of the books, and is named.
* A posting names its account and commodity by numbers. Who they are stands in the outcomes of the
  events that opened them, so these are proved in the same file.

Form of the files, which tools/check_proof.py reads: docs/spec/canonical-bytes.md.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from ledger.audit.proofs.tree_paths import (
    consistency_nodes,
    folded,
    frontier_nodes,
    path_nodes,
)
from ledger.codec.canonical import (
    EncodedRecord,
    event_bytes,
    leaf_hash,
    outcome_bytes,
    posting_bytes,
)
from ledger.codec.checkpoints import Checkpoint, checkpoint_line, decode_checkpoint
from ledger.codec.lines import opened_by
from ledger.codec.merkle import root
from ledger.core.outcome import Commodity, OpenedAccount, Posting
from ledger.errors import ConfigurationError, LedgerError
from ledger.ports import SignedCheckpoint, StoredEvent

FORMAT = 1

_ELSEWHERE = ": what retention took away is in the archive, --archive DIR"

Proof = dict[str, Any]
OnLeaves = Callable[[int], object]
"""Told how many more leaves were read."""

_TOLD_EVERY = 10_000


class Books(Protocol):
    """Rows of one shard: `ledger.store.audit.evidence`, `ledger.audit.archive.evidence`."""

    @property
    def pool(self) -> str: ...

    def event(self, sequence: int) -> StoredEvent | None: ...

    def postings(self, sequence: int) -> list[Posting]: ...

    def records(self, sequence: int) -> list[EncodedRecord]: ...

    def accounts(self, first: int, last: int) -> list[OpenedAccount]: ...

    def commodities(self) -> Sequence[tuple[Commodity, int]]: ...

    def first_posted(self, account: int) -> int | None: ...

    def leaves(self, size: int) -> Iterator[tuple[int, bytes]]: ...

    def checkpoints(self, first: int) -> Iterator[SignedCheckpoint]: ...

    def scales(self) -> dict[str, int]: ...

    def sequence_of(self, event_id: str) -> int | None: ...


class BooksDiffer(LedgerError):
    """The books do not lead to their own hashes: `clearing verify` tells where."""


class _Made(NamedTuple):
    """An event to prove: its parts, the leaf that they lead to, the accounts that it opened."""

    sequence: int
    event: bytes
    outcome: bytes
    leaf: bytes
    opened: Sequence[int]


def prove_event(books: Books, sequence: int, at: int | None, on_leaves: OnLeaves) -> Proof:
    """That an event and what it led to stand in the books of a checkpoint.

    Args:
        books: Of the shard.
        sequence: Which event, accepted or refused.
        at: Sequence of the checkpoint; None takes the first that includes the event.
        on_leaves: Told of progress.

    Raises:
        ConfigurationError: There is no such event or checkpoint.
        BooksDiffer: The books do not lead to their hashes.
    """
    event = _event(books, sequence)
    signed = _including(books, sequence, at)
    made = _made(books, event)
    (shown,) = _included(books, signed, [made], on_leaves)
    return {
        "format": FORMAT,
        "kind": "event",
        "pool": books.pool,
        **shown,
        "checkpoint": _published(books, signed),
    }


def prove_posting(
    books: Books, sequence: int, line: int, at: int | None, on_leaves: OnLeaves
) -> Proof:
    """That a posting stands in the books of a checkpoint, with its account and commodity.

    Args:
        books: Of the shard.
        sequence, line: Its address.
        at, on_leaves: As of `prove_event`.

    Raises:
        ConfigurationError: There is no such posting or checkpoint.
        BooksDiffer: The books do not lead to their hashes.
    """
    event = _event(books, sequence)
    postings = books.postings(sequence)
    if not 1 <= line <= len(postings):
        raise ConfigurationError(
            f"event {sequence} of pool {books.pool} has {len(postings)} postings, none at {line}"
        )
    signed = _including(books, sequence, at)
    opened = {made.sequence: made for made in _opened_by(books, postings[line - 1])}
    opened.pop(sequence, None)
    made = [_made(books, event), *(opened[other] for other in sorted(opened))]
    shown, *registry = _included(books, signed, made, on_leaves)
    return {
        "format": FORMAT,
        "kind": "posting",
        "pool": books.pool,
        "line": line,
        **shown,
        "registry": registry,
        "checkpoint": _published(books, signed),
    }


def prove_consistency(books: Books, older: int, newer: int, on_leaves: OnLeaves) -> Proof:
    """That the books of one checkpoint are the beginning of those of a later one.

    Args:
        books: Of the shard.
        older, newer: Sequences of the two checkpoints.
        on_leaves: Told of progress.

    Raises:
        ConfigurationError: One of them is not a checkpoint, or they stand the other way round.
        BooksDiffer: The books do not lead to their hashes.
    """
    if older > newer:
        raise ConfigurationError(f"checkpoint {older} is not before {newer}: name the older first")
    first, second = _including(books, older, older), _including(books, newer, newer)
    needed = consistency_nodes(older, newer)
    perfect = frontier_nodes(older)
    found = folded(_leaves(books, newer, on_leaves), newer, [*needed, *perfect])
    _hold(books, decode_checkpoint(first.body), root([found[each] for each in perfect]))
    _hold(books, decode_checkpoint(second.body), found[0, newer])
    return {
        "format": FORMAT,
        "kind": "consistency",
        "pool": books.pool,
        "path": [found[each].hex() for each in needed],
        "older": _published(books, first),
        "newer": _published(books, second),
    }


def _event(books: Books, sequence: int) -> StoredEvent:
    event = books.event(sequence)
    if event is None:
        raise ConfigurationError(f"pool {books.pool} has no event {sequence} here{_ELSEWHERE}")
    return event


def _including(books: Books, sequence: int, at: int | None) -> SignedCheckpoint:
    signed = next(books.checkpoints(sequence if at is None else at), None)
    if at is not None and (signed is None or signed.sequence != at):
        raise ConfigurationError(f"pool {books.pool} has no checkpoint at event {at}")
    if signed is None:
        raise ConfigurationError(
            f"pool {books.pool} has no checkpoint at event {sequence} or after it: make one with"
            " `clearing checkpoint`"
        )
    if signed.sequence < sequence:
        raise ConfigurationError(f"the checkpoint at {at} does not include event {sequence}")
    return signed


def _included(
    books: Books, signed: SignedCheckpoint, made: Sequence[_Made], on_leaves: OnLeaves
) -> list[Proof]:
    """Each event with its path to the root of a checkpoint, in one pass over the leaves."""
    checkpoint = decode_checkpoint(signed.body)
    size = checkpoint.sequence
    paths = [path_nodes(one.sequence - 1, size) for one in made]
    own = [(one.sequence - 1, one.sequence) for one in made]
    found = folded(_leaves(books, size, on_leaves), size, [*own, *(n for p in paths for n in p)])
    for one, node in zip(made, own, strict=True):
        if found[node] != one.leaf:
            raise _differs(books, one.sequence, "leaf", one.leaf, found[node])
    _hold(books, checkpoint, found[0, size])
    return [
        {
            "sequence": one.sequence,
            "event": one.event.hex(),
            "outcome": one.outcome.hex(),
            "path": [found[each].hex() for each in path],
        }
        for one, path in zip(made, paths, strict=True)
    ]


def _leaves(books: Books, size: int, on_leaves: OnLeaves) -> Iterator[bytes]:
    expected = 0
    for sequence, leaf in books.leaves(size):
        expected += 1
        if sequence != expected:
            break
        if not expected % _TOLD_EVERY:
            on_leaves(_TOLD_EVERY)
        yield leaf
    else:
        if expected == size:
            return
        expected += 1
    raise LedgerError(
        f"event {expected} of pool {books.pool} is not in these books{_ELSEWHERE}; else run"
        " `clearing verify`"
    )


def _hold(books: Books, checkpoint: Checkpoint, found: bytes) -> None:
    if checkpoint.pool != books.pool:
        raise BooksDiffer(f"a checkpoint of {checkpoint.pool} stands in the books of {books.pool}")
    if found != checkpoint.root:
        raise _differs(books, checkpoint.sequence, "Merkle root", checkpoint.root, found)


def _differs(books: Books, sequence: int, what: str, expected: bytes, found: bytes) -> BooksDiffer:
    return BooksDiffer(
        f"pool {books.pool}, event {sequence}: {what} should be {expected.hex()}, found"
        f" {found.hex()}: the books were altered, run `clearing verify`"
    )


def _published(books: Books, signed: SignedCheckpoint) -> Proof:
    """A checkpoint as it is published."""
    line = checkpoint_line(signed.body, signed.signature, books.scales())
    return dict(json.loads(line))


def _opened_by(books: Books, posting: Posting) -> Iterator[_Made]:
    """The events that opened a posting's account and commodity: those of their first postings."""
    firsts = {known.commodity: account for known, account in books.commodities()}
    for account in (posting.account, firsts[posting.commodity]):
        first = books.first_posted(account)
        if first is None:
            raise LedgerError(
                f"pool {books.pool}: no event here opened account {account}{_ELSEWHERE}; else run"
                " `clearing verify`"
            )
        yield _made(books, _event(books, first))


def _made(books: Books, event: StoredEvent) -> _Made:
    """An event's canonical parts, from its rows.

    Raises:
        BooksDiffer: They do not lead to the stored leaf.
    """
    content = event_bytes(books.pool, event)
    postings, records = books.postings(event.sequence), books.records(event.sequence)
    opened = opened_by(postings)
    registered = books.accounts(opened[0], opened[-1]) if opened else []
    accounts = [account for account in registered if account.account in opened]
    known = books.commodities() if opened else []
    commodities = [commodity for commodity, first in known if first in opened]
    outcome = outcome_bytes(commodities, accounts, posting_bytes(postings), records)
    leaf = leaf_hash(content, outcome)
    if leaf != event.leaf:
        raise _differs(books, event.sequence, "leaf", leaf, event.leaf)
    return _Made(event.sequence, content, outcome, leaf, opened)
