"""A participant's statement: balances, margin, positions, movements, now or as of any moment.

Read through the reporting views alone, so it shows what any reader would find there.
"""

from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import DictRow, dict_row

from ledger.errors import ConfigurationError
from ledger.store.faults import translated

_POOLS = "SELECT name, next_sequence - 1 AS sequence FROM ledger.shard ORDER BY name"
_SEQUENCE_AT = """
    SELECT ledger.sequence_at(shard, %(moment)s::timestamptz) AS sequence
      FROM ledger.shard WHERE name = %(pool)s"""
_BALANCES = """
    SELECT kind, asset, balance
      FROM reporting.balances_at(%(pool)s, %(sequence)s::bigint, %(account)s)
     WHERE asset IS NOT NULL AND kind <> 'variation'
     ORDER BY kind DESC, asset"""
POSITIONS = """
    SELECT instrument, margin_mode, quantity, entry_price, cost, mark_price, notional,
           unrealized_pnl, maintenance_margin, liquidation_price
      FROM reporting.positions_at(%(pool)s, %(sequence)s::bigint, %(account)s)
     ORDER BY instrument"""
MARGIN = """
    SELECT instrument, margin_mode, collateral, unrealized_pnl, equity, initial_margin,
           maintenance_margin, free_collateral
      FROM reporting.margin_at(%(pool)s, %(sequence)s::bigint, %(account)s)
     ORDER BY margin_mode, instrument"""
_MOVEMENTS = """
    SELECT sequence, occurred_at, kind AS event, account_kind AS account, commodity, amount, balance
      FROM reporting.postings
     WHERE pool = %(pool)s AND account = %(account)s AND sequence <= %(sequence)s
       AND account_kind NOT IN ('variation', 'position')
     ORDER BY sequence DESC, line DESC LIMIT %(movements)s"""
_KNOWN = """
    SELECT 1 FROM ledger.account JOIN ledger.shard USING (shard)
     WHERE name = %(pool)s AND owner = %(account)s LIMIT 1"""


class Statement(NamedTuple):
    """What an account had and did.

    Attributes:
        pool, account: Whose.
        sequence: The event after which the figures stand.
        balances: kind, asset, balance.
        margin: A row a margin account: instrument (of an isolated position; of cross null),
            margin_mode, collateral, unrealized_pnl, equity, initial_margin, maintenance_margin,
            free_collateral.
        positions: instrument, margin_mode, quantity, entry_price, cost, mark_price, notional,
            unrealized_pnl, maintenance_margin, liquidation_price (null where no price reaches it).
        movements: The newest first: sequence, occurred_at, event, account, commodity, amount,
            balance.
    """

    pool: str
    account: str
    sequence: int
    balances: list[DictRow]
    margin: list[DictRow]
    positions: list[DictRow]
    movements: list[DictRow]

    def as_json(self) -> dict[str, object]:
        """For programs; figures are exact decimal strings."""
        return {
            "pool": self.pool,
            "account": self.account,
            "sequence": self.sequence,
            **{
                name: [
                    {key: _plain(value) for key, value in row.items()}
                    for row in getattr(self, name)
                ]
                for name in ("balances", "margin", "positions", "movements")
            },
        }


def statement(
    url: str, pool: str | None, account: str, at: str | None, movements: int
) -> Statement:
    """The statement of an account.

    Args:
        url: Of the database.
        pool: Its pool; None takes the only one there is.
        account: A participant, or `@house`.
        at: A sequence, or an RFC 3339 moment in pool time; None for now.
        movements: How many to show at most.

    Raises:
        ConfigurationError: The pool or the account is not in the books; `at` is neither, or
            after the last event, or a moment before the first.
    """
    with (
        translated(),
        psycopg.connect(url, application_name="clearing statement") as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        cursor.execute("SET ROLE clearing_auditor; SET TIME ZONE 'UTC'")
        pool, head = _pool(cursor, pool)
        named: dict[str, Any] = {
            "pool": pool,
            "account": account,
            "movements": movements,
            "sequence": head,
        }
        if at is not None:
            named["sequence"] = _sequence(cursor, named, at, head)
        if cursor.execute(_KNOWN, named).fetchone() is None:
            raise ConfigurationError(f"account {account} has no posting in pool {pool}")
        found = [
            cursor.execute(query, named).fetchall()
            for query in (_BALANCES, MARGIN, POSITIONS, _MOVEMENTS)
        ]
        return Statement(pool, account, int(str(named["sequence"])), *found)


def _pool(cursor: psycopg.Cursor[DictRow], asked: str | None) -> tuple[str, int]:
    heads = {row["name"]: row["sequence"] for row in cursor.execute(_POOLS)}
    pools = [name for name in heads if not name.startswith("@")]
    if asked is None and len(pools) == 1:
        return pools[0], heads[pools[0]]
    if asked in heads:
        return str(asked), heads[asked]
    raise ConfigurationError(
        f"pool {asked or 'not named'}; these books have {', '.join(pools) or 'none yet'}:"
        " choose one with --pool"
    )


def _sequence(cursor: psycopg.Cursor[DictRow], named: dict[str, Any], at: str, head: int) -> int:
    if at.isascii() and at.isdigit():
        if not 1 <= int(at) <= head:
            raise ConfigurationError(f"--at {at}: pool {named['pool']} has the events 1 to {head}")
        return int(at)
    try:
        row = cursor.execute(_SEQUENCE_AT, {**named, "moment": at}).fetchone()
    except psycopg.errors.DataError as fault:
        raise ConfigurationError(
            f"--at takes a sequence or a time like 2026-01-31T12:00:00Z, found {at!r}"
        ) from fault
    if row is None or not row["sequence"]:
        raise ConfigurationError(f"--at {at}: pool {named['pool']} had no event yet at that moment")
    return int(row["sequence"])


def _plain(value: object) -> object:
    return f"{value:f}" if isinstance(value, Decimal) else value
