"""Which partition (leaf) of its shard a posting belongs to, so that it is sent straight there.

Through the parent, PostgreSQL writes each posting by itself, because of the trigger there; straight
to the leaf it writes a page at a time. What the leaf refuses is the same either way.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import psycopg

from ledger.core.outcome import Posting
from ledger.errors import StoreError

Entry = tuple[int, Sequence[Posting]]
"""Sequence of an event, and its postings in the order of their lines."""


class Leaf(NamedTuple):
    """Sequences from `first` to before `past`."""

    first: int
    past: int


class Leaves:
    """The newest leaf of each shard, as far as it was asked for; its bounds never change."""

    def __init__(self) -> None:
        """Know none."""
        self._newest: dict[int, Leaf] = {}

    def know(self, shard: int, entries: Sequence[Entry]) -> bool:
        """Whether `split` can do without the database; entries as there, at least one."""
        leaf = self._newest.get(shard)
        return leaf is not None and leaf.first <= entries[0][0] and entries[-1][0] < leaf.past

    def split(
        self, connection: psycopg.Connection, shard: int, entries: Sequence[Entry]
    ) -> Iterator[tuple[str, Sequence[Entry]]]:
        """The tables that entries go to, in order, and which go there.

        Args:
            connection: Where the shard lives.
            shard: Its number.
            entries: Of the shard, by sequence.

        Raises:
            StoreError: A sequence has no leaf.
        """
        begin = 0
        while begin < len(entries):
            leaf = self._of(connection, shard, entries[begin][0])
            end = bisect_left(entries, leaf.past, begin, key=_sequence)
            here = entries if end - begin == len(entries) else entries[begin:end]
            yield f"ledger.posting_{shard}_{leaf.first}", here
            begin = end

    def _of(self, connection: psycopg.Connection, shard: int, sequence: int) -> Leaf:
        known = self._newest.get(shard)
        if known is not None and known.first <= sequence < known.past:
            return known
        row = connection.execute(
            "SELECT first, past FROM ledger.leaf_of(%s, %s)", (shard, sequence)
        ).fetchone()
        if row is None or row[0] is None:
            raise StoreError(f"shard {shard}: no partition takes sequence {sequence}")
        leaf = self._newest[shard] = Leaf(*row)
        return leaf


def _sequence(entry: Entry) -> int:
    return entry[0]
