"""The standalone checker refuses every forged proof of liabilities; each forgery is made here."""

import ast
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.unit.audit.sum_trees import (
    CHECKER,
    HASHES,
    Json,
    Leaf,
    Node,
    checker,
    joined,
    leaf_node,
    proof,
    public,
    row,
    sha,
    siblings,
    text,
    top_of,
    tree,
)

MODULE = checker()
Refused = MODULE.Refused
MOST = 2**126 - 1


def leaf(account: str, *values: int) -> Leaf:
    return Leaf(account, values, sha(account.encode()))


LEAVES = [
    leaf("anna", 150, 6000, 9000),
    leaf("ben", 0, 4000, 0),
    leaf("cleo", 7, 500, 400),
    leaf("dora", 0, 0, 1),
    leaf("eli", 1, 1, 1),
]
PUBLISHED, PROOFS = tree(LEAVES)


def check(published: Json, *proofs: Json) -> list[str]:
    seen = MODULE.Seen()
    return [MODULE.checked(one, [published], seen) for one in proofs]


def refused(published: Json, *proofs: Json) -> str:
    with pytest.raises(Refused) as why:
        check(published, *proofs)
    return str(why.value)


def test_honest_proofs_are_accepted() -> None:
    told = check(PUBLISHED, *PROOFS)
    assert told[0] == (
        f"anna is leaf 0 of 5 under root {PUBLISHED['root']} (pool main, after event 7):"
        " cash 0.00000150 BTC, cash 60.00 USD, equity 90.00 USD"
    )


def broken_join(left: Node, right: Node) -> Node:
    """The node that hashes the total alone, of the classic tree (ePrint 2018/1139)."""
    sums = tuple(max(one, two) for one, two in zip(left.sums, right.sums, strict=True))
    return Node(sha(b"\x11", left.digest, right.digest, row(sums)), sums)


def broken_verdict(published: Json, leaf_shown: Leaf, path: Sequence[tuple[str, Node]]) -> bool:
    """What a checker of the classic tree would say."""
    node = leaf_node(leaf_shown)
    for side, sibling in path:
        left, right = (sibling, node) if side == "left" else (node, sibling)
        sums = tuple(one + two for one, two in zip(left.sums, right.sums, strict=True))
        node = Node(sha(b"\x11", left.digest, right.digest, row(sums)), sums)
    return [node.digest.hex(), node] == [published["top"], Node(node.digest, node.sums)] and (
        public(node, published["leaves"])["root"] == published["root"]
    )


def test_a_sum_only_forgery_is_refused() -> None:
    # Anna has 60.00 and Ben 40.00; the forger publishes the larger as the total of both, and shows
    # each a sibling that makes the total come out.
    anna, ben = leaf("anna", 0, 6000, 0), leaf("ben", 0, 4000, 0)
    nodes = [leaf_node(anna), leaf_node(ben)]
    top = broken_join(*nodes)
    assert top.sums == (0, 6000, 0), "liabilities of 100.00 published as 60.00"
    published = public(top, 2)
    to_anna = [("right", Node(nodes[1].digest, (0, 0, 0)))]
    to_ben = [("left", Node(nodes[0].digest, (0, 2000, 0)))]
    assert broken_verdict(published, anna, to_anna), "the classic tree accepts it"
    assert broken_verdict(published, ben, to_ben), "the classic tree accepts it"
    assert "hash: the path leads to" in refused(published, proof(published, anna, 0, to_anna))
    assert "hash: the path leads to" in refused(published, proof(published, ben, 1, to_ben))


def test_a_tree_that_hides_a_sum_cannot_prove_both_children() -> None:
    # The same forger with this tree's node: it must settle for one sum of each child.
    anna, ben = leaf("anna", 0, 6000, 0), leaf("ben", 0, 4000, 0)
    small = Node(leaf_node(ben).digest, (0, 0, 0))
    published = public(joined(leaf_node(anna), small), 2)
    assert check(published, proof(published, anna, 0, [("right", small)]))
    assert refused(published, proof(published, ben, 1, [("left", leaf_node(anna))]))
    smaller = Node(leaf_node(anna).digest, (0, 2000, 0))
    assert refused(published, proof(published, ben, 1, [("left", smaller)]))


def test_a_swapped_sibling_is_refused() -> None:
    for forged in deepcopy(PROOFS[:4]):
        step = forged["path"][0]
        step["side"] = {"left": "right", "right": "left"}[step["side"]]
        assert "step 1: swapped sibling" in refused(PUBLISHED, forged)


def test_a_leaf_in_the_place_of_its_sibling_is_refused() -> None:
    forged = deepcopy(PROOFS[0])
    forged["index"] = 1
    forged["path"][0]["side"] = "left"
    assert "hash: the path leads to" in refused(PUBLISHED, forged)


def test_steps_in_another_order_are_refused() -> None:
    forged = deepcopy(PROOFS[0])
    forged["path"].reverse()
    assert refused(PUBLISHED, forged)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_negative_leaf_is_refused(column: int) -> None:
    values = [10, 10, 10]
    values[column] = -3000
    leaves = [LEAVES[0], leaf("nobody", *values), *LEAVES[1:]]
    nodes = [leaf_node(one) for one in leaves]
    published = public(top_of(nodes), len(leaves))
    own = proof(published, leaves[1], 1, siblings(nodes, 1))
    seen_by_anna = proof(published, leaves[0], 0, siblings(nodes, 0))
    if column == 0:
        assert "negative" in refused(published, own), "the published sum is negative itself"
    assert "negative" in refused(published, own)
    assert "negative" in refused(published, seen_by_anna), "the sibling is read by anna too"


def test_a_negative_subtree_is_refused_by_those_beside_it() -> None:
    leaves = [*LEAVES[:2], leaf("x", 0, -900, 0), leaf("y", 0, 100, 0)]
    nodes = [leaf_node(one) for one in leaves]
    published = public(top_of(nodes), 4)
    why = refused(published, proof(published, leaves[0], 0, siblings(nodes, 0)))
    assert why == "step 2, cash in USD: negative, -800 smallest units"


def test_a_negative_value_told_as_a_large_one_overflows() -> None:
    forged = deepcopy(PROOFS[0])
    forged["path"][0]["sums"][1] = f"{2**128 - 3000}.00"
    assert "overflow" in refused(PUBLISHED, forged)
    forged = deepcopy(PROOFS[0])
    forged["values"][2]["value"] = f"{2**126}.00"
    assert "overflow" in refused(PUBLISHED, forged)


def wrapped(left: Node, right: Node) -> Node:
    """Sums that go round at 128 bits."""
    node = joined(left, right)
    return Node(node.digest, tuple(one % 2**128 for one in node.sums))


def test_an_overflow_is_refused() -> None:
    leaves = [leaf("anna", 0, 6000, 0), *(leaf(f"x{n}", 0, MOST, 0) for n in range(3))]
    leaves += [leaf(f"y{n}", 0, MOST, 0) for n in range(2)]
    nodes = [leaf_node(one) for one in leaves]
    top = top_of(nodes, wrapped)
    assert top.sums[1] == (5 * MOST + 6000) % 2**128, "five times 2^126 has gone round"
    for published in (public(top, 6), public(Node(top.digest, (0, 0, 0)), 6)):
        forged = proof(published, leaves[0], 0, siblings(nodes, 0, wrapped))
        assert "overflow" in refused(published, forged)


def test_a_parent_out_of_range_is_refused_though_its_children_are_in_range() -> None:
    nodes = [leaf_node(leaf("anna", 0, 1, 0)), leaf_node(leaf("x", 0, MOST, 0))]
    published = public(Node(joined(*nodes).digest, (0, 0, 0)), 2)
    forged = proof(published, leaf("anna", 0, 1, 0), 0, [("right", nodes[1])])
    assert refused(
        published, forged
    ) == f"step 1, parent: overflow, {2**126} smallest units are" + (" 2^126 or more")


def test_the_largest_sum_is_accepted() -> None:
    leaves = [leaf("anna", MOST - 1, 0, 0), leaf("ben", 1, 0, 0)]
    published, proofs = tree(leaves)
    assert len(check(published, *proofs)) == 2


def test_an_account_that_is_in_the_tree_twice_is_refused() -> None:
    published, proofs = tree([*LEAVES[:3], LEAVES[0]])
    assert check(published, proofs[0])
    assert check(published, proofs[3])
    assert refused(published, proofs[0], proofs[3]) == (
        "account anna is in the tree twice, as leaf 0 and 3"
    )


def test_a_leaf_that_is_given_to_two_participants_is_refused() -> None:
    assert "leaf 1 is given twice" in refused(PUBLISHED, PROOFS[1], PROOFS[1])
    forged = deepcopy(PROOFS[1])
    forged["account"] = "bert"  # has the same figures, and is shown Ben's leaf
    assert "hash: the path leads to" in refused(PUBLISHED, forged)


def test_an_odd_last_leaf_that_is_duplicated_is_refused() -> None:
    # Trees that pair an odd last node with itself let it count twice (CVE-2012-2459).
    nodes = [leaf_node(one) for one in [*LEAVES[:3], LEAVES[2]]]
    published = public(top_of(nodes), 3)
    for index in (2, 3):
        forged = proof(published, LEAVES[2], index, siblings(nodes, index))
        assert refused(published, forged)
    assert "has 1 siblings, 2 are given" in refused(
        published, proof(published, LEAVES[2], 2, siblings(nodes, 2))
    )


@pytest.mark.parametrize("index", [5, 6, 2**40])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    forged = deepcopy(PROOFS[1])
    forged["index"] = index
    assert "is out of range" in refused(PUBLISHED, forged)


@pytest.mark.parametrize("index", range(5))
def test_another_index_is_refused(index: int) -> None:
    for true, known in enumerate(PROOFS):
        if true != index:
            assert refused(PUBLISHED, {**known, "index": index})


def test_another_number_of_leaves_is_refused() -> None:
    for leaves in (1, 4, 6, 8):
        assert "leaves: expected 5" in refused(PUBLISHED, {**PROOFS[0], "leaves": leaves})
        assert "published: its root is" in refused({**PUBLISHED, "leaves": leaves}, PROOFS[0])


def test_a_node_passed_off_as_a_leaf_is_refused() -> None:
    # A leaf's account and values chosen to be the bytes of a node: the first byte tells them apart.
    nodes = [leaf_node(one) for one in LEAVES]
    inner = joined(nodes[0], nodes[1])
    content = nodes[0].digest + row(nodes[0].sums) + nodes[1].digest + row(nodes[1].sums)
    assert sha(b"\x11", content) == inner.digest
    assert sha(b"\x10", content) != inner.digest
    forged = proof(PUBLISHED, Leaf("anna", inner.sums, content[:32]), 0, siblings(nodes, 0)[1:])
    assert refused(PUBLISHED, forged)


def test_a_path_cut_short_or_drawn_out_is_refused() -> None:
    path = PROOFS[0]["path"]
    for other in (path[:-1], path[1:], [], [*path, path[0]], path * 2):
        assert "siblings" in refused(PUBLISHED, {**PROOFS[0], "path": other})


def test_a_proof_against_another_root_is_refused() -> None:
    other, others = tree([leaf("anna", 150, 6000, 9000), *LEAVES[2:]])
    assert "another root: the proof is for" in refused(other, PROOFS[0])
    relabelled = {**PROOFS[0], "root": other["root"], "leaves": other["leaves"]}
    assert refused(other, relabelled)
    assert check(other, others[0])


def changes(content: Any) -> list[Callable[[], None]]:  # noqa: ANN401 - JSON
    """Each figure and word of a file, changed where it stands."""
    found: list[Callable[[], None]] = []
    places = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in places:
        if isinstance(value, dict | list):
            found += changes(value)
            continue
        wrong: list[object] = [None, True, -1, "", "x", [], {}, 1.5, "\ud800", "-0.01", "9" * 99]
        if isinstance(value, str) and value:
            wrong += [value[:-1], value[:-1] + ("0" if value[-1] != "0" else "1"), "0" + value]
        if isinstance(value, int):
            wrong += [value + 1, str(value), 2**70]
        found += [
            lambda key=key, one=one: content.__setitem__(key, one)  # type: ignore[misc]
            for one in wrong
            if type(one) is not type(value) or one != value
        ]
        found.append(lambda key=key: content.pop(key))  # type: ignore[misc]
    return found


@pytest.mark.parametrize("name", ["published", "proof"])
def test_no_figure_can_be_changed_unseen(name: str) -> None:
    count = len(changes(deepcopy({"published": PUBLISHED, "proof": PROOFS[2]}[name])))
    assert count > 200
    for number in range(count):
        files = {"published": deepcopy(PUBLISHED), "proof": deepcopy(PROOFS[2])}
        changes(files[name])[number]()
        try:
            check(files["published"], files["proof"])
        except (Refused, MODULE.CalledWrongly):
            continue
        pytest.fail(f"accepted: {files[name]}")


def checkpoint(**changed: Any) -> Json:  # noqa: ANN401 - JSON
    """A checkpoint's canonical bytes: BTC 158, USD 10501, as the leaves say."""
    told = {"pool": "main", "sequence": 7, **HASHES, "sums": {"BTC": 158, "USD": 10501}, **changed}
    body = b"\x01" + text(told["pool"]) + told["sequence"].to_bytes(8, "big")
    body += bytes.fromhex(told["chain"]) + bytes.fromhex(told["checkpoint"]) + bytes(32)
    body += b"\x01" + bytes(8) + b"\x00\x01" + len(told["sums"]).to_bytes(4, "big")
    for asset, owed in told["sums"].items():
        body += text(asset) + row([owed]) + row([-owed])
    return {"format": 1, "body": (body + bytes(64)).hex()}


def test_an_audit_is_held_against_its_checkpoint() -> None:
    assert MODULE.checked(PUBLISHED, [checkpoint()], MODULE.Seen())
    assert MODULE.checked(PROOFS[0], [checkpoint(), PUBLISHED], MODULE.Seen())
    below = public(top_of([leaf_node(one) for one in LEAVES]), 5, (8, 0, 0))
    sums = {"BTC": 150, "USD": 10501, "OLD": 0}
    others = [checkpoint(sequence=6, chain="00" * 32), checkpoint(pool="other")]
    assert MODULE.checked(below, [*others, checkpoint(sums=sums)], MODULE.Seen())


@pytest.mark.parametrize(
    "changed",
    [
        {"pool": "other"},
        {"sequence": 8},
        {"chain": "00" * 32},
        {"checkpoint": "00" * 32},
        {"sums": {"BTC": 158, "USD": 10502}},
        {"sums": {"BTC": 158}},
        {"sums": {"BTC": 158, "USD": 10501, "XYZ": 1}},
    ],
)
def test_another_checkpoint_is_refused(changed: dict[str, Any]) -> None:
    for file, published in ((PUBLISHED, []), (PROOFS[0], [PUBLISHED])):
        with pytest.raises(Refused):
            MODULE.checked(file, [*published, checkpoint(**changed)], MODULE.Seen())


def test_the_checker_needs_nothing_but_the_standard_library() -> None:
    program = ast.parse(CHECKER.read_text(), feature_version=(3, 9))
    imported = {
        name.name.split(".")[0]
        for node in ast.walk(program)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {
        str(node.module).split(".")[0]
        for node in ast.walk(program)
        if isinstance(node, ast.ImportFrom)
    }
    assert imported <= set(sys.stdlib_module_names)


def run(folder: Path, *words: object) -> tuple[int, str]:
    """The checker as a participant runs it: alone, without any other library."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(CHECKER), *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_exit_codes_and_words(tmp_path: Path) -> None:
    files: dict[str, Any] = {
        "all": PUBLISHED,
        "anna": PROOFS[0],
        "ben": PROOFS[1],
        "bad": {**PROOFS[2], "index": 1},
    }
    files |= {
        "strange": {"format": 1, "kind": "?"},
        "newer": {**PROOFS[0], "format": 2},
        "list": [],
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    code, told = run(tmp_path, "anna", "ben", "--against", "all")
    assert code == 0
    assert told.count(": proved: ") == 2
    code, told = run(tmp_path, "all")
    assert (code, "all: consistent with itself, held against nothing" in told) == (0, True)
    assert "proved" not in told
    lines = [json.dumps(checkpoint(sequence=6)), json.dumps(checkpoint())]
    (tmp_path / "lines").write_text("\n".join(lines) + "\n")
    assert run(tmp_path, "anna", "--against", "all", "--against", "lines")[0] == 0
    (tmp_path / "lines").write_text(lines[0] + "\n")
    code, told = run(tmp_path, "anna", "--against", "all", "--against", "lines")
    assert (code, "none of the 1 published is of pool main" in told) == (1, True)
    code, told = run(tmp_path, "anna", "bad", "--against", "all")
    assert code == 1
    assert "anna: proved: " in told
    assert "bad: refused: " in told
    wrong = [("anna",), ("gone", "--against", "all"), ("strange",), ("newer", "--against", "all")]
    for words in [*wrong, ("list",), (), ("anna", "--against", "anna")]:
        assert run(tmp_path, *words)[0] == 2, words


def test_a_forgery_at_random_is_refused() -> None:
    chance = random.Random(5)
    for _ in range(300):
        forged = deepcopy(chance.choice(PROOFS[:4]))
        step = chance.choice(forged["path"])
        place = chance.randrange(3)
        scale = (8, 2, 2)[place]
        one, two = step["sums"], forged["values"]
        moved = chance.randrange(1, 500)
        units = MODULE.units("", one[place], scale) + moved
        one[place] = f"{units // 10**scale}.{units % 10**scale:0{scale}}"
        if chance.random() < 0.5:
            two[place]["value"] = one[place]
        assert refused(PUBLISHED, forged)
