"""Every leaf and chain hash made again from the rows; the Merkle tree made again from the leaves.

Which accounts an event opened is not a column: an account is opened by its first posting, and a
commodity by the first account that holds it.

Cost: about 4 us for a trade of nine postings, without reading.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ledger.audit.verification.findings import Findings
from ledger.codec import merkle
from ledger.codec.canonical import GENESIS, chain_hash, event_bytes, leaf_hash, outcome_bytes
from ledger.codec.checkpoints import Checkpoint
from ledger.core.outcome import Commodity, OpenedAccount
from ledger.store.audit.books import Entry

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
        firsts: dict[int, int] = {}
        for number, account in sorted(self.accounts.items()):
            instrument = account.instrument if account.asset is None else None
            commodity = held.get((account.asset, instrument))
            self.commodity_of[number] = commodity
            if commodity is not None:
                firsts.setdefault(commodity, number)
        self._opened_with = {number: commodity for commodity, number in firsts.items()}

    @property
    def last(self) -> int:
        """The largest number of an account."""
        return max(self.accounts, default=0)

    def opened(self, numbers: Sequence[int]) -> tuple[list[Commodity], list[OpenedAccount]]:
        """What was opened with the accounts of these numbers, which ascend."""
        accounts = [self.accounts[n] for n in numbers if n in self.accounts]
        held = sorted(self._opened_with[n] for n in numbers if n in self._opened_with)
        return [self.commodities[n] for n in held], accounts


class ChainCheck:
    """Leaves and chain of a range of events."""

    def __init__(self, pool: str, registries: Registries, before: bytes | None) -> None:
        """Begin behind an event.

        Args:
            pool: Name of the shard.
            registries: Of the shard.
            before: Chain after that event; zeros before the first; None: not at hand, the first
                link is believed.
        """
        self.found = Findings(pool)
        self._pool = pool
        self._registries = registries
        self._chain = before
        self._opened = 0 if before == GENESIS else None

    def take(self, entry: Entry) -> None:
        """Check an event."""
        event = entry.event
        leaf = self.leaf(entry)
        self.found.differ(event.sequence, "event", "leaf", leaf, event.leaf, _ALTERED, 1)
        if self._chain is not None:
            chain = chain_hash(self._chain, event.leaf)
            said = "this event does not follow the one that stands before it"
            self.found.differ(event.sequence, "event", "chain", chain, event.chain, said, 2)
        self._chain = event.chain

    def end(self, *, at_head: bool) -> None:
        """Check that the last account was opened by an event, where the range tells."""
        if at_head and self._opened is not None and self._registries.last > self._opened:
            number = min(n for n in self._registries.accounts if n > self._opened)
            said = f"accounts up to {self._opened}"
            account = self._registries.accounts[number]
            self.found.add(0, "account", "account", said, account, "no event opened it")

    def leaf(self, entry: Entry) -> bytes:
        """The leaf that the rows lead to; empty where a number has no bytes, as no row of ours."""
        opened = entry.postings.opened
        if opened:
            self._opened = max(self._opened or 0, opened[-1])
        commodities, accounts = self._registries.opened(opened) if opened else ([], [])
        try:
            records = [record[1:] for record in entry.records]
            led_to = outcome_bytes(commodities, accounts, entry.postings.packed, records)
            return leaf_hash(event_bytes(self._pool, entry.event), led_to)
        except (struct.error, OverflowError, ValueError):
            return b""


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
        self._met: dict[int, list[Signed]] = {}
        for one in signed:
            self._met.setdefault(one.checkpoint.sequence, []).append(one)

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
        if self.size in self._met:
            root = merkle.root(self.frontier)
            for checkpoint, origin in self._met[self.size]:
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
