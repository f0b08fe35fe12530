"""When the rows of a batch can be made before the batch in front of it is written."""

import pytest

from ledger.store.log.leaves import Leaf, Leaves
from ledger.store.log.memory import MemoryLog
from ledger.store.log.packing import STRAIGHT_MIN, asks_nothing, sources_of
from tests.contract.entries import batch, owned


def knowing(*leaves: Leaf) -> Leaves:
    """Leaves of shard 1 that were asked for."""
    known = Leaves()
    for leaf in leaves:
        vars(known)["_newest"][1] = leaf
    return known


@pytest.mark.parametrize(
    ("events", "leaves", "is_ready"),
    [
        (STRAIGHT_MIN - 1, knowing(), True),
        (STRAIGHT_MIN, knowing(), False),
        (STRAIGHT_MIN, knowing(Leaf(1, STRAIGHT_MIN + 1)), True),
        (STRAIGHT_MIN, knowing(Leaf(1, STRAIGHT_MIN)), False),
    ],
    ids=["few go through the parent", "not asked for", "within the leaf", "beyond its end"],
)
def test_rows_wait_for_the_leaf_of_many_postings_alone(
    events: int, leaves: Leaves, *, is_ready: bool
) -> None:
    part = batch(owned(MemoryLog()), events)
    sources = dict.fromkeys(sources_of([part]), 1)
    assert asks_nothing([part], sources, leaves) is is_ready


def test_rows_wait_for_the_number_of_a_source() -> None:
    assert not asks_nothing([batch(owned(MemoryLog()))], {}, knowing())
