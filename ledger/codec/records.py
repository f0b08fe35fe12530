"""Record bodies as canonical JSON bytes: keys in their order, decimals as strings."""

import json
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from ledger.codec.decoding import decimal_text
from ledger.codec.fields import Identifier, Positive, Text
from ledger.core.outcome import Record
from ledger.core.units import Fixed

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class MarkBody(BaseModel):
    """The price that stands for an instrument's value has been set. Subject: the instrument."""

    kind: ClassVar[str] = "mark"
    model_config = ConfigDict(extra="forbid", frozen=True)

    mark_price: Positive
    source: Literal["price", "settlement", "expiry", "trade", "opening"]


class TradeBustBody(BaseModel):
    """A trade was undone. Subject: the event id of the trade."""

    kind: ClassVar[str] = "trade_bust"
    model_config = ConfigDict(extra="forbid", frozen=True)

    busted_by: Identifier
    reason: Text


BODIES: tuple[type[MarkBody | TradeBustBody], ...] = (MarkBody, TradeBustBody)
"""Every kind of record with the shape of its body."""


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
