"""Pages of liquidations: their list, and one of them as a story from the price to the last loss."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse

from ledger.audit.explanation.families import family_of
from ledger.store.audit.lookups import FoundRecord, Lookups
from ledger.store.console import participants as console_participants
from ledger.store.console import records as console_records
from ledger.store.console.pools import Connection
from ledger.web.console.books import reading
from ledger.web.console.charts import Line, chart, said_of
from ledger.web.console.later import later
from ledger.web.console.pages.overview import At
from ledger.web.console.place import Before, Place, PoolName, Unknown
from ledger.web.console.rendering import Page, render

router = APIRouter(route_class=Page)

PAGE_ROWS = console_records.PAGE_ROWS
QUEUE_SHOWN_MAX = 100
_AROUND_EVENTS = 1_500
"""Events before and after a liquidation whose marks are drawn."""


@router.get("/pools/{pool}/liquidations")
def liquidations(
    request: Request, pool: PoolName, at: At = None, before: Before = None
) -> HTMLResponse:
    """Liquidations, the newest first."""
    of = console_records.LIQUIDATIONS
    with reading(request, pool, at) as (connection, place):
        newest = console_records.newest(connection, place.shard, of, place.at)
        last = newest if before is None else min(before - 1, newest)
        numbers = range(last, max(0, last - PAGE_ROWS), -1)
        rows = console_records.numbered(connection, place.shard, of, numbers)
        ends = console_records.about(
            connection,
            place.shard,
            ("liquidation_end", "takeover"),
            [row["subject"] for row in rows],
        )
    taken: dict[str, list[str]] = {}
    for end in ends:
        if end["kind"] == "takeover":
            taken.setdefault(end["subject"], []).append(end["body"]["instrument"])
    return render(
        request,
        "liquidations.html",
        {
            "place": place,
            "rows": rows,
            "taken": {name: sorted(set(found)) for name, found in taken.items()},
            "left": {
                end["subject"]: end["body"] for end in ends if end["kind"] == "liquidation_end"
            },
            "total": newest,
            "following": numbers[-1] if rows and numbers[-1] > 1 else None,
        },
    )


@router.get("/pools/{pool}/liquidations/{number}")
def liquidation(request: Request, pool: PoolName, number: str, at: At = None) -> HTMLResponse:
    """One liquidation."""
    with reading(request, pool, at) as (connection, place):
        lookups = Lookups(connection, pool, place.shard)
        root, family = _family(lookups, number)
        if root.sequence > place.at:
            what = f"Liquidation {number}"
            return later(request, place, what, root.sequence, "liquidations", number)
        event = lookups.event(root.sequence)
        before = _before(connection, place, root)
    assert event is not None, "a record has its event"
    known = [record for record in family if record.sequence <= place.at]
    deleveragings = _of(known, "deleveraging")
    return render(
        request,
        "liquidation.html",
        {
            "place": place,
            "number": number,
            "root": root,
            "body": root.body,
            "event": event,
            "before": before,
            "instruments": sorted({one.body["instrument"] for one in _of(known, "takeover")}),
            "takeovers": _of(known, "takeover"),
            "seizures": _of(known, "seizure"),
            "made_whole": _of(known, "made_whole"),
            "ends": _of(known, "liquidation_end"),
            "rounds": _of(known, "liquidation_round"),
            "close_outs": _of(known, "close_out"),
            "unclosed": _of(known, "unclosed"),
            "movements": _of(known, "fund"),
            "deleveragings": deleveragings,
            "queues": {one.subject: _queue(one) for one in deleveragings},
            "queue_max": QUEUE_SHOWN_MAX,
            "later": len(family) - len(known),
        },
    )


def _family(lookups: Lookups, number: str) -> tuple[FoundRecord, list[FoundRecord]]:
    """The record of a liquidation, and all that belongs to it."""
    found = lookups.records_of(("liquidation",), number)
    if not found:
        raise Unknown(f"pool {lookups.pool} has no liquidation {number!r} here")
    return found[0], family_of(lookups, found[0])


def _of(family: Sequence[FoundRecord], kind: str) -> list[FoundRecord]:
    return [record for record in family if record.kind == kind]


def _queue(record: FoundRecord) -> list[Mapping[str, Any]]:
    """Candidates by rank, those without one last; as many as are shown."""
    candidates: list[Mapping[str, Any]] = list(record.body["candidates"])
    candidates.sort(key=lambda one: (one["rank"] is None, one["rank"] or 0, one["account"]))
    return candidates[:QUEUE_SHOWN_MAX]


def _before(connection: Connection, place: Place, root: FoundRecord) -> list[dict[str, Any]]:
    """The account's positions before the event: where its liquidation prices stood."""
    if root.sequence < 2:  # noqa: PLR2004 - nothing stands before the first event
        return []
    account, only = root.body["account"], root.body["margin_instrument"]
    rows = console_participants.positions(connection, place.pool, root.sequence - 1, account)
    return [
        row
        for row in rows
        if (only is None and row["margin_mode"] == "cross") or row["instrument"] == only
    ]


@router.get("/pools/{pool}/liquidations/{number}/price.json")
def price(
    request: Request, pool: PoolName, number: str, instrument: str, at: At = None
) -> JSONResponse:
    """The mark around a liquidation, with the prices that decided it."""
    with reading(request, pool, at) as (connection, place):
        lookups = Lookups(connection, pool, place.shard)
        root, family = _family(lookups, number)
        if root.sequence > place.at:
            raise Unknown(f"liquidation {number} came later, at event {root.sequence}")
        family = [record for record in family if record.sequence <= place.at]
        first = max(1, root.sequence - _AROUND_EVENTS)
        last = min(place.at, root.sequence + _AROUND_EVENTS)
        found = console_records.marks(connection, place.shard, instrument, first, last)
        before = _before(connection, place, root)
    marks = found.shown
    moments: list[datetime | int] = [moment for _, moment, _ in marks]
    lines = [Line(f"mark of {instrument}", [mark for _, _, mark in marks], "step")]
    lines += [
        _level("liquidation price", row["liquidation_price"], marks, "third")
        for row in before
        if row["instrument"] == instrument and row["liquidation_price"] is not None
    ]
    for one in _of(family, "takeover"):
        bankruptcy = one.body["bankruptcy_price"]
        if one.body["instrument"] == instrument and bankruptcy is not None:
            lines.append(_level("bankruptcy price", Decimal(bankruptcy), marks, "loss"))
    links = [place.event(sequence) for sequence, _, _ in marks]
    return chart("time", moments, lines, links, said_of(found))


def _level(label: str, value: Decimal, marks: Sequence[Any], tone: Any) -> Line:  # noqa: ANN401 - of the palette
    return Line(label, [value for _ in marks], "level", tone)
