"""An encoder of canonical bytes written from docs/spec/canonical-bytes.md alone, and its vectors.

It imports nothing of the ledger, so that the two can be held against each other.
`python -m tests.vectors.spelled` writes canonical-1.json.
"""

import json
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.vectors.examples import EXAMPLES

VECTORS = Path(__file__).parent / "canonical-1.json"
TREE_SIZES = range(21)


def number(form: str, value: int) -> bytes:
    return struct.pack(">" + form, value)


def amount(words: str) -> bytes:
    value = int(words)
    return struct.pack(">qQ", value >> 64, value & (2**64 - 1))


def text(words: str) -> bytes:
    encoded = words.encode("utf-8")
    return number("I", len(encoded)) + encoded


def octets(hexadecimal: str) -> bytes:
    content = bytes.fromhex(hexadecimal)
    return number("I", len(content)) + content


def missing() -> bytes:
    return b"\x00"


def present(content: bytes) -> bytes:
    return b"\x01" + content


def optional_text(words: str | None) -> bytes:
    return missing() if words is None else present(text(words))


def optional_moment(microseconds: int | None) -> bytes:
    return missing() if microseconds is None else present(number("q", microseconds))


def event_parts(event: dict[str, Any]) -> list[tuple[str, bytes]]:
    """CB.2: the fields by name, in order."""
    redrive = event["redrive_of"]
    return [
        ("version", number("B", 1)),
        ("shard", text(event["shard"])),
        ("sequence", number("Q", event["sequence"])),
        ("cluster", text(event["cluster"])),
        ("topic_id", text(event["topic_id"])),
        ("topic", text(event["topic"])),
        ("partition", number("i", event["partition"])),
        ("offset", number("q", event["offset"])),
        ("timestamp_ms", number("q", event["timestamp_ms"])),
        ("occurred_at", optional_moment(event["occurred_at"])),
        ("pool_time", optional_moment(event["pool_time"])),
        ("rules", number("H", event["rules"])),
        ("kind", optional_text(event["kind"])),
        ("event_id", optional_text(event["event_id"])),
        ("rejection", optional_text(event["rejection"])),
        ("detail", optional_text(event["detail"])),
        (
            "redrive_of",
            missing()
            if redrive is None
            else present(text(redrive["shard"]) + number("Q", redrive["sequence"])),
        ),
        ("message_key", missing() if event["key"] is None else present(octets(event["key"]))),
        ("content_hash", bytes.fromhex(event["content_hash"])),
        ("raw", octets(event["raw"])),
    ]


def outcome_parts(outcome: dict[str, Any]) -> list[tuple[str, bytes]]:
    """CB.3: counts and lines by name, in order."""
    parts = [("commodities", number("I", len(outcome["commodities"])))]
    parts += [
        (
            "commodity",
            number("I", line["number"])
            + optional_text(line["asset"])
            + optional_text(line["instrument"])
            + number("B", line["scale"]),
        )
        for line in outcome["commodities"]
    ]
    parts.append(("accounts", number("I", len(outcome["accounts"]))))
    parts += [
        (
            "account",
            number("I", line["number"])
            + text(line["owner"])
            + text(line["kind"])
            + optional_text(line["instrument"])
            + optional_text(line["asset"]),
        )
        for line in outcome["accounts"]
    ]
    parts.append(("postings", number("I", len(outcome["postings"]))))
    parts += [
        (
            "posting",
            number("I", line["account"])
            + number("Q", line["account_sequence"])
            + number("I", line["commodity"])
            + number("H", line["purpose"])
            + amount(line["amount"])
            + amount(line["balance"]),
        )
        for line in outcome["postings"]
    ]
    parts.append(("records", number("I", len(outcome["records"]))))
    parts += [
        ("record", text(line["kind"]) + text(line["subject"]) + octets(line["body"]))
        for line in outcome["records"]
    ]
    return parts


def joined(parts: list[tuple[str, bytes]]) -> bytes:
    return b"".join(part for _, part in parts)


def leaf(event: bytes, outcome: bytes) -> bytes:
    """CB.4."""
    return sha256(b"\x00" + event + sha256(outcome).digest()).digest()


def chain(before: bytes, its_leaf: bytes) -> bytes:
    """CB.5."""
    return sha256(b"\x02" + before + its_leaf).digest()


def tree_root(leaves: list[bytes]) -> bytes:
    """CB.6, as RFC 6962 section 2.1 says it: split at the largest power of two below the size."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


def frontier(leaves: list[bytes]) -> list[bytes]:
    """CB.7: the roots of the perfect trees, largest first."""
    found = []
    for power in range(len(leaves).bit_length() - 1, -1, -1):
        if len(leaves) & (1 << power) == 0:
            continue
        start = len(leaves) >> (power + 1) << (power + 1)
        found.append(tree_root(leaves[start : start + (1 << power)]))
    return found


def tree_leaves() -> list[bytes]:
    """What the trees of the vectors are built over: SHA-256 of 0x00 and one byte."""
    return [sha256(bytes([0, place])).digest() for place in range(TREE_SIZES[-1])]


def vectors() -> dict[str, Any]:
    """All vectors, as they are published."""
    chains: dict[str, bytes] = {}
    events = []
    for example in EXAMPLES:
        shard = example["event"]["shard"]
        event, outcome = (
            joined(event_parts(example["event"])),
            joined(outcome_parts(example["outcome"])),
        )
        before = chains.get(shard, bytes(32))
        its_leaf = leaf(event, outcome)
        chains[shard] = chain(before, its_leaf)
        events.append(
            {
                **example,
                "event_bytes": event.hex(),
                "outcome_bytes": outcome.hex(),
                "leaf": its_leaf.hex(),
                "chain_before": before.hex(),
                "chain": chains[shard].hex(),
            }
        )
    leaves = tree_leaves()
    trees = [
        {
            "size": size,
            "frontier": [entry.hex() for entry in frontier(leaves[:size])],
            "root": tree_root(leaves[:size]).hex(),
        }
        for size in TREE_SIZES
    ]
    return {
        "version": 1,
        "events": events,
        "tree_leaves": [entry.hex() for entry in leaves],
        "trees": trees,
    }


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
