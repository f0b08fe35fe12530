"""Where a page stands: which pool, after which event, and how links keep both.

`?at=` takes a sequence or a moment of pool time, as `clearing statement --at` does. Without it a
page shows the newest event and follows what comes.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, Self
from urllib.parse import quote, urlencode

from fastapi import Depends, Path, Query

from ledger.errors import ConfigurationError, LedgerError
from ledger.store.console import pools as console_pools
from ledger.store.console import records as console_records
from ledger.store.console.pools import Connection

NUMBER_MAX = 10**18 - 1
"""Of a sequence or another number in an address. What does not fit into a bigint would be compared
as numeric, for which there is no index."""

Sequence = Annotated[int, Path(ge=0, le=NUMBER_MAX)]
Before = Annotated[int | None, Query(ge=0, le=NUMBER_MAX)]


_UPWARDS = (".", "..")


class Unknown(LedgerError):
    """What the address names is not in these books."""


class Place(NamedTuple):
    """A pool after an event.

    Attributes:
        pool, shard: Which.
        head: Sequence of its newest event.
        at: The event after which figures stand; `head` for now.
        is_now: Nothing was asked for: the page follows the newest event.
        pool_time: After that event.
        asset: The settlement asset; empty before the pool is declared.
        scales: Decimals of every commodity of the pool.
        pools: Names of all pools.
    """

    pool: str
    shard: int
    head: int
    at: int
    is_now: bool
    pool_time: datetime | None
    asset: str
    scales: Mapping[str, int]
    pools: tuple[str, ...]

    @property
    def scale(self) -> int:
        """Decimals of the settlement asset."""
        return self.scales.get(self.asset, 0)

    def to(self, *path: object, **query: object) -> str:
        """The address of a page of this pool, as of the same event."""
        kept = {} if self.is_now else {"at": self.at}
        return address("pools", self.pool, *path, **{**kept, **query})

    def then(self, at: int) -> Self:
        """The same pool after another event."""
        return self._replace(at=at, is_now=False)

    def postings(self, **wanted: object) -> str:
        """The address of the postings that a figure is made of."""
        return self.to("postings", **wanted)

    def event(self, sequence: int) -> str:
        """The address of an event."""
        return self.to("events", sequence)


def address(*path: object, **query: object) -> str:
    """A path of the console with its query; what is None or empty is left out."""
    said = {name.rstrip("_"): each for name, each in query.items() if each not in (None, "")}
    spelled = "/".join(quote(_part(str(part)), safe="@:~") for part in path)
    return f"/{spelled}" + (f"?{urlencode(said)}" if said else "")


def _part(name: str) -> str:
    """A name as a part of a path, which has no slash, and no part that leads upwards."""
    return f"~{name}" if name in _UPWARDS else name.replace("/", "~")


def name_of(part: str) -> str:
    """The name that a part of a path stands for; no name in the books has a `~`."""
    return part[1:] if part[:1] == "~" and part[1:] in _UPWARDS else part.replace("~", "/")


def _pool(pool: str) -> str:
    return name_of(pool)


def _account(account: str) -> str:
    return name_of(account)


def _instrument(name: str) -> str:
    return name_of(name)


PoolName = Annotated[str, Depends(_pool)]
AccountName = Annotated[str, Depends(_account)]
InstrumentName = Annotated[str, Depends(_instrument)]


def placed(
    connection: Connection,
    pool: str,
    at: str | None,
    heads: list[console_pools.PoolHead] | None = None,
) -> Place:
    """The place that an address names.

    Args:
        connection: Lent by the caller.
        pool: Its name, or `@unrouted/N`.
        at: What was asked for.
        heads: Of all pools, where they are at hand.

    Raises:
        Unknown: There is no such pool.
        ConfigurationError: `at` is neither a sequence of the pool nor a moment within it.
    """
    heads = console_pools.heads(connection) if heads is None else heads
    found = next((one for one in heads if one.name == pool), None)
    if found is None:
        raise Unknown(f"there is no pool {pool!r} in these books")
    sequence = found.head if not at else sequence_of(connection, found, at)
    terms = console_records.terms(connection, found.shard, "pool", "", sequence)
    return Place(
        pool,
        found.shard,
        found.head,
        sequence,
        not at,
        console_pools.pool_time(connection, found.shard, sequence),
        str(terms[1]["settlement_asset"]) if terms else "",
        console_records.scales(connection, found.shard) | _declared(terms),
        tuple(one.name for one in heads if one.is_pool),
    )


def _declared(terms: tuple[int, dict[str, Any]] | None) -> dict[str, int]:
    return {} if terms is None else {terms[1]["settlement_asset"]: int(terms[1]["scale"])}


def sequence_of(connection: Connection, pool: console_pools.PoolHead, at: str) -> int:
    """The event that `at` means in a pool.

    Raises:
        ConfigurationError: It means none.
    """
    if at.isascii() and at.isdigit():
        if not 1 <= int(at) <= pool.head:
            raise ConfigurationError(f"at={at}: pool {pool.name} has the events 1 to {pool.head}")
        return int(at)
    found = console_pools.sequence_at(connection, pool.shard, moment_of(at))
    if not found:
        raise ConfigurationError(f"at={at}: pool {pool.name} had no event yet at that moment")
    return found


def moment_of(at: str) -> datetime:
    """An RFC 3339 moment; without an offset it is UTC.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        found = datetime.fromisoformat(re.sub(r"(?<=\d) (?=\d\d:\d\d$)", "+", at.strip()))
    except ValueError:
        raise ConfigurationError(
            f"at takes a sequence or a time like 2026-01-31T12:00:00Z, found {at!r}"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
