"""The Merkle tree against RFC 6962 as it is written there, and against the published vectors."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec.merkle import grow, node, packed, root, unpacked
from tests.vectors.spelled import VECTORS, tree_root
from tests.vectors.spelled import frontier as spelled_frontier

SIZES = 300
PUBLISHED = json.loads(VECTORS.read_text(encoding="utf-8"))


def leaves(size: int) -> list[bytes]:
    return [sha256(b"\x00" + place.to_bytes(4, "big")).digest() for place in range(size)]


def grown(entries: list[bytes]) -> list[bytes]:
    frontier: list[bytes] = []
    for size, leaf in enumerate(entries):
        grow(frontier, size, leaf)
    return frontier


@pytest.mark.parametrize("tree", PUBLISHED["trees"], ids=lambda tree: f"size-{tree['size']}")
def test_roots_and_frontiers_are_the_published_ones(tree: dict[str, object]) -> None:
    size = tree["size"]
    assert isinstance(size, int)
    frontier = grown([bytes.fromhex(leaf) for leaf in PUBLISHED["tree_leaves"][:size]])
    assert [entry.hex() for entry in frontier] == tree["frontier"]
    assert root(frontier).hex() == tree["root"]


def test_the_root_of_every_size_is_that_of_the_rfc() -> None:
    entries = leaves(SIZES)
    frontier: list[bytes] = []
    for size in range(SIZES + 1):
        assert root(frontier) == tree_root(entries[:size]), size
        if size < SIZES:
            grow(frontier, size, entries[size])


def test_the_frontier_of_every_size_is_the_perfect_trees_in_it() -> None:
    entries = leaves(SIZES)
    frontier: list[bytes] = []
    for size in range(SIZES + 1):
        assert frontier == spelled_frontier(entries[:size]), size
        assert len(frontier) == size.bit_count()
        if size < SIZES:
            grow(frontier, size, entries[size])


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# The roots that Certificate Transparency's own reference tests expect for their inputs.
RFC_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
RFC_INPUTS += ["606162636465666768696a6b6c6d6e6f"]
RFC_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_roots_of_certificate_transparencys_reference_inputs_are_met() -> None:
    entries = [sha256(b"\x00" + bytes.fromhex(words)).digest() for words in RFC_INPUTS]
    found = [root(grown(entries[: size + 1])).hex() for size in range(len(entries))]
    assert found == RFC_ROOTS


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=80), st.data())
def test_a_stored_frontier_is_enough_to_go_on(entries: list[bytes], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(entries)))
    frontier = unpacked(packed(grown(entries[:cut])))
    for size in range(cut, len(entries)):
        grow(frontier, size, entries[size])
    assert root(frontier) == tree_root(entries)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=60), st.data())
def test_another_leaf_is_another_root(entries: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    changed = [*entries]
    changed[place] = sha256(entries[place]).digest()
    assert root(grown(changed)) != root(grown(entries))


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_left_and_right_are_told_apart(left: bytes, right: bytes) -> None:
    assert (node(left, right) == node(right, left)) == (left == right)
