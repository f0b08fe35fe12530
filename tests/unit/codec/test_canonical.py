"""Canonical bytes against the published vectors, made by an encoder that knows the page alone."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest

from ledger.codec.canonical import (
    GENESIS,
    chain_hash,
    event_bytes,
    leaf_hash,
    outcome_bytes,
    posting_bytes,
)
from ledger.core.outcome import Commodity, OpenedAccount, Posting
from ledger.ports import Source, StoredEvent
from tests.vectors.spelled import VECTORS, vectors

PUBLISHED: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
PAGE = Path(__file__).parents[3] / "docs/spec/canonical-bytes.md"


def stored(event: dict[str, Any]) -> StoredEvent:
    redrive = event["redrive_of"]
    return StoredEvent(
        event["sequence"],
        event["kind"],
        event["event_id"],
        event["occurred_at"],
        event["pool_time"],
        event["rules"],
        Source(event["cluster"], event["topic_id"], event["topic"]),
        event["partition"],
        event["offset"],
        event["timestamp_ms"],
        None if event["key"] is None else bytes.fromhex(event["key"]),
        bytes.fromhex(event["raw"]),
        bytes.fromhex(event["content_hash"]),
        None if redrive is None else (redrive["shard"], redrive["sequence"]),
        event["rejection"],
        event["detail"],
        b"",
        b"",
    )


def led_to(outcome: dict[str, Any]) -> bytes:
    return outcome_bytes(
        [Commodity(*line.values()) for line in outcome["commodities"]],
        [OpenedAccount(*line.values()) for line in outcome["accounts"]],
        posting_bytes([Posting(*map(int, line.values())) for line in outcome["postings"]]),
        [
            (line["kind"], line["subject"], bytes.fromhex(line["body"]))
            for line in outcome["records"]
        ],
    )


def by_name(vector: dict[str, Any]) -> str:
    return str(vector["name"]).split(":")[0]


each = pytest.mark.parametrize("vector", PUBLISHED["events"], ids=by_name)


def test_the_published_vectors_are_those_of_the_independent_encoder() -> None:
    assert vectors() == PUBLISHED


@each
def test_an_event_has_the_published_bytes(vector: dict[str, Any]) -> None:
    found = event_bytes(vector["event"]["shard"], stored(vector["event"]))
    assert found.hex() == vector["event_bytes"]


@each
def test_an_outcome_has_the_published_bytes(vector: dict[str, Any]) -> None:
    assert led_to(vector["outcome"]).hex() == vector["outcome_bytes"]


@each
def test_leaf_and_chain_are_the_published_ones(vector: dict[str, Any]) -> None:
    event, outcome = bytes.fromhex(vector["event_bytes"]), bytes.fromhex(vector["outcome_bytes"])
    leaf = leaf_hash(event, outcome)
    assert leaf.hex() == vector["leaf"]
    assert chain_hash(bytes.fromhex(vector["chain_before"]), leaf).hex() == vector["chain"]


def test_the_chain_of_each_shard_begins_with_zeros_and_goes_on() -> None:
    heads: dict[str, str] = {}
    for vector in PUBLISHED["events"]:
        shard = vector["event"]["shard"]
        assert vector["chain_before"] == heads.get(shard, GENESIS.hex())
        heads[shard] = vector["chain"]


def test_the_vectors_hold_every_way_that_a_field_may_be() -> None:
    events = [vector["event"] for vector in PUBLISHED["events"]]
    for name in events[0]:
        if name in {"occurred_at", "pool_time", "kind", "event_id", "rejection", "detail", "key"}:
            there = [event[name] is not None for event in events]
            assert any(there), name
            assert not all(there), name
    lines = [vector["outcome"] for vector in PUBLISHED["events"]]
    assert any(event["redrive_of"] for event in events)
    assert any(event["key"] == "" for event in events)
    assert any(outcome["records"] for outcome in lines)
    assert any(int(line["amount"]) < 0 for outcome in lines for line in outcome["postings"])


@pytest.mark.parametrize("name", ["kind", "event_id", "rejection", "detail", "key"])
def test_missing_and_empty_are_told_apart(name: str) -> None:
    empty: Any = b"" if name == "key" else ""
    event = stored(PUBLISHED["events"][0]["event"])
    missing = event._replace(**{name: cast("Any", None)})
    assert event_bytes("main", missing) != event_bytes("main", event._replace(**{name: empty}))


CHANGES: dict[str, Callable[[StoredEvent], StoredEvent]] = {
    "sequence": lambda event: event._replace(sequence=9),
    "kind": lambda event: event._replace(kind="withdrawal"),
    "event_id": lambda event: event._replace(event_id="e-9"),
    "occurred_at": lambda event: event._replace(occurred_at=9),
    "pool_time": lambda event: event._replace(pool_time=9),
    "rules": lambda event: event._replace(rules=9),
    "cluster": lambda event: event._replace(source=event.source._replace(cluster="other")),
    "topic_id": lambda event: event._replace(source=event.source._replace(topic_id="other")),
    "topic": lambda event: event._replace(source=event.source._replace(topic="other")),
    "partition": lambda event: event._replace(partition=9),
    "offset": lambda event: event._replace(offset=9),
    "timestamp_ms": lambda event: event._replace(timestamp_ms=9),
    "key": lambda event: event._replace(key=b"other"),
    "raw": lambda event: event._replace(raw=b"other"),
    "content_hash": lambda event: event._replace(content_hash=bytes(32)),
    "redrive_of": lambda event: event._replace(redrive_of=("main", 9)),
    "rejection": lambda event: event._replace(rejection="other"),
    "detail": lambda event: event._replace(detail="other"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_field_of_an_event_changes_its_bytes(name: str) -> None:
    event = stored(PUBLISHED["events"][0]["event"])
    assert event_bytes("main", CHANGES[name](event)) != event_bytes("main", event)


def test_the_name_of_the_shard_changes_the_bytes() -> None:
    event = stored(PUBLISHED["events"][0]["event"])
    assert event_bytes("main", event) != event_bytes("other", event)


def test_every_column_but_the_hashes_themselves_is_covered() -> None:
    covered = {*CHANGES, "source", "leaf", "chain"} - {"cluster", "topic_id", "topic"}
    assert set(StoredEvent._fields) == covered


def test_the_worked_example_of_the_page_is_the_first_vector() -> None:
    vector = PUBLISHED["events"][0]
    event, outcome, hashes = (
        _spelled(block)
        for block in re.findall(r"(?s)```canonical\n(.*?)```", PAGE.read_text(encoding="utf-8"))
    )
    assert event == vector["event_bytes"]
    assert outcome == vector["outcome_bytes"]
    of_outcome = sha256(bytes.fromhex(vector["outcome_bytes"])).hexdigest()
    assert hashes == of_outcome + vector["leaf"] + vector["chain"]


def _spelled(block: str) -> str:
    """The hexadecimal of a block: after the name of a field, before what is said about it."""
    found = []
    for line in block.splitlines():
        words = re.sub(r"^\S+", "", line).lstrip()
        found.append(re.split(r" {2,}", words)[0].replace(" ", ""))
    return "".join(found)
