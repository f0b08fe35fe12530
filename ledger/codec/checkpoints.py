"""A checkpoint: what a shard's books were after one event, as canonical bytes that a key signs.

    u8 version 1 | text shard | u64 sequence | 32 chain | 32 Merkle root | 32 state hash
    | opt i64 pool time | u16 rules
    | u32 n, n * (text asset, i128 participants, i128 custody)
    | 32 SHA-256 of the body before | 32 public key

Encoded as events are (`ledger.codec.canonical`). `participants` is what the house owes them in an
asset (wallet, isolated and hold together), `custody` what the outside world owes the house (its
sign is minus). The Ed25519 signature is over these bytes. The JSON form shows the same in words,
carries the bytes beside them, and is one line of a file or one message.

Source: docs/spec/checkpoints.md.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import NamedTuple

from ledger.codec.canonical import AMOUNT_LENGTH
from ledger.codec.merkle import HASH_LENGTH
from ledger.core.accounts import CUSTODY, HOLD, HOUSE, ISOLATED, WALLET
from ledger.core.state import State

VERSION = 1

FORMAT = 1
"""Of the JSON form."""

FIRST = bytes(HASH_LENGTH)
"""In place of the body before, in the first checkpoint of a shard."""

NO_STATE = bytes(HASH_LENGTH)
"""The state hash of a shard without a state: messages that belong to no pool."""

_OWED = frozenset({WALLET, ISOLATED, HOLD})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_u16, _u32, _u64, _i64 = Struct(">H"), Struct(">I"), Struct(">Q"), Struct(">q")


class AssetSum(NamedTuple):
    """Totals of an asset, in smallest units: owed to participants, and in custody (negative)."""

    asset: str
    participants: int
    custody: int


class Checkpoint(NamedTuple):
    """What is signed.

    Attributes:
        pool: Name of the shard.
        sequence: Of the last event that it includes.
        chain, root: Of the hash chain and the Merkle tree over all events so far.
        state_hash: SHA-256 of the state; zeros for a shard without one.
        pool_time: Microseconds; None before the first accepted event.
        rules: Version that decided the last event.
        sums: By asset id.
        previous: SHA-256 of the body of this shard's checkpoint before; zeros for the first.
        key: The Ed25519 public key that signs.
    """

    pool: str
    sequence: int
    chain: bytes
    root: bytes
    state_hash: bytes
    pool_time: int | None
    rules: int
    sums: tuple[AssetSum, ...]
    previous: bytes
    key: bytes


class MalformedCheckpoint(ValueError):
    """The bytes are no checkpoint of a version known here."""


def asset_sums(state: State) -> tuple[AssetSum, ...]:
    """Totals of every asset that the books have ever held, by asset id."""
    participants: dict[str, int] = {}
    custody: dict[str, int] = {}
    for key, balance in zip(state.journal.keys, state.journal.balances, strict=True):
        if key.asset is not None:
            owed = key.kind in _OWED and not key.owner.startswith("@")
            kept = key.kind == CUSTODY and key.owner == HOUSE
            participants[key.asset] = participants.get(key.asset, 0) + owed * balance
            custody[key.asset] = custody.get(key.asset, 0) + kept * balance
    return tuple(AssetSum(name, participants[name], custody[name]) for name in sorted(custody))


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The bytes that are signed."""
    moment = checkpoint.pool_time
    parts = [
        bytes((VERSION,)),
        _text(checkpoint.pool),
        _u64.pack(checkpoint.sequence),
        checkpoint.chain,
        checkpoint.root,
        checkpoint.state_hash,
        b"\x00" if moment is None else b"\x01" + _i64.pack(moment),
        _u16.pack(checkpoint.rules),
        _u32.pack(len(checkpoint.sums)),
    ]
    for asset, *totals in checkpoint.sums:
        parts.append(_text(asset))
        parts += (total.to_bytes(AMOUNT_LENGTH, "big", signed=True) for total in totals)
    parts += (checkpoint.previous, checkpoint.key)
    return b"".join(parts)


def decode_checkpoint(body: bytes) -> Checkpoint:
    """What the bytes say.

    Raises:
        MalformedCheckpoint: They end early or late, or are of another version.
    """
    reader = _Reader(body)
    try:
        if reader.take(1) != bytes((VERSION,)):
            message = f"checkpoint of version {body[:1].hex() or 'none'}, expected {VERSION}"
            raise MalformedCheckpoint(message)
        found = Checkpoint(
            pool=reader.text(),
            sequence=reader.number(_u64),
            chain=reader.take(HASH_LENGTH),
            root=reader.take(HASH_LENGTH),
            state_hash=reader.take(HASH_LENGTH),
            pool_time=reader.number(_i64) if reader.take(1) == b"\x01" else None,
            rules=reader.number(_u16),
            sums=tuple(
                AssetSum(reader.text(), reader.amount(), reader.amount())
                for _ in range(reader.number(_u32))
            ),
            previous=reader.take(HASH_LENGTH),
            key=reader.take(HASH_LENGTH),
        )
    except UnicodeDecodeError as fault:
        raise MalformedCheckpoint(str(fault)) from fault
    if encode_checkpoint(found) != body:
        message = f"{len(body)} bytes are not a checkpoint's"
        raise MalformedCheckpoint(message)
    return found


def body_hash(body: bytes) -> bytes:
    """What the next checkpoint of the shard names."""
    return hashlib.sha256(body).digest()


def checkpoint_line(body: bytes, signature: bytes, scales: Mapping[str, int]) -> str:
    """The JSON form, one line.

    Args:
        body: As it was signed.
        signature: Over it.
        scales: Decimals of each asset; sums are shown in natural units.
    """
    found = decode_checkpoint(body)
    words = _words(found, signature, body)
    words["sums"] = [
        {
            "asset": asset,
            "participants": _natural(participants, scales[asset]),
            "custody": _natural(custody, scales[asset]),
        }
        for asset, participants, custody in found.sums
    ]
    return json.dumps(words, separators=(",", ":"))


def read_line(line: str | bytes) -> tuple[bytes, bytes]:
    """Body and signature of a checkpoint's JSON form, its words held against the bytes.

    Raises:
        MalformedCheckpoint: It is not of this form, or its words differ from its bytes.
    """
    try:
        told = json.loads(line)
        body, signature = bytes.fromhex(told["body"]), bytes.fromhex(told["signature"])
        found = decode_checkpoint(body)
        sums = tuple(
            AssetSum(one["asset"], _units(one["participants"]), _units(one["custody"]))
            for one in told["sums"]
        )
    except MalformedCheckpoint:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        message = f"not a checkpoint line: {type(fault).__name__} {fault}"
        raise MalformedCheckpoint(message) from fault
    shown: dict[str, object] = {**_words(found, signature, body), "sums": found.sums}
    for name, value in shown.items():
        words = sums if name == "sums" else told.get(name)
        if words != value:
            message = f"{found.pool} {found.sequence}: {name} reads {words}, the bytes say {value}"
            raise MalformedCheckpoint(message)
    return body, signature


class _Reader:
    """Bytes taken from the front."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._body):
            message = f"a checkpoint of {len(self._body)} bytes ends early"
            raise MalformedCheckpoint(message)
        taken, self._at = self._body[self._at : end], end
        return taken

    def number(self, form: Struct) -> int:
        (value,) = form.unpack(self.take(form.size))
        assert isinstance(value, int)
        return value

    def text(self) -> str:
        return self.take(self.number(_u32)).decode()

    def amount(self) -> int:
        return int.from_bytes(self.take(AMOUNT_LENGTH), "big", signed=True)


def _text(words: str) -> bytes:
    encoded = words.encode()
    return _u32.pack(len(encoded)) + encoded


def _moment(microseconds: int) -> str:
    moment = (_EPOCH + timedelta(microseconds=microseconds)).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"


def _natural(units: int, scale: int) -> str:
    """All decimals of the scale are shown, zeros too, so that the words tell the scale."""
    digits = str(abs(units)).rjust(scale + 1, "0")
    whole, part = (digits[:-scale], digits[-scale:]) if scale else (digits, "")
    return ("-" if units < 0 else "") + whole + ("." + part if scale else "")


def _units(words: str) -> int:
    return int(words.replace(".", "", 1))


def _words(found: Checkpoint, signature: bytes, body: bytes) -> dict[str, object]:
    moment = found.pool_time
    return {
        "format": FORMAT,
        "pool": found.pool,
        "sequence": found.sequence,
        "chain": found.chain.hex(),
        "root": found.root.hex(),
        "state_hash": found.state_hash.hex(),
        "pool_time": None if moment is None else _moment(moment),
        "rules": found.rules,
        "sums": None,
        "previous": found.previous.hex(),
        "key": found.key.hex(),
        "signature": signature.hex(),
        "body": body.hex(),
    }
