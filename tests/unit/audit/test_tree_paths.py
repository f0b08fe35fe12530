"""Audit paths and consistency proofs: as RFC 6962 says, as reference implementations check them."""

from contextlib import suppress
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit.proofs.tree_paths import (
    Node,
    consistency_nodes,
    folded,
    frontier_nodes,
    path_nodes,
    split,
)
from tests.unit.audit.sum_trees import checker
from tests.vectors.spelled import frontier, tree_root

MODULE = checker()
LEAVES = [sha256(b"\x00" + place.to_bytes(4, "big")).digest() for place in range(300)]


def path(index: int, entries: list[bytes]) -> list[bytes]:
    """CB.8."""
    if len(entries) == 1:
        return []
    middle = split(len(entries))
    if index < middle:
        return [*path(index, entries[:middle]), tree_root(entries[middle:])]
    return [*path(index - middle, entries[middle:]), tree_root(entries[:middle])]


def proof(older: int, entries: list[bytes], *, whole: bool = True) -> list[bytes]:
    """CB.10."""
    if older == len(entries):
        return [] if whole else [tree_root(entries)]
    middle = split(len(entries))
    if older <= middle:
        return [*proof(older, entries[:middle], whole=whole), tree_root(entries[middle:])]
    return [*proof(older - middle, entries[middle:], whole=False), tree_root(entries[:middle])]


def hashes(nodes: list[Node], size: int) -> list[bytes]:
    found = folded(LEAVES, size, nodes)
    assert found[0, size] == tree_root(LEAVES[:size])
    return [found[each] for each in nodes]


def anchor(size: int) -> object:
    root = tree_root(LEAVES[:size])
    return MODULE.Checkpoint("main", size, b"", root, b"", 2, {}, b"", b"", b"")


@pytest.mark.parametrize("size", range(1, 34))
def test_the_path_of_every_leaf_is_that_of_the_rfc_and_leads_to_the_root(size: int) -> None:
    for index in range(size):
        found = hashes(path_nodes(index, size), size)
        assert found == path(index, LEAVES[:size])
        climbed = MODULE.climbed("event", LEAVES[index], index, size, found)
        assert climbed == tree_root(LEAVES[:size])


@pytest.mark.parametrize("newer", range(1, 34))
def test_every_consistency_proof_is_that_of_the_rfc_and_leads_to_both_roots(newer: int) -> None:
    for older in range(1, newer + 1):
        found = hashes(consistency_nodes(older, newer), newer)
        assert found == proof(older, LEAVES[:newer])
        roots = MODULE.grown(anchor(older), anchor(newer), found)
        assert roots == (tree_root(LEAVES[:older]), tree_root(LEAVES[:newer]))


@given(st.integers(1, 300), st.data())
def test_paths_of_several_leaves_come_from_one_pass(size: int, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=4))
    paths = [path_nodes(index, size) for index in chosen]
    found = folded(iter(LEAVES), size, [each for one in paths for each in one])
    for index, nodes in zip(chosen, paths, strict=True):
        climbed = MODULE.climbed("event", LEAVES[index], index, size, [found[n] for n in nodes])
        assert climbed == tree_root(LEAVES[:size])


@given(st.integers(1, 300))
def test_the_perfect_trees_are_the_frontier(size: int) -> None:
    assert hashes(frontier_nodes(size), size) == frontier(LEAVES[:size])


@given(st.integers(2, 300), st.data())
def test_no_other_leaf_place_or_sibling_leads_to_the_root(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    good = hashes(path_nodes(index, size), size)
    changed = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda each: each != index))
    bad = [*good]
    bad[changed] = sha256(bad[changed]).digest()
    forged = [
        (LEAVES[other], index, size, good),
        (LEAVES[index], other, size, good),
        (LEAVES[index], index, size, bad),
        (LEAVES[index], index, size, good[:-1]),
        (LEAVES[index], index, size, good[1:]),
        (LEAVES[index], index, size, [*good, good[-1]]),
    ]
    for attempt in forged:
        with suppress(MODULE.Refused):
            assert MODULE.climbed("event", *attempt) != tree_root(LEAVES[:size])


@given(st.integers(2, 300), st.data())
def test_no_other_growth_leads_to_both_roots(newer: int, data: st.DataObject) -> None:
    older = data.draw(st.integers(1, newer - 1))
    good = hashes(consistency_nodes(older, newer), newer)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = [*good]
    bad[place] = sha256(bad[place]).digest()
    for attempt in (bad, good[:-1], [*good, good[-1]]):
        try:
            found = MODULE.grown(anchor(older), anchor(newer), attempt)
        except MODULE.Refused:
            continue
        assert found != (tree_root(LEAVES[:older]), tree_root(LEAVES[:newer]))
