"""What auditors ask over HTTP, over a connection lent to them: look-ups, and rows as evidence."""

from collections.abc import Sequence
from itertools import islice

import psycopg

from ledger.codec.checkpoints import checkpoint_line
from ledger.store import checkpoints
from ledger.store.audit.evidence import Evidence
from ledger.store.audit.lookups import Lookups
from ledger.store.web.rows import UnknownPool

_SHARD = "SELECT shard FROM ledger.shard WHERE name = %s"


def lookups(connection: psycopg.Connection, pool: str) -> Lookups:
    """Questions to the books of one pool, for explanations.

    Raises:
        UnknownPool: There is no such pool.
    """
    return Lookups(connection, pool, _shard(connection, pool))


def evidence(connection: psycopg.Connection, pool: str) -> Evidence:
    """Rows of one pool, for proofs.

    Raises:
        UnknownPool: There is no such pool.
    """
    return Evidence(connection, pool, _shard(connection, pool))


def checkpoints_behind(
    connection: psycopg.Connection, pool: str, sequence: int, rows: int
) -> Sequence[str]:
    """Checkpoints behind a sequence, in order, each as the line that is published.

    Raises:
        UnknownPool: There is no such pool.
    """
    shard = _shard(connection, pool)
    scales = checkpoints.scales(connection, shard)
    found = checkpoints.between(connection, shard, sequence + 1, 2**63 - 1)
    return [checkpoint_line(one.body, one.signature, scales) for one in islice(found, rows)]


def _shard(connection: psycopg.Connection, pool: str) -> int:
    row = connection.execute(_SHARD, (pool,)).fetchone()
    if row is None:
        raise UnknownPool(f"the books have no pool {pool}")
    return int(row[0])
