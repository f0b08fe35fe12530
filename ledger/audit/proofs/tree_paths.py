"""Audit paths and consistency proofs of the Merkle tree, worked out while its leaves stream by.

A node is the range of the leaves under it, `(first, past)`. Which nodes a proof needs is known
from the numbers alone (RFC 6962, 2.1.1 and 2.1.2); `folded` finds their hashes in one pass over the
leaves. Memory: the nodes asked for and one frontier. Cost: a hash and about as much again a leaf.

Source: docs/spec/canonical-bytes.md, CB.6 to CB.10.
"""

from collections.abc import Iterable, Iterator

from ledger.codec.merkle import grow, node, root

Node = tuple[int, int]
"""First leaf and the one past the last, from 0."""


def path_nodes(index: int, size: int) -> list[Node]:
    """The siblings on the way from a leaf up, in that order."""
    assert 0 <= index < size, f"leaf {index} of {size}"
    first, past = 0, size
    found = []
    while past - first > 1:
        middle = first + split(past - first)
        if index < middle:
            found.append((middle, past))
            past = middle
        else:
            found.append((first, middle))
            first = middle
    return found[::-1]


def consistency_nodes(older: int, newer: int) -> list[Node]:
    """The nodes that show the first `older` leaves of a tree of `newer` to be all of the older."""
    assert 0 < older <= newer, f"from {older} to {newer}"
    first, past, whole = 0, newer, True
    found = []
    while past != older:
        middle = first + split(past - first)
        if older <= middle:
            found.append((middle, past))
            past = middle
        else:
            found.append((first, middle))
            first, whole = middle, False
    if not whole:
        found.append((first, past))
    return found[::-1]


def frontier_nodes(size: int) -> list[Node]:
    """The perfect trees of a tree, largest first."""
    found, first = [], 0
    for power in reversed(range(size.bit_length())):
        if size >> power & 1:
            found.append((first, first + (1 << power)))
            first += 1 << power
    return found


def folded(leaves: Iterable[bytes], size: int, wanted: Iterable[Node]) -> dict[Node, bytes]:
    """Hashes of the nodes asked for, and of the whole tree under `(0, size)`.

    Args:
        leaves: In order; those after `size` are not taken.
        size: Of the tree, not 0.
        wanted: Nodes of this tree.
    """
    nodes = sorted({*wanted, (0, size)}, key=lambda each: (each[0], -each[1]))
    found: dict[Node, bytes] = {}
    _fold(iter(leaves), (0, size), nodes, found)
    return found


def split(size: int) -> int:
    """The largest power of two below a size of two or more."""
    return 1 << (size - 1).bit_length() - 1


def _fold(leaves: Iterator[bytes], at: Node, wanted: list[Node], found: dict[Node, bytes]) -> bytes:
    """The hash of a node, whose leaves come next; `wanted` are those inside it."""
    first, past = at
    if any(each != at for each in wanted):
        middle = first + split(past - first)
        left = [each for each in wanted if each[1] <= middle]
        right = [each for each in wanted if each[0] >= middle]
        one = _fold(leaves, (first, middle), left, found)
        made = node(one, _fold(leaves, (middle, past), right, found))
    else:
        frontier: list[bytes] = []
        for size in range(past - first):
            grow(frontier, size, next(leaves))
        made = root(frontier)
    if at in wanted:
        found[at] = made
    return made
