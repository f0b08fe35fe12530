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
    return event._replace(
        kind=_text(event.kind), event_id=_text(event.event_id), detail=_text(event.detail)
    )


def _text(words: str | None) -> str | None:
    if words is None:
        return None
    return words.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
