"""Postings for the console: a page of those that a filter takes, newest first, and one event whole.

How a page is found. A filter that names an owner, or leads to a few accounts, is answered from the
index of each of them, the newest postings of all merged. Any other walks the journal backwards, no
further than `WALKED_MAX` postings; the page then says how far it came, and the next one goes on
from there.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row, dict_row

from ledger.core.outcome import Purpose

PAGE_ROWS = 100
WALKED_MAX = 20_000
_PROBED_MAX = 64
_NEWEST = (2**62, 2**30)

_ACCOUNTS = """
    SELECT account FROM ledger.account
     WHERE shard = %(shard)s
       AND (%(owner)s::text IS NULL OR owner = %(owner)s)
       AND (%(kind)s::text IS NULL OR kind = ANY(string_to_array(%(kind)s, '+')))
       AND (%(instrument)s::text IS NULL OR instrument = %(instrument)s)
       AND (%(asset)s::text IS NULL OR asset = %(asset)s)
     ORDER BY account LIMIT %(most)s"""
_NAMED = """
    SELECT p.sequence, p.line, p.purpose, e.event_id, e.kind AS event, e.occurred_at,
           a.owner, a.kind, a.instrument, coalesce(c.asset, c.instrument) AS commodity,
           c.asset, c.scale::int AS scale, ledger.natural_units(p.amount, c.scale) AS amount,
           ledger.natural_units(p.balance, c.scale) AS balance
      FROM {found} p
      JOIN ledger.event e ON e.shard = %(shard)s AND e.sequence = p.sequence
      JOIN ledger.account a ON a.shard = %(shard)s AND a.account = p.account
      JOIN ledger.commodity c ON c.shard = %(shard)s AND c.commodity = p.commodity"""
_PROBED = _NAMED.format(
    found="""(
    SELECT n.* FROM unnest(%(accounts)s::int[]) one(account)
     CROSS JOIN LATERAL (
           SELECT o.sequence, o.line, o.account, o.commodity, o.purpose, o.amount, o.balance
             FROM ledger.posting o
            WHERE o.shard = %(shard)s AND o.account = one.account
              AND o.account BETWEEN one.account AND one.account
              AND o.sequence <= %(sequence)s::bigint AND o.sequence >= %(first)s::bigint
              AND (o.sequence, o.line) < (%(sequence)s::bigint, %(line)s)
            ORDER BY o.sequence DESC, o.account_sequence DESC LIMIT %(rows)s) n
     ORDER BY n.sequence DESC, n.line DESC LIMIT %(rows)s)"""
)
_WALK = """
    SELECT o.sequence, o.line, o.account, o.commodity, o.purpose, o.amount, o.balance
      FROM ledger.posting o
     WHERE o.shard = %(shard)s AND o.sequence <= %(sequence)s::bigint
       AND o.sequence >= %(first)s::bigint
       AND (o.sequence, o.line) < (%(sequence)s::bigint, %(line)s)
     ORDER BY o.sequence DESC, o.line DESC LIMIT %(walked)s"""
_WALKED = _NAMED.format(
    found=f"""(
    SELECT w.* FROM ({_WALK}) w
      JOIN ledger.account b ON b.shard = %(shard)s AND b.account = w.account
     WHERE (%(kind)s::text IS NULL OR b.kind = ANY(string_to_array(%(kind)s, '+')))
       AND (%(instrument)s::text IS NULL OR b.instrument = %(instrument)s)
       AND (%(asset)s::text IS NULL OR b.asset = %(asset)s)
     ORDER BY w.sequence DESC, w.line DESC LIMIT %(rows)s)"""  # noqa: S608 - constants
)
_WALK_END = f"SELECT sequence, line FROM ({_WALK}) w ORDER BY sequence, line LIMIT 1"  # noqa: S608 - as above
_ORDER = " ORDER BY p.sequence DESC, p.line DESC"
_OF_EVENT = _NAMED.format(
    found="""(
    SELECT o.sequence, o.line, o.account, o.commodity, o.purpose, o.amount, o.balance
      FROM ledger.posting o WHERE o.shard = %(shard)s AND o.sequence = %(sequence)s
     ORDER BY o.line LIMIT %(rows)s)"""
)
_EVENT = """
    SELECT e.sequence, e.kind, e.event_id, e.occurred_at, e.pool_time, e.rules, e.rejection,
           e.detail, s.topic, e.partition, e."offset", e.redrive_shard, e.redrive_sequence,
           encode(e.content_hash, 'hex') AS content_hash, encode(e.leaf, 'hex') AS leaf,
           encode(e.chain, 'hex') AS chain, e.raw
      FROM ledger.event e JOIN ledger.source s USING (source)
     WHERE e.shard = %s AND e.sequence = %s"""
_RECORDS = """
    SELECT line, kind, subject, convert_from(body, 'UTF8') AS body FROM ledger.record
     WHERE shard = %s AND sequence = %s ORDER BY line LIMIT %s"""
_SEQUENCE_OF = "SELECT sequence FROM ledger.event_identity WHERE shard = %s AND event_id = %s"

EVENT_POSTINGS_MAX = 500
EVENT_RECORDS_MAX = 200


class Filter(NamedTuple):
    """Which postings are wanted; None takes any.

    Attributes:
        owner: A participant, `@house` or `@liquidation`.
        kind: Line of the chart of accounts, or several with `+` between them.
        first, last: Of these events, both included.
    """

    owner: str | None = None
    kind: str | None = None
    instrument: str | None = None
    asset: str | None = None
    first: int = 1
    last: int = 2**62

    @property
    def accounts(self) -> dict[str, str | None]:
        """What it asks of accounts."""
        return {
            "owner": self.owner,
            "kind": self.kind,
            "instrument": self.instrument,
            "asset": self.asset,
        }


class Leg(NamedTuple):
    """A posting with the names of all that it points to; amounts in natural units."""

    sequence: int
    line: int
    purpose: int
    event_id: str
    event: str
    occurred_at: datetime
    owner: str
    kind: str
    instrument: str | None
    commodity: str
    asset: str | None
    scale: int
    amount: Decimal
    balance: Decimal

    @property
    def why(self) -> str:
        """The purpose in words."""
        return Purpose(self.purpose).name.lower().replace("_", " ")


class Page(NamedTuple):
    """Some postings.

    Attributes:
        after: Where the next page begins, (sequence, line); None: there is none.
        walked_to: The walk ended before this event with fewer rows than a page has.
    """

    legs: list[Leg]
    after: tuple[int, int] | None
    walked_to: int | None


def page(
    connection: psycopg.Connection,
    shard: int,
    wanted: Filter,
    after: tuple[int, int] | None,
    rows: int = PAGE_ROWS,
) -> Page:
    """The newest postings that a filter takes, before `after`."""
    sequence, line = min(after or _NEWEST, (wanted.last + 1, 0))
    asked: dict[str, object] = {
        "shard": shard,
        "sequence": sequence,
        "line": line,
        "first": wanted.first,
        "rows": rows + 1,
        "walked": WALKED_MAX,
        **wanted.accounts,
    }
    with connection.cursor(row_factory=class_row(Leg)) as cursor:
        accounts = _few_accounts(connection, shard, wanted)
        if accounts is not None:
            cursor.execute((_PROBED + _ORDER).encode(), {**asked, "accounts": list(accounts)})
            return _cut(cursor.fetchall(), rows, None)
        legs = cursor.execute((_WALKED + _ORDER).encode(), asked).fetchall()
    end = None
    if len(legs) <= rows:
        end = connection.execute(_WALK_END.encode(), asked).fetchone()
    ended = None if end is None or end[0] <= wanted.first else (int(end[0]), int(end[1]))
    return _cut(legs, rows, ended)


def _few_accounts(
    connection: psycopg.Connection, shard: int, wanted: Filter
) -> Sequence[int] | None:
    """Accounts that the filter leads to; None when it leads to many, or to any."""
    if not any(wanted.accounts.values()):
        return None
    most = None if wanted.owner is not None else _PROBED_MAX + 1
    asked = {"shard": shard, "most": most, **wanted.accounts}
    found = [number for (number,) in connection.execute(_ACCOUNTS, asked)]
    return None if most is not None and len(found) == most else found


def _cut(legs: list[Leg], rows: int, ended: tuple[int, int] | None) -> Page:
    shown = legs[:rows]
    if len(legs) > rows:
        return Page(shown, (shown[-1].sequence, shown[-1].line), None)
    return Page(shown, ended, None if ended is None else ended[0])


def event(connection: psycopg.Connection, shard: int, sequence: int) -> dict[str, Any] | None:
    """An event as it is stored; `content` is its message as text."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_EVENT, (shard, sequence)).fetchone()
    if found is not None:
        found["content"] = _readable(bytes(found.pop("raw")))
    return found


def _readable(raw: bytes) -> str:
    try:
        return json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except ValueError:
        return raw.decode("utf-8", "backslashreplace")


def legs_of(connection: psycopg.Connection, shard: int, sequence: int) -> list[Leg]:
    """An event's first postings in their order, `EVENT_POSTINGS_MAX` at most."""
    asked = {"shard": shard, "sequence": sequence, "rows": EVENT_POSTINGS_MAX}
    with connection.cursor(row_factory=class_row(Leg)) as cursor:
        return cursor.execute((_OF_EVENT + " ORDER BY p.line").encode(), asked).fetchall()


def records_of(connection: psycopg.Connection, shard: int, sequence: int) -> list[dict[str, Any]]:
    """An event's records: line, kind, subject, body; `EVENT_RECORDS_MAX` at most."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_RECORDS, (shard, sequence, EVENT_RECORDS_MAX)).fetchall()
    for record in found:
        record["body"] = json.loads(record["body"])
    return found


def sequence_of(connection: psycopg.Connection, shard: int, event_id: str) -> int | None:
    """Where the accepted event of this id stands."""
    row = connection.execute(_SEQUENCE_OF, (shard, event_id)).fetchone()
    return None if row is None else int(row[0])
