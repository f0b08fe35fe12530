"""Our side of a reconciliation: trades, movements and balances of a pool, as of a sequence.

What is read lies at or before the sequence and never changes again, so nothing is locked and no
database transaction is held. Trades and movements are streamed in chunks, in the order of the
books; amounts come in natural units, exact. The sums of controls are `recon_sums`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import psycopg

from ledger.core.accounts import HOUSE, LIQUIDATION
from ledger.core.outcome import Purpose
from ledger.errors import ConfigurationError
from ledger.store.connecting import connected
from ledger.store.faults import translated

STREAMED_ROWS = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SESSION = "SET ROLE clearing_auditor; SET TIME ZONE 'UTC'; SET jit = off"
_POOLS = "SELECT name, shard, next_sequence - 1 FROM ledger.shard ORDER BY name"

_TRADES = """
    SELECT coalesce(t.trade_id, ''), e.event_id,
           (extract(epoch FROM e.occurred_at) * 1000000)::bigint,
           t.instrument, t.price, t.quantity, t.buyer, t.seller, t.buyer_fee, t.seller_fee
      FROM ledger.event e
     CROSS JOIN LATERAL json_to_record(ledger.content(e.raw, e.rejection))
            AS t(trade_id text, instrument text, price text, quantity text, buyer text,
                 seller text, buyer_fee text, seller_fee text)
     WHERE e.shard = %(shard)s AND e.sequence BETWEEN %(first)s AND %(sequence)s
       AND e.kind = 'trade' AND e.rejection IS NULL
       AND e.occurred_at BETWEEN %(begins)s AND %(ends)s"""
_BUSTED = """
    SELECT subject FROM ledger.record
     WHERE shard = %(shard)s AND kind = 'trade_bust' AND sequence <= %(sequence)s"""

# Movements within an owner (wallet to hold, to isolated and back) sum to nothing, and are left out.
_MOVEMENTS = """
    SELECT e.event_id, ledger.content(e.raw, e.rejection) ->> 'request_id', e.kind, e.occurred_at,
           m.owner, m.commodity, m.amount
      FROM (SELECT p.sequence, a.name AS owner, coalesce(c.asset, c.instrument) AS commodity,
                   ledger.natural_units(sum(p.amount * a.sign), c.scale) AS amount
              FROM unnest(%(accounts)s::int4[], %(names)s::text[], %(signs)s::int4[])
                     AS a(account, name, sign)
              JOIN ledger.posting p ON p.shard = %(shard)s AND p.account = a.account
               AND p.account BETWEEN a.account AND a.account
               AND p.sequence BETWEEN %(first)s AND %(sequence)s
               AND (%(every)s OR p.purpose = ANY (%(purposes)s))
              JOIN ledger.commodity c ON c.shard = p.shard AND c.commodity = p.commodity
             GROUP BY p.sequence, a.name, coalesce(c.asset, c.instrument), c.scale
            HAVING sum(p.amount) <> 0) m
      JOIN ledger.event e ON e.shard = %(shard)s AND e.sequence = m.sequence
     WHERE e.occurred_at BETWEEN %(begins)s AND %(ends)s"""
_ACCOUNTS = """
    SELECT account, owner, kind FROM ledger.account
     WHERE shard = %(shard)s AND kind = ANY (%(kinds)s)"""
_BALANCES = """
    SELECT account, kind, coalesce(asset, instrument), balance
      FROM reporting.balances_at(%(pool)s, %(sequence)s::bigint, %(owner)s)"""
# What was booked after an event and occurred by a moment: late messages, corrections of the past.
_LATER = """
    SELECT a.owner, a.kind, coalesce(c.asset, c.instrument),
           ledger.natural_units(sum(p.amount), c.scale)
      FROM ledger.event e
      JOIN ledger.posting p ON p.shard = %(shard)s AND p.sequence = e.sequence
      JOIN ledger.account a ON a.shard = %(shard)s AND a.account = p.account
      JOIN ledger.commodity c ON c.shard = %(shard)s AND c.commodity = p.commodity
     WHERE e.shard = %(shard)s AND e.sequence > %(after)s AND e.sequence <= %(sequence)s
       AND e.occurred_at <= %(ends)s AND e.rejection IS NULL
       AND (%(owner)s::text IS NULL OR a.owner = %(owner)s)
     GROUP BY a.owner, a.kind, c.asset, c.instrument, c.scale"""
_DETACHED = """
    SELECT l.last, l.pool_time FROM ledger.carried_leaf l
     WHERE l.shard = %(shard)s AND NOT EXISTS (SELECT FROM ledger.event e
                                                WHERE e.shard = l.shard AND e.sequence = l.last)
     ORDER BY l.first DESC LIMIT 1"""
_SETTLEMENT = "SELECT asset FROM ledger.settlement_of(%(shard)s)"
_SEQUENCE_AT = "SELECT ledger.sequence_at(%(shard)s, %(moment)s)"

HOLDING_KINDS = ("wallet", "isolated", "hold", "position")
"""What a participant has at us: cash wherever it lies, and contracts."""

HOUSE_KINDS = ("custody", "fees", "insurance", "rounding", "suspense", "deficit", "position")
CUSTODIAN, OUTSIDE = "@custody", "@outside"
OUTSIDE_PURPOSES = (Purpose.TRANSFER, Purpose.OPENING, Purpose.ADJUSTMENT)
"""Of movements that somebody outside the pool may tell of; the rest follows from trading."""


class OurTrade(NamedTuple):
    """An accepted trade as its message says it: figures are text, as written.

    Attributes:
        trade_id: The venue's number; empty where it has none.
        at: `occurred_at` in microseconds since 1970.
    """

    trade_id: str
    event_id: str
    at: int
    instrument: str
    price: str
    quantity: str
    buyer: str
    seller: str
    buyer_fee: str
    seller_fee: str


class OurMovement(NamedTuple):
    """What one event moved on one owner's accounts in one commodity, all together.

    Attributes:
        request_id: Of a withdrawal in two steps; None for any other event.
        account: A participant, or `@` and the kind of a house account (see `named_account`).
        amount: Signed from the holder, natural units, never zero.
    """

    event_id: str
    request_id: str | None
    kind: str
    at: datetime
    account: str
    commodity: str
    amount: Decimal


class OurBooks:
    """A pool's books after an event.

    Attributes:
        pool, shard, sequence: Which.
        connection: In the auditor's role.
    """

    def __init__(
        self, connection: psycopg.Connection, pool: str, shard: int, sequence: int
    ) -> None:
        self.connection = connection
        self.pool = pool
        self.shard = shard
        self.sequence = sequence

    def trades(
        self, begins: datetime | None = None, ends: datetime | None = None
    ) -> Iterator[OurTrade]:
        """Accepted trades that occurred from `begins` to `ends`, both within; busted ones too."""
        with self.connection.cursor() as cursor:
            for row in cursor.stream(_TRADES, self._named(begins, ends), size=STREAMED_ROWS):
                yield OurTrade._make(row)

    def busted(self) -> frozenset[str]:
        """Event ids of the trades that were busted up to the sequence."""
        return frozenset(
            subject for (subject,) in self.connection.execute(_BUSTED, self._named(None, None))
        )

    def movements(
        self,
        owners: Sequence[str] | None,
        begins: datetime | None = None,
        ends: datetime | None = None,
        *,
        every_purpose: bool = False,
    ) -> Iterator[OurMovement]:
        """Movements on accounts of these owners (see `OurMovement.account`); None: of everybody.

        Args:
            begins, ends: When the events occurred, both within.
            every_purpose: Trades, fees, funding and so on as well.
        """
        found = self._accounts(owners)
        named = self._named(begins, ends) | {
            "accounts": [number for number, _, _ in found],
            "names": [name for _, name, _ in found],
            "signs": [sign for _, _, sign in found],
            "every": every_purpose,
            "purposes": [int(purpose) for purpose in OUTSIDE_PURPOSES],
        }
        with self.connection.cursor() as cursor:
            for row in cursor.stream(_MOVEMENTS, named, size=STREAMED_ROWS):
                yield OurMovement._make(row)

    def balances(
        self, sequence: int | None = None, name: str | None = None
    ) -> dict[tuple[str, str], Decimal]:
        """What each owner has, by name (as `OurMovement.account`) and commodity; zeros left out.

        Args:
            sequence: After which event; None: after that of these books.
            name: Of one account; what else its owner has may be there as well. None: of all.
        """
        at = self.sequence if sequence is None else sequence
        named = {"pool": self.pool, "sequence": at, "owner": _owner(name)}
        with self.connection.cursor() as cursor:
            return _summed({}, cursor.stream(_BALANCES, named, size=STREAMED_ROWS))

    def balances_by(
        self, moment: datetime, name: str | None = None
    ) -> dict[tuple[str, str], Decimal]:
        """As `balances`, of all that occurred by a moment, whenever these books came to book it.

        Cost: besides, a walk over the events that were booked after the moment.
        """
        after = self.sequence_at(moment)
        found = self.balances(after, name)
        if after == self.sequence:
            return found
        named = self._named(None, moment) | {"after": after, "owner": _owner(name)}
        with self.connection.cursor() as cursor:
            return _summed(found, cursor.stream(_LATER, named, size=STREAMED_ROWS))

    def settlement_asset(self) -> str:
        """Of the pool; empty before it was declared."""
        row = self.connection.execute(_SETTLEMENT, {"shard": self.shard}).fetchone()
        return "" if row is None else str(row[0])

    def require_held(self, since: datetime | None) -> None:
        """What happened from this moment on must be in the database still; None: everything.

        Raises:
            ConfigurationError: Partitions were detached that may have had some of it.
        """
        gone = self._detached()
        if gone is not None and (since is None or since <= gone[1]):
            raise ConfigurationError(
                f"events up to {gone[0]} of pool {self.pool}, {gone[1]:%Y-%m-%dT%H:%M:%SZ}, were"
                f" detached: asked for is what happened {f'since {since}' if since else 'ever'};"
                " take files of later times, with covers = span in the rules"
            )

    def _detached(self) -> tuple[int, datetime] | None:
        """The last event that retention took away, and its pool time."""
        row = self.connection.execute(_DETACHED, {"shard": self.shard}).fetchone()
        return None if row is None else (int(row[0]), row[1])

    def sequence_at(self, moment: datetime) -> int:
        """The last event up to this moment of pool time, but none after these books; 0: none."""
        row = self.connection.execute(
            _SEQUENCE_AT, {"shard": self.shard, "moment": moment}
        ).fetchone()
        assert row is not None
        return min(int(row[0]), self.sequence)

    def _accounts(self, owners: Sequence[str] | None) -> list[tuple[int, str, int]]:
        """Numbers, names and signs of the accounts that movements are read from."""
        wanted = None if owners is None else frozenset(owners)
        kinds = sorted({*HOLDING_KINDS, *HOUSE_KINDS})
        rows = self.connection.execute(_ACCOUNTS, {"shard": self.shard, "kinds": kinds})
        return [
            (number, name, sign)
            for number, owner, kind in rows
            for name, sign in named_account(owner, kind)
            if (name != OUTSIDE if wanted is None else name in wanted)
        ]

    def _named(self, begins: datetime | None, ends: datetime | None) -> dict[str, object]:
        # What occurred at a moment is applied at a pool time that is not before it.
        before = None if begins is None else begins - timedelta(microseconds=1)
        gone = self._detached()
        if gone is not None and (before is None or before <= gone[1]):
            first = gone[0] + 1
        else:
            first = 1 if before is None else self.sequence_at(before) + 1
        return {
            "shard": self.shard,
            "first": first,
            "sequence": self.sequence,
            "begins": "-infinity" if begins is None else begins,
            "ends": "infinity" if ends is None else ends,
        }


def named_account(owner: str, kind: str) -> tuple[tuple[str, int], ...]:
    """How a reconciliation calls an account of the books, and with which sign.

    Custody has two names: `@custody` as the custodian sees it, a deposit positive, and `@outside`
    as a double entry has it, where the world outside is an account that pays. Cost of positions
    (`variation`) has none: nobody outside has it as a balance.
    """
    if owner != HOUSE:
        return ((owner, 1),) if kind in HOLDING_KINDS else ()
    if kind == "custody":
        return ((CUSTODIAN, -1), (OUTSIDE, 1))
    if kind == "position":
        return ((HOUSE, 1),)
    return ((f"@{kind}", 1),) if kind in HOUSE_KINDS else ()


def _summed(
    found: dict[tuple[str, str], Decimal], rows: Iterable[tuple[str, str, str, Decimal]]
) -> dict[tuple[str, str], Decimal]:
    """What was found, and rows of owner, kind, commodity and amount; zeros left out."""
    for owner, kind, commodity, amount in rows:
        for known, sign in named_account(owner, kind):
            key = (known, commodity)
            found[key] = found.get(key, Decimal(0)) + sign * amount
    return {key: amount for key, amount in found.items() if amount}


def _owner(name: str | None) -> str | None:
    """Whose accounts an account of this name is among; None: of all."""
    is_house = name is not None and name.startswith("@") and name != LIQUIDATION
    return HOUSE if is_house else name


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(at: int) -> datetime:
    """Of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at)


@contextmanager
def our_books(url: str, pool: str, sequence: int | None) -> Iterator[OurBooks]:
    """The books of a pool after an event, for as long as the block runs.

    Args:
        url: Of the database.
        pool: Its name.
        sequence: After which event; None: after the last that is there now.

    Raises:
        ConfigurationError: There is no such pool or event.
        SchemaMismatch: The database is not migrated to this version.
        StoreUnavailable: It cannot be reached.
    """
    with translated(), connected(url, "clearing reconcile", _SESSION) as connection:
        connection.prepare_threshold = None  # planned for this pool's partitions alone
        heads = {name: (shard, head) for name, shard, head in connection.execute(_POOLS)}
        if pool not in heads:
            pools = ", ".join(name for name in heads if not name.startswith("@"))
            raise ConfigurationError(f"pool {pool}: these books have {pools or 'none yet'}")
        shard, head = heads[pool]
        if sequence is not None and not 0 <= sequence <= head:
            raise ConfigurationError(f"--at {sequence}: pool {pool} has the events 1 to {head}")
        yield OurBooks(connection, pool, shard, head if sequence is None else sequence)
