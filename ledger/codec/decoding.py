"""Bytes to events, or a reason why not: nothing else ever comes out.

The order of refusal is that of `ledger.core.rejections`: too large, not UTF-8, not JSON, unknown
kind, version, missing field, unknown field, invalid field. A message that is a JSON object still
yields its `kind`, `event_id` and `pool` where they can be read, so that a refusal is filed where a
person looks for it.

Trades and prices are read by a shorter way where they are well formed (`ledger.codec.lean`).
"""

import hashlib
import json
from typing import Annotated, Any, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from ledger.codec import lean, wire
from ledger.codec.fields import ID_LENGTH_MAX
from ledger.core.events import AdjustmentLine, Event, Tier
from ledger.core.outcome import Rejection
from ledger.core.rejections import Code
from ledger.core.units import Fixed

MESSAGE_BYTES_MAX = 1024 * 1024
"""A larger message is refused; its hash and beginning are kept."""

DETAIL_LENGTH_MAX = 500


class Decoded(NamedTuple):
    """A message that is an event.

    `content_hash` is SHA-256 over the canonical content: defaults filled in, decimals normalized.
    """

    event: Event
    content_hash: bytes


class Undecodable(NamedTuple):
    """A message that is not an event.

    Attributes:
        rejection: Why.
        is_object: It is a JSON object at least.
        kind, event_id, pool: What could be read of them, else None.
        content_hash: SHA-256 of all its bytes.
    """

    rejection: Rejection
    is_object: bool
    kind: str | None
    event_id: str | None
    pool: str | None
    content_hash: bytes


_ALL = tuple(model for models in wire.MODELS.values() for model in models)
_union: Any = _ALL[0]
for _model in _ALL[1:]:
    _union |= _model
_ADAPTER: TypeAdapter[wire.Envelope] = TypeAdapter(Annotated[_union, Field(discriminator="kind")])
_validate = _ADAPTER.validator.validate_json
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode
_CODES = {
    "missing": Code.MISSING_FIELD,
    "extra_forbidden": Code.UNKNOWN_FIELD,
    "union_tag_invalid": Code.UNKNOWN_KIND,
    "union_tag_not_found": Code.UNKNOWN_KIND,
    "dict_type": Code.MALFORMED_JSON,
    "model_type": Code.MALFORMED_JSON,
    "model_attributes_type": Code.MALFORMED_JSON,
}
_PRECEDENCE = {code: index for index, code in enumerate(Code)}


def decode(raw: bytes) -> Decoded | Undecodable:
    """What a message says."""
    if len(raw) > MESSAGE_BYTES_MAX:
        detail = f"message has {len(raw)} bytes, at most {MESSAGE_BYTES_MAX} are taken"
        return _undecodable(raw, Code.MESSAGE_TOO_LARGE, detail)
    short = lean.read(raw)
    if short is not None:
        return Decoded(short.event, hashlib.sha256(short.content).digest())
    try:
        message = _validate(raw)
    except ValidationError as fault:
        return _explained(raw, fault)
    event = _event(message)
    return Decoded(event, hashlib.sha256(content(event)).digest())


def content(event: Event) -> bytes:
    """The canonical content of an event: a compact ASCII JSON array.

    `[kind, event_id, pool, occurred_at in microseconds, [fields of the fact...], version]`; a
    decimal as `[coefficient, decimals]` without trailing zeros, an absent field as its default.
    """
    return _encode(event[:-1]).encode()  # the sequence is the log's, not the event's


def _event(message: wire.Envelope) -> Event:
    values = message.__dict__
    fact = message.fact
    fields = [values[name] for name in fact._fields]
    for index, value in enumerate(fields):
        if type(value) is tuple and value and isinstance(value[0], wire.Tier | wire.AdjustmentLine):
            fields[index] = tuple(_part(part) for part in value)
    return Event(
        values["kind"],
        values["event_id"],
        values["pool"],
        values["occurred_at"],
        fact._make(fields),
        values["version"],
    )


def _part(part: wire.Tier | wire.AdjustmentLine) -> Tier | AdjustmentLine:
    made = Tier if isinstance(part, wire.Tier) else AdjustmentLine
    return made(**part.__dict__)


def _explained(raw: bytes, fault: ValidationError) -> Undecodable:
    try:
        raw.decode()
    except UnicodeDecodeError as broken:
        detail = f"byte {broken.start} is not UTF-8"
        return _undecodable(raw, Code.INVALID_UTF8, detail)
    errors = fault.errors(include_url=False, include_context=False)
    if errors[0]["type"] == "json_invalid":
        return _undecodable(raw, Code.MALFORMED_JSON, errors[0]["msg"])
    found = min((_coded(error) for error in errors), key=lambda pair: _PRECEDENCE[pair[0]])
    try:
        known = json.loads(raw)
    except (ValueError, RecursionError):
        known = None
    if not isinstance(known, dict):
        return _undecodable(raw, Code.MALFORMED_JSON, "the message is not a JSON object")
    return _undecodable(raw, *found, known)


def _coded(error: Any) -> tuple[Code, str]:  # noqa: ANN401 - pydantic's ErrorDetails, loosely typed
    where = ".".join(str(step) for step in error["loc"][1:])
    code = _CODES.get(error["type"], Code.INVALID_FIELD)
    if where and code is Code.MALFORMED_JSON:
        code = Code.INVALID_FIELD
    if where == "version" and code is Code.INVALID_FIELD:
        code = Code.UNSUPPORTED_VERSION
    words = error["msg"].removeprefix("Value error, ")
    if error["type"] == "union_tag_invalid":
        words = f"kind {error['input'].get('kind')!r} is not known"[:DETAIL_LENGTH_MAX]
    if error["type"] not in ("value_error", "missing", "extra_forbidden", "union_tag_invalid"):
        words = f"{words}, found {error['input']!r}"[:DETAIL_LENGTH_MAX]
    return code, f"{where}: {words}" if where else words


def _undecodable(
    raw: bytes, code: Code, detail: str, known: dict[str, object] | None = None
) -> Undecodable:
    pool = _readable(known, "pool")
    if known is not None and "pool" not in known:
        pool = "main"
    clean = detail
    if not detail.isprintable():
        clean = "".join(c if c.isprintable() else "?" for c in detail)
    return Undecodable(
        Rejection(code.value, clean[:DETAIL_LENGTH_MAX]),
        known is not None,
        _readable(known, "kind"),
        _readable(known, "event_id"),
        pool,
        hashlib.sha256(raw).digest(),
    )


def _readable(known: dict[str, object] | None, name: str) -> str | None:
    value = None if known is None else known.get(name)
    if isinstance(value, str) and 0 < len(value) <= ID_LENGTH_MAX and value.isprintable():
        return value
    return None


def decimal_text(number: Fixed) -> str:
    """A `Fixed` as a decimal string with all of its decimals."""
    if not number.scale:
        return str(number.coefficient)
    sign = "-" if number.coefficient < 0 else ""
    digits = str(abs(number.coefficient)).rjust(number.scale + 1, "0")
    return f"{sign}{digits[: -number.scale]}.{digits[-number.scale :]}"
