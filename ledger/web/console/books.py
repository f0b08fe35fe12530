"""The books as the pages read them: a connection for one page, standing at its place."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from ledger.store.console import pools as console_pools
from ledger.store.console.pools import Connection
from ledger.store.web.connections import Readers
from ledger.web.console.place import Place, placed
from ledger.web.console.rendering import worked_out
from ledger.web.console.worked.patience import Ready


def auditors(request: Request) -> Readers:
    """Connections in the role clearing_auditor."""
    found: Readers = request.app.state.auditors
    return found


@contextmanager
def reading(request: Request, pool: str, at: str | None) -> Iterator[tuple[Connection, Place]]:
    """One moment of the books, and the place that the address names in it.

    Raises:
        Unknown: There is no such pool.
        ConfigurationError: `at` means no event of it.
    """
    with auditors(request).lent() as connection:
        yield connection, placed(connection, pool, at)


def summed(request: Request, shard: int, at: int, *, is_now: bool) -> Ready | None:
    """Balances of a pool added up, as `ledger.store.console.pools.sums`; None: not yet."""
    return worked_out(
        request,
        ("sums", shard),
        at,
        lambda connection: console_pools.sums(connection, shard, at),
        follows=is_now,
    )
