"""The audit of what a pool owes its participants: one leaf each, folded to a published root.

Columns: cash (wallet, isolated and hold) of each asset by id, then equity at the marks of that
moment, all margin accounts of a participant together, in the settlement asset. What is below zero
counts zero in the tree; its total, and of how many, is disclosed beside it. So, per column,

    sum of the tree - disclosed negative = total of the books

How it works. Leaves are ordered by a keyed mark of the participant, so a place tells nothing. They
are folded in chunks; of a chunk only its packed leaves and its node are kept, and what is asked for
later is folded again from them. Memory grows with participants, about 400 bytes each.

Source: docs/spec/liabilities.md.
"""

import secrets
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ledger.audit.liabilities.equity import NOTHING, worths
from ledger.audit.liabilities.tree import SECRET_LENGTH, Marks, Shape, path, root
from ledger.codec.decoding import decimal_text
from ledger.core.units import Fixed
from ledger.errors import ConfigurationError, LedgerError
from ledger.store.audit.liabilities import Anchor, HouseAccount, Owed

CHUNK_LEAVES = 256
"""A power of two: a chunk then folds alone to a node of the whole tree."""

ALTERED = "the private files of this audit do not lead to its published root: were they altered?"

EQUITY = "equity"
CASH = "cash"

OWED = frozenset({"wallet", "isolated", "hold"})
"""Kinds of accounts whose balances are cash."""


class Column(NamedTuple):
    """What a column counts, and what it left out.

    Attributes:
        name: `cash` or `equity`.
        asset, scale: What its values are smallest units of.
        negative: Sum of what is below zero, as a positive number of smallest units.
        negative_count: How many participants that is.
    """

    name: str
    asset: str
    scale: int
    negative: int
    negative_count: int


class Chunk(NamedTuple):
    """Leaves that stand side by side.

    Attributes:
        first: Mark of the first of them.
        entry: The node above them.
        packed: Account and values of each, compressed.
    """

    first: bytes
    entry: bytes
    packed: bytes


class Header(NamedTuple):
    """What the root commits to beside the tree."""

    anchor: Anchor
    columns: Sequence[Column]
    house: Sequence[HouseAccount]

    def encoded(self) -> bytes:
        """Canonical bytes, as the root hashes them."""
        anchor = self.anchor
        known = anchor.checkpoint
        parts = [b"\x01", _text(anchor.pool), anchor.sequence.to_bytes(8, "big"), anchor.chain]
        parts.append(b"\x00" if known is None else b"\x01" + known)
        parts.append(len(self.columns).to_bytes(4, "big"))
        for name, asset, scale, negative, count in self.columns:
            parts += (_text(name), _text(asset), bytes((scale,)))
            parts += (negative.to_bytes(16, "big"), count.to_bytes(8, "big"))
        parts.append(len(self.house).to_bytes(4, "big"))
        for account, kind, instrument, asset_held, balance in self.house:
            parts += (_text(account), _text(kind), _optional(instrument), _optional(asset_held))
            parts.append(_text(balance))
        return b"".join(parts)


class Audit(NamedTuple):
    """An audit, whole: what is published and what stays with the operator.

    Attributes:
        header: What the root commits to beside the tree.
        leaves: How many participants.
        top: Entry of the top node: its hash and the sums.
        secret: From which salts and places are derived; private.
        chunks: All leaves in order; private.
    """

    header: Header
    leaves: int
    top: bytes
    secret: bytes
    chunks: list[Chunk]

    @property
    def shape(self) -> Shape:
        return Shape(len(self.header.columns))

    @property
    def root(self) -> bytes:
        return root(self.header.encoded(), self.leaves, self.top)

    def chunk_of(self, account: str) -> int:
        """Number of the chunk in which this participant stands, if it is in the audit."""
        mark = Marks(self.secret).of(account)
        return max(0, bisect_right(self.chunks, mark, key=lambda chunk: chunk.first) - 1)

    def sums(self) -> list[int]:
        """Of each column, smallest units."""
        return self.shape.values(self.shape.row(self.top))


class Proof(NamedTuple):
    """That a participant is in the tree.

    Attributes:
        account, salt, values: Its leaf.
        place: Its place among the leaves, from 0.
        steps: Side and entry of each sibling, from the leaf up.
    """

    account: str
    salt: bytes
    values: Sequence[int]
    place: int
    steps: Sequence[tuple[str, bytes]]


class Claims(NamedTuple):
    """What participants are owed, as the tree takes it.

    Attributes:
        shape: Of the rows.
        columns: What they count, and what was left out.
        rows: Packed, by participant.
    """

    shape: Shape
    columns: list[Column]
    rows: dict[str, int]


class Tally:
    """Adds up what participants are owed, account by account.

    Memory: a whole number a participant and column.
    """

    def __init__(self, scales: Mapping[str, int], settlement: str) -> None:
        """Begin without a participant.

        Args:
            scales: Of each asset that there may be cash of.
            settlement: The asset of equity; one of them.
        """
        self._scales = scales
        self._settlement = settlement
        self._cash: dict[str, dict[str, int]] = {settlement: {}}
        self._equity: dict[str, int] = {}

    def add(self, account: str, asset: str | None, cash: int, equity: int) -> None:
        """One account of a participant: what it adds to the cash of its asset, and to equity."""
        if asset is not None:
            column = self._cash.get(asset)
            if column is None:
                column = self._cash[asset] = {}
            column[account] = column.get(account, 0) + cash
        self._equity[account] = self._equity.get(account, 0) + equity

    def claims(self) -> Claims:
        """Columns, and each participant's row; what is below zero counts zero."""
        named = [(CASH, asset, self._cash[asset]) for asset in sorted(self._cash)]
        named.append((EQUITY, self._settlement, self._equity))
        shape = Shape(len(named))
        negative = [[0, 0] for _ in named]
        rows = {}
        for account in self._equity:
            values = [figures.get(account, 0) for _, _, figures in named]
            if min(values) < 0:
                values = [_floored(value, out) for value, out in zip(values, negative, strict=True)]
            rows[account] = shape.packed(values)
        columns = [
            Column(name, asset, self._scales[asset], owed, count)
            for (name, asset, _), (owed, count) in zip(named, negative, strict=True)
        ]
        return Claims(shape, columns, rows)


def _floored(value: int, negative: list[int]) -> int:
    if value < 0:
        negative[0] -= value
        negative[1] += 1
    return max(value, 0)


def claims_of(books: Owed, on_accounts: Callable[[int], object] = lambda _count: None) -> Claims:
    """Every participant with a posting up to the event: cash and equity.

    Args:
        books: Where they are read.
        on_accounts: Told how many account numbers were read, page by page.
    """
    tally = Tally(books.scales, books.settlement)
    worth_of = worths(books.assets(), books.instruments())
    for count, page in books.held():
        for owner, kind, instrument, asset, balance in page:
            units = int(balance)
            worth = worth_of.get((kind, instrument, asset), NOTHING)
            tally.add(owner, asset, units if kind in OWED else 0, worth.of(units))
        on_accounts(count)
    return tally.claims()


def audit(
    anchor: Anchor,
    claims: Claims,
    house: Sequence[HouseAccount],
    secret: bytes | None = None,
    on_leaves: Callable[[int], None] = lambda _count: None,
) -> Audit:
    """The tree over all claims.

    Args:
        anchor: Which books it is of.
        claims: Every participant's figures.
        house: Disclosed beside the tree.
        secret: Of this audit alone; None draws one.
        on_leaves: Told how many leaves were folded, chunk by chunk.

    Raises:
        LedgerError: A sum is out of range, or cash is not what the checkpoint says.
        ConfigurationError: There is no participant.
    """
    if not claims.rows:
        raise ConfigurationError(
            f"pool {anchor.pool} has no participant after event {anchor.sequence}: nothing to prove"
        )
    secret = secrets.token_bytes(SECRET_LENGTH) if secret is None else secret
    shape, marks = claims.shape, Marks(secret)
    ordered = sorted((marks.of(account), account, row) for account, row in claims.rows.items())
    chunks = []
    for start in range(0, len(ordered), CHUNK_LEAVES):
        leaves = ordered[start : start + CHUNK_LEAVES]
        chunks.append(_chunk(shape, leaves))
        on_leaves(len(leaves))
    top = _levels_above(shape, chunks)[-1][0]
    header = Header(anchor, claims.columns, house)
    made = Audit(header, len(ordered), top, secret, chunks)
    _holds_against_the_checkpoint(made)
    return made


def prove(found: Audit, account: str) -> Proof:
    """A participant's proof; the chunk that it stands in is folded again.

    Raises:
        ConfigurationError: The participant is not in this audit.
        LedgerError: The private files do not lead to the published root.
    """
    shape, marks = found.shape, Marks(found.secret)
    number = found.chunk_of(account)
    leaves = list(_unpacked(shape, found.chunks[number].packed))
    names = [name for name, _row in leaves]
    if account not in names:
        raise ConfigurationError(
            f"account {account} is not in this audit of pool {found.header.anchor.pool}"
            f" after event {found.header.anchor.sequence}"
        )
    place = names.index(account)
    rows = [row for _name, row in leaves]
    entries = [shape.leaf(marks.of(name)[32:], name, row) for name, row in leaves]
    below = shape.levels(entries, rows)
    above = _levels_above(shape, found.chunks)
    if below[-1][0] != found.chunks[number].entry or above[-1][0] != found.top:
        raise LedgerError(ALTERED)
    steps = path(below, place) + path(above, number)
    index = number * CHUNK_LEAVES + place
    return Proof(account, marks.of(account)[32:], shape.values(rows[place]), index, steps)


def decimal(units: int, scale: int) -> str:
    """Smallest units as a decimal in natural units."""
    return decimal_text(Fixed(units, scale))


def _chunk(shape: Shape, leaves: Sequence[tuple[bytes, str, int]]) -> Chunk:
    entries = [shape.leaf(mark[32:], account, row) for mark, account, row in leaves]
    rows = [row for _mark, _account, row in leaves]
    packed = b"".join(
        _text(account) + row.to_bytes(shape.length, "big") for _mark, account, row in leaves
    )
    top = shape.levels(entries, rows)[-1][0]
    return Chunk(leaves[0][0], top, zlib.compress(packed, 1))


def _unpacked(shape: Shape, packed: bytes) -> Iterator[tuple[str, int]]:
    try:
        content = zlib.decompress(packed)
    except zlib.error as fault:
        raise LedgerError(ALTERED) from fault
    at = 0
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "big")
        row = int.from_bytes(content[end : end + shape.length], "big")
        yield content[at + 4 : end].decode(), row
        at = end + shape.length


def _levels_above(shape: Shape, chunks: Sequence[Chunk]) -> list[list[bytes]]:
    entries = [chunk.entry for chunk in chunks]
    return shape.levels(entries, [shape.row(entry) for entry in entries])


def _holds_against_the_checkpoint(made: Audit) -> None:
    expected = made.header.anchor.participants
    if expected is None:
        return
    found = {
        column.asset: total - column.negative
        for column, total in zip(made.header.columns, made.sums(), strict=True)
        if column.name == CASH
    }
    for asset in sorted({*expected, *found}):
        if expected.get(asset, 0) != found.get(asset, 0):
            raise LedgerError(
                f"cash of participants in {asset}: the checkpoint after event"
                f" {made.header.anchor.sequence} says {expected.get(asset, 0)} smallest units,"
                f" the balances sum to {found.get(asset, 0)}: run clearing verify"
            )


def _text(words: str) -> bytes:
    encoded = words.encode()
    return len(encoded).to_bytes(4, "big") + encoded


def _optional(words: str | None) -> bytes:
    return b"\x00" if words is None else b"\x01" + _text(words)
