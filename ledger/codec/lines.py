"""Postings of an event as the bytes that are hashed, with the numbers of their lines.

Whoever checks books holds these bytes against others as they are; they are taken apart only where
postings are folded, or differ.
"""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final, Self, final

from ledger.codec.canonical import POSTING_LENGTH, posting_bytes, postings_of
from ledger.core.outcome import Posting

LINE_LENGTH: Final = 4
_IN_ORDER: Final = b"".join(line.to_bytes(LINE_LENGTH, "big") for line in range(1, 65))


@final
class Lines:
    """All postings of an event.

    Attributes:
        numbers: Of the lines, 32 bits each, in the order of the postings.
        packed: The postings as `ledger.codec.canonical` packs them, one behind the other.
        opened: Accounts whose first posting is among them, ascending.
    """

    def __init__(self, numbers: bytes, packed: bytes, opened: Sequence[int]) -> None:
        """Keep them; there are as many numbers as postings."""
        self.numbers = numbers
        self.packed = packed
        self.opened = opened

    @classmethod
    def of(cls, postings: Sequence[tuple[int, Posting]]) -> Self:
        """Postings with the numbers of their lines.

        Raises:
            struct.error, OverflowError: A number is none of a posting.
        """
        numbers = b"".join(line.to_bytes(LINE_LENGTH, "big", signed=True) for line, _ in postings)
        bare = [posting for _, posting in postings]
        return cls(numbers, posting_bytes(bare), opened_by(bare))

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.packed) // POSTING_LENGTH

    def are(self, packed: bytes) -> bool:
        """Whether they are these, numbered from 1."""
        return self.packed == packed and self.numbers == in_order(self.count)

    def split(self) -> list[tuple[int, Posting]]:
        """Each with the number of its line."""
        return list(zip(numbers_of(self.numbers), postings_of(self.packed), strict=True))


def opened_by(postings: Iterable[Posting]) -> list[int]:
    """Numbers of the accounts that have their first posting among these, ascending."""
    return sorted({posting[0] for posting in postings if posting[1] == 1})


def numbers_of(packed: bytes) -> tuple[int, ...]:
    """Numbers of 32 bits."""
    found: tuple[int, ...] = Struct(f">{len(packed) // LINE_LENGTH}i").unpack(packed)
    return found


def in_order(count: int) -> bytes:
    """1 to a count, as `Lines` has them."""
    if count * LINE_LENGTH <= len(_IN_ORDER):
        return _IN_ORDER[: count * LINE_LENGTH]
    return Struct(f">{count}i").pack(*range(1, count + 1))


NO_LINES: Final = Lines(b"", b"", ())
