"""The Merkle sum tree over participants: bytes, hashes, folding, paths.

    leaf = SHA256(0x10 | salt | text account | values)
    node = SHA256(0x11 | left hash | left sums | right hash | right sums)
    root = SHA256(0x12 | SHA256(header) | u64 leaves | top hash | top sums)

A node is kept as its *entry*, hash and sums as they are hashed by its parent. It hashes the sums of
both children: with their total alone, each child could be shown a sibling that is too small.

Rules of this file:

* Values are whole smallest units, one a column, 16 bytes each, from 0 to below 2^126. A row of
  values is also one whole number (`packed`), the first column highest, so that rows are added at
  once; two spare bits a column keep a sum that is out of range from reaching its neighbour.
* Nodes are paired from the left; an odd last one is carried up as it is. That is the shape of
  RFC 6962. So any `2^k` leaves that begin at a multiple of `2^k` fold alone to the node above them.

Cost: a million participants with three columns take 7 s, marks and sorting included.
Source: docs/spec/liabilities.md.
"""

import hashlib
from collections.abc import Sequence

from ledger.errors import LedgerError

VALUE_LENGTH = 16
VALUE_BITS = 126
HASH_LENGTH = 32
SALT_LENGTH = 32
SECRET_LENGTH = 32

_BLOCK_LENGTH = 128  # of SHA-512, for HMAC
_SLOT_BITS = 8 * VALUE_LENGTH

_sha256 = hashlib.sha256


class Marks:
    """Salt and place of each participant, by HMAC-SHA512 (RFC 2104) under the audit's secret.

    The state after the key is kept and copied: 1.5 us a participant, where `hmac.digest` takes 4.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_LENGTH:
            raise LedgerError(f"an audit's secret is {SECRET_LENGTH} bytes, found {len(secret)}")
        block = secret.ljust(_BLOCK_LENGTH, b"\0")
        self._inner = hashlib.sha512(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha512(bytes(byte ^ 0x5C for byte in block))

    def of(self, account: str) -> bytes:
        """64 bytes: the place, by which leaves are ordered, then the salt."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(account.encode())
        outer.update(inner.digest())
        return outer.digest()


class Shape:
    """How rows of so many columns are packed and kept in range."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.length = columns * VALUE_LENGTH
        spare = (1 << _SLOT_BITS) - (1 << VALUE_BITS)
        self._excess = sum(spare << (_SLOT_BITS * place) for place in range(columns))

    def packed(self, values: Sequence[int]) -> int:
        """A row as one number.

        Raises:
            LedgerError: A value is negative or 2^126 and more.
        """
        row = 0
        for value in values:
            if not 0 <= value < 1 << VALUE_BITS:
                raise LedgerError(f"a value of the sum tree is 0 to below 2^126, found {value}")
            row = row << _SLOT_BITS | value
        return row

    def values(self, row: int) -> list[int]:
        """The columns of a packed row."""
        places = range(_SLOT_BITS * (self.columns - 1), -1, -_SLOT_BITS)
        return [row >> place & ((1 << _SLOT_BITS) - 1) for place in places]

    def leaf(self, salt: bytes, account: str, row: int) -> bytes:
        """The entry of a participant."""
        name = account.encode()
        values = row.to_bytes(self.length, "big")
        text = len(name).to_bytes(4, "big") + name
        return _sha256(b"\x10" + salt + text + values).digest() + values

    def parents(self, entries: list[bytes], rows: list[int]) -> tuple[list[bytes], list[int]]:
        """One level up.

        Raises:
            LedgerError: A sum is 2^126 or more.
        """
        length, excess, sha256 = self.length, self._excess, _sha256
        above: list[bytes] = []
        totals: list[int] = []
        for place in range(0, len(entries) - 1, 2):
            total = rows[place] + rows[place + 1]
            if total & excess:
                raise LedgerError(f"a sum of the tree reaches 2^126: {self.values(total)}")
            digest = sha256(b"\x11" + entries[place] + entries[place + 1]).digest()
            above.append(digest + total.to_bytes(length, "big"))
            totals.append(total)
        if len(entries) % 2:
            above.append(entries[-1])
            totals.append(rows[-1])
        return above, totals

    def levels(self, entries: list[bytes], rows: list[int]) -> list[list[bytes]]:
        """All levels of a tree, leaves first, the single top last."""
        found = [entries]
        while len(entries) > 1:
            entries, rows = self.parents(entries, rows)
            found.append(entries)
        return found

    def row(self, entry: bytes) -> int:
        """The packed sums of an entry."""
        return int.from_bytes(entry[HASH_LENGTH:], "big")


def path(levels: Sequence[Sequence[bytes]], index: int) -> list[tuple[str, bytes]]:
    """Side and entry of each sibling, from the leaf up; a level that carries it has no step."""
    steps = []
    for entries in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(entries):
            steps.append(("left" if sibling < index else "right", entries[sibling]))
        index >>= 1
    return steps


def root(header: bytes, leaves: int, top: bytes) -> bytes:
    """What is published: it fixes header, number of leaves, sums and every leaf."""
    head = b"\x12" + _sha256(header).digest() + leaves.to_bytes(8, "big")
    return _sha256(head + top).digest()
