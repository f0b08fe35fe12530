"""Canonical content: the published vectors, and which messages are the same event."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.codec.decoding import Decoded, Undecodable, content, decode

VECTORS: list[dict[str, str]] = json.loads(
    Path(__file__).with_name("vectors.json").read_text(encoding="utf-8")
)
DEPOSIT: dict[str, Any] = {
    "kind": "deposit",
    "event_id": "d1",
    "occurred_at": "2026-01-01T00:00:00Z",
    "account": "anna",
    "asset": "USD",
    "amount": "1.5",
}


def content_hash(**changes: object) -> bytes:
    return decode(json.dumps({**DEPOSIT, **changes}).encode()).content_hash


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["shows"]))
def test_a_published_vector_holds(vector: dict[str, str]) -> None:
    decoded = decode(vector["message"].encode())
    assert isinstance(decoded, Decoded), decoded
    assert content(decoded.event).decode() == vector["content"]
    assert decoded.content_hash.hex() == vector["sha256"]


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "1.50"},
        {"amount": "01.500"},
        {"pool": "main"},
        {"version": 1},
        {"occurred_at": "2026-01-01T00:00:00.000Z"},
    ],
    ids=str,
)
def test_another_spelling_is_the_same_event(changes: dict[str, object]) -> None:
    assert content_hash(**changes) == content_hash()


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "15"},
        {"amount": "1.05"},
        {"pool": "other"},
        {"event_id": "d2"},
        {"kind": "withdrawal"},
        {"account": "ben"},
        {"asset": "ETH"},
        {"occurred_at": "2026-01-01T00:00:00.000001Z"},
    ],
    ids=str,
)
def test_any_field_makes_another_event(changes: dict[str, object]) -> None:
    assert content_hash(**changes) != content_hash()


def test_white_space_and_order_of_fields_do_not_matter() -> None:
    spaced = json.dumps(dict(reversed(DEPOSIT.items())), indent=3).encode()
    assert decode(spaced).content_hash == content_hash()


def test_what_cannot_be_decoded_is_hashed_as_it_came() -> None:
    raw = b'{"kind": "deposit"}'
    decoded = decode(raw)
    assert isinstance(decoded, Undecodable)
    assert decoded.content_hash == hashlib.sha256(raw).digest()
