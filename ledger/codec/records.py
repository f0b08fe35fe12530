"""Record bodies as canonical JSON bytes: keys in their order, decimals as strings."""

import json
import re

from pydantic import ValidationError

from ledger.codec.bodies.kinds import BODIES
from ledger.codec.decoding import decimal_text
from ledger.core.outcome import Record
from ledger.core.units import Fixed

__all__ = ["BODIES", "decode_record", "encode_body", "misshapen"]

_MODELS = {body.kind: body for body in BODIES}
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode_body(body: dict[str, object]) -> bytes:
    """A record's figures as they are stored and published."""
    return _encode({name: _plain(value) for name, value in body.items()}).encode()


def decode_record(kind: str, subject: str, body: bytes) -> Record:
    """A stored record; decimals stay strings."""
    return Record(kind, subject, json.loads(body))


def misshapen(record: Record) -> str | None:
    """Why a stored record is not one of its kind; None where it has the shape that it should."""
    model = _MODELS.get(record.kind)
    if model is None:
        return f"no record is of kind {record.kind}"
    if re.fullmatch(model.subject, record.subject) is None:
        return f"a {record.kind} is not about {record.subject!r}"
    try:
        model.model_validate_json(_encode(record.body))
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_context=False)[0]
        place = "/".join(str(step) for step in first["loc"])
        return f"{place}: {first['msg'].removeprefix('Value error, ')}"
    return None


def _plain(value: object) -> object:
    if isinstance(value, Fixed):
        return decimal_text(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
