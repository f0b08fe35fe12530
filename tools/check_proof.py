"""Check proofs made by `clearing prove ...`, without the ledger.

    python check_proof.py FILE... --against PUBLISHED [--against PUBLISHED]
    python check_proof.py FILE... --checkpoint PUBLISHED

Says for each FILE what it proves (exit 0), or the first thing that is wrong, expected and found
(exit 1). Exit 2: called wrongly, or a file cannot be read.

Needs Python 3.9 and nothing else: no other file of the ledger, no other library. Nothing is
believed but what was PUBLISHED, and that is worth what its publication is: take it from where
everybody else takes it, never from whoever handed you the FILE.

| FILE, by its `kind` | PUBLISHED | proves |
|---|---|---|
| `liability` | liabilities.json | that an account's claims are in the published sums |
| `liabilities` | checkpoints, or nothing | that sums and disclosures are those of its root |
| `event` | its checkpoint | that an event, and what it led to, stands in the books |
| `posting` | its checkpoint | that a posting does, and to whose account it was made |
| `consistency` | two checkpoints | that the books of the older are the beginning of the newer |
| `verdict` | checkpoints, or nothing | who signed a report of `clearing verify`, and its heads |

Checkpoints are files with one or one a line, as `clearing checkpoint --out` writes them. They may
also be given with a `liability`; that of the same event is then held against the audit.

What an account is owed has to be read: the checker says it, and only the participant knows whether
it is right. Several files are also held against each other: no leaf and no account may come twice.
Liabilities that are held against nothing published are called consistent with itself, not proved.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from datetime import datetime, timedelta
from typing import Any, Callable, NamedTuple

FORMAT = 1
VALUE_BITS = 126
VALUE_LENGTH = 16
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,59})(\.[0-9]{1,255})?")
HASH = re.compile(r"[0-9a-f]{64}")
Json = dict[str, Any]
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - shown as UTC
PURPOSES = (
    *("", "transfer", "opening", "trade", "realized P&L", "fee", "funding", "settlement"),
    *("expiry", "rounding", "adjustment", "margin", "takeover", "seizure", "made whole"),
    *("deleveraging", "socialized loss"),
)


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
    """Canonical bytes, taken apart from the front (CB.1)."""

    def __init__(self, place: str, content: bytes) -> None:
        self.place = place
        self._content = content
        self._at = 0

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._content):
            raise Refused(f"{self.place}: its {len(self._content)} bytes end early")
        taken, self._at = self._content[self._at : end], end
        return taken

    def number(self, length: int, *, negative: bool = False) -> int:
        return int.from_bytes(self.take(length), "big", signed=negative)

    def amount(self) -> int:
        return self.number(16, negative=True)

    def octets(self) -> bytes:
        return self.take(self.number(4))

    def text(self) -> str:
        try:
            return self.octets().decode()
        except UnicodeDecodeError as fault:
            raise Refused(f"{self.place}: {fault}") from None

    def there(self) -> bool:
        mark = self.number(1)
        if mark > 1:
            raise Refused(f"{self.place}: expected 0 or 1 before an optional field, found {mark}")
        return mark == 1

    def optional_text(self) -> str | None:
        return self.text() if self.there() else None

    def moment(self) -> int | None:
        return self.number(8, negative=True) if self.there() else None

    def version(self) -> None:
        found = self.number(1)
        if found != 1:
            raise CalledWrongly(f"{self.place}: version {found}, this checker reads version 1")

    def end(self) -> None:
        if self._at != len(self._content):
            raise Refused(f"{self.place}: {len(self._content) - self._at} bytes too many")


def bytes_of(place: str, content: Any, name: str) -> bytes:
    words = member(place, content, name, str)
    if len(words) % 2 or not re.fullmatch("[0-9a-f]*", words):
        raise Refused(f"{place}: {name} is not hexadecimal")
    return bytes.fromhex(words)


class Checkpoint(NamedTuple):
    """What a checkpoint's bytes say (docs/spec/checkpoints.md); cash of participants by asset."""

    pool: str
    sequence: int
    chain: bytes
    root: bytes
    state_hash: bytes
    rules: int
    participants: dict[str, int]
    previous: bytes
    key: bytes
    body: bytes


def checkpoint_of(place: str, content: Any) -> Checkpoint:
    """What a checkpoint says, from the bytes that were signed and not from its words."""
    body = bytes_of(place, content, "body")
    reader = Reader(f"{place}, body", body)
    reader.version()
    pool, sequence = reader.text(), reader.number(8)
    chain, root, state = reader.take(32), reader.take(32), reader.take(32)
    reader.moment()
    rules = reader.number(2)
    participants = {}
    for _ in range(reader.number(4)):
        asset = reader.text()
        participants[asset] = reader.amount()
        reader.amount()  # custody
    previous, key = reader.take(32), reader.take(32)
    reader.end()
    says = (pool, sequence, chain, root, state, rules, participants, previous, key)
    return Checkpoint(*says, body)


def hold_checkpoint(content: Json, found: Published, checkpoint: Checkpoint) -> None:
    """The books that were audited are those of a checkpoint published elsewhere."""
    chain, root = checkpoint.chain.hex(), checkpoint.root.hex()
    if chain != content["chain"]:
        raise Refused(f"chain: the checkpoint says {chain}, the audit {content['chain']}")
    if content["checkpoint"] not in (None, root):
        raise Refused(f"checkpoint: its root is {root}, the audit says {content['checkpoint']}")
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
    checkpoints = [checkpoint_of("published", other) for other in against if "kind" not in other]
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


# Events, postings, growth: docs/spec/canonical-bytes.md. First the signature of a checkpoint.

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, -1, PRIME) % PRIME
ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)
KEY_LENGTH = 32
SIGNATURE_LENGTH = 64
PATH_MAX = 64
Point = tuple[int, int, int, int]


def added(one: Point, two: Point) -> Point:
    """The sum of two points in extended coordinates (RFC 8032, 5.1.4)."""
    a = (one[1] - one[0]) * (two[1] - two[0]) % PRIME
    b = (one[1] + one[0]) * (two[1] + two[0]) % PRIME
    c = 2 * one[3] * two[3] * CURVE % PRIME
    d = 2 * one[2] * two[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def multiplied(factor: int, point: Point) -> Point:
    found = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            found = added(found, point)
        point = added(point, point)
        factor >>= 1
    return found


def point_of(encoded: bytes) -> Point | None:
    """The point of 32 bytes; None if they are not of one (RFC 8032, 5.1.3)."""
    y = int.from_bytes(encoded, "little")
    odd, y = y >> 255, y & (1 << 255) - 1
    if len(encoded) != KEY_LENGTH or y >= PRIME:
        return None
    square = (y * y - 1) * pow(CURVE * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * ROOT_OF_MINUS_ONE % PRIME
    if (x * x - square) % PRIME or (not x and odd):
        return None
    x = PRIME - x if x & 1 != odd else x
    return x, y, 1, x * y % PRIME


BASE = point_of((4 * pow(5, -1, PRIME) % PRIME).to_bytes(32, "little"))


def signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is the key's Ed25519 signature over the message (RFC 8032, 5.1.7)."""
    public, commitment = point_of(key), point_of(signature[:32])
    answer = int.from_bytes(signature[32:], "little")
    if (
        public is None
        or commitment is None
        or len(signature) != SIGNATURE_LENGTH
        or answer >= ORDER
    ):
        return False
    challenge = hashlib.sha512(signature[:32] + key + message).digest()
    factor = int.from_bytes(challenge, "little") % ORDER
    assert BASE is not None
    one = multiplied(answer, BASE)
    two = added(commitment, multiplied(factor, public))
    same = (one[0] * two[2] - two[0] * one[2]) % PRIME, (one[1] * two[2] - two[1] * one[2]) % PRIME
    return same == (0, 0)


def signed_checkpoint(place: str, content: Any) -> Checkpoint:
    """A checkpoint whose words say what its bytes say, and whose signature holds."""
    found = checkpoint_of(place, content)
    says: Json = {"pool": found.pool, "sequence": found.sequence, "rules": found.rules}
    for name in ("chain", "root", "state_hash", "previous", "key"):
        says[name] = getattr(found, name).hex()
    for name, value in says.items():
        if content.get(name) != value or isinstance(content[name], bool):
            raise Refused(
                f"{place}: {name} is {content.get(name)!r} in words, {value!r} in its bytes"
            )
    if not signed(found.key, found.body, bytes_of(place, content, "signature")):
        raise Refused(f"{place}: the signature is not that of key {found.key.hex()}")
    return found


def published_checkpoint(place: str, content: Json, against: list[Json]) -> Checkpoint:
    """The checkpoint of a file, which is one of those that were published."""
    known = [other for other in against if "body" in other]
    if not known:
        raise CalledWrongly("an event or a growth is checked against a published --checkpoint")
    given = member("file", content, place, dict)
    found = signed_checkpoint(place, given)
    if content.get("pool") != found.pool:
        raise Refused(f"pool: the file says {content.get('pool')!r}, {place} is of {found.pool}")
    of_event = (found.pool, found.sequence)
    same = [one for one in known if (one.get("pool"), one.get("sequence")) == of_event]
    for other in same:
        if other["body"] != found.body.hex():
            raise Refused(
                f"{place}: pool {found.pool} at {found.sequence} is published with root"
                f" {other.get('root')} and key {other.get('key')}, the file has root"
                f" {found.root.hex()} and key {found.key.hex()}"
            )
        if other != given:
            raise Refused(f"{place}: its words differ from those published")
    if not same:
        listed = ", ".join(f"{one.get('pool')} at {one.get('sequence')}" for one in known[:5])
        raise Refused(
            f"{place}: of pool {found.pool} at {found.sequence} none is published; there are:"
            f" {listed}"
        )
    return found


class Event(NamedTuple):
    """An event as its canonical bytes say it (CB.2)."""

    shard: str
    sequence: int
    source: str
    occurred_at: int | None
    rules: int
    kind: str | None
    event_id: str | None
    rejection: str | None
    detail: str | None
    redrive_of: str
    raw: bytes


def event_of(place: str, content: bytes) -> Event:
    reader = Reader(place, content)
    reader.version()
    shard, sequence = reader.text(), reader.number(8)
    cluster, _, topic = reader.text(), reader.text(), reader.text()
    partition, offset = reader.number(4, negative=True), reader.number(8, negative=True)
    reader.take(8)
    occurred_at, _, rules = reader.moment(), reader.moment(), reader.number(2)
    kind, event_id = reader.optional_text(), reader.optional_text()
    rejection, detail = reader.optional_text(), reader.optional_text()
    redrive_of = f"{reader.text()} {reader.number(8)}" if reader.there() else ""
    if reader.there():
        reader.octets()
    reader.take(32)
    raw = reader.octets()
    reader.end()
    source = f"{topic} of {cluster}, partition {partition}, offset {offset}"
    said = (occurred_at, rules, kind, event_id, rejection, detail, redrive_of, raw)
    return Event(shard, sequence, source, *said)


class Posting(NamedTuple):
    account: int
    account_sequence: int
    commodity: int
    purpose: int
    amount: int
    balance: int


class Outcome(NamedTuple):
    """What an event led to (CB.3): registers by number, lines in order."""

    commodities: dict[int, tuple[str | None, str | None, int]]
    accounts: dict[int, tuple[str, str, str | None, str | None]]
    postings: list[Posting]
    records: list[str]


def outcome_of(place: str, content: bytes) -> Outcome:
    reader = Reader(place, content)
    found = Outcome({}, {}, [], [])
    for _ in range(reader.number(4)):
        number = reader.number(4)
        what = (reader.optional_text(), reader.optional_text(), reader.number(1))
        found.commodities[number] = what
    for _ in range(reader.number(4)):
        number = reader.number(4)
        who = (reader.text(), reader.text(), reader.optional_text(), reader.optional_text())
        found.accounts[number] = who
    for _ in range(reader.number(4)):
        numbers = (reader.number(4), reader.number(8), reader.number(4), reader.number(2))
        moved = (reader.number(16, negative=True), reader.number(16, negative=True))
        found.postings.append(Posting(*numbers, *moved))
    for _ in range(reader.number(4)):
        found.records.append(f"{reader.text()} {reader.text()}")
        reader.octets()
    reader.end()
    return found


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def path_of(place: str, content: Json) -> list[bytes]:
    hashes = member(place, content, "path", list)
    if len(hashes) > PATH_MAX:
        raise Refused(f"{place}: path: expected {PATH_MAX} hashes at most, found {len(hashes)}")
    return [hash_of(place, {"path": each}, "path") for each in hashes]


def climbed(place: str, leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that a path leads to from a leaf (CB.9)."""
    found, first, last = leaf, index, size - 1
    for sibling in path:
        if not last:
            raise Refused(f"{place}: path: {len(path)} siblings are too many for {size} leaves")
        if first & 1 or first == last:
            found = node(sibling, found)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            found = node(found, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise Refused(f"{place}: path: {len(path)} siblings are too few for {size} leaves")
    return found


def included(place: str, content: Json, checkpoint: Checkpoint) -> tuple[Event, Outcome]:
    """An event and its outcome, which stand in the tree of a checkpoint."""
    event_bytes = bytes_of(place, content, "event")
    outcome_bytes = bytes_of(place, content, "outcome")
    event = event_of(f"{place}, event", event_bytes)
    outcome = outcome_of(f"{place}, outcome", outcome_bytes)
    if event.shard != checkpoint.pool:
        raise Refused(f"{place}: of pool {event.shard}, the checkpoint is of {checkpoint.pool}")
    if count_of(place, content, "sequence") != event.sequence:
        raise Refused(
            f"{place}: its bytes are of event {event.sequence}, the file says {content['sequence']}"
        )
    if not 1 <= event.sequence <= checkpoint.sequence:
        raise Refused(
            f"{place}: event {event.sequence} is not among the {checkpoint.sequence} of the"
            " checkpoint"
        )
    leaf = sha256(b"\x00" + event_bytes + sha256(outcome_bytes))
    path = path_of(place, content)
    root = climbed(place, leaf, event.sequence - 1, checkpoint.sequence, path)
    if root != checkpoint.root:
        raise Refused(
            f"{place}: event {event.sequence} with this path leads to root {root.hex()}, the"
            f" checkpoint has {checkpoint.root.hex()}"
        )
    return event, outcome


def instant(microseconds: int | None) -> str:
    if microseconds is None:
        return "an unknown time"
    try:
        return (EPOCH + timedelta(microseconds=microseconds)).isoformat() + "Z"
    except OverflowError:
        return f"{microseconds} microseconds after 1970"


def natural(amount: int, scale: int) -> str:
    digits = str(abs(amount)).rjust(scale + 1, "0")
    whole, fraction = digits[: len(digits) - scale], digits[len(digits) - scale :]
    return ("-" if amount < 0 else "") + whole + ("." + fraction if fraction else "")


def event_words(event: Event) -> str:
    """An event as a sentence; what the message said is shown as it came."""
    name = f"{event.kind or 'message'} {event.event_id or 'without an id'}"
    fate = "accepted"
    if event.rejection is not None:
        fate = f"refused as {event.rejection} ({event.detail})"
    again = f", submitted again for {event.redrive_of}" if event.redrive_of else ""
    return (
        f"event {event.sequence} of pool {event.shard}: {name} at {instant(event.occurred_at)},"
        f" from {event.source}, {fate} by rules {event.rules}{again}"
    )


def said_words(event: Event) -> str:
    try:
        fields = json.loads(event.raw)
    except (ValueError, RecursionError):
        return f"; it said {event.raw[:200]!r}"
    if not isinstance(fields, dict):
        return f"; it said {event.raw[:200]!r}"
    left = ("kind", "event_id", "pool", "occurred_at", "version")
    return "; it said " + ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in fields.items()
        if name not in left
    )


def checkpoint_words(checkpoint: Checkpoint) -> str:
    return (
        f"checkpoint of {checkpoint.pool} after event {checkpoint.sequence}, root"
        f" {checkpoint.root.hex()}, signed by {checkpoint.key.hex()}"
    )


def check_event(content: Json, against: list[Json], _seen: Seen) -> str:
    checkpoint = published_checkpoint("checkpoint", content, against)
    event, outcome = included("event", content, checkpoint)
    return (
        f"{event_words(event)}{said_words(event)}; it led to {len(outcome.postings)} postings and"
        f" {len(outcome.records)} records; in the {checkpoint_words(checkpoint)}"
    )


def check_posting(content: Json, against: list[Json], _seen: Seen) -> str:
    checkpoint = published_checkpoint("checkpoint", content, against)
    event, outcome = included("event", content, checkpoint)
    line = count_of("posting", content, "line")
    if not 1 <= line <= len(outcome.postings):
        raise Refused(f"line: event {event.sequence} has {len(outcome.postings)}, found {line}")
    posting = outcome.postings[line - 1]
    outcomes = {event.sequence: outcome}
    for number, entry in enumerate(member("posting", content, "registry", list), start=1):
        opening, led_to = included(f"registry {number}", entry, checkpoint)
        outcomes[opening.sequence] = led_to
    accounts = [
        led.accounts[posting.account]
        for led in outcomes.values()
        if posting.account in led.accounts
    ]
    kinds = [
        led.commodities[posting.commodity]
        for led in outcomes.values()
        if posting.commodity in led.commodities
    ]
    if len(accounts) != 1 or len(kinds) != 1:
        raise Refused(
            f"registry: account {posting.account} is opened {len(accounts)} times and commodity"
            f" {posting.commodity} {len(kinds)} times, expected once each"
        )
    (owner, kind, instrument, asset), (of_asset, contracts, scale) = accounts[0], kinds[0]
    if (asset, None if asset else instrument) != (of_asset, contracts):
        raise Refused(
            f"registry: account {posting.account} holds {asset or instrument}, the posting is in"
            f" {of_asset or contracts}"
        )
    unit = of_asset or f"contracts of {contracts}"
    place = f"{owner} {kind}" + (f" of {instrument}" if instrument and asset else "")
    plus = "+" if posting.amount > 0 else ""
    named = 0 < posting.purpose < len(PURPOSES)
    purpose = PURPOSES[posting.purpose] if named else f"purpose {posting.purpose}"
    return (
        f"line {line}: {plus}{natural(posting.amount, scale)} {unit} to {place} as"
        f" {purpose}, which has"
        f" {natural(posting.balance, scale)} after it (its posting {posting.account_sequence});"
        f" by {event_words(event)}; in the {checkpoint_words(checkpoint)}"
    )


def check_consistency(content: Json, against: list[Json], _seen: Seen) -> str:
    older = published_checkpoint("older", content, against)
    newer = published_checkpoint("newer", content, against)
    if older.pool != newer.pool or older.sequence > newer.sequence:
        raise Refused(
            f"{older.pool} at {older.sequence} is not before {newer.pool} at {newer.sequence}"
        )
    roots = grown(older, newer, path_of("consistency", content))
    if roots != (older.root, newer.root):
        raise Refused(
            f"path: it leads to roots {roots[0].hex()} and {roots[1].hex()}, the checkpoints have"
            f" {older.root.hex()} and {newer.root.hex()}"
        )
    return (
        f"the {older.sequence} events of pool {older.pool} are the first of its {newer.sequence}:"
        f" {checkpoint_words(older)}; {checkpoint_words(newer)}"
    )


def grown(older: Checkpoint, newer: Checkpoint, path: list[bytes]) -> tuple[bytes, bytes]:
    """The roots that a consistency proof leads to (CB.10; RFC 9162, 2.1.4.2)."""
    if older.sequence == newer.sequence:
        if path:
            raise Refused(f"path: expected none between equal sizes, found {len(path)} hashes")
        return older.root, older.root
    size, first, last = older.sequence, older.sequence - 1, newer.sequence - 1
    if not size or not path:
        raise Refused(f"path: {len(path)} hashes are too few from {size} to {newer.sequence}")
    while first & 1:
        first, last = first >> 1, last >> 1
    begin, rest = (older.root, path) if size & (size - 1) == 0 else (path[0], path[1:])
    one = two = begin
    for each in rest:
        if not last:
            raise Refused(f"path: {len(path)} hashes are too many")
        if first & 1 or first == last:
            one, two = node(each, one), node(each, two)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            two = node(two, each)
        first, last = first >> 1, last >> 1
    if last:
        raise Refused(f"path: {len(path)} hashes are too few from {size} to {newer.sequence}")
    return one, two


# Verdicts: the signed report of `clearing verify`. docs/operating/auditors-day.md


def check_verdict(content: Json, against: list[Json], _seen: Seen) -> str:
    """Who signed a report, and what it says; its heads are those that were published."""
    if content.get("signed_by") is None:
        raise Refused("verdict: nobody signed it")
    key = hash_of("verdict", content, "signed_by")
    told = {name: value for name, value in content.items() if name != "signature"}
    message = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    if not signed(key, message, bytes_of("verdict", content, "signature")):
        raise Refused(f"verdict: the signature is not that of key {key.hex()}")
    pools = []
    for number, each in enumerate(member("verdict", content, "pools", list), start=1):
        place = f"pool {number}"
        name, head = member(place, each, "pool", str), count_of(place, each, "head")
        chain = hash_of(place, each, "chain").hex()
        pools.append(f"{name} with {head} events and chain {chain}")
        for other in against:
            same = (other.get("pool"), other.get("sequence")) == (name, head)
            if same and other.get("chain") != chain:
                raise Refused(
                    f"{place}: the published chain of {name} after event {head} is"
                    f" {other.get('chain')}, the verdict has {chain}"
                )
    anchors = member("verdict", content, "anchors", dict)
    found = member("verdict", content, "findings", list)
    return (
        f"the verdict is {content.get('verdict')!r}, with {len(found)} findings, says the key"
        f" {key.hex()}: mode {content.get('mode')}, {'; '.join(pools)}; against"
        f" {anchors.get('checkpoints')} anchors in a file of SHA-256 {anchors.get('sha256')}"
    )


# By the `kind` of the file: what it holds, what was published, what other files said.

CHECKS: dict[str, Callable[[Json, list[Json], Seen], str]] = {
    "liabilities": check_liabilities,
    "liability": check_liability,
    "event": check_event,
    "posting": check_posting,
    "consistency": check_consistency,
    "verdict": check_verdict,
}


def checked(content: Json, against: list[Json], seen: Seen) -> str:
    """What a file proves, in one line.

    Raises:
        Refused: It does not.
    """
    kind = content.get("kind", "verdict" if "verdict" in content else None)
    if not isinstance(kind, str) or kind not in CHECKS:
        raise CalledWrongly(f"kind {kind!r}, expected {', '.join(sorted(CHECKS))}")
    for each in (content, *against):
        version = each.get("format")
        if version != FORMAT or isinstance(version, bool):
            raise CalledWrongly(f"format {version!r}, this checker reads {FORMAT}")
    return CHECKS[kind](content, against, seen)


def verdict_on(content: Json, against: list[Json]) -> str:
    """What to call a file that was not refused: sums alone say nothing of who published them."""
    compared = any(other.get("kind", "liabilities") == "liabilities" for other in against)
    if content.get("kind") == "liabilities" and not compared:
        return "consistent with itself, held against nothing published"
    return "proved"


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
    parser.add_argument(
        *("--against", "--checkpoint"),
        action="append",
        default=[],
        dest="against",
        metavar="PUBLISHED",
    )
    asked = parser.parse_args(words)
    seen = Seen()
    refusals = 0
    try:
        against = [each for name in asked.against for each in read_published(name)]
        for name in asked.files:
            try:
                content = read(name)
                told = f"{verdict_on(content, against)}: {checked(content, against, seen)}"
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
