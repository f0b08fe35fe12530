"""What participants are owed after an event, and which hashes the books have there.

Equity is read through the reporting functions, as any auditor reads; cash by the last posting of
each account, one index probe (6 s a million accounts; 30 by `reporting.balances_at`), and once
more only for accounts that moved since, or whose last posting was detached. What is asked for here
never changes again, so nothing is locked.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import psycopg

from ledger.codec.checkpoints import MalformedCheckpoint, decode_checkpoint
from ledger.core.accounts import HOUSE, LIQUIDATION
from ledger.errors import ConfigurationError, LedgerError
from ledger.store.faults import translated

_POOLS = "SELECT name, shard, next_sequence - 1 FROM ledger.shard ORDER BY name"
_SETTLEMENT = "SELECT asset, scale FROM ledger.settlement_of(%(shard)s)"
_SCALES = """
    SELECT asset, scale::int FROM ledger.commodity WHERE shard = %(shard)s AND asset IS NOT NULL"""
_CASH = """
    SELECT owner, asset,
           sum(CASE WHEN kind IN ('wallet', 'isolated', 'hold') THEN balance ELSE 0 END)::text
      FROM (SELECT a.owner, a.asset, a.kind,
                   CASE WHEN last.sequence <= %(sequence)s THEN last.balance
                        ELSE (SELECT past.balance
                                FROM ledger.account_at(a.shard, a.account, %(sequence)s) past) END
              FROM ledger.account a
              LEFT JOIN LATERAL (
                   SELECT p.sequence, p.balance FROM ledger.posting p
                    WHERE p.shard = a.shard AND p.account = a.account
                      AND p.account BETWEEN a.account AND a.account
                    ORDER BY p.sequence DESC, p.account_sequence DESC LIMIT 1) last ON true
             WHERE a.shard = %(shard)s AND a.asset IS NOT NULL AND a.owner NOT LIKE '@%%'
           ) held (owner, asset, kind, balance)
     WHERE balance IS NOT NULL
     GROUP BY owner, asset"""
_EQUITY = """
    SELECT m.account, (sum(m.equity) * ('1e' || %(scale)s)::numeric)::numeric(60, 0)::text
      FROM reporting.margin_at(%(pool)s, %(sequence)s::bigint) m
     GROUP BY m.account"""
_HOUSE = """
    SELECT b.account, b.kind, b.instrument, b.asset, b.balance::text
      FROM unnest(%(house)s::text[]) owner
     CROSS JOIN LATERAL reporting.balances_at(%(pool)s, %(sequence)s::bigint, owner) b
     WHERE b.balance <> 0
     ORDER BY b.account COLLATE "C", b.kind COLLATE "C", b.instrument COLLATE "C",
              b.asset COLLATE "C" """
_CHECKPOINT = """
    SELECT body FROM ledger.checkpoint WHERE shard = %(shard)s AND sequence = %(sequence)s"""
_CHAIN = "SELECT chain FROM ledger.event WHERE shard = %(shard)s AND sequence = %(sequence)s"


class Anchor(NamedTuple):
    """Which books an audit is of.

    Attributes:
        pool, sequence: After this event of this pool.
        chain: The hash chain after that event.
        checkpoint: Merkle root of the checkpoint at that event; None where none was made.
        participants: Cash of participants by asset as that checkpoint says, smallest units; None
            likewise.
    """

    pool: str
    sequence: int
    chain: bytes
    checkpoint: bytes | None
    participants: Mapping[str, int] | None


class HouseAccount(NamedTuple):
    """A balance of the house or of the inventory, in natural units; contracts have no asset."""

    account: str
    kind: str
    instrument: str | None
    asset: str | None
    balance: str


class Owed:
    """The books of a pool after an event.

    Attributes:
        pool, sequence: Which.
        settlement: The asset of equity.
        scales: Decimals of each asset.
    """

    def __init__(self, connection: psycopg.Connection, pool: str | None, sequence: int) -> None:
        self._connection = connection
        self.sequence = sequence
        self.pool, shard = self._shard(pool)
        self._named: dict[str, object] = {
            "pool": self.pool,
            "shard": shard,
            "sequence": sequence,
            "house": [HOUSE, LIQUIDATION],
        }
        found = connection.execute(_SETTLEMENT, self._named).fetchone()
        if found is None:
            raise ConfigurationError(f"pool {self.pool} was never declared")
        self.settlement = str(found[0])
        self._named["scale"] = found[1]
        self.scales: dict[str, int] = dict(connection.execute(_SCALES, self._named).fetchall())
        self.scales[self.settlement] = found[1]

    def cash(self) -> Iterator[tuple[str, str, int]]:
        """Account, asset, and what is in wallet, isolated and hold, in smallest units."""
        with self._connection.cursor() as cursor:
            for account, asset, units in cursor.execute(_CASH, self._named):
                yield account, asset, int(units)

    def equity(self) -> Iterator[tuple[str, int]]:
        """Account, and the equity of all its margin accounts, in smallest units."""
        with self._connection.cursor() as cursor:
            for account, units in cursor.execute(_EQUITY, self._named):
                yield account, int(units)

    def house(self) -> Sequence[HouseAccount]:
        """Balances of the house and of the inventory that are not zero, in one order."""
        return [HouseAccount(*row) for row in self._connection.execute(_HOUSE, self._named)]

    def anchor(self) -> Anchor:
        """The hashes of these books, and of the checkpoint at the event if there is one.

        Raises:
            LedgerError: The event is missing, or the checkpoint is of another history than it.
        """
        row = self._connection.execute(_CHAIN, self._named).fetchone()
        if row is None:
            raise LedgerError(
                f"event {self.sequence} of pool {self.pool} is missing: run clearing verify"
            )
        chain = bytes(row[0])
        sealed = self._connection.execute(_CHECKPOINT, self._named).fetchone()
        if sealed is None:
            return Anchor(self.pool, self.sequence, chain, None, None)
        try:
            known = decode_checkpoint(bytes(sealed[0]))
        except MalformedCheckpoint as fault:
            raise LedgerError(f"checkpoint after event {self.sequence}: {fault}") from fault
        if known[:3] != (self.pool, self.sequence, chain):
            raise LedgerError(
                f"the checkpoint after event {self.sequence} of pool {self.pool} says another"
                " pool, sequence or chain than the event: run clearing verify"
            )
        participants = {each.asset: each.participants for each in known.sums}
        return Anchor(self.pool, self.sequence, chain, known.root, participants)

    def _shard(self, asked: str | None) -> tuple[str, int]:
        heads = {name: (shard, head) for name, shard, head in self._connection.execute(_POOLS)}
        pools = [name for name in heads if not name.startswith("@")]
        pool = pools[0] if asked is None and len(pools) == 1 else asked
        if pool is None or pool not in pools:
            raise ConfigurationError(
                f"pool {asked or 'not named'}; these books have {', '.join(pools) or 'none yet'}:"
                " choose one with --pool"
            )
        shard, head = heads[pool]
        if not 1 <= self.sequence <= head:
            raise ConfigurationError(
                f"--at {self.sequence}: pool {pool} has the events 1 to {head}"
            )
        return pool, shard


@contextmanager
def owed(url: str, pool: str | None, sequence: int) -> Iterator[Owed]:
    """The books of a pool after an event, for as long as the block runs.

    Args:
        url: Of the database.
        pool: None takes the only one there is.
        sequence: After which event.

    Raises:
        ConfigurationError: There is no such pool or event.
    """
    with translated(), psycopg.connect(url, application_name="clearing prove") as connection:
        connection.execute("SET ROLE clearing_auditor; SET jit = off; SET work_mem = '256MB'")
        yield Owed(connection, pool, sequence)
