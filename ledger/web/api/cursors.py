"""Cursors: a place in a listing as an opaque word, good for the very same question only."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from ledger.web.problems import Problem

_LENGTH_MAX = 1_000

Part = str | int


def cursor(question: Sequence[object], place: Sequence[Part]) -> str:
    """The word for a place in the answer to a question."""
    text = json.dumps([_mark(question), *place], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place(question: Sequence[object], word: str) -> tuple[Part, ...]:
    """The place that a word stands for.

    Raises:
        Problem: It was not made by us, or for another question.
    """
    wrong = Problem(
        "invalid_cursor", "`after` is not a cursor of this listing with these parameters"
    )
    if len(word) > _LENGTH_MAX:
        raise wrong
    try:
        padded = word + "=" * (-len(word) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise wrong from None
    if not isinstance(parts, list) or parts[:1] != [_mark(question)]:
        raise wrong
    if not all(isinstance(part, str) or type(part) is int for part in parts):
        raise wrong
    return tuple(parts[1:])


def _mark(question: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(question).encode()).hexdigest()[:12]
