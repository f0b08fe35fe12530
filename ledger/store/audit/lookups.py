"""Single records, balances and postings looked up by their indexes, for explanations.

Every question here is answered from an index and bounded by what it asks for, so that it costs the
same on a large ledger: records by kind and subject, an event's own postings, a balance as of a
sequence by bisection. Only `modes_of` reads all choices of margin mode of a pool.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from ledger.codec.records import decode_record
from ledger.errors import ConfigurationError
from ledger.ports import StoredEvent
from ledger.store.faults import translated
from ledger.store.log.reading import EVENT_COLUMNS, stored_event

_EVENT = f"""
    SELECT {EVENT_COLUMNS}
      FROM ledger.event JOIN ledger.source USING (source)
     WHERE event.shard = %s AND event.sequence = %s"""  # noqa: S608 - constants
_REFERENCE = f"""
    SELECT {EVENT_COLUMNS}
      FROM ledger.event JOIN ledger.source USING (source)
     WHERE event.shard = %s AND event.kind = ANY(%s) AND event.rejection IS NULL
       AND event.sequence <= %s ORDER BY event.sequence"""  # noqa: S608 - constants
_MODES = f"""
    SELECT {EVENT_COLUMNS}
      FROM ledger.event JOIN ledger.source USING (source)
     WHERE event.shard = %s AND event.kind = 'position_mode' AND event.rejection IS NULL
       AND event.sequence <= %s
       AND ledger.content(event.raw, event.rejection) ->> 'account' = %s
     ORDER BY event.sequence"""  # noqa: S608 - constants
_RECORD = "SELECT sequence, line, kind, subject, body FROM ledger.record WHERE shard = %s"
_LAST = f"""{_RECORD} AND kind = %s AND subject = %s AND (sequence, line) < (%s, %s)
     ORDER BY sequence DESC, line DESC LIMIT 1"""
_ACCOUNTS = """
    SELECT a.account, a.owner, a.kind, a.instrument, a.asset, c.scale::int AS scale
      FROM ledger.account a
      JOIN ledger.commodity c ON c.shard = a.shard AND c.asset IS NOT DISTINCT FROM a.asset
       AND c.instrument IS NOT DISTINCT FROM CASE WHEN a.asset IS NULL THEN a.instrument END
     WHERE a.shard = %s AND a.owner = ANY(%s) AND (%s::text IS NULL OR a.instrument = %s)
     ORDER BY a.account"""
_NUMBERED = """
    SELECT a.account, a.owner, a.kind, a.instrument, a.asset, c.scale::int AS scale
      FROM ledger.account a
      JOIN ledger.commodity c ON c.shard = a.shard AND c.asset IS NOT DISTINCT FROM a.asset
       AND c.instrument IS NOT DISTINCT FROM CASE WHEN a.asset IS NULL THEN a.instrument END
     WHERE a.shard = %s AND a.account = ANY(%s)"""
_BALANCES = """
    SELECT a, coalesce(at.balance, 0)
      FROM unnest(%s::int[]) a LEFT JOIN LATERAL ledger.account_at(%s, a, %s) at ON true"""
_POSTINGS = """
    SELECT line, account, purpose, amount, balance FROM ledger.posting
     WHERE shard = %s AND sequence = %s AND (%s::int[] IS NULL OR account = ANY(%s))
     ORDER BY line"""


class FoundRecord(NamedTuple):
    """A record with its place; decimals of the body are strings."""

    sequence: int
    line: int
    kind: str
    subject: str
    body: dict[str, Any]

    @property
    def address(self) -> str:
        """`SEQUENCE.LINE`."""
        return f"{self.sequence}.{self.line}"


class LedgerAccount(NamedTuple):
    """An account of the registry with the decimals of what it holds."""

    account: int
    owner: str
    kind: str
    instrument: str | None
    asset: str | None
    scale: int


class FoundPosting(NamedTuple):
    """One leg of an event, in smallest units."""

    line: int
    account: int
    purpose: int
    amount: Decimal
    balance: Decimal


class Lookups:
    """Questions to the books of one pool."""

    def __init__(self, connection: psycopg.Connection, pool: str, shard: int) -> None:
        """Ask over a connection that may read."""
        self._connection = connection
        self.pool = pool
        self._shard = shard

    def event(self, sequence: int) -> StoredEvent | None:
        """One event, or None."""
        row = self._connection.execute(_EVENT, (self._shard, sequence), binary=True).fetchone()
        return None if row is None else stored_event(row)

    def sequence_of(self, event_id: str) -> int | None:
        """Where the accepted event of this id stands."""
        row = self._connection.execute(
            "SELECT sequence FROM ledger.event_identity WHERE shard = %s AND event_id = %s",
            (self._shard, event_id),
        ).fetchone()
        return None if row is None else int(row[0])

    def reference(self, kinds: Sequence[str], sequence: int) -> list[StoredEvent]:
        """Accepted reference events of these kinds up to a sequence, in order."""
        rows = self._connection.execute(
            _REFERENCE, (self._shard, list(kinds), sequence), binary=True
        )
        return [stored_event(row) for row in rows]

    def modes_of(self, participant: str, sequence: int) -> list[StoredEvent]:
        """A participant's choices of margin mode and leverage up to a sequence, in order."""
        rows = self._connection.execute(_MODES, (self._shard, sequence, participant), binary=True)
        return [stored_event(row) for row in rows]

    def record(self, sequence: int, line: int) -> FoundRecord | None:
        """The record of an address, or None."""
        return self._one(f"{_RECORD} AND sequence = %s AND line = %s", sequence, line)

    def records_of(self, kinds: Sequence[str], subject: str) -> list[FoundRecord]:
        """All records of these kinds about a subject, in order."""
        return self._all(
            f"{_RECORD} AND kind = ANY(%s) AND subject = %s ORDER BY sequence, line",
            list(kinds),
            subject,
        )

    def records_in(self, sequence: int, kinds: Sequence[str]) -> list[FoundRecord]:
        """An event's records of these kinds, in order."""
        return self._all(
            f"{_RECORD} AND sequence = %s AND kind = ANY(%s) ORDER BY line", sequence, list(kinds)
        )

    def last_record(self, kind: str, subject: str, sequence: int, line: int) -> FoundRecord | None:
        """The newest record of a kind about a subject before an address."""
        return self._one(_LAST, kind, subject, sequence, line)

    def accounts(self, owners: Sequence[str], instrument: str | None = None) -> list[LedgerAccount]:
        """Accounts of these owners, by number; of one instrument where it is named."""
        with self._connection.cursor(row_factory=class_row(LedgerAccount)) as cursor:
            asked = (self._shard, list(owners), instrument, instrument)
            return cursor.execute(_ACCOUNTS, asked).fetchall()

    def numbered(self, accounts: Sequence[int]) -> dict[int, LedgerAccount]:
        """Accounts by their numbers."""
        with self._connection.cursor(row_factory=class_row(LedgerAccount)) as cursor:
            asked = (self._shard, sorted(set(accounts)))
            return {found.account: found for found in cursor.execute(_NUMBERED, asked)}

    def balances(self, accounts: Sequence[int], sequence: int) -> dict[int, Decimal]:
        """Balances after an event, in smallest units."""
        rows = self._connection.execute(_BALANCES, (list(accounts), self._shard, sequence))
        return dict(rows.fetchall())

    def postings(self, sequence: int, accounts: Sequence[int] | None) -> list[FoundPosting]:
        """An event's postings, in order; to some accounts, or (None) all of them."""
        asked = None if accounts is None else list(accounts)
        with self._connection.cursor(row_factory=class_row(FoundPosting)) as cursor:
            return cursor.execute(_POSTINGS, (self._shard, sequence, asked, asked)).fetchall()

    def _one(self, query: str, *values: object) -> FoundRecord | None:
        found = self._all(query, *values)
        return found[0] if found else None

    def _all(self, query: str, *values: object) -> list[FoundRecord]:
        rows = self._connection.execute(query.encode(), (self._shard, *values), binary=True)
        return [
            FoundRecord(sequence, line, *decode_record(kind, subject, body))
            for sequence, line, kind, subject, body in rows
        ]


@contextmanager
def looking_up(url: str, pool: str | None) -> Iterator[Lookups]:
    """Questions to one pool, all answered from one moment.

    Args:
        url: Of the database.
        pool: Which; None takes the only one there is.

    Raises:
        ConfigurationError: There is no such pool, or several and none was named.
    """
    with translated(), psycopg.connect(url, application_name="clearing explain") as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SET LOCAL ROLE clearing_auditor")
        found = connection.execute("SELECT name, shard FROM ledger.shard ORDER BY name")
        shards: dict[str, int] = dict(found.fetchall())
        pools = [name for name in shards if not name.startswith("@")]
        chosen = pools[0] if pool is None and len(pools) == 1 else pool
        if chosen is None or chosen not in shards:
            raise ConfigurationError(
                f"pool {chosen or 'not named'}; these books have {', '.join(pools) or 'none yet'}:"
                " choose one with --pool"
            )
        yield Lookups(connection, chosen, shards[chosen])
