"""Record bodies as canonical JSON bytes: keys in their order, decimals as strings."""

import json

from ledger.codec.bodies import BODIES
from ledger.codec.decoding import decimal_text
from ledger.core.outcome import Record
from ledger.core.units import Fixed

__all__ = ["BODIES", "decode_record", "encode_body"]

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode_body(body: dict[str, object]) -> bytes:
    """A record's figures as they are stored and published."""
    return _encode({name: _plain(value) for name, value in body.items()}).encode()


def decode_record(kind: str, subject: str, body: bytes) -> Record:
    """A stored record; decimals stay strings."""
    return Record(kind, subject, json.loads(body))


def _plain(value: object) -> object:
    if isinstance(value, Fixed):
        return decimal_text(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
