"""Pages of instruments: terms, tiers and marks in force at an event, and how the mark moved."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse

from ledger.store.console import records as console_records
from ledger.web.console.books import reading, summed
from ledger.web.console.charts import Line, chart, said_of
from ledger.web.console.pages.overview import At
from ledger.web.console.place import InstrumentName, PoolName, Unknown
from ledger.web.console.rendering import Page, render
from ledger.web.console.worked.totals import totals

router = APIRouter(route_class=Page)


@router.get("/pools/{pool}/instruments")
def instruments(request: Request, pool: PoolName, at: At = None) -> HTMLResponse:
    """All instruments of a pool."""
    with reading(request, pool, at) as (connection, place):
        rows = console_records.instruments(connection, place.shard, place.at)
    ready = summed(request, place.shard, place.at, is_now=place.is_now)
    found = None if ready is None or ready.found is None else totals(ready.found, place.asset)
    interest = {} if found is None else {one.instrument: one for one in found.interest}
    return render(
        request,
        "instruments.html",
        {"place": place, "rows": rows, "interest": interest, "ready": ready},
    )


@router.get("/pools/{pool}/instruments/{name}")
def instrument(
    request: Request, pool: PoolName, name: InstrumentName, at: At = None
) -> HTMLResponse:
    """One instrument."""
    with reading(request, pool, at) as (connection, place):
        rows = console_records.instruments(connection, place.shard, place.at)
    row = next((one for one in rows if one["name"] == name), None)
    if row is None:
        raise Unknown(f"pool {pool} had no instrument {name!r} after event {place.at}")
    content: Mapping[str, Any] = row["tiers_content"] or row["content"]
    changed = row["tiers_sequence"] or row["sequence"]
    return render(
        request,
        "instrument.html",
        {
            "place": place,
            "name": name,
            "row": row,
            "terms": row["content"],
            "tiers": content["tiers"] if changed > row["sequence"] else row["content"]["tiers"],
            "tiers_from": max(changed, row["sequence"]),
        },
    )


@router.get("/pools/{pool}/instruments/{name}/marks.json")
def marks(request: Request, pool: PoolName, name: InstrumentName, at: At = None) -> JSONResponse:
    """The mark over all events up to one."""
    with reading(request, pool, at) as (connection, place):
        found = console_records.marks(connection, place.shard, name, 1, place.at)
    return chart(
        "time",
        [moment for _, moment, _ in found.shown],
        [Line(f"mark of {name}", [mark for _, _, mark in found.shown], "step")],
        [place.event(sequence) for sequence, _, _ in found.shown],
        said_of(found),
    )
