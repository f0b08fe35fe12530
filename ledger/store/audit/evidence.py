"""What the books hold of single events, byte for byte, to prove that they are in a checkpoint.

Read as any auditor reads; what lies under a checkpoint never changes, so nothing is held back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from ledger.codec.canonical import EncodedRecord
from ledger.core.outcome import Commodity, OpenedAccount, Posting
from ledger.errors import ConfigurationError
from ledger.ports import SignedCheckpoint, StoredEvent
from ledger.store import checkpoints
from ledger.store.connecting import connected
from ledger.store.faults import translated
from ledger.store.log import reading

LEAVES_STREAMED = 10_000
"""Leaves are streamed in chunks of so many, however many a shard has."""

_SESSION = """
    SET ROLE clearing_auditor;
    SET default_transaction_read_only = on"""
_SHARDS = "SELECT name, shard FROM ledger.shard ORDER BY name"
_LEAVES = """
    SELECT sequence, leaf FROM ledger.event
     WHERE shard = %s AND sequence BETWEEN 1 AND %s ORDER BY sequence"""
_SEQUENCE_OF = "SELECT sequence FROM ledger.event_identity WHERE shard = %s AND event_id = %s"
_RECORDS = """
    SELECT kind, subject, body FROM ledger.record
     WHERE shard = %s AND sequence = %s ORDER BY line"""
_ACCOUNTS = """
    SELECT account, owner, kind, instrument, asset FROM ledger.account
     WHERE shard = %s AND account BETWEEN %s AND %s ORDER BY account"""
_OPENED_AT = """
    SELECT sequence FROM (
        SELECT p.sequence, p.account_sequence
          FROM (VALUES (%s::int, %s::int)) a(shard, account)
          JOIN ledger.posting p ON p.shard = a.shard AND p.account = a.account
           AND p.account BETWEEN a.account AND a.account
         ORDER BY p.sequence, p.account_sequence LIMIT 1) first
     WHERE account_sequence = 1"""
_COMMODITIES = """
    SELECT c.commodity, c.asset, c.instrument, c.scale, first.account
      FROM ledger.commodity c
      CROSS JOIN LATERAL (
        SELECT a.account FROM ledger.account a
         WHERE a.shard = c.shard
           AND (a.asset = c.asset OR (a.asset IS NULL AND a.instrument = c.instrument))
         ORDER BY a.account LIMIT 1) first
     WHERE c.shard = %s ORDER BY c.commodity"""


class Evidence:
    """Rows of one shard, as they are stored.

    Attributes:
        pool: Its name.
    """

    def __init__(self, connection: psycopg.Connection, pool: str, shard: int) -> None:
        """Ask over a connection that may read."""
        self._connection = connection
        self._shard = shard
        self.pool = pool

    def sequence_of(self, event_id: str) -> int | None:
        """Where the accepted event of this id stands."""
        row = self._connection.execute(_SEQUENCE_OF, (self._shard, event_id)).fetchone()
        return None if row is None else int(row[0])

    def event(self, sequence: int) -> StoredEvent | None:
        """One event, or None."""
        return next(reading.events(self._connection, self._shard, sequence, sequence), None)

    def postings(self, sequence: int) -> list[Posting]:
        """An event's postings, in order."""
        found = reading.postings(self._connection, self._shard, sequence, sequence)
        return [posting for _, _, posting in found]

    def records(self, sequence: int) -> list[EncodedRecord]:
        """An event's records, in order, their bodies as they are stored."""
        rows = self._connection.execute(_RECORDS, (self._shard, sequence), binary=True)
        return [(kind, subject, bytes(body)) for kind, subject, body in rows]

    def accounts(self, first: int, last: int) -> list[OpenedAccount]:
        """The registry of accounts from one number to another."""
        rows = self._connection.execute(_ACCOUNTS, (self._shard, first, last))
        return [OpenedAccount(*row) for row in rows]

    def commodities(self) -> Sequence[tuple[Commodity, int]]:
        """All commodities by number, each with its first account."""
        rows = self._connection.execute(_COMMODITIES, (self._shard,))
        return [(Commodity(*row[:4]), row[4]) for row in rows]

    def first_posted(self, account: int) -> int | None:
        """The event with an account's first posting."""
        row = self._connection.execute(_OPENED_AT, (self._shard, account)).fetchone()
        return None if row is None else int(row[0])

    def leaves(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Sequence and leaf of the first events, in order; the connection is busy meanwhile."""
        with self._connection.cursor(binary=True) as cursor:
            yield from cursor.stream(_LEAVES, (self._shard, size), size=LEAVES_STREAMED)

    def checkpoints(self, first: int) -> Iterator[SignedCheckpoint]:
        """Checkpoints at an event or after it, in order."""
        return checkpoints.between(self._connection, self._shard, first, 2**63 - 1)

    def scales(self) -> dict[str, int]:
        """Decimals of each asset."""
        return checkpoints.scales(self._connection, self._shard)


@contextmanager
def evidence(url: str, pool: str | None) -> Iterator[Evidence]:
    """Rows of one shard, for as long as the block runs.

    Args:
        url: Of the database.
        pool: Or `@unrouted/N`; None takes the only pool there is.

    Raises:
        ConfigurationError: There is no such pool, or several and none was named.
    """
    with translated(), connected(url, "clearing prove", _SESSION) as connection:
        shards: dict[str, int] = dict(connection.execute(_SHARDS).fetchall())
        pools = [name for name in shards if not name.startswith("@")]
        chosen = pools[0] if pool is None and len(pools) == 1 else pool
        if chosen is None or chosen not in shards:
            raise ConfigurationError(
                f"pool {chosen or 'not named'}; these books have {', '.join(pools) or 'none yet'}:"
                " choose one with --pool"
            )
        yield Evidence(connection, chosen, shards[chosen])
