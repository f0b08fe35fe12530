"""Records as they come: server-sent events from a sequence on, for as long as the client listens.

Rules of this file:

* A stream holds no connection to the database while nothing comes. All streams share one look at
  the heads of the pools, and a page of records is read only when a head has moved.
* Every event has the id `SEQUENCE.LINE`; a client that comes again with it in `Last-Event-ID` gets
  what is behind it, nothing twice and nothing left out.
* A stream is ended after a while, and when the server stops; clients come again by themselves.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated

from fastapi import Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from ledger.store.web_connections import Readers
from ledger.store.web_records import Behind, Followed, behind, heads
from ledger.store.web_rows import UnknownPool
from ledger.web.api import asking
from ledger.web.api.formats import names_of, plain
from ledger.web.problems import RETRY_S, Problem
from ledger.web.settings import WebSettings

PAGE_RECORDS = 200

_PLACE = re.compile(r"(\d{1,18})\.(\d{1,9})", re.ASCII)


class Following:
    """What streams share: how far pools are, and how many streams are open. Of one event loop."""

    def __init__(self, readers: Readers, settings: WebSettings) -> None:
        """Read over connections that act as clearing_auditor."""
        self._readers = readers
        self._settings = settings
        self._lock = asyncio.Lock()
        self._heads: Mapping[str, Followed] = {}
        self._looked_at = float("-inf")
        self.open = 0

    async def head(self, pool: str) -> Followed:
        """How far a pool is, not longer ago than a poll.

        Raises:
            UnknownPool: There is no such pool.
            StoreUnavailable: The database does not answer.
        """
        async with self._lock:
            if time.monotonic() - self._looked_at >= self._settings.poll_s:
                self._heads = await run_in_threadpool(self._look)
                self._looked_at = time.monotonic()
        if pool not in self._heads:
            raise UnknownPool(f"the books have no pool {pool}")
        return self._heads[pool]

    def _look(self) -> Mapping[str, Followed]:
        with self._readers.lent() as connection:
            return heads(connection)

    async def records(self, pool: str, followed: Followed, after: tuple[int, int]) -> Behind:
        """A page of records behind a place."""
        return await run_in_threadpool(self._records, pool, followed, after)

    def _records(self, pool: str, followed: Followed, after: tuple[int, int]) -> Behind:
        with self._readers.lent() as connection:
            return behind(connection, pool, followed, after, PAGE_RECORDS)


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
    if following.open >= settings.streams_max:
        raise Problem(
            "too_many_streams",
            f"{settings.streams_max} streams of records are open, which is all there may be",
            headers={"Retry-After": str(RETRY_S)},
        )
    events = _events(request, following, settings, name, after)
    return StreamingResponse(
        events,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
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
    following.open += 1
    try:
        yield f"retry: {RETRY_S * 1000}\n\n"
        said = time.monotonic()
        while time.monotonic() < ends and not request.app.state.is_stopping():
            head = await following.head(pool)
            if after[0] <= head.last:
                found = await following.records(pool, head, after)
                for record in _told(found):
                    yield record
                    said = time.monotonic()
                after = _reached(found, head, after)
                if found.more:
                    continue
            if time.monotonic() - said >= settings.heartbeat_s:
                yield ": still here\n\n"
                said = time.monotonic()
            await asyncio.sleep(settings.poll_s)
    finally:
        following.open -= 1


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
