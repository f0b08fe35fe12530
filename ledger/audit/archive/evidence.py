"""An archive as the ground of proofs, for events that retention took out of the database.

Slower than the database, for files have no index: an event id is looked for among all events, the
opening of an account among all postings. Memory: the registries, and a row group.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ledger.audit.archive.archived import Archive
from ledger.codec.canonical import EncodedRecord
from ledger.core.outcome import Commodity, OpenedAccount, Posting
from ledger.errors import ConfigurationError
from ledger.ports import SignedCheckpoint, StoredEvent


class ArchivedEvidence:
    """Rows of one shard in an archive, as `ledger.store.audit.evidence` has those of the books.

    Attributes:
        pool: Its name.
    """

    def __init__(self, directory: Path, pool: str | None) -> None:
        """Open an archive.

        Args:
            directory: Where it is.
            pool: Or `@unrouted/N`; None takes the only pool there is.

        Raises:
            ConfigurationError: It is none, or has no such pool, or begins after the first event.
        """
        self._archive = Archive.open(directory)
        shards = {shard.name: shard for shard in self._archive.heads().shards}
        pools = [name for name in shards if not name.startswith("@")]
        chosen = pools[0] if pool is None and len(pools) == 1 else pool
        if chosen is None or chosen not in shards:
            raise ConfigurationError(
                f"pool {chosen or 'not named'}; this archive has {', '.join(pools) or 'none'}:"
                " choose one with --pool"
            )
        self._archive.require_beginning(chosen)
        self.pool = chosen
        self._shard = shards[chosen].shard
        self._last = shards[chosen].next_sequence - 1
        self._registered: Sequence[OpenedAccount] | None = None
        self._firsts: dict[int, int] | None = None

    def sequence_of(self, event_id: str) -> int | None:
        """Where the accepted event of this id stands."""
        for event in self._archive.events(self._shard, 1, self._last):
            if event.event_id == event_id and event.rejection is None:
                return event.sequence
        return None

    def event(self, sequence: int) -> StoredEvent | None:
        """One event, or None."""
        return next(self._archive.events(self._shard, sequence, sequence), None)

    def postings(self, sequence: int) -> list[Posting]:
        """An event's postings, in order."""
        found = self._archive.postings(self._shard, sequence, sequence)
        return [posting for _, _, posting in found]

    def records(self, sequence: int) -> list[EncodedRecord]:
        """An event's records, in order."""
        found = self._archive.records(self._shard, sequence, sequence)
        return [record for _, _, record in found]

    def accounts(self, first: int, last: int) -> list[OpenedAccount]:
        """The registry of accounts from one number to another."""
        return [known for known in self._accounts() if first <= known.account <= last]

    def commodities(self) -> Sequence[tuple[Commodity, int]]:
        """All commodities by number, each with its first account."""
        firsts: dict[tuple[str | None, str | None], int] = {}
        for known in self._accounts():
            held = (known.asset, known.instrument if known.asset is None else None)
            firsts.setdefault(held, known.account)
        return [
            (commodity, firsts[commodity.asset, commodity.instrument])
            for commodity in self._archive.commodities(self._shard)
        ]

    def first_posted(self, account: int) -> int | None:
        """The event with an account's first posting."""
        return self._first_postings().get(account)

    def leaves(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Sequence and leaf of the first events, in order."""
        for event in self._archive.events(self._shard, 1, size):
            yield event.sequence, event.leaf

    def checkpoints(self, first: int) -> Iterator[SignedCheckpoint]:
        """Checkpoints at an event or after it, in order."""
        return iter(self._archive.checkpoints(self._shard, first, self._last))

    def scales(self) -> dict[str, int]:
        """Decimals of each asset."""
        found = self._archive.commodities(self._shard)
        return {known.asset: known.scale for known in found if known.asset is not None}

    def _accounts(self) -> Sequence[OpenedAccount]:
        if self._registered is None:
            self._registered = self._archive.accounts(self._shard)
        return self._registered

    def _first_postings(self) -> dict[int, int]:
        if self._firsts is None:
            self._firsts = {
                posting.account: sequence
                for sequence, _, posting in self._archive.postings(self._shard, 1, self._last)
                if posting.account_sequence == 1
            }
        return self._firsts
