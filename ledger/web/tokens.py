"""Tokens: who asks, and what that opens.

Rules of this file:

* A token is 256 random bits behind `clr_`, shown once; the books keep its SHA-256 alone. Random
  bits need no slow hash: there is nothing to guess.
* A token that comes is hashed, and held against the hashes of all live ones, each in constant time.
* Live tokens are read at most every few seconds: a token that was taken back opens nothing after
  that long at the latest.
* Scopes: `reporting` opens the listings, `back_office` breaks as well, `auditor` all of it with
  explanations and proofs.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple, get_args

from ledger.store.web_connections import Readers
from ledger.store.web_tokens import LiveToken, Scope, live

PREFIX = "clr_"
SCOPES: tuple[Scope, ...] = get_args(Scope)


class Caller(NamedTuple):
    """Who asks.

    Attributes:
        name: As the token was named, for the log; `open` where nobody needs one.
        key: Tells callers apart in limits.
        scopes: What it opens.
    """

    name: str
    key: str
    scopes: frozenset[str]


ANYBODY = Caller("open", "open", frozenset(SCOPES))


def new_token() -> str:
    """A new one, for its owner's eyes alone."""
    return PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What the books keep of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class Tokens:
    """Live tokens of some books; safe for many threads."""

    def __init__(self, readers: Readers, kept_s: float) -> None:
        """Read them over connections that act as clearing_auditor, every `kept_s` at most."""
        self._readers = readers
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._live: Sequence[LiveToken] = ()

    def caller(self, token: str) -> Caller | None:
        """Whose token it is; None: it opens nothing.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        digest = token_hash(token)
        found: LiveToken | None = None
        for one in self._current():
            if hmac.compare_digest(one.token_hash, digest):
                found = one
        if found is None or found.has_expired():
            return None
        return Caller(found.name, f"token {found.token}", frozenset(found.scopes))

    def _current(self) -> Sequence[LiveToken]:
        with self._lock:
            if time.monotonic() - self._read_at >= self._kept_s:
                with self._readers.lent() as connection:
                    self._live = live(connection)
                self._read_at = time.monotonic()
            return self._live
