"""Canonical bytes of an event and its outcome, and the hashes that chain them.

Version 1:

    leaf  = SHA256(0x00 | event | SHA256(outcome))
    chain = SHA256(0x02 | chain before | leaf)           before the first event: 32 zero bytes

Every stored column that means something is covered; numbers of shards and sources, which belong to
one database, are not: their names are. Big-endian; a text or bytes is its length (u32) and itself;
what may be missing has one byte before it, 0 or 1; amounts are 16 bytes in two's complement.

Cost: about 5 us for a trade of nine postings. Source: docs/spec/canonical-bytes.md, with vectors.
"""

import hashlib
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any, Final, Protocol

from ledger.core.outcome import Commodity, OpenedAccount, Posting

VERSION = 1

GENESIS: Final = bytes(32)
"""The chain before the first event."""

AMOUNT_LENGTH: Final = 16
POSTING_LENGTH: Final = 50

_sha256: Final = hashlib.sha256
_u32: Final = Struct(">I").pack
_delivered: Final = Struct(">iqq").pack
_posting: Final = Struct(">IQIHqQqQ").pack
_columns: Final = Struct(">iqihqQqQ").iter_unpack
"""The same bytes by the types of their columns, which also have what no posting of ours is."""
_LOW: Final = (1 << 64) - 1
_i64: Final = Struct(">q").pack
_u64: Final = Struct(">Q").pack

EncodedRecord = tuple[str, str, bytes]
"""Kind, subject, and the body as it is stored."""


class Delivered(Protocol):
    """Where a message came from, as `ledger.ports.Source`."""

    @property
    def cluster(self) -> str: ...

    @property
    def topic_id(self) -> str: ...

    @property
    def topic(self) -> str: ...


class Stored(Protocol):
    """An event as a log keeps it, as `ledger.ports.StoredEvent`."""

    @property
    def sequence(self) -> int: ...

    @property
    def kind(self) -> str | None: ...

    @property
    def event_id(self) -> str | None: ...

    @property
    def occurred_at(self) -> int | None: ...

    @property
    def pool_time(self) -> int | None: ...

    @property
    def rules(self) -> int: ...

    @property
    def source(self) -> Delivered: ...

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def timestamp_ms(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def raw(self) -> bytes: ...

    @property
    def content_hash(self) -> bytes: ...

    @property
    def redrive_of(self) -> tuple[str, int] | None: ...

    @property
    def rejection(self) -> str | None: ...

    @property
    def detail(self) -> str | None: ...


def event_bytes(shard: str, event: Stored) -> bytes:
    """An event of a shard, as it is stored."""
    source = event.source
    redrive = event.redrive_of
    return b"".join(
        (
            b"\x01",
            _text(shard),
            _u64(event.sequence),
            _text(source.cluster),
            _text(source.topic_id),
            _text(source.topic),
            _delivered(event.partition, event.offset, event.timestamp_ms),
            _moment(event.occurred_at),
            _moment(event.pool_time),
            event.rules.to_bytes(2, "big"),
            _optional(event.kind),
            _optional(event.event_id),
            _optional(event.rejection),
            _optional(event.detail),
            b"\x00" if redrive is None else b"\x01" + _text(redrive[0]) + _u64(redrive[1]),
            b"\x00" if event.key is None else b"\x01" + _bytes(event.key),
            event.content_hash,
            _bytes(event.raw),
        )
    )


def outcome_bytes(
    commodities: Sequence[Commodity],
    opened: Sequence[OpenedAccount],
    postings: bytes,
    records: Sequence[EncodedRecord],
) -> bytes:
    """What an event led to, each in line order; registries as first used by this event.

    Args:
        commodities, opened: By number.
        postings: As `posting_bytes` packs them.
        records: With their bodies as they are stored.
    """
    parts = [_u32(len(commodities))]
    for number, asset, instrument, scale in commodities:
        parts += (_u32(number), _optional(asset), _optional(instrument), bytes((scale,)))
    parts.append(_u32(len(opened)))
    for number, owner, kind, instrument, asset in opened:
        parts += (_u32(number), _text(owner), _text(kind), _optional(instrument), _optional(asset))
    parts += (_u32(len(postings) // POSTING_LENGTH), postings, _u32(len(records)))
    for kind, subject, body in records:
        parts += (_text(kind), _text(subject), _bytes(body))
    return b"".join(parts)


def posting_bytes(postings: Iterable[Posting]) -> bytes:
    """Postings, one behind the other: `POSTING_LENGTH` bytes each.

    Raises:
        struct.error: A number is larger than its column.
    """
    parts: list[bytes] = []
    for account, sequence, commodity, purpose, amount, balance in postings:
        high, low = amount >> 64, amount & _LOW  # of 16 bytes, in two's complement
        parts.append(
            _posting(
                account, sequence, commodity, purpose, high, low, balance >> 64, balance & _LOW
            )
        )
    return b"".join(parts)


def postings_of(packed: bytes) -> list[Posting]:
    """What `posting_bytes` packed, as bare tuples of the shape of postings."""
    found: list[Any] = [
        (account, sequence, commodity, purpose, high << 64 | low, over << 64 | rest)
        for account, sequence, commodity, purpose, high, low, over, rest in _columns(packed)
    ]
    return found


def leaf_hash(event: bytes, outcome: bytes) -> bytes:
    """The leaf of an event, from its canonical bytes and those of its outcome."""
    return _sha256(b"\x00" + event + _sha256(outcome).digest()).digest()


def chain_hash(before: bytes, leaf: bytes) -> bytes:
    """The chain after an event."""
    return _sha256(b"\x02" + before + leaf).digest()


def _text(words: str) -> bytes:
    encoded = words.encode()
    return _u32(len(encoded)) + encoded


def _bytes(content: bytes) -> bytes:
    return _u32(len(content)) + content


def _optional(words: str | None) -> bytes:
    return b"\x00" if words is None else b"\x01" + _text(words)


def _moment(moment: int | None) -> bytes:
    return b"\x00" if moment is None else b"\x01" + _i64(moment)
