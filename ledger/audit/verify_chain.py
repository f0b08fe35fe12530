"""Every leaf and chain hash made again from the rows; the Merkle tree made again from the leaves.

Which accounts an event opened is not a column. They are numbered in order of first use, so an event
opened at least those up to the largest number that it posts to; now and then it opens one that it
posts nothing to (a cost that rounds to zero), so where the leaf does not match, a few more are
tried. A leaf that matches settles it; nothing else can be found by trying.

Cost: about 10 us for a trade of nine postings, without reading.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ledger.audit.findings import Findings
from ledger.codec import merkle
from ledger.codec.canonical import chain_hash, event_bytes, leaf_hash, outcome_bytes
from ledger.codec.checkpoints import Checkpoint
from ledger.core.outcome import Commodity, OpenedAccount
from ledger.store.auditing import Entry

OPENED_TRIED_MAX = 8
"""Accounts opened without a posting that are tried for, at either end."""

_ALTERED = (
    "the event's row, its source, postings, records or opened accounts are not those that were"
    " hashed; `--mode rederive` tells which"
)


class Registries:
    """Accounts and commodities by number, and which account was the first to hold which."""

    def __init__(self, accounts: Sequence[OpenedAccount], commodities: Sequence[Commodity]) -> None:
        """Keep them."""
        self.accounts = {account.account: account for account in accounts}
        self.commodities = {commodity.commodity: commodity for commodity in commodities}
        held = {(one.asset, one.instrument): one.commodity for one in commodities}
        self.commodity_of: dict[int, int | None] = {}
        self._reached = [0]
        for number in range(1, max(self.accounts, default=0) + 1):
            account = self.accounts.get(number)
            if account is not None:
                instrument = account.instrument if account.asset is None else None
                self.commodity_of[number] = held.get((account.asset, instrument))
            self._reached.append(max(self._reached[-1], self.commodity_of.get(number) or 0))

    @property
    def last(self) -> int:
        """The largest number of an account."""
        return len(self._reached) - 1

    def opened(self, first: int, last: int) -> tuple[list[Commodity], list[OpenedAccount]]:
        """What was opened with the accounts of these numbers."""
        accounts = [self.accounts[n] for n in range(first, last + 1) if n in self.accounts]
        before = self._reached[min(first - 1, self.last)]
        reached = self._reached[min(max(last, first - 1), self.last)]
        numbers = range(before + 1, reached + 1)
        return [self.commodities[n] for n in numbers if n in self.commodities], accounts


class ChainCheck:
    """Leaves and chain of a range of events."""

    def __init__(
        self, pool: str, registries: Registries, before: bytes | None, opened: int
    ) -> None:
        """Begin behind an event.

        Args:
            pool: Name of the shard.
            registries: Of the shard.
            before: Chain after that event; zeros before the first; None: not at hand, the first
                link is believed.
            opened: Accounts opened by then, at least.
        """
        self.found = Findings(pool)
        self._pool = pool
        self._registries = registries
        self._chain = before
        self._opened = opened
        self._settled = opened == 0

    def take(self, entry: Entry) -> None:
        """Check an event."""
        event = entry.event
        leaf = self._leaf(entry)
        if leaf is None:
            leaf = self._made(entry, self._opened + 1, max(self._opened, _needed(entry)))
            self._opened = max(self._opened, _needed(entry))
            self._settled = False
            self.found.add(event.sequence, "event", "leaf", leaf, event.leaf, _ALTERED, 1)
        if self._chain is not None:
            chain = chain_hash(self._chain, event.leaf)
            said = "this event does not follow the one that stands before it"
            self.found.differ(event.sequence, "event", "chain", chain, event.chain, said, 2)
        self._chain = event.chain

    def end(self, *, at_head: bool) -> None:
        """Check that every account was opened by an event."""
        left = self._registries.last - self._opened
        if at_head and self._settled and left > 0:
            first = self._registries.accounts.get(self._opened + 1)
            self.found.add(
                0,
                "account",
                "account",
                f"accounts up to {self._opened}",
                first or self._registries.last,
                "no event opened it",
            )

    def _leaf(self, entry: Entry) -> bytes | None:
        """The leaf as stored, where some opened accounts lead to it; else None."""
        needed = _needed(entry)
        starts = [self._opened]
        if not self._settled:
            starts += range(self._opened + 1, self._opened + OPENED_TRIED_MAX)
        for start in starts:
            least = max(start, needed)
            for last in range(least, min(least + OPENED_TRIED_MAX, self._registries.last) + 1):
                if self._made(entry, start + 1, last) == entry.event.leaf:
                    if last > start:
                        self._settled, self._opened = True, last
                    return entry.event.leaf
        if self._made(entry, self._opened + 1, self._opened) == entry.event.leaf:
            return entry.event.leaf
        return None

    def _made(self, entry: Entry, first: int, last: int) -> bytes:
        commodities, accounts = self._registries.opened(first, last)
        try:
            led_to = outcome_bytes(
                commodities,
                accounts,
                [posting for _, posting in entry.postings],
                [record[1:] for record in entry.records],
            )
            return leaf_hash(event_bytes(self._pool, entry.event), led_to)
        except (struct.error, OverflowError, ValueError):
            return b""  # a number that no row of ours can hold has no bytes


class Signed(NamedTuple):
    """A checkpoint to be met, and where it was found: `checkpoint`, or the name of a file."""

    checkpoint: Checkpoint
    origin: str


class TreeCheck:
    """The tree over all leaves from the first event on, held against checkpoints on the way."""

    def __init__(self, pool: str, signed: Iterable[Signed]) -> None:
        """Begin with no event."""
        self.found = Findings(pool)
        self.frontier: list[bytes] = []
        self.size = 0
        self._broken = False
        self.chain = bytes(merkle.HASH_LENGTH)
        self._signed: dict[int, list[Signed]] = {}
        for one in signed:
            self._signed.setdefault(one.checkpoint.sequence, []).append(one)

    @property
    def root(self) -> bytes | None:
        """Of all leaves so far; None when some were missing."""
        return None if self._broken else merkle.root(self.frontier)

    def take(self, sequence: int, leaf: bytes, chain: bytes) -> None:
        """Add the next event's leaf; after a gap there is no tree."""
        if sequence != self.size + 1:
            self._broken = True
        if self._broken:
            return
        merkle.grow(self.frontier, self.size, leaf)
        self.size += 1
        self.chain = chain
        if self.size in self._signed:
            root = merkle.root(self.frontier)
            for checkpoint, origin in self._signed[self.size]:
                said = f"{origin} says so of the books up to here: something before was rewritten"
                for name, found in (("root", root), ("chain", chain)):
                    expected = getattr(checkpoint, name)
                    self.found.differ(self.size, "event", name, expected, found, said, 2)

    def end(self, chain: bytes, frontier: bytes, last: int | None = None) -> None:
        """Compare with the shard's head; not where it is at an event whose row is missing."""
        if self._broken or last not in {None, self.size}:
            return
        said = "the shard's head differs from its events"
        if self.size:
            self.found.differ(self.size, "shard", "chain", self.chain, chain, said, 2)
        packed = merkle.packed(self.frontier)
        self.found.differ(self.size, "shard", "frontier", packed, frontier, said, 2)


def _needed(entry: Entry) -> int:
    return max((posting.account for _, posting in entry.postings), default=0)
