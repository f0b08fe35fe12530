"""Rebuilt rows and delivered messages held against stored ones: the first field that differs."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from ledger.batch import RAW_KEPT_MAX
from ledger.codec.canonical import EncodedRecord
from ledger.codec.records import encode_body
from ledger.core.outcome import Commodity, OpenedAccount, Posting
from ledger.ports import Message, ShardBatch, StoredEvent

_HASHES = ("leaf", "chain")

_EXCERPT_BYTES = 40
_BEFORE_BYTES = 12


class Place(NamedTuple):
    """Where a message stands outside of the books."""

    topic: str
    partition: int
    offset: int


class Difference(NamedTuple):
    """Where stored and rebuilt books part.

    Attributes:
        sequence: Of the event; of a registry 0.
        field: What differs: a field of the event, `posting LINE`, `record LINE`, `account NUMBER`.
        stored, rebuilt: What each has; None where it has nothing.
        others: Other fields of the same event that differ.
        place: Where `rebuilt` was found, when it is no rebuilt row but a message.
    """

    sequence: int
    field: str
    stored: object
    rebuilt: object
    others: tuple[str, ...] = ()
    place: Place | None = None

    def __str__(self) -> str:
        """For people."""
        also = f" (and {', '.join(self.others)})" if self.others else ""
        where = f"event {self.sequence}, " if self.sequence else ""
        there = "rebuilt"
        if self.place is not None:
            there = f"at {self.place.topic}/{self.place.partition}/{self.place.offset}"
        return (
            f"{where}{self.field}: stored {_shown(self.stored)},"
            f" {there} {_shown(self.rebuilt)}{also}"
        )


def different_message(stored: StoredEvent, message: Message) -> Difference | None:
    """The first of key, timestamp and bytes in which a message is not the stored one."""
    kept = message.value[:RAW_KEPT_MAX]
    pairs: list[tuple[str, object, object]] = []
    if message.key != stored.key:
        pairs.append(("key", stored.key, message.key))
    if message.timestamp_ms != stored.timestamp_ms:
        pairs.append(("timestamp_ms", stored.timestamp_ms, message.timestamp_ms))
    if kept != stored.raw:
        start = max(0, _parting(stored.raw, kept) - _BEFORE_BYTES)
        end = start + _EXCERPT_BYTES
        pairs.append((f"raw from byte {start}", stored.raw[start:end], kept[start:end]))
    if not pairs:
        return None
    others = tuple(name for name, _, _ in pairs[1:])
    place = Place(stored.source.topic, stored.partition, stored.offset)
    return Difference(stored.sequence, *pairs[0], others, place)


def different_event(
    rows: ShardBatch,
    stored: Sequence[StoredEvent],
    postings: Sequence[tuple[int, int, Posting]],
    records: Sequence[tuple[int, int, EncodedRecord]],
) -> Difference | None:
    """The first event of a batch that differs, by its first field; hashes come last.

    Args:
        rows: Rebuilt.
        stored: Events from the same sequence on; there may be more of them.
        postings, records: Of the stored events that were rebuilt.
    """
    lines = [(sequence, line, tuple(posting)) for sequence, line, posting in rows.lines()]
    bodies = [
        (sequence, line, (record.kind, record.subject, encode_body(record.body)))
        for sequence, line, record in rows.records
    ]
    found = [
        *_different_lines("posting", [(s, n, tuple(posting)) for s, n, posting in postings], lines),
        *_different_lines("record", [(s, n, tuple(record)) for s, n, record in records], bodies),
    ]
    first = min((difference.sequence for difference in found), default=None)
    for old, new in zip(stored, rows.events, strict=False):
        fields = [
            Difference(new.sequence, name, getattr(old, name), getattr(new, name))
            for name in (*(f for f in StoredEvent._fields if f not in _HASHES), *_HASHES)
            if getattr(old, name) != getattr(new, name)
        ]
        if fields or first == new.sequence:
            hashes = [one for one in fields if one.field in _HASHES]
            others = [one for one in fields if one.field not in _HASHES]
            others += [one for one in found if one.sequence == new.sequence]
            named = others + hashes
            return named[0]._replace(others=tuple(one.field for one in named[1:]))
    return found[0] if found else None


def different_registries(
    accounts: Sequence[OpenedAccount],
    commodities: Sequence[Commodity],
    rebuilt_accounts: Sequence[OpenedAccount],
    rebuilt_commodities: Sequence[Commodity],
) -> Difference | None:
    """The first row of a registry that differs."""
    pairs: tuple[tuple[str, Sequence[object], Sequence[object]], ...] = (
        ("account", accounts, rebuilt_accounts),
        ("commodity", commodities, rebuilt_commodities),
    )
    for name, stored, rebuilt in pairs:
        for number, (old, new) in enumerate(zip_longest(stored, rebuilt), start=1):
            if old != new:
                return Difference(0, f"{name} {number}", old, new)
    return None


def _different_lines(
    name: str, stored: Iterable[tuple[int, int, object]], rebuilt: Iterable[tuple[int, int, object]]
) -> list[Difference]:
    """The first line that differs, if any."""
    for old, new in zip_longest(stored, rebuilt):
        if old != new:
            sequence, line, _ = min((row for row in (old, new) if row is not None), key=_place)
            return [
                Difference(
                    sequence,
                    f"{name} {line}",
                    old[2] if old is not None and old[:2] == (sequence, line) else None,
                    new[2] if new is not None and new[:2] == (sequence, line) else None,
                )
            ]
    return []


def _parting(one: bytes, other: bytes) -> int:
    """Where two byte strings part, counted from 0."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _place(line: tuple[int, int, object]) -> tuple[int, int]:
    return line[0], line[1]


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex() if len(value) == 32 else repr(value)  # noqa: PLR2004 - a SHA-256
    return "nothing" if value is None else str(value)
