"""The ADL queue: who would be deleveraged first, by instrument and side, at any event."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from ledger.store.console import participants as console_participants
from ledger.store.console import records as console_records
from ledger.store.console.participants import Queued
from ledger.web.console.books import reading
from ledger.web.console.pages.overview import At
from ledger.web.console.place import PoolName, Unknown
from ledger.web.console.rendering import Page, render, worked_out

router = APIRouter(route_class=Page)

PAGE_ROWS = 100


@router.get("/pools/{pool}/adl")
def adl(
    request: Request,
    pool: PoolName,
    at: At = None,
    instrument: Annotated[str, Query(max_length=64)] = "",
    side: Annotated[str, Query(pattern="^(long|short)$")] = "long",
    offset: Annotated[int, Query(ge=0)] = 0,
) -> HTMLResponse:
    """The queue of one instrument and side."""
    with reading(request, pool, at) as (connection, place):
        terms = console_records.instruments(connection, place.shard, place.at)
        rules = console_records.terms(connection, place.shard, "pool", "", place.at)
        newest = console_records.newest(
            connection, place.shard, console_records.DELEVERAGINGS, place.at
        )
        numbers = range(newest, max(0, newest - 10), -1)
        past = console_records.numbered(
            connection, place.shard, console_records.DELEVERAGINGS, numbers
        )
    names = [row["name"] for row in terms]
    chosen = instrument or next(iter(names), "")
    if instrument and instrument not in names:
        raise Unknown(f"pool {pool} had no instrument {instrument!r} after event {place.at}")
    policy = str(rules[1]["adl_policy"]) if rules else ""
    ready = worked_out(
        request,
        ("adl", place.shard),
        place.at,
        lambda connection: console_participants.queues(connection, place.pool, place.at),
        follows=place.is_now,
    )
    rows: list[Queued] = []
    if ready is not None and ready.found is not None:
        rows = [one for one in ready.found if (one.instrument, one.side) == (chosen, side)]
    return render(
        request,
        "adl.html",
        {
            "place": place,
            "instruments": names,
            "chosen": chosen,
            "side": side,
            "policy": policy,
            "ready": ready,
            "rows": rows[offset : offset + PAGE_ROWS],
            "total": len(rows),
            "eligible": sum(one.eligible for one in rows),
            "following": offset + PAGE_ROWS if len(rows) > offset + PAGE_ROWS else None,
            "scale_of": next((row["content"] for row in terms if row["name"] == chosen), None),
            "past": past,
        },
    )
