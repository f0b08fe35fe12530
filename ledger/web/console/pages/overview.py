"""Pages of whole books and whole pools: what stands, how fast it moves, what was refused."""

import time
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, JSONResponse

from ledger.errors import ConfigurationError
from ledger.store.console import participants as console_participants
from ledger.store.console import pools as console_pools
from ledger.store.console import records as console_records
from ledger.store.console.pools import Connection, PoolHead
from ledger.web.console.books import auditors, reading, summed
from ledger.web.console.charts import Line, chart
from ledger.web.console.place import Before, Place, PoolName, moment_of, placed
from ledger.web.console.rendering import Page, render, worked_out
from ledger.web.console.worked.lag import behind
from ledger.web.console.worked.patience import Ready
from ledger.web.console.worked.totals import totals

router = APIRouter(route_class=Page)

At = Annotated[str | None, Query(max_length=40)]
POOLS_SUMMED_MAX = 8
DAY_S = 86_400
STEP_S = 900
NEAREST = 12
LATEST = 8


@router.get("/")
def books(request: Request, at: At = None) -> HTMLResponse:
    """All pools."""
    with auditors(request).lent() as connection:
        heads = console_pools.heads(connection)
        moments = _moments(connection, heads, at)
        standings = console_pools.standings(connection, moments)
        begun = [head for head in heads if head.is_pool and moments.get(head.shard)]
        places = [placed(connection, head.name, at, heads) for head in begun[:POOLS_SUMMED_MAX]]
    shown = [{"place": place, **_summed(request, place)} for place in places]
    return render(
        request,
        "books.html",
        {
            "rows": [(head, standings.get(head.shard)) for head in heads],
            "behind": behind(request, [head.name for head in heads], is_now=not at),
            "shown": shown,
            "left_out": max(0, len(begun) - POOLS_SUMMED_MAX),
            "now_ms": int(time.time() * 1000),
            "at": at,
            "counted_max": console_pools.REFUSED_COUNTED_MAX,
        },
    )


def _moments(connection: Connection, heads: list[PoolHead], at: str | None) -> dict[int, int]:
    """The event after which each shard stood; one that had none yet is left out.

    A sequence means another moment in each pool, so a time is asked for; what came for no pool has
    no pool time.
    """
    if not at:
        return {head.shard: head.head for head in heads}
    if at.isascii() and at.isdigit():
        raise ConfigurationError(
            f"at={at}: here all pools are shown, so at takes a time like 2026-01-31T12:00:00Z"
        )
    found = console_pools.sequences_at(connection, moment_of(at))
    return {head.shard: found[head.shard] for head in heads if head.is_pool and found[head.shard]}


def _summed(request: Request, place: Place) -> dict[str, Any]:
    ready = summed(request, place.shard, place.at, is_now=place.is_now)
    found = None if ready is None or ready.found is None else totals(ready.found, place.asset)
    return {"ready": ready, "totals": found}


@router.get("/pools/{pool}")
def pool_page(request: Request, pool: PoolName, at: At = None) -> HTMLResponse:
    """One pool."""
    with reading(request, pool, at) as (connection, place):
        latest = _latest(connection, place)
        instruments = {
            row["name"]: row
            for row in console_records.instruments(connection, place.shard, place.at)
        }
        then = console_pools.standings(connection, {place.shard: place.at})[place.shard]
    _nearest(request, place, 0)  # begun beside the sums
    totalled = _summed(request, place)
    return render(
        request,
        "pool.html",
        {
            "place": place,
            "then": then,
            "behind": behind(request, [pool], is_now=place.is_now)[pool],
            "counted_max": console_pools.REFUSED_COUNTED_MAX,
            "now_ms": int(time.time() * 1000),
            "latest": latest,
            "instruments": instruments,
            "nearest": _nearest(request, place, 0),
            **totalled,
        },
    )


def _latest(connection: Connection, place: Place) -> list[dict[str, Any]]:
    """The newest liquidations."""
    last = console_records.newest(connection, place.shard, console_records.LIQUIDATIONS, place.at)
    numbers = range(last, max(0, last - LATEST), -1)
    return console_records.numbered(connection, place.shard, console_records.LIQUIDATIONS, numbers)


def _nearest(request: Request, place: Place, wait_s: float) -> Ready | None:
    """Margin accounts whose maintenance margin takes the largest part of their equity."""

    def work(connection: Connection) -> list[dict[str, Any]]:
        rows = console_participants.margin(connection, place.pool, place.at, None)
        risky = [row for row in rows if row["maintenance_margin"]]
        risky.sort(key=lambda row: (row["margin_ratio"] is not None, -(row["margin_ratio"] or 0)))
        return risky[:NEAREST]

    name = ("nearest", place.shard)
    return worked_out(request, name, place.at, work, follows=place.is_now, wait_s=wait_s)


@router.get("/pools/{pool}/pace.json")
def pace(request: Request, pool: PoolName, at: At = None) -> JSONResponse:
    """Events a minute over the day of pool time before an event."""
    with reading(request, pool, at) as (connection, place):
        if place.pool_time is None:
            return chart("time", [], [])
        found = console_pools.pace(connection, place.shard, place.pool_time, DAY_S, STEP_S)
    moments: list[datetime | int] = [moment for moment, _ in found[1:]]
    counts = [later - earlier for (_, earlier), (_, later) in pairwise(found)]
    links = [place.to("postings", last=last) for _, last in found[1:]]
    return chart("time", moments, [Line("events in 15 min", counts, shape="bars")], links)


@router.get("/pools/{pool}/refused")
def refused(request: Request, pool: PoolName, at: At = None, before: Before = None) -> HTMLResponse:
    """Messages that were refused, with the reason."""
    with reading(request, pool, at) as (connection, place):
        bound = place.at + 1 if before is None else min(before, place.at + 1)
        rows = console_pools.refused(connection, place.shard, bound, 51)
    following = rows[49]["sequence"] if len(rows) > 50 else None  # noqa: PLR2004 - the page
    return render(
        request,
        "refused.html",
        {"place": place, "rows": rows[:50], "following": following},
    )
