"""Check proofs made by `clearing prove ...`, without the ledger.

    python check_proof.py FILE... --against PUBLISHED [--against PUBLISHED]

Says for each FILE what it proves (exit 0), or the first thing that is wrong, expected and found
(exit 1). Exit 2: called wrongly, or a file cannot be read.

Needs Python 3.9 and nothing else: no other file of the ledger, no other library. Nothing is
believed but what was PUBLISHED, and that is worth what its publication is: take it from where
everybody else takes it, never from whoever handed you the FILE.

| FILE, by its `kind` | PUBLISHED | proves |
|---|---|---|
| `liability` | liabilities.json | that an account's claims are in the published sums |
| `liabilities` | checkpoints, or nothing | that sums and disclosures are those of its root |

Checkpoints are files with one or one a line, as `clearing checkpoint --out` writes them. They may
also be given with a `liability`; that of the same event is then held against the audit.

What an account is owed has to be read: the checker says it, and only the participant knows whether
it is right. Several files are also held against each other: no leaf and no account may come twice.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from typing import Any, Callable, NamedTuple

FORMAT = 1
VALUE_BITS = 126
VALUE_LENGTH = 16
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,59})(\.[0-9]{1,255})?")
HASH = re.compile(r"[0-9a-f]{64}")
Json = dict[str, Any]


class Refused(Exception):
    """The file does not prove what it says."""


class CalledWrongly(Exception):
    """Files are missing or do not go together."""


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


# What a file may hold, field by field; anything else is refused before it is computed with.


def member(place: str, content: Any, name: str, kind: Any) -> Any:
    if not isinstance(content, dict) or name not in content:
        raise Refused(f"{place}: no field {name!r}")
    value = content[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Refused(f"{place}: {name} is {value!r}")
    return value


def hash_of(place: str, content: Any, name: str) -> bytes:
    words = member(place, content, name, str)
    if not HASH.fullmatch(words):
        raise Refused(f"{place}: {name}: expected 64 hex digits, found {words!r}")
    return bytes.fromhex(words)


def count_of(place: str, content: Any, name: str, bits: int = 64) -> int:
    count = member(place, content, name, int)
    if not 0 <= count < 1 << bits:
        raise Refused(f"{place}: {name}: expected 0 to below 2^{bits}, found {count}")
    return int(count)


def units(place: str, words: Any, scale: int) -> int:
    """Smallest units of a decimal, any sign, written the one way that there is."""
    if not isinstance(words, str) or not DECIMAL.fullmatch(words):
        raise Refused(f"{place}: expected a decimal, found {words!r}")
    whole, _, fraction = words.partition(".")
    found = int(whole + fraction)
    if len(fraction) != scale or (not found and whole.startswith("-")):
        raise Refused(f"{place}: expected {scale} decimals, found {words}")
    return found


def in_range(place: str, value: int) -> int:
    """A value of the sum tree."""
    if value < 0:
        raise Refused(f"{place}: negative, {value} smallest units")
    if value >> VALUE_BITS:
        raise Refused(f"{place}: overflow, {value} smallest units are 2^{VALUE_BITS} or more")
    return value


def text(words: str) -> bytes:
    try:
        encoded = words.encode()
    except UnicodeEncodeError:
        raise Refused(f"not a text: {words!r}") from None
    return len(encoded).to_bytes(4, "big") + encoded


def optional(words: str | None) -> bytes:
    return b"\x00" if words is None else b"\x01" + text(words)


# Liabilities: the published file. docs/spec/liabilities.md


class Column(NamedTuple):
    name: str
    asset: str
    scale: int


class Published(NamedTuple):
    """What a published liabilities.json says, once its root was worked again from it."""

    root: bytes
    pool: str
    sequence: int
    leaves: int
    columns: list[Column]
    sums: list[int]
    negative: list[int]
    top: bytes


def row_bytes(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(VALUE_LENGTH, "big") for value in values)


def published_columns(content: Json) -> tuple[list[Column], list[int], list[int], bytes]:
    """Columns, their sums, what they left out, and the bytes of that in the header."""
    columns: list[Column] = []
    sums, negative = [], []
    header = b""
    for number, each in enumerate(member("published", content, "columns", list)):
        name = member(f"column {number}", each, "column", str)
        asset = member(f"column {number}", each, "asset", str)
        place = f"{name} in {asset}"
        column = Column(name, asset, count_of(place, each, "scale", 8))
        if column[:2] in [known[:2] for known in columns]:
            raise Refused(f"{place}: the column comes twice")
        columns.append(column)
        sums.append(in_range(f"sum of {place}", units(place, each.get("sum"), column.scale)))
        below = units(place, each.get("negative"), column.scale)
        negative.append(in_range(f"negative of {place}", below))
        header += text(name) + text(asset) + bytes([column.scale])
        header += below.to_bytes(VALUE_LENGTH, "big")
        header += count_of(place, each, "negative_count").to_bytes(8, "big")
    if not columns:
        raise Refused("published: no columns")
    return columns, sums, negative, header


def published_house(content: Json) -> bytes:
    lines = member("published", content, "house", list)
    found = len(lines).to_bytes(4, "big")
    for number, line in enumerate(lines):
        place = f"house account {number}"
        nullable = (str, type(None))
        found += text(member(place, line, "account", str)) + text(member(place, line, "kind", str))
        found += optional(member(place, line, "instrument", nullable))
        found += optional(member(place, line, "asset", nullable))
        found += text(member(place, line, "balance", str))
    return found


def published(content: Json) -> Published:
    """Read a published file, and hold it against its own root."""
    pool = member("published", content, "pool", str)
    sequence = count_of("published", content, "sequence")
    header = b"\x01" + text(pool) + sequence.to_bytes(8, "big")
    header += hash_of("published", content, "chain")
    known = member("published", content, "checkpoint", (str, type(None)))
    header += b"\x00" if known is None else b"\x01" + hash_of("published", content, "checkpoint")
    columns, sums, negative, disclosed = published_columns(content)
    header += len(columns).to_bytes(4, "big") + disclosed + published_house(content)
    leaves = count_of("published", content, "leaves")
    if not leaves:
        raise Refused("published: no leaves")
    top = hash_of("published", content, "top")
    worked = sha256(b"\x12" + sha256(header) + leaves.to_bytes(8, "big") + top + row_bytes(sums))
    root = hash_of("published", content, "root")
    if worked != root:
        raise Refused(
            f"published: its root is {root.hex()}, its sums and disclosures lead to {worked.hex()}"
        )
    return Published(root, pool, sequence, leaves, columns, sums, negative, top)


class Reader:
    """Canonical bytes, taken from the front: big-endian, texts behind their length."""

    def __init__(self, place: str, content: bytes) -> None:
        self.place = place
        self.content = content
        self.at = 0

    def take(self, length: int) -> bytes:
        found = self.content[self.at : self.at + length]
        if len(found) != length:
            raise Refused(f"{self.place}: its bytes end early, at {len(self.content)}")
        self.at += length
        return found

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def amount(self) -> int:
        return int.from_bytes(self.take(16), "big", signed=True)

    def text(self) -> str:
        try:
            return self.take(self.number(4)).decode()
        except UnicodeDecodeError:
            raise Refused(f"{self.place}: a text that is not UTF-8") from None


class Checkpoint(NamedTuple):
    pool: str
    sequence: int
    chain: str
    root: str
    participants: dict[str, int]


def checkpoint_of(content: Json) -> Checkpoint:
    """What a published checkpoint says, from the bytes that were signed and not from its words."""
    try:
        body = bytes.fromhex(member("checkpoint", content, "body", str))
    except ValueError:
        raise Refused("checkpoint: body is not hex") from None
    reader = Reader("checkpoint", body)
    if reader.number(1) != 1:
        raise Refused(f"checkpoint: version {body[0]}, this checker reads 1")
    pool, sequence = reader.text(), reader.number(8)
    chain, root = reader.take(32).hex(), reader.take(32).hex()
    reader.take(32)  # of the state
    reader.take(8 * reader.number(1))  # pool time, where there is one
    reader.take(2)  # version of the rules
    participants = {}
    for _ in range(reader.number(4)):
        asset = reader.text()
        participants[asset] = reader.amount()
        reader.amount()  # custody
    return Checkpoint(pool, sequence, chain, root, participants)


def hold_checkpoint(content: Json, found: Published, checkpoint: Checkpoint) -> None:
    """The books that were audited are those of a checkpoint published elsewhere."""
    if checkpoint.chain != content["chain"]:
        raise Refused(
            f"chain: the checkpoint says {checkpoint.chain}, the audit {content['chain']}"
        )
    if content["checkpoint"] not in (None, checkpoint.root):
        raise Refused(
            f"checkpoint: its root is {checkpoint.root}, the audit says {content['checkpoint']}"
        )
    cash = {
        column.asset: total - below
        for column, total, below in zip(found.columns, found.sums, found.negative)
        if column.name == "cash"
    }
    for asset in sorted({*cash, *checkpoint.participants}):
        held, says = cash.get(asset, 0), checkpoint.participants.get(asset, 0)
        if held != says:
            raise Refused(
                f"cash in {asset}: the sum less what is below zero is {held} smallest units,"
                f" the checkpoint says {says}"
            )


def check_liabilities(content: Json, against: list[Json], _seen: Seen) -> str:
    found = published(content)
    for other in against:
        if other.get("kind") == "liabilities" and published(other).root != found.root:
            raise Refused("published: two different roots")
    checkpoints = [checkpoint_of(other) for other in against if "kind" not in other]
    fitting = [one for one in checkpoints if one[:2] == (found.pool, found.sequence)]
    if checkpoints and not fitting:
        raise Refused(
            f"checkpoint: none of the {len(checkpoints)} published is of pool {found.pool}"
            f" after event {found.sequence}"
        )
    for checkpoint in fitting:
        hold_checkpoint(content, found, checkpoint)
    totals = ", ".join(
        f"{column.name} {entry['sum']} {column.asset}"
        + (f" (below zero: {entry['negative']})" if below else "")
        for column, entry, below in zip(found.columns, content["columns"], found.negative)
    )
    return (
        f"root {found.root.hex()} commits to {found.leaves} participants of pool {found.pool}"
        f" after event {found.sequence}: {totals}"
    )


# Liabilities: a participant's file.


class Seen:
    """Leaves of the files that were read so far."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[bytes, str], int] = {}
        self.leaves: dict[tuple[bytes, int], str] = {}

    def take(self, root: bytes, account: str, index: int) -> None:
        known = self.accounts.setdefault((root, account), index)
        if known != index:
            raise Refused(f"account {account} is in the tree twice, as leaf {known} and {index}")
        if (root, index) in self.leaves:
            raise Refused(
                f"leaf {index} is given twice, for {self.leaves[root, index]} and {account}"
            )
        self.leaves[root, index] = account


def sides(index: int, leaves: int) -> list[str]:
    """Where the siblings of a leaf stand, from the leaf up; an odd last node has none."""
    found = []
    while leaves > 1:
        if index % 2:
            found.append("left")
        elif index + 1 < leaves:
            found.append("right")
        index //= 2
        leaves = (leaves + 1) // 2
    return found


def leaf_values(content: Json, columns: list[Column]) -> list[int]:
    lines = member("liability", content, "values", list)
    if len(lines) != len(columns):
        raise Refused(f"values: expected {len(columns)}, found {len(lines)}")
    found = []
    for line, column in zip(lines, columns):
        place = f"{column.name} in {column.asset}"
        names = (member(place, line, "column", str), member(place, line, "asset", str))
        if names != column[:2]:
            raise Refused(f"values: expected {place}, found {names[0]} in {names[1]}")
        found.append(in_range(place, units(place, line.get("value"), column.scale)))
    return found


def step_sums(place: str, step: Json, columns: list[Column]) -> list[int]:
    sums = member(place, step, "sums", list)
    if len(sums) != len(columns):
        raise Refused(f"{place}: expected {len(columns)} sums, found {len(sums)}")
    found = []
    for words, column in zip(sums, columns):
        named = f"{place}, {column.name} in {column.asset}"
        found.append(in_range(named, units(named, words, column.scale)))
    return found


def climb(content: Json, found: Published, index: int, entry: bytes, sums: list[int]) -> None:
    """From a leaf to the top: shape, ranges, sums, hashes."""
    path = member("liability", content, "path", list)
    expected = sides(index, found.leaves)
    if len(path) != len(expected):
        raise Refused(
            f"path: leaf {index} of {found.leaves} has {len(expected)} siblings,"
            f" {len(path)} are given"
        )
    for number, (step, side) in enumerate(zip(path, expected), start=1):
        place = f"step {number}"
        given = member(place, step, "side", str)
        if given != side:
            raise Refused(
                f"{place}: swapped sibling, leaf {index} of {found.leaves} has it on the {side},"
                f" found {given!r}"
            )
        other = step_sums(place, step, found.columns)
        sibling = hash_of(place, step, "hash") + row_bytes(other)
        sums = [in_range(f"{place}, parent", one + two) for one, two in zip(sums, other)]
        pair = sibling + entry if side == "left" else entry + sibling
        entry = sha256(b"\x11" + pair) + row_bytes(sums)
    if sums != found.sums:
        raise Refused(f"sums: the path leads to {sums}, published are {found.sums}")
    if entry != found.top + row_bytes(found.sums):
        raise Refused(f"hash: the path leads to {entry[:32].hex()}, published is {found.top.hex()}")


def check_liability(content: Json, against: list[Json], seen: Seen) -> str:
    tops = [other for other in against if other.get("kind") == "liabilities"]
    if len(tops) != 1:
        raise CalledWrongly("a liability is checked --against one published liabilities.json")
    check_liabilities(tops[0], [other for other in against if other is not tops[0]], seen)
    found = published(tops[0])
    root = hash_of("liability", content, "root")
    if root != found.root:
        raise Refused(
            f"another root: the proof is for {root.hex()}, published is {found.root.hex()}"
        )
    for name in ("pool", "sequence", "leaves"):
        if json.dumps(content.get(name)) != json.dumps(tops[0][name]):
            raise Refused(f"{name}: expected {tops[0][name]!r}, found {content.get(name)!r}")
    index = count_of("liability", content, "index")
    if index >= found.leaves:
        raise Refused(f"index: {index} is out of range, the tree has {found.leaves} leaves")
    account = member("liability", content, "account", str)
    salt = hash_of("liability", content, "salt")
    values = leaf_values(content, found.columns)
    entry = sha256(b"\x10" + salt + text(account) + row_bytes(values)) + row_bytes(values)
    climb(content, found, index, entry, values)
    seen.take(root, account, index)
    owed = ", ".join(
        f"{line['column']} {line['value']} {line['asset']}" for line in content["values"]
    )
    return (
        f"{account} is leaf {index} of {found.leaves} under root {root.hex()}"
        f" (pool {found.pool}, after event {found.sequence}): {owed}"
    )


# By the `kind` of the file: what it holds, what was published, what other files said.

CHECKS: dict[str, Callable[[Json, list[Json], Seen], str]] = {
    "liabilities": check_liabilities,
    "liability": check_liability,
}


def checked(content: Json, against: list[Json], seen: Seen) -> str:
    """What a file proves, in one line.

    Raises:
        Refused: It does not.
    """
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in CHECKS:
        raise CalledWrongly(f"kind {kind!r}, expected {', '.join(sorted(CHECKS))}")
    for each in (content, *against):
        version = each.get("format")
        if version != FORMAT or isinstance(version, bool):
            raise CalledWrongly(f"format {version!r}, this checker reads {FORMAT}")
    return CHECKS[kind](content, against, seen)


def read(name: str) -> Json:
    try:
        with open(name, "rb") as file:
            content = json.loads(file.read())
    except (OSError, ValueError, RecursionError) as fault:
        raise CalledWrongly(f"{name}: {fault}") from None
    if not isinstance(content, dict):
        raise CalledWrongly(f"{name}: expected one JSON object")
    return content


def read_published(name: str) -> list[Json]:
    """One JSON object, or one a line."""
    try:
        return [read(name)]
    except CalledWrongly:
        try:
            with open(name, "rb") as file:
                found = [json.loads(line) for line in file if line.strip()]
        except (OSError, ValueError, RecursionError):
            found = []
        if not found or not all(isinstance(each, dict) for each in found):
            raise
        return found


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Check proofs made by clearing prove.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--against", action="append", default=[], metavar="PUBLISHED")
    asked = parser.parse_args(words)
    seen = Seen()
    refusals = 0
    try:
        against = [each for name in asked.against for each in read_published(name)]
        for name in asked.files:
            try:
                told = f"proved: {checked(read(name), against, seen)}"
            except Refused as why:
                told = f"refused: {why}"
                refusals += 1
            sys.stdout.write(f"{name}: {told}\n")
    except CalledWrongly as why:
        sys.stderr.write(f"check_proof: {why}\n")
        return 2
    return 1 if refusals else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
