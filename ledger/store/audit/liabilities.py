"""What participants are owed after an event, and which hashes the books have there.

How it works. Each account's balance is the one in its last posting up to the event: one index probe
in each partition from there back until it is found, whatever came before or after; of the server,
2.5 s a million accounts in three partitions. Accounts are read in pages by number, and neighbours
were opened together, so that their postings are near. Terms and prices are read once; what they
make of balances is worked out by the caller. Nothing asked for here changes again, so nothing is
locked.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import psycopg

from ledger.codec.checkpoints import MalformedCheckpoint, decode_checkpoint
from ledger.core.accounts import HOUSE, LIQUIDATION
from ledger.errors import ConfigurationError, LedgerError
from ledger.store.connecting import connected
from ledger.store.faults import translated

PAGE_ACCOUNTS = 50_000

_POOLS = "SELECT name, shard, next_sequence - 1 FROM ledger.shard ORDER BY name"
_SETTLEMENT = "SELECT asset, scale FROM ledger.settlement_of(%(shard)s)"
_SCALES = """
    SELECT asset, scale::int FROM ledger.commodity WHERE shard = %(shard)s AND asset IS NOT NULL"""
_ASSETS = """
    SELECT c.asset, c.asset = %(settlement)s, c.scale::int, k.content ->> 'haircut',
           r.body ->> 'price'
      FROM ledger.commodity c
      LEFT JOIN LATERAL ledger.reference_at(c.shard, 'asset', c.asset, %(sequence)s) k ON true
      LEFT JOIN LATERAL ledger.recorded_at(c.shard, 'asset_price', c.asset, %(sequence)s) r ON true
     WHERE c.shard = %(shard)s AND c.asset IS NOT NULL"""
_INSTRUMENTS = """
    SELECT c.instrument, t.content ->> 'type', t.content ->> 'multiplier', c.scale::int,
           r.body ->> 'mark_price'
      FROM ledger.commodity c
      JOIN LATERAL ledger.reference_at(c.shard, 'instrument', c.instrument, %(sequence)s) t ON true
      LEFT JOIN LATERAL ledger.recorded_at(c.shard, 'mark', c.instrument, %(sequence)s) r ON true
     WHERE c.shard = %(shard)s AND c.instrument IS NOT NULL"""
_LAST_ACCOUNT = "SELECT max(account) FROM ledger.account WHERE shard = %(shard)s"
_HELD = """
    SELECT owner, kind, instrument, asset, balance::text
      FROM (SELECT a.owner, a.kind, a.instrument, a.asset,
                   coalesce((SELECT p.balance FROM ledger.posting p
                              WHERE p.shard = %(shard)s AND p.account = a.account
                                AND p.account BETWEEN a.account AND a.account
                                AND p.sequence <= %(sequence)s
                              ORDER BY p.sequence DESC, p.account_sequence DESC LIMIT 1),
                            (SELECT past.balance
                               FROM ledger.account_at(%(shard)s, a.account, %(sequence)s) past))
              FROM ledger.account a
             WHERE a.shard = %(shard)s AND a.account BETWEEN %(first)s AND %(last)s
               AND a.owner NOT LIKE '@%%' OFFSET 0) -- looked for once, not once more by the filter
           held(owner, kind, instrument, asset, balance)
     WHERE balance IS NOT NULL"""
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


class AssetPrice(NamedTuple):
    """What a balance of an asset counts for: decimals as they were told, or None.

    Attributes:
        asset, scale: Its name and its decimals.
        is_settlement: It counts for itself.
        haircut, price: Of collateral.
    """

    asset: str
    is_settlement: bool
    scale: int
    haircut: str | None
    price: str | None


class InstrumentMark(NamedTuple):
    """What a contract was worth: decimals as they were told; `scale` is that of its quantities."""

    instrument: str
    type: str
    multiplier: str
    scale: int
    mark_price: str | None


Held = tuple[str, str, str | None, str | None, str]
"""Owner, kind, instrument and asset of an account, and its balance in smallest units."""


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
            "settlement": None,
        }
        found = connection.execute(_SETTLEMENT, self._named).fetchone()
        if found is None:
            raise ConfigurationError(f"pool {self.pool} was never declared")
        self.settlement = str(found[0])
        self._named["settlement"] = self.settlement
        self.scales: dict[str, int] = dict(connection.execute(_SCALES, self._named).fetchall())
        self.scales[self.settlement] = found[1]

    def assets(self) -> Sequence[AssetPrice]:
        """Each asset that the pool has held, as it was priced at the event."""
        return [AssetPrice(*row) for row in self._connection.execute(_ASSETS, self._named)]

    def instruments(self) -> Sequence[InstrumentMark]:
        """Each instrument that the pool has held, as it was marked at the event."""
        rows = self._connection.execute(_INSTRUMENTS, self._named)
        return [InstrumentMark(*row) for row in rows]

    def last_account(self) -> int:
        """The largest number of an account."""
        row = self._connection.execute(_LAST_ACCOUNT, self._named).fetchone()
        return 0 if row is None or row[0] is None else int(row[0])

    def held(self) -> Iterator[tuple[int, list[Held]]]:
        """Balances of participants, page by page: how many account numbers it covers, and they.

        The next page is fetched while the last is worked on.
        """
        last = self.last_account()
        firsts = range(1, last + 1, PAGE_ACCOUNTS)
        with ThreadPoolExecutor(max_workers=1) as reader:
            ahead = [reader.submit(self._page, first) for first in firsts[:1]]
            for first in firsts:
                page = ahead.pop()
                if first + PAGE_ACCOUNTS <= last:
                    ahead.append(reader.submit(self._page, first + PAGE_ACCOUNTS))
                yield min(PAGE_ACCOUNTS, last + 1 - first), page.result()

    def _page(self, first: int) -> list[Held]:
        named = {**self._named, "first": first, "last": first + PAGE_ACCOUNTS - 1}
        return self._connection.execute(_HELD, named).fetchall()

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
                f"event {self.sequence} of pool {self.pool} is not in these books: what retention"
                " took away is in the archive; else run `clearing verify`"
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
    session = "SET ROLE clearing_auditor; SET jit = off"
    with translated(), connected(url, "clearing prove", session) as connection:
        connection.prepare_threshold = None  # planned for this pool's partitions alone
        yield Owed(connection, pool, sequence)
