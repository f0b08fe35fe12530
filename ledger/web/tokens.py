"""Tokens: who asks, and what that opens.

Rules of this file:

* A token is 256 random bits behind `clr_`, shown once; the books keep its SHA-256 alone. Random
  bits need no slow hash: there is nothing to guess.
* A token that comes is hashed, and held against the hashes of all live ones, each in constant time.
* Live tokens are read every few seconds, over a connection that nothing else uses: a token that was
  taken back opens nothing after that long at the latest. One reading serves all who come while the
  list is due. They wait for it; where it does not come within `ANSWER_S`, they go by the list that
  there is, until that is `BELIEVED_S` old.
* Scopes: `reporting` opens the listings, `back_office` breaks as well, `auditor` all of it with
  explanations and proofs.
"""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, get_args

from ledger.errors import LedgerError, StoreUnavailable
from ledger.store.web.tokens import LiveToken, Scope

PREFIX = "clr_"
SCOPES: tuple[Scope, ...] = get_args(Scope)

BELIEVED_S = 30.0
"""A list of live tokens is used no longer than that, whatever the database does."""

ANSWER_S = 1.0
"""A reading is waited for so long, where there is a list to go by."""

RETRY_S = 1.0
"""After a failure they are not read again for so long."""


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
    """Live tokens of some books, of one event loop.

    Args:
        read: Reads them, in a thread.
        kept_s: They are read anew after so long.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        read: Callable[[], Sequence[LiveToken]],
        kept_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._kept_s = kept_s
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "tokens")
        self._reading: Future[None] | None = None
        self._failed_at = float("-inf")
        self._read_at = float("-inf")
        self._live: Sequence[LiveToken] = ()

    async def caller(self, token: str) -> Caller | None:
        """Whose token it is; None: it opens nothing.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        digest = token_hash(token)
        found: LiveToken | None = None
        for one in await self._current():
            if hmac.compare_digest(one.token_hash, digest):
                found = one
        if found is None or found.has_expired():
            return None
        return Caller(found.name, _key(found), frozenset(found.scopes))

    async def has(self, caller: Caller) -> bool:
        """Whether what a caller came with still opens something.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        if caller == ANYBODY:
            return True
        live = await self._current()
        return any(_key(one) == caller.key and not one.has_expired() for one in live)

    async def _current(self) -> Sequence[LiveToken]:
        """The list, read anew where it is due."""
        if self._age_s() >= self._kept_s and (self._is_read_anew() or self._age_s() >= BELIEVED_S):
            assert self._reading is not None, "the first who comes begins it"
            reading = asyncio.shield(asyncio.wrap_future(self._reading))
            try:
                await asyncio.wait_for(reading, ANSWER_S if self._age_s() < BELIEVED_S else None)
            except LedgerError:
                if self._age_s() >= BELIEVED_S:
                    raise
            except TimeoutError:
                if self._age_s() >= BELIEVED_S:
                    raise StoreUnavailable("live tokens could not be read in time") from None
        return self._live

    def _age_s(self) -> float:
        return self._clock() - self._read_at

    def _is_read_anew(self) -> bool:
        """A reading is under way, begun if need be; not where one failed just now."""
        if self._reading is not None and not self._reading.done():
            return True
        if self._clock() - self._failed_at < RETRY_S:
            return False
        self._reading = self._thread.submit(self._renew)
        return True

    def _renew(self) -> None:
        began = self._clock()
        try:
            self._live = self._read()
        except BaseException:
            self._failed_at = self._clock()
            raise
        self._read_at = began

    def close(self) -> None:
        """Read no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _key(token: LiveToken) -> str:
    return f"token {token.token}"
