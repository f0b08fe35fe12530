"""Records as they come: server-sent events from a sequence on, for as long as the client listens.

Rules of this file:

* A stream holds no connection to the database while nothing comes. All streams share one look at
  the heads of the pools, and a page of records is read only when a head has moved; connections and
  threads are of streams alone, so that those which catch up wait for each other and for nobody
  else.
* A stream ends when its token does, and a caller has a few of them at most. One whose client takes
  nothing for `send_s` ends as well: it would keep its place, and never look at its token.
* Every event has the id `SEQUENCE.LINE`; a client that comes again with it in `Last-Event-ID` gets
  what is behind it, nothing twice and nothing left out.
* A stream is ended after a while, and when the server stops; clients come again by themselves.
"""

import asyncio
import json
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

from fastapi import Header, Query, Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from ledger.store.web.connections import Readers
from ledger.store.web.records import Behind, Followed, behind, heads, require_held
from ledger.store.web.rows import Detached, UnknownPool
from ledger.web.api import asking
from ledger.web.api.formats import names_of, plain
from ledger.web.problems import RETRY_S, Problem
from ledger.web.settings import WebSettings
from ledger.web.tokens import ANYBODY, Caller, Tokens

PAGE_RECORDS = 200
_T = TypeVar("_T")

logger = logging.getLogger("ledger.web")

_PLACE = re.compile(r"(\d{1,18})\.(\d{1,9})", re.ASCII)


class Following:
    """What streams share: how far pools are, and whose streams are open. Of one event loop.

    Attributes:
        open: How many streams each caller has open, by the caller's key.
    """

    def __init__(self, readers: Readers, settings: WebSettings) -> None:
        """Read over connections that act as clearing_auditor, which nothing else uses."""
        self._readers = readers
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.stream_connections_max, "streams")
        self._lock = asyncio.Lock()
        self._heads: Mapping[str, Followed] = {}
        self._looked_at = float("-inf")
        self.open: Counter[str] = Counter()

    async def head(self, pool: str) -> Followed:
        """How far a pool is, not longer ago than a poll.

        Raises:
            UnknownPool: There is no such pool.
            StoreUnavailable: The database does not answer.
        """
        async with self._lock:
            if time.monotonic() - self._looked_at >= self._settings.poll_s:
                self._heads = await self._in_thread(self._look)
                self._looked_at = time.monotonic()
        if pool not in self._heads:
            raise UnknownPool(f"the books have no pool {pool}")
        return self._heads[pool]

    def _look(self) -> Mapping[str, Followed]:
        with self._readers.lent() as connection:
            return heads(connection)

    async def records(self, pool: str, followed: Followed, after: tuple[int, int]) -> Behind:
        """A page of records behind a place."""
        return await self._in_thread(lambda: self._records(pool, followed, after))

    def _records(self, pool: str, followed: Followed, after: tuple[int, int]) -> Behind:
        with self._readers.lent() as connection:
            return behind(connection, pool, followed, after, PAGE_RECORDS)

    async def require_held(self, followed: Followed, after: tuple[int, int]) -> None:
        """Refuse to begin where history was detached, lest it be left out in silence.

        Raises:
            Detached: It was.
        """
        await self._in_thread(lambda: self._require_held(followed, after))

    def _require_held(self, followed: Followed, after: tuple[int, int]) -> None:
        with self._readers.lent() as connection:
            require_held(connection, followed, after)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def begin(self, caller: Caller) -> None:
        """Count a stream in.

        Raises:
            Problem: There are too many.
        """
        settings = self._settings
        retry = {"Retry-After": str(RETRY_S)}
        if self.open.total() >= settings.streams_max:
            said = f"{settings.streams_max} streams of records are open, which is all there may be"
            raise Problem("too_many_streams", said, headers=retry)
        if caller != ANYBODY and self.open[caller.key] >= settings.caller_streams_max:
            said = f"{caller.name} has {settings.caller_streams_max} streams open, which is all"
            raise Problem("too_many_streams", f"{said} that one caller may have", headers=retry)
        self.open[caller.key] += 1

    def end(self, caller: Caller) -> None:
        """Count it out."""
        self.open[caller.key] -= 1
        self.open += Counter()  # forgets callers without any

    def close(self) -> None:
        """Read no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._readers.close()


class _Stalled(Exception):
    """The client takes nothing any more."""


class CountedResponse(StreamingResponse):
    """A stream that is counted out however it ends, also before its first event.

    Args:
        events: In their text.
        on_end: Counts it out.
        send_s: It ends where the client takes nothing for so long.
    """

    def __init__(
        self, events: AsyncIterator[str], on_end: Callable[[], None], send_s: float
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._on_end = on_end
        self._send_s = send_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""

        async def bounded(message: Message) -> None:
            sending = asyncio.timeout(self._send_s)
            try:
                async with sending:
                    await send(message)
            except TimeoutError as fault:
                raise _Stalled if sending.expired() else fault from None

        try:
            await super().__call__(scope, receive, bounded)
        except _Stalled:
            logger.info("a stream ends: its client took nothing for %g s", self._send_s)
        finally:
            self._on_end()


async def stream(
    request: Request,
    pool: asking.PoolName,
    from_: Annotated[
        int | None,
        Query(
            alias="from",
            ge=0,
            le=asking.SEQUENCE_MAX,
            description="Records of this event and later ones. Default: only new ones.",
        ),
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(description="`SEQUENCE.LINE` of the last record that was seen; goes before `from`."),
    ] = None,
) -> StreamingResponse:
    """Send records as they are written: events of their kinds, with ids `SEQUENCE.LINE`."""
    asking.require_known(request, ["from"])
    following: Following = request.app.state.following
    settings: WebSettings = request.app.state.settings
    name = asking.pool_of(pool)
    head = await following.head(name)
    after = _after(from_, last_event_id, head)
    if after[0] <= head.last:
        await following.require_held(head, after)
    caller: Caller = request.state.caller
    following.begin(caller)
    return CountedResponse(
        _events(request, following, settings, name, after),
        lambda: following.end(caller),
        settings.send_s,
    )


def _after(from_: int | None, last_event_id: str | None, head: Followed) -> tuple[int, int]:
    """The place behind which the stream begins."""
    if last_event_id:
        found = _PLACE.fullmatch(last_event_id)
        if found is None:
            raise asking.wrong({"Last-Event-ID": "expected SEQUENCE.LINE"})
        return int(found[1]), int(found[2])
    return (head.last + 1, 0) if from_ is None else (from_, 0)


async def _events(
    request: Request,
    following: Following,
    settings: WebSettings,
    pool: str,
    after: tuple[int, int],
) -> AsyncIterator[str]:
    ends = time.monotonic() + settings.stream_s
    tokens: Tokens = request.app.state.tokens

    async def goes_on() -> bool:
        is_due = time.monotonic() >= ends or request.app.state.is_stopping()
        return not is_due and await tokens.has(request.state.caller)

    yield f"retry: {RETRY_S * 1000}\n\n"
    said = time.monotonic()
    while await goes_on():
        head = await following.head(pool)
        if after[0] <= head.last:
            try:
                found = await following.records(pool, head, after)
            except Detached:
                return  # whoever comes again with the last id is told
            for record in _told(found):
                if not await goes_on():  # the client may take long over each
                    return
                yield record
                said = time.monotonic()
            after = _reached(found, head, after)
            if found.more:
                continue
        if time.monotonic() - said >= settings.heartbeat_s:
            yield ": still here\n\n"
            said = time.monotonic()
        await asyncio.sleep(settings.poll_s)


def _told(found: Behind) -> list[str]:
    names = names_of(found.rows.columns)
    told = []
    for row in found.rows.rows:
        record = dict(zip(names, map(plain, row), strict=True))
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        place = f"{record['sequence']}.{record['line']}"
        told.append(f"id: {place}\nevent: {record['kind']}\ndata: {text}\n\n")
    return told


def _reached(found: Behind, head: Followed, after: tuple[int, int]) -> tuple[int, int]:
    """Behind the last record of the page; behind the head, where that was all."""
    if not found.more:
        return head.last + 1, 0
    last = found.rows.rows[-1] if found.rows.rows else None
    return after if last is None else (last[1], last[2])
