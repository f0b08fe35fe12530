"""The books as an auditor reads them: every row of a range in order, and what stands beside them.

Rules of this file:

* Connections act as `clearing_auditor` and read only; a standby or a restored copy serves as well.
* Events, postings and records come over three connections in step, so that memory holds one event
  with its outcome and a page of events, however long the range is.
* A check that breaks off closes them: a stream that nobody reads to its end would be waited for.
* Nothing is believed: what does not belong to an event of the range is handed out as a stray.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple, Self

import psycopg

from ledger.codec.lines import NO_LINES, Lines
from ledger.core.outcome import Commodity, OpenedAccount
from ledger.ports import Identity, Shard, SignedCheckpoint, SigningKey, StoredEvent
from ledger.store import checkpoints
from ledger.store.audit import copied
from ledger.store.audit.copied import Groups, Stray
from ledger.store.connecting import connected
from ledger.store.faults import translated
from ledger.store.log import reading

STRAYS_MAX = 100

WITHOUT_SORTS = """
    SET enable_seqscan = off;
    SET enable_bitmapscan = off;
    SET enable_sort = off"""
"""Rows stand in their indexes in the order in which they are read."""

_SESSION = f"""
    SET ROLE clearing_auditor;
    SET search_path = pg_catalog;
    SET timezone = 'UTC';
    SET default_transaction_read_only = on;
    SET statement_timeout = 0;
    {WITHOUT_SORTS}"""
_SHARDS = """
    SELECT shard, name, partition, epoch, next_sequence, next_account,
           (extract(epoch FROM pool_time) * 1000000)::bigint, duplicates, chain, frontier,
           leaves_end
      FROM ledger.shard ORDER BY name"""
_LEAVES = """
    SELECT split_part(child.relname::text, '_', 3)::bigint AS first,
           substring(pg_get_expr(child.relpartbound, child.oid) FROM 'TO \\(''?(\\d+)')::bigint
      FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
     WHERE inhparent = to_regclass(%s) ORDER BY first"""
_HASHES = """
    SELECT sequence, leaf, chain FROM ledger.event
     WHERE shard = %s AND sequence BETWEEN %s AND %s ORDER BY sequence"""
_ACCOUNTS = """
    SELECT account, owner, kind, instrument, asset FROM ledger.account
     WHERE shard = %s ORDER BY account"""
_COMMODITIES = """
    SELECT commodity, asset, instrument, scale FROM ledger.commodity
     WHERE shard = %s ORDER BY commodity"""
_SNAPSHOT = """
    SELECT sequence, rules, body FROM ledger.snapshot WHERE shard = %s AND sequence > %s
     ORDER BY sequence LIMIT 1"""
_IDENTITIES = """
    SELECT event_id, content_hash, sequence FROM ledger.event_identity
     WHERE shard = %s AND event_id = ANY(%s)"""
_UNPAIRED = """
    SELECT coalesce(e.sequence, i.sequence), e.event_id, i.event_id, e.content_hash, i.content_hash
      FROM (SELECT sequence, event_id, content_hash FROM ledger.event
             WHERE shard = %(shard)s AND rejection IS NULL
               AND sequence BETWEEN %(first)s AND %(last)s) e
      FULL JOIN (SELECT sequence, event_id, content_hash FROM ledger.event_identity
                  WHERE shard = %(shard)s AND sequence BETWEEN %(first)s AND %(last)s) i
        ON e.sequence = i.sequence AND e.event_id = i.event_id
     WHERE e.content_hash IS DISTINCT FROM i.content_hash
     ORDER BY 1 LIMIT 100"""
_OFFSETS = """
    SELECT cluster, topic_id, topic, partition, next_offset
      FROM ledger.source_offset JOIN ledger.source USING (source) WHERE shard = %s"""
_SUMS = """
    SELECT c.asset,
           coalesce(sum(p.balance) FILTER (WHERE a.kind IN ('wallet', 'isolated', 'hold')
                                             AND left(a.owner, 1) <> '@'), 0)::text,
           coalesce(sum(p.balance) FILTER (WHERE a.kind = 'custody'
                                             AND a.owner = '@house'), 0)::text
      FROM ledger.commodity c
      JOIN ledger.account a ON a.shard = c.shard AND a.asset = c.asset
      LEFT JOIN LATERAL (
           SELECT balance FROM (
               (SELECT sequence, balance FROM ledger.posting
                 WHERE shard = %(shard)s AND account = a.account AND sequence <= %(at)s
                   AND account BETWEEN a.account AND a.account
                 ORDER BY sequence DESC, account_sequence DESC LIMIT 1)
               UNION ALL
               (SELECT sequence, balance FROM ledger.carried_balance
                 WHERE shard = %(shard)s AND account = a.account AND sequence <= %(at)s
                 ORDER BY account_sequence DESC LIMIT 1)) held
            ORDER BY sequence DESC LIMIT 1) p ON true
     WHERE c.shard = %(shard)s
     GROUP BY c.asset ORDER BY c.asset"""
_BALANCES = """
    SELECT DISTINCT ON (account) account, account_sequence, balance
      FROM (SELECT account, account_sequence, balance
              FROM ledger.posting WHERE shard = %(shard)s AND sequence < %(before)s
            UNION ALL
            SELECT account, account_sequence, balance
              FROM ledger.carried_balance WHERE shard = %(shard)s AND sequence < %(before)s) held
     ORDER BY account, account_sequence DESC"""
_OWNED = (
    *("account", "carried_balance", "carried_fact", "carried_leaf"),
    *("checkpoint", "commodity", "snapshot", "source_offset"),
)
_UNOWNED = """
    SELECT DISTINCT held.shard FROM ledger.{} AS held
     WHERE NOT EXISTS (SELECT FROM ledger.shard WHERE shard.shard = held.shard)"""
_BEYOND = "SELECT max(sequence) FROM ledger.{} WHERE shard = %s AND sequence > %s"


class Entry(NamedTuple):
    """An event as it is stored, with its outcome in order of lines."""

    event: StoredEvent
    postings: Lines
    records: list[tuple[int, str, str, bytes]]


class Head(NamedTuple):
    """A shard, where it says that its partitions end, and first and end of each as found."""

    shard: Shard
    leaves_end: int
    leaves: list[tuple[int, int]]


class Audited:
    """Questions to the books, and their rows."""

    def __init__(self, url: str, connection: psycopg.Connection) -> None:
        """Use a connection that `connect` prepared; more are made where rows are streamed."""
        self._url = url
        self._connection = connection
        self.strays: list[Stray] = []

    @classmethod
    def connect(cls, url: str) -> Self:
        """Connect, and act as `clearing_auditor`.

        Raises:
            SchemaMismatch: The database is not migrated to this version.
            StoreUnavailable: It cannot be reached.
        """
        return cls(url, _connected(url))

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    @property
    def connection(self) -> psycopg.Connection:
        """For queries of other modules of the store."""
        return self._connection

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Everything read in the block stands as it was at its beginning, whoever writes."""
        with translated(), self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield

    def heads(self) -> list[Head]:
        """All shards by name."""
        with translated():
            rows: list[Any] = self._rows(_SHARDS)
            return [
                Head(Shard(*row[:10]), row[10], self._rows(_LEAVES, f"ledger.event_{row[0]}"))
                for row in rows
            ]

    def keys(self) -> list[SigningKey]:
        """Keys that sign, the oldest first."""
        with translated():
            return checkpoints.keys(self._connection)

    def checkpoints(self, shard: int) -> Iterator[SignedCheckpoint]:
        """All checkpoints of a shard, in order."""
        with translated():
            yield from checkpoints.between(self._connection, shard, 1, 2**63 - 1)

    def snapshots(self, shard: int) -> Iterator[tuple[int, int, bytes]]:
        """Sequence, rules and packed body of each kept state, read one at a time."""
        at: int | None = -(2**63)
        while at is not None:
            with translated():
                row = self._connection.execute(_SNAPSHOT, (shard, at), binary=True).fetchone()
            at = None if row is None else row[0]
            if row is not None:
                yield row

    def event(self, shard: int, sequence: int) -> StoredEvent | None:
        """One event, or None."""
        with translated():
            return next(reading.events(self._connection, shard, sequence, sequence), None)

    def accounts(self, shard: int) -> list[OpenedAccount]:
        """The registry of accounts, by number."""
        with translated():
            return [OpenedAccount(*row) for row in self._rows(_ACCOUNTS, shard)]

    def commodities(self, shard: int) -> list[Commodity]:
        """The registry of commodities, by number."""
        with translated():
            return [Commodity(*row) for row in self._rows(_COMMODITIES, shard)]

    def identities(self, shard: int, event_ids: Sequence[str]) -> Mapping[str, Identity]:
        """Those of the ids that accepted events have taken."""
        with translated():
            rows = self._connection.execute(_IDENTITIES, (shard, list(event_ids)), binary=True)
            return {name: Identity(bytes(digest), at) for name, digest, at in rows}

    def unpaired(self, shard: int, first: int, last: int) -> list[tuple[Any, ...]]:
        """Accepted events without their row of identities, and the other way: a few of them.

        Returns:
            Sequence; event id and content hash, of the event and of the identity in turn.
        """
        with translated():
            named = {"shard": shard, "first": first, "last": last}
            return self._connection.execute(_UNPAIRED, named, binary=True).fetchall()

    def unowned(self) -> list[tuple[str, int]]:
        """Tables with rows of shards that these books do not have, and the shard's number."""
        with translated():
            return [
                (table, row[0]) for table in _OWNED for row in self._rows(_UNOWNED.format(table))
            ]

    def offsets(self, shard: int) -> dict[tuple[str, str, str, int], int]:
        """Next offset by (cluster, topic id, topic, partition)."""
        with translated():
            return {row[:4]: row[4] for row in self._rows(_OFFSETS, shard)}

    def sums(self, shard: int, at: int) -> list[tuple[str, int, int]]:
        """By asset: owed to participants, and in custody, after an event."""
        with translated():
            found: list[Any] = self._connection.execute(
                _SUMS, {"shard": shard, "at": at}
            ).fetchall()
            return [(asset, int(owed), int(kept)) for asset, owed, kept in found]

    def balances(self, shard: int, before: int) -> dict[int, tuple[int, int]]:
        """By account: its count of postings and its balance before an event."""
        with translated():
            named = {"shard": shard, "before": before}
            rows: list[Any] = self._connection.execute(_BALANCES, named, binary=True).fetchall()
            return {account: (count, int(balance)) for account, count, balance in rows}

    def beyond(self, table: str, shard: int, head: int) -> int | None:
        """The largest sequence of a table beyond the head, or None."""
        with translated():
            row = self._connection.execute(_BEYOND.format(table).encode(), (shard, head)).fetchone()
            return None if row is None else row[0]

    def hashes(self, shard: int, first: int, last: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Sequence, leaf and chain of events, streamed."""
        with translated(), self._connection.cursor(binary=True) as cursor:
            rows: Any = cursor.stream(_HASHES, (shard, first, last), size=reading.STREAMED_ROWS)
            yield from rows

    def entries(self, shard: int, first: int, last: int) -> Iterator[Entry]:
        """Events with their outcomes, in order. Rows of no event go to `strays`."""
        asked = (shard, first, last)
        with ExitStack() as opened:
            opened.enter_context(translated())
            one, other, third = (
                opened.enter_context(closing(_connected(self._url))) for _ in range(3)
            )
            lines = copied.postings(other, *asked)
            postings = Groups("posting", lines, self.strays, STRAYS_MAX)
            lines = copied.records(third, *asked)
            records = Groups("record", lines, self.strays, STRAYS_MAX)
            for event in copied.events(one, *asked):
                at = event.sequence
                posted = postings.of(at)
                yield Entry(event, posted[0] if posted else NO_LINES, records.of(at))
            postings.end()
            records.end()

    def _rows(self, query: str, *values: object) -> list[Any]:
        return self._connection.execute(query.encode(), values, binary=True).fetchall()


def _connected(url: str) -> psycopg.Connection:
    return connected(url, "clearing verify", _SESSION)
