"""What the database takes: states compressed, words without what no text column holds."""

import zlib

from ledger.ports import StoredEvent


def packed(state: bytes) -> bytes:
    """Compressed; the database is told not to try again."""
    return zlib.compress(state, 1)


def unpacked(kept: bytes) -> bytes:
    """The state that `packed` made these bytes of."""
    return zlib.decompress(kept)


def storable(event: StoredEvent) -> StoredEvent:
    """A refused event whose words may hold what no text column takes (NUL, lone surrogates).

    Those are written as escapes; the message itself stays in `raw`, byte for byte.
    """
    if event.rejection is None:
        return event
    kind, event_id, detail = storable_words(event.kind, event.event_id, event.detail)
    return event._replace(kind=kind, event_id=event_id, detail=detail)


def storable_words(*words: str | None) -> list[str | None]:
    """Words of a refused event as they are stored."""
    return [_text(each) for each in words]


def _text(words: str | None) -> str | None:
    if words is None:
        return None
    return words.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
