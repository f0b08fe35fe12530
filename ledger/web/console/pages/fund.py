"""The insurance fund over time: a chart of its balance and deficit, and each of its movements."""

from decimal import Decimal

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse

from ledger.store.console import records as console_records
from ledger.web.console.books import reading
from ledger.web.console.charts import Line, chart
from ledger.web.console.pages.overview import At
from ledger.web.console.people import has_scope
from ledger.web.console.place import Before, PoolName
from ledger.web.console.rendering import Page, render

router = APIRouter(route_class=Page)

POINTS = 500
_OF = console_records.MOVEMENTS


@router.get("/pools/{pool}/fund")
def fund(request: Request, pool: PoolName, at: At = None, before: Before = None) -> HTMLResponse:
    """Movements, the newest first."""
    with reading(request, pool, at) as (connection, place):
        newest = console_records.newest(connection, place.shard, _OF, place.at)
        last = newest if before is None else min(before - 1, newest)
        numbers = range(last, max(0, last - console_records.PAGE_ROWS), -1)
        rows = console_records.numbered(connection, place.shard, _OF, numbers)
        latest = console_records.numbered(connection, place.shard, _OF, [newest])
        terms = console_records.terms(connection, place.shard, "pool", "", place.at)
    return render(
        request,
        "fund.html",
        {
            "place": place,
            "rows": rows,
            "total": newest,
            "latest": latest[0] if latest else None,
            "terms": terms[1] if terms else {},
            "following": numbers[-1] if rows and numbers[-1] > 1 else None,
        },
    )


@router.get("/pools/{pool}/fund.json")
def history(request: Request, pool: PoolName, at: At = None) -> JSONResponse:
    """The fund after its movements; of very many, those at even distances."""
    with reading(request, pool, at) as (connection, place):
        newest = console_records.newest(connection, place.shard, _OF, place.at)
        numbers = console_records.evenly(1, newest, POINTS) if newest else []
        rows = console_records.numbered(connection, place.shard, _OF, numbers)
    is_auditor = has_scope(request, "auditor")
    said = ""
    if len(rows) < newest:
        said = f"{len(rows):,} of {newest:,} movements, at even distances."
    return chart(
        "time",
        [row["occurred_at"] for row in rows],
        [
            Line(
                f"insurance fund, {place.asset}",
                [Decimal(row["body"]["insurance_after"]) for row in rows],
                "step",
            ),
            Line(
                "deficit",
                [Decimal(row["body"]["deficit_after"]) for row in rows],
                "step",
                "loss",
            ),
        ],
        [
            place.to("explain", row["subject"]) if is_auditor else place.event(row["sequence"])
            for row in rows
        ],
        said,
    )
