"""Sum trees as docs/spec/liabilities.md says, built plainly, honest or forged; no ledger code.

A tree is split at the largest power of two below its size (RFC 6962), sums are lists, hashes are
taken of joined bytes. A forger replaces the hash of a node (`joined`) or tells other figures.
"""

import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

CHECKER = Path(__file__).resolve().parents[3] / "tools" / "check_proof.py"
COLUMNS = (("cash", "BTC", 8), ("cash", "USD", 2), ("equity", "USD", 2))
HASHES = {"chain": "11" * 32, "checkpoint": "22" * 32}

Json = dict[str, Any]


class Leaf(NamedTuple):
    """A participant, as a forger may tell of it."""

    account: str
    values: tuple[int, ...]
    salt: bytes


class Node(NamedTuple):
    """What a parent hashes."""

    digest: bytes
    sums: tuple[int, ...]


Join = Callable[[Node, Node], Node]


def checker() -> ModuleType:
    """tools/check_proof.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("check_proof", CHECKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def row(sums: Sequence[int]) -> bytes:
    """Negative ones as a forger would have to write them: two's complement."""
    return b"".join((one % 2**128).to_bytes(16, "big") for one in sums)


def text(words: str) -> bytes:
    return len(words.encode()).to_bytes(4, "big") + words.encode()


def leaf_node(leaf: Leaf) -> Node:
    return Node(sha(b"\x10", leaf.salt, text(leaf.account), row(leaf.values)), leaf.values)


def joined(left: Node, right: Node) -> Node:
    sums = tuple(one + two for one, two in zip(left.sums, right.sums, strict=True))
    return Node(sha(b"\x11", left.digest, row(left.sums), right.digest, row(right.sums)), sums)


def split(size: int) -> int:
    """The largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


def top_of(nodes: Sequence[Node], join: Join = joined) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    at = split(len(nodes))
    return join(top_of(nodes[:at], join), top_of(nodes[at:], join))


def siblings(nodes: Sequence[Node], index: int, join: Join = joined) -> list[tuple[str, Node]]:
    """Of the leaf at `index`, from the leaf up."""
    if len(nodes) == 1:
        return []
    at = split(len(nodes))
    if index < at:
        return [*siblings(nodes[:at], index, join), ("right", top_of(nodes[at:], join))]
    return [*siblings(nodes[at:], index - at, join), ("left", top_of(nodes[:at], join))]


def natural(units: int, scale: int) -> str:
    digits = str(abs(units)).rjust(scale + 1, "0")
    return ("-" if units < 0 else "") + digits[:-scale] + "." + digits[-scale:]


def naturals(values: Sequence[int]) -> list[str]:
    return [natural(units, scale) for units, (_, _, scale) in zip(values, COLUMNS, strict=True)]


def public(top: Node, leaves: int, negative: Sequence[int] = (0, 0, 0)) -> Json:
    """The published file of a tree, with a root that fits what it says."""
    header = b"\x01" + text("main") + (7).to_bytes(8, "big") + bytes.fromhex(HASHES["chain"])
    header += b"\x01" + bytes.fromhex(HASHES["checkpoint"]) + (3).to_bytes(4, "big")
    for (name, asset, scale), below in zip(COLUMNS, negative, strict=True):
        header += text(name) + text(asset) + bytes([scale])
        header += below.to_bytes(16, "big") + int(below > 0).to_bytes(8, "big")
    header += (1).to_bytes(4, "big") + text("@house") + text("fees") + b"\x00"
    header += b"\x01" + text("USD") + text("1.5")
    root = sha(b"\x12", sha(header), leaves.to_bytes(8, "big"), top.digest, row(top.sums))
    columns = zip(COLUMNS, naturals(top.sums), negative, strict=True)
    return {
        "format": 1,
        "kind": "liabilities",
        "pool": "main",
        "sequence": 7,
        **HASHES,
        "leaves": leaves,
        "columns": [
            {
                "column": name,
                "asset": asset,
                "scale": scale,
                "sum": total,
                "negative": natural(below, scale),
                "negative_count": int(below > 0),
            }
            for (name, asset, scale), total, below in columns
        ],
        "house": [
            {
                "account": "@house",
                "kind": "fees",
                "instrument": None,
                "asset": "USD",
                "balance": "1.5",
            }
        ],
        "top": top.digest.hex(),
        "root": root.hex(),
    }


def proof(published: Json, leaf: Leaf, index: int, path: Sequence[tuple[str, Node]]) -> Json:
    """A participant's file."""
    return {
        "format": 1,
        "kind": "liability",
        "pool": "main",
        "sequence": 7,
        "root": published["root"],
        "account": leaf.account,
        "salt": leaf.salt.hex(),
        "values": [
            {"column": name, "asset": asset, "value": value}
            for (name, asset, _), value in zip(COLUMNS, naturals(leaf.values), strict=True)
        ],
        "index": index,
        "leaves": published["leaves"],
        "path": [
            {"side": side, "hash": node.digest.hex(), "sums": naturals(node.sums)}
            for side, node in path
        ],
    }


def tree(leaves: Sequence[Leaf], join: Join = joined) -> tuple[Json, list[Json]]:
    """Published file and every participant's file."""
    nodes = [leaf_node(leaf) for leaf in leaves]
    published = public(top_of(nodes, join), len(leaves))
    proofs = [
        proof(published, leaf, index, siblings(nodes, index, join))
        for index, leaf in enumerate(leaves)
    ]
    return published, proofs
