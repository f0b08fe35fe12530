"""Detach a closed partition that an archive holds: verified first, and never the only copy.

Refused unless all of this holds: the partition is the oldest and full; the archive verifies; it
holds the whole range; the chain at the end of the range is the same in both; the rows of the
partition lead to that chain, because balances, terms and prices are carried over from them; and the
newest kept state is one that this version reads, of that end or later, because the writer could not
start without it. The database itself refuses while the writer would need a trade from there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ledger.arrivals import UNROUTED
from ledger.audit.archive.archived import Archive
from ledger.audit.archive.check import verify_archive
from ledger.audit.verification.verify import Scope, verify
from ledger.codec.states import UnknownFormat, decode_state
from ledger.errors import ConfigurationError, LedgerError
from ledger.ports import Shard
from ledger.store.audit.archive import StoredBooks
from ledger.store.audit.detaching import detach, leaves


class NotArchived(LedgerError):
    """The archive does not stand in for the partition; nothing was detached."""


class Detached(NamedTuple):
    """A partition taken out of the books: its events, and its tables, which nobody needs now."""

    first: int
    last: int
    tables: list[str]


def detach_archived(
    url: str,
    pool: str,
    first: int,
    directory: Path,
    on_events: Callable[[str, int, int], object] = lambda *_: None,
) -> Detached:
    """Verify that an archive holds a partition, then detach it.

    Args:
        url: Of the database; its role may act as `clearing_auditor` and as `clearing_retention`.
        pool: Name of the shard.
        first: Where the partition begins.
        directory: Of the archive.
        on_events: Told shard, last event verified and last event to verify.

    Raises:
        ConfigurationError: No such pool or partition, or no archive.
        NotArchived: The archive is damaged, other books, or too short.
        StoreError: The database refused; the message says why.
    """
    books = StoredBooks.connect(url, "clearing archive")
    try:
        shard = _shard(books, pool)
        last = _end(books, shard, first)
        _require_archived(books, shard, first, last, directory, on_events)
        _require_chained(url, shard, first, last)
        _require_state(books, shard, last)
    finally:
        books.close()
    detach(url, shard.shard, first)
    tables = [f"ledger.{stem}_{shard.shard}_{first}" for stem in ("event", "posting", "record")]
    return Detached(first, last, tables)


def _shard(books: StoredBooks, pool: str) -> Shard:
    shards = books.heads().shards
    for shard in shards:
        if shard.name == pool:
            return shard
    names = ", ".join(shard.name for shard in shards) or "none"
    raise ConfigurationError(f"pool {pool} is not in these books: {names}")


def _end(books: StoredBooks, shard: Shard, first: int) -> int:
    """The last event of the oldest partition, if that is the one asked for and it is full."""
    (oldest, last), *_ = leaves(books.connection, shard.shard)
    if oldest != first:
        raise ConfigurationError(
            f"the oldest partition of {shard.name} begins at event {oldest}, not at {first}"
        )
    head = shard.next_sequence - 1
    if last > head:
        raise ConfigurationError(
            f"the partition of {shard.name} from event {first} is not full: it ends at {last}, the"
            f" books at {head}"
        )
    return last


def _require_archived(
    books: StoredBooks,
    shard: Shard,
    first: int,
    last: int,
    directory: Path,
    on_events: Callable[[str, int, int], object],
) -> None:
    archive = Archive.open(directory)
    held = archive.manifest.pools.get(shard.name)
    if held is None or held.first > first or held.last < last:
        found = "nothing" if held is None else f"events {held.first} to {held.last}"
        raise NotArchived(
            f"{directory} holds {found} of {shard.name}, the partition has events {first} to"
            f" {last}: export them first"
        )
    for finding in verify_archive(directory, pool=shard.name, on_events=on_events):
        raise NotArchived(f"{directory} does not verify, nothing was detached: {finding.line()}")
    kept = next(archive.events(held.shard, last, last))
    stored = next(books.events(shard.shard, last, last), None)
    if stored is None or stored.chain != kept.chain:
        raise NotArchived(
            f"{directory} holds other books: the chain after event {last} of {shard.name} is"
            f" {kept.chain.hex()} there, in the database"
            f" {'nothing' if stored is None else stored.chain.hex()}"
        )


def _require_chained(url: str, shard: Shard, first: int, last: int) -> None:
    """The rows are those that were hashed: what is carried from them is true."""
    for finding in verify(url, Scope("chain", shard.name, first, last)).found:
        raise NotArchived(f"the books do not verify, nothing was detached: {finding.line()}")


def _require_state(books: StoredBooks, shard: Shard, last: int) -> None:
    if shard.name.startswith(UNROUTED):
        return
    kept = [body for _, body in books.states(shard.shard, last, shard.next_sequence - 1)]
    if kept and _is_known(kept[-1]):
        return
    raise NotArchived(
        f"no state of {shard.name} was kept at event {last} or after it, so no writer could start:"
        " stop the writer in good order once, which keeps a state, and try again"
    )


def _is_known(body: bytes) -> bool:
    try:
        decode_state(body)
    except UnknownFormat:
        return False
    return True
