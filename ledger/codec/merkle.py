"""The Merkle tree over the events of a shard, in the shape of RFC 6962, kept as its frontier.

    leaf   SHA256(0x00 | ...)          ledger.codec.canonical
    node   SHA256(0x01 | left | right)

A tree of `n` leaves is the perfect trees of the powers of two in `n`, largest first; their roots
are the *frontier*, at most 64 hashes, which is all that is needed to go on. The root folds them
from the right. Cost: one hash a leaf, amortized.
"""

import hashlib
from collections.abc import Sequence

HASH_LENGTH = 32

_sha256 = hashlib.sha256


def node(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return _sha256(b"\x01" + left + right).digest()


def grow(frontier: list[bytes], size: int, leaf: bytes) -> None:
    """Add a leaf to a tree of `size` leaves; the frontier is changed in place."""
    while size & 1:
        leaf = node(frontier.pop(), leaf)
        size >>= 1
    frontier.append(leaf)


def root(frontier: Sequence[bytes]) -> bytes:
    """The root of the tree with this frontier; of an empty tree the hash of nothing."""
    if not frontier:
        return _sha256(b"").digest()
    folded = frontier[-1]
    for subtree in reversed(frontier[:-1]):
        folded = node(subtree, folded)
    return folded


def packed(frontier: Sequence[bytes]) -> bytes:
    """A frontier as it is stored."""
    return b"".join(frontier)


def unpacked(stored: bytes) -> list[bytes]:
    """A stored frontier."""
    return [stored[at : at + HASH_LENGTH] for at in range(0, len(stored), HASH_LENGTH)]
